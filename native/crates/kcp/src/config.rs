//! What a listener proves that it is, and what a dialler begins with.

use std::sync::Arc;

use petrel_link::{Credentials, Error, Limits, Refusal, Trust, tls};
use rustls::{ClientConfig, ServerConfig};

/// The application protocol of the handshake; its number changes with PROTOCOL.md.
pub const ALPN: &[u8] = b"petrel-kcp/1";

/// secret: what resets are derived from; as old as the private key, so that they work after a restart.
pub struct Identity {
    pub tls: Arc<ServerConfig>,
    pub secret: Vec<u8>,
}

pub fn identity(credentials: &Credentials) -> Result<Identity, Error> {
    let tls = Arc::new(tls::server(ALPN, credentials)?);
    Ok(Identity { tls, secret: credentials.private_key.clone().into_bytes() })
}

pub struct DialConfig {
    pub tls: Arc<ClientConfig>,
    pub limits: Limits,
}

pub fn dial_config(
    trust: Trust,
    credentials: Option<&Credentials>,
    limits: Limits,
) -> Result<(DialConfig, Refusal), Error> {
    let (tls, refusal) = tls::client(ALPN, trust, credentials)?;
    Ok((DialConfig { tls: Arc::new(tls), limits }, refusal))
}
