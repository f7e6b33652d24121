//! One UDP socket with the QUIC endpoint on it: a listener's, or a dialled link's own. Decides which strangers may
//! begin a handshake.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use noq_proto::crypto::rustls::QuicServerConfig;
use noq_proto::{
    ClientConfig, ConnectionEvent, ConnectionHandle, DatagramEvent, Endpoint as Proto, EndpointConfig, FourTuple,
    IdleTimeout, Incoming, MtuDiscoveryConfig, ServerConfig, Transmit, TransportConfig, VarInt,
};
use petrel_socket::{EcnCodepoint, ReceiveBuffers, Socket};

use crate::Error;
use crate::control::Factory;
use crate::link::Limits;

/// Handshakes at once; from the first number on, an address has to prove itself by a Retry.
const RETRY_ABOVE: usize = 64;
const MAX_HANDSHAKES: usize = 1024;
/// Handshakes at once of one /24 or /64.
const MAX_PER_NETWORK: usize = 256;
/// The engine's own windows: a safety net beyond our credit, because everything is drained at once.
const STREAM_WINDOW: u32 = 64 * 1024 * 1024;
const LINK_WINDOW: u32 = 256 * 1024 * 1024;
/// Payloads wait in our own queue; in the engine's only what the next packets take.
const DATAGRAM_SEND_BYTES: usize = 64 * 1024;
const DATAGRAM_RECEIVE_BYTES: usize = 1024 * 1024;
/// Largest packet that is probed for. Ethernet takes 1,500, loopback more. At most 32 KiB / 7: a packet with n frames of
/// one stream counts as (n - 1) packets of waste in noq-proto 1.4.0, and beyond 32 KiB of waste it loses bytes that
/// fill holes (see Engine::arrive). Frames are cut each time they are lost again, so eight of a stream in one packet
/// take seven losses in a row; with 8,952 bytes four sufficed, and one run in thirty stood still at 20 % loss.
const MAX_PACKET: u16 = 4_680;

#[expect(clippy::large_enum_variant, reason = "the large one is the common one; a box would be an allocation a packet")]
pub(crate) enum Arrival {
    /// For a link that exists.
    For(ConnectionHandle, ConnectionEvent),
    /// Somebody wants in.
    Stranger(Box<Incoming>),
}

pub(crate) struct Endpoint {
    pub(crate) socket: Arc<Socket>,
    pub(crate) proto: Proto,
    /// Of a listener: its number, and it takes new links.
    pub(crate) listener: Option<u32>,
    pub(crate) is_open: bool,
    /// What a listener's new links may use.
    pub(crate) stranger: Option<Limits>,
    /// More may be there to receive.
    pub(crate) is_readable: bool,
    server: Option<Arc<ServerConfig>>,
    handshakes: HashMap<IpAddr, usize>,
    handshake_count: usize,
}

impl Endpoint {
    pub(crate) fn dialer(socket: Socket) -> Result<Self, Error> {
        let proto = Proto::new(Arc::new(endpoint_config()?), None, !socket.may_fragment());
        Ok(Self::with(socket, proto, None, None))
    }

    pub(crate) fn listener(socket: Socket, id: u32, tls: Arc<QuicServerConfig>, limits: Limits) -> Result<Self, Error> {
        let mut server = ServerConfig::with_crypto(tls);
        server
            .transport_config(Arc::new(transport(limits)?))
            .max_incoming(MAX_HANDSHAKES)
            .incoming_buffer_size(16 * 1024)
            .incoming_buffer_size_total(1024 * 1024);
        let server = Arc::new(server);
        let proto = Proto::new(Arc::new(endpoint_config()?), Some(server.clone()), !socket.may_fragment());
        Ok(Self { stranger: Some(limits), ..Self::with(socket, proto, Some(id), Some(server)) })
    }

    fn with(socket: Socket, proto: Proto, listener: Option<u32>, server: Option<Arc<ServerConfig>>) -> Self {
        Self {
            socket: Arc::new(socket),
            proto,
            listener,
            is_open: true,
            stranger: None,
            is_readable: true,
            server,
            handshakes: HashMap::new(),
            handshake_count: 0,
        }
    }

    /// Takes a new certificate for the handshakes that begin from now on.
    pub(crate) fn renew(&mut self, tls: Arc<QuicServerConfig>) {
        if let Some(server) = &mut self.server {
            let mut new = (**server).clone();
            new.crypto = tls;
            *server = Arc::new(new);
            self.proto.set_server_config(Some(server.clone()));
        }
    }

