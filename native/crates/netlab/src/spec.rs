//! How a link is set. `Spec { delay: Duration::from_millis(50), ..Spec::default() }` is the way to write one.

use std::time::Duration;

use crate::loss::{Loss, assert_probability};
use crate::schedule::{Outages, Rates};

/// One direction of a link. The default is ideal: no delay, no limit, no loss.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spec {
    /// What is over it is dropped before it comes to the queue.
    pub policer: Option<Policer>,
    pub rate: Rates,
    /// Propagation: between a packet's last byte leaving the queue and its arrival.
    pub delay: Duration,
    /// Bytes that may wait behind the packet that is being sent; what exceeds them is dropped. None: no limit.
    pub queue: Option<u64>,
    pub loss: Loss,
    /// Uniform extra delay, 0 up to this.
    pub jitter: Duration,
    /// Whether jitter may change the order of packets.
    pub jitter_reorders: bool,
    pub reorder: Option<Reorder>,
    /// Probability that a packet arrives twice.
    pub duplicate: f64,
    /// Probability that one to three bits of a packet are flipped.
    pub corrupt: f64,
    pub outages: Outages,
    /// Largest packet, overhead included; larger ones vanish.
    pub mtu: Option<usize>,
    /// Bytes of headers for each packet; the rate, the queue, the MTU and the counters include them. 28 for what UDP
    /// carries over IPv4, 48 over IPv6, 0 if packets are whole already.
    pub overhead: usize,
}

/// With this probability a packet is held back for longer, and those behind it overtake it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reorder {
    pub probability: f64,
    pub extra: Duration,
}

/// A token bucket: packets pass at once while it holds their bytes. It starts full. RFC 2697 calls this a single rate with
/// one burst size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policer {
    /// Bytes a second that flow in.
    pub rate: u64,
    /// Bytes that it holds.
    pub burst: u64,
}

/// Both directions. In a `Net`, up is towards the core.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Link {
    pub up: Spec,
    pub down: Spec,
}

impl Link {
    pub fn ideal() -> Self {
        Self::default()
    }

    pub fn symmetric(spec: Spec) -> Self {
        Self { up: spec.clone(), down: spec }
    }
}

impl Spec {
    pub(crate) fn assert_sane(&self) {
        let reorder = self.reorder.map_or(0.0, |reorder| reorder.probability);
        [self.duplicate, self.corrupt, reorder].into_iter().for_each(assert_probability);
    }
}
