//! Tests: a peer that has got through the handshake and then says whatever it likes. Its packets are sealed as they
//! should be; nothing in them may panic the other end, or grow it.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use petrel_link::{Connection as _, Limits, Signal};
use petrel_streams::varint;
use rcgen::generate_simple_self_signed;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::connection::Connection;
use crate::endpoint::{Arrival, Endpoint};
use crate::frame::{Frame, Frames};
use crate::packet::{self, Header, Initial, Level, Packet};
use crate::{ALPN, Held, Identity};

const LIMITS: Limits = Limits { streams: 100, ..crate::tuning::LIMITS };

/// A listener that is as it should be, and a dialler whose keys somebody else uses.
struct Pair {
    now: Instant,
    hostile: Connection,
    victim: Connection,
    counter: u64,
    /// Where it is.
    from: SocketAddr,
}

fn tls() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = generate_simple_self_signed(vec!["server".to_string()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = &[&rustls::version::TLS13];
    let server = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
    let mut server = server
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a server");
    server.alpn_protocols = vec![ALPN.to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let mut client = client.expect("TLS 1.3").with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![ALPN.to_vec()];
    (Arc::new(server), Arc::new(client))
}

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// All that a connection has to send now.
fn drain(connection: &mut Connection, now: Instant) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut buffer = Vec::new();
    while let Some(sent) = connection.poll_transmit(now, NonZeroUsize::MIN, &mut buffer) {
        packets.push(buffer[..sent.size].to_vec());
        buffer.clear();
        assert!(packets.len() < 10_000, "a flood");
    }
    packets
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self::halfway();
        for _ in 0..20 {
            pair.now += Duration::from_millis(1);
            for packet in drain(&mut pair.victim, pair.now) {
                pair.hostile.handle_datagram(pair.now, address(2), BytesMut::from(&packet[..]));
            }
            for packet in drain(&mut pair.hostile, pair.now) {
                pair.victim.handle_datagram(pair.now, address(1), BytesMut::from(&packet[..]));
            }
        }
        assert!(pair.hostile.is_connected && pair.victim.is_confirmed);
        pair.counter = pair.hostile.sent.next() + 100;
        pair
    }

    /// The listener has had the first packet.
    fn halfway() -> Self {
        let now = Instant::now();
        let (server, client) = tls();
        let name = ServerName::try_from("server").expect("a name");
        let mut hostile = Connection::dial(now, client, name, address(2), LIMITS).expect("a dialler");
        let mut endpoint = Endpoint::listener(Identity { tls: server, secret: b"secret".to_vec() }, LIMITS);
        let first = drain(&mut hostile, now).remove(0);
        let arrival = endpoint.handle(now, (address(1), None), &first, &mut Vec::new());
        let Some(Arrival::Stranger(stranger)) = arrival else { panic!("no first packet") };
        let victim = endpoint.accept(stranger).unwrap_or_else(|_| panic!("no link"));
        Self { now, hostile, victim, counter: 100, from: address(1) }
    }

    /// Seals these frames and gives them to the victim; its answers vanish.
    fn say(&mut self, frames: &[u8]) {
        self.say_at(Level::Data, frames);
    }

    fn say_at(&mut self, level: Level, frames: &[u8]) {
        let phase = level == Level::Data && self.hostile.keys.phase();
        let initial = Initial { version: packet::VERSION, from: self.hostile.own, token: 0..0 };
        let initial = (level == Level::Initial).then_some(initial);
        let mut header = Header { level, phase, to: self.hostile.peer, counter: self.counter, initial, len: 0 };
        self.counter += 1;
        let mut out = Vec::new();
        packet::put_header(&header, &[], &mut out);
        header.len = out.len();
        out.extend_from_slice(frames);
        assert!(self.hostile.keys.seal(&header, 0, &mut out));
        self.victim.handle_datagram(self.now, self.from, BytesMut::from(&out[..]));
    }

    /// What a packet of the victim's asks.
    fn challenge(&mut self, packet: &[u8]) -> Option<[u8; 8]> {
        let Some(Packet::Sealed(header)) = packet::parse(packet) else { return None };
        let mut opened = packet.to_vec();
        let len = self.hostile.keys.open(self.now, &header, &mut opened, Duration::ZERO).ok()?;
        let mut frames = Frames::new(Bytes::from(opened).slice(header.len..header.len + len));
        frames.find_map(|frame| if let Ok(Frame::Challenge(data)) = frame { Some(data) } else { None })
    }

    /// The driver's turn. It reads what came, and gives up what the peer stops.
    fn turn(&mut self) -> usize {
        while let Some(signal) = self.victim.poll() {
            match signal {
                Signal::Readable(stream) => {
                    self.victim.read(stream, &mut |_, _| {});
                }
                Signal::Stopped(stream, code) => self.victim.abandon(stream, code),
                Signal::Datagrams => while self.victim.receive_datagram().is_some() {},
                _ => {}
            }
        }
        drain(&mut self.victim, self.now).len()
    }

    /// Time passes at the victim.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        while self.victim.poll_timeout().is_some_and(|at| at <= self.now) {
            self.victim.handle_timeout(self.now);
            drain(&mut self.victim, self.now);
        }
    }
}

