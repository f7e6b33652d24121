//! The segments that are out. Nothing is searched for: segments lie by serial number, resends by time lie in a heap, early
//! ones in the order of sending. An entry of the last two is dropped when it is met and its segment was acknowledged or
//! sent again meanwhile; before such entries outnumber the others by far, all are swept.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

use crate::config::Config;
use crate::early::Early;
use crate::header::is_before;
use crate::pool::Pool;

/// Entries of segments that are gone are let be up to this many.
const SWEEP_AT: usize = 64;

/// One sending of a segment.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    /// Its place among all sendings.
    pub ordinal: u64,
    pub at: Instant,
    /// What our clock showed, in milliseconds.
    pub ts: u32,
}

#[derive(Debug)]
pub struct Flying {
    pub fragment: u8,
    pub data: Vec<u8>,
    acknowledged: bool,
    pub first_sent: Instant,
    pub last: Sending,
    /// How often it was sent again, by time and early.
    pub late: u32,
    pub early: u32,
}

#[derive(Debug)]
pub struct Flight {
    /// The segment with the number `una` is the first, and so on.
    flying: VecDeque<Flying>,
    una: u32,
    /// (ordinal, sn), in order of sending; empty when nothing is sent early.
    order: VecDeque<(u64, u32)>,
    finds_early: bool,
    /// (deadline, ordinal, sn).
    deadlines: BinaryHeap<Reverse<(Instant, u64, u32)>>,
}

impl Flight {
    pub fn new(config: &Config) -> Self {
        Self {
            flying: VecDeque::new(),
            una: config.first_sn,
            order: VecDeque::new(),
            finds_early: config.early.after > 0,
            deadlines: BinaryHeap::new(),
        }
    }

    /// From the oldest that is not acknowledged to the newest.
    pub fn len(&self) -> usize {
        self.flying.len()
    }

    /// The number of the next new segment.
    pub fn next(&self) -> u32 {
        self.una.wrapping_add(self.flying.len() as u32)
    }

    /// The segment, unless it is acknowledged.
    pub fn find(&mut self, sn: u32) -> Option<&mut Flying> {
        let segment = self.flying.get_mut(sn.wrapping_sub(self.una) as usize)?;
        (!segment.acknowledged).then_some(segment)
    }

    /// A new segment leaves; `watch` it. Its number was `next`.
    pub fn push(&mut self, fragment: u8, data: Vec<u8>, first: Sending) {
        let first_sent = first.at;
        self.flying.push_back(Flying {
            fragment,
            data,
            acknowledged: false,
            first_sent,
            last: first,
            late: 0,
            early: 0,
        });
    }

    /// Waits for the acknowledgement of a sending; None: forever.
    pub fn watch(&mut self, sn: u32, ordinal: u64, deadline: Option<Instant>) {
        if self.finds_early {
            self.order.push_back((ordinal, sn));
        }
        if let Some(deadline) = deadline {
            self.deadlines.push(Reverse((deadline, ordinal, sn)));
        }
        self.sweep();
    }

    /// The segment `sn` has arrived.
    pub fn acknowledge(&mut self, sn: u32, pool: &mut Pool) {
        if let Some(segment) = self.find(sn) {
            segment.acknowledged = true;
            pool.give(std::mem::take(&mut segment.data));
        }
        while self.flying.front().is_some_and(|segment| segment.acknowledged) {
            self.flying.pop_front();
            self.una = self.una.wrapping_add(1);
        }
    }

    /// All before `una` have arrived. Returns how many of them this is news of.
    pub fn acknowledge_before(&mut self, una: u32, pool: &mut Pool) -> u32 {
        let mut news = 0;
        while is_before(self.una, una) && !self.flying.is_empty() {
            news += 1;
            self.acknowledge(self.una, pool);
        }
        news
    }

    /// The oldest sending that later acknowledgements show to be lost, if its segment may be sent early once more.
    pub fn lost_early(&mut self, rule: &Early) -> Option<u32> {
        while let Some(&(ordinal, sn)) = self.order.front() {
            if ordinal >= rule.lost_below() {
                break;
            }
            if self.is_out(ordinal, sn) && self.find(sn).is_some_and(|segment| rule.allows(segment.early)) {
                return Some(sn);
            }
            self.order.pop_front();
        }
        None
    }

    /// The next segment that is lost by time, and when.
    pub fn deadline(&mut self) -> Option<(Instant, u32)> {
        while let Some(&Reverse((deadline, ordinal, sn))) = self.deadlines.peek() {
            if self.is_out(ordinal, sn) {
                return Some((deadline, sn));
            }
            self.deadlines.pop();
        }
        None
    }

    /// Whether the segment is out and this was its last sending.
    fn is_out(&self, ordinal: u64, sn: u32) -> bool {
        let segment = self.flying.get(sn.wrapping_sub(self.una) as usize);
        segment.is_some_and(|segment| segment.last.ordinal == ordinal && !segment.acknowledged)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_segments_that_are_gone_do_not_pile_up() {
        let mut flight = Flight::new(&Config::FAST);
        let mut pool = Pool::new(10);
        let now = Instant::now();
        let deadline = now + std::time::Duration::from_secs(60);
        for ordinal in 0..100_000 {
            let sn = flight.next();
            flight.push(0, pool.copy(b"x"), Sending { ordinal, at: now, ts: 0 });
            flight.watch(sn, ordinal, Some(deadline));
            if ordinal >= 5 {
                flight.acknowledge(sn - 5, &mut pool);
            }
            // Six at most were out when it was last swept.
            let most = 2 * 6 + SWEEP_AT;
            assert!(flight.deadlines.len() <= most && flight.order.len() <= most);
        }
    }
}
