//! Frames: what a sealed packet carries. PROTOCOL.md, "Frames". Numbers are QUIC variable-length integers. Longer than
//! most files, because it has each frame twice, read and written, and side by side they stay alike.

use std::ops::Range;

use bytes::Bytes;
use petrel_streams::message::{self, Entry};
use petrel_streams::varint;

use crate::ranges::Ranges;

const PADDING: u8 = 0x00;
const PING: u8 = 0x01;
const ACK: u8 = 0x02;
const CRYPTO: u8 = 0x03;
const DONE: u8 = 0x04;
const CLOSE: u8 = 0x05;
const FAULT: u8 = 0x06;
const CHALLENGE: u8 = 0x07;
const RESPONSE: u8 = 0x08;
const STREAMS: u8 = 0x09;
const LIMIT: u8 = 0x0a;
const RESET: u8 = 0x0b;
const STOP: u8 = 0x0c;
const DATAGRAM: u8 = 0x0d;
const SEGMENT: u8 = 0x10;
const SEGMENT_FIN: u8 = 0x01;
const SEGMENT_LEN: u8 = 0x02;

/// Ranges that one acknowledgement tells at most; the newest.
pub(crate) const ACK_RANGES: usize = 48;
/// A reason for people, bytes.
pub(crate) const MAX_REASON: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Ping,
    Ack(Ack),
    Crypto {
        offset: u64,
        data: Bytes,
    },
    Done,
    /// code: a LinkEnd number when the application closed, else a Fault of ours.
    Close {
        is_fault: bool,
        code: u64,
        reason: Bytes,
    },
    Challenge([u8; 8]),
    Response([u8; 8]),
    Streams(u64),
    Limit(Entry),
    Reset {
        stream: u64,
        code: u64,
    },
    Stop {
        stream: u64,
        code: u64,
    },
    Datagram(Bytes),
    Segment {
        stream: u64,
        offset: u64,
        fin: bool,
        data: Bytes,
    },
}

/// Which packets came, in falling order; delay: how long the newest of them waited for this, microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) delay_us: u64,
    pub(crate) ranges: Vec<Range<u64>>,
}

/// The bytes are no sequence of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed frame")]
pub(crate) struct Malformed;

impl Frame {
    /// Whether the peer acknowledges a packet for it.
    pub(crate) fn is_eliciting(&self) -> bool {
        !matches!(self, Self::Ack(_) | Self::Close { .. })
    }
}

/// Reads the frames of one packet.
pub(crate) struct Frames {
    bytes: Bytes,
    at: usize,
}

impl Frames {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let (value, n) = varint::take(&self.bytes[self.at..]).ok_or(Malformed)?;
        self.at += n;
        Ok(value)
    }

    fn data(&mut self, len: u64) -> Result<Bytes, Malformed> {
        let rest = self.bytes.len() - self.at;
        let len = usize::try_from(len).ok().filter(|len| *len <= rest).ok_or(Malformed)?;
        let data = self.bytes.slice(self.at..self.at + len);
        self.at += len;
        Ok(data)
    }

    fn eight(&mut self) -> Result<[u8; 8], Malformed> {
        self.data(8)?[..].try_into().map_err(|_| Malformed)
    }

    fn ack(&mut self) -> Result<Ack, Malformed> {
        let mut end = self.number()? + 1;
        let delay_us = self.number()?;
        let count = self.number()?;
        if count >= ACK_RANGES as u64 {
            return Err(Malformed);
        }
        let mut ranges = Vec::with_capacity(count as usize + 1);
        for more in (0..=count).rev() {
            let start = self.number()?.checked_add(1).and_then(|len| end.checked_sub(len)).ok_or(Malformed)?;
            ranges.push(start..end);
            if more > 0 {
                // Between two ranges at least one packet is missing.
                end = self.number()?.checked_add(1).and_then(|gap| start.checked_sub(gap)).ok_or(Malformed)?;
            }
        }
        Ok(Ack { delay_us, ranges })
    }

    fn segment(&mut self, kind: u8) -> Result<Frame, Malformed> {
        let (stream, offset) = (self.number()?, self.number()?);
        let len = match kind & SEGMENT_LEN {
            0 => (self.bytes.len() - self.at) as u64,
            _ => self.number()?,
        };
        let data = self.data(len)?;
        // The byte after the last one is a number too.
        if offset + data.len() as u64 > varint::MAX {
            return Err(Malformed);
        }
        Ok(Frame::Segment { stream, offset, fin: kind & SEGMENT_FIN != 0, data })
    }

    fn frame(&mut self, kind: u8) -> Result<Frame, Malformed> {
        Ok(match kind {
            PING => Frame::Ping,
            ACK => Frame::Ack(self.ack()?),
            CRYPTO => {
                let (offset, len) = (self.number()?, self.number()?);
                Frame::Crypto { offset, data: self.data(len)? }
            }
            DONE => Frame::Done,
            CLOSE | FAULT => {
                let (code, len) = (self.number()?, self.number()?);
                Frame::Close { is_fault: kind == FAULT, code, reason: self.data(len)? }
            }
            CHALLENGE => Frame::Challenge(self.eight()?),
            RESPONSE => Frame::Response(self.eight()?),
            STREAMS => Frame::Streams(self.number()?),
            LIMIT => {
                let (entry, n) = message::decode(&self.bytes[self.at..]).ok_or(Malformed)?;
                self.at += n;
                Frame::Limit(entry)
            }
            RESET => Frame::Reset { stream: self.number()?, code: self.number()? },
            STOP => Frame::Stop { stream: self.number()?, code: self.number()? },
            DATAGRAM => Frame::Datagram(self.data((self.bytes.len() - self.at) as u64)?),
            _ if kind & !(SEGMENT_FIN | SEGMENT_LEN) == SEGMENT => self.segment(kind)?,
            _ => return Err(Malformed),
        })
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let kind = *self.bytes.get(self.at)?;
            self.at += 1;
            if kind != PADDING {
                return Some(self.frame(kind).inspect_err(|_| self.at = self.bytes.len()));
            }
        }
    }
}

