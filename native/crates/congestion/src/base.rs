//! The share of packets that the path loses whatever is sent. Only what left while we surely sent less than the path
//! takes bears witness against us; all other rounds merely refine it, so that loss of our own making never passes for
//! the path's. A path that loses more than half of all packets counts as losing half.

/// Packets that one estimate remembers: enough for a tenth of its value at 5 %.
const MEMORY: f64 = 4_000.0;
/// With fewer witnesses the rest is believed.
const WITNESSES: f64 = 40.0;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Share {
    acked: f64,
    lost: f64,
}

impl Share {
    pub(crate) fn add(&mut self, acked: f64, lost: f64) {
        self.acked += acked;
        self.lost += lost;
        let all = self.acked + self.lost;
        if all > MEMORY {
            self.acked *= MEMORY / all;
            self.lost *= MEMORY / all;
        }
    }

    pub(crate) fn packets(&self) -> f64 {
        self.acked + self.lost
    }

    pub(crate) fn ratio(&self) -> f64 {
        self.lost / self.packets().max(1.0)
    }
}

/// How far a share among so many packets may be off by chance: one standard deviation.
pub(crate) fn deviation(ratio: f64, packets: f64) -> f64 {
    let ratio = ratio.clamp(0.005, 0.5);
    (ratio * (1.0 - ratio) / packets.max(1.0)).sqrt()
}

#[derive(Debug, Clone, Default)]
pub(crate) struct BaseLoss {
    /// Left while we sent less than the path takes.
    below: Share,
    /// Of rounds that did not stand out.
    all: Share,
}

impl BaseLoss {
    pub(crate) fn below(&mut self, acked: f64, lost: f64) {
        self.below.add(acked, lost);
    }

    pub(crate) fn round(&mut self, acked: f64, lost: f64) {
        self.all.add(acked, lost);
    }

    /// Whether there are witnesses enough to tell our own losses from the path's.
    pub(crate) fn is_known(&self) -> bool {
        self.below.packets() >= WITNESSES
    }

    pub(crate) fn ratio(&self) -> f64 {
        let all = self.all.ratio();
        let (below, packets) = (self.below.ratio(), self.below.packets());
        if !self.is_known() {
            return all.min(0.5);
        }
        if self.all.packets() < WITNESSES {
            return below.min(0.5);
        }
        all.min(below + 2.0 * deviation(below, packets)).min(0.5)
    }
}
