//! Puts the pieces of one stream in order. Bytes are copied into slabs that are allocated when needed, so a small
//! piece never keeps a whole datagram alive, and memory stays within the credit given plus two slabs.

use std::collections::{BTreeMap, VecDeque};
use thiserror::Error;

/// Bytes of one slab: what a reader takes at once.
pub const SLAB_BYTES: usize = 64 * 1024;

/// More holes than this is no loss pattern: 96 MiB of smallest packets with every second one lost has 42,000.
const MAX_ISLANDS: usize = 48 * 1024;

/// Why a piece was refused. Each ends the stream; none is the link's fault.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum Fault {
    #[error("a byte beyond the credit of {0}")]
    Overrun(u64),
    #[error("more than {MAX_ISLANDS} holes in one stream")]
    TooManyHoles,
}

/// One direction of one stream, receiving side.
#[derive(Debug, Default)]
pub struct Reassembly {
    /// `slabs[0][0]` is the byte at `base`; every slab but the last stands for SLAB_BYTES.
    slabs: VecDeque<Vec<u8>>,
    base: u64,
    /// Bytes before this one have been read.
    taken: u64,
    /// Bytes before this one are here without a hole.
    contiguous: u64,
    /// Start to end (exclusive) of what is here beyond `contiguous`: disjoint, not touching.
    islands: BTreeMap<u64, u64>,
}

impl Reassembly {
    /// Bytes that the reader has taken since the start.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes that can be read now.
    pub fn available(&self) -> u64 {
        self.contiguous - self.taken
    }

    /// Bytes that are here and unread, those behind holes among them.
    pub fn unread(&self) -> u64 {
        self.available() + self.islands.iter().map(|(start, end)| end - start).sum::<u64>()
    }

    /// Pieces that are here behind holes.
    pub fn islands(&self) -> usize {
        self.islands.len()
    }

    /// Bytes since the start that are here or were read, up to the first hole.
    pub fn contiguous(&self) -> u64 {
        self.contiguous
    }

    /// Heap bytes held. At most the credit given plus two slabs.
    pub fn held_bytes(&self) -> usize {
        self.slabs.iter().map(Vec::capacity).sum()
    }

    /// Takes one piece, copied. `limit`: bytes since the start that the peer may send. Duplicates and overlaps are
    /// fine; of a byte that comes twice, either may stay. After a fault nothing of the piece is kept.
    pub fn insert(&mut self, offset: u64, piece: &[u8], limit: u64) -> Result<(), Fault> {
        let end = offset.checked_add(piece.len() as u64).ok_or(Fault::Overrun(limit))?;
        if end > limit {
            return Err(Fault::Overrun(limit));
        }
        if end <= self.contiguous {
            return Ok(());
        }
        let start = offset.max(self.contiguous);
        if start > self.contiguous && self.islands.len() >= MAX_ISLANDS {
            return Err(Fault::TooManyHoles);
        }
        // start - offset is at most piece.len(), because end > contiguous.
        self.store(start, &piece[(start - offset) as usize..]);
        if start == self.contiguous {
            self.contiguous = end;
            self.absorb();
        } else {
            self.add_island(start, end);
        }
        Ok(())
    }

