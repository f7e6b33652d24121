//! The sending side: what waits, what is out, and which segment leaves next. Nothing is searched for: what is out lies by
//! serial number, resends by time lie in a heap, early ones in the order of sending. An entry of the last two is dropped
//! when it is met and its segment was acknowledged or sent again meanwhile; before such entries outnumber the others by
//! far, all are swept.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use crate::config::{Config, Mode};
use crate::congestion::Congestion;
use crate::early::Early;
use crate::header::{InputError, is_before};
use crate::pool::Pool;
use crate::rto::Rto;

/// Segments that a peer takes before it has told its window: the smallest default of the known implementations.
const UNTOLD_WINDOW: u32 = 32;
/// A message's fragments are numbered in a byte.
const MAX_FRAGMENTS: usize = 255;
/// Entries of segments that are gone are let be up to this many.
const SWEEP_AT: usize = 64;

/// One segment that is out.
#[derive(Debug)]
struct Flying {
    fragment: u8,
    data: Vec<u8>,
    acknowledged: bool,
    first_sent: Instant,
    /// Of the last sending: its place among all, when, and what our clock showed.
    ordinal: u64,
    sent: Instant,
    ts: u32,
    /// How often it was sent again, by time and early.
    late: u32,
    early: u32,
}

/// Why a segment leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    New,
    Early,
    Late,
}

/// A segment that may leave now. Borrowed until `sent` is called with its number.
#[derive(Debug)]
pub struct Due<'a> {
    pub sn: u32,
    pub why: Why,
    pub fragment: u8,
    pub data: &'a [u8],
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    #[error("as many segments wait as the send window has; try again when writable")]
    Full,
    #[error("a message of {0} bytes has more than {MAX_FRAGMENTS} fragments")]
    TooLong(usize),
    #[error("an empty message")]
    Empty,
}

#[derive(Debug)]
pub struct Sender {
    mode: Mode,
    segment_bytes: usize,
    window: u32,
    queue: VecDeque<(u8, Vec<u8>)>,
    /// The segment with the number `una` is the first, and so on.
    flying: VecDeque<Flying>,
    una: u32,
    /// The newest `una` that the peer has said, and the first segment beyond what it allows.
    heard_una: u32,
    limit: u32,
    ordinal: u64,
    /// (ordinal, sn), in order of sending.
    order: VecDeque<(u64, u32)>,
    deadlines: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    rto: Rto,
    early: Early,
    finds_early: bool,
    congestion: Option<Congestion>,
}

impl Sender {
    pub fn new(config: &Config) -> Self {
        Self {
            mode: config.mode,
            segment_bytes: config.segment_bytes(),
            window: u32::from(config.send_window),
            queue: VecDeque::new(),
            flying: VecDeque::new(),
            una: config.first_sn,
            heard_una: config.first_sn.wrapping_sub(1),
            limit: config.first_sn.wrapping_add(UNTOLD_WINDOW),
            ordinal: 0,
            order: VecDeque::new(),
            deadlines: BinaryHeap::new(),
            rto: Rto::new(config.rto),
            early: Early::new(config.early),
            finds_early: config.early.after > 0,
            congestion: config.congestion.then(Congestion::new),
        }
    }

    pub fn rto(&self) -> &Rto {
        &self.rto
    }

    /// Segments that wait or are not yet acknowledged.
    pub fn pending(&self) -> usize {
        self.queue.len() + self.flying.len()
    }

    pub fn is_full(&self) -> bool {
        self.queue.len() >= self.window as usize
    }

    /// Nothing is out, so nothing will be answered; something waits; the peer allows nothing.
    pub fn is_shut(&self) -> bool {
        self.flying.is_empty() && !self.queue.is_empty() && !is_before(self.next(), self.limit)
    }

    // ---- what is to be sent ----

    /// Takes as many bytes as there is room for; returns how many.
    pub fn push_stream(&mut self, mut data: &[u8], pool: &mut Pool) -> usize {
        let given = data.len();
        if let Some((_, last)) = self.queue.back_mut() {
            let (now, later) = data.split_at(data.len().min(self.segment_bytes - last.len()));
            last.extend_from_slice(now);
            data = later;
        }
        while !data.is_empty() && !self.is_full() {
            let (now, later) = data.split_at(data.len().min(self.segment_bytes));
            self.queue.push_back((0, pool.copy(now)));
            data = later;
        }
        given - data.len()
    }

