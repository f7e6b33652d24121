//! A set of numbers as ranges: bytes of a stream, counters of packets.

use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint ranges that do not touch, by their start.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many ranges.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// In falling order.
    pub(crate) fn descending(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().rev().map(|(start, end)| *start..*end)
    }

    pub(crate) fn first(&self) -> Option<Range<u64>> {
        self.0.first_key_value().map(|(start, end)| *start..*end)
    }

    /// Returns how many numbers are new.
    pub(crate) fn insert(&mut self, range: Range<u64>) -> u64 {
        let Range { mut start, mut end } = range;
        if start >= end {
            return 0;
        }
        let mut new = end - start;
        while let Some((&s, &e)) = self.0.range(..=end).next_back() {
            if e < start {
                break;
            }
            new -= e.min(range.end).saturating_sub(s.max(range.start));
            start = start.min(s);
            end = end.max(e);
            self.0.remove(&s);
        }
        self.0.insert(start, end);
        new
    }

    pub(crate) fn remove(&mut self, range: Range<u64>) {
        while let Some((&s, &e)) = self.0.range(..range.end).next_back() {
            if e <= range.start {
                break;
            }
            self.0.remove(&s);
            if e > range.end {
                self.0.insert(range.end, e);
            }
            if s < range.start {
                self.0.insert(s, range.start);
            }
        }
    }

    /// Takes at most `most` numbers from the first range.
    pub(crate) fn take_first(&mut self, most: u64) -> Option<Range<u64>> {
        let Range { start, end } = self.first()?;
        self.0.remove(&start);
        let cut = end.min(start.saturating_add(most));
        if cut < end {
            self.0.insert(cut, end);
        }
        Some(start..cut)
    }

    /// What of a range is not here.
    pub(crate) fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let (mut gaps, mut at) = (Vec::new(), range.start);
        if range.is_empty() {
            return gaps;
        }
        let before = self.0.range(..=at).next_back().map_or(at, |(_, end)| *end);
        at = at.max(before);
        for (start, end) in self.0.range(range.start..range.end) {
            if at < *start {
                gaps.push(at..*start);
            }
            at = at.max(*end);
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }

    /// Forgets the lowest range.
    pub(crate) fn pop_first(&mut self) {
        self.0.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_agrees_with_a_plain_set() {
        for seed in 0..100 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut ranges, mut plain) = (Ranges::default(), BTreeSet::new());
            for _ in 0..200 {
                let start = rng.u64(0..100);
                let range = start..start + rng.u64(0..20);
                match rng.u8(0..3) {
                    0 => {
                        ranges.remove(range.clone());
                        plain.retain(|n| !range.contains(n));
                    }
                    1 => {
                        let taken = ranges.take_first(range.end - start).unwrap_or(0..0);
                        plain.retain(|n| !taken.contains(n));
                    }
                    _ => {
                        let new = range.clone().filter(|n| plain.insert(*n)).count() as u64;
                        assert_eq!(ranges.insert(range), new, "seed {seed}");
                    }
                }
                let all: Vec<u64> = ranges.descending().flat_map(|r| r.rev()).collect();
                assert!(all.iter().eq(plain.iter().rev()), "seed {seed}");
                let gaps: Vec<u64> = ranges.missing(20..90).into_iter().flatten().collect();
                assert!(gaps.into_iter().eq((20..90).filter(|n| !plain.contains(n))), "seed {seed}");
            }
        }
    }
}
