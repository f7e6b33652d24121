//! The protocols that carry links, side by side. Whatever differs between them beyond the interface of a connection is
//! told apart here and nowhere else: packets, strangers and calls meet the endpoint or connection of their own protocol
//! by matching pairs.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use petrel_kcp as kcp;
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

/// A connection's number within its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Quic(quic::Id),
    Kcp(kcp::Id),
}

impl Key {
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Quic(_) => Protocol::Quic,
            Self::Kcp(_) => Protocol::Kcp,
        }
    }
}

pub(crate) enum Packet {
    Quic(quic::Packet),
    Kcp(kcp::Packet),
}

pub(crate) enum Connection {
    Quic(Box<quic::Connection>),
    Kcp(Box<kcp::Connection>),
}

impl Connection {
    pub(crate) fn as_dyn(&self) -> &dyn petrel_link::Connection {
        match self {
            Self::Quic(connection) => &**connection,
            Self::Kcp(connection) => &**connection,
        }
    }

    pub(crate) fn as_dyn_mut(&mut self) -> &mut dyn petrel_link::Connection {
        match self {
            Self::Quic(connection) => &mut **connection,
            Self::Kcp(connection) => &mut **connection,
        }
    }

    pub(crate) fn key(&self) -> Key {
        match self {
            Self::Quic(connection) => Key::Quic(connection.id()),
            Self::Kcp(connection) => Key::Kcp(connection.id()),
        }
    }

    pub(crate) fn handle(&mut self, packet: Packet) {
        match (self, packet) {
            (Self::Quic(connection), Packet::Quic(packet)) => connection.handle(packet),
            (Self::Kcp(connection), Packet::Kcp(packet)) => connection.handle(packet),
            (Self::Quic(_), Packet::Kcp(_)) | (Self::Kcp(_), Packet::Quic(_)) => {}
        }
    }
}

/// Somebody who wants in.
pub(crate) enum Stranger {
    Quic(quic::Stranger),
    Kcp(kcp::Stranger),
}

impl Stranger {
    pub(crate) fn remote(&self) -> SocketAddr {
        match self {
            Self::Quic(stranger) => stranger.remote(),
            Self::Kcp(stranger) => stranger.remote(),
        }
    }

    /// It has shown that it receives what is sent to its address.
    pub(crate) fn is_proven(&self) -> bool {
        match self {
            Self::Quic(stranger) => stranger.is_proven(),
            Self::Kcp(stranger) => stranger.is_proven(),
        }
    }
}

/// What a listener proves that it is.
pub(crate) enum Identity {
    Quic(quic::Identity),
    Kcp(kcp::Identity),
}

impl Identity {
    pub(crate) fn new(protocol: Protocol, credentials: &Credentials) -> Result<Self, Error> {
        match protocol {
            Protocol::Quic => Ok(Self::Quic(quic::identity(credentials)?)),
            Protocol::Kcp => Ok(Self::Kcp(kcp::identity(credentials)?)),
        }
    }
}

