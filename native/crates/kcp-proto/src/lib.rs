//! KCP, written from its public description (skywind3000/kcp, protocol.txt and README): what repairs losses on a
//! channel of packets. Pure: no socket, no clock, no threads. `rto` and `early`, what KCP is chosen for, work alone.
#![forbid(unsafe_code)]

mod config;
mod congestion;
pub mod early;
mod flight;
mod header;
mod kcp;
mod pool;
mod receiver;
pub mod rto;
mod sender;

pub use config::{Config, Mode};
pub use header::{Command, HEADER_BYTES, Header, InputError};
pub use kcp::{Event, Kcp, Stats, TooSmall};
pub use sender::SendError;
