//! What every native link keeps per stream: reassembly of bytes that arrive in any order, and credit, both ways.
//! Pure: no I/O, no clock, no threads. The wire form is in `message`, explained in crates/quic/PROTOCOL.md.
#![forbid(unsafe_code)]

mod credit;
pub mod message;
mod reassembly;
pub mod varint;

pub use credit::{Budget, INITIAL_CREDIT, Pool, ReceiveCredit, SendCredit};
pub use reassembly::{Fault, Reassembly};
