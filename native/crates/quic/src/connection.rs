//! One QUIC connection as a link wants it. Almost every call is one of noq's; limits of our credit and messages of the
//! application share its datagrams, told apart by their first byte.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use noq_proto::{
    ConnectionError, Dir, Event, PathId, ReadError, SendDatagramError, StreamEvent, StreamId, VarInt, WriteError,
};
use petrel_link::{Lost, PathStats, Profile, Reading, Refused, Signal, Stopped, Transmit, lock, probe_interval, tls};
use petrel_streams::message::Entry;
use rustls::pki_types::CertificateDer;

use crate::backstop::{self, Backstop, DATAGRAM_LIMITS, DATAGRAM_PAYLOAD};
use crate::endpoint::{Id, Packet};
use crate::silence::Shared;

/// What is handed to noq and not yet acknowledged: at least this, else twice the congestion window.
const MIN_SEND_WINDOW: u64 = 512 * 1024;
/// What limits may have of the peer's besides: as much as may wait for it.
const LIMITS_SEND_WINDOW: u64 = 64 * 1024;
/// Number of StreamReset in errors.ts.
const RESET_LIMIT: u64 = 7;

pub struct Connection {
    pub(crate) id: Id,
    pub(crate) noq: noq_proto::Connection,
    is_connected: bool,
    speaks_credit: bool,
    /// Where the peer was at first.
    remote: SocketAddr,
    profile: Profile,
    backstop: Backstop,
    silence: Shared,
    signals: VecDeque<Signal>,
    /// Received payloads that the driver is about to take.
    datagrams: VecDeque<Bytes>,
}

impl Connection {
    pub(crate) fn new(
        id: Id,
        noq: noq_proto::Connection,
        remote: SocketAddr,
        profile: Profile,
        silence: Shared,
    ) -> Self {
        let (signals, datagrams) = (VecDeque::new(), VecDeque::new());
        let backstop = Backstop::default();
        Self {
            id,
            noq,
            is_connected: false,
            speaks_credit: false,
            remote,
            profile,
            backstop,
            silence,
            signals,
            datagrams,
        }
    }

    pub fn id(&self) -> Id {
        self.id
    }

    pub fn handle(&mut self, packet: Packet) {
        lock(&self.silence).heard();
        self.noq.handle_event(packet);
    }

    fn translate(&mut self, event: Event) {
        let signals = &mut self.signals;
        match event {
            Event::Connected => {
                self.is_connected = true;
                // A peer without datagrams cannot receive limits, so it knows nothing of them.
                self.speaks_credit = self.noq.datagrams().max_size().is_some();
                signals.push_back(Signal::Connected);
            }
            Event::ConnectionLost { reason } => signals.push_back(Signal::Lost(lost(&reason))),
            Event::Stream(StreamEvent::Opened { dir: Dir::Bi }) => {
                while let Some(id) = self.noq.streams().accept(Dir::Bi) {
                    signals.push_back(Signal::Opened(number(id)));
                }
            }
            Event::Stream(StreamEvent::Opened { dir: Dir::Uni }) => {
                while let Some(id) = self.noq.streams().accept(Dir::Uni) {
                    self.backstop.accept(&mut self.noq, id, |entry| signals.push_back(Signal::Limit(entry)));
                }
            }
            Event::Stream(StreamEvent::Readable { id }) if id.dir() == Dir::Bi => {
                signals.push_back(Signal::Readable(number(id)));
            }
            Event::Stream(StreamEvent::Readable { id }) => {
                self.backstop.hear(&mut self.noq, id, |entry| signals.push_back(Signal::Limit(entry)));
            }
            Event::Stream(StreamEvent::Writable { id }) => signals.push_back(Signal::Writable(number(id))),
            Event::Stream(StreamEvent::Stopped { id, error_code }) => {
                signals.push_back(Signal::Stopped(number(id), error_code.into_inner()));
            }
            Event::Stream(StreamEvent::Available { dir: Dir::Bi }) => signals.push_back(Signal::MayOpen),
            Event::DatagramReceived => self.take_datagrams(),
            _ => {}
        }
    }

    fn take_datagrams(&mut self) {
        while let Some(datagram) = self.noq.datagrams().recv() {
            match datagram.first() {
                Some(&DATAGRAM_LIMITS) => {
                    backstop::decode(&datagram[1..], |entry| self.signals.push_back(Signal::Limit(entry)));
                }
                Some(&DATAGRAM_PAYLOAD) => self.datagrams.push_back(datagram.slice(1..)),
                _ => {}
            }
        }
        if !self.datagrams.is_empty() {
            self.signals.push_back(Signal::Datagrams);
        }
    }

