//! The protocols that carry links, side by side. Whatever differs between them beyond the interface of a connection is
//! told apart here and nowhere else: packets, strangers and calls meet the endpoint or connection of their own protocol
//! by matching pairs.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use petrel_link::{Credentials, Error, Limits, Refusal, Transmit, Trust};
use petrel_quic as quic;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Quic,
    Kcp,
}

impl Protocol {
    /// Told apart by the first byte of a packet: QUIC's fixed bit is set (RFC 9443).
    pub(crate) fn of(packet: &[u8]) -> Option<Self> {
        packet.first().map(|first| if first & 0x40 == 0 { Self::Kcp } else { Self::Quic })
    }
}

fn no_kcp() -> Error {
    Error::Unsupported("this build has no kcp".into())
}

/// A connection's number within its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Quic(quic::Id),
}

impl Key {
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Quic(_) => Protocol::Quic,
        }
    }
}

pub(crate) enum Packet {
    Quic(quic::Packet),
}

pub(crate) enum Connection {
    Quic(Box<quic::Connection>),
}

impl Connection {
    pub(crate) fn as_dyn(&self) -> &dyn petrel_link::Connection {
        match self {
            Self::Quic(connection) => &**connection,
        }
    }

    pub(crate) fn as_dyn_mut(&mut self) -> &mut dyn petrel_link::Connection {
        match self {
            Self::Quic(connection) => &mut **connection,
        }
    }

    pub(crate) fn key(&self) -> Key {
        match self {
            Self::Quic(connection) => Key::Quic(connection.id()),
        }
    }

    pub(crate) fn handle(&mut self, packet: Packet) {
        match (self, packet) {
            (Self::Quic(connection), Packet::Quic(packet)) => connection.handle(packet),
        }
    }
}

/// Somebody who wants in.
pub(crate) enum Stranger {
    Quic(quic::Stranger),
}

impl Stranger {
    pub(crate) fn remote(&self) -> SocketAddr {
        match self {
            Self::Quic(stranger) => stranger.remote(),
        }
    }

    /// It has shown that it receives what is sent to its address.
    pub(crate) fn is_proven(&self) -> bool {
        match self {
            Self::Quic(stranger) => stranger.is_proven(),
        }
    }
}

/// What a listener proves that it is.
pub(crate) enum Identity {
    Quic(quic::Identity),
}

impl Identity {
    pub(crate) fn new(protocol: Protocol, credentials: &Credentials) -> Result<Self, Error> {
        match protocol {
            Protocol::Quic => Ok(Self::Quic(quic::identity(credentials)?)),
            Protocol::Kcp => Err(no_kcp()),
        }
    }
}

/// What a dialler begins with.
pub(crate) enum Dialling {
    Quic(Box<quic::DialConfig>),
}

impl Dialling {
    pub(crate) fn new(
        protocol: Protocol,
        trust: Trust,
        credentials: Option<&Credentials>,
        limits: Limits,
    ) -> Result<(Self, Refusal), Error> {
        match protocol {
            Protocol::Quic => {
                let (config, refusal) = quic::dial_config(trust, credentials, limits)?;
                Ok((Self::Quic(Box::new(config)), refusal))
            }
            Protocol::Kcp => Err(no_kcp()),
        }
    }
}

pub(crate) enum Arrival {
    /// For a connection that exists.
    For(Key, Packet),
    Stranger(Stranger),
    /// An answer to somebody unknown, which may be dropped.
    Answer(Transmit),
}

impl From<quic::Arrival> for Arrival {
    fn from(arrival: quic::Arrival) -> Self {
        match arrival {
            quic::Arrival::For(id, packet) => Self::For(Key::Quic(id), Packet::Quic(packet)),
            quic::Arrival::Stranger(stranger) => Self::Stranger(Stranger::Quic(stranger)),
            quic::Arrival::Answer(transmit) => Self::Answer(transmit),
        }
    }
}

/// What came of an exchange.
#[derive(Default)]
pub(crate) struct Exchange {
    /// The connection has something to send.
    pub(crate) again: bool,
    /// The connection is over and the endpoint has forgotten it.
    pub(crate) is_drained: bool,
}

/// One protocol's endpoint on a socket.
pub(crate) enum Endpoint {
    Quic(Box<quic::Endpoint>),
}

impl Endpoint {
    pub(crate) fn listener(identity: Identity, stranger: Limits, may_fragment: bool) -> Result<Self, Error> {
        match identity {
            Identity::Quic(identity) => {
                Ok(Self::Quic(Box::new(quic::Endpoint::listener(identity, stranger, may_fragment)?)))
            }
        }
    }

    /// A new endpoint and the one connection on it.
    pub(crate) fn dial(
        dialling: Dialling,
        remote: SocketAddr,
        name: &str,
        may_fragment: bool,
    ) -> Result<(Self, Connection), Error> {
        match dialling {
            Dialling::Quic(config) => {
                let mut endpoint = Box::new(quic::Endpoint::dialer(may_fragment)?);
                let connection = endpoint.dial(Instant::now(), *config, remote, name)?;
                Ok((Self::Quic(endpoint), Connection::Quic(Box::new(connection))))
            }
        }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::Quic(_) => Protocol::Quic,
        }
    }

    /// Takes a new certificate for the handshakes that begin from now on.
    pub(crate) fn renew(&mut self, identity: Identity) {
        match (self, identity) {
            (Self::Quic(endpoint), Identity::Quic(identity)) => endpoint.renew(identity),
        }
    }

    /// Takes no new links; those that exist live on.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Quic(endpoint) => endpoint.close(),
        }
    }

    pub(crate) fn handle(
        &mut self,
        now: Instant,
        path: (SocketAddr, Option<IpAddr>),
        ecn: Option<u8>,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Arrival> {
        match self {
            Self::Quic(endpoint) => endpoint.handle(now, path, ecn, bytes, out).map(Arrival::from),
        }
    }

    /// Err: its handshake cannot begin; what to tell it, if anything.
    pub(crate) fn accept(
        &mut self,
        stranger: Stranger,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Connection, Option<Transmit>> {
        match (self, stranger) {
            (Self::Quic(endpoint), Stranger::Quic(stranger)) => {
                endpoint.accept(stranger, now, out).map(|made| Connection::Quic(Box::new(made)))
            }
        }
    }

    pub(crate) fn refuse(&mut self, stranger: Stranger, out: &mut Vec<u8>) -> Option<Transmit> {
        match (self, stranger) {
            (Self::Quic(endpoint), Stranger::Quic(stranger)) => Some(endpoint.refuse(stranger, out)),
        }
    }

    /// Asks for a proof of address.
    pub(crate) fn retry(&mut self, stranger: Stranger, out: &mut Vec<u8>) -> Option<Transmit> {
        match (self, stranger) {
            (Self::Quic(endpoint), Stranger::Quic(stranger)) => endpoint.retry(stranger, out),
        }
    }

    /// After each of the connection's turns.
    pub(crate) fn exchange(&mut self, connection: &mut Connection) -> Exchange {
        match (self, connection) {
            (Self::Quic(endpoint), Connection::Quic(connection)) => {
                let done = endpoint.exchange(connection);
                Exchange { again: done.again, is_drained: done.is_drained }
            }
        }
    }

    /// For a connection that is dropped before it has drained.
    pub(crate) fn forget(&mut self, key: Key) {
        match (self, key) {
            (Self::Quic(endpoint), Key::Quic(id)) => endpoint.forget(id),
        }
    }
}