/// What a dialler begins with.
pub(crate) enum Dialling {
    Quic(Box<quic::DialConfig>),
    Kcp(Box<kcp::DialConfig>),
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
            Protocol::Kcp => {
                let (config, refusal) = kcp::dial_config(trust, credentials, limits)?;
                Ok((Self::Kcp(Box::new(config)), refusal))
            }
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

impl From<kcp::Arrival> for Arrival {
    fn from(arrival: kcp::Arrival) -> Self {
        match arrival {
            kcp::Arrival::For(id, packet) => Self::For(Key::Kcp(id), Packet::Kcp(packet)),
            kcp::Arrival::Stranger(stranger) => Self::Stranger(Stranger::Kcp(stranger)),
            kcp::Arrival::Answer(transmit) => Self::Answer(transmit),
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
    Kcp(Box<kcp::Endpoint>),
}

impl Endpoint {
    pub(crate) fn listener(identity: Identity, stranger: Limits, may_fragment: bool) -> Result<Self, Error> {
        match identity {
            Identity::Quic(identity) => {
                Ok(Self::Quic(Box::new(quic::Endpoint::listener(identity, stranger, may_fragment)?)))
            }
            Identity::Kcp(identity) => Ok(Self::Kcp(Box::new(kcp::Endpoint::listener(identity, stranger)))),
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
            Dialling::Kcp(config) => {
                let mut endpoint = Box::new(kcp::Endpoint::dialer());
                let connection = endpoint.dial(Instant::now(), *config, remote, name)?;
                Ok((Self::Kcp(endpoint), Connection::Kcp(Box::new(connection))))
            }
        }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::Quic(_) => Protocol::Quic,
            Self::Kcp(_) => Protocol::Kcp,
        }
    }

    /// Takes a new certificate for the handshakes that begin from now on.
    pub(crate) fn renew(&mut self, identity: Identity) {
        match (self, identity) {
            (Self::Quic(endpoint), Identity::Quic(identity)) => endpoint.renew(identity),
            (Self::Kcp(endpoint), Identity::Kcp(identity)) => endpoint.renew(identity),
            (Self::Quic(_), Identity::Kcp(_)) | (Self::Kcp(_), Identity::Quic(_)) => {}
        }
    }

    /// Takes no new links; those that exist live on.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Quic(endpoint) => endpoint.close(),
            Self::Kcp(endpoint) => endpoint.close(),
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
            Self::Kcp(endpoint) => endpoint.handle(now, path, bytes, out).map(Arrival::from),
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
            (Self::Kcp(endpoint), Stranger::Kcp(stranger)) => {
                endpoint.accept(stranger).map(|made| Connection::Kcp(Box::new(made)))
            }
            (Self::Quic(_), Stranger::Kcp(_)) | (Self::Kcp(_), Stranger::Quic(_)) => Err(None),
        }
    }

    pub(crate) fn refuse(&mut self, stranger: Stranger, out: &mut Vec<u8>) -> Option<Transmit> {
        match (self, stranger) {
            (Self::Quic(endpoint), Stranger::Quic(stranger)) => Some(endpoint.refuse(stranger, out)),
            (Self::Kcp(endpoint), Stranger::Kcp(stranger)) => endpoint.refuse(&stranger, out),
            (Self::Quic(_), Stranger::Kcp(_)) | (Self::Kcp(_), Stranger::Quic(_)) => None,
        }
    }

    /// Asks for a proof of address.
    pub(crate) fn retry(&mut self, stranger: Stranger, out: &mut Vec<u8>) -> Option<Transmit> {
        match (self, stranger) {
            (Self::Quic(endpoint), Stranger::Quic(stranger)) => endpoint.retry(stranger, out),
            (Self::Kcp(endpoint), Stranger::Kcp(stranger)) => endpoint.retry(&stranger, out),
            (Self::Quic(_), Stranger::Kcp(_)) | (Self::Kcp(_), Stranger::Quic(_)) => None,
        }
    }

    /// After each of the connection's turns.
    pub(crate) fn exchange(&mut self, connection: &mut Connection) -> Exchange {
        match (self, connection) {
            (Self::Quic(endpoint), Connection::Quic(connection)) => {
                let done = endpoint.exchange(connection);
                Exchange { again: done.again, is_drained: done.is_drained }
            }
            (Self::Kcp(endpoint), Connection::Kcp(connection)) => {
                Exchange { again: false, is_drained: endpoint.exchange(connection).is_drained }
            }
            (Self::Quic(_), Connection::Kcp(_)) | (Self::Kcp(_), Connection::Quic(_)) => Exchange::default(),
        }
    }

    /// For a connection that is dropped before it has drained.
    pub(crate) fn forget(&mut self, key: Key) {
        match (self, key) {
            (Self::Quic(endpoint), Key::Quic(id)) => endpoint.forget(id),
            (Self::Kcp(endpoint), Key::Kcp(id)) => endpoint.forget(id),
            (Self::Quic(_), Key::Kcp(_)) | (Self::Kcp(_), Key::Quic(_)) => {}
        }
    }
}
