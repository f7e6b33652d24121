//! What a native link is, whichever protocol carries it. Pure: no socket, no thread, no clock.
#![forbid(unsafe_code)]

mod connection;

pub use connection::{Connection, Lost, PathStats, Reading, Refused, Signal, Stopped, Transmit};
