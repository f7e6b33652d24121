//! What changes with time in a known way: rates and outages. Times are counted from the start of the pipe.

use std::ops::Range;
use std::time::Duration;

const SECOND: u128 = 1_000_000_000;

/// How fast a link takes bytes, over time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rates {
    /// (from, bytes a second), ascending, the first at zero; empty: no limit.
    steps: Vec<(Duration, u64)>,
}

impl Rates {
    pub fn unlimited() -> Self {
        Self::default()
    }

    pub fn fixed(bytes_per_second: u64) -> Self {
        Self::steps(bytes_per_second, [])
    }

    /// `first`, then from each time on that rate; times ascend. A rate of 0 holds the queue until the next step, so it
    /// cannot be the last.
    pub fn steps(first: u64, later: impl IntoIterator<Item = (Duration, u64)>) -> Self {
        let steps: Vec<_> = std::iter::once((Duration::ZERO, first)).chain(later).collect();
        assert!(steps.is_sorted_by(|a, b| a.0 < b.0), "steps of the rate are not in order: {steps:?}");
        assert!(steps.last().is_some_and(|(_, rate)| *rate > 0), "a rate of 0 for ever: {steps:?}");
        Self { steps }
    }

    pub fn is_unlimited(&self) -> bool {
        self.steps.is_empty()
    }

    /// When `bytes` whose first leaves at `start` have left. `spare` is the work that rounding up did too much for the
    /// packet before, in bytes times nanoseconds a second; returned for the next.
    pub(crate) fn finish(&self, start: Duration, bytes: u64, spare: u128) -> (Duration, u128) {
        let mut work = u128::from(bytes) * SECOND;
        if spare >= work {
            return (start, spare - work);
        }
        work -= spare;
        let mut at = start;
        let mut index = self.steps.partition_point(|(from, _)| *from <= start);
        loop {
            let Some((_, rate)) = index.checked_sub(1).map(|current| self.steps[current]) else { return (start, 0) };
            let rate = u128::from(rate);
            if let Some((next, _)) = self.steps.get(index) {
                let done = rate * (*next - at).as_nanos();
                if done < work {
                    work -= done;
                    at = *next;
                    index += 1;
                    continue;
                }
            }
            // The rate is not 0: nothing would have been done then, and the last one never is.
            let nanos = work.div_ceil(rate);
            return (at + Duration::from_nanos(nanos as u64), nanos * rate - work);
        }
    }
}

/// When a link loses everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outages {
    list: Vec<Range<Duration>>,
    periodic: Option<Periodic>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Periodic {
    first: Duration,
    every: Duration,
    lasts: Duration,
}

impl Outages {
    pub fn none() -> Self {
        Self::default()
    }

    /// In each of these, the end excluded.
    pub fn list(outages: impl IntoIterator<Item = Range<Duration>>) -> Self {
        Self { list: outages.into_iter().collect(), periodic: None }
    }

    /// From `first` on, for the time `lasts` out of each `every`.
    pub fn periodic(first: Duration, every: Duration, lasts: Duration) -> Self {
        assert!(every > Duration::ZERO, "outages need a period");
        Self { list: Vec::new(), periodic: Some(Periodic { first, every, lasts }) }
    }

    /// One more, that begins now: those that are over are forgotten.
    pub(crate) fn add(&mut self, outage: Range<Duration>) {
        self.list.retain(|one| one.end > outage.start);
        self.list.push(outage);
    }

    pub fn cover(&self, at: Duration) -> bool {
        self.list.iter().any(|outage| outage.contains(&at))
            || self.periodic.as_ref().is_some_and(|Periodic { first, every, lasts }| {
                at.checked_sub(*first).is_some_and(|since| since.as_nanos() % every.as_nanos() < lasts.as_nanos())
            })
    }
}
