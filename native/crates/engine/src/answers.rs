//! A cap on what a socket says to those whom it does not know: other versions, stateless resets. Nobody can have it
//! answer others for him, neither with more bytes than he sent nor for long.

use std::time::{Duration, Instant};

/// From one answer to the next on average, and how far answers may run ahead of that: ten at once, and a hundred in any
/// second.
const GAP: Duration = Duration::from_millis(11);
const AHEAD: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// When the next would be due (GCRA, ITU-T I.371).
    due: Option<Instant>,
}

impl Answers {
    /// Whether an answer of `size` bytes to a datagram of `heard` bytes may leave; counts it then.
    pub(crate) fn may_leave(&mut self, now: Instant, size: usize, heard: usize) -> bool {
        let due = self.due.map_or(now, |due| due.max(now));
        let may_leave = size < heard && due - now < AHEAD;
        if may_leave {
            self.due = Some(due + GAP);
        }
        may_leave
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_answers_a_second_and_no_more() {
        let start = Instant::now();
        let mut answers = Answers::default();
        let mut left = Vec::new();
        for ms in 0..10_000 {
            let now = start + Duration::from_millis(ms);
            left.extend((0..100).filter(|_| answers.may_leave(now, 40, 41)).map(|_| ms));
        }
        assert!(left.len() > 900, "{}", left.len());
        assert!(left.windows(101).all(|some| some[100] - some[0] >= 1_000), "{left:?}");
        let later = start + Duration::from_secs(20);
        assert_eq!((0..100).filter(|_| answers.may_leave(later, 40, 41)).count(), 10);
    }

    #[test]
    fn no_answer_is_as_long_as_what_it_answers() {
        let mut answers = Answers::default();
        assert!(!answers.may_leave(Instant::now(), 40, 40));
        assert!(answers.may_leave(Instant::now(), 39, 40));
    }
}
