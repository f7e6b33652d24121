//! A listener's socket as KCP sees it: which link a packet is for, who may begin one, and what is said to those who have
//! none. It answers with nothing that is longer than what it was sent, but for a handshake that it has begun.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rustls::ServerConfig;

use crate::Random;
use crate::connection::{Config, Connection, Newcomer};
use crate::frame;
use crate::keys::LinkKeys;
use crate::packet::{self, Header, Id, Level, MIN_PATH, Packet, RESET, VERSION};
use crate::receive::is_first;
use crate::token::{ResetKey, TokenKey, seal_retry};

/// Links that are still found by what their diallers made up though their handshakes are over.
const SETTLED: usize = 1024;

/// What a datagram is.
pub enum Arrival {
    /// For the link with this handle, which takes it by `handle_datagram`.
    For(usize, BytesMut),
    /// Somebody wants in.
    Stranger(Incoming),
    /// To be sent back where it came from: bytes of `out`. Nobody's link; may be left out.
    Answer(usize),
    Nothing,
}

/// A first packet, which nothing has been spent on yet.
pub struct Incoming {
    remote: SocketAddr,
    header: Header,
    from: Id,
    bytes: BytesMut,
    /// Whom the token names: the id to which his very first packet went.
    first: Option<Id>,
}

impl Incoming {
    pub fn remote_address(&self) -> SocketAddr {
        self.remote
    }

    /// Whether the address has proved itself by a Retry.
    pub fn is_validated(&self) -> bool {
        self.first.is_some()
    }
}

/// The links of one socket, by their connection ids.
pub struct Endpoint {
    random: Random,
    tokens: Option<TokenKey>,
    resets: ResetKey,
    tls: Option<Arc<ServerConfig>>,
    config: Config,
    by_id: HashMap<Id, usize>,
    /// The ids by which a link is found: its own, and until its handshake is over what its dialler made up.
    ids: HashMap<usize, [Id; 2]>,
    /// What diallers made up whose handshakes are over, with the links: a first packet that is late begins no other.
    settled: VecDeque<(Id, usize)>,
    next: usize,
}

impl Endpoint {
    /// secret: what the listener's resets are derived from; lives as long as its identity.
    pub fn new(tls: Arc<ServerConfig>, secret: &[u8], config: Config) -> Self {
        let random = Random::new();
        Self {
            tokens: TokenKey::new(&random),
            random,
            resets: ResetKey::new(secret),
            tls: Some(tls),
            config,
            by_id: HashMap::new(),
            ids: HashMap::new(),
            settled: VecDeque::new(),
            next: 0,
        }
    }

    /// Takes a new certificate for the handshakes that begin from now on.
    pub fn renew(&mut self, tls: Arc<ServerConfig>) {
        if self.tls.is_some() {
            self.tls = Some(tls);
        }
    }

    /// Takes no new links.
    pub fn close(&mut self) {
        self.tls = None;
    }

    pub fn handle(&mut self, from: SocketAddr, bytes: BytesMut, out: &mut Vec<u8>) -> Arrival {
        out.clear();
        let Some(Packet::Sealed(header)) = packet::parse(&bytes) else { return Arrival::Nothing };
        if let Some(handle) = self.by_id.get(&header.to) {
            return Arrival::For(*handle, bytes);
        }
        if header.level == Level::Data && bytes.len() > RESET {
            packet::put_forgotten(header.to, &self.resets.token(header.to), out);
            return Arrival::Answer(out.len());
        }
        let Some(initial) = header.initial.as_ref().filter(|_| is_first(&header, bytes.len()) && self.tls.is_some())
        else {
            return Arrival::Nothing;
        };
        if initial.version != VERSION {
            packet::put_versions(initial.from, header.to, out);
            return Arrival::Answer(out.len());
        }
        let token = &bytes[initial.token.clone()];
        let first = self.tokens.as_ref().and_then(|key| key.check(token, header.to, from));
        Arrival::Stranger(Incoming { remote: from, from: initial.from, header, bytes, first })
    }

    /// Begins a handshake. None: the packet is a forgery.
    pub fn accept(&mut self, incoming: Incoming, now: Instant) -> Option<(usize, Connection)> {
        let Incoming { remote, header, from, bytes, first } = incoming;
        let made_up = header.to;
        if !opens(&header, &bytes) {
            return None;
        }
        let own = Id(self.random.bytes());
        let retry = first.map(|_| made_up);
        let newcomer =
            Newcomer { remote, first: first.unwrap_or(made_up), retry, peer: from, own, reset: self.resets.token(own) };
        let mut connection = Connection::accept(now, self.tls.clone()?, newcomer, self.config).ok()?;
        let handle = self.next;
        self.next += 1;
        self.by_id.insert(own, handle);
        self.by_id.insert(made_up, handle);
        self.ids.insert(handle, [own, made_up]);
        connection.handle_datagram(now, remote, bytes);
        Some((handle, connection))
    }

    /// Writes a Retry; returns its length.
    pub fn retry(&mut self, incoming: &Incoming, out: &mut Vec<u8>) -> Option<usize> {
        out.clear();
        let id = Id(self.random.bytes());
        let token = self.tokens.as_ref()?.make(&self.random, incoming.header.to, id, incoming.remote)?;
        packet::put_retry(incoming.from, id, &token, out);
        seal_retry(incoming.header.to, out);
        Some(out.len())
    }

    /// Writes a refusal to whoever sent a real first packet; returns its length.
    pub fn refuse(&mut self, incoming: &Incoming, reason: &str, out: &mut Vec<u8>) -> Option<usize> {
        out.clear();
        if !opens(&incoming.header, &incoming.bytes) {
            return None;
        }
        let own = Id(self.random.bytes());
        let initial = Some(packet::Initial { version: VERSION, from: own, token: 0..0 });
        let mut header = Header { level: Level::Initial, phase: false, to: incoming.from, counter: 0, initial, len: 0 };
        packet::put_header(&header, &[], out);
        header.len = out.len();
        frame::put_close(true, 0, reason, out);
        let mut keys = LinkKeys::new(incoming.header.to, rustls::Side::Server);
        keys.seal(&header, 0, out).then_some(out.len()).filter(|len| *len < MIN_PATH)
    }

    /// A link's handshake is over: soon it is found by its own id alone.
    pub fn settled(&mut self, handle: usize) {
        let Some([own, made_up]) = self.ids.get(&handle).filter(|[own, made_up]| own != made_up).copied() else {
            return;
        };
        self.ids.insert(handle, [own, own]);
        self.settled.push_back((made_up, handle));
        if self.settled.len() > SETTLED
            && let Some((old, handle)) = self.settled.pop_front()
        {
            self.by_id.remove(&old).filter(|found| *found != handle).map(|other| self.by_id.insert(old, other));
        }
    }

    /// A link is gone.
    pub fn forget(&mut self, handle: usize) {
        for id in self.ids.remove(&handle).into_iter().flatten() {
            self.by_id.remove(&id);
        }
    }
}

/// Whether a first packet is sealed as it should be, so that garbage costs no handshake.
fn opens(header: &Header, bytes: &BytesMut) -> bool {
    let mut copy = bytes.to_vec();
    let mut keys = LinkKeys::new(header.to, rustls::Side::Server);
    keys.open(Instant::now(), header, &mut copy, std::time::Duration::ZERO).is_ok()
}
