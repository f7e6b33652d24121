//! When a dialled link should look whether its own address is gone. It is looked at where packets leave anyway: what
//! is in flight is sent again within two seconds, and a quiet link asks for a sign of life.

use std::time::{Duration, Instant};

use petrel_socket::Sent;

/// Silence after something was sent that is suspicious; suspicions are this far apart, too.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Roaming {
    /// When the first of the packets left that nothing has been heard after.
    unanswered: Option<Instant>,
    suspected: Option<Instant>,
    has_no_route: bool,
}

impl Roaming {
    pub(super) fn heard(&mut self) {
        self.unanswered = None;
    }

    pub(super) fn sent(&mut self, now: Instant, what: Sent) {
        self.unanswered.get_or_insert(now);
        self.has_no_route |= what == Sent::NoRoute;
    }

    /// After packets were sent: whether to compare addresses now.
    pub(super) fn suspects(&mut self, now: Instant) -> bool {
        let is_past = |at: Instant| now.saturating_duration_since(at) >= PATIENCE;
        let is_due = self.has_no_route || self.unanswered.is_some_and(is_past);
        if !is_due || !self.suspected.is_none_or(is_past) {
            return false;
        }
        self.has_no_route = false;
        self.suspected = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_suspicious_after_a_second_and_once_a_second() {
        let start = Instant::now();
        let mut roaming = Roaming::default();
        let mut at = |ms| {
            let now = start + Duration::from_millis(ms);
            roaming.sent(now, Sent::Left);
            roaming.suspects(now)
        };
        assert_eq!([0, 999, 1_000, 1_999, 2_000].map(&mut at), [false, false, true, false, true]);
        roaming.heard();
        assert!(!roaming.suspects(start + Duration::from_secs(9)));
    }

    #[test]
    fn a_missing_route_is_suspicious_at_once() {
        let now = Instant::now();
        let mut roaming = Roaming::default();
        roaming.sent(now, Sent::NoRoute);
        assert!(roaming.suspects(now));
    }
}
