//! A link as its holder sees it. Every call is short: it takes the state's lock, moves bytes, marks the link for the
//! engine's thread and returns. The engine's own connection has another lock, taken here only for rare questions.
//! Longer than most files: the state behind that lock and all who change it stand together.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use noq_proto::{Connection, PathId};
use petrel_streams::{Budget, message::Entry};

use crate::engine::Handle;
use crate::event::Closed;
use crate::stream::{Fin, SEND_QUEUE_BYTES, Stream};
use crate::{Error, POOL, lock};

/// First byte of every datagram of ours.
pub(crate) const DATAGRAM_PAYLOAD: u8 = 0;
pub(crate) const DATAGRAM_LIMITS: u8 = 1;

/// Outgoing payloads: what is older than this has no value any more, and no more than this waits.
pub(crate) const DATAGRAM_DEADLINE: Duration = Duration::from_millis(100);
const DATAGRAM_QUEUE_BYTES: usize = 1024 * 1024;

/// Streams kept after their end only to learn what the peer has taken.
const MAX_LINGERING: usize = 1024;

/// What the peer may use of us. See LinkLimits in transport.ts.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub streams: u32,
    pub credit_bytes: u64,
    pub datagram_bytes: usize,
    /// A stream's window while few are open, bytes.
    pub window_bytes: u64,
    /// Silence that ends the link.
    pub idle: Duration,
    /// How long a link is quiet before the peer is asked for a sign of life.
    pub keep_alive: Duration,
}

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

pub(crate) struct State {
    pub(crate) streams: HashMap<u64, Stream>,
    pub(crate) lingering: usize,
    /// What was taken of the last streams that are gone, by number, and these numbers in order.
    last_words: HashMap<u64, u64>,
    last_order: VecDeque<u64>,
    pub(crate) budget: Budget,
    pub(crate) limits: Limits,
    pub(crate) raised: bool,
    /// Streams that have something to send, in turn.
    pub(crate) ready: VecDeque<u64>,
    /// Stream numbers that may be handed out without asking the engine.
    pub(crate) free: VecDeque<u64>,
    pub(crate) wants_open: bool,
    /// Streams whose wider limit goes out at once.
    pub(crate) announce: Vec<u64>,
    /// Streams whose limit goes out again, and surely, at the next tick.
    pub(crate) repeat: BTreeSet<u64>,
    /// Last words on streams that are gone.
    pub(crate) finals: Vec<Entry>,
    /// Limits heard for streams that the peer opened and we have not seen yet.
    pub(crate) early: HashMap<u64, u64>,
    /// Resets that the engine has to send.
    pub(crate) resets: Vec<(u64, u64)>,
    pub(crate) received_datagrams: VecDeque<Bytes>,
    pub(crate) received_datagram_bytes: usize,
    pub(crate) wants_datagrams: bool,
    pub(crate) outgoing: VecDeque<(Instant, Bytes)>,
    pub(crate) outgoing_bytes: usize,
    pub(crate) dropped_datagrams: u64,
    /// Largest payload; None: the peer takes no datagrams, so it does not speak credit either.
    pub(crate) max_datagram: Option<usize>,
    pub(crate) peer: Peer,
    pub(crate) closing: Option<(u64, String)>,
    pub(crate) closed: Option<Closed>,
    pub(crate) min_rtt: Duration,
    pub(crate) buffers: (usize, usize),
    pub(crate) panic: bool,
}