    /// When a silent path is to be asked, however long the engine would wait.
    fn probe_at(&self) -> Option<Instant> {
        let may_probe = self.is_connected && !self.noq.is_closed();
        let rtt = self.noq.rtt(PathId::ZERO).filter(|_| may_probe)?;
        lock(&self.silence).probe_at(probe_interval(rtt))
    }

    fn answer_at(&self) -> Option<Instant> {
        let may_answer = self.is_connected && !self.noq.is_closed();
        lock(&self.silence).answer_at().filter(|_| may_answer)
    }

    /// Of all streams, whatever the peer says that it has taken.
    fn most_unacknowledged(&self) -> u64 {
        self.profile.send_bytes.max(2 * MIN_SEND_WINDOW)
    }

    /// A quarter is left to streams that have hardly any under way.
    fn widen_send_window(&mut self) {
        if self.is_connected && !self.noq.is_closed() {
            let cwnd = self.noq.congestion_state(PathId::ZERO).map_or(0, |c| c.window());
            let most = self.most_unacknowledged() / 4 * 3;
            self.noq.set_send_window(cwnd.saturating_mul(2).clamp(MIN_SEND_WINDOW, most));
        }
    }
}

impl petrel_link::Connection for Connection {
    fn poll_timeout(&mut self) -> Option<Instant> {
        [self.noq.poll_timeout(), self.probe_at(), self.answer_at()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.noq.handle_timeout(now);
        lock(&self.silence).answer(now);
        if self.probe_at().is_some_and(|at| at <= now) {
            lock(&self.silence).probe(now);
            // Fails only when the path is closed, and the connection with it.
            let _ = self.noq.ping_path(PathId::ZERO);
        }
    }

    fn poll_transmit(&mut self, now: Instant, segments: NonZeroUsize, buffer: &mut Vec<u8>) -> Option<Transmit> {
        if self.is_connected && !self.noq.is_closed() && !self.backstop.is_empty() {
            // Limits are not held up by what streams have under way.
            self.noq.set_send_window(self.most_unacknowledged() + LIMITS_SEND_WINDOW);
            self.backstop.flush(&mut self.noq);
            self.widen_send_window();
        }
        self.noq.poll_transmit(now, segments, buffer).as_ref().map(transmit)
    }

    fn poll(&mut self) -> Option<Signal> {
        loop {
            if let Some(signal) = self.signals.pop_front() {
                return Some(signal);
            }
            let Some(event) = self.noq.poll() else {
                self.widen_send_window();
                return None;
            };
            self.translate(event);
        }
    }

    fn open(&mut self) -> Option<u64> {
        self.noq.streams().open(Dir::Bi).map(number)
    }

    fn read(&mut self, stream: u64, take: &mut dyn FnMut(u64, &[u8])) -> Reading {
        let mut receive = self.noq.recv_stream(id(stream));
        let Ok(mut chunks) = receive.read(false) else { return Reading::Open };
        let reading = loop {
            match chunks.next(usize::MAX) {
                Ok(Some(chunk)) => take(chunk.offset, &chunk.bytes),
                Ok(None) => break Reading::Finished,
                Err(ReadError::Blocked) => break Reading::Open,
                Err(ReadError::Reset(code)) => break Reading::Reset(code.into_inner()),
            }
        };
        let _ = chunks.finalize();
        reading
    }

    fn write(&mut self, stream: u64, data: &mut Bytes) -> Result<usize, Stopped> {
        let mut send = self.noq.send_stream(id(stream));
        let mut written = 0;
        while !data.is_empty() {
            match send.write_chunks(&mut &mut [data.clone()][..]) {
                Ok(n) => {
                    data.advance(n);
                    written += n;
                }
                // Only after this does an event tell of room.
                Err(WriteError::Blocked) => break,
                Err(WriteError::Stopped(code)) => return Err(Stopped(code.into_inner())),
                // Cannot be: only the driver finishes and resets, and it remembers both.
                Err(WriteError::ClosedStream) => return Err(Stopped(RESET_LIMIT)),
            }
        }
        Ok(written)
    }

    fn write_few(&mut self, stream: u64, data: &mut Bytes) -> Result<usize, Stopped> {
        self.noq.set_send_window(self.most_unacknowledged());
        let written = self.write(stream, data);
        self.widen_send_window();
        written
    }

    fn finish(&mut self, stream: u64) {
        // Fails only when the peer stopped the stream, of which an event tells.
        let _ = self.noq.send_stream(id(stream)).finish();
    }

    fn abandon(&mut self, stream: u64, code: u64) {
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        let _ = self.noq.send_stream(id(stream)).reset(code);
        let _ = self.noq.recv_stream(id(stream)).stop(code);
    }

    fn set_max_streams(&mut self, streams: u32) {
        self.noq.set_max_concurrent_streams(Dir::Bi, VarInt::from_u32(streams));
    }

    fn speaks_credit(&self) -> bool {
        self.speaks_credit
    }

    fn announce(&mut self, entries: &[Entry], surely: bool) {
        if surely {
            self.backstop.queue(entries);
        } else {
            backstop::send_datagrams(&mut self.noq, entries);
        }
    }

    fn may_announce(&self) -> bool {
        self.backstop.has_room()
    }

    fn max_datagram(&mut self) -> Option<usize> {
        self.noq.datagrams().max_size().map(|n| n.saturating_sub(1))
    }

    fn send_datagram(&mut self, payload: Bytes) -> Result<(), Refused> {
        if self.noq.datagrams().send_buffer_space() <= payload.len() {
            return Err(Refused::Full(payload));
        }
        let mut datagram = Vec::with_capacity(1 + payload.len());
        datagram.push(DATAGRAM_PAYLOAD);
        datagram.extend_from_slice(&payload);
        match self.noq.datagrams().send(datagram.into(), false) {
            Ok(()) => Ok(()),
            Err(SendDatagramError::Blocked(_)) => Err(Refused::Full(payload)),
            Err(_) => Err(Refused::Never),
        }
    }

    fn receive_datagram(&mut self) -> Option<Bytes> {
        self.datagrams.pop_front()
    }

    fn close(&mut self, now: Instant, code: u64, reason: &str) {
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        self.noq.close(now, code, Bytes::copy_from_slice(reason.as_bytes()));
    }

    fn is_closed(&self) -> bool {
        self.noq.is_closed()
    }

    fn is_drained(&self) -> bool {
        self.noq.is_drained()
    }

    fn peer_pin(&self) -> Option<[u8; 32]> {
        let identity = self.noq.crypto_session().peer_identity()?;
        let chain = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        chain.first().and_then(tls::pin)
    }

    fn export_key(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> bool {
        self.noq.crypto_session().export_keying_material(out, label, context).is_ok()
    }

    fn remote(&self) -> SocketAddr {
        self.noq.network_path(PathId::ZERO).map_or(self.remote, |path| path.remote())
    }

    fn local_address_changed(&mut self, now: Instant) {
        self.noq.handle_network_change(None, now);
    }

    fn stats(&mut self) -> PathStats {
        let all = self.noq.stats();
        let path = self.noq.path_stats(PathId::ZERO).unwrap_or_default();
        PathStats {
            rtt: path.rtt,
            cwnd: path.cwnd,
            mtu: path.current_mtu,
            sent_bytes: all.udp_tx.bytes,
            received_bytes: all.udp_rx.bytes,
            sent_packets: all.sent_packets,
            lost_packets: all.lost_packets,
            delivery_rate: path.bandwidth_estimate.unwrap_or(0) / 8,
        }
    }

    fn rtt(&mut self) -> Option<Duration> {
        self.noq.rtt(PathId::ZERO)
    }
}

fn lost(reason: &ConnectionError) -> Lost {
    match reason {
        ConnectionError::ApplicationClosed(close) => {
            let reason = String::from_utf8_lossy(&close.reason).into_owned();
            Lost::Closed { code: close.error_code.into_inner(), reason }
        }
        ConnectionError::ConnectionClosed(_) => Lost::Refused(reason.to_string()),
        ConnectionError::TimedOut => Lost::Idle,
        ConnectionError::Reset => Lost::Forgotten,
        _ => Lost::Violation(reason.to_string()),
    }
}

pub(crate) fn transmit(of: &noq_proto::Transmit) -> Transmit {
    Transmit {
        destination: of.destination,
        source: of.src_ip,
        ecn: of.ecn.map(|ecn| ecn as u8),
        size: of.size,
        segment_size: of.segment_size,
    }
}

fn number(id: StreamId) -> u64 {
    VarInt::from(id).into_inner()
}

/// Numbers only come from `number`, so they fit.
fn id(number: u64) -> StreamId {
    StreamId::from(VarInt::from_u64(number).unwrap_or(VarInt::MAX))
}
