//! Congestion control for links that lose packets, one controller for QUIC and KCP. Pure: the caller owns the clock, and
//! nothing is allocated while it runs.
//!
//! The path is a model: what it delivers, its round trip without a queue, and the share of packets that it loses
//! whatever is sent (`base loss`). A loss says nothing by itself; more loss than the base does. In flight is kept what
//! the path holds plus a queue of some milliseconds, which is measured each round as the least round trip of the round
//! over the least ever: as long as a queue stands the path is used wholly, and when it vanishes there is room.
//!
//! * [`Controller`] has the window, the pace, and the phases that move them.
//! * [`Start`] is what it is told before it has measured anything.
//! * `rounds` measures, `base` tells losses of the path from our own, `crowded` and `cubic` are for the time beside those
//!   who fill every queue.
//!
//! Sources: RFC 9438 (CUBIC); N. Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 2016 (delivery
//! rate, start-up); D. Wei et al., "FAST TCP", IEEE/ACM ToN 2006 (a window steered by a small standing queue); V. Arun and
//! H. Balakrishnan, "Copa", NSDI 2018 (delay mode beside those who fill queues).
#![forbid(unsafe_code)]

mod base;
mod controller;
mod crowded;
mod cubic;
mod rounds;
mod start;

pub use controller::Controller;
pub use start::Start;