fn numbers(kind: u8, numbers: &[u64]) -> Vec<u8> {
    let mut out = vec![kind];
    numbers.iter().for_each(|number| varint::put(*number, &mut out));
    out
}

#[test]
fn no_sequence_of_frames_panics_or_floods() {
    for seed in 0..60 {
        let mut rng = Rng::with_seed(seed);
        let mut pair = Pair::new();
        for _ in 0..400 {
            if pair.victim.is_closed() {
                break;
            }
            let mut frames = Vec::new();
            for _ in 0..rng.usize(1..6) {
                // Numbers that are near something: small, what was sent, the largest.
                let near = pair.victim.sent.next();
                let mut number = || match rng.u8(0..8) {
                    0 => varint::MAX - rng.u64(0..3),
                    1 => near.saturating_sub(rng.u64(0..3)),
                    2 => 1 << rng.u8(0..62),
                    _ => rng.u64(0..40),
                };
                let list: Vec<u64> = (0..8).map(|_| number()).collect();
                frames.extend(match rng.u8(0..20) {
                    0 => numbers(0x02, &[list[0], list[1], 0, list[0].min(list[2])]),
                    1 => numbers(0x02, &[near - 1, list[1], 0, near - 1]),
                    2 => numbers(0x09, &list[..1]),
                    3 => numbers(0x0a, &list[..3]),
                    4..=5 => numbers(0x0b, &[4 * list[0] % 400, list[1]]),
                    6..=7 => numbers(0x0c, &[4 * list[0] % 400, list[1]]),
                    8 => vec![[0x07, 0x08][rng.usize(0..2)], 1, 2, 3, 4, 5, 6, 7, 8],
                    9 => vec![0x01],
                    10 => numbers(rng.u8(0..0x20), &list),
                    kind => {
                        let data = rng.usize(0..20);
                        let offset = if rng.u8(0..20) == 0 { list[1] } else { list[1] % 3_000 };
                        let fin = u8::from(kind == 19);
                        let mut frame = numbers(0x12 | fin, &[4 * list[0] % 400, offset, data as u64]);
                        frame.resize(frame.len() + data, 0x55);
                        frame
                    }
                });
            }
            pair.say(&frames);
            let sent = pair.turn();
            assert!(sent < 200, "seed {seed}: {sent} packets for one");
            if rng.u8(0..10) == 0 {
                let number = 4 * rng.u64(0..100);
                let _ = pair.victim.write(number, &mut Bytes::from(vec![1; rng.usize(0..5_000)]));
            }
            if rng.u8(0..10) == 0 {
                pair.pass(Duration::from_millis(rng.u64(1..300)));
            }
        }
        let Held { things, .. } = pair.victim.held();
        assert!(things < 20_000, "seed {seed}: {things}");
    }
}

