//! A link as its holder sees it. Every call is short: it takes the state's lock, moves bytes, marks the link for the
//! engine's thread and returns. The thread is woken by `Engine::go`, or by the call itself where it is a rare one. The
//! engine's own connection has another lock, taken here only for rare questions. Longer than most files: it has every
//! call once.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use petrel_link::{Error, Limits, lock};

use crate::handle::Handle;
use crate::protocol::Connection;
use crate::state::{State, held_bytes};
use crate::stream::{Fin, SEND_QUEUE_BYTES};

/// Outgoing payloads: no more than this waits.
const DATAGRAM_QUEUE_BYTES: usize = 1024 * 1024;

#[derive(Debug, Clone, Copy, Default)]
pub struct Peer {
    pub verified: bool,
    pub pin: Option<[u8; 32]>,
}

/// Counters since the link began; rates of lately.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    pub rtt: Duration,
    pub min_rtt: Duration,
    pub cwnd: u64,
    pub mtu: u16,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub sent_packets: u64,
    pub lost_packets: u64,
    /// Bytes a second; 0: not known.
    pub delivery_rate: u64,
    pub open_streams: usize,
    /// Promised to the peer and not yet used, bytes.
    pub granted: u64,
    /// Payloads that waited too long or found the queue full.
    pub dropped_datagrams: u64,
    /// Socket buffers that the system granted, bytes.
    pub send_buffer: usize,
    pub receive_buffer: usize,
}

pub struct Link {
    pub id: u32,
    pub is_dialer: bool,
    pub(crate) state: Mutex<State>,
    pub(crate) connection: Mutex<Option<Connection>>,
    pub(crate) engine: Arc<Handle>,
    /// In the engine's queue of links to look at.
    pub(crate) is_marked: AtomicBool,
}

impl Link {
    pub(crate) fn new(id: u32, is_dialer: bool, limits: Limits, engine: Arc<Handle>) -> Self {
        Self {
            id,
            is_dialer,
            state: Mutex::new(State::new(limits)),
            connection: Mutex::new(None),
            engine,
            is_marked: AtomicBool::new(false),
        }
    }

    /// A new stream's number. None: the peer allows no more now; `MayOpen` follows.
    pub fn open(self: &Arc<Self>) -> Option<u64> {
        let mut state = lock(&self.state);
        let (id, is_low) = state.take_free();
        if let Some(id) = id {
            state.add(id);
        }
        drop(state);
        if is_low {
            self.mark();
        }
        id
    }

    /// Copies received bytes into `into`. None: the stream has ended. Some(0): nothing now, an event follows.
    pub fn read(&self, stream: u64, into: &mut [u8]) -> Option<usize> {
        let mut state = lock(&self.state);
        let Some(s) = state.streams.get_mut(&stream) else { return Some(0) };
        let n = s.received.read(into);
        if !into.is_empty() {
            s.took(n, Instant::now());
        }
        if n == 0 && !into.is_empty() {
            s.wants_read = !s.complete;
            if s.complete && s.reset.is_none() {
                return None;
            }
        }
        Some(n)
    }

    /// Of what was read, `total` bytes since the start have left every buffer of ours: the peer may send more.
    pub fn took(self: &Arc<Self>, stream: u64, total: u64) {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let open = state.streams.len();
        let Some(s) = state.streams.get_mut(&stream) else { return };
        s.receive_credit.took(total.min(s.received.taken()), &mut state.budget);
        let is_due = !s.complete && s.receive_credit.grow(&mut state.budget, open);
        if is_due {
            state.announce.push(stream);
        }
        let is_first = state.repeat.is_empty();
        if s.receive_credit.is_news() {
            state.repeat.insert(stream);
        }
        drop(guard);
        // The first repeat has to set the engine's tick.
        if is_due || is_first {
            self.mark();
        }
    }

    /// Takes a copy of as many bytes as there is room for. Fewer than given: `Writable` follows.
    pub fn write(self: &Arc<Self>, stream: u64, data: &[u8]) -> usize {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let Some(s) = state.streams.get_mut(&stream) else { return 0 };
        if s.reset.is_some() || s.fin != Fin::No || state.closed.is_some() {
            return 0;
        }
        let n = data.len().min(SEND_QUEUE_BYTES.saturating_sub(s.out_bytes));
        if n < data.len() {
            s.wants_write = true;
        }
        if n > 0 {
            s.out.push_back(Bytes::copy_from_slice(&data[..n]));
            s.out_bytes += n;
            state.make_ready(stream);
        }
        drop(guard);
        self.mark();
        n
    }

    /// FIN after what was written.
    pub fn finish(self: &Arc<Self>, stream: u64) {
        let mut state = lock(&self.state);
        if let Some(s) = state.streams.get_mut(&stream)
            && s.fin == Fin::No
            && s.reset.is_none()
        {
            s.fin = Fin::Asked;
            state.make_ready(stream);
            drop(state);
            self.mark();
        }
    }

    /// Ends both directions at once. No-op once both have ended.
    pub fn reset(self: &Arc<Self>, stream: u64, code: u32) {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        if let Some(s) = state.streams.get_mut(&stream)
            && s.kill(code.into(), &mut state.budget, &mut state.holes)
        {
            state.resets.push((stream, code.into()));
            drop(guard);
            self.mark();
        }
    }

    /// The caller has no more use for the stream; what was written still goes out.
    pub fn release(self: &Arc<Self>, stream: u64) {
        let mut state = lock(&self.state);
        if let Some(s) = state.streams.get_mut(&stream) {
            s.released = true;
            state.forget(stream);
        }
    }

