//! A peer that has the right keys and says what it is told to: it makes the handshake with rustls itself, so that every
//! frame, counter and level is the test's to choose, also those that no connection of ours would send.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use petrel_fuzz::number;
use rustls::pki_types::ServerName;
use rustls::quic::{ClientConnection, ServerConnection, Version};
use rustls::{ClientConfig, ServerConfig, Side};

use crate::frame::{self, Frame, Frames};
use crate::handshake::Handshake;
use crate::keys::LinkKeys;
use crate::packet::{self, Header, Id, Initial, LEVELS, Level, MIN_PATH, Packet, TAG, VERSION};
use crate::parameters::Parameters;
use crate::ranges::Ranges;

/// Changes what is about to be said in the TLS extension.
pub(super) type Change = fn(&mut Rng, Vec<u8>) -> Vec<u8>;

pub(super) struct Peer {
    pub(super) is_dialer: bool,
    own: Id,
    /// Of the victim; first the id that the dialler made up.
    to: Id,
    knows: bool,
    keys: LinkKeys,
    handshake: Handshake,
    pub(super) counter: u64,
    heard: [Ranges; 3],
    /// How many streams the victim has opened.
    pub(super) theirs: u64,
    /// What the victim asked for: challenges, to be answered or not.
    pub(super) challenges: Vec<[u8; 8]>,
}

impl Peer {
    pub(super) fn dialer(tls: Arc<ClientConfig>, rng: &mut Rng, change: Change) -> Self {
        let (own, to) = (Id(rng.u64(..).to_be_bytes()), Id(rng.u64(..).to_be_bytes()));
        let parameters = change(rng, said(own).encode());
        let name = ServerName::try_from("server").expect("a name");
        let tls = ClientConnection::new(tls, Version::V1, name, parameters).expect("a client");
        let mut made = Self::new(true, own, to, to, tls.into());
        made.handshake.advance(&mut made.keys);
        made
    }

    /// Answers a dialler whose first packet this is.
    pub(super) fn listener(tls: Arc<ServerConfig>, packet: &[u8], rng: &mut Rng, change: Change) -> Self {
        let Some(Packet::Sealed(Header { to: first, initial: Some(initial), .. })) = packet::parse(packet) else {
            panic!("no first packet");
        };
        let own = Id(rng.u64(..).to_be_bytes());
        let parameters = change(rng, Parameters { first: Some(first), reset: Some([7; 16]), ..said(own) }.encode());
        let tls = ServerConnection::new(tls, Version::V1, parameters).expect("a server");
        Self::new(false, own, initial.from, first, tls.into())
    }

    fn new(is_dialer: bool, own: Id, to: Id, first: Id, tls: rustls::quic::Connection) -> Self {
        let side = if is_dialer { Side::Client } else { Side::Server };
        Self {
            is_dialer,
            own,
            to,
            knows: !is_dialer,
            keys: LinkKeys::new(first, side),
            handshake: Handshake::new(tls),
            counter: 0,
            heard: Default::default(),
            theirs: 0,
            challenges: Vec::new(),
        }
    }

    /// Takes a packet of the victim. False: it was not sealed with the keys that it should be.
    pub(super) fn hear(&mut self, now: Instant, bytes: &[u8]) -> bool {
        let Some(Packet::Sealed(header)) = packet::parse(bytes) else { return false };
        let mut bytes = bytes.to_vec();
        let Ok(len) = self.keys.open(now, &header, &mut bytes, Duration::from_secs(1)) else { return false };
        if let Some(Initial { from, .. }) = header.initial.as_ref().filter(|_| !self.knows) {
            (self.to, self.knows) = (*from, true);
        }
        self.heard[header.level as usize].insert(header.counter..header.counter + 1);
        bytes.truncate(header.len + len);
        for frame in Frames::new(Bytes::from(bytes.split_off(header.len))) {
            match frame.expect("a victim writes no malformed frames") {
                Frame::Crypto { offset, data } if self.handshake.receive(header.level, offset, &data).is_ok() => {
                    self.handshake.advance(&mut self.keys);
                }
                Frame::Challenge(data) => self.challenges.push(data),
                Frame::Segment { stream, .. } if (stream & 1 == 1) == self.is_dialer => {
                    self.theirs = self.theirs.max(stream / 4 + 1);
                }
                _ => {}
            }
        }
        true
    }

    pub(super) fn has(&self, level: Level) -> bool {
        self.keys.has(level)
    }

    /// The next bytes of the handshake at the lowest level that has some, as one honest frame.
    pub(super) fn handshake(&mut self, most: u64) -> Option<(Level, Vec<u8>)> {
        let level = LEVELS.into_iter().find(|level| self.handshake.out(*level).has_more())?;
        let out = self.handshake.out(level);
        let range = out.take(most)?.range;
        let (mut bytes, mut frame) = (Vec::new(), Vec::new());
        out.copy(&range, &mut bytes);
        frame::put_crypto(range.start, &bytes, &mut frame);
        Some((level, frame))
    }

    /// Acknowledges what was heard, or some of it.
    pub(super) fn acknowledge(&self, rng: &mut Rng, level: Level, out: &mut Vec<u8>) {
        let mut told = self.heard[level as usize].clone();
        let newest = told.descending().next().map_or(0, |range| range.end);
        for _ in 0..rng.u8(..4) {
            let start = rng.u64(..=newest);
            told.remove(start..start + 1 + (rng.u64(..16) >> rng.u8(..4)));
        }
        frame::put_ack(&told, number(rng) >> rng.u8(..62), 1_000, out);
    }

    /// One packet with these frames. None: there are no keys, or the counter is none that there is.
    pub(super) fn seal(&mut self, level: Level, frames: &[u8]) -> Option<Vec<u8>> {
        if !self.keys.has(level) || self.counter >= (1 << 62) - 1 {
            return None;
        }
        let phase = level == Level::Data && self.keys.phase();
        let initial = (level == Level::Initial).then_some(Initial { version: VERSION, from: self.own, token: 0..0 });
        let mut header = Header { level, phase, to: self.to, counter: self.counter, initial, len: 0 };
        let mut packet = Vec::new();
        packet::put_header(&header, &[], &mut packet);
        header.len = packet.len();
        packet.extend_from_slice(frames);
        if level == Level::Initial && self.is_dialer {
            packet.resize(packet.len().max(MIN_PATH - TAG), 0);
        }
        self.counter += 1;
        self.keys.seal(&header, 0, &mut packet).then_some(packet)
    }
}

fn said(own: Id) -> Parameters {
    Parameters { id: own, first: None, retry: None, reset: None, streams: 64, idle_ms: 30_000 }
}
