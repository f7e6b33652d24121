//! One stream as both threads see it: what was received and not read, what was written and not sent, and credit.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use petrel_streams::{Budget, INITIAL_CREDIT, Reassembly, ReceiveCredit, SendCredit};

use crate::coalescing::PAUSE;

/// Bytes that wait here to be handed to the engine; more than this is backpressure for the writer.
pub(crate) const SEND_QUEUE_BYTES: usize = 256 * 1024;

/// Of all streams of a link together: 288 MiB of smallest packets, lost at random, have 63,000 holes at most. Each costs
/// some 40 bytes that no credit counts.
const MAX_HOLES: usize = 64 * 1024;

/// What each stream may have under way however full others keep the connection: a path that has become slow would let a
/// heartbeat wait for megabytes of a transfer until the link is given up.
const OWN_BYTES: u64 = 16 * 1024;

/// Who reads so much within `PATIENCE` reads in bulk: 16 Mbit/s, no keystrokes and no answers to them.
const BULK_BYTES: usize = 8 * 1024;
/// What a reader in bulk may be told late, so that he reads much at once: a part of the path's round trip, no more than
/// this, and not what the system's timeouts cannot tell apart. At 100 Mbit/s and 50 ms Node wakes 300 times a second and
/// not 900, and both processes together cost a sixth less.
const PATIENCE: Duration = Duration::from_millis(4);
const PATIENCE_PART: u32 = 16;
/// Then no longer: what Node reads at once.
const FULL_BYTES: u64 = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fin {
    No,
    Asked,
    Sent,
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) received: Reassembly,
    pub(crate) receive_credit: ReceiveCredit,
    /// FIN came and so did every byte before it.
    pub(crate) complete: bool,
    pub(crate) out: VecDeque<Bytes>,
    pub(crate) out_bytes: usize,
    pub(crate) fin: Fin,
    pub(crate) send_credit: SendCredit,
    /// In the link's queue of streams that have something to send.
    pub(crate) is_ready: bool,
    /// The reader found nothing and waits for an event.
    pub(crate) wants_read: bool,
    /// Since `judged`, bytes.
    read_bytes: usize,
    judged: Option<Instant>,
    is_bulk: bool,
    /// The reader is being told late.
    pub(crate) waits: bool,
    /// The writer found no room and waits for an event.
    pub(crate) wants_write: bool,
    /// Both directions ended before their time.
    pub(crate) reset: Option<u64>,
    /// The caller will not ask for it again.
    pub(crate) released: bool,
    /// Kept only to learn what the peer has taken.
    pub(crate) lingers: bool,
}

impl Stream {
    /// limit: what the peer announced before we knew the stream, if it did. unlimited: the peer has no credit.
    pub(crate) fn new(budget: &mut Budget, unlimited: bool, limit: Option<u64>) -> Self {
        let mut send_credit = SendCredit::new(unlimited);
        send_credit.heard(0, limit.unwrap_or(INITIAL_CREDIT));
        Self {
            received: Reassembly::default(),
            receive_credit: ReceiveCredit::new(budget),
            complete: false,
            out: VecDeque::new(),
            out_bytes: 0,
            fin: Fin::No,
            send_credit,
            is_ready: false,
            wants_read: true,
            read_bytes: 0,
            judged: None,
            is_bulk: false,
            waits: false,
            wants_write: false,
            reset: None,
            released: false,
            lingers: false,
        }
    }

    /// The reader took so many bytes; 0: he found nothing.
    pub(crate) fn took(&mut self, bytes: usize, now: Instant) {
        self.waits = false;
        self.read_bytes += bytes;
        let is_over = self.judged.is_none_or(|at| now.saturating_duration_since(at) >= PATIENCE);
        if bytes == 0 && (is_over || self.read_bytes >= BULK_BYTES) {
            self.is_bulk = std::mem::take(&mut self.read_bytes) >= BULK_BYTES;
            self.judged = Some(now);
        }
    }

    /// How much later than now the reader may hear that there is something.
    pub(crate) fn patience(&self, min_rtt: Duration) -> Duration {
        let most = (min_rtt / PATIENCE_PART).min(PATIENCE);
        if self.is_bulk && most >= PAUSE { most } else { Duration::ZERO }
    }

