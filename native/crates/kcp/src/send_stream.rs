//! The sending half of one stream: bytes stay until they are acknowledged, and ranges that were lost go first.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use crate::ranges::Ranges;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fin {
    No,
    Pending,
    Flying,
    Acknowledged,
}

/// Bytes by their offset since the stream's start. The handshake's bytes at each level are kept in one too.
#[derive(Debug)]
pub(crate) struct SendStream {
    /// Offset and bytes, without a hole; the first holds the first byte that is not acknowledged.
    chunks: VecDeque<(u64, Bytes)>,
    end: u64,
    /// First byte that never left.
    next: u64,
    lost: Ranges,
    acknowledged: Ranges,
    fin: Fin,
}

/// What leaves next: `range` may be empty when only the FIN is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) range: Range<u64>,
    pub(crate) fin: bool,
}

impl Default for SendStream {
    fn default() -> Self {
        Self {
            chunks: VecDeque::new(),
            end: 0,
            next: 0,
            lost: Ranges::default(),
            acknowledged: Ranges::default(),
            fin: Fin::No,
        }
    }
}

impl SendStream {
    pub(crate) fn write(&mut self, data: Bytes) {
        let start = self.end;
        self.end += data.len() as u64;
        if !data.is_empty() {
            self.chunks.push_back((start, data));
        }
    }

    pub(crate) fn finish(&mut self) {
        if self.fin == Fin::No {
            self.fin = Fin::Pending;
        }
    }

    /// Whether every byte and the FIN have been acknowledged.
    pub(crate) fn is_done(&self) -> bool {
        self.fin == Fin::Acknowledged && self.chunks.is_empty()
    }

    /// Bytes kept.
    pub(crate) fn held(&self) -> u64 {
        self.end - self.base()
    }

    /// Chunks and ranges kept.
    pub(crate) fn parts(&self) -> usize {
        self.chunks.len() + self.lost.len() + self.acknowledged.len()
    }

    /// Bytes before this one are over.
    fn base(&self) -> u64 {
        self.chunks.front().map_or(self.end, |(start, _)| *start)
    }

    pub(crate) fn has_more(&self) -> bool {
        !self.lost.is_empty() || self.next < self.end || self.fin == Fin::Pending
    }

    pub(crate) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Where the next segment begins.
    pub(crate) fn offset(&self) -> u64 {
        self.lost.first().map_or(self.next, |range| range.start)
    }

    /// Takes what leaves next, at most `most` bytes.
    pub(crate) fn take(&mut self, most: u64) -> Option<Segment> {
        let range = match self.lost.take_first(most) {
            Some(range) => range,
            None => {
                let end = self.end.min(self.next + most);
                if self.next == end && self.fin != Fin::Pending {
                    return None;
                }
                std::mem::replace(&mut self.next, end)..end
            }
        };
        // A lost piece at the very end repeats the FIN that it had.
        let fin = range.end == self.end && self.fin != Fin::No;
        if fin && self.fin == Fin::Pending {
            self.fin = Fin::Flying;
        }
        Some(Segment { range, fin })
    }

    /// Appends the bytes of a range that `take` gave.
    pub(crate) fn copy(&self, range: &Range<u64>, out: &mut Vec<u8>) {
        let mut at = range.start;
        let first = self.chunks.partition_point(|(start, data)| start + data.len() as u64 <= at);
        for (start, data) in self.chunks.range(first..) {
            if at >= range.end || *start > at {
                break;
            }
            let from = (at - start) as usize;
            let to = data.len().min((range.end - start) as usize);
            out.extend_from_slice(&data[from..to]);
            at += (to - from) as u64;
        }
    }

    /// Returns how many bytes less are kept.
    pub(crate) fn acknowledge(&mut self, segment: &Segment) -> u64 {
        let before = self.held();
        self.lost.remove(segment.range.clone());
        self.acknowledged.insert(segment.range.start.max(self.base())..segment.range.end);
        if segment.fin {
            self.fin = Fin::Acknowledged;
        }
        while let Some((start, data)) = self.chunks.front() {
            let end = start + data.len() as u64;
            if self.acknowledged.first().is_none_or(|first| first.start > *start || first.end < end) {
                break;
            }
            self.chunks.pop_front();
            self.acknowledged.remove(0..end);
        }
        before - self.held()
    }

    /// The packet with this segment was lost. True: there is something to send again.
    pub(crate) fn lose(&mut self, segment: &Segment) -> bool {
        for gap in self.acknowledged.missing(segment.range.start.max(self.base())..segment.range.end) {
            self.lost.insert(gap);
        }
        if segment.fin && self.fin == Fin::Flying {
            self.fin = Fin::Pending;
        }
        self.has_more()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_lost_every_byte_leaves_until_it_is_acknowledged() {
        for seed in 0..300 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let total = rng.u64(0..40_000);
            let byte = |at: u64| (at * 7 + (at >> 8)) as u8;
            let mut stream = SendStream::default();
            let (mut written, mut got, mut fin) = (0, vec![None; total as usize], false);
            let mut flying = Vec::new();
            for _ in 0..100_000 {
                if stream.is_done() {
                    break;
                }
                if written < total {
                    let n = rng.u64(1..3_000).min(total - written);
                    stream.write((written..written + n).map(byte).collect::<Vec<_>>().into());
                    written += n;
                } else {
                    stream.finish();
                }
                if let Some(segment) = stream.take(rng.u64(1..1_400)) {
                    let mut out = Vec::new();
                    stream.copy(&segment.range, &mut out);
                    assert_eq!(out.len() as u64, segment.range.end - segment.range.start, "seed {seed}");
                    for (at, b) in segment.range.clone().zip(out) {
                        got[at as usize] = Some(b);
                    }
                    flying.push(segment);
                }
                while flying.len() > 20 || (!stream.has_more() && !flying.is_empty()) {
                    let segment = flying.swap_remove(rng.usize(0..flying.len()));
                    if rng.u8(0..3) == 0 {
                        stream.lose(&segment);
                    } else {
                        fin |= segment.fin;
                        stream.acknowledge(&segment);
                    }
                    // A late acknowledgement of what was thought lost.
                    if rng.u8(0..10) == 0 {
                        stream.acknowledge(&segment);
                        fin |= segment.fin;
                    }
                }
            }
            assert!(stream.is_done() && fin, "seed {seed}");
            assert_eq!(stream.held(), 0, "seed {seed}");
            assert!(got.iter().enumerate().all(|(at, b)| *b == Some(byte(at as u64))), "seed {seed}");
        }
    }
}
