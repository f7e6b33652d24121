//! When a segment is sent again before its time (KCP's fast resend): acknowledgements of things sent later tell that it is
//! missing. `after` of them are asked for, since packets also overtake one another.
//!
//! Everything sent gets an ordinal that grows with each sending, also a retransmission (a packet number will do). Then
//! "so many later ones were acknowledged" is "below the `after`-th highest acknowledged ordinal", one comparison, and a
//! retransmission is not held for lost by acknowledgements of what left before it.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlyConfig {
    /// Later acknowledgements that make a segment lost; 0: none do, only time.
    pub after: usize,
    /// How often one segment is sent again early; beyond it only time counts, so that a path which reorders widely is not
    /// flooded. 0: never.
    pub limit: u32,
}

impl EarlyConfig {
    /// What KCP calls resend 2 and fastlimit 5.
    pub const FAST: Self = Self { after: 2, limit: 5 };
    pub const OFF: Self = Self { after: 0, limit: 0 };
}

/// What was acknowledged of one path, as far as the rule needs it.
#[derive(Debug, Clone)]
pub struct Early {
    config: EarlyConfig,
    /// The highest acknowledged ordinals, highest first, at most `after`.
    highest: Vec<u64>,
}

impl Early {
    pub fn new(config: EarlyConfig) -> Self {
        Self { config, highest: Vec::with_capacity(config.after) }
    }

    /// The sending with this ordinal arrived. True: `lost_below` has moved. Telling it twice is telling it once.
    pub fn acknowledged(&mut self, ordinal: u64) -> bool {
        let at = self.highest.partition_point(|&known| known > ordinal);
        if at == self.config.after || self.highest.get(at) == Some(&ordinal) {
            return false;
        }
        if self.highest.len() == self.config.after {
            self.highest.pop();
        }
        self.highest.insert(at, ordinal);
        self.highest.len() == self.config.after
    }

    /// Whatever was sent with a lower ordinal and is not acknowledged is lost.
    pub fn lost_below(&self) -> u64 {
        match self.config.after.checked_sub(1) {
            Some(last) => self.highest.get(last).copied().unwrap_or(0),
            None => 0,
        }
    }

    /// Whether a segment that was sent again early so often may be once more.
    pub fn allows(&self, times: u32) -> bool {
        times < self.config.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_later_acknowledgements_make_a_segment_lost() {
        let mut early = Early::new(EarlyConfig::FAST);
        assert!(!early.acknowledged(1));
        assert!(early.acknowledged(3));
        assert_eq!(early.lost_below(), 1, "2 has one later one");
        assert!(early.acknowledged(4));
        assert_eq!(early.lost_below(), 3);
    }

    #[test]
    fn neither_order_nor_repetition_of_acknowledgements_matters() {
        for order in [[9, 7, 5, 8], [5, 7, 8, 9], [8, 9, 7, 5]] {
            let mut early = Early::new(EarlyConfig { after: 3, limit: 1 });
            for ordinal in order {
                early.acknowledged(ordinal);
                assert!(!early.acknowledged(ordinal));
            }
            assert_eq!(early.lost_below(), 7);
        }
    }

    #[test]
    fn a_retransmission_is_not_lost_by_what_left_before_it() {
        let mut early = Early::new(EarlyConfig::FAST);
        for ordinal in 2..=9 {
            early.acknowledged(ordinal);
        }
        let again = 10;
        assert!(again >= early.lost_below());
        early.acknowledged(11);
        early.acknowledged(12);
        assert!(again < early.lost_below());
    }

    #[test]
    fn off_means_that_nothing_is_lost_and_nothing_kept() {
        let mut early = Early::new(EarlyConfig::OFF);
        assert!(!early.acknowledged(5) && !early.acknowledged(6));
        assert_eq!((early.lost_below(), early.allows(0)), (0, false));
    }

    #[test]
    fn a_segment_is_sent_early_only_so_often() {
        let early = Early::new(EarlyConfig::FAST);
        assert!(early.allows(4) && !early.allows(5));
    }
}
