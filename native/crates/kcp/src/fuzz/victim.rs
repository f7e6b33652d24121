//! A connection of ours and an application on it that does what the driver does, and the checks that hold whatever the
//! peer says: time and packets come to rest, little is held, there is one end, and silence ends it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use petrel_link::{Connection as _, Reading, Signal};
use petrel_streams::message::Entry;
use petrel_streams::{INITIAL_CREDIT, Reassembly};

use crate::connection::Connection;

/// Packets that may leave at one moment, and timeouts that may be due then.
const MOST_AT_ONCE: usize = 4_096;
const MOST_TIMEOUTS: usize = 8;

/// How a stream ends whose peer does not keep to its credit (errors.ts).
const BEYOND_CREDIT: u64 = 7;

pub(super) struct Victim {
    pub(super) link: Connection,
    pub(super) now: Instant,
    streams: HashMap<u64, Reassembly>,
    pub(super) is_connected: bool,
    ends: usize,
    /// Bytes from and to each address, until the peer has proved that it is there.
    came: HashMap<SocketAddr, usize>,
    left: HashMap<SocketAddr, usize>,
}

impl Victim {
    pub(super) fn new(link: Connection, now: Instant) -> Self {
        let (came, left) = Default::default();
        Self { link, now, streams: HashMap::new(), is_connected: false, ends: 0, came, left }
    }

    pub(super) fn take(&mut self, rng: &mut Rng, from: SocketAddr, packet: &[u8]) {
        self.count(from, packet.len());
        self.link.handle_datagram(self.now, from, BytesMut::from(packet));
        self.signals(rng);
    }

    /// A packet that the link has had already.
    pub(super) fn count(&mut self, from: SocketAddr, bytes: usize) {
        *self.came.entry(from).or_default() += bytes;
    }

    /// All that leaves now.
    pub(super) fn packets(&mut self, rng: &mut Rng) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let segments = NonZeroUsize::new(rng.usize(1..20)).expect("not zero");
        loop {
            let mut buffer = Vec::new();
            let Some(transmit) = self.link.poll_transmit(self.now, segments, &mut buffer) else { break };
            assert_eq!(transmit.size, buffer.len());
            assert!(!buffer.is_empty(), "a packet of nothing");
            *self.left.entry(transmit.destination).or_default() += buffer.len();
            let size = transmit.segment_size.unwrap_or(transmit.size);
            packets.extend(buffer.chunks(size).map(<[u8]>::to_vec));
            assert!(packets.len() < MOST_AT_ONCE, "no end of packets");
        }
        self.signals(rng);
        self.check();
        packets
    }

    /// Lets so much time go by, with what is due then.
    pub(super) fn wait(&mut self, rng: &mut Rng, time: Duration) {
        let until = self.now + time;
        let mut at_once = 0;
        while let Some(at) = self.link.poll_timeout().filter(|at| *at <= until) {
            at_once = if at > self.now { 0 } else { at_once + 1 };
            assert!(at_once < MOST_TIMEOUTS, "a timeout that is never over");
            self.now = self.now.max(at);
            self.link.handle_timeout(self.now);
            self.signals(rng);
            self.packets(rng);
        }
        self.now = until;
    }

    /// Nothing comes any more: the link is over, and soon.
    pub(super) fn end(mut self, rng: &mut Rng, idle: Duration) {
        self.wait(rng, idle + Duration::from_secs(10));
        assert!(self.link.is_drained(), "silence does not end it: {:?}", self.link.life);
        assert_eq!(self.link.poll_timeout(), None);
        assert!(self.ends <= 1, "it ended {} times", self.ends);
    }

    fn check(&self) {
        let link = &self.link;
        assert!(link.items.len() <= 3 * 8_192, "{} items", link.items.len());
        assert!(link.responses.len() <= 8);
        assert!(link.datagrams_in_bytes <= 1 << 20);
        assert!(link.datagrams_out_bytes <= 64 * 1024 + 1);
        assert!(link.limits.len() <= 3 * 64);
        assert!(link.buffered <= 64 << 20, "{} bytes to be sent", link.buffered);
        assert!(link.sent.in_flight() <= 64 << 20);
        // A dialler chose its listener; a connected listener has its dialler's proof, and so has one whose answer came back.
        if !link.is_dialer {
            let has_proof = self.is_connected || link.path.room() == u64::MAX;
            let unproved = |to: &SocketAddr| *to != link.path.remote() || !has_proof;
            for (to, left) in self.left.iter().filter(|(to, _)| unproved(to)) {
                let came = self.came.get(to).copied().unwrap_or(0);
                assert!(*left <= 3 * came || self.is_connected, "{left} bytes to {to}, from where {came} came");
            }
        }
    }

    // ---- the application ----

    fn signals(&mut self, rng: &mut Rng) {
        while let Some(signal) = self.link.poll() {
            match signal {
                Signal::Connected => {
                    self.is_connected = true;
                    for _ in 0..rng.u8(..3) {
                        self.open(rng);
                    }
                }
                Signal::Lost(_) => self.ends += 1,
                Signal::Opened(stream) => {
                    self.streams.insert(stream, Reassembly::default());
                    self.write(rng, stream);
                }
                Signal::Readable(stream) => self.read(rng, stream),
                Signal::Writable(stream) => self.write(rng, stream),
                Signal::Stopped(stream, code) => self.link.abandon(stream, code),
                Signal::MayOpen => self.open(rng),
                Signal::Datagrams => {
                    // The driver takes them; a slow one leaves some.
                    while rng.u8(..) > 0 && self.link.receive_datagram().is_some() {}
                }
                Signal::Limit(_) => {}
            }
        }
        if self.is_connected && rng.u8(..8) == 0 {
            let most = self.link.max_datagram().unwrap_or(0);
            let _ = self.link.send_datagram(Bytes::from(vec![1; rng.usize(..=most + 1)]));
        }
    }

    fn open(&mut self, rng: &mut Rng) {
        if let Some(stream) = self.link.open() {
            self.streams.insert(stream, Reassembly::default());
            self.write(rng, stream);
        }
    }

    fn write(&mut self, rng: &mut Rng, stream: u64) {
        let mut data = Bytes::from(vec![2; rng.usize(..20_000) >> rng.u8(..12)]);
        let _ = self.link.write(stream, &mut data);
        match rng.u8(..8) {
            0 => self.link.abandon(stream, 3),
            1 | 2 => self.link.finish(stream),
            _ => {}
        }
    }

    fn read(&mut self, rng: &mut Rng, stream: u64) {
        let Some(received) = self.streams.get_mut(&stream) else { return };
        let mut fault = false;
        let limit = received.taken() + INITIAL_CREDIT;
        let reading = self.link.read(stream, &mut |offset, bytes| {
            fault |= received.insert(offset, bytes, limit).is_err();
        });
        let mut room = vec![0; rng.usize(..2 * INITIAL_CREDIT as usize)];
        received.read(&mut room);
        let taken = received.taken();
        if reading == Reading::Finished && !fault {
            assert_eq!(received.unread(), received.available(), "an end with holes before it");
        }
        if fault {
            self.link.abandon(stream, BEYOND_CREDIT);
        } else if taken > 0 && reading == Reading::Open {
            self.link.announce(&[Entry { stream, taken, limit: taken + INITIAL_CREDIT }], true);
        }
        if reading != Reading::Open {
            self.streams.remove(&stream);
        }
    }
}
