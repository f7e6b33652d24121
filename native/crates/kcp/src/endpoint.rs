//! A listener's socket as KCP sees it: which link a packet is for, who may begin one, and what is said to those who have
//! none. It answers with nothing that is longer than what it was sent, but for a handshake that it has begun.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use petrel_link::{Connection as _, Error, Limits, Transmit};
use rustls::ServerConfig;
use rustls::pki_types::ServerName;

use crate::Random;
use crate::config::{DialConfig, Identity};
use crate::connection::{Connection, Newcomer};
use crate::frame;
use crate::keys::LinkKeys;
use crate::packet::{self, Header, Id as LinkId, Level, MIN_PATH, Packet as Parsed, RESET, VERSION};
use crate::receive::is_first;
use crate::token::{ResetKey, TokenKey, seal_retry};

/// A connection's number within its endpoint.
pub type Id = usize;

/// Of a dialler's endpoint: its one connection.
const DIALLED: Id = 0;

/// A packet for one connection. to: our address that it came to.
pub struct Packet {
    pub now: Instant,
    pub from: SocketAddr,
    pub to: Option<IpAddr>,
    pub bytes: BytesMut,
}

/// Links that are still found by what their diallers made up though their handshakes are over.
const SETTLED: usize = 1024;

/// What a datagram is.
pub enum Arrival {
    /// For a connection that exists.
    For(Id, Packet),
    Stranger(Stranger),
    /// An answer to somebody unknown: other versions, or a reset.
    Answer(Transmit),
}

/// Somebody who wants in, on whom nothing has been spent yet.
pub struct Stranger {
    packet: Packet,
    header: Header,
    from: LinkId,
    /// Whom the token names: the id to which his very first packet went.
    first: Option<LinkId>,
}

impl Stranger {
    pub fn remote(&self) -> SocketAddr {
        self.packet.from
    }

    /// It has shown that it receives what is sent to its address.
    pub fn is_proven(&self) -> bool {
        self.first.is_some()
    }
}

/// What came of an exchange.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exchange {
    /// The connection is over and the endpoint has forgotten it.
    pub is_drained: bool,
}

/// The links of one socket, by their connection ids.
pub struct Endpoint {
    random: Random,
    listening: Option<Listening>,
    by_id: HashMap<LinkId, Id>,
    /// The ids by which a link is found: its own, and until its handshake is over what its dialler made up.
    ids: HashMap<Id, [LinkId; 2]>,
    /// What diallers made up whose handshakes are over: a first packet that is late begins no other link.
    settled: VecDeque<LinkId>,
    next: Id,
}

struct Listening {
    tokens: Option<TokenKey>,
    resets: ResetKey,
    /// None: no new links.
    tls: Option<Arc<ServerConfig>>,
    limits: Limits,
}

impl Endpoint {
    pub fn dialer() -> Self {
        Self::with(Random::new(), None)
    }

    /// stranger: what its links may use at first.
    pub fn listener(identity: Identity, stranger: Limits) -> Self {
        let random = Random::new();
        let listening = Listening {
            tokens: TokenKey::new(&random),
            resets: ResetKey::new(&identity.secret),
            tls: Some(identity.tls),
            limits: stranger,
        };
        Self::with(random, Some(listening))
    }

    fn with(random: Random, listening: Option<Listening>) -> Self {
        Self { random, listening, by_id: HashMap::new(), ids: HashMap::new(), settled: VecDeque::new(), next: DIALLED }
    }

    /// Takes a new certificate for the handshakes that begin from now on.
    pub fn renew(&mut self, identity: Identity) {
        if let Some(tls) = self.listening.as_mut().and_then(|listening| listening.tls.as_mut()) {
            *tls = identity.tls;
        }
    }

    /// Takes no new connections; those that exist live on.
    pub fn close(&mut self) {
        if let Some(listening) = &mut self.listening {
            listening.tls = None;
        }
    }

    pub fn dial(
        &mut self,
        now: Instant,
        config: DialConfig,
        remote: SocketAddr,
        name: &str,
    ) -> Result<Connection, Error> {
        let DialConfig { tls, limits } = config;
        // What is no name is not checked either: pins and unverified links are dialled by whatever the user wrote.
        let name = ServerName::try_from(name.to_string()).unwrap_or(ServerName::IpAddress(remote.ip().into()));
        Connection::dial(now, tls, name, remote, limits).map_err(|e| Error::Config(e.to_string()))
    }

