//! The window of CUBIC (RFC 9438).

use std::time::{Duration, Instant};

/// RFC 9438 §4.6 and §5.1.
pub(crate) const BETA: f64 = 0.7;
const C: f64 = 0.4;
/// Packets a round trip, as Reno with this decrease (§4.3).
const RENO_GROWTH: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Cubic {
    /// Packets: where it grows least.
    most: f64,
    /// Seconds until it is there.
    k: f64,
    since: Instant,
}

impl Cubic {
    /// window: packets now, which is held for enough at first.
    pub(crate) fn new(now: Instant, window: f64) -> Self {
        Self { most: window, k: 0.0, since: now }
    }

    /// The window, packets, one round trip from now (§4.2), and no less than Reno would have by then (§4.3).
    pub(crate) fn window(&self, now: Instant, rtt: Duration) -> f64 {
        let elapsed = (now.saturating_duration_since(self.since) + rtt).as_secs_f64();
        let cubic = C * (elapsed - self.k).powi(3) + self.most;
        let reno = self.most * BETA + RENO_GROWTH * elapsed / rtt.as_secs_f64().max(1e-4);
        cubic.max(reno)
    }

    /// Gives way, to come back to `most` packets.
    pub(crate) fn decrease(&mut self, now: Instant, most: f64) {
        self.most = most;
        self.k = (most * (1.0 - BETA) / C).cbrt();
        self.since = now;
    }

    /// Packets have another size now: `by` of them are what one was.
    pub(crate) fn scale(&mut self, by: f64) {
        self.most *= by;
        self.k *= by.cbrt();
    }
}
