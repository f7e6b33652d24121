//! Receive coalescing, as network cards do it. On a fast path packets come one by one, a tenth of a millisecond apart,
//! and waking for each, here and in whoever reads the streams, costs several times what the packet itself does. So once
//! the socket of a busy port is empty, it is left alone for some milliseconds. Never on short paths, whose round trip it
//! would lengthen, nor where the socket's buffer could fill meanwhile.

use std::time::{Duration, Instant};

/// In whole milliseconds, which is what the system's timeouts can tell apart.
const LONGEST: u128 = 3;
/// The pause is this part of the round trip, and on paths that are not short at least a millisecond: well below the
/// queue that the controller wants (crates/congestion), or its window would be too small for the acknowledgements' delay.
const PATH_PART: u128 = 48;
const SHORT: Duration = Duration::from_millis(16);
/// Busy is judged by spans of this length: at least two packets a millisecond.
const SPAN: Duration = Duration::from_millis(10);
const BUSY_PACKETS: usize = 20;
/// Of the socket's buffer, what may arrive in a pause: the system counts a packet as two to three times its length,
/// wakes us late, and needs room for bursts.
const BUFFER_PART: usize = 16;

#[derive(Debug, Clone, Copy)]
struct Span {
    packets: usize,
    bytes: usize,
    /// The shortest path of those that sent.
    rtt: Option<Duration>,
}

const NOTHING: Span = Span { packets: 0, bytes: 0, rtt: None };

/// What comes to one port.
#[derive(Debug)]
pub(crate) struct Coalescing {
    since: Option<Instant>,
    current: Span,
    last: Span,
}

impl Default for Coalescing {
    fn default() -> Self {
        Self { since: None, current: NOTHING, last: NOTHING }
    }
}

impl Coalescing {
    pub(crate) fn arrived(&mut self, bytes: usize) {
        self.current.packets += 1;
        self.current.bytes += bytes;
    }

    /// A packet was a link's. rtt: the least of its path, zero while that is unknown.
    pub(crate) fn path(&mut self, rtt: Duration) {
        self.current.rtt = Some(self.current.rtt.map_or(rtt, |least| least.min(rtt)));
    }

    /// The socket is empty: how long it may be left alone. buffer: what it holds, bytes as the system counts them.
    pub(crate) fn pause(&mut self, now: Instant, buffer: usize) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        let took = now.saturating_duration_since(since);
        if took >= SPAN {
            self.last = if took < 2 * SPAN { self.current } else { NOTHING };
            self.current = NOTHING;
            self.since = Some(now);
        }
        let Span { packets, bytes, rtt: Some(rtt) } = self.last else { return None };
        if packets < BUSY_PACKETS || rtt < SHORT {
            return None;
        }
        let by_path = (rtt.as_millis() / PATH_PART).max(1);
        let by_buffer = (buffer / BUFFER_PART) as u128 * SPAN.as_millis() / bytes.max(1) as u128;
        let pause = by_path.min(by_buffer).min(LONGEST);
        (pause > 0).then(|| Duration::from_millis(pause as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: Duration = Duration::from_micros(100);

    /// The pause after packets that came one by one for 50 ms.
    fn pause(every: Duration, bytes: usize, rtt_ms: u64, buffer: usize) -> Option<u128> {
        let mut coalescing = Coalescing::default();
        let start = Instant::now();
        let mut pause = None;
        for n in 0..(Duration::from_millis(50).as_micros() / every.as_micros()) as u32 {
            coalescing.arrived(bytes);
            coalescing.path(Duration::from_millis(rtt_ms));
            pause = coalescing.pause(start + n * every, buffer);
        }
        pause.map(|pause| pause.as_millis())
    }

    #[test]
    fn busy_ports_of_long_paths_with_room_pause() {
        assert_eq!(pause(TENTH, 1_400, 20, 8_000_000), Some(1));
        assert_eq!(pause(TENTH, 1_400, 600, 8_000_000), Some(3));
        assert_eq!(pause(10 * TENTH, 1_400, 600, 8_000_000), None, "few packets");
        assert_eq!(pause(TENTH, 1_400, 10, 8_000_000), None, "a short path");
        assert_eq!(pause(TENTH, 1_400, 600, 400_000), Some(1), "a small buffer");
        assert_eq!(pause(TENTH, 9_000, 600, 400_000), None, "a buffer that would overflow");
    }

    #[test]
    fn one_that_was_quiet_does_not_pause() {
        let mut coalescing = Coalescing::default();
        let start = Instant::now();
        let mut arrives = |at: Duration| {
            coalescing.arrived(1_400);
            coalescing.path(Duration::from_millis(50));
            coalescing.pause(start + at, 8_000_000)
        };
        assert!((0..200).filter_map(|n| arrives(n * TENTH)).next().is_some());
        assert_eq!(arrives(Duration::from_secs(1)), None);
    }
}
