//! What one direction of a link did. Bytes include the overhead of the spec.

/// How many packets, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub packets: u64,
    pub bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, size: u64) {
        self.packets += 1;
        self.bytes += size;
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { packets: self.packets + other.packets, bytes: self.bytes + other.bytes }
    }
}

/// At any time `entered + duplicated == delivered + dropped() + ` what is in flight. Corrupted and reordered packets are
/// among the delivered or in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub entered: Tally,
    pub delivered: Tally,
    pub dropped_mtu: Tally,
    pub dropped_policer: Tally,
    pub dropped_queue: Tally,
    pub dropped_outage: Tally,
    pub dropped_loss: Tally,
    pub duplicated: Tally,
    pub corrupted: Tally,
    /// Delivered after a packet that had entered later.
    pub reordered: Tally,
}

impl Counters {
    pub fn dropped(&self) -> Tally {
        self.dropped_mtu + self.dropped_policer + self.dropped_queue + self.dropped_outage + self.dropped_loss
    }
}
