//! The endpoint of one socket: which connection a packet is for, and the beginning of new ones. Has no socket: what it
//! wants sent is in `out`, as long as the Transmit says.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use noq_proto::{ConnectionEvent, ConnectionHandle, DatagramEvent, EndpointEvent, FourTuple, Incoming, ServerConfig};
use petrel_link::{Error, Limits, Transmit};

use crate::config::{self, DialConfig, Identity};
use crate::connection::{Connection, transmit};
use crate::silence::Shared;

/// A connection's number within its endpoint.
pub type Id = ConnectionHandle;
/// A packet for one connection.
pub type Packet = ConnectionEvent;

/// Somebody who wants in.
pub struct Stranger(Box<Incoming>);

impl Stranger {
    pub fn remote(&self) -> SocketAddr {
        self.0.remote_address()
    }

    /// It has shown that it receives what is sent to its address.
    pub fn is_proven(&self) -> bool {
        self.0.remote_address_validated()
    }
}

pub enum Arrival {
    /// For a connection that exists.
    For(Id, Packet),
    Stranger(Stranger),
    /// An answer to somebody unknown: other versions, or a stateless reset.
    Answer(Transmit),
}

/// What came of an exchange.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exchange {
    /// The connection has something to send.
    pub again: bool,
    /// The connection is over and the endpoint has forgotten it.
    pub is_drained: bool,
}

pub struct Endpoint {
    noq: noq_proto::Endpoint,
    /// With what its links may use at first.
    server: Option<(Arc<ServerConfig>, Limits)>,
}

impl Endpoint {
    pub fn dialer(may_fragment: bool) -> Result<Self, Error> {
        Self::new(None, may_fragment)
    }

    /// stranger: what its links may use at first.
    pub fn listener(identity: Identity, stranger: Limits, may_fragment: bool) -> Result<Self, Error> {
        Self::new(Some((Arc::new(config::server(identity)), stranger)), may_fragment)
    }

    fn new(server: Option<(Arc<ServerConfig>, Limits)>, may_fragment: bool) -> Result<Self, Error> {
        let config = server.as_ref().map(|(config, _)| config.clone());
        let noq = noq_proto::Endpoint::new(Arc::new(config::endpoint()?), config, !may_fragment);
        Ok(Self { noq, server })
    }

    /// Takes a new certificate for the handshakes that begin from now on.
    pub fn renew(&mut self, identity: Identity) {
        if let Some((server, _)) = &mut self.server {
            let mut new = (**server).clone();
            new.crypto = identity;
            *server = Arc::new(new);
            self.noq.set_server_config(Some(server.clone()));
        }
    }

    /// Takes no new connections; those that exist live on.
    pub fn close(&mut self) {
        self.noq.set_server_config(None);
    }

    pub fn dial(
        &mut self,
        now: Instant,
        config: DialConfig,
        remote: SocketAddr,
        name: &str,
    ) -> Result<Connection, Error> {
        match self.noq.connect(now, config.client, remote, name) {
            Ok((id, noq)) => Ok(Connection::new(id, noq, remote, config.profile, config.silence)),
            Err(error) => Err(Error::Config(error.to_string())),
        }
    }

    /// to: our address that the packet came to; ecn: the two bits of RFC 3168.
    pub fn handle(
        &mut self,
        now: Instant,
        (from, to): (SocketAddr, Option<IpAddr>),
        ecn: Option<u8>,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Arrival> {
        out.clear();
        let path = FourTuple::new(from, to);
        let ecn = ecn.and_then(noq_proto::EcnCodepoint::from_bits);
        match self.noq.handle(now, path, ecn, BytesMut::from(bytes), out)? {
            DatagramEvent::ConnectionEvent(id, packet) => Some(Arrival::For(id, packet)),
            DatagramEvent::NewConnection(incoming) => Some(Arrival::Stranger(Stranger(Box::new(incoming)))),
            DatagramEvent::Response(answer) => Some(Arrival::Answer(transmit(&answer))),
        }
    }

    /// Err: its handshake cannot begin; what to tell it, if anything.
    pub fn accept(
        &mut self,
        stranger: Stranger,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Connection, Option<Transmit>> {
        out.clear();
        let remote = stranger.remote();
        let (server, limits) = self.server.as_ref().ok_or(None)?;
        let silence = Shared::default();
        let mut own = (**server).clone();
        own.transport_config(Arc::new(config::transport(*limits, silence.clone()).map_err(|_| None)?));
        match self.noq.accept(*stranger.0, now, out, Some(Arc::new(own))) {
            Ok((id, noq)) => Ok(Connection::new(id, noq, remote, limits.profile, silence)),
            Err(error) => Err(error.response.as_ref().map(transmit)),
        }
    }

    pub fn refuse(&mut self, stranger: Stranger, out: &mut Vec<u8>) -> Transmit {
        out.clear();
        transmit(&self.noq.refuse(*stranger.0, out))
    }

    /// Asks for a proof of address.
    pub fn retry(&mut self, stranger: Stranger, out: &mut Vec<u8>) -> Option<Transmit> {
        out.clear();
        self.noq.retry(*stranger.0, out).ok().as_ref().map(transmit)
    }

    /// Lets a connection and its endpoint tell each other what they have to. After each of the connection's turns.
    pub fn exchange(&mut self, connection: &mut Connection) -> Exchange {
        let mut done = Exchange::default();
        while let Some(event) = connection.noq.poll_endpoint_events() {
            done.is_drained |= event.is_drained();
            if let Some(reply) = self.noq.handle_event(connection.id, event) {
                connection.noq.handle_event(reply);
                done.again = true;
            }
        }
        done
    }

    /// For a connection that is dropped before it has drained.
    pub fn forget(&mut self, id: Id) {
        self.noq.handle_event(id, EndpointEvent::drained());
    }
}
