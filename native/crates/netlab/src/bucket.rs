//! The tokens of a policer.

use std::time::Duration;

use crate::spec::Policer;

const SECOND: u128 = 1_000_000_000;

/// Counted in bytes times nanoseconds a second, so that nothing is rounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    policer: Policer,
    tokens: u128,
    filled_at: Duration,
}

impl Bucket {
    pub fn full(policer: Policer, at: Duration) -> Self {
        Self { policer, tokens: u128::from(policer.burst) * SECOND, filled_at: at }
    }

    /// Whether a packet of so many bytes passes.
    pub fn passes(&mut self, at: Duration, size: u64) -> bool {
        let came = (at - self.filled_at).as_nanos() * u128::from(self.policer.rate);
        self.tokens = (self.tokens + came).min(u128::from(self.policer.burst) * SECOND);
        self.filled_at = at;
        let cost = u128::from(size) * SECOND;
        let passes = self.tokens >= cost;
        if passes {
            self.tokens -= cost;
        }
        passes
    }
}
