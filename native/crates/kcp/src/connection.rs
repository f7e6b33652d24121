//! One end of a sealed KCP link: what it is made of, how it begins and ends. `link` has the driver's calls; `receive`,
//! `transmit` and `recovery` what packets and time do to it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use petrel_congestion::{Controller, Start};
use petrel_kcp_proto::early::{Early, EarlyConfig};
use petrel_kcp_proto::rto::{Growth, Rto, RtoConfig};
use petrel_link::tls::pin;
use petrel_link::{Limits, Lost, PathStats, Profile, Signal};
use petrel_streams::message::Entry;
use rustls::pki_types::ServerName;
use rustls::quic::{ClientConnection, ServerConnection, Version};
use rustls::{ClientConfig, ServerConfig, Side};

use crate::handshake::Handshake;
use crate::keys::LinkKeys;
use crate::mtu::Mtu;
use crate::pacer::Pacer;
use crate::packet::{Id, Level};
use crate::parameters::Parameters;
use crate::path::Path;
use crate::received::Received;
use crate::replay::Replay;
use crate::sent::{Item, SentPackets};
use crate::streams::Streams;
use crate::{Packet, Random};

/// Bytes kept for the peer until it has acknowledged them: at least this, else so many congestion windows, a window being
/// what the path holds: when a fifth is lost, the oldest byte takes five journeys or six, and each is longer than the
/// path. With 4 windows 20 % of loss left 53 Mbit/s of 100 at 50 ms, with 16 windows 74.
const MIN_SEND_BYTES: u64 = 512 * 1024;
const SEND_WINDOWS: u64 = 16;
/// What each stream may keep however full the link is, so that a short one does not wait for a long one's bytes.
pub(crate) const STREAM_SEND_BYTES: u64 = 16 * 1024;
/// When later acknowledgements make a packet lost; `recovery` asks for more of them.
pub(crate) const fn overtaken_by(after: usize) -> EarlyConfig {
    EarlyConfig { after, limit: u32::MAX }
}
/// Timeouts grow by half; `recovery` ends them at a second, so that a link moves again soon after an outage.
const RTO: RtoConfig = RtoConfig {
    initial: Duration::from_millis(200),
    min: Duration::from_millis(20),
    max: Duration::from_secs(3),
    granularity: Duration::from_millis(2),
    growth: Growth::Half,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Life {
    Open,
    /// Our farewell is repeated until then to a peer that has not heard it.
    Closing(Instant),
    /// The peer has closed; nothing is sent.
    Draining(Instant),
    Over,
}

#[derive(Debug, Clone)]
pub(crate) struct Farewell {
    pub(crate) is_fault: bool,
    pub(crate) code: u64,
    pub(crate) reason: String,
    /// Levels at which it has still to leave.
    pub(crate) levels: Vec<Level>,
    /// Packets that came since; it leaves again for the 1st, 2nd, 4th, 8th …
    pub(crate) heard: u32,
}

pub struct Connection {
    /// Its number within its endpoint.
    pub(crate) id: usize,
    pub(crate) is_dialer: bool,
    /// What we let the peer have.
    pub(crate) own_limits: Limits,
    pub(crate) random: Random,
    pub(crate) life: Life,
    pub(crate) farewell: Option<Farewell>,
    // Who is who.
    pub(crate) own: Id,
    pub(crate) peer: Id,
    pub(crate) first: Id,
    pub(crate) retry: Option<Id>,
    pub(crate) token: Vec<u8>,
    pub(crate) peer_parameters: Option<Parameters>,
    pub(crate) peer_pin: Option<[u8; 32]>,
    /// The peer's own id is known.
    pub(crate) has_peer: bool,
    pub(crate) is_connected: bool,
    /// Both ends know that the handshake is over.
    pub(crate) is_confirmed: bool,
    // Packets.
    pub(crate) keys: LinkKeys,
    pub(crate) handshake: Handshake,
    pub(crate) replay: Replay,
    pub(crate) received: [Received; 3],
    pub(crate) sent: SentPackets,
    pub(crate) path: Path,
    pub(crate) mtu: Mtu,
    // When to send, and again.
    pub(crate) control: Controller,
    pub(crate) pacer: Pacer,
    pub(crate) rto: Rto,
    pub(crate) early: Early,
    pub(crate) early_after: usize,
    pub(crate) slack: u32,
    pub(crate) latest_rtt: Duration,
    pub(crate) min_rtt: Duration,
    pub(crate) timeouts: u32,
    pub(crate) probes: u8,
    pub(crate) loss_at: Option<Instant>,
    pub(crate) pace_at: Option<Instant>,
    pub(crate) last_eliciting: Instant,
    /// When the first packet left that asks for an acknowledgement, since one came.
    pub(crate) unanswered: Option<Instant>,
    pub(crate) last_received: Instant,
    pub(crate) silent_at: Option<Instant>,
    pub(crate) last_ping: Instant,
    pub(crate) wants_ping: bool,
    pub(crate) unasked: u32,
    pub(crate) app_limited: bool,
    // What is carried.
    pub(crate) streams: Streams,
    pub(crate) buffered: u64,
    pub(crate) items: VecDeque<Item>,
    pub(crate) responses: VecDeque<[u8; 8]>,
    pub(crate) limits: BTreeMap<u64, Entry>,
    pub(crate) datagrams_out: VecDeque<Bytes>,
    pub(crate) datagrams_out_bytes: usize,
    pub(crate) datagrams_in: VecDeque<Bytes>,
    pub(crate) datagrams_in_bytes: usize,
    pub(crate) signals: VecDeque<Signal>,
    pub(crate) scratch: Vec<(Level, Item)>,
    pub(crate) stats: PathStats,
}

/// What a listener knows of a dialler before there is a link.
pub(crate) struct Newcomer {
    pub(crate) id: usize,
    pub(crate) remote: SocketAddr,
    /// To which the dialler's very first packet went; and of its Retry, which it answered.
    pub(crate) first: Id,
    pub(crate) retry: Option<Id>,
    /// The dialler's own.
    pub(crate) peer: Id,
    pub(crate) own: Id,
    pub(crate) reset: [u8; 16],
}

impl Connection {
    /// Begins to dial. Its first packet waits to be transmitted.
    pub fn dial(
        now: Instant,
        tls: Arc<ClientConfig>,
        name: ServerName<'static>,
        remote: SocketAddr,
        limits: Limits,
    ) -> Result<Self, rustls::Error> {
        let random = Random::new();
        let (own, first) = (Id(random.bytes()), Id(random.bytes()));
        let parameters = parameters(own, limits);
        let tls = ClientConnection::new(tls, Version::V1, name, parameters.encode())?;
        let mut made = Self::new(now, true, limits, random, own, first, first, tls.into(), Path::new(remote, true));
        made.handshake.advance(&mut made.keys);
        Ok(made)
    }

    pub(crate) fn accept(
        now: Instant,
        tls: Arc<ServerConfig>,
        newcomer: Newcomer,
        limits: Limits,
    ) -> Result<Self, rustls::Error> {
        let Newcomer { id, remote, first, retry, peer, own, reset } = newcomer;
        let parameters = Parameters { first: Some(first), retry, reset: Some(reset), ..parameters(own, limits) };
        let tls = ServerConnection::new(tls, Version::V1, parameters.encode())?;
        let path = Path::new(remote, retry.is_some());
        let key_id = retry.unwrap_or(first);
        let made = Self::new(now, false, limits, Random::new(), own, peer, key_id, tls.into(), path);
        Ok(Self { id, first, retry, has_peer: true, ..made })
    }

    #[expect(clippy::too_many_arguments, reason = "the one place that lists them")]
    fn new(
        now: Instant,
        is_dialer: bool,
        limits: Limits,
        random: Random,
        own: Id,
        peer: Id,
        first: Id,
        tls: rustls::quic::Connection,
        path: Path,
    ) -> Self {
        let side = if is_dialer { Side::Client } else { Side::Server };
        let mtu = Mtu::new();
        let Profile { reordering, first_packets, bandwidth, bandwidth_limit, .. } = limits.profile;
        let start = Start { packets: first_packets.into(), hint: bandwidth, limit: bandwidth_limit };
        let early_after = reordering.packets.max(1) as usize;
        Self {
            id: 0,
            is_dialer,
            own_limits: limits,
            random,
            life: Life::Open,
            farewell: None,
            own,
            peer,
            first,
            retry: None,
            token: Vec::new(),
            peer_parameters: None,
            peer_pin: None,
            has_peer: false,
            is_connected: false,
            is_confirmed: false,
            keys: LinkKeys::new(first, side),
            handshake: Handshake::new(tls),
            replay: Replay::default(),
            received: Default::default(),
            sent: SentPackets::default(),
            path,
            control: Controller::with(mtu.current() as u64, start),
            mtu,
            pacer: Pacer::new(now),
            rto: Rto::new(RTO),
            early: Early::new(overtaken_by(early_after)),
            early_after,
            slack: reordering.slack.max(1),
            latest_rtt: RTO.initial,
            min_rtt: Duration::MAX,
            timeouts: 0,
            probes: 0,
            loss_at: None,
            pace_at: None,
            last_eliciting: now,
            unanswered: None,
            last_received: now,
            silent_at: None,
            last_ping: now,
            wants_ping: false,
            unasked: 0,
            app_limited: false,
            streams: Streams::new(is_dialer, limits.streams.into()),
            buffered: 0,
            items: VecDeque::new(),
            responses: VecDeque::new(),
            limits: BTreeMap::new(),
            datagrams_out: VecDeque::new(),
            datagrams_out_bytes: 0,
            datagrams_in: VecDeque::new(),
            datagrams_in_bytes: 0,
            signals: VecDeque::new(),
            scratch: Vec::new(),
            stats: PathStats::default(),
        }
    }

    /// Its number within its endpoint.
    pub fn id(&self) -> usize {
        self.id
    }

    pub fn handle(&mut self, packet: Packet) {
        self.path.came_to(packet.to);
        self.handle_datagram(packet.now, packet.from, packet.bytes);
    }

    pub(crate) fn send_room(&self) -> u64 {
        let most = SEND_WINDOWS.saturating_mul(self.control.window()).clamp(MIN_SEND_BYTES, self.most_kept());
        most.saturating_sub(self.buffered)
    }

    fn most_kept(&self) -> u64 {
        self.own_limits.profile.send_bytes.max(MIN_SEND_BYTES)
    }

    /// How long late packets are waited for: three timeouts (RFC 9000 §10.2).
    pub(crate) fn late(&self) -> Duration {
        3 * self.rto.current()
    }

    pub(crate) fn farewell(&mut self, now: Instant, is_fault: bool, code: u64, reason: String) {
        if self.life != Life::Open {
            return;
        }
        self.life = Life::Closing(now + self.late());
        let levels = crate::packet::LEVELS.into_iter().filter(|level| match level {
            Level::Data => self.is_connected,
            _ => !self.is_confirmed,
        });
        let levels = levels.filter(|level| self.keys.has(*level)).collect();
        self.farewell = Some(Farewell { is_fault, code, reason, levels, heard: 0 });
        self.streams.clear();
        self.buffered = 0;
    }

    /// The peer broke the protocol.
    pub(crate) fn fault(&mut self, now: Instant, code: u64, text: &str) {
        if self.life == Life::Open {
            self.signals.push_back(Signal::Lost(Lost::Violation(text.to_string())));
            self.farewell(now, true, code, text.to_string());
        }
    }
}

fn parameters(own: Id, limits: Limits) -> Parameters {
    Parameters {
        id: own,
        first: None,
        retry: None,
        reset: None,
        streams: limits.streams.into(),
        idle_ms: limits.idle.as_millis() as u64,
    }
}

impl Connection {
    /// The peer's certificate and words are believed from now on.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.is_connected = true;
        self.peer_pin = self.handshake.peer_certificate().and_then(|certificate| pin(certificate));
        if let Some(theirs) = &self.peer_parameters {
            self.streams.allow(theirs.streams);
        }
        if !self.is_dialer {
            self.is_confirmed = true;
            let random = &self.random;
            self.path.settle(now, || random.bytes());
            self.drop_level(Level::Initial);
            self.drop_level(Level::Handshake);
            self.items.push_back(Item::Done);
        }
        self.signals.push_back(Signal::Connected);
    }

    pub(crate) fn drop_level(&mut self, level: Level) {
        self.keys.drop_level(level);
        self.sent.drop_level(level);
        self.received[level as usize] = Received::default();
        *self.handshake.out(level) = Default::default();
    }
}