    /// Of the bytes written, how many the peer's application has taken. None: no longer known.
    pub fn acknowledged(&self, stream: u64) -> Option<u64> {
        let state = lock(&self.state);
        let open = state.streams.get(&stream).map(|s| s.send_credit.acknowledged());
        open.or_else(|| state.last_words.get(&stream).copied())
    }

    /// Whether everything up to the peer's FIN is here.
    pub fn is_complete(&self, stream: u64) -> bool {
        lock(&self.state).streams.get(&stream).is_some_and(|s| s.complete && s.reset.is_none())
    }

    /// Largest payload of a datagram now. None: the peer takes none.
    pub fn max_datagram(&self) -> Option<usize> {
        lock(&self.state).max_datagram
    }

    /// False: dropped, because it is too large, the queue is full, or the link has ended.
    pub fn send_datagram(self: &Arc<Self>, payload: &[u8]) -> bool {
        let mut state = lock(&self.state);
        let fits = state.max_datagram.is_some_and(|max| payload.len() <= max);
        if !fits || state.closed.is_some() || state.outgoing_bytes + payload.len() > DATAGRAM_QUEUE_BYTES {
            state.dropped_datagrams += 1;
            return false;
        }
        state.outgoing_bytes += payload.len();
        state.outgoing.push_back((Instant::now(), Bytes::copy_from_slice(payload)));
        drop(state);
        self.mark();
        true
    }

    /// Packs received payloads into `into`, each behind its length (u16, little endian). 0: none, an event follows.
    pub fn read_datagrams(&self, into: &mut [u8]) -> usize {
        let mut state = lock(&self.state);
        let mut at = 0;
        while let Some(front) = state.received_datagrams.front() {
            let end = at + 2 + front.len();
            if end > into.len() {
                break;
            }
            into[at..at + 2].copy_from_slice(&(front.len() as u16).to_le_bytes());
            into[at + 2..end].copy_from_slice(front);
            at = end;
            state.received_datagram_bytes -= held_bytes(front);
            state.received_datagrams.pop_front();
        }
        state.wants_datagrams = at == 0;
        at
    }

    /// Limits only grow.
    pub fn raise_limits(self: &Arc<Self>, limits: Limits) {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        state.limits.streams = state.limits.streams.max(limits.streams);
        state.limits.credit_bytes = state.limits.credit_bytes.max(limits.credit_bytes);
        state.limits.datagram_bytes = state.limits.datagram_bytes.max(limits.datagram_bytes);
        state.budget.raise(limits.credit_bytes);
        state.raised = true;
        let open = state.streams.len();
        for (id, s) in &mut state.streams {
            if !s.complete && s.receive_credit.grow(&mut state.budget, open) {
                state.announce.push(*id);
            }
        }
        drop(guard);
        self.rouse();
    }

    /// Tells the peer and ends. A `Closed` event follows.
    pub fn close(self: &Arc<Self>, code: u64, reason: &str) {
        lock(&self.state).closing.get_or_insert_with(|| (code, reason.to_string()));
        self.rouse();
    }

    /// RFC 8446 §7.5.
    pub fn export_key(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let connection = lock(&self.connection);
        let exported = connection.as_ref().is_some_and(|c| c.as_dyn().export_key(label, context, out));
        if exported { Ok(()) } else { Err(Error::LinkEnded) }
    }

    pub fn peer(&self) -> Peer {
        lock(&self.state).peer
    }

    /// Where the peer is now.
    pub fn remote(&self) -> Option<SocketAddr> {
        lock(&self.connection).as_ref().map(|c| canonical(c.as_dyn().remote()))
    }

    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        if let Some(connection) = lock(&self.connection).as_mut() {
            let path = connection.as_dyn_mut().stats();
            stats.rtt = path.rtt;
            stats.cwnd = path.cwnd;
            stats.mtu = path.mtu;
            stats.sent_bytes = path.sent_bytes;
            stats.received_bytes = path.received_bytes;
            stats.sent_packets = path.sent_packets;
            stats.lost_packets = path.lost_packets;
            stats.delivery_rate = path.delivery_rate;
        }
        let state = lock(&self.state);
        stats.min_rtt = if state.min_rtt == Duration::MAX { stats.rtt } else { state.min_rtt };
        stats.open_streams = state.streams.len() - state.lingering;
        stats.granted = state.budget.granted();
        stats.dropped_datagrams = state.dropped_datagrams;
        (stats.send_buffer, stats.receive_buffer) = state.buffers;
        stats
    }

    /// Goes on from a new socket, as when our own address has changed. Of a dialled link only.
    pub fn rebind(self: &Arc<Self>) {
        lock(&self.state).rebind = true;
        self.rouse();
    }

    /// For tests of the addon's life cycle: the engine panics when it next looks at this link.
    pub fn panic_for_test(self: &Arc<Self>) {
        lock(&self.state).panic = true;
        self.rouse();
    }

    /// Has the engine look at this link at its next turn.
    fn mark(self: &Arc<Self>) {
        if !self.is_marked.swap(true, Ordering::AcqRel) {
            self.engine.mark(self.clone());
        }
    }

    /// Has the engine look at this link now.
    fn rouse(self: &Arc<Self>) {
        self.mark();
        self.engine.wake();
    }
}

/// An IPv4 address that came through an IPv6 socket, as IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
