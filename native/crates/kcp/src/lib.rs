//! Sealed KCP links: streams and datagrams over UDP with KCP's quick repair of losses, inside TLS 1.3's protection. Pure:
//! no socket, no thread; packets and the time go in, packets, signals and deadlines come out. PROTOCOL.md has the wire.
#![forbid(unsafe_code)]

mod connection;
mod endpoint;
mod frame;
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

pub use connection::{Config, Connection};
pub use endpoint::{Arrival, Endpoint, Incoming};
#[doc(hidden)]
pub use tuning::{Held, Tuning};

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;

/// The application protocol of the handshake; its number changes with PROTOCOL.md.
pub const ALPN: &[u8] = b"petrel-kcp/1";

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

/// SHA-256 of the SPKI.
fn pin(certificate: &CertificateDer<'static>) -> Option<[u8; 32]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    digest(&SHA256, parsed.subject_public_key_info().as_ref()).as_ref().try_into().ok()
}
