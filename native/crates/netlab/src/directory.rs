//! Who has which address: hosts by their own, or by their NAT's.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::nat::Nat;

/// Nodes are numbers of the `Net`. Times are counted from its start.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    by_address: BTreeMap<SocketAddr, usize>,
    by_nat: BTreeMap<IpAddr, usize>,
    hosts: BTreeMap<usize, Host>,
    pub dropped_nat: u64,
    pub unroutable: u64,
}

#[derive(Debug)]
struct Host {
    address: SocketAddr,
    nat: Option<Nat>,
}

impl Directory {
    /// A host's first or next address.
    pub fn set_address(&mut self, node: usize, address: SocketAddr) {
        assert!(!self.by_address.contains_key(&address), "{address} is taken");
        let host = self.hosts.entry(node).or_insert(Host { address, nat: None });
        self.by_address.remove(&host.address);
        host.address = address;
        host.nat.iter_mut().for_each(Nat::forget);
        self.by_address.insert(address, node);
    }

    pub fn set_nat(&mut self, node: usize, nat: Nat) {
        let host = self.hosts.get_mut(&node).unwrap_or_else(|| panic!("only hosts have a NAT"));
        if let Some(old) = host.nat.take() {
            self.by_nat.remove(&old.public().ip());
        }
        let taken = self.by_nat.insert(nat.public().ip(), node);
        assert!(taken.is_none(), "two NATs have the address {}", nat.public().ip());
        host.nat = Some(nat);
    }

    pub fn nat(&self, node: usize) -> Option<&Nat> {
        self.hosts.get(&node)?.nat.as_ref()
    }

    /// The host that sends from its own address, and the source that the world sees.
    pub fn outbound(&mut self, at: Duration, from: SocketAddr) -> (usize, SocketAddr) {
        let node = *self.by_address.get(&from).unwrap_or_else(|| panic!("no host has the address {from}"));
        let nat = self.hosts.get_mut(&node).and_then(|host| host.nat.as_mut());
        (node, nat.map_or(from, |nat| nat.outbound(at)))
    }

    /// The host that a packet for this address has to reach. None, and counted: there is none.
    pub fn find(&mut self, to: SocketAddr) -> Option<usize> {
        let host = self.by_address.get(&to).filter(|node| self.nat(**node).is_none());
        let found = host.or_else(|| self.by_nat.get(&to.ip())).copied();
        self.unroutable += u64::from(found.is_none());
        found
    }

    /// A packet for `to` has come to the host: the host's own address. None, and counted: it does not get it.
    pub fn admit(&mut self, at: Duration, node: usize, to: SocketAddr) -> Option<SocketAddr> {
        let Host { address, nat } = self.hosts.get(&node)?;
        let (admits, refused) = match nat {
            Some(nat) => (nat.admits(at, to), &mut self.dropped_nat),
            None => (*address == to, &mut self.unroutable),
        };
        *refused += u64::from(!admits);
        admits.then_some(*address)
    }
}