    /// Copies what is in order into `into`; returns how many bytes.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        let want = self.available().min(into.len() as u64) as usize;
        let mut done = 0;
        while done < want {
            let at = (self.taken - self.base) as usize;
            let Some(slab) = self.slabs.front() else { break };
            let end = slab.len().min(at + want - done);
            into[done..done + end - at].copy_from_slice(&slab[at..end]);
            done += end - at;
            self.taken += (end - at) as u64;
            if end == SLAB_BYTES {
                self.slabs.pop_front();
                self.base += SLAB_BYTES as u64;
            }
        }
        if self.taken == self.contiguous && self.islands.is_empty() {
            self.slabs.clear();
            self.base = self.taken;
        }
        done
    }

    /// Frees everything; for a stream that was reset.
    pub fn clear(&mut self) {
        self.slabs = VecDeque::new();
        self.islands = BTreeMap::new();
        self.contiguous = self.taken;
        self.base = self.taken;
    }

    fn store(&mut self, start: u64, mut piece: &[u8]) {
        let mut at = (start - self.base) as usize;
        while !piece.is_empty() {
            let (index, within) = (at / SLAB_BYTES, at % SLAB_BYTES);
            while self.slabs.len() <= index {
                // A stream's first slab grows with its bytes: most streams are short.
                let long = self.base > 0 || !self.slabs.is_empty();
                self.slabs.push_back(if long && piece.len() >= 1024 {
                    Vec::with_capacity(SLAB_BYTES)
                } else {
                    Vec::new()
                });
            }
            let slab = &mut self.slabs[index];
            let n = piece.len().min(SLAB_BYTES - within);
            if slab.capacity() < within + n {
                let capacity = (within + n).next_power_of_two();
                slab.reserve_exact(capacity - slab.len());
            }
            if slab.len() < within {
                slab.resize(within, 0);
            }
            let over = (slab.len() - within).min(n);
            slab[within..within + over].copy_from_slice(&piece[..over]);
            slab.extend_from_slice(&piece[over..n]);
            at += n;
            piece = &piece[n..];
        }
    }

    /// Takes in the islands that `contiguous` has reached.
    fn absorb(&mut self) {
        while let Some(island) = self.islands.first_entry() {
            if *island.key() > self.contiguous {
                break;
            }
            self.contiguous = self.contiguous.max(island.remove());
        }
    }

    fn add_island(&mut self, mut start: u64, mut end: u64) {
        while let Some((&s, &e)) = self.islands.range(..=end).next_back() {
            if e < start {
                break;
            }
            start = start.min(s);
            end = end.max(e);
            self.islands.remove(&s);
        }
        self.islands.insert(start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn byte(at: u64) -> u8 {
        (at.wrapping_mul(31) ^ (at >> 8).wrapping_mul(17)) as u8
    }

    fn piece(start: u64, end: u64) -> Vec<u8> {
        (start..end).map(byte).collect()
    }

    #[test]
    fn random_cuts_in_any_order_with_duplicates_give_the_same_bytes() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let total = rng.u64(1..400_000);
            let window = rng.u64(2_000..200_000);
            let mut r = Reassembly::default();
            let mut into = vec![0; 70_000];
            let mut got = 0u64;
            while got < total {
                let limit = (got + window).min(total);
                let contiguous = r.contiguous();
                // Mostly near the first hole, else anywhere in the window, also what was here before.
                let start = if rng.bool() { contiguous } else { rng.u64(got.saturating_sub(3_000)..limit.max(1)) };
                let start = start.min(limit);
                let end = (start + rng.u64(0..3_000)).min(limit);
                r.insert(start, &piece(start, end), limit).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                assert!(r.held_bytes() as u64 <= window + 2 * SLAB_BYTES as u64, "seed {seed}: {}", r.held_bytes());
                if rng.u8(0..4) == 0 {
                    let want = rng.usize(1..into.len());
                    let n = r.read(&mut into[..want]);
                    for (i, b) in into[..n].iter().enumerate() {
                        assert_eq!(*b, byte(got + i as u64), "seed {seed} at {}", got + i as u64);
                    }
                    got += n as u64;
                }
            }
            assert_eq!(r.taken(), total);
            assert_eq!(r.held_bytes(), 0, "seed {seed}: an emptied stream holds nothing");
        }
    }

    #[test]
    fn a_byte_beyond_the_credit_is_refused_and_nothing_is_kept() {
        let mut r = Reassembly::default();
        assert_eq!(r.insert(90, &[1; 20], 100), Err(Fault::Overrun(100)));
        assert_eq!(r.insert(u64::MAX, &[1; 2], u64::MAX), Err(Fault::Overrun(u64::MAX)));
        assert_eq!((r.available(), r.held_bytes()), (0, 0));
    }

    #[test]
    fn one_byte_islands_are_bounded() {
        let mut r = Reassembly::default();
        for i in 0..MAX_ISLANDS as u64 {
            r.insert(2 * i + 1, &[7], u64::MAX).expect("within the bound");
        }
        assert_eq!(r.insert(2 * MAX_ISLANDS as u64 + 1, &[7], u64::MAX), Err(Fault::TooManyHoles));
        assert_eq!(r.insert(0, &[7], u64::MAX), Ok(()), "the first hole may always be filled");
        assert_eq!(r.available(), 2);
    }

    #[test]
    fn touching_islands_become_one() {
        let mut r = Reassembly::default();
        for start in [30, 10, 20] {
            r.insert(start, &piece(start, start + 10), 100).expect("in credit");
        }
        assert_eq!(r.islands, BTreeMap::from([(10, 40)]));
        r.insert(0, &piece(0, 10), 100).expect("in credit");
        assert_eq!((r.available(), r.unread(), r.islands.len()), (40, 40, 0));
        r.insert(50, &piece(50, 60), 100).expect("in credit");
        assert_eq!((r.available(), r.unread()), (40, 50));
    }
}
