//! Packet keys of one link: one set for each level, and at level Data a chain of them (RFC 9001 §6). The next keys are
//! computed ahead, so that a forged key phase costs no more than any other forgery.

use std::time::{Duration, Instant};

use rustls::Side;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{KeyChange, Keys, PacketKey, PacketKeySet, Secrets, Version};

use crate::packet::{Header, Id, Level, TAG};

/// Packets sealed with one key before the next takes over, far below any AEAD's limit (RFC 9001 §6.6).
const UPDATE_AFTER: u64 = 1 << 22;

pub(crate) struct LinkKeys {
    initial: Option<PacketKeySet>,
    handshake: Option<PacketKeySet>,
    data: Option<DataKeys>,
    /// Forgeries seen, of all keys.
    rejected: u64,
    pub(crate) update_after: u64,
}

struct DataKeys {
    current: PacketKeySet,
    next: PacketKeySet,
    /// Kept until some time after the first packet of the current phase came: before that the peer may not know of it.
    previous: Option<(Box<dyn PacketKey>, Option<Instant>)>,
    secrets: Secrets,
    phase: bool,
    /// Of the current phase: the lowest counter that came, and the first of ours.
    lowest_received: u64,
    first_sent: Option<u64>,
    sealed: u64,
    is_confirmed: bool,
}

/// A packet that does not open; Limit: there were so many that the link must end (RFC 9001 §6.6).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    Forged,
    Limit,
}

impl LinkKeys {
    /// first: the id to which the dialler's first packet went; it is no secret (RFC 9001 §5.2).
    pub(crate) fn new(first: Id, side: Side) -> Self {
        Self { initial: initial(first, side), handshake: None, data: None, rejected: 0, update_after: UPDATE_AFTER }
    }

    pub(crate) fn renew_initial(&mut self, first: Id, side: Side) {
        self.initial = initial(first, side);
    }

    pub(crate) fn has(&self, level: Level) -> bool {
        match level {
            Level::Initial => self.initial.is_some(),
            Level::Handshake => self.handshake.is_some(),
            Level::Data => self.data.is_some(),
        }
    }

    pub(crate) fn drop_level(&mut self, level: Level) {
        match level {
            Level::Initial => self.initial = None,
            Level::Handshake => self.handshake = None,
            Level::Data => self.data = None,
        }
    }

    pub(crate) fn upgrade(&mut self, change: KeyChange) {
        match change {
            KeyChange::Handshake { keys } => self.handshake = Some(packet_keys(keys)),
            KeyChange::OneRtt { keys, mut next } => {
                self.data = Some(DataKeys {
                    current: packet_keys(keys),
                    next: next.next_packet_keys(),
                    previous: None,
                    secrets: next,
                    phase: false,
                    lowest_received: u64::MAX,
                    first_sent: None,
                    sealed: 0,
                    is_confirmed: false,
                });
            }
        }
    }

    /// The phase of the next packet at level Data; turns to the next keys when it is time.
    pub(crate) fn phase(&mut self) -> bool {
        let Some(data) = &mut self.data else { return false };
        if data.sealed >= self.update_after && data.is_confirmed {
            data.turn();
        }
        data.phase
    }

    /// Seals `packet[start..]`, a whole packet without its tag, and appends the tag. False: no keys.
    pub(crate) fn seal(&mut self, header: &Header, start: usize, packet: &mut Vec<u8>) -> bool {
        let key = match header.level {
            Level::Initial => self.initial.as_ref().map(|keys| &keys.local),
            Level::Handshake => self.handshake.as_ref().map(|keys| &keys.local),
            Level::Data => self.data.as_mut().map(|data| {
                data.sealed += 1;
                data.first_sent.get_or_insert(header.counter);
                &data.current.local
            }),
        };
        let Some(key) = key else { return false };
        let (head, body) = packet[start..].split_at_mut(header.len);
        let Ok(tag) = key.encrypt_in_place(header.counter, head, body) else { return false };
        packet.extend_from_slice(tag.as_ref());
        true
    }

    /// Opens a packet in place; returns how long its frames are, from header.len on. keep: how long the keys before an
    /// update stay, for packets that were overtaken by it.
    pub(crate) fn open(
        &mut self,
        now: Instant,
        header: &Header,
        packet: &mut [u8],
        keep: Duration,
    ) -> Result<usize, Rejected> {
        let (head, body) = packet.split_at_mut(header.len);
        let opened = match header.level {
            Level::Initial => open_with(self.initial.as_ref().map(|keys| &*keys.remote), header, head, body),
            Level::Handshake => open_with(self.handshake.as_ref().map(|keys| &*keys.remote), header, head, body),
            Level::Data => self.data.as_mut().and_then(|data| data.open(now, header, head, body, keep)),
        };
        if opened.is_none() {
            self.rejected += 1;
            let limit = self.data.as_ref().map_or(u64::MAX, |data| data.current.remote.integrity_limit());
            return Err(if self.rejected > limit { Rejected::Limit } else { Rejected::Forged });
        }
        opened.ok_or(Rejected::Forged)
    }

    /// The peer acknowledged this packet of ours: if it was sealed with the current keys, the peer has them.
    pub(crate) fn acknowledged(&mut self, counter: u64) {
        if let Some(data) = &mut self.data {
            data.is_confirmed |= data.first_sent.is_some_and(|first| counter >= first);
        }
    }
}

impl DataKeys {
    fn open(&mut self, now: Instant, header: &Header, head: &[u8], body: &mut [u8], keep: Duration) -> Option<usize> {
        if header.phase == self.phase {
            let len = open_with(Some(&*self.current.remote), header, head, body)?;
            self.came(header.counter, now + keep);
            return Some(len);
        }
        self.previous.take_if(|(_, until)| until.is_some_and(|until| until <= now));
        match &self.previous {
            Some((key, _)) if header.counter < self.lowest_received => open_with(Some(&**key), header, head, body),
            _ => {
                let len = open_with(Some(&*self.next.remote), header, head, body)?;
                self.turn();
                self.came(header.counter, now + keep);
                Some(len)
            }
        }
    }

    /// A packet of the current phase came.
    fn came(&mut self, counter: u64, keep_until: Instant) {
        self.lowest_received = self.lowest_received.min(counter);
        if let Some((_, until @ None)) = &mut self.previous {
            *until = Some(keep_until);
        }
    }

    fn turn(&mut self) {
        let next = self.secrets.next_packet_keys();
        let old = std::mem::replace(&mut self.current, std::mem::replace(&mut self.next, next));
        self.previous = Some((old.remote, None));
        self.phase = !self.phase;
        self.lowest_received = u64::MAX;
        self.first_sent = None;
        self.sealed = 0;
        self.is_confirmed = false;
    }
}

fn open_with(key: Option<&dyn PacketKey>, header: &Header, head: &[u8], body: &mut [u8]) -> Option<usize> {
    if body.len() < TAG {
        return None;
    }
    key?.decrypt_in_place(header.counter, head, body).ok().map(|frames| frames.len())
}

fn packet_keys(keys: Keys) -> PacketKeySet {
    PacketKeySet { local: keys.local.packet, remote: keys.remote.packet }
}

fn initial(first: Id, side: Side) -> Option<PacketKeySet> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13()?.quic_suite()?;
    Some(packet_keys(suite.keys(&first.0, side, Version::V1)))
}
