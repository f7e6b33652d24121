//! Which strangers may begin a handshake. One for each socket, whatever protocols share it: an address that floods one
//! finds the other closed too.

use std::collections::HashMap;
use std::net::IpAddr;

/// Handshakes at once; from the first number on, an address has to prove itself by a Retry.
const RETRY_ABOVE: usize = 64;
const MAX_HANDSHAKES: usize = 1024;
/// Handshakes at once of one /24 or /64.
const MAX_PER_NETWORK: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// `began` is to follow, and `settled` later.
    Accept,
    /// It has to show that it receives what is sent to its address.
    Retry,
    Refuse,
}

/// Counts handshakes by network.
#[derive(Debug, Default)]
pub struct Admission {
    by_network: HashMap<IpAddr, usize>,
    total: usize,
}

impl Admission {
    /// proven: the address has shown that it receives what is sent to it.
    pub fn judge(&self, from: IpAddr, proven: bool) -> Verdict {
        let of_network = self.by_network.get(&network(from)).copied().unwrap_or(0);
        if self.total >= MAX_HANDSHAKES || of_network >= MAX_PER_NETWORK {
            Verdict::Refuse
        } else if self.total >= RETRY_ABOVE && !proven {
            Verdict::Retry
        } else {
            Verdict::Accept
        }
    }

    pub fn began(&mut self, from: IpAddr) {
        self.total += 1;
        *self.by_network.entry(network(from)).or_default() += 1;
    }

    /// A handshake that `began` told of is over, well or not.
    pub fn settled(&mut self, from: IpAddr) {
        let network = network(from);
        self.total = self.total.saturating_sub(1);
        if let Some(count) = self.by_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&network);
            }
        }
    }
}

/// The /24 or /64 of an address: what one attacker has at least.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(a) => IpAddr::V4((u32::from(a) & 0xffff_ff00).into()),
        IpAddr::V6(a) => IpAddr::V6((u128::from(a) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(network: u32, host: u32) -> IpAddr {
        IpAddr::V4((network << 8 | host & 0xff).into())
    }

    #[test]
    fn above_64_handshakes_an_address_has_to_prove_itself() {
        let mut admission = Admission::default();
        for i in 0..64 {
            assert_eq!(admission.judge(address(i, 1), false), Verdict::Accept);
            admission.began(address(i, 1));
        }
        assert_eq!(admission.judge(address(64, 1), false), Verdict::Retry);
        assert_eq!(admission.judge(address(64, 1), true), Verdict::Accept);
        admission.settled(address(0, 1));
        assert_eq!(admission.judge(address(64, 1), false), Verdict::Accept);
    }

    #[test]
    fn one_network_cannot_take_every_place() {
        let mut admission = Admission::default();
        for i in 0..256 {
            admission.began(address(7, i));
        }
        assert_eq!(admission.judge(address(7, 9), true), Verdict::Refuse);
        assert_eq!(admission.judge(address(8, 9), true), Verdict::Accept);
        let mapped = IpAddr::V6(std::net::Ipv4Addr::new(0, 0, 7, 1).to_ipv6_mapped());
        assert_eq!(admission.judge(mapped, true), Verdict::Refuse, "the same network through an IPv6 socket");
        admission.settled(address(7, 0));
        assert_eq!(admission.judge(address(7, 9), true), Verdict::Accept);
    }
}
