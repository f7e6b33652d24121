//! What a controller is told of its path before it has measured anything. A hint is a guess: it takes the place of the
//! first rounds of the start-up and of nothing else, as a rate remembered from an earlier connection does in "Convergence
//! of Congestion Control from Retained State" (draft-ietf-tsvwg-careful-resume): half of it is tried, and the rest is used
//! when that came through. Whatever was measured is believed more.

use std::time::Duration;

/// Rates are of packets, bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Packets of the first window.
    pub packets: u64,
    /// What the path is said to take.
    pub hint: Option<u64>,
    /// No more than this ever leaves.
    pub limit: Option<u64>,
}

impl Start {
    /// Three times RFC 6928's ten: paced, and on paths that may take ten round trips to tell more.
    pub const DEFAULT: Self = Self { packets: 32, hint: None, limit: None };

    pub(crate) fn hint(&self) -> Option<Hint> {
        let rate = self.hint?.min(self.limit.unwrap_or(u64::MAX));
        Some(Hint { rate: rate as f64, is_tried: false })
    }
}

/// Of the hinted rate, what is sent before anything of it was seen to arrive.
const TRIED: f64 = 0.5;
/// Of the hinted rate, what has to arrive for the hint to have been right.
const REACHED: f64 = 0.9;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Hint {
    pub(crate) rate: f64,
    is_tried: bool,
}

impl Hint {
    /// The window to begin with, once a round trip is known.
    pub(crate) fn first(&mut self, rtt: Duration) -> Option<f64> {
        let is_new = !std::mem::replace(&mut self.is_tried, true);
        is_new.then(|| TRIED * self.most(rtt))
    }

    /// The largest window while the hint is all that is known.
    pub(crate) fn most(&self, rtt: Duration) -> f64 {
        self.rate * rtt.as_secs_f64()
    }

    pub(crate) fn is_reached(&self, rate: f64) -> bool {
        rate >= REACHED * self.rate
    }
}
