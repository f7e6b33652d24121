//! Receive coalescing, as network cards do it. On a fast path packets come one by one, a tenth of a millisecond apart,
//! and waking for each, here and in whoever reads the streams, costs several times what the packet itself does. So once
//! the socket of a busy port is empty, it is left alone for a millisecond. Never while there is a short path, whose round
//! trip it would lengthen, nor where the socket's buffer could fill meanwhile.

use std::time::{Duration, Instant};

/// What the system's timeouts can tell apart. With three milliseconds KCP moved a fifth less at 200 ms and 5 % loss.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);
/// Round trips that a pause would lengthen noticeably.
const SHORT: Duration = Duration::from_millis(16);
/// Busy is judged by spans of this length: at least two packets a millisecond.
const SPAN: Duration = Duration::from_millis(10);
const BUSY_PACKETS: usize = 20;
/// A path counts for so long after its last packet.
const KNOWN_SPANS: usize = 100;
/// Of the socket's buffer, what may arrive in a pause: the system wakes us late, and needs room for bursts.
const BUFFER_PART: usize = 16;
/// Linux takes so much of the buffer for a packet besides its bytes.
const PACKET_COST: usize = 800;

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    /// Of links.
    packets: usize,
    /// Of anybody, as the system counts them.
    bytes: usize,
}

/// What comes to one port.
#[derive(Debug, Default)]
pub(crate) struct Coalescing {
    since: Option<Instant>,
    current: Span,
    last: Span,
    /// The shortest path that was seen, and how many spans ago.
    shortest: Option<(Duration, usize)>,
}

impl Coalescing {
    /// Anybody's packet.
    pub(crate) fn arrived(&mut self, bytes: usize) {
        self.current.bytes += bytes + PACKET_COST;
    }

    /// A link's packet. rtt: the least of its path, zero while that is unknown.
    pub(crate) fn path(&mut self, rtt: Duration) {
        self.current.packets += 1;
        if self.shortest.is_none_or(|(least, _)| rtt <= least) {
            self.shortest = Some((rtt, 0));
        }
    }

    /// The socket is empty: whether it may be left alone. buffer: what it holds, bytes as the system counts them.
    pub(crate) fn may_pause(&mut self, now: Instant, buffer: usize) -> bool {
        let since = *self.since.get_or_insert(now);
        let took = now.saturating_duration_since(since);
        if took >= SPAN {
            self.last = if took < 2 * SPAN { self.current } else { Span::default() };
            self.current = Span::default();
            self.since = Some(now);
            self.shortest = self.shortest.map(|(rtt, age)| (rtt, age + 1)).filter(|(_, age)| *age <= KNOWN_SPANS);
        }
        let in_pause = self.last.bytes / (SPAN.as_millis() / PAUSE.as_millis()) as usize;
        self.last.packets >= BUSY_PACKETS
            && self.shortest.is_some_and(|(rtt, _)| rtt >= SHORT)
            && in_pause <= buffer / BUFFER_PART
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: Duration = Duration::from_micros(100);
    const ROOM: usize = 1_000_000;

    /// Whether it pauses after packets that came one by one for 50 ms.
    fn pauses(every: Duration, bytes: usize, rtt_ms: u64, buffer: usize) -> bool {
        let mut coalescing = Coalescing::default();
        let start = Instant::now();
        let mut may = false;
        for n in 0..(Duration::from_millis(50).as_micros() / every.as_micros()) as u32 {
            coalescing.arrived(bytes);
            coalescing.path(Duration::from_millis(rtt_ms));
            may = coalescing.may_pause(start + n * every, buffer);
        }
        may
    }

    #[test]
    fn only_busy_ports_of_long_paths_with_room_pause() {
        assert!(pauses(TENTH, 1_400, 20, ROOM));
        assert!(!pauses(10 * TENTH, 1_400, 50, ROOM), "few packets");
        assert!(!pauses(TENTH, 1_400, 10, ROOM), "a short path");
        assert!(!pauses(TENTH, 9_000, 50, ROOM), "a buffer that could fill");
        assert!(!pauses(TENTH / 10, 1, 50, ROOM), "a buffer that small packets could fill");
    }

    #[test]
    fn a_short_path_that_is_hardly_used_is_not_lengthened_by_a_busy_one() {
        let mut coalescing = Coalescing::default();
        let start = Instant::now();
        for n in 0..2_000 {
            let now = start + n * TENTH;
            coalescing.arrived(1_400);
            coalescing.path(Duration::from_millis(if n % 250 == 0 { 1 } else { 200 }));
            assert!(!coalescing.may_pause(now, ROOM));
        }
    }

    #[test]
    fn one_that_was_quiet_does_not_pause() {
        let mut coalescing = Coalescing::default();
        let start = Instant::now();
        let mut arrives = |at: Duration| {
            coalescing.arrived(1_400);
            coalescing.path(Duration::from_millis(50));
            coalescing.may_pause(start + at, ROOM)
        };
        assert!((0..200).any(|n| arrives(n * TENTH)));
        assert!(!arrives(Duration::from_secs(1)));
    }
}
