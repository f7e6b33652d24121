//! The wire form of limits: entries of three QUIC varints (RFC 9000 §16): stream, bytes taken, window beyond them.

use crate::varint;

/// One limit. `limit` counts bytes since the stream's start, as `taken` does; on the wire it is sent less `taken`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub stream: u64,
    pub taken: u64,
    pub limit: u64,
}

/// The longest entry, bytes.
pub const MAX_ENTRY_BYTES: usize = 24;

/// Appends one entry. Values above 2^62 - 1, which no stream reaches, are cut to it.
pub fn encode(entry: Entry, out: &mut Vec<u8>) {
    for value in [entry.stream, entry.taken, entry.limit.saturating_sub(entry.taken)] {
        varint::put(value, out);
    }
}

/// Reads one entry from the front. None: bytes are missing. Returns it and how many bytes it took.
pub fn decode(bytes: &[u8]) -> Option<(Entry, usize)> {
    let (stream, a) = varint::take(bytes)?;
    let (taken, b) = varint::take(&bytes[a..])?;
    let (window, c) = varint::take(&bytes[a + b..])?;
    // Three values below 2^62 do not overflow.
    Some((Entry { stream, taken, limit: taken + window }, a + b + c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_a_cut_one_is_waited_for() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let taken = rng.u64(..) >> rng.u8(2..64);
            let entry =
                Entry { stream: rng.u64(..) >> rng.u8(2..64), taken, limit: taken + (rng.u64(..) >> rng.u8(3..64)) };
            let mut bytes = Vec::new();
            encode(entry, &mut bytes);
            assert!(bytes.len() <= MAX_ENTRY_BYTES);
            assert_eq!(decode(&bytes), Some((entry, bytes.len())));
            for cut in 0..bytes.len() {
                assert_eq!(decode(&bytes[..cut]), None);
            }
        }
    }

    #[test]
    fn the_wire_form_is_as_the_specification_shows() {
        let mut bytes = Vec::new();
        encode(Entry { stream: 4, taken: 300, limit: 300 + 65_536 }, &mut bytes);
        assert_eq!(bytes, [0x04, /* taken */ 0x41, 0x2c, /* window */ 0x80, 0x01, 0x00, 0x00]);
    }
}
