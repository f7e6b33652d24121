//! Sealed KCP links: streams and datagrams over UDP with KCP's quick repair of losses, inside TLS 1.3's protection. Pure:
//! no socket, no thread; packets and the time go in, packets, signals and deadlines come out. PROTOCOL.md has the wire.
#![forbid(unsafe_code)]

mod config;
mod connection;
mod endpoint;
mod frame;
#[cfg(test)]
mod fuzz;
mod handshake;
#[cfg(test)]
mod hostile;
mod keys;
mod link;
mod mtu;
mod pacer;
mod packet;
mod parameters;
mod path;
mod ranges;
mod receive;
mod received;
mod recovery;
mod replay;
mod send_stream;
mod sent;
mod streams;
mod token;
mod transmit;
mod tuning;

pub use config::{ALPN, DialConfig, Identity, dial_config, identity};
pub use connection::Connection;
pub use endpoint::{Arrival, Endpoint, Exchange, Id, Packet, Stranger};
#[doc(hidden)]
pub use tuning::{Held, LIMITS, Tuning};

use ring::rand::{SecureRandom, SystemRandom};

/// Numbers that nobody may guess.
pub(crate) struct Random(SystemRandom);

impl Random {
    pub(crate) fn new() -> Self {
        Self(SystemRandom::new())
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        // Fails only where the system has no random numbers at all, and then TLS has failed before.
        let _ = self.0.fill(&mut bytes);
        bytes
    }
}
