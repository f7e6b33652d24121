//! KCP, written from its public description (skywind3000/kcp, protocol.txt and README): what repairs losses on a
//! channel of packets. Pure: no socket, no clock, no threads. `rto` and `early`, what KCP is chosen for, work alone.
#![forbid(unsafe_code)]

pub mod early;
pub mod rto;
