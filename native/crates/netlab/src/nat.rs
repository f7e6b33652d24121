//! A network address translator in front of one host: what the world sees of the host is the NAT's address and a port
//! that changes. After a change the old port leads nowhere, and the new one exists from the host's next packet on.

use std::net::SocketAddr;
use std::time::Duration;

/// Times are counted from the start of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nat {
    /// The NAT's address and its first port; each new mapping takes the next one.
    public: SocketAddr,
    rebind_at: Vec<Duration>,
    rebind_every: Option<Duration>,
    idle: Option<Duration>,
    mapping: Option<Mapping>,
    mappings: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mapping {
    outside: SocketAddr,
    /// How many rebindings the schedule had had when it was made.
    epoch: u128,
    used: Duration,
}

impl Nat {
    /// A NAT that keeps its mapping for ever. Its IP address is its own.
    pub fn new(public: SocketAddr) -> Self {
        Self { public, rebind_at: Vec::new(), rebind_every: None, idle: None, mapping: None, mappings: 0 }
    }

    /// Forgets the mapping at these times.
    pub fn rebind_at(mut self, times: impl IntoIterator<Item = Duration>) -> Self {
        self.rebind_at = times.into_iter().collect();
        self
    }

    /// Forgets the mapping each time this has passed.
    pub fn rebind_every(mut self, period: Duration) -> Self {
        assert!(period > Duration::ZERO, "a NAT cannot rebind all the time");
        self.rebind_every = Some(period);
        self
    }

    /// Forgets the mapping when the host has sent nothing for this long.
    pub fn forget_after(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    pub fn public(&self) -> SocketAddr {
        self.public
    }

    /// How many mappings there have been.
    pub fn mappings(&self) -> u64 {
        self.mappings
    }

    /// The host sends: the source that the world sees.
    pub(crate) fn outbound(&mut self, at: Duration) -> SocketAddr {
        let outside = match self.live(at) {
            Some(mapping) => mapping.outside,
            None => self.next_address(),
        };
        self.mapping = Some(Mapping { outside, epoch: self.epoch(at), used: at });
        outside
    }

    /// The host has another address: mappings are of addresses.
    pub(crate) fn forget(&mut self) {
        self.mapping = None;
    }

    /// Whether what arrives for `outside` is let through.
    pub(crate) fn admits(&self, at: Duration, outside: SocketAddr) -> bool {
        self.live(at).is_some_and(|mapping| mapping.outside == outside)
    }

    fn live(&self, at: Duration) -> Option<Mapping> {
        self.mapping.filter(|mapping| {
            mapping.epoch == self.epoch(at) && self.idle.is_none_or(|idle| at.saturating_sub(mapping.used) < idle)
        })
    }

    fn epoch(&self, at: Duration) -> u128 {
        let listed = self.rebind_at.iter().filter(|time| **time <= at).count() as u128;
        listed + self.rebind_every.map_or(0, |period| at.as_nanos() / period.as_nanos())
    }

    /// Ports ascend from the first and start again at 1024.
    fn next_address(&mut self) -> SocketAddr {
        let first = u64::from(self.public.port().max(1024)) - 1024;
        let port = 1024 + (first + self.mappings) % (65_536 - 1024);
        self.mappings += 1;
        SocketAddr::new(self.public.ip(), port as u16)
    }
}
