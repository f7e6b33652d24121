//! Which listeners have which socket. Callers bind and the engine's thread closes, so both look here first.

use std::net::SocketAddr;

use petrel_link::Error;
use petrel_socket::Socket;

use crate::protocol::Protocol;

/// A bound socket with at least one listener, or with one that the thread has yet to hear of.
struct Bound {
    token: usize,
    address: SocketAddr,
    may_fragment: bool,
    listeners: Vec<(Protocol, u32)>,
}

/// Where a listener listens.
pub(crate) struct Place {
    pub(crate) token: usize,
    pub(crate) address: SocketAddr,
    pub(crate) may_fragment: bool,
    /// None: another protocol's socket, which the thread has already.
    pub(crate) socket: Option<Socket>,
}

#[derive(Default)]
pub(crate) struct Listening(Vec<Bound>);

impl Listening {
    /// The socket of another protocol that is bound to this very address, else a new one. token and buffer_bytes: for
    /// the new one.
    pub(crate) fn add(
        &mut self,
        protocol: Protocol,
        listener: u32,
        address: SocketAddr,
        token: usize,
        buffer_bytes: usize,
    ) -> Result<Place, Error> {
        let is_free = |bound: &Bound| bound.listeners.iter().all(|(other, _)| *other != protocol);
        if let Some(bound) = self.0.iter_mut().find(|bound| bound.address == address && is_free(bound)) {
            bound.listeners.push((protocol, listener));
            return Ok(Place { token: bound.token, address, may_fragment: bound.may_fragment, socket: None });
        }
        let socket = Socket::bind(address, buffer_bytes)?;
        let (address, may_fragment) = (socket.local_address()?, socket.may_fragment());
        self.0.push(Bound { token, address, may_fragment, listeners: vec![(protocol, listener)] });
        Ok(Place { token, address, may_fragment, socket: Some(socket) })
    }

    pub(crate) fn protocol(&self, listener: u32) -> Option<Protocol> {
        let mut all = self.0.iter().flat_map(|bound| &bound.listeners);
        all.find(|(_, id)| *id == listener).map(|(protocol, _)| *protocol)
    }

    pub(crate) fn remove(&mut self, listener: u32) {
        for bound in &mut self.0 {
            bound.listeners.retain(|(_, id)| *id != listener);
        }
        self.0.retain(|bound| !bound.listeners.is_empty());
    }

    /// False: nobody listens on that socket, nor is about to.
    pub(crate) fn has(&self, token: usize) -> bool {
        self.0.iter().any(|bound| bound.token == token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: usize = 64 * 1024;

    #[test]
    fn two_protocols_share_a_socket_and_one_never_does() {
        let mut listening = Listening::default();
        let any = ([127, 0, 0, 1], 0).into();
        let first = listening.add(Protocol::Quic, 1, any, 10, SMALL).expect("a socket");
        let second = listening.add(Protocol::Kcp, 2, first.address, 11, SMALL).expect("the same socket");
        assert_eq!((second.token, second.socket.is_none()), (10, true));
        assert!(matches!(listening.add(Protocol::Quic, 3, first.address, 12, SMALL), Err(Error::Socket(_))));
        let other = listening.add(Protocol::Kcp, 4, any, 13, SMALL).expect("port 0 is always a new one");
        assert_ne!(other.address, first.address);
        listening.remove(1);
        assert!(listening.has(10) && listening.protocol(1).is_none());
        listening.remove(2);
        assert!(!listening.has(10) && listening.has(13));
    }
}
