//! What both threads share of a link: its streams, its budget, and what waits to be done.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use petrel_link::Limits;
use petrel_streams::{Budget, message::Entry};

use crate::POOL;
use crate::event::Closed;
use crate::link::Peer;
use crate::stream::Stream;

/// Streams kept after their end only to learn what the peer has taken.
const MAX_LINGERING: usize = 1024;

/// Streams kept ready to be opened: each costs memory, also of a link that opens none; one that opens many at once has
/// more of them, so that few of its calls wait for the engine's thread.
const FEWEST_SPARE: usize = 8;
const MOST_SPARE: usize = 64;

pub(crate) struct State {
    pub(crate) streams: HashMap<u64, Stream>,
    pub(crate) lingering: usize,
    /// What was taken of the last streams that are gone, by number, and these numbers in order.
    pub(crate) last_words: HashMap<u64, u64>,
    last_order: VecDeque<u64>,
    pub(crate) budget: Budget,
    /// Pieces that wait behind holes, of all streams together.
    pub(crate) holes: usize,
    pub(crate) limits: Limits,
    pub(crate) raised: bool,
    /// Streams that have something to send, in turn.
    pub(crate) ready: VecDeque<u64>,
    /// Stream numbers that may be handed out without asking the engine, and how many the engine keeps there.
    pub(crate) free: VecDeque<u64>,
    pub(crate) spare: usize,
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
    /// Largest payload; None: the peer takes no datagrams.
    pub(crate) max_datagram: Option<usize>,
    /// False: the peer is sent no limits and knows none.
    pub(crate) speaks_credit: bool,
    pub(crate) peer: Peer,
    pub(crate) closing: Option<(u64, String)>,
    pub(crate) closed: Option<Closed>,
    pub(crate) min_rtt: Duration,
    pub(crate) buffers: (usize, usize),
    pub(crate) rebind: bool,
    pub(crate) panic: bool,
}

impl State {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            streams: HashMap::new(),
            lingering: 0,
            last_words: HashMap::new(),
            last_order: VecDeque::new(),
            budget: Budget::new(limits.credit_bytes, limits.window_bytes, &POOL),
            holes: 0,
            limits,
            raised: true,
            ready: VecDeque::new(),
            free: VecDeque::new(),
            spare: FEWEST_SPARE,
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
            speaks_credit: false,
            peer: Peer::default(),
            closing: None,
            closed: None,
            min_rtt: Duration::MAX,
            buffers: (0, 0),
            rebind: false,
            panic: false,
        }
    }

    /// A stream begins. Its limit is widened at once.
    pub(crate) fn add(&mut self, id: u64) {
        let early = self.early.remove(&id);
        let unlimited = !self.speaks_credit;
        let mut stream = Stream::new(&mut self.budget, unlimited, early);
        if stream.receive_credit.grow(&mut self.budget, self.streams.len() + 1) {
            self.announce.push(id);
            self.repeat.insert(id);
        }
        self.streams.insert(id, stream);
    }

    /// A stream number for the caller, if one is ready, and whether the engine is to make more.
    pub(crate) fn take_free(&mut self) -> (Option<u64>, bool) {
        let id = self.free.pop_front();
        let is_low = self.free.len() < self.spare / 4;
        if is_low {
            self.spare = (2 * self.spare).min(MOST_SPARE);
        }
        self.wants_open |= id.is_none();
        (id, is_low)
    }

    pub(crate) fn make_ready(&mut self, id: u64) {
        if let Some(s) = self.streams.get_mut(&id)
            && !std::mem::replace(&mut s.is_ready, true)
        {
            // They do not wait behind those that have filled the connection.
            if s.own() > 0 { self.ready.push_front(id) } else { self.ready.push_back(id) }
        }
    }

    /// To be closed, and not yet.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_some() && self.closed.is_none()
    }

    /// Drops a stream that both the caller and the engine are done with. One whose peer has not taken everything yet
    /// stays a while, so that `acknowledged` goes on.
    pub(crate) fn forget(&mut self, id: u64) {
        let credit = self.speaks_credit && self.closed.is_none();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let second = Duration::from_secs(1);
        Limits {
            streams: 4096,
            credit_bytes: 0,
            datagram_bytes: 0,
            window_bytes: 0,
            handshake: second,
            idle: second,
            keep_alive: second,
            profile: petrel_link::Profile::DEFAULT,
        }
    }

    #[test]
    fn who_has_hardly_anything_under_way_is_next() {
        let mut state = State::new(limits());
        state.speaks_credit = true;
        for id in [0, 4, 8] {
            state.add(id);
        }
        for id in [0, 4] {
            state.streams.get_mut(&id).expect("a stream").send_credit.sent(16 * 1024);
            state.make_ready(id);
        }
        state.make_ready(8);
        assert_eq!(state.ready, [8, 0, 4]);
    }

    #[test]
    fn few_streams_are_kept_ready_until_many_are_opened() {
        let mut state = State::new(limits());
        // What the driver does, as often as it is asked.
        let fill = |state: &mut State| {
            let missing = state.spare - state.free.len();
            state.free.extend(std::iter::repeat_n(0, missing));
        };
        fill(&mut state);
        assert_eq!(state.free.len(), FEWEST_SPARE);
        let mut asked = 0;
        for _ in 0..1_000 {
            let (id, is_low) = state.take_free();
            assert!(id.is_some());
            if is_low {
                fill(&mut state);
                asked += 1;
            }
        }
        assert_eq!(state.spare, MOST_SPARE);
        assert!(asked < 30, "{asked}");
    }
}