    /// to: our address that the packet came to.
    pub fn handle(
        &mut self,
        now: Instant,
        (from, to): (SocketAddr, Option<IpAddr>),
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Arrival> {
        out.clear();
        let packet = Packet { now, from, to, bytes: BytesMut::from(bytes) };
        let Some(listening) = &mut self.listening else { return Some(Arrival::For(DIALLED, packet)) };
        let Some(Parsed::Sealed(header)) = packet::parse(bytes) else { return None };
        if let Some(id) = self.by_id.get(&header.to) {
            return Some(Arrival::For(*id, packet));
        }
        if header.level == Level::Data && bytes.len() > RESET {
            packet::put_forgotten(header.to, &listening.resets.token(header.to), out);
            return Some(Arrival::Answer(answer(&packet, out)));
        }
        let initial = header.initial.as_ref().filter(|_| is_first(&header, bytes.len()) && listening.tls.is_some())?;
        if initial.version != VERSION {
            packet::put_versions(initial.from, header.to, out);
            return Some(Arrival::Answer(answer(&packet, out)));
        }
        let token = &bytes[initial.token.clone()];
        let first = listening.tokens.as_ref().and_then(|key| key.check(token, header.to, from));
        Some(Arrival::Stranger(Stranger { from: initial.from, packet, header, first }))
    }

    /// Begins a handshake. Err: its packet is a forgery, of which nobody need hear.
    pub fn accept(&mut self, stranger: Stranger) -> Result<Connection, Option<Transmit>> {
        let Stranger { packet, header, from, first } = stranger;
        let listening = self.listening.as_ref().filter(|_| opens(&header, &packet.bytes)).ok_or(None)?;
        let tls = listening.tls.clone().ok_or(None)?;
        let made_up = header.to;
        // The same packet twice in one batch: the second is a repetition.
        if self.by_id.contains_key(&made_up) {
            return Err(None);
        }
        let own = LinkId(self.random.bytes());
        let newcomer = Newcomer {
            id: self.next,
            remote: packet.from,
            first: first.unwrap_or(made_up),
            retry: first.map(|_| made_up),
            peer: from,
            own,
            reset: listening.resets.token(own),
        };
        let mut connection = Connection::accept(packet.now, tls, newcomer, listening.limits).map_err(|_| None)?;
        self.by_id.insert(own, self.next);
        self.by_id.insert(made_up, self.next);
        self.ids.insert(self.next, [own, made_up]);
        self.next += 1;
        connection.handle(packet);
        Ok(connection)
    }

    /// Asks for a proof of address.
    pub fn retry(&mut self, stranger: &Stranger, out: &mut Vec<u8>) -> Option<Transmit> {
        out.clear();
        let id = LinkId(self.random.bytes());
        let tokens = self.listening.as_ref()?.tokens.as_ref()?;
        let token = tokens.make(&self.random, stranger.header.to, id, stranger.remote())?;
        packet::put_retry(stranger.from, id, &token, out);
        seal_retry(stranger.header.to, out);
        Some(answer(&stranger.packet, out))
    }

    /// Says no to whoever sent a real first packet.
    pub fn refuse(&mut self, stranger: &Stranger, out: &mut Vec<u8>) -> Option<Transmit> {
        out.clear();
        if !opens(&stranger.header, &stranger.packet.bytes) {
            return None;
        }
        let own = LinkId(self.random.bytes());
        let initial = Some(packet::Initial { version: VERSION, from: own, token: 0..0 });
        let mut header = Header { level: Level::Initial, phase: false, to: stranger.from, counter: 0, initial, len: 0 };
        packet::put_header(&header, &[], out);
        header.len = out.len();
        frame::put_close(true, 0, "the server is busy or going down: try again later", out);
        let mut keys = LinkKeys::new(stranger.header.to, rustls::Side::Server);
        let is_sealed = keys.seal(&header, 0, out) && out.len() < MIN_PATH;
        is_sealed.then(|| answer(&stranger.packet, out))
    }

    /// Lets a connection and its endpoint know what became of each other. After each of the connection's turns.
    pub fn exchange(&mut self, connection: &Connection) -> Exchange {
        let is_drained = connection.is_drained();
        if is_drained {
            self.forget(connection.id);
        } else if connection.is_connected
            && let Some([own, made_up]) = self.ids.get_mut(&connection.id)
            && own != made_up
        {
            // From now on it is its own id that matters.
            self.settled.push_back(std::mem::replace(made_up, *own));
            if self.settled.len() > SETTLED
                && let Some(old) = self.settled.pop_front()
            {
                self.by_id.remove(&old);
            }
        }
        Exchange { is_drained }
    }

    /// A connection is gone.
    pub fn forget(&mut self, id: Id) {
        for id in self.ids.remove(&id).into_iter().flatten() {
            self.by_id.remove(&id);
        }
    }
}

fn answer(packet: &Packet, out: &[u8]) -> Transmit {
    Transmit { destination: packet.from, source: packet.to, ecn: None, size: out.len(), segment_size: None }
}

/// Whether a first packet is sealed as it should be, so that garbage costs no handshake.
fn opens(header: &Header, bytes: &BytesMut) -> bool {
    let mut copy = bytes.to_vec();
    let mut keys = LinkKeys::new(header.to, rustls::Side::Server);
    keys.open(Instant::now(), header, &mut copy, Duration::ZERO).is_ok()
}