impl Link {
    pub(crate) fn new(id: u32, is_dialer: bool, limits: Limits, engine: Arc<Handle>) -> Self {
        let state = State {
            streams: HashMap::new(),
            lingering: 0,
            last_words: HashMap::new(),
            last_order: VecDeque::new(),
            budget: Budget::new(limits.credit_bytes, limits.window_bytes, &POOL),
            limits,
            raised: true,
            ready: VecDeque::new(),
            free: VecDeque::new(),
            wants_open: false,
            announce: Vec::new(),
            repeat: BTreeSet::new(),
            finals: Vec::new(),
            early: HashMap::new(),
            resets: Vec::new(),
            received_datagrams: VecDeque::new(),
            received_datagram_bytes: 0,
            wants_datagrams: true,
            outgoing: VecDeque::new(),
            outgoing_bytes: 0,
            dropped_datagrams: 0,
            max_datagram: None,
            peer: Peer::default(),
            closing: None,
            closed: None,
            min_rtt: Duration::MAX,
            buffers: (0, 0),
            panic: false,
        };
        Self {
            id,
            is_dialer,
            state: Mutex::new(state),
            connection: Mutex::new(None),
            engine,
            is_marked: AtomicBool::new(false),
        }
    }

    /// A new stream's number. None: the peer allows no more now; `MayOpen` follows.
    pub fn open(self: &Arc<Self>) -> Option<u64> {
        let mut state = lock(&self.state);
        let Some(id) = state.free.pop_front() else {
            state.wants_open = true;
            drop(state);
            self.mark();
            return None;
        };
        state.add(id);
        let low = state.free.len() < 16;
        drop(state);
        if low {
            self.mark();
        }
        Some(id)
    }

    /// Copies received bytes into `into`. None: the stream has ended. Some(0): nothing now, an event follows.
    pub fn read(&self, stream: u64, into: &mut [u8]) -> Option<usize> {
        let mut state = lock(&self.state);
        let Some(s) = state.streams.get_mut(&stream) else { return Some(0) };
        let n = s.received.read(into);
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
            && s.kill(code.into(), &mut state.budget)
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
        let mut datagram = Vec::with_capacity(1 + payload.len());
        datagram.push(DATAGRAM_PAYLOAD);
        datagram.extend_from_slice(payload);
        state.outgoing_bytes += datagram.len();
        state.outgoing.push_back((Instant::now(), datagram.into()));
        drop(state);
        self.mark();
        true
    }

    /// Packs received payloads into `into`, each behind its length (u16, little endian). 0: none, an event follows.
    pub fn read_datagrams(&self, into: &mut [u8]) -> usize {
        let mut state = lock(&self.state);
        let mut at = 0;
        while let Some(front) = state.received_datagrams.front() {
            let payload = front.slice(1..);
            let end = at + 2 + payload.len();
            if end > into.len() {
                break;
            }
            into[at..at + 2].copy_from_slice(&(payload.len() as u16).to_le_bytes());
            into[at + 2..end].copy_from_slice(&payload);
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
        self.mark();
    }

    /// Tells the peer and ends. A `Closed` event follows.
    pub fn close(self: &Arc<Self>, code: u64, reason: &str) {
        lock(&self.state).closing.get_or_insert_with(|| (code, reason.to_string()));
        self.mark();
    }

    /// RFC 8446 §7.5.
    pub fn export_key(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let connection = lock(&self.connection);
        let connection = connection.as_ref().ok_or(Error::LinkEnded)?;
        connection.crypto_session().export_keying_material(out, label, context).map_err(|_| Error::LinkEnded)
    }

    pub fn peer(&self) -> Peer {
        lock(&self.state).peer
    }

    /// Where the peer is now.
    pub fn remote(&self) -> Option<SocketAddr> {
        let connection = lock(&self.connection);
        let path = connection.as_ref()?.network_path(PathId::ZERO).ok()?;
        Some(canonical(path.remote()))
    }

    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        if let Some(connection) = lock(&self.connection).as_mut() {
            let all = connection.stats();
            stats.sent_bytes = all.udp_tx.bytes;
            stats.received_bytes = all.udp_rx.bytes;
            stats.sent_packets = all.sent_packets;
            stats.lost_packets = all.lost_packets;
            if let Some(path) = connection.path_stats(PathId::ZERO) {
                stats.rtt = path.rtt;
                stats.cwnd = path.cwnd;
                stats.mtu = path.current_mtu;
                stats.delivery_rate = path.bandwidth_estimate.unwrap_or(0) / 8;
            }
        }
        let state = lock(&self.state);
        stats.min_rtt = if state.min_rtt == Duration::MAX { stats.rtt } else { state.min_rtt };
        stats.open_streams = state.streams.len() - state.lingering;
        stats.granted = state.budget.granted();
        stats.dropped_datagrams = state.dropped_datagrams;
        (stats.send_buffer, stats.receive_buffer) = state.buffers;
        stats
    }

