//! Whole connections against a peer that has the right keys and no good will, and a listener against strangers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use petrel_fuzz::{mutate, number};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::peer::Peer;
use super::victim::Victim;
use super::words::{allowed, wrong};
use crate::packet::{self, LEVELS, Level};
use petrel_link::Limits;

use crate::{ALPN, Arrival, Connection, Endpoint, Identity};

const LIMITS: Limits = Limits { streams: 64, ..crate::tuning::LIMITS };
/// Frames of one packet; larger ones come too, from a peer on a path that takes them.
const MOST_FRAMES: usize = 1_400;
/// How little a peer cares: 0 keeps to the rules, then it breaks them now and then, at WILD always.
const WILD: u8 = 3;

pub(super) struct Machines {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    frames: Vec<Vec<u8>>,
    packets: Vec<Vec<u8>>,
    start: Instant,
}

type Inputs = Vec<Vec<u8>>;

impl Machines {
    pub(super) fn new(frames: Vec<Vec<u8>>, packets: Vec<Vec<u8>>) -> Self {
        let (server, client) = credentials();
        Self { server, client, frames, packets, start: Instant::now() }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::listener(Identity { tls: self.server.clone(), secret: b"secret".to_vec() }, LIMITS)
    }

    /// A listener of ours, whose dialler says anything.
    pub(super) fn listener(&self, rng: &mut Rng, inputs: &mut Inputs) {
        let mut endpoint = self.endpoint();
        let mut peer = Peer::dialer(self.client.clone(), rng, changed_parameters);
        // A listener begins with a first packet that is sealed as it should be; what it says is free.
        let daring = rng.u8(..=WILD);
        let (_, frames) = self.packet(rng, &mut peer, daring);
        inputs.push(frames.clone());
        let packet = peer.seal(Level::Initial, &frames).expect("Initial keys");
        let arrival = endpoint.handle(self.start, (address(1), None), &packet, &mut Vec::new());
        let Some(Arrival::Stranger(stranger)) = arrival else { panic!("a first packet is not taken for one") };
        let link = endpoint.accept(stranger).unwrap_or_else(|_| panic!("no link"));
        let mut victim = Victim::new(link, self.start);
        victim.count(address(1), packet.len());
        self.talk(rng, inputs, victim, peer, daring);
    }

    /// A dialler of ours, whose listener says anything.
    pub(super) fn dialer(&self, rng: &mut Rng, inputs: &mut Inputs) {
        let name = ServerName::try_from("server").expect("a name");
        let link = Connection::dial(self.start, self.client.clone(), name, address(1), LIMITS).expect("a link");
        let mut victim = Victim::new(link, self.start);
        let first = victim.packets(rng).into_iter().next().expect("a first packet");
        let mut peer = Peer::listener(self.server.clone(), &first, rng, changed_parameters);
        peer.hear(self.start, &first);
        let daring = rng.u8(..=WILD);
        self.talk(rng, inputs, victim, peer, daring);
    }

    fn talk(&self, rng: &mut Rng, inputs: &mut Inputs, mut victim: Victim, mut peer: Peer, daring: u8) {
        for _ in 0..rng.usize(..200) {
            for packet in victim.packets(rng) {
                // What is not heard is not acknowledged, and the handshake stands still.
                if victim.is_connected && rng.u8(..8) == 0 {
                    continue;
                }
                peer.hear(victim.now, &packet);
            }
            for _ in 0..rng.usize(1..6) {
                let (level, frames) = self.packet(rng, &mut peer, daring);
                inputs.push(frames.clone());
                if rng.u8(..64) == 0 {
                    peer.counter = peer.counter.saturating_add(number(rng) >> rng.u8(..62));
                }
                let Some(mut packet) = peer.seal(level, &frames) else { continue };
                if rng.u8(..64) == 0 {
                    mutate(rng, &mut packet, &self.packets, 65_535);
                }
                let from = if rng.u8(..16) == 0 { address(rng.u8(3..20)) } else { address(1) };
                for _ in 0..=u8::from(rng.u8(..16) == 0) {
                    victim.take(rng, from, &packet);
                }
            }
            if rng.u8(..3) == 0 {
                let time = Duration::from_micros(number(rng) % 400_000);
                victim.wait(rng, time);
            }
        }
        victim.end(rng, LIMITS.idle);
    }