    /// Takes a message whole, or not at all. While one segment more may wait, a message may.
    pub fn push_message(&mut self, data: &[u8], pool: &mut Pool) -> Result<(), SendError> {
        let fragments = data.len().div_ceil(self.segment_bytes);
        match fragments {
            0 => return Err(SendError::Empty),
            1..=MAX_FRAGMENTS if self.is_full() => return Err(SendError::Full),
            1..=MAX_FRAGMENTS => {}
            _ => return Err(SendError::TooLong(data.len())),
        }
        for (i, piece) in data.chunks(self.segment_bytes).enumerate() {
            self.queue.push_back(((fragments - 1 - i) as u8, pool.copy(piece)));
        }
        Ok(())
    }

    pub fn push(&mut self, data: &[u8], pool: &mut Pool) -> Result<usize, SendError> {
        match self.mode {
            Mode::Stream => Ok(self.push_stream(data, pool)),
            Mode::Message => self.push_message(data, pool).map(|()| data.len()),
        }
    }

    // ---- what the peer says ----

    /// An acknowledgement's `sn` and a header's `una` must be of what was sent.
    pub fn check(&self, acknowledged: Option<u32>, una: u32) -> Result<(), InputError> {
        if is_before(self.next(), una) {
            return Err(InputError::NotSent(una));
        }
        match acknowledged {
            Some(sn) if !is_before(sn, self.next()) => Err(InputError::NotSent(sn)),
            _ => Ok(()),
        }
    }

    /// The segment `sn`, sent when our clock showed `ts`, has arrived. clock: what ours shows. Returns how many segments
    /// this is news of.
    pub fn acknowledged(&mut self, now: Instant, clock: u32, sn: u32, ts: u32, pool: &mut Pool) -> u32 {
        let Some(segment) = self.flying.get_mut(sn.wrapping_sub(self.una) as usize) else { return 0 };
        if segment.acknowledged {
            return 0;
        }
        segment.acknowledged = true;
        pool.give(std::mem::take(&mut segment.data));
        if ts == segment.ts {
            self.rto.sample(now.saturating_duration_since(segment.sent));
            self.early.acknowledged(segment.ordinal);
        } else {
            // An earlier sending arrived. Its time is known to the millisecond; a time before the first one is a lie.
            let rtt = Duration::from_millis(u64::from(clock.wrapping_sub(ts)));
            if rtt <= now.saturating_duration_since(segment.first_sent) + Duration::from_millis(1) {
                self.rto.sample(rtt);
            }
        }
        self.drop_acknowledged(pool);
        1
    }

    /// Everything before `una` has arrived, and the peer takes `window` segments from there on. Returns how many segments
    /// this is news of.
    pub fn heard(&mut self, una: u32, window: u16, pool: &mut Pool) -> u32 {
        let limit = una.wrapping_add(u32::from(window));
        // The word of a packet that was overtaken is old. Of the same `una`, the wider window is the newer one.
        if is_before(self.heard_una, una) || (una == self.heard_una && is_before(self.limit, limit)) {
            self.limit = limit;
            self.heard_una = una;
        }
        let mut news = 0;
        while is_before(self.una, una) {
            let Some(segment) = self.flying.front_mut() else { break };
            news += u32::from(!segment.acknowledged);
            segment.acknowledged = true;
            self.drop_front(pool);
        }
        self.drop_acknowledged(pool);
        news
    }

    /// So many segments have been acknowledged together.
    pub fn grow(&mut self, segments: u32) {
        if let Some(congestion) = &mut self.congestion {
            congestion.acknowledged(segments, self.window);
        }
    }

    // ---- what leaves ----

