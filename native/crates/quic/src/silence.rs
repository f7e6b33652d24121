//! What nothing was heard of, and when to ask for it; and who is heard, and may not answer for a full window. The engine's
//! own wait between two probes has no end: noq-proto 1.4.0 caps the sum of the waits of a row and counts that sum from the
//! last probe, so each is a second longer than the one before. Shared by the connection, which has the clock, and its
//! congestion controller, which sees every packet.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A peer that is heard, and acknowledges none of our probes, may be where large packets do not come through: the engine's
/// own are small, and leave when ours have stopped.
const HEARD_PROBES: u32 = 3;

/// Who may not send because of the window still acknowledges, once in so many packets and after so long (the engine's own
/// max_ack_delay, RFC 9000 §18.2): the engine holds acknowledgements back where streams wait for the window, and two ends
/// that both do would wait for each other. The engine's acknowledgements have 64 ranges: at a loss of a third these are of
/// 128 packets that came.
const ANSWER_PACKETS: u32 = 64;
const ANSWER_AFTER: Duration = Duration::from_millis(25);

/// One for a connection and all the addresses that its peer has had.
pub(crate) type Shared = Arc<Mutex<Silence>>;

#[derive(Debug, Default)]
pub(crate) struct Silence {
    /// Bytes that may still be acknowledged, or a little more: the engine tells with each acknowledgement.
    in_flight: u64,
    last_sent: Option<Instant>,
    /// There was a probe since the last acknowledgement.
    has_probed: bool,
    /// Probes until the next acknowledgement. None: as many as it takes.
    left: Option<u32>,
    /// Packets heard since one left that asks for an acknowledgement.
    unanswered: u32,
    /// The next packet may leave whatever the window says (RFC 9002 §7.5).
    probing: bool,
}

impl Silence {
    pub(crate) fn sent(&mut self, now: Instant, bytes: u64) {
        self.in_flight += bytes;
        self.last_sent = Some(now);
        self.unanswered = 0;
        self.probing = false;
    }

    pub(crate) fn acknowledged(&mut self, in_flight: u64) {
        self.in_flight = in_flight;
        self.has_probed = false;
        self.left = None;
        self.probing = self.unanswered >= ANSWER_PACKETS;
    }

    pub(crate) fn lost(&mut self, bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }

    /// The peer was heard; whether it acknowledged something is told afterwards. The first packet after silence may be
    /// answered at once.
    pub(crate) fn heard(&mut self) {
        self.unanswered = self.unanswered.saturating_add(1);
        if self.has_probed && self.left.is_none() {
            self.left = Some(HEARD_PROBES);
            self.probing = true;
        }
        self.probing |= self.unanswered >= ANSWER_PACKETS;
    }

    /// When what was heard is to be answered whatever the window says, unless something leaves before.
    pub(crate) fn answer_at(&self) -> Option<Instant> {
        self.last_sent.filter(|_| self.unanswered > 0 && !self.probing).map(|at| at + ANSWER_AFTER)
    }

    pub(crate) fn answer(&mut self, now: Instant) {
        self.probing |= self.answer_at().is_some_and(|at| at <= now);
    }

    /// When to probe next, if nothing else leaves before.
    pub(crate) fn probe_at(&self, interval: Duration) -> Option<Instant> {
        let is_waiting = self.in_flight > 0 && self.left != Some(0);
        self.last_sent.filter(|_| is_waiting).map(|at| at + interval)
    }

    pub(crate) fn probe(&mut self, now: Instant) {
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.probing = true;
        self.has_probed = true;
        // One in each interval, also if it cannot leave.
        self.last_sent = Some(now);
    }

    /// What a probe needs of the window, bytes; packet: the largest.
    pub(crate) fn window(&self, packet: u64) -> Option<u64> {
        self.probing.then(|| self.in_flight + packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(300);

    /// When, in ms, probes leave for one packet that left at 0 and is never acknowledged.
    fn probes(heard_at: &[u64]) -> Vec<u64> {
        let start = Instant::now();
        let mut silence = Silence::default();
        silence.sent(start, 1_000);
        let mut seen = Vec::new();
        for ms in 0..2_000 {
            let now = start + Duration::from_millis(ms);
            if heard_at.contains(&ms) {
                silence.heard();
            }
            if silence.probe_at(INTERVAL).is_some_and(|at| at <= now) {
                silence.probe(now);
                assert_eq!(silence.window(1_200), Some(1_000 * (1 + seen.len() as u64) + 1_200));
                silence.sent(now, 1_000);
                assert_eq!(silence.window(1_200), None, "for one packet");
                seen.push(ms);
            }
        }
        seen
    }

    #[test]
    fn a_silent_path_is_asked_in_each_interval() {
        assert_eq!(probes(&[]), [300, 600, 900, 1_200, 1_500, 1_800]);
    }

    #[test]
    fn a_peer_that_speaks_and_acknowledges_nothing_is_left_to_the_engine() {
        assert_eq!(probes(&[700, 1_300]), [300, 600, 900, 1_200, 1_500]);
        assert_eq!(probes(&[100])[3..], [1_200, 1_500, 1_800], "what came before the silence says nothing");
    }

    #[test]
    fn the_first_packet_after_silence_is_answered_past_the_window() {
        let now = Instant::now();
        let mut silence = Silence::default();
        silence.sent(now, 1_000);
        silence.heard();
        assert_eq!(silence.window(1_200), None);
        silence.probe(now);
        silence.sent(now, 1_000);
        silence.heard();
        assert_eq!(silence.window(1_200), Some(3_200));
        silence.sent(now, 1_000);
        silence.heard();
        assert_eq!(silence.window(1_200), None);
    }

    #[test]
    fn a_full_window_holds_no_acknowledgement_back() {
        let now = Instant::now();
        let mut silence = Silence::default();
        silence.sent(now, 1_000);
        silence.answer(now + ANSWER_AFTER);
        assert_eq!(silence.window(1_200), None, "nothing to acknowledge");
        silence.heard();
        silence.answer(now + ANSWER_AFTER - Duration::from_millis(1));
        assert_eq!(silence.window(1_200), None, "not yet");
        silence.answer(now + ANSWER_AFTER);
        assert_eq!(silence.window(1_200), Some(2_200));
        silence.sent(now, 1_000);
        (1..ANSWER_PACKETS).for_each(|_| silence.heard());
        assert_eq!(silence.window(1_200), None, "one in so many packets");
        silence.heard();
        assert_eq!(silence.window(1_200), Some(3_200));
    }

    #[test]
    fn nothing_is_asked_when_nothing_is_in_flight() {
        let start = Instant::now();
        let mut silence = Silence::default();
        assert_eq!(silence.probe_at(INTERVAL), None);
        silence.sent(start, 1_000);
        silence.sent(start, 500);
        silence.heard();
        silence.acknowledged(500);
        assert_eq!(silence.probe_at(INTERVAL), Some(start + INTERVAL));
        silence.lost(500);
        assert_eq!(silence.probe_at(INTERVAL), None);
    }
}