    /// The frames of the next packet: the handshake as long as there is some, then what is allowed, and according to
    /// `daring` what is not.
    fn packet(&self, rng: &mut Rng, peer: &mut Peer, daring: u8) -> (Level, Vec<u8>) {
        let mut frames = Vec::new();
        if daring < WILD
            && let Some((level, crypto)) = peer.handshake(rng.u64(1..1_300))
        {
            peer.acknowledge(rng, level, &mut frames);
            frames.extend_from_slice(&crypto);
            return (level, frames);
        }
        let level = self.level(rng, peer, daring);
        let is_wrong = daring == WILD || (daring > 0 && rng.u8(..64) == 0);
        if is_wrong {
            self.anything(rng, peer, level, &mut frames);
        } else if level == Level::Data {
            let most = if rng.u8(..16) == 0 { 60_000 } else { MOST_FRAMES };
            for _ in 0..=rng.usize(..12) * most / MOST_FRAMES {
                let mut frame = Vec::new();
                allowed(rng, peer, &mut frame);
                if frames.len() + frame.len() <= most {
                    frames.append(&mut frame);
                }
            }
            if rng.u8(..8) == 0 {
                let len = rng.usize(..1_200);
                frames.clear();
                crate::frame::put_datagram(&vec![4; len], &mut frames);
            }
        } else {
            peer.acknowledge(rng, level, &mut frames);
            crate::frame::put_ping(&mut frames);
        }
        (level, frames)
    }

    fn level(&self, rng: &mut Rng, peer: &Peer, daring: u8) -> Level {
        let highest = LEVELS.into_iter().rev().find(|level| peer.has(*level)).unwrap_or(Level::Initial);
        if daring > 0 && rng.u8(..16) == 0 { LEVELS[rng.usize(..LEVELS.len())] } else { highest }
    }

    /// Frames of the corpus, changed ones, ones with wrong numbers, the handshake's.
    fn anything(&self, rng: &mut Rng, peer: &mut Peer, level: Level, out: &mut Vec<u8>) {
        for _ in 0..=rng.u8(..8) {
            match rng.u8(..8) {
                0 => peer.acknowledge(rng, level, out),
                1 | 2 => out.extend(peer.handshake(500).into_iter().flat_map(|(_, crypto)| crypto)),
                3 => allowed(rng, peer, out),
                4 => wrong(rng, out),
                _ => {
                    let mut frames = self.frames[rng.usize(..self.frames.len())].clone();
                    if rng.bool() {
                        mutate(rng, &mut frames, &self.frames, MOST_FRAMES);
                    }
                    out.append(&mut frames);
                }
            }
        }
        out.truncate(MOST_FRAMES);
    }

