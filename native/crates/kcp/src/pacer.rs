//! Spreads packets over time: a bucket that fills at the controller's rate, and so that a timer of a millisecond or two
//! is fine enough.

use std::time::{Duration, Instant};

/// How much time's worth may leave at once: what a late timer has to make up for.
const BURST: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(crate) struct Pacer {
    /// Bytes; below zero after the packet that emptied it.
    tokens: f64,
    filled: Instant,
}

impl Pacer {
    pub(crate) fn new(now: Instant) -> Self {
        Self { tokens: 0.0, filled: now }
    }

    /// rate: bytes a second; least: bytes that may leave at once whatever the rate. True: a packet may leave.
    pub(crate) fn may_send(&mut self, now: Instant, rate: u64, least: u64) -> bool {
        let most = (rate as f64 * BURST.as_secs_f64()).max(least as f64);
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * rate as f64;
        self.tokens = (self.tokens + gained).min(most);
        self.filled = self.filled.max(now);
        self.tokens > 0.0
    }

    pub(crate) fn spend(&mut self, bytes: u64) {
        self.tokens -= bytes as f64;
    }

    /// When half of what may leave at once has gathered again; asked after may_send said no.
    pub(crate) fn next(&self, rate: u64, least: u64) -> Instant {
        let wanted = (rate as f64 * BURST.as_secs_f64()).max(least as f64) / 2.0;
        let missing = (wanted - self.tokens).max(0.0);
        self.filled + Duration::from_secs_f64((missing / rate.max(1) as f64).min(10.0))
    }
}
