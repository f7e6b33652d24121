//! Finds the largest packet that the path takes (RFC 8899): starts with what every path must take, asks for more by
//! probes that carry nothing else, and falls back when large packets only vanish.

use std::time::{Duration, Instant};

use crate::packet::MIN_PATH;

/// Asked for in turn: a tunnel over Ethernet, Ethernet over IPv6 and IPv4 both (1,500 less 48), jumbo frames and
/// loopback.
const SIZES: [usize; 3] = [1_350, 1_452, 8_952];
const TRIES: u32 = 3;
/// As many large packets lost in a row, while smaller ones come through, make a black hole.
const BLACK_HOLE: u32 = 6;
const ASK_AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Mtu {
    current: usize,
    /// Index of the size to ask for next.
    next: usize,
    tries: u32,
    is_asking: bool,
    ask_at: Option<Instant>,
    lost_in_row: u32,
}

impl Mtu {
    pub(crate) fn new() -> Self {
        Self { current: MIN_PATH, next: 0, tries: 0, is_asking: false, ask_at: None, lost_in_row: 0 }
    }

    /// Largest packet now, bytes of UDP payload.
    pub(crate) fn current(&self) -> usize {
        self.current
    }

    /// The size to probe for now, if any.
    pub(crate) fn probe(&self, now: Instant) -> Option<usize> {
        let is_due = self.ask_at.is_none_or(|at| at <= now);
        if self.is_asking || !is_due { None } else { SIZES.get(self.next).copied() }
    }

    pub(crate) fn probe_sent(&mut self) {
        self.is_asking = true;
    }

    pub(crate) fn acknowledged(&mut self, bytes: usize, is_probe: bool) {
        if is_probe && bytes > self.current {
            self.current = bytes;
            self.next = SIZES.iter().position(|size| *size > bytes).unwrap_or(SIZES.len());
            self.tries = 0;
        }
        if is_probe {
            self.is_asking = false;
        }
        if bytes > MIN_PATH {
            self.lost_in_row = 0;
        }
    }

    /// A packet was lost. A larger size is given up after some tries, and asked for again later.
    pub(crate) fn lost(&mut self, now: Instant, bytes: usize, is_probe: bool) {
        if is_probe {
            self.is_asking = false;
            self.tries += 1;
            if self.tries >= TRIES {
                self.tries = 0;
                self.ask_at = Some(now + ASK_AGAIN);
            }
        } else if bytes > MIN_PATH && bytes <= self.current {
            self.lost_in_row += 1;
        }
    }

    /// A small packet came through. True: the large ones were lost for being large, and the path is small again.
    pub(crate) fn small_acknowledged(&mut self, now: Instant) -> bool {
        if self.lost_in_row < BLACK_HOLE || self.current == MIN_PATH {
            return false;
        }
        *self = Self { ask_at: Some(now + ASK_AGAIN), ..Self::new() };
        true
    }

    /// The path is another one: what it takes is asked again.
    pub(crate) fn new_path(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_by_what_comes_through_and_stops_at_what_does_not() {
        let now = Instant::now();
        let mut mtu = Mtu::new();
        for size in [1_350, 1_452] {
            assert_eq!(mtu.probe(now), Some(size));
            mtu.probe_sent();
            assert_eq!(mtu.probe(now), None, "one at a time");
            mtu.acknowledged(size, true);
            assert_eq!(mtu.current(), size);
        }
        for _ in 0..TRIES {
            assert_eq!(mtu.probe(now), Some(8_952));
            mtu.probe_sent();
            mtu.lost(now, 8_952, true);
        }
        assert_eq!((mtu.probe(now), mtu.current()), (None, 1_452));
        assert_eq!(mtu.probe(now + ASK_AGAIN), Some(8_952));
    }

    #[test]
    fn a_path_that_shrinks_is_noticed_and_loss_alone_is_not() {
        let now = Instant::now();
        let mut mtu = Mtu::new();
        mtu.acknowledged(1_452, true);
        for _ in 0..100 {
            mtu.lost(now, 1_452, false);
            mtu.acknowledged(1_452, false);
        }
        assert!(!mtu.small_acknowledged(now));
        for _ in 0..BLACK_HOLE {
            mtu.lost(now, 1_452, false);
        }
        assert!(mtu.small_acknowledged(now));
        assert_eq!((mtu.current(), mtu.probe(now)), (MIN_PATH, None));
    }
}