    /// Strangers at a listener's socket, and first packets of theirs with the keys that everybody knows.
    pub(super) fn strangers(&self, rng: &mut Rng, inputs: &mut Inputs) {
        let mut endpoint = self.endpoint();
        let mut links: Vec<(usize, Victim)> = Vec::new();
        let mut out = Vec::new();
        for _ in 0..rng.usize(1..60) {
            let from = address(rng.u8(..3));
            let mut packet = self.packets[rng.usize(..self.packets.len())].clone();
            if rng.u8(..4) == 0 {
                let mut peer = Peer::dialer(self.client.clone(), rng, changed_parameters);
                let mut frames = Vec::new();
                self.anything(rng, &mut peer, Level::Initial, &mut frames);
                packet = peer.seal(Level::Initial, &frames).expect("Initial keys");
            }
            if rng.bool() {
                mutate(rng, &mut packet, &self.packets, 65_535);
            }
            inputs.push(packet.clone());
            match endpoint.handle(self.start, (from, None), &packet, &mut out) {
                None => {}
                Some(Arrival::Answer(answer)) => {
                    let n = answer.size;
                    assert!(n < packet.len() && n == out.len(), "{n} bytes for {}", packet.len());
                }
                Some(Arrival::For(id, arrived)) => {
                    assert_eq!(arrived.bytes, packet);
                    if let Some((_, victim)) = links.iter_mut().find(|(known, _)| *known == id) {
                        victim.take(rng, from, &arrived.bytes);
                        victim.packets(rng);
                    }
                }
                Some(Arrival::Stranger(stranger)) => match rng.u8(..4) {
                    0 => {
                        let answer = endpoint.retry(&stranger, &mut out).expect("a Retry");
                        assert!(answer.size < packet.len() && packet::parse(&out).is_some());
                    }
                    1 => {
                        let refusal = endpoint.refuse(&stranger, &mut out);
                        assert!(refusal.is_none_or(|no| no.size < packet.len() && no.size == out.len()));
                    }
                    _ => {
                        if let Ok(link) = endpoint.accept(stranger) {
                            let id = link.id();
                            let mut victim = Victim::new(link, self.start);
                            victim.count(from, packet.len());
                            victim.packets(rng);
                            links.push((id, victim));
                        }
                    }
                },
            }
        }
        for (handle, victim) in links {
            victim.end(rng, LIMITS.idle);
            endpoint.forget(handle);
        }
    }

    /// Packets that nobody sealed, at a dialler that waits: Retry, versions, resets and what looks like them.
    pub(super) fn answers(&self, rng: &mut Rng, inputs: &mut Inputs) {
        let name = ServerName::try_from("server").expect("a name");
        let link = Connection::dial(self.start, self.client.clone(), name, address(1), LIMITS).expect("a link");
        let mut victim = Victim::new(link, self.start);
        victim.packets(rng);
        for _ in 0..rng.usize(1..40) {
            let mut packet = self.packets[rng.usize(..self.packets.len())].clone();
            if rng.bool() {
                mutate(rng, &mut packet, &self.packets, 2_000);
            }
            // To whom it may concern, from whom he knows.
            let (own, peer) = (victim.link.own.0, victim.link.peer.0);
            if let Some(to) = packet.get_mut(1..9) {
                to.copy_from_slice(if rng.u8(..8) == 0 { &peer } else { &own });
            }
            if let Some(from) = packet.get_mut(9..17).filter(|_| rng.bool()) {
                from.copy_from_slice(&peer);
            }
            if packet.first() == Some(&0x18) && rng.bool() {
                let end = packet.len().saturating_sub(16);
                packet.truncate(end);
                crate::token::seal_retry(victim.link.first, &mut packet);
            }
            inputs.push(packet.clone());
            victim.take(rng, address(1), &packet);
            victim.packets(rng);
            if rng.u8(..4) == 0 {
                let time = Duration::from_micros(number(rng) % 2_000_000);
                victim.wait(rng, time);
            }
        }
        victim.end(rng, LIMITS.idle);
    }
}

fn changed_parameters(rng: &mut Rng, mut said: Vec<u8>) -> Vec<u8> {
    if rng.u8(..8) == 0 {
        mutate(rng, &mut said, &[], 1_000);
    }
    said
}

fn address(host: u8) -> SocketAddr {
    ([10, 0, 0, host], 9_000).into()
}

fn credentials() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["server".to_string()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls13 = &[&rustls::version::TLS13];
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(tls13)
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a server");
    server.alpn_protocols = vec![ALPN.to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(tls13)
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![ALPN.to_vec()];
    (Arc::new(server), Arc::new(client))
}
