//! Packets as they stand on the wire, before anything is known to be authentic. PROTOCOL.md, "Packets".

use std::ops::Range;

/// The one version of this protocol.
pub(crate) const VERSION: u32 = 1;

/// A dialler's first packets are at least this long, and every path must take it (RFC 9000 §14).
pub(crate) const MIN_PATH: usize = 1200;

/// type 1 | to 8 | counter 8
pub(crate) const HEADER: usize = 17;
pub(crate) const TAG: usize = 16;
/// A reset: type 1 | the id that nobody knows 8 | token 16. Nothing sealed is as short.
pub(crate) const RESET: usize = 25;
pub(crate) const MAX_TOKEN: usize = 128;

const INITIAL: u8 = 0x10;
const HANDSHAKE: u8 = 0x12;
const DATA: u8 = 0x14;
const PHASE: u8 = 0x01;
const RETRY: u8 = 0x18;
const VERSIONS: u8 = 0x1a;
const FORGOTTEN: u8 = 0x1c;

/// A connection id. Each end picks its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(crate) [u8; 8]);

/// How far the handshake has come; what a packet is sealed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Initial = 0,
    Handshake = 1,
    Data = 2,
}

pub(crate) const LEVELS: [Level; 3] = [Level::Initial, Level::Handshake, Level::Data];

/// The header of a sealed packet; the rest of the datagram is sealed with it as associated data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) level: Level,
    /// Of the keys; only at level Data.
    pub(crate) phase: bool,
    pub(crate) to: Id,
    pub(crate) counter: u64,
    /// Only at level Initial.
    pub(crate) initial: Option<Initial>,
    /// Bytes of the header.
    pub(crate) len: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Initial {
    pub(crate) version: u32,
    pub(crate) from: Id,
    /// Where in the packet the token stands; empty: none.
    pub(crate) token: Range<usize>,
}

/// What a datagram looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    Sealed(Header),
    Retry { to: Id, from: Id, token: Range<usize> },
    Versions { to: Id, from: Id, has_ours: bool },
    Forgotten { id: Id, token: [u8; 16] },
}

/// None: not one of ours.
pub(crate) fn parse(bytes: &[u8]) -> Option<Packet> {
    let first = *bytes.first()?;
    let to = id(bytes, 1)?;
    let sealed = |level, phase, initial, len: usize| {
        let counter = u64::from_be_bytes(bytes.get(9..17)?.try_into().ok()?);
        // A counter is a QUIC variable-length integer in acknowledgements, and its successor too.
        let fits = counter < (1 << 62) - 1 && bytes.len() >= len + TAG;
        fits.then_some(Packet::Sealed(Header { level, phase, to, counter, initial, len }))
    };
    match first {
        INITIAL => {
            let version = u32::from_be_bytes(bytes.get(17..21)?.try_into().ok()?);
            let from = id(bytes, 21)?;
            let len = usize::from(*bytes.get(29)?);
            if len > MAX_TOKEN {
                return None;
            }
            sealed(Level::Initial, false, Some(Initial { version, from, token: 30..30 + len }), 30 + len)
        }
        HANDSHAKE => sealed(Level::Handshake, false, None, HEADER),
        DATA => sealed(Level::Data, false, None, HEADER),
        _ if first == DATA | PHASE => sealed(Level::Data, true, None, HEADER),
        RETRY => {
            let end = bytes.len().checked_sub(TAG).filter(|end| (18..=17 + MAX_TOKEN).contains(end))?;
            Some(Packet::Retry { to, from: id(bytes, 9)?, token: 17..end })
        }
        VERSIONS => {
            let list = bytes.get(17..)?;
            let has_ours = list.chunks_exact(4).any(|v| v == VERSION.to_be_bytes());
            Some(Packet::Versions { to, from: id(bytes, 9)?, has_ours })
        }
        FORGOTTEN if bytes.len() == RESET => Some(Packet::Forgotten { id: to, token: bytes[9..].try_into().ok()? }),
        _ => None,
    }
}

