//! Finds the largest packet that the path takes (RFC 8899): starts with what every path must take, asks for more by
//! probes that carry nothing else, and falls back when large packets only vanish.

use std::time::{Duration, Instant};

use crate::packet::MIN_PATH;

/// Asked for in turn: a tunnel over Ethernet, Ethernet over IPv6 and IPv4 both (1,500 less 48), jumbo frames and
/// loopback.
const SIZES: [usize; 3] = [1_350, 1_452, 8_952];
const TRIES: u32 = 3;
/// As many large packets lost that left after a small one which came through, and no large one came through since, make
/// a black hole. What an outage takes left before anything that came through after it, and does not count.
const BLACK_HOLE: u32 = 6;
const ASK_AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Mtu {
    current: usize,
    /// Index of the size to ask for next.
    next: usize,
    tries: u32,
    /// The counter of the packet that asks.
    asking: Option<u64>,
    ask_at: Option<Instant>,
    /// The first small packet that came through since a large one did, and the large ones lost that left after it.
    small: Option<u64>,
    lost: u32,
}

impl Mtu {
    pub(crate) fn new() -> Self {
        Self { current: MIN_PATH, next: 0, tries: 0, asking: None, ask_at: None, small: None, lost: 0 }
    }

    /// Largest packet now, bytes of UDP payload.
    pub(crate) fn current(&self) -> usize {
        self.current
    }

    /// The size to probe for now, if any.
    pub(crate) fn probe(&self, now: Instant) -> Option<usize> {
        let is_due = self.ask_at.is_none_or(|at| at <= now);
        if self.asking.is_some() || !is_due { None } else { SIZES.get(self.next).copied() }
    }

    pub(crate) fn probe_sent(&mut self, counter: u64) {
        self.asking = Some(counter);
    }

    pub(crate) fn acknowledged(&mut self, counter: u64, bytes: usize, is_probe: bool) {
        if is_probe {
            // One from before the path changed says nothing of this one.
            if self.asking.take_if(|asking| *asking == counter).is_none() {
                return;
            }
            if bytes > self.current {
                self.current = bytes;
                self.next = SIZES.iter().position(|size| *size > bytes).unwrap_or(SIZES.len());
                self.tries = 0;
            }
        }
        if bytes > MIN_PATH {
            self.small = None;
            self.lost = 0;
        } else {
            self.small.get_or_insert(counter);
        }
    }

    /// A packet was lost. A larger size is given up after some tries, and asked for again later. True: the path has
    /// become small.
    pub(crate) fn lost(&mut self, now: Instant, counter: u64, bytes: usize, is_probe: bool) -> bool {
        if is_probe {
            if self.asking.take_if(|asking| *asking == counter).is_some() {
                self.tries += 1;
                if self.tries >= TRIES {
                    self.tries = 0;
                    self.ask_at = Some(now + ASK_AGAIN);
                }
            }
            return false;
        }
        if bytes <= MIN_PATH || bytes > self.current || self.small.is_none_or(|small| counter < small) {
            return false;
        }
        self.lost += 1;
        if self.lost < BLACK_HOLE {
            return false;
        }
        self.new_path();
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
        for (counter, size) in [(1, 1_350), (2, 1_452)] {
            assert_eq!(mtu.probe(now), Some(size));
            mtu.probe_sent(counter);
            assert_eq!(mtu.probe(now), None, "one at a time");
            mtu.acknowledged(counter, size, true);
            assert_eq!(mtu.current(), size);
        }
        for _ in 0..TRIES {
            assert_eq!(mtu.probe(now), Some(8_952));
            mtu.probe_sent(3);
            mtu.lost(now, 3, 8_952, true);
        }
        assert_eq!((mtu.probe(now), mtu.current()), (None, 1_452));
        assert_eq!(mtu.probe(now + ASK_AGAIN), Some(8_952));
    }

    fn at_1452(now: Instant) -> Mtu {
        let mut mtu = Mtu { next: 1, ..Mtu::new() };
        assert_eq!(mtu.probe(now), Some(1_452));
        mtu.probe_sent(0);
        mtu.acknowledged(0, 1_452, true);
        mtu
    }

    #[test]
    fn a_path_that_shrinks_is_noticed() {
        let now = Instant::now();
        let mut mtu = at_1452(now);
        mtu.acknowledged(10, 40, false);
        let noticed = (11..11 + u64::from(BLACK_HOLE)).map(|counter| mtu.lost(now, counter, 1_452, false));
        assert_eq!(noticed.filter(|is_noticed| *is_noticed).count(), 1);
        assert_eq!(mtu.current(), MIN_PATH);
    }

    #[test]
    fn loss_and_outages_do_not_make_a_path_small() {
        let now = Instant::now();
        let mut mtu = at_1452(now);
        for counter in (10..200).step_by(2) {
            mtu.acknowledged(counter, 40, false);
            assert!(!mtu.lost(now, counter + 1, 1_452, false));
            mtu.acknowledged(counter + 1, 1_452, false);
        }
        // The small one came through when the outage was over.
        mtu.acknowledged(400, 40, false);
        assert!((200..400).all(|counter| !mtu.lost(now, counter, 1_452, false)));
        assert_eq!(mtu.current(), 1_452);
    }

    #[test]
    fn a_probe_of_the_old_path_says_nothing_of_the_new_one() {
        let now = Instant::now();
        let mut mtu = Mtu::new();
        mtu.probe_sent(7);
        mtu.new_path();
        mtu.acknowledged(7, 1_350, true);
        assert_eq!((mtu.current(), mtu.probe(now)), (MIN_PATH, Some(1_350)));
    }
}
