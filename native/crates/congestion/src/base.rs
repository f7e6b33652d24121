//! The share of packets that the path loses whatever is sent. Only what left while we surely sent less than the path
//! takes bears witness against us; all other rounds merely refine it, so that loss of our own making never passes for
//! the path's. A path that loses more than half of all packets counts as losing half.

/// Packets that one estimate remembers: enough for a tenth of its value at 5 %.
const MEMORY: f64 = 4_000.0;
/// With fewer witnesses the rest is believed.
const WITNESSES: f64 = 40.0;
/// More loss than was known, from which on a time below is doubted; and when nothing was known.
const DOUBTFUL: f64 = 0.05;
const UNHEARD: f64 = 0.02;

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

/// What the last time below said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Believed,
    /// So much more is lost than was known that it may not have been below at all: go lower and look again.
    Doubted,
    /// Going lower, less was lost: what was doubted was our own making.
    Refuted,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct BaseLoss {
    /// Left while we sent less than the path takes.
    below: Share,
    /// The same, of the time that is not judged yet, and of that which was doubted.
    trial: Share,
    doubted: Option<Share>,
    /// Of rounds that did not stand out.
    all: Share,
}

impl BaseLoss {
    pub(crate) fn below(&mut self, acked: f64, lost: f64) {
        self.trial.add(acked, lost);
    }

    pub(crate) fn round(&mut self, acked: f64, lost: f64) {
        self.all.add(acked, lost);
    }

    /// A time below is over, and what left in it has been told of.
    pub(crate) fn judge(&mut self) -> Verdict {
        let trial = std::mem::take(&mut self.trial);
        if let Some(doubted) = self.doubted.take() {
            self.below.add(trial.acked, trial.lost);
            let chance = 2.0 * deviation(doubted.ratio(), doubted.packets().min(trial.packets()));
            if trial.ratio() < doubted.ratio() / 2.0 && doubted.ratio() - trial.ratio() > chance {
                self.all = self.below;
                return Verdict::Refuted;
            }
            self.below.add(doubted.acked, doubted.lost);
            return Verdict::Believed;
        }
        let known = if self.is_known() { self.below.ratio() + DOUBTFUL } else { UNHEARD };
        if trial.ratio() > known + 3.0 * deviation(known, trial.packets()) {
            self.doubted = Some(trial);
            return Verdict::Doubted;
        }
        self.below.add(trial.acked, trial.lost);
        Verdict::Believed
    }

    /// A time below was cut short: what left in it is not all told of, and what was doubted is of another path.
    pub(crate) fn forget(&mut self) {
        self.trial = Share::default();
        self.doubted = None;
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
