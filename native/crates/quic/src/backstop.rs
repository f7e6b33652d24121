//! How limits reach a QUIC peer: entries in datagrams, and surely on one unidirectional stream each way. PROTOCOL.md,
//! "Where entries travel".

use noq_proto::{Connection, Dir, StreamId, VarInt};
use petrel_streams::message::{self, Entry, MAX_ENTRY_BYTES};

/// First byte of every datagram of ours.
pub(crate) const DATAGRAM_PAYLOAD: u8 = 0;
pub(crate) const DATAGRAM_LIMITS: u8 = 1;

/// A peer that reads nothing gets no more.
const MAX_WAITING: usize = 64 * 1024;
/// Number of StreamReset in errors.ts.
const RESET_PROTOCOL: u32 = 2;

/// The streams that carry limits for sure, ours and the peer's.
#[derive(Default)]
pub(crate) struct Backstop {
    own: Option<StreamId>,
    /// What `own` has not taken yet.
    out: Vec<u8>,
    peers: Option<StreamId>,
    /// The beginning of an entry.
    rest: Vec<u8>,
}

impl Backstop {
    pub(crate) fn has_room(&self) -> bool {
        self.out.len() < MAX_WAITING
    }

    pub(crate) fn queue(&mut self, entries: &[Entry]) {
        for entry in entries {
            message::encode(*entry, &mut self.out);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    pub(crate) fn flush(&mut self, noq: &mut Connection) {
        if self.own.is_none() {
            self.own = noq.streams().open(Dir::Uni);
        }
        if let Some(id) = self.own
            && let Ok(n) = noq.send_stream(id).write(&self.out)
        {
            self.out.drain(..n);
        }
    }

    pub(crate) fn accept(&mut self, noq: &mut Connection, id: StreamId, take: impl FnMut(Entry)) {
        if *self.peers.get_or_insert(id) == id {
            self.hear(noq, id, take);
        } else {
            // A peer has one. What came on another would wait in the engine, unread and beyond any credit.
            let _ = noq.recv_stream(id).stop(VarInt::from_u32(RESET_PROTOCOL));
        }
    }

    pub(crate) fn hear(&mut self, noq: &mut Connection, id: StreamId, mut take: impl FnMut(Entry)) {
        if self.peers == Some(id)
            && let Ok(mut chunks) = noq.recv_stream(id).read(true)
        {
            while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
                self.rest.extend_from_slice(&chunk.bytes);
                let whole = decode(&self.rest, &mut take);
                self.rest.drain(..whole);
            }
            let _ = chunks.finalize();
        }
    }
}

/// Hands over entries of bidirectional streams; returns how many bytes were whole entries.
pub(crate) fn decode(bytes: &[u8], mut take: impl FnMut(Entry)) -> usize {
    let mut at = 0;
    while let Some((entry, n)) = message::decode(&bytes[at..]) {
        at += n;
        if VarInt::from_u64(entry.stream).is_ok_and(|value| StreamId::from(value).dir() == Dir::Bi) {
            take(entry);
        }
    }
    at
}

/// Whole entries, as many datagrams as it takes. What does not fit the engine's queue is lost.
pub(crate) fn send_datagrams(noq: &mut Connection, entries: &[Entry]) {
    let Some(room) = noq.datagrams().max_size().filter(|n| *n > 1 + MAX_ENTRY_BYTES) else { return };
    let mut datagram = Vec::new();
    for entry in entries {
        if datagram.len() + MAX_ENTRY_BYTES > room {
            let whole = std::mem::take(&mut datagram);
            if noq.datagrams().send(whole.into(), false).is_err() {
                return;
            }
        }
        if datagram.is_empty() {
            datagram.push(DATAGRAM_LIMITS);
        }
        message::encode(*entry, &mut datagram);
    }
    if !datagram.is_empty() {
        // Lost limits are told again.
        let _ = noq.datagrams().send(datagram.into(), false);
    }
}
