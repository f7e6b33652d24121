//! What a link may use.

use std::time::Duration;

use crate::profile::Profile;

/// What the peer may use of us. See LinkLimits in transport.ts.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub streams: u32,
    pub credit_bytes: u64,
    pub datagram_bytes: usize,
    /// A transfer's window, at most, bytes.
    pub window_bytes: u64,
    /// From the first packet to a finished handshake.
    pub handshake: Duration,
    /// Silence that ends the link.
    pub idle: Duration,
    /// How long a link is quiet before the peer is asked for a sign of life.
    pub keep_alive: Duration,
    /// Does not change with the limits.
    pub profile: Profile,
}
