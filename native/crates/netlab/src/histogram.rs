//! How long things took, in buckets that grow with what they hold: some bytes for any number of values, and a quantile is
//! at most an eighth too large.

use std::time::Duration;

/// Buckets of one microsecond below 16, then eight for each doubling, up to 12 days.
const BUCKETS: usize = 16 + 8 * 36;

#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    count: u64,
    largest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], count: 0, largest: Duration::ZERO }
    }
}

impl Histogram {
    pub fn record(&mut self, value: Duration) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)] += 1;
        self.count += 1;
        self.largest = self.largest.max(value);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn largest(&self) -> Duration {
        self.largest
    }

    /// The value that this part of all, 0 to 1, does not exceed; zero when there is none.
    pub fn quantile(&self, part: f64) -> Duration {
        let wanted = (self.count as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return Duration::from_micros(upper(index)).min(self.largest);
            }
        }
        self.largest
    }
}

fn bucket(micros: u64) -> usize {
    if micros < 16 {
        return micros as usize;
    }
    let octave = micros.ilog2();
    let eighth = (micros >> (octave - 3)) & 7;
    (16 + 8 * (octave as usize - 4) + eighth as usize).min(BUCKETS - 1)
}

/// The first microsecond that the bucket does not hold.
fn upper(index: usize) -> u64 {
    if index < 16 {
        return index as u64 + 1;
    }
    let (octave, eighth) = ((index - 16) / 8 + 4, (index - 16) % 8);
    (9 + eighth as u64) << (octave - 3)
}