    /// Takes no new links; those that exist live on.
    pub(crate) fn close(&mut self) {
        self.is_open = false;
        self.proto.set_server_config(None);
    }

    /// One receive call. WouldBlock: nothing is there.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        buffers: &mut ReceiveBuffers,
        out: &mut Vec<u8>,
        arrivals: &mut Vec<Arrival>,
    ) -> io::Result<()> {
        let proto = &mut self.proto;
        let socket = &self.socket;
        socket.receive(buffers, |datagram| {
            out.clear();
            let path = FourTuple::new(datagram.from, datagram.to);
            let ecn = datagram.ecn.and_then(|e| noq_proto::EcnCodepoint::from_bits(e as u8));
            match proto.handle(now, path, ecn, BytesMut::from(datagram.bytes), out) {
                Some(DatagramEvent::ConnectionEvent(handle, event)) => arrivals.push(Arrival::For(handle, event)),
                Some(DatagramEvent::NewConnection(incoming)) => arrivals.push(Arrival::Stranger(Box::new(incoming))),
                Some(DatagramEvent::Response(transmit)) => drop(send(socket, &transmit, &out[..transmit.size])),
                None => {}
            }
        })
    }

    /// Accepts, refuses, or asks for a proof of address.
    pub(crate) fn admit(
        &mut self,
        incoming: Incoming,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<(ConnectionHandle, noq_proto::Connection)> {
        out.clear();
        let network = network(incoming.remote_address().ip());
        let of_network = self.handshakes.get(&network).copied().unwrap_or(0);
        let is_full = self.handshake_count >= MAX_HANDSHAKES || of_network >= MAX_PER_NETWORK;
        let response = if !self.is_open || is_full {
            self.proto.refuse(incoming, out)
        } else if self.handshake_count >= RETRY_ABOVE && !incoming.remote_address_validated() && incoming.may_retry() {
            match self.proto.retry(incoming, out) {
                Ok(response) => response,
                Err(_) => return None,
            }
        } else {
            match self.proto.accept(incoming, now, out, None) {
                Ok(made) => {
                    self.handshake_count += 1;
                    *self.handshakes.entry(network).or_default() += 1;
                    return Some(made);
                }
                Err(error) => error.response?,
            }
        };
        let _ = send(&self.socket, &response, &out[..response.size]);
        None
    }

    /// A handshake that `admit` began is over, well or not.
    pub(crate) fn settled(&mut self, remote: SocketAddr) {
        let network = network(remote.ip());
        self.handshake_count = self.handshake_count.saturating_sub(1);
        if let Some(count) = self.handshakes.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.handshakes.remove(&network);
            }
        }
    }
}

/// Err: the socket takes no more now.
pub(crate) fn send(socket: &Socket, transmit: &Transmit, bytes: &[u8]) -> io::Result<()> {
    socket.send(&petrel_socket::Transmit {
        destination: transmit.destination,
        ecn: transmit.ecn.and_then(|e| EcnCodepoint::from_bits(e as u8)),
        contents: bytes,
        segment_size: transmit.segment_size,
        src_ip: transmit.src_ip,
    })
}

pub(crate) fn client_config(mut tls: ClientConfig, limits: Limits) -> Result<ClientConfig, Error> {
    tls.transport_config(Arc::new(transport(limits)?));
    Ok(tls)
}

fn endpoint_config() -> Result<EndpointConfig, Error> {
    let mut config = EndpointConfig::default();
    // The fixed bit stays set, so that KCP can share the socket (RFC 9443).
    config.grease_quic_bit(false);
    config.max_udp_payload_size(MAX_PACKET).map_err(|e| Error::Config(e.to_string()))?;
    Ok(config)
}

fn transport(limits: Limits) -> Result<TransportConfig, Error> {
    let mut config = TransportConfig::default();
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(MAX_PACKET);
    let idle = IdleTimeout::try_from(limits.idle).map_err(|e| Error::Config(e.to_string()))?;
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(limits.streams))
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(LINK_WINDOW))
        .datagram_receive_buffer_size(Some(DATAGRAM_RECEIVE_BYTES))
        .datagram_send_buffer_size(DATAGRAM_SEND_BYTES)
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(limits.keep_alive))
        .mtu_discovery_config(Some(mtu))
        .allow_spin(false)
        .congestion_controller_factory(Arc::new(Factory));
    Ok(config)
}

/// The /24 or /64 of an address: what one attacker has at least.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(a) => IpAddr::V4((u32::from(a) & 0xffff_ff00).into()),
        IpAddr::V6(a) => IpAddr::V6((u128::from(a) & !u128::from(u64::MAX)).into()),
    }
}