#[test]
fn who_opens_and_resets_streams_is_not_given_more_than_are_heard_of_as_over() {
    let mut pair = Pair::new();
    for number in 0..50_000u64 {
        pair.say(&[numbers(0x0b, &[4 * number, 1]), numbers(0x0c, &[4 * number, 1])].concat());
        pair.turn();
        if pair.victim.is_closed() {
            break;
        }
    }
    let held = pair.victim.held();
    assert!(held.things < 40_000, "{held:?}");
}

#[test]
fn who_acknowledges_nothing_is_dropped_after_the_idle_time() {
    let mut pair = Pair::new();
    pair.say(&numbers(0x12, &[0, 0, 0]));
    pair.turn();
    let _ = pair.victim.write(0, &mut Bytes::from(vec![1; 4_000_000]));
    for _ in 0..200 {
        pair.say(&[0x01]);
        pair.turn();
        pair.pass(Duration::from_millis(100));
        let held = pair.victim.held();
        assert!(held.things < 1_000 && held.bytes <= 4_000_000, "{held:?}");
    }
    assert!(pair.victim.is_closed(), "still there");
}

#[test]
fn a_stream_of_holes_and_a_flood_of_small_datagrams_stay_small() {
    let mut pair = Pair::new();
    for n in 0..40_000u64 {
        let mut frames = numbers(0x12, &[0, 2 * n, 1]);
        frames.push(0x55);
        pair.say(&frames);
        pair.turn();
    }
    assert!(pair.victim.is_closed(), "a stream of 40,000 holes");
    let mut pair = Pair::new();
    for _ in 0..20_000 {
        // Nobody reads them.
        pair.say(&[vec![0; 1_000], vec![0x0d, 1]].concat());
        while pair.victim.poll().is_some() {}
    }
    assert!(pair.victim.held().bytes < 16 * 1024, "{:?}", pair.victim.held());
    for _ in 0..20_000 {
        pair.say(&[0x07, 1, 2, 3, 4, 5, 6, 7, 8].repeat(20));
        while pair.victim.poll().is_some() {}
    }
    assert!(pair.victim.held().things < 2_000, "{:?}", pair.victim.held());
}

#[test]
fn bytes_on_a_stream_that_we_have_not_begun_yet_end_the_link() {
    let mut pair = Pair::new();
    // The driver opens streams ahead, and reads none before it has handed it out.
    let numbers_ahead: Vec<u64> = (0..4).filter_map(|_| pair.victim.open()).collect();
    assert_eq!(numbers_ahead, [1, 5, 9, 13]);
    let _ = pair.victim.write(5, &mut Bytes::from_static(b"begun"));
    // An earlier stream begins with a later one.
    pair.say(&[numbers(0x12, &[1, 0, 1]), vec![0x55]].concat());
    assert!(!pair.victim.is_closed());
    for n in 0..1_000 {
        pair.say(&[numbers(0x12, &[9, 1_000 * n, 1_000]), vec![0x55; 1_000]].concat());
    }
    assert!(pair.victim.is_closed(), "{:?}", pair.victim.held());
    assert!(pair.victim.held().bytes < 16 * 1024, "{:?}", pair.victim.held());
}

#[test]
fn who_asks_for_answers_and_acknowledges_none_fills_no_memory() {
    let mut pair = Pair::new();
    // Less than a timeout apart: each answer is the latest that the victim has sent.
    for n in 0..10_000 {
        for _ in 0..10 {
            pair.say(&[0x07, 1, 2, 3, 4, 5, 6, 7, 8]);
            drain(&mut pair.victim, pair.now);
        }
        pair.pass(Duration::from_millis(5));
        let held = pair.victim.held();
        assert!(held.things <= 66_000, "{n}: {held:?}");
        if pair.victim.is_closed() {
            return;
        }
    }
    panic!("still there after 50 s");
}