// ---- writing ----

pub(crate) fn put_ping(out: &mut Vec<u8>) {
    out.push(PING);
}

/// The newest ranges, as many as `room` bytes take. False: nothing was appended, for want of room or ranges.
pub(crate) fn put_ack(ranges: &Ranges, delay_us: u64, room: usize, out: &mut Vec<u8>) -> bool {
    let mut list = Vec::with_capacity(16);
    // Kind, largest, delay and count.
    let mut len = 1 + 8 + varint::len(delay_us) + 1;
    for range in ranges.descending().take(ACK_RANGES) {
        // The gap and the length, at most.
        len += 16;
        if len > room {
            break;
        }
        list.push(range);
    }
    let Some(newest) = list.first() else { return false };
    out.push(ACK);
    varint::put(newest.end - 1, out);
    varint::put(delay_us, out);
    varint::put(list.len() as u64 - 1, out);
    let mut above = None;
    for range in &list {
        if let Some(start) = above {
            varint::put(start - range.end - 1, out);
        }
        varint::put(range.end - range.start - 1, out);
        above = Some(range.start);
    }
    true
}

/// Bytes of a CRYPTO frame before its data, at most.
pub(crate) const CRYPTO_OVERHEAD: usize = 1 + 8 + 4;

pub(crate) fn put_crypto(offset: u64, data: &[u8], out: &mut Vec<u8>) {
    out.push(CRYPTO);
    varint::put(offset, out);
    varint::put(data.len() as u64, out);
    out.extend_from_slice(data);
}

pub(crate) fn put_done(out: &mut Vec<u8>) {
    out.push(DONE);
}

pub(crate) fn put_close(is_fault: bool, code: u64, reason: &str, out: &mut Vec<u8>) {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    out.push(if is_fault { FAULT } else { CLOSE });
    varint::put(code, out);
    varint::put(end as u64, out);
    out.extend_from_slice(&reason.as_bytes()[..end]);
}

pub(crate) fn put_challenge(data: &[u8; 8], out: &mut Vec<u8>) {
    out.push(CHALLENGE);
    out.extend_from_slice(data);
}

pub(crate) fn put_response(data: &[u8; 8], out: &mut Vec<u8>) {
    out.push(RESPONSE);
    out.extend_from_slice(data);
}

pub(crate) fn put_streams(most: u64, out: &mut Vec<u8>) {
    out.push(STREAMS);
    varint::put(most, out);
}

pub(crate) fn put_limit(entry: Entry, out: &mut Vec<u8>) {
    out.push(LIMIT);
    message::encode(entry, out);
}

pub(crate) fn put_reset(stream: u64, code: u64, out: &mut Vec<u8>) {
    out.push(RESET);
    varint::put(stream, out);
    varint::put(code, out);
}

pub(crate) fn put_stop(stream: u64, code: u64, out: &mut Vec<u8>) {
    out.push(STOP);
    varint::put(stream, out);
    varint::put(code, out);
}

/// The longest of the frames of fixed form above: LIMIT.
pub(crate) const MAX_SMALL: usize = 1 + message::MAX_ENTRY_BYTES;

