//! QUIC as a connection of a link: a thin adapter on noq-proto, which is a pure state machine as this is. What it adds,
//! limits of our own credit in datagrams and on a stream beside them, stands in PROTOCOL.md.
#![forbid(unsafe_code)]

mod backstop;
mod config;
mod connection;
mod control;
mod endpoint;
mod silence;

pub use config::{DialConfig, Identity, dial_config, identity};
pub use connection::Connection;
pub use endpoint::{Arrival, Endpoint, Exchange, Id, Packet, Stranger};
