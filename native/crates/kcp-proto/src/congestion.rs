//! KCP's congestion window, in segments: slow start and congestion avoidance after RFC 5681. A window is cut at most once
//! for what was under way together.

/// Segments at the start (RFC 5681 §3.1, for segments of more than 1,095 bytes).
const INITIAL: u32 = 3;
/// A window is halved to this at least.
const LEAST_HALF: u32 = 2;

#[derive(Debug)]
pub struct Congestion {
    window: u32,
    /// Slow start below, avoidance from here on.
    threshold: u32,
    /// Segments acknowledged towards the next segment of window, in avoidance.
    credit: u32,
    /// Losses of what was sent before this ordinal have been answered.
    answered: u64,
}

impl Congestion {
    pub fn new() -> Self {
        Self { window: INITIAL, threshold: u32::MAX, credit: 0, answered: 0 }
    }

    /// Segments that may be out.
    pub fn window(&self) -> u32 {
        self.window
    }

    /// most: the window that is of use; it does not grow beyond.
    pub fn acknowledged(&mut self, segments: u32, most: u32) {
        if self.window >= most {
            return;
        }
        if self.window < self.threshold {
            self.window = self.window.saturating_add(segments).min(self.threshold);
        } else {
            self.credit = self.credit.saturating_add(segments);
            if self.credit >= self.window {
                self.credit -= self.window;
                self.window += 1;
            }
        }
        self.window = self.window.min(most);
    }

    /// The sending with this ordinal is lost, found by later acknowledgements. out: segments out; next: the ordinal of
    /// the next sending.
    pub fn lost(&mut self, ordinal: u64, out: u32, next: u64) {
        if self.answer(ordinal, out, next) {
            self.window = self.threshold;
        }
    }

    /// As `lost`, but found by time: nothing is known of the path any more.
    pub fn timed_out(&mut self, ordinal: u64, out: u32, next: u64) {
        if self.answer(ordinal, out, next) {
            self.window = 1;
        }
    }

    fn answer(&mut self, ordinal: u64, out: u32, next: u64) -> bool {
        if ordinal < self.answered {
            return false;
        }
        self.answered = next;
        self.threshold = (out / 2).max(LEAST_HALF);
        self.credit = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_slowly_then_grows_by_one_a_round() {
        let mut congestion = Congestion::new();
        for _ in 0..5 {
            congestion.acknowledged(congestion.window(), 1_000);
        }
        assert_eq!(congestion.window(), 3 << 5);
        congestion.lost(10, 96, 100);
        assert_eq!(congestion.window(), 48);
        for round in 1..=3 {
            congestion.acknowledged(congestion.window(), 1_000);
            assert_eq!(congestion.window(), 48 + round);
        }
    }

    #[test]
    fn one_round_of_losses_cuts_the_window_once() {
        let mut congestion = Congestion::new();
        congestion.acknowledged(97, 1_000);
        congestion.lost(10, 100, 110);
        congestion.lost(11, 90, 111);
        congestion.timed_out(109, 80, 112);
        assert_eq!(congestion.window(), 50);
        congestion.timed_out(112, 40, 113);
        assert_eq!(congestion.window(), 1);
        congestion.acknowledged(40, 1_000);
        assert_eq!(congestion.window(), 20, "slow start ends at half of what was out");
    }

    #[test]
    fn does_not_grow_beyond_what_is_of_use() {
        let mut congestion = Congestion::new();
        congestion.acknowledged(u32::MAX, 128);
        congestion.acknowledged(u32::MAX, 128);
        assert_eq!(congestion.window(), 128);
    }
}