pub(crate) fn put_datagram(payload: &[u8], out: &mut Vec<u8>) {
    out.push(DATAGRAM);
    out.extend_from_slice(payload);
}

/// Appends the head of a segment of `len` bytes, which the caller appends next. is_last: the segment goes on to the end
/// of the packet.
pub(crate) fn put_segment_head(stream: u64, offset: u64, len: usize, fin: bool, is_last: bool, out: &mut Vec<u8>) {
    out.push(SEGMENT | if fin { SEGMENT_FIN } else { 0 } | if is_last { 0 } else { SEGMENT_LEN });
    varint::put(stream, out);
    varint::put(offset, out);
    if !is_last {
        varint::put(len as u64, out);
    }
}

/// Bytes of a segment's head without its length.
pub(crate) fn segment_head(stream: u64, offset: u64) -> usize {
    1 + varint::len(stream) + varint::len(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<Frame>, Malformed> {
        Frames::new(Bytes::copy_from_slice(bytes)).collect()
    }

    #[test]
    fn every_frame_comes_back() {
        let mut out = Vec::new();
        let mut ranges = Ranges::default();
        for range in [3..10, 12..13, 900..1_000_000] {
            ranges.insert(range);
        }
        assert!(put_ack(&ranges, 77, 1_000, &mut out));
        put_ping(&mut out);
        put_crypto(70_000, b"hello", &mut out);
        put_done(&mut out);
        put_close(false, 3, "änd", &mut out);
        put_close(true, 1, "why", &mut out);
        put_challenge(b"12345678", &mut out);
        put_response(b"87654321", &mut out);
        put_streams(4096, &mut out);
        put_limit(Entry { stream: 4, taken: 5, limit: 70 }, &mut out);
        put_reset(8, 9, &mut out);
        put_stop(12, 13, &mut out);
        out.extend_from_slice(&[0; 7]);
        put_segment_head(5, 6, 3, false, false, &mut out);
        out.extend_from_slice(b"abc");
        put_segment_head(1 << 40, 1 << 41, 2, true, true, &mut out);
        out.extend_from_slice(b"de");
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        let expected = vec![
            Frame::Ack(Ack { delay_us: 77, ranges: vec![900..1_000_000, 12..13, 3..10] }),
            Frame::Ping,
            Frame::Crypto { offset: 70_000, data: bytes("hello") },
            Frame::Done,
            Frame::Close { is_fault: false, code: 3, reason: bytes("änd") },
            Frame::Close { is_fault: true, code: 1, reason: bytes("why") },
            Frame::Challenge(*b"12345678"),
            Frame::Response(*b"87654321"),
            Frame::Streams(4096),
            Frame::Limit(Entry { stream: 4, taken: 5, limit: 70 }),
            Frame::Reset { stream: 8, code: 9 },
            Frame::Stop { stream: 12, code: 13 },
            Frame::Segment { stream: 5, offset: 6, fin: false, data: bytes("abc") },
            Frame::Segment { stream: 1 << 40, offset: 1 << 41, fin: true, data: bytes("de") },
        ];
        assert_eq!(all(&out), Ok(expected));
        out.clear();
        put_datagram(b"xyz", &mut out);
        assert_eq!(all(&out), Ok(vec![Frame::Datagram(bytes("xyz"))]));
    }

    #[test]
    fn an_acknowledgement_keeps_to_its_room() {
        let mut ranges = Ranges::default();
        for n in 0..500u64 {
            ranges.insert(n * 1_000..n * 1_000 + 500);
        }
        for room in 0..1_200 {
            let mut out = Vec::new();
            assert_eq!(put_ack(&ranges, 1 << 40, room, &mut out), !out.is_empty());
            assert!(out.len() <= room);
            assert!(all(&out).is_ok(), "room {room}");
        }
    }

    #[test]
    fn lies_in_an_acknowledgement_are_malformed() {
        for bytes in [
            // largest 3, delay 0, no further range, 5 packets
            &[ACK, 3, 0, 0, 4][..],
            // largest 3, one more range, 2 packets, gap 1 + 2 packets
            &[ACK, 3, 0, 1, 1, 1, 1],
            // more ranges than there may be
            &[ACK, 0x7f, 0xff, 0, 60],
        ] {
            assert_eq!(all(bytes), Err(Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn random_bytes_are_frames_or_not() {
        let mut rng = fastrand::Rng::with_seed(2);
        for _ in 0..300_000 {
            let mut bytes = vec![0; rng.usize(0..60)];
            rng.fill(&mut bytes);
            if let Some(first) = bytes.first_mut() {
                *first %= 0x14;
            }
            let _ = all(&bytes);
        }
    }
}