#[test]
fn who_moves_all_the_time_and_acknowledges_nothing_is_not_sent_much() {
    let mut pair = Pair::new();
    for number in 0..100 {
        pair.say(&numbers(0x0b, &[4 * number, 1]));
        pair.victim.abandon(4 * number, 1);
    }
    pair.turn();
    let before = pair.victim.stats().sent_packets;
    for n in 0..1_000u16 {
        pair.from = address(3 + n % 2);
        pair.say(&[0x01]);
        let asked = drain(&mut pair.victim, pair.now);
        // Whatever was asked is answered: the keys are there.
        for packet in asked {
            if let Some(challenge) = pair.challenge(&packet) {
                pair.say(&[vec![0x08], challenge.to_vec()].concat());
            }
        }
        drain(&mut pair.victim, pair.now);
        pair.pass(Duration::from_millis(1));
    }
    let sent = pair.victim.stats().sent_packets - before;
    let held = pair.victim.held();
    assert!(held.things < 1_000 && sent < 4_000, "{held:?}, {sent} packets");
}

#[test]
fn bytes_of_the_handshake_at_a_level_that_is_over_are_refused() {
    let mut pair = Pair::halfway();
    // Once more what TLS has had, as after a loss.
    pair.say_at(Level::Initial, &[numbers(0x03, &[0, 4]), vec![1, 0, 0, 0]].concat());
    assert!(!pair.victim.is_closed());
    pair.say_at(Level::Initial, &[numbers(0x03, &[5_000, 4]), vec![1, 0, 0, 0]].concat());
    assert!(pair.victim.is_closed());
}

#[test]
fn a_handshake_of_holes_is_refused() {
    let mut pair = Pair::halfway();
    for packet in drain(&mut pair.victim, pair.now) {
        pair.hostile.handle_datagram(pair.now, address(2), BytesMut::from(&packet[..]));
    }
    for n in 0..100 {
        pair.say_at(Level::Handshake, &[numbers(0x03, &[10_000 + 2 * n, 1]), vec![1]].concat());
    }
    assert!(pair.victim.is_closed(), "100 holes");
}

#[test]
fn holes_are_bounded_in_all_streams_together() {
    let mut pair = Pair::new();
    // As many in each of its streams as the smallest credit allows.
    for stream in 0..20 {
        for packet in 0..82u64 {
            let hole = |n: u64| [numbers(0x12, &[4 * stream, 2 * n, 1]), vec![0x55]].concat();
            pair.say(&(100 * packet..100 * (packet + 1)).flat_map(hole).collect::<Vec<u8>>());
            pair.turn();
        }
    }
    assert!(pair.victim.is_closed(), "{:?}", pair.victim.held());
}

#[test]
fn a_first_packet_that_comes_twice_in_one_batch_begins_one_link() {
    let now = Instant::now();
    let (server, client) = tls();
    let name = ServerName::try_from("server").expect("a name");
    let mut dialler = Connection::dial(now, client, name, address(2), LIMITS).expect("a dialler");
    let first = drain(&mut dialler, now).remove(0);
    let mut endpoint = Endpoint::listener(Identity { tls: server, secret: b"secret".to_vec() }, LIMITS);
    let mut strangers = Vec::new();
    for _ in 0..2 {
        let arrival = endpoint.handle(now, (address(1), None), &first, &mut Vec::new());
        let Some(Arrival::Stranger(stranger)) = arrival else { panic!("no first packet") };
        strangers.push(stranger);
    }
    let made = strangers.into_iter().filter_map(|stranger| endpoint.accept(stranger).ok());
    assert_eq!(made.count(), 1);
}

#[test]
fn a_farewell_leaves_at_every_level_that_still_has_keys() {
    let mut pair = Pair::halfway();
    pair.victim.close(pair.now, 0, "");
    pair.victim.keys.drop_level(Level::Handshake);
    assert_eq!(drain(&mut pair.victim, pair.now).len(), 1);
}
