//! When a dialled link should look whether its own address is gone. A look asks the system for its route, and sends
//! nothing; so it is cheap enough to follow each end of a conversation, after which silence means nothing bad mostly.

use std::time::{Duration, Instant};

use petrel_socket::{Route, Sent};

/// Silence after something was sent that is suspicious. While it goes on, each further look waits twice as long.
const PATIENCE: Duration = Duration::from_millis(200);
/// Where there is no way out at all, one is looked for so often: an address that comes back is used within this time.
const NO_WAY: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Roaming {
    /// When the first of the packets left that nothing has been heard after.
    unanswered: Option<Instant>,
    /// When to look again. None: after PATIENCE.
    again: Option<Instant>,
    wait: Duration,
    /// The system has refused a packet: looked at once, and then as after silence.
    has_no_way: bool,
}

impl Roaming {
    pub(super) fn heard(&mut self) {
        *self = Self::default();
    }

    pub(super) fn sent(&mut self, now: Instant, what: Sent) {
        self.unanswered.get_or_insert(now);
        if what == Sent::NoRoute && !self.has_no_way {
            self.has_no_way = true;
            self.again = Some(now);
        }
    }

    /// When to compare addresses next.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.unanswered.map(|since| self.again.unwrap_or(since + PATIENCE))
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.look_at().is_some_and(|at| at <= now)
    }

    /// What a look has shown.
    pub(super) fn looked(&mut self, now: Instant, route: Route) {
        self.wait = match route {
            Route::None => NO_WAY,
            Route::Same | Route::Other => (self.wait * 2).max(2 * PATIENCE),
        };
        self.again = Some(now + self.wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When, in ms, a link looks that sends all the time and hears nothing.
    fn looks(route: impl Fn(u64) -> Route) -> Vec<u64> {
        let start = Instant::now();
        let mut roaming = Roaming::default();
        let mut seen = Vec::new();
        for ms in 0..2_000 {
            let now = start + Duration::from_millis(ms);
            roaming.sent(now, if route(ms) == Route::None { Sent::NoRoute } else { Sent::Left });
            if roaming.is_due(now) {
                seen.push(ms);
                roaming.looked(now, route(ms));
            }
        }
        seen
    }

    #[test]
    fn silence_is_suspicious_and_less_so_the_longer_it_lasts() {
        assert_eq!(looks(|_| Route::Same), [200, 600, 1_400]);
    }

    #[test]
    fn a_missing_way_out_is_suspicious_at_once_and_looked_for_often() {
        let gone = |ms| if (50..300).contains(&ms) { Route::None } else { Route::Other };
        assert_eq!(looks(gone)[..4], [50, 150, 250, 350]);
    }

    #[test]
    fn who_is_heard_is_above_suspicion_until_something_is_sent_again() {
        let start = Instant::now();
        let mut roaming = Roaming::default();
        assert_eq!(roaming.look_at(), None);
        roaming.sent(start, Sent::Left);
        assert_eq!(roaming.look_at(), Some(start + PATIENCE));
        roaming.heard();
        assert_eq!(roaming.look_at(), None);
    }
}
