//! The window of CUBIC (RFC 9438), for the time beside flows that fill every queue: less would starve, more would starve
//! them.

use std::time::{Duration, Instant};

/// RFC 9438 §4.6 and §5.1.
const BETA: f64 = 0.7;
const C: f64 = 0.4;
/// Packets a round trip, as Reno with this decrease (§4.3).
const RENO_GROWTH: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Cubic {
    /// Packets, at the last decrease.
    most: f64,
    since: Instant,
    /// There was a decrease before.
    is_second: bool,
}

impl Cubic {
    /// window: packets now, which is held for enough at first.
    pub(crate) fn new(now: Instant, window: f64) -> Self {
        Self { most: window, since: now, is_second: false }
    }

    /// The window, packets, one round trip from now (§4.2), and no less than Reno would have by then (§4.3).
    pub(crate) fn window(&self, now: Instant, rtt: Duration) -> f64 {
        let elapsed = (now.saturating_duration_since(self.since) + rtt).as_secs_f64();
        let k = (self.most * (1.0 - BETA) / C).cbrt();
        let cubic = C * (elapsed - k).powi(3) + self.most;
        let reno = self.most * BETA + RENO_GROWTH * elapsed / rtt.as_secs_f64().max(1e-4);
        cubic.max(reno)
    }

    /// Packets were lost to a full queue. window: packets now. One who has CUBIC and fills the queue with us has by now
    /// the window that brought him here in the time since the last such loss: ours goes towards his, not at once.
    pub(crate) fn decrease(&mut self, now: Instant, window: f64, rtt: Duration) {
        let took = now.saturating_duration_since(self.since).as_secs_f64();
        let his =
            (C / (1.0 - BETA) * took.powi(3)).max(RENO_GROWTH / (1.0 - BETA) * took / rtt.as_secs_f64().max(1e-4));
        self.most = if self.is_second { his.clamp(BETA * window, window / BETA) } else { window };
        self.is_second = true;
        self.since = now;
    }

    /// Packets have another size now: `by` of them are what one was.
    pub(crate) fn scale(&mut self, by: f64) {
        self.most *= by;
    }
}
