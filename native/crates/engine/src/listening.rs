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
    /// The socket of another protocol that is bound to this very address, else a new one. token: for the new one.
    pub(crate) fn add(
        &mut self,
        protocol: Protocol,
        listener: u32,
        address: SocketAddr,
        token: usize,
    ) -> Result<Place, Error> {
        let is_free = |bound: &Bound| bound.listeners.iter().all(|(other, _)| *other != protocol);
        if let Some(bound) = self.0.iter_mut().find(|bound| bound.address == address && is_free(bound)) {
            bound.listeners.push((protocol, listener));
            return Ok(Place { token: bound.token, address, may_fragment: bound.may_fragment, socket: None });
        }
        let socket = Socket::bind(address)?;
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
