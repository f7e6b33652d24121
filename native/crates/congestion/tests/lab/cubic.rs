//! A kernel's CUBIC, as neighbour: slow start, one decrease a round trip, no pacing. Source: RFC 9438.

use std::time::{Duration, Instant};

use super::PACKET;
use super::flow::Sender;

pub struct KernelCubic {
    /// Packets.
    window: f64,
    threshold: f64,
    most: f64,
    since: Option<Instant>,
    recovery: Option<Instant>,
    rtt: Duration,
}

impl KernelCubic {
    pub fn new() -> Self {
        Self { window: 10.0, threshold: f64::MAX, most: 0.0, since: None, recovery: None, rtt: Duration::ZERO }
    }
}

impl Sender for KernelCubic {
    fn acked(&mut self, now: Instant, sent: Instant) {
        self.rtt = now - sent;
        if self.recovery.is_some_and(|at| sent < at) {
            return;
        }
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        let since = *self.since.get_or_insert(now);
        let elapsed = (now - since + self.rtt).as_secs_f64();
        let k = (self.most * 0.3 / 0.4).cbrt();
        let cubic = 0.4 * (elapsed - k).powi(3) + self.most;
        let reno = self.most * 0.7 + 0.53 * elapsed / self.rtt.as_secs_f64();
        let target = cubic.max(reno).min(1.5 * self.window);
        self.window += ((target - self.window) / self.window).max(0.0);
    }

    fn lost(&mut self, now: Instant, sent: Instant) {
        if self.recovery.is_some_and(|at| sent < at) {
            return;
        }
        self.most = self.window;
        self.window = (self.window * 0.7).max(2.0);
        self.threshold = self.window;
        self.since = Some(now);
        self.recovery = Some(now);
    }

    fn acks_end(&mut self, _now: Instant, _in_flight: u64) {}

    fn silence(&mut self) {
        self.threshold = self.window / 2.0;
        self.window = 2.0;
    }

    fn window(&self) -> u64 {
        (self.window * PACKET as f64) as u64
    }

    fn pace(&self) -> Option<u64> {
        None
    }
}
