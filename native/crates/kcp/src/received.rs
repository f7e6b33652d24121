//! What came at one level, to be acknowledged. Acknowledgements are never delayed on purpose: one leaves with the turn
//! in which a packet came that asks for it.

use std::time::Instant;

use crate::frame::put_ack;
use crate::ranges::Ranges;

/// Ranges kept; the oldest have been told many times by then.
const MAX_RANGES: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Received {
    ranges: Ranges,
    newest: Option<(u64, Instant)>,
    /// The peer waits to hear.
    pub(crate) is_due: bool,
}

impl Received {
    /// Ranges that are remembered.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    pub(crate) fn insert(&mut self, counter: u64, is_eliciting: bool, now: Instant) {
        self.ranges.insert(counter..counter + 1);
        if self.newest.is_none_or(|(newest, _)| counter > newest) {
            self.newest = Some((counter, now));
        }
        if self.ranges.len() > MAX_RANGES {
            self.ranges.pop_first();
        }
        self.is_due |= is_eliciting;
    }

    /// Appends an ACK frame; returns the newest packet that it tells of.
    pub(crate) fn put(&mut self, now: Instant, room: usize, out: &mut Vec<u8>) -> Option<u64> {
        let (newest, at) = self.newest?;
        let delay_us = now.saturating_duration_since(at).as_micros() as u64;
        put_ack(&self.ranges, delay_us, room, out).then(|| {
            self.is_due = false;
            newest
        })
    }

    /// The peer knows all that an acknowledgement told whose newest packet was `newest`.
    pub(crate) fn told(&mut self, newest: u64) {
        self.ranges.remove(0..newest);
    }
}
