//! What tests set and measure; no part of the protocol.

use std::time::Duration;

use petrel_link::{Limits, Profile};

use crate::connection::Connection;

/// Of a link in a test; what only the driver looks at is nothing.
#[doc(hidden)]
pub const LIMITS: Limits = Limits {
    streams: 1_000,
    credit_bytes: 0,
    datagram_bytes: 0,
    window_bytes: 0,
    handshake: Duration::from_secs(10),
    idle: Duration::from_secs(15),
    keep_alive: Duration::from_secs(5),
    profile: Profile::DEFAULT,
};

/// Settings that make rare things frequent.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Tuning {
    /// Packets sealed with one key before the next takes over.
    pub update_after: Option<u64>,
    /// The first packet's counter, below 2^62; to be set before anything is sent.
    pub first_counter: Option<u64>,
}

/// What a connection keeps in memory.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Bytes of streams that are not acknowledged, of datagrams, and of pieces that nobody has read.
    pub bytes: u64,
    /// Packets, ranges, frames, signals and streams: things of less than 200 bytes each.
    pub things: usize,
}

impl Connection {
    #[doc(hidden)]
    pub fn tune(&mut self, tuning: Tuning) {
        if let Some(packets) = tuning.update_after {
            self.keys.update_after = packets;
        }
        if let Some(counter) = tuning.first_counter {
            self.sent.start_at(counter);
        }
    }

    #[doc(hidden)]
    pub fn held(&self) -> Held {
        let ranges: usize = self.received.iter().map(|received| received.len()).sum();
        let small = self.items.len() + self.responses.len() + self.limits.len() + self.signals.len();
        let datagrams = self.datagrams_out_bytes + self.datagrams_in_bytes;
        let (bytes, things) = self.streams.held();
        Held { bytes: bytes + datagrams as u64, things: things + self.sent.len() + ranges + small }
    }
}