    /// The segment that leaves next, if one may leave now: what is lost first, then what is new.
    pub fn due(&mut self, now: Instant) -> Option<Due<'_>> {
        let (sn, why) = self.lost(now).or_else(|| self.may_send().then(|| (self.next(), Why::New)))?;
        let (fragment, data) = match why {
            Why::New => self.queue.front().map(|(fragment, data)| (*fragment, data))?,
            _ => {
                self.flying.get(sn.wrapping_sub(self.una) as usize).map(|segment| (segment.fragment, &segment.data))?
            }
        };
        Some(Due { sn, why, fragment, data })
    }

    /// What `due` gave has left.
    pub fn sent(&mut self, now: Instant, clock: u32, sn: u32, why: Why) {
        let out = self.flying.len() as u32;
        let ordinal = self.ordinal;
        self.ordinal += 1;
        if why == Why::New
            && let Some((fragment, data)) = self.queue.pop_front()
        {
            self.flying.push_back(Flying {
                fragment,
                data,
                acknowledged: false,
                first_sent: now,
                ordinal,
                sent: now,
                ts: clock,
                late: 0,
                early: 0,
            });
        }
        let Some(segment) = self.flying.get_mut(sn.wrapping_sub(self.una) as usize) else { return };
        if let Some(congestion) = &mut self.congestion {
            match why {
                Why::New => {}
                Why::Early => congestion.lost(segment.ordinal, out, ordinal),
                Why::Late => congestion.timed_out(segment.ordinal, out, ordinal),
            }
        }
        segment.late += u32::from(why == Why::Late);
        segment.early += u32::from(why == Why::Early);
        (segment.ordinal, segment.sent, segment.ts) = (ordinal, now, clock);
        if self.finds_early {
            self.order.push_back((ordinal, sn));
        }
        if let Some(deadline) = now.checked_add(self.rto.backed_off(segment.late)) {
            self.deadlines.push(Reverse((deadline, ordinal, sn)));
        }
        self.sweep();
    }

    /// When the next segment is lost by time.
    pub fn deadline(&mut self) -> Option<Instant> {
        while let Some(&Reverse((deadline, ordinal, sn))) = self.deadlines.peek() {
            if self.is_out(ordinal, sn) {
                return Some(deadline);
            }
            self.deadlines.pop();
        }
        None
    }

    /// The number of the next new segment.
    fn next(&self) -> u32 {
        self.una.wrapping_add(self.flying.len() as u32)
    }

    fn may_send(&self) -> bool {
        let window = self.congestion.as_ref().map_or(self.window, |congestion| congestion.window().min(self.window));
        !self.queue.is_empty() && (self.flying.len() as u32) < window && is_before(self.next(), self.limit)
    }

    fn lost(&mut self, now: Instant) -> Option<(u32, Why)> {
        while let Some(&(ordinal, sn)) = self.order.front() {
            if ordinal >= self.early.lost_below() {
                break;
            }
            let segment = self.flying.get(sn.wrapping_sub(self.una) as usize);
            let times = segment.filter(|segment| segment.ordinal == ordinal && !segment.acknowledged).map(|s| s.early);
            if times.is_some_and(|times| self.early.allows(times)) {
                return Some((sn, Why::Early));
            }
            self.order.pop_front();
        }
        let deadline = self.deadline()?;
        let &Reverse((_, _, sn)) = self.deadlines.peek()?;
        (deadline <= now).then_some((sn, Why::Late))
    }

    /// Whether the segment is out and this was its last sending.
    fn is_out(&self, ordinal: u64, sn: u32) -> bool {
        let segment = self.flying.get(sn.wrapping_sub(self.una) as usize);
        segment.is_some_and(|segment| segment.ordinal == ordinal && !segment.acknowledged)
    }

    fn drop_acknowledged(&mut self, pool: &mut Pool) {
        while self.flying.front().is_some_and(|segment| segment.acknowledged) {
            self.drop_front(pool);
        }
    }

    fn drop_front(&mut self, pool: &mut Pool) {
        if let Some(segment) = self.flying.pop_front() {
            self.una = self.una.wrapping_add(1);
            if segment.data.capacity() > 0 {
                pool.give(segment.data);
            }
        }
    }

    fn sweep(&mut self) {
        let most = 2 * self.flying.len() + SWEEP_AT;
        if self.order.len() > most {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|&(ordinal, sn)| self.is_out(ordinal, sn));
            self.order = order;
        }
        if self.deadlines.len() > most {
            let mut deadlines = std::mem::take(&mut self.deadlines);
            deadlines.retain(|&Reverse((_, ordinal, sn))| self.is_out(ordinal, sn));
            self.deadlines = deadlines;
        }
    }
}
