//! How noq is set up, for endpoints, for connections, and for whom they trust.

use std::sync::Arc;

use noq_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use noq_proto::{ClientConfig, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig, VarInt};
use petrel_link::{Credentials, Error, Limits, Profile, Refusal, Trust, tls};

use crate::control::Factory;
use crate::silence::Shared;

/// The one application protocol; its number changes with PROTOCOL.md.
const ALPN: &[u8] = b"petrel/1";
/// Handshakes that wait for a verdict; each has one at once.
const MAX_INCOMING: usize = 1024;
/// The engine's own windows: a safety net, because everything is drained at once, also what waits behind holes.
const STREAM_WINDOW: u32 = 64 * 1024 * 1024;
const LINK_WINDOW: u32 = 256 * 1024 * 1024;
/// Payloads wait in our own queue; in the engine's only what the next packets take.
const DATAGRAM_SEND_BYTES: usize = 64 * 1024;
const DATAGRAM_RECEIVE_BYTES: usize = 1024 * 1024;
/// Largest packet that is probed for. Ethernet takes 1,500, loopback more. At most 32 KiB / 7: a packet with n frames of
/// one stream counts as (n - 1) packets of waste in noq-proto 1.4.0, and beyond 32 KiB of waste it loses bytes that
/// fill holes (see Reactor::arrive). Frames are cut each time they are lost again, so eight of a stream in one packet
/// take seven losses in a row; with 8,952 bytes four sufficed, and one run in thirty stood still at 20 % loss.
pub(crate) const MAX_PACKET: u16 = 4_680;

/// What a dialler begins with.
pub struct DialConfig {
    pub(crate) client: ClientConfig,
    pub(crate) profile: Profile,
    pub(crate) silence: Shared,
}

/// What a listener proves that it is.
pub type Identity = Arc<QuicServerConfig>;

pub fn dial_config(
    trust: Trust,
    credentials: Option<&Credentials>,
    limits: Limits,
) -> Result<(DialConfig, Refusal), Error> {
    let (tls, refusal) = tls::client(ALPN, trust, credentials)?;
    let crypto = QuicClientConfig::try_from(tls).map_err(|e| Error::Config(e.to_string()))?;
    let mut client = ClientConfig::new(Arc::new(crypto));
    let silence = Shared::default();
    client.transport_config(Arc::new(transport(limits, silence.clone())?));
    Ok((DialConfig { client, profile: limits.profile, silence }, refusal))
}

pub fn identity(credentials: &Credentials) -> Result<Identity, Error> {
    let tls = tls::server(ALPN, credentials)?;
    Ok(Arc::new(QuicServerConfig::try_from(tls).map_err(|e| Error::Config(e.to_string()))?))
}

/// Of a listener; each of its connections has a transport configuration of its own.
pub(crate) fn server(identity: Identity) -> ServerConfig {
    let mut server = ServerConfig::with_crypto(identity);
    server.max_incoming(MAX_INCOMING).incoming_buffer_size(16 * 1024).incoming_buffer_size_total(1024 * 1024);
    server
}

pub(crate) fn endpoint() -> Result<EndpointConfig, Error> {
    let mut config = EndpointConfig::default();
    // The fixed bit stays set, so that KCP can share the socket (RFC 9443).
    config.grease_quic_bit(false);
    config.max_udp_payload_size(MAX_PACKET).map_err(|e| Error::Config(e.to_string()))?;
    Ok(config)
}

/// silence: of the one connection that this is for.
pub(crate) fn transport(limits: Limits, silence: Shared) -> Result<TransportConfig, Error> {
    let mut config = TransportConfig::default();
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(MAX_PACKET);
    let Profile { reordering, .. } = limits.profile;
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
        .packet_threshold(reordering.packets)
        .time_threshold(1.0 + reordering.slack as f32 / 8.0)
        .allow_spin(false)
        .congestion_controller_factory(Arc::new(Factory { profile: limits.profile, silence }));
    Ok(config)
}
