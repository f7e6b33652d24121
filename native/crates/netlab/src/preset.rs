//! Access links as others have measured them: up is what the client behind it sends. Each number has its source, or is called
//! an assumption. They are to try things on, not to rank providers by.

use std::ops::Range;
use std::time::Duration;

use crate::loss::Loss;
use crate::schedule::Rates;
use crate::spec::{Link, Spec};

#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    pub name: &'static str,
    pub link: Link,
    pub handover: Option<Handover>,
}

/// Every so often another radio carries the link: for a moment nobody does, and then both delays are others.
#[derive(Debug, Clone, PartialEq)]
pub struct Handover {
    pub every: Duration,
    pub gap: Duration,
    /// One way; drawn anew each time.
    pub delay: Range<Duration>,
}

const MBIT: u64 = 1_000_000 / 8;
const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn presets() -> [Preset; 4] {
    [starlink(), geo(), lte(), wifi()]
}

/// Round trip, 50 ms at the median and 40 to 60 for the half around it: F. Michel, M. Trevisan, D. Giordano, O. Bonaventure, "A
/// first look at Starlink performance", IMC 2022. Rates, 87 and 14 Mbit/s: Ookla's medians of the third quarter of 2021. All
/// terminals change their satellite at the same seconds, 15 s apart: N. Mohan et al., "A multifaceted look at Starlink
/// performance", WWW 2024. How long it shows, 75 ms before and 140 ms after: "Statistical characterization and prediction of
/// E2E latency over LEO satellite networks", arXiv 2601.08439. That packets are lost then: M. Kassem et al., "A browser-side
/// view of Starlink connectivity", IMC 2022; here all of them. Loss between the changes is our assumption.
fn starlink() -> Preset {
    let one_way = |mbit: u64| Spec {
        rate: Rates::fixed(mbit * MBIT),
        delay: ms(25),
        queue: Some(mbit * MBIT / 10),
        loss: Loss::bursts(0.004, 4.0),
        jitter: ms(5),
        ..Spec::default()
    };
    let handover = Handover { every: ms(15_000), gap: ms(215), delay: ms(20)..ms(30) };
    Preset { name: "starlink", link: Link { up: one_way(14), down: one_way(87) }, handover: Some(handover) }
}

/// S. Endres, J. Deutschmann, K.-S. Hielscher, R. German, "Performance of QUIC implementations over geostationary satellite
/// links", arXiv 2202.08228: 20 Mbit/s down, 2 up, 600 ms, 1 % loss for the bad case.
fn geo() -> Preset {
    let one_way = |mbit: u64| Spec {
        rate: Rates::fixed(mbit * MBIT),
        delay: ms(300),
        queue: Some(mbit * MBIT * 6 / 10),
        loss: Loss::Independent(0.01),
        ..Spec::default()
    };
    Preset { name: "geo", link: Link { up: one_way(2), down: one_way(20) }, handover: None }
}

/// Rates and round trip, 13 and 6 Mbit/s and 70 ms at the median: J. Huang et al., "A close examination of performance and
/// power characteristics of 4G LTE networks", MobiSys 2012. Radio hides loss behind retransmissions, which shows as jitter,
/// and queues are deep: J. Huang et al., "An in-depth study of LTE: effect of network protocol and application behavior on
/// performance", SIGCOMM 2013; how deep, and what loss is left, is our assumption.
fn lte() -> Preset {
    let one_way = |mbit: u64| Spec {
        rate: Rates::fixed(mbit * MBIT),
        delay: ms(35),
        queue: Some(mbit * MBIT * 4 / 10),
        loss: Loss::Independent(0.001),
        jitter: ms(10),
        ..Spec::default()
    };
    Preset { name: "lte", link: Link { up: one_way(6), down: one_way(13) }, handover: None }
}

/// The radio hop of a crowded network and 15 ms of wire behind it. Latency: C. Pei et al., "WiFi can be the weakest link of
/// round trip network latency in the wild", INFOCOM 2016 (a hop of 20 ms at the median, 100 ms for one packet in ten). That
/// losses come in bursts, as Gilbert's model has them and longer: "802.11g packet-loss behavior at high sustained bit rates
/// in the home". Rate and share of loss are our assumption.
fn wifi() -> Preset {
    let one_way = Spec {
        rate: Rates::fixed(40 * MBIT),
        delay: ms(15),
        queue: Some(40 * MBIT / 10),
        loss: Loss::bursts(0.02, 4.0),
        jitter: ms(20),
        ..Spec::default()
    };
    Preset { name: "wifi", link: Link::symmetric(one_way), handover: None }
}