/// Appends the header of a sealed packet.
pub(crate) fn put_header(header: &Header, token: &[u8], out: &mut Vec<u8>) {
    out.push(match header.level {
        Level::Initial => INITIAL,
        Level::Handshake => HANDSHAKE,
        Level::Data => DATA | u8::from(header.phase),
    });
    out.extend_from_slice(&header.to.0);
    out.extend_from_slice(&header.counter.to_be_bytes());
    if let Some(initial) = &header.initial {
        out.extend_from_slice(&initial.version.to_be_bytes());
        out.extend_from_slice(&initial.from.0);
        out.push(token.len() as u8);
        out.extend_from_slice(token);
    }
}

/// Appends a Retry without its tag.
pub(crate) fn put_retry(to: Id, from: Id, token: &[u8], out: &mut Vec<u8>) {
    out.push(RETRY);
    out.extend_from_slice(&to.0);
    out.extend_from_slice(&from.0);
    out.extend_from_slice(token);
}

pub(crate) fn put_versions(to: Id, from: Id, out: &mut Vec<u8>) {
    out.push(VERSIONS);
    out.extend_from_slice(&to.0);
    out.extend_from_slice(&from.0);
    out.extend_from_slice(&VERSION.to_be_bytes());
}

pub(crate) fn put_forgotten(id: Id, token: &[u8; 16], out: &mut Vec<u8>) {
    out.push(FORGOTTEN);
    out.extend_from_slice(&id.0);
    out.extend_from_slice(token);
}

fn id(bytes: &[u8], at: usize) -> Option<Id> {
    bytes.get(at..at + 8)?.try_into().ok().map(Id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Id = Id([1, 2, 3, 4, 5, 6, 7, 8]);
    const B: Id = Id([9; 8]);

    #[test]
    fn headers_stand_as_the_specification_shows() {
        let initial = Some(Initial { version: 1, from: B, token: 30..32 });
        let header = Header { level: Level::Initial, phase: false, to: A, counter: 258, initial, len: 32 };
        let mut out = Vec::new();
        put_header(&header, &[0xaa, 0xbb], &mut out);
        #[rustfmt::skip]
        assert_eq!(out, [
            0x10, /* to */ 1, 2, 3, 4, 5, 6, 7, 8, /* counter */ 0, 0, 0, 0, 0, 0, 1, 2, /* version */ 0, 0, 0, 1,
            /* from */ 9, 9, 9, 9, 9, 9, 9, 9, /* token */ 2, 0xaa, 0xbb,
        ]);
        out.extend_from_slice(&[0; 16]);
        assert_eq!(parse(&out), Some(Packet::Sealed(header)));
        for cut in 0..out.len() {
            assert_eq!(parse(&out[..cut]), None, "{cut} bytes");
        }
    }

    #[test]
    fn no_first_byte_of_ours_has_the_fixed_bit_of_quic() {
        for byte in [INITIAL, HANDSHAKE, DATA, DATA | PHASE, RETRY, VERSIONS, FORGOTTEN] {
            assert_eq!(byte & 0x40, 0);
        }
    }

    #[test]
    fn what_is_not_sealed_comes_back_too() {
        let mut out = Vec::new();
        put_retry(A, B, &[1; 40], &mut out);
        out.extend_from_slice(&[0; 16]);
        assert_eq!(parse(&out), Some(Packet::Retry { to: A, from: B, token: 17..57 }));
        out.clear();
        put_versions(A, B, &mut out);
        assert_eq!(parse(&out), Some(Packet::Versions { to: A, from: B, has_ours: true }));
        out.clear();
        put_forgotten(A, &[7; 16], &mut out);
        assert_eq!(out.len(), RESET);
        assert_eq!(parse(&out), Some(Packet::Forgotten { id: A, token: [7; 16] }));
    }

    #[test]
    fn random_bytes_are_parsed_or_not() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..200_000 {
            let mut bytes = vec![0; rng.usize(0..80)];
            rng.fill(&mut bytes);
            if let Some(first) = bytes.first_mut() {
                *first = rng.u8(0x0e..0x20);
            }
            if let Some(Packet::Sealed(header)) = parse(&bytes) {
                assert!(header.len + TAG <= bytes.len());
            }
        }
    }
}
