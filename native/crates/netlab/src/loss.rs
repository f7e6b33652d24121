//! Which packets a link loses: none, each by chance, in bursts, or those that the test names.

use std::collections::BTreeSet;

use fastrand::Rng;

/// A model of loss. Probabilities are for each packet that leaves the queue outside of outages.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Loss {
    #[default]
    None,
    /// Each packet with this probability.
    Independent(f64),
    /// Two states, each with its own probability of loss; before each packet the state may change. The first state is
    /// drawn from the stationary distribution.
    GilbertElliott { good_to_bad: f64, bad_to_good: f64, loss_good: f64, loss_bad: f64 },
    /// Exactly these, counted from 0 among the packets that get as far as this, since the model was set. A test that
    /// draws such a set can run again without one of the losses and compare.
    Listed(BTreeSet<u64>),
}

impl Loss {
    /// Bursts in which everything is lost, of a geometric length: Gilbert's model with its bad state wholly bad.
    /// ratio: share of all packets that is lost, below 1; mean_burst: mean length of a run of losses, packets, at least 1
    /// and at least ratio / (1 - ratio).
    pub fn bursts(ratio: f64, mean_burst: f64) -> Self {
        assert!(
            (0.0..1.0).contains(&ratio) && mean_burst >= 1.0,
            "no bursts of {mean_burst} packets at a loss of {ratio}"
        );
        let bad_to_good = 1.0 / mean_burst;
        // The stationary share of the bad state is p / (p + r).
        let good_to_bad = bad_to_good * ratio / (1.0 - ratio);
        Self::GilbertElliott { good_to_bad, bad_to_good, loss_good: 0.0, loss_bad: 1.0 }
    }
}

/// A model with its state and its own random numbers, so that whether other features are on changes no draw.
#[derive(Debug, Clone)]
pub(crate) struct LossState {
    model: Loss,
    rng: Rng,
    is_bad: bool,
    packets: u64,
}

impl LossState {
    pub fn new(model: Loss, mut rng: Rng) -> Self {
        let mut is_bad = false;
        match model {
            Loss::None | Loss::Listed(_) => {}
            Loss::Independent(p) => assert_probability(p),
            Loss::GilbertElliott { good_to_bad, bad_to_good, loss_good, loss_bad } => {
                [good_to_bad, bad_to_good, loss_good, loss_bad].into_iter().for_each(assert_probability);
                let changes = good_to_bad + bad_to_good;
                is_bad = changes > 0.0 && rng.f64() < good_to_bad / changes;
            }
        }
        Self { model, rng, is_bad, packets: 0 }
    }

    pub fn set(&mut self, model: Loss) {
        *self = Self::new(model, self.rng.clone());
    }

    /// Whether the next packet is lost.
    pub fn next(&mut self) -> bool {
        let index = self.packets;
        self.packets += 1;
        match &self.model {
            Loss::None => false,
            Loss::Independent(p) => self.rng.f64() < *p,
            Loss::GilbertElliott { good_to_bad, bad_to_good, loss_good, loss_bad } => {
                let leave = if self.is_bad { *bad_to_good } else { *good_to_bad };
                self.is_bad ^= self.rng.f64() < leave;
                self.rng.f64() < if self.is_bad { *loss_bad } else { *loss_good }
            }
            Loss::Listed(indices) => indices.contains(&index),
        }
    }
}

pub(crate) fn assert_probability(p: f64) {
    assert!((0.0..=1.0).contains(&p), "{p} is no probability");
}
