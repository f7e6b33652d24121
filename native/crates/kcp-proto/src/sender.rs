//! The sending side: what waits to be sent, what the peer allows, and which segment leaves next.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::config::{Config, Mode};
use crate::congestion::Congestion;
use crate::early::Early;
use crate::flight::{Flight, Sending};
use crate::header::{InputError, is_before};
use crate::pool::Pool;
use crate::rto::Rto;

/// Segments that a peer takes before it has told its window: the smallest default of the known implementations.
const UNTOLD_WINDOW: u32 = 32;
/// A message's fragments are numbered in a byte.
const MAX_FRAGMENTS: usize = 255;

/// Why a segment leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    New,
    /// Later ones were acknowledged.
    Early,
    /// Its time is over.
    Late,
}

/// A segment that may leave now; tell `sent` when it has.
#[derive(Debug)]
pub struct Due<'a> {
    pub sn: u32,
    pub why: Why,
    pub fragment: u8,
    pub data: &'a [u8],
}

/// Why a message was not taken.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
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
    /// (fragment, data) of segments that have no number yet.
    queue: VecDeque<(u8, Vec<u8>)>,
    flight: Flight,
    /// The newest `una` that the peer has said, and the first segment beyond what it allows.
    heard_una: u32,
    limit: u32,
    /// Of the next sending.
    ordinal: u64,
    rto: Rto,
    early: Early,
    congestion: Option<Congestion>,
}

impl Sender {
    pub fn new(config: &Config) -> Self {
        Self {
            mode: config.mode,
            segment_bytes: config.segment_bytes(),
            window: u32::from(config.send_window),
            queue: VecDeque::new(),
            flight: Flight::new(config),
            // Before the first, so that the first word counts, whatever window it tells.
            heard_una: config.first_sn.wrapping_sub(1),
            limit: config.first_sn.wrapping_add(UNTOLD_WINDOW),
            ordinal: 0,
            rto: Rto::new(config.rto),
            early: Early::new(config.early),
            congestion: config.congestion.then(Congestion::new),
        }
    }

    pub fn rto(&self) -> &Rto {
        &self.rto
    }

    /// Segments that wait or are out.
    pub fn pending(&self) -> usize {
        self.queue.len() + self.flight.len()
    }

    pub fn is_full(&self) -> bool {
        self.queue.len() >= self.window as usize
    }

    /// Nothing is out, so nothing will be answered; something waits; the peer allows nothing.
    pub fn is_shut(&self) -> bool {
        self.flight.len() == 0 && !self.queue.is_empty() && !is_before(self.flight.next(), self.limit)
    }

    // ---- what is to be sent ----

    /// Takes a message, or as many of a stream's bytes as there is room for; returns how many bytes.
    pub fn push(&mut self, data: &[u8], pool: &mut Pool) -> Result<usize, SendError> {
        match self.mode {
            Mode::Stream => Ok(self.push_stream(data, pool)),
            Mode::Message => self.push_message(data, pool).map(|()| data.len()),
        }
    }

    fn push_stream(&mut self, mut data: &[u8], pool: &mut Pool) -> usize {
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

    /// While one segment more may wait, a message may, whole.
    fn push_message(&mut self, data: &[u8], pool: &mut Pool) -> Result<(), SendError> {
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

    // ---- what the peer says ----

    /// An acknowledgement's `sn` and a header's `una` must be of what was sent.
    pub fn check(&self, acknowledged: Option<u32>, una: u32) -> Result<(), InputError> {
        if is_before(self.flight.next(), una) {
            return Err(InputError::NotSent(una));
        }
        match acknowledged {
            Some(sn) if !is_before(sn, self.flight.next()) => Err(InputError::NotSent(sn)),
            _ => Ok(()),
        }
    }

    /// The segment `sn`, sent when our clock showed `ts`, has arrived. clock: what ours shows. Returns how many segments
    /// this is news of.
    pub fn acknowledged(&mut self, now: Instant, clock: u32, sn: u32, ts: u32, pool: &mut Pool) -> u32 {
        let Some(segment) = self.flight.find(sn) else { return 0 };
        if ts == segment.last.ts {
            self.rto.sample(now.saturating_duration_since(segment.last.at));
            self.early.acknowledged(segment.last.ordinal);
        } else {
            // An earlier sending arrived. Its time is known to the millisecond; a time before the first one is a lie.
            let rtt = Duration::from_millis(u64::from(clock.wrapping_sub(ts)));
            if rtt <= now.saturating_duration_since(segment.first_sent) + Duration::from_millis(1) {
                self.rto.sample(rtt);
            }
        }
        self.flight.acknowledge(sn, pool);
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
        self.flight.acknowledge_before(una, pool)
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
        if let Some((sn, why)) = self.lost(now) {
            let segment = self.flight.find(sn)?;
            return Some(Due { sn, why, fragment: segment.fragment, data: &segment.data });
        }
        if !self.may_send() {
            return None;
        }
        let (fragment, data) = self.queue.front()?;
        Some(Due { sn: self.flight.next(), why: Why::New, fragment: *fragment, data })
    }

    /// What `due` gave has left.
    pub fn sent(&mut self, now: Instant, clock: u32, sn: u32, why: Why) {
        let out = self.flight.len() as u32;
        let sending = Sending { ordinal: self.ordinal, at: now, ts: clock };
        self.ordinal += 1;
        if why == Why::New
            && let Some((fragment, data)) = self.queue.pop_front()
        {
            self.flight.push(fragment, data, sending);
        }
        let Some(segment) = self.flight.find(sn) else { return };
        let lost = std::mem::replace(&mut segment.last, sending);
        match why {
            Why::New => {}
            Why::Early => segment.early += 1,
            Why::Late => segment.late = segment.late.saturating_add(1),
        }
        let deadline = now.checked_add(self.rto.backed_off(segment.late));
        self.flight.watch(sn, sending.ordinal, deadline);
        match (&mut self.congestion, why) {
            (Some(congestion), Why::Early) => congestion.lost(lost.ordinal, out, sending.ordinal),
            (Some(congestion), Why::Late) => congestion.timed_out(lost.ordinal, out, sending.ordinal),
            _ => {}
        }
    }

    /// When the next segment is lost by time.
    pub fn deadline(&mut self) -> Option<Instant> {
        self.flight.deadline().map(|(deadline, _)| deadline)
    }

    fn lost(&mut self, now: Instant) -> Option<(u32, Why)> {
        if let Some(sn) = self.flight.lost_early(&self.early) {
            return Some((sn, Why::Early));
        }
        let (deadline, sn) = self.flight.deadline()?;
        (deadline <= now).then_some((sn, Why::Late))
    }

    fn may_send(&self) -> bool {
        let window = self.congestion.as_ref().map_or(self.window, |congestion| congestion.window().min(self.window));
        (self.flight.len() as u32) < window && is_before(self.flight.next(), self.limit)
    }
}
