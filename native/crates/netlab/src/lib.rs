//! A network in virtual time, for tests: pure, seeded, exact. No threads, no sockets, no clock of its own: the test
//! calls `Instant::now()` once, for the start, and from then on time is what the next event says, so hours pass in a
//! second and a run repeats to the nanosecond.
//!
//! * [`Pipe`] is one direction of a link. What happens to a packet, in this order: too large for the MTU; over the
//!   policer; no room in the queue; serialisation at the rate; outage; loss; a copy; then for each copy corruption, propagation delay, jitter and
//!   reordering. A pipe is usable alone, in real time too.
//! * [`Net`] puts pipes together: hosts and routers in a tree, NATs, and a queue of events. Flows share whatever links
//!   their routes have in common.
//! * [`Machine`] and [`Net::run`] drive protocol machines over it and notice those that never rest.
//! * The program `petrel-netlab` (feature `emulator`) is a link in real time for whole processes: two pipes between two
//!   network namespaces. [`presets`] are links that others have measured, [`doubts`] why a run over it is not to be believed.
//!
//! Exact: serialisation (rounding is carried on, so n packets that queue leave after exactly n times their size over the
//! rate, rounded up to a nanosecond once, also across steps of the rate), delay, the queue's bytes, outages, NAT times,
//! and the order of events: by time, then by pipe, then as sent. The same seed gives the same trace on every machine.
//!
//! Simplified: a packet's fate is drawn when it enters, and the counters count it then; an outage loses what leaves the
//! queue in it, not what is under way; jitter is uniform and without memory, and if it must not reorder, a late packet
//! holds back those behind it; queues drop from the tail alone; a NAT takes no time, forwards from anybody
//! (endpoint-independent mapping and filtering, RFC 4787) and only traffic from inside keeps its mapping alive; corrupt
//! packets are delivered, as if no checksum of UDP had been there.
//!
//! Bursts of loss: E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39, 1960, and
//! E. O. Elliott, "Estimates of error rates for codes on burst-noise channels", ibid. 42, 1963. For packets: G. Hasslinger
//! and O. Hohlfeld, "The Gilbert-Elliott model for packet loss in real time services on the Internet", 2008.
//! Reordering is counted as RFC 4737 defines it.
//!
//! ```
//! # use std::{net::SocketAddr, time::{Duration, Instant}};
//! use petrel_netlab::{Link, Loss, Net, Rates, Spec};
//!
//! let start = Instant::now();
//! let mut net = Net::new(start, 1);
//! let lossy = Spec {
//!     rate: Rates::fixed(12_500_000),
//!     delay: Duration::from_millis(25),
//!     queue: Some(625_000),
//!     loss: Loss::bursts(0.05, 4.0),
//!     ..Spec::default()
//! };
//! let bottleneck = net.router(Net::CORE, Link::symmetric(lossy));
//! let [client, server] = ["192.168.1.2:4000", "203.0.113.1:443"].map(|text| text.parse::<SocketAddr>().unwrap());
//! net.host(client, bottleneck, Link::ideal());
//! net.host(server, Net::CORE, Link::ideal());
//! // With machines: net.run(&mut [a, b], until, |now, machines| machines[1].has_received_all())
//! net.send(start, client, server, vec![0; 1_250]);
//! while let Some(now) = net.next_event() {
//!     while let Some(delivery) = net.deliver(now) {
//!         assert_eq!(delivery.at - start, Duration::from_micros(25_100));
//!     }
//! }
//! ```
//!
//! Settings that make no sense (a probability of 2, a rate of nothing) panic: this is for tests.
#![forbid(unsafe_code)]

mod bucket;
mod counters;
mod directory;
mod histogram;
mod honesty;
mod loss;
mod machine;
mod nat;
mod net;
mod pipe;
mod preset;
mod schedule;
mod spec;

pub use counters::{Counters, Tally};
pub use histogram::Histogram;
pub use honesty::{Observed, ObservedWay, doubts};
pub use loss::Loss;
pub use machine::{Machine, Stop};
pub use nat::Nat;
pub use net::{Delivery, Net, Node, Packet, Way};
pub use pipe::Pipe;
pub use preset::{Handover, Preset, presets};
pub use schedule::{Outages, Rates};
pub use spec::{Link, Policer, Reorder, Spec};