    /// For tests of the addon's life cycle: the engine panics when it next looks at this link.
    pub fn panic_for_test(self: &Arc<Self>) {
        lock(&self.state).panic = true;
        self.mark();
    }

    /// Has the engine look at this link soon.
    fn mark(self: &Arc<Self>) {
        if !self.is_marked.swap(true, Ordering::AcqRel) {
            self.engine.mark(self.clone());
        }
    }
}

impl State {
    pub(crate) fn speaks_credit(&self) -> bool {
        self.max_datagram.is_some()
    }

    /// A stream begins. Its limit is widened at once.
    pub(crate) fn add(&mut self, id: u64) {
        let early = self.early.remove(&id);
        let unlimited = !self.speaks_credit();
        let mut stream = Stream::new(&mut self.budget, unlimited, early);
        if stream.receive_credit.grow(&mut self.budget, self.streams.len() + 1) {
            self.announce.push(id);
            self.repeat.insert(id);
        }
        self.streams.insert(id, stream);
    }

    pub(crate) fn make_ready(&mut self, id: u64) {
        if let Some(s) = self.streams.get_mut(&id)
            && !std::mem::replace(&mut s.is_ready, true)
        {
            self.ready.push_back(id);
        }
    }

    /// Drops a stream that both the caller and the engine are done with. One whose peer has not taken everything yet
    /// stays a while, so that `acknowledged` goes on.
    pub(crate) fn forget(&mut self, id: u64) {
        let credit = self.speaks_credit() && self.closed.is_none();
        let Some(s) = self.streams.get_mut(&id) else { return };
        if !s.released || !s.is_over() || s.is_ready {
            return;
        }
        s.receive_credit.end(&mut self.budget);
        let is_waiting = credit && s.reset.is_none() && !s.send_credit.is_acknowledged();
        if is_waiting && (s.lingers || self.lingering < MAX_LINGERING) {
            self.lingering += usize::from(!std::mem::replace(&mut s.lingers, true));
            return;
        }
        self.remove(id);
    }

    /// The peer's word on a stream. False: a lie.
    pub(crate) fn heard(&mut self, entry: Entry, is_ours: bool) -> bool {
        let Some(s) = self.streams.get_mut(&entry.stream) else {
            if !is_ours && entry.taken == 0 && self.early.len() < 256 {
                self.early.insert(entry.stream, entry.limit);
            }
            return true;
        };
        if !s.send_credit.heard(entry.taken, entry.limit) {
            return false;
        }
        if s.lingers && s.send_credit.is_acknowledged() {
            self.last_words.insert(entry.stream, s.send_credit.acknowledged());
            self.last_order.push_back(entry.stream);
            if self.last_order.len() > MAX_LINGERING
                && let Some(old) = self.last_order.pop_front()
            {
                self.last_words.remove(&old);
            }
            self.remove(entry.stream);
        } else if s.out_bytes > 0 {
            self.make_ready(entry.stream);
        }
        true
    }

    fn remove(&mut self, id: u64) {
        let Some(mut s) = self.streams.remove(&id) else { return };
        s.receive_credit.end(&mut self.budget);
        self.lingering -= usize::from(s.lingers);
        if s.reset.is_none() && s.receive_credit.is_news() && self.finals.len() < 65_536 {
            let (taken, limit) = s.receive_credit.announce();
            self.finals.push(Entry { stream: id, taken, limit });
        }
    }
}

/// What a received datagram costs: empty ones fill memory too.
pub(crate) fn held_bytes(datagram: &Bytes) -> usize {
    datagram.len() + 64
}

/// An IPv4 address that came through an IPv6 socket, as IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
