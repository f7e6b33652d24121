//! Which packets have come: the window against replays (the algorithm of RFC 6479).

/// Packets that may be overtaken and still count; DESIGN §5.
pub(crate) const WINDOW: u64 = 8192;
const WORDS: usize = (WINDOW / 64) as usize;

#[derive(Debug)]
pub(crate) struct Replay {
    /// One more than the newest counter; 0: none yet.
    next: u64,
    seen: Box<[u64; WORDS]>,
}

impl Default for Replay {
    fn default() -> Self {
        Self { next: 0, seen: Box::new([0; WORDS]) }
    }
}

impl Replay {
    /// Whether a packet with this counter could be new. To be asked before it is authenticated.
    pub(crate) fn may_be_new(&self, counter: u64) -> bool {
        counter >= self.next || (self.next - counter <= WINDOW && !self.has(counter))
    }

    /// Remembers an authentic packet. True: no newer one has come.
    pub(crate) fn insert(&mut self, counter: u64) -> bool {
        let newest = counter >= self.next;
        if newest {
            for old in self.next..(counter + 1).min(self.next + WINDOW) {
                self.seen[Self::word(old)] &= !Self::bit(old);
            }
            self.next = counter + 1;
        }
        self.seen[Self::word(counter)] |= Self::bit(counter);
        newest
    }

    fn has(&self, counter: u64) -> bool {
        self.seen[Self::word(counter)] & Self::bit(counter) != 0
    }

    fn word(counter: u64) -> usize {
        (counter / 64) as usize % WORDS
    }

    fn bit(counter: u64) -> u64 {
        1 << (counter % 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_packet_counts_once_and_old_ones_never() {
        for seed in 0..20 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut replay, mut seen, mut newest) = (Replay::default(), HashSet::new(), 0u64);
            for _ in 0..50_000 {
                let jump = if rng.u8(..) == 0 { 30_000 } else { 3 };
                let counter =
                    if rng.bool() { newest + rng.u64(0..jump) } else { newest - rng.u64(0..=newest.min(10_000)) };
                let is_new = !seen.contains(&counter) && newest.saturating_sub(counter) < WINDOW;
                assert_eq!(replay.may_be_new(counter), is_new, "seed {seed}, {counter} of {newest}");
                if is_new {
                    replay.insert(counter);
                    seen.insert(counter);
                    newest = newest.max(counter);
                }
            }
        }
    }
}