    /// There is no reason for the reader to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.complete || self.received.available() >= FULL_BYTES
    }

    /// One piece from the peer, below `limit`. holes: of the whole link. False: the peer sent more than it may.
    pub(crate) fn insert(&mut self, offset: u64, piece: &[u8], limit: u64, holes: &mut usize) -> bool {
        let before = self.received.islands();
        let is_within = self.received.insert(offset, piece, limit).is_ok();
        let after = self.received.islands();
        *holes = *holes - before + after;
        is_within && (after <= before || *holes <= MAX_HOLES)
    }

    /// Ends both directions; frees what they hold. holes: of the whole link. False: it was over already.
    pub(crate) fn kill(&mut self, code: u64, budget: &mut Budget, holes: &mut usize) -> bool {
        if self.reset.is_some() || (self.complete && self.fin == Fin::Sent) {
            return false;
        }
        self.reset = Some(code);
        *holes -= self.received.islands();
        self.received.clear();
        self.receive_credit.end(budget);
        self.out = VecDeque::new();
        self.out_bytes = 0;
        true
    }

    /// Bytes that go whatever others have under way. What counts is what the peer's application has not taken.
    pub(crate) fn own(&self) -> usize {
        OWN_BYTES.saturating_sub(self.send_credit.unacknowledged()) as usize
    }

    /// Nothing more will be sent or received.
    pub(crate) fn is_over(&self) -> bool {
        self.reset.is_some() || (self.complete && self.fin == Fin::Sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::POOL;

    #[test]
    fn holes_of_all_streams_together_are_bounded_and_those_of_a_stream_that_ends_are_free_again() {
        let mut budget = Budget::new(1 << 26, 1 << 24, &POOL);
        let mut holes = 0;
        let mut streams: Vec<Stream> = (0..5).map(|_| Stream::new(&mut budget, false, None)).collect();
        let each = MAX_HOLES as u64 / 4;
        let limit = 4 * each;
        for hole in 1..=each {
            let taken = streams[..4].iter_mut().all(|s| s.insert(2 * hole, b"x", limit, &mut holes));
            assert!(taken, "hole {hole}");
        }
        assert_eq!(holes, MAX_HOLES);
        assert!(!streams[4].insert(2, b"x", limit, &mut holes), "one more than all");
        assert!(streams[0].insert(1, b"x", limit, &mut holes), "what fills a hole is welcome");
        streams[1].kill(0, &mut budget, &mut holes);
        assert!(holes < MAX_HOLES - MAX_HOLES / 4 + 2, "{holes}");
        assert!(streams[4].insert(4, b"x", limit, &mut holes));
    }

    #[test]
    fn only_who_reads_much_on_a_long_path_waits() {
        let mut budget = Budget::new(1 << 26, 1 << 24, &POOL);
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut waits = |reads: &[(u64, usize)], rtt: u64| {
            let mut stream = Stream::new(&mut budget, false, None);
            for (at, bytes) in reads {
                stream.took(*bytes, start + ms(*at));
            }
            stream.patience(ms(rtt))
        };
        let bulk = [(0, 0), (1, 3_000), (1, 0), (1, 0), (2, 3_000), (2, 0), (3, 3_000), (3, 0)];
        assert_eq!(waits(&bulk, 48), ms(3));
        assert_eq!(waits(&bulk, 600), PATIENCE);
        assert_eq!(waits(&bulk, 15), Duration::ZERO, "a short path");
        assert_eq!(waits(&bulk[..6], 48), Duration::ZERO, "not yet");
        assert_eq!(waits(&[&bulk[..], &[(3, 0), (4, 100), (4, 0)]].concat(), 48), ms(3), "he asks again");
        assert_eq!(waits(&[&bulk[..], &[(20, 100), (20, 0)]].concat(), 48), Duration::ZERO, "little by now");
        assert_eq!(waits(&[(0, 0), (20, 100), (20, 0), (40, 100), (40, 0)], 48), Duration::ZERO, "keystrokes");
    }
}
