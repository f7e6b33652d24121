//! A cap on what a socket says to those whom it does not know: other versions, stateless resets. Nobody can have it
//! answer others for him, neither with more bytes than he sent nor for long.

use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_secs(1);
/// Answers in one period.
const MAX_ANSWERS: u32 = 100;

#[derive(Debug, Default)]
pub(crate) struct Answers {
    since: Option<Instant>,
    count: u32,
}

impl Answers {
    /// Whether an answer of `size` bytes to a datagram of `heard` bytes may leave; counts it then.
    pub(crate) fn may_leave(&mut self, now: Instant, size: usize, heard: usize) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            *self = Self { since: Some(now), count: 0 };
        }
        let may_leave = size < heard && self.count < MAX_ANSWERS;
        self.count += u32::from(may_leave);
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
        let at = |answers: &mut Answers, ms| {
            let now = start + Duration::from_millis(ms);
            (0..1000).filter(|_| answers.may_leave(now, 40, 41)).count()
        };
        assert_eq!(at(&mut answers, 0), 100);
        assert_eq!(at(&mut answers, 999), 0);
        assert_eq!(at(&mut answers, 1000), 100);
    }

    #[test]
    fn no_answer_is_as_long_as_what_it_answers() {
        let mut answers = Answers::default();
        assert!(!answers.may_leave(Instant::now(), 40, 40));
        assert!(answers.may_leave(Instant::now(), 39, 40));
    }
}
