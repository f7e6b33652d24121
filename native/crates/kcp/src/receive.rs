//! What packets do to a connection. Nothing of a packet is believed before it has been opened with the link's keys, but
//! Retry, version negotiation and reset, which an attacker has to have seen our packets to forge.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use petrel_link::{Lost, Signal};

use crate::connection::{Connection, Life};
use crate::frame::{Frame, Frames};
use crate::handshake::Failed;
use crate::keys::Rejected;
use crate::packet::{self, Header, Id, Level, MIN_PATH, Packet};
use crate::streams::{Contradiction, Found};
use crate::token;

/// Fault codes; TLS alerts are added to ALERT. PROTOCOL.md, "Faults".
const FRAME: u64 = 1;
const STREAM: u64 = 2;
const ACK: u64 = 3;
const PARAMETERS: u64 = 4;
const LIMIT: u64 = 5;
const ALERT: u64 = 0x100;

/// Received payloads that wait for the driver, which takes them after each packet. Each may keep a whole packet alive.
const DATAGRAMS: usize = 1024;
/// Answers to challenges that wait; each is to one of ours.
const MAX_RESPONSES: usize = 8;

struct Fault(u64, &'static str);

impl Connection {
    /// Takes one datagram, which may be anything.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, mut bytes: BytesMut) {
        if matches!(self.life, Life::Draining(_) | Life::Over) || (self.is_dialer && from != self.path.remote()) {
            return;
        }
        self.path.received(from, bytes.len());
        match packet::parse(&bytes) {
            Some(Packet::Sealed(header)) if header.to == self.own || self.is_to_first(&header) => {
                self.sealed(now, from, &header, &mut bytes);
            }
            Some(Packet::Retry { to, from: id, token }) if to == self.own => self.retried(id, &bytes, token),
            Some(Packet::Versions { to, from: id, has_ours: false }) if to == self.own && id == self.peer => {
                self.no_version(now);
            }
            Some(Packet::Forgotten { id, token }) if id == self.peer => self.forgotten(&token),
            _ => {}
        }
    }

    /// A dialler's first packets go to an id that it made up.
    fn is_to_first(&self, header: &Header) -> bool {
        !self.is_dialer && header.level == Level::Initial && header.to == self.retry.unwrap_or(self.first)
    }

    fn sealed(&mut self, now: Instant, from: SocketAddr, header: &Header, bytes: &mut BytesMut) {
        // Before the peer has proved itself, its data is nobody's; and of listeners nobody else sends.
        let is_early = header.level == Level::Data && !self.is_connected;
        if is_early {
            return;
        }
        let keep = self.late();
        if !self.replay.may_be_new(header.counter) {
            // Somebody may have sent a copy from elsewhere, which came first.
            let tells = self.path.is_contested(from, header.counter);
            if tells && self.keys.open(now, header, bytes, keep).is_ok() {
                self.heard_from(now, from, header.counter);
            }
            return;
        }
        let len = match self.keys.open(now, header, bytes, keep) {
            Ok(len) => len,
            Err(Rejected::Forged) => return,
            Err(Rejected::Limit) => {
                self.signals.push_back(Signal::Lost(Lost::Violation("too many forged packets".into())));
                self.life = Life::Over;
                return;
            }
        };
        let size = bytes.len();
        let is_newest = self.replay.insert(header.counter);
        self.last_received = now;
        self.stats.received_bytes += size as u64;
        if let (Life::Closing(_), Some(farewell)) = (&self.life, &mut self.farewell) {
            farewell.heard += 1;
            if farewell.heard.is_power_of_two() && !farewell.levels.contains(&header.level) {
                farewell.levels.push(header.level);
            }
        }
        if let Some(initial) = header.initial.as_ref().filter(|_| self.is_dialer && !self.has_peer) {
            self.has_peer = true;
            self.peer = initial.from;
        }
        self.heard_from(now, from, header.counter);
        if is_newest && from != self.path.remote() {
            let random = &self.random;
            match self.is_connected {
                true => self.path.came_from(now, from, header.counter, size, || random.bytes()),
                false => self.path.follow(from, size),
            }
        }
        if header.level == Level::Handshake && !self.is_dialer {
            self.path.validate(from);
            self.drop_level(Level::Initial);
        }
        let frames = std::mem::take(bytes).freeze().slice(header.len..header.len + len);
        let mut is_eliciting = false;
        for frame in Frames::new(frames) {
            let done = frame.map_err(|_| Fault(FRAME, "a malformed frame")).and_then(|frame| {
                is_eliciting |= frame.is_eliciting();
                self.frame(now, from, header.level, frame)
            });
            if let Err(Fault(code, text)) = done {
                return self.fault(now, code, text);
            }
            if matches!(self.life, Life::Draining(_) | Life::Over) {
                return;
            }
        }
        self.received[header.level as usize].insert(header.counter, is_eliciting, now);
        self.heard(now, header.level, is_eliciting);
    }

    fn heard_from(&mut self, now: Instant, from: SocketAddr, counter: u64) {
        if self.path.heard(now, from, counter) {
            self.peer_moved();
        }
    }

    fn frame(&mut self, now: Instant, from: SocketAddr, level: Level, frame: Frame) -> Result<(), Fault> {
        match frame {
            Frame::Ping => {}
            Frame::Ack(ack) => {
                if !self.acknowledged(now, level, &ack) {
                    return Err(Fault(ACK, "a packet was acknowledged that was never sent"));
                }
            }
            Frame::Crypto { offset, data } if level < Level::Data => self.crypto(now, level, offset, &data),
            Frame::Close { is_fault, code, reason } => self.closed_by_peer(now, is_fault, code, &reason),
            // Everything else is for those who have proved themselves; while we say farewell it is too late.
            _ if level < Level::Data => return Err(Fault(FRAME, "a frame before its time")),
            _ if self.life != Life::Open => {}
            Frame::Done if self.is_dialer => self.confirmed(),
            Frame::Challenge(data) => {
                if self.responses.len() < MAX_RESPONSES {
                    self.responses.push_back(data);
                    // The answer does not wait for the window: our traffic does, for it.
                    self.probes = self.probes.max(1);
                }
            }
            Frame::Response(data) => {
                let rtt = self.rto.srtt().unwrap_or(self.latest_rtt);
                if self.path.answered(now, from, &data, rtt) {
                    self.peer_moved();
                }
            }
            Frame::Streams(most) => {
                if self.streams.allow(most) {
                    self.signals.push_back(Signal::MayOpen);
                }
            }
            Frame::Limit(entry) => self.signals.push_back(Signal::Limit(entry)),
            Frame::Datagram(payload) => self.datagram(payload),
            Frame::Segment { stream, offset, fin, data } => return self.segment(stream, offset, fin, data),
            Frame::Reset { stream, code } => return self.reset(stream, code),
            Frame::Stop { stream, code } => return self.stop(stream, code),
            Frame::Crypto { .. } | Frame::Done => return Err(Fault(FRAME, "a frame out of place")),
        }
        Ok(())
    }

    // ---- the handshake ----

    fn crypto(&mut self, now: Instant, level: Level, offset: u64, data: &[u8]) {
        if let Err(Failed { alert, text }) = self.handshake.receive(level, offset, data) {
            return self.fault(now, ALERT + u64::from(alert), &text);
        }
        self.handshake.advance(&mut self.keys);
        if self.peer_parameters.is_none()
            && let Some(theirs) = self.handshake.parameters()
        {
            let Some(theirs) = theirs.filter(|theirs| self.is_consistent(theirs)) else {
                return self.fault(now, PARAMETERS, "the peer's parameters do not fit its packets");
            };
            self.peer_parameters = Some(theirs);
        }
        if self.handshake.is_finished() && !self.is_connected && self.life == Life::Open {
            if self.peer_parameters.is_none() {
                return self.fault(now, PARAMETERS, "the peer has no parameters");
            }
            self.connected(now);
        }
    }

    /// Whether what the packets showed in clear is what the handshake vouches for (RFC 9000 §7.3).
    fn is_consistent(&self, theirs: &crate::parameters::Parameters) -> bool {
        let of_listener = !self.is_dialer || (theirs.first == Some(self.first) && theirs.retry == self.retry);
        theirs.id == self.peer && of_listener
    }

    fn confirmed(&mut self) {
        if !self.is_confirmed {
            self.is_confirmed = true;
            self.drop_level(Level::Handshake);
        }
    }

    /// Once, before anything of the listener has come: begin again, with the token that it gave.
    fn retried(&mut self, id: Id, packet: &[u8], token: std::ops::Range<usize>) {
        let is_in_time = self.is_dialer && !self.has_peer && self.retry.is_none();
        if !is_in_time || !token::is_retry_for(self.first, packet) {
            return;
        }
        self.token = packet[token].to_vec();
        self.retry = Some(id);
        self.peer = id;
        self.keys.renew_initial(id, rustls::Side::Client);
        self.resend_level(Level::Initial);
    }

    fn no_version(&mut self, now: Instant) {
        if self.is_dialer && !self.has_peer && self.life == Life::Open {
            let text = "the server speaks another version of petrel's kcp: bring both ends to the same release";
            self.signals.push_back(Signal::Lost(Lost::Refused(text.into())));
            self.life = Life::Draining(now);
        }
    }

    fn forgotten(&mut self, token: &[u8; 16]) {
        let known = self.peer_parameters.as_ref().and_then(|theirs| theirs.reset);
        if self.is_connected && known.is_some_and(|known| token::is_same(&known, token)) {
            if self.life == Life::Open {
                self.signals.push_back(Signal::Lost(Lost::Forgotten));
            }
            self.life = Life::Over;
        }
    }

    fn closed_by_peer(&mut self, now: Instant, is_fault: bool, code: u64, reason: &Bytes) {
        if self.life == Life::Open {
            let reason = String::from_utf8_lossy(reason).into_owned();
            let lost = if is_fault { Lost::Refused(reason) } else { Lost::Closed { code, reason } };
            self.signals.push_back(Signal::Lost(lost));
        }
        self.streams.clear();
        self.life = Life::Draining(now + self.late());
    }

    // ---- streams and datagrams ----

    fn segment(&mut self, number: u64, offset: u64, fin: bool, data: Bytes) -> Result<(), Fault> {
        let Some(stream) = self.find(number)? else { return Ok(()) };
        let before = stream.receive.ranges();
        let inserted = stream.receive.insert(offset, fin, data);
        let ranges = stream.receive.ranges();
        match inserted {
            Err(Contradiction::TwoEnds) => return Err(Fault(STREAM, "a stream with two ends")),
            Err(Contradiction::Holes) => return Err(Fault(LIMIT, "a stream with too many holes")),
            Ok(true) => self.signals.push_back(Signal::Readable(number)),
            Ok(false) => {}
        }
        match self.streams.count_ranges(before, ranges) {
            true => Ok(()),
            false => Err(Fault(LIMIT, "streams with too many holes")),
        }
    }

    fn reset(&mut self, number: u64, code: u64) -> Result<(), Fault> {
        if self.find(number)?.is_some_and(|stream| stream.receive.reset(code)) {
            self.signals.push_back(Signal::Readable(number));
        }
        Ok(())
    }

    fn stop(&mut self, number: u64, code: u64) -> Result<(), Fault> {
        if self.find(number)?.is_some_and(|stream| !stream.sent) {
            self.signals.push_back(Signal::Stopped(number, code));
        }
        Ok(())
    }

    /// None: the stream is over.
    fn find(&mut self, number: u64) -> Result<Option<&mut crate::streams::Stream>, Fault> {
        let signals = &mut self.signals;
        match self.streams.find(number, |new| signals.push_back(Signal::Opened(new))) {
            Found::Here(stream) => Ok(Some(stream)),
            Found::Over => Ok(None),
            Found::Impossible => Err(Fault(LIMIT, "a stream that cannot be, or one too many")),
        }
    }

    fn datagram(&mut self, payload: Bytes) {
        self.datagrams_in_bytes += payload.len() + 1;
        self.datagrams_in.push_back(payload);
        while self.datagrams_in.len() > DATAGRAMS
            && let Some(old) = self.datagrams_in.pop_front()
        {
            self.datagrams_in_bytes -= old.len() + 1;
        }
        self.signals.push_back(Signal::Datagrams);
    }
}

/// Whether a dialler's first packet is one: long enough, and addressed to nobody yet.
pub(crate) fn is_first(header: &Header, len: usize) -> bool {
    header.level == Level::Initial && len >= MIN_PATH
}
