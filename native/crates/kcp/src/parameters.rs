//! What each end tells the other inside the TLS handshake, in the extension for QUIC's transport parameters (RFC 9001
//! §8.2): entries of number, length and value. An entry with an unknown number is ignored.

use petrel_streams::varint;

use crate::packet::Id;

const ID: u64 = 0;
const FIRST: u64 = 1;
const RETRY: u64 = 2;
const RESET: u64 = 3;
const STREAMS: u64 = 4;
const IDLE: u64 = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// The sender's own connection id.
    pub(crate) id: Id,
    /// Of a listener: the id to which the dialler's very first packet went, and that of its Retry.
    pub(crate) first: Option<Id>,
    pub(crate) retry: Option<Id>,
    /// Of a listener: what a reset of this link will show.
    pub(crate) reset: Option<[u8; 16]>,
    /// Streams that the receiver of this may open.
    pub(crate) streams: u64,
    /// Silence after which the sender gives the link up, ms.
    pub(crate) idle_ms: u64,
}

impl Parameters {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        let ids = [(ID, Some(self.id)), (FIRST, self.first), (RETRY, self.retry)];
        for (number, id) in ids {
            if let Some(id) = id {
                put(number, &id.0, &mut out);
            }
        }
        if let Some(token) = &self.reset {
            put(RESET, token, &mut out);
        }
        for (number, value) in [(STREAMS, self.streams), (IDLE, self.idle_ms)] {
            let mut bytes = Vec::new();
            varint::put(value, &mut bytes);
            put(number, &bytes, &mut out);
        }
        out
    }

    /// None: malformed, twice the same, or no id.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let (mut id, mut first, mut retry, mut reset, mut streams, mut idle_ms) = (None, None, None, None, None, None);
        while !bytes.is_empty() {
            let number = next(&mut bytes)?;
            let len = usize::try_from(next(&mut bytes)?).ok()?;
            let value = bytes.get(..len)?;
            bytes = &bytes[len..];
            let is_new = match number {
                ID => id.replace(Id(value.try_into().ok()?)).is_none(),
                FIRST => first.replace(Id(value.try_into().ok()?)).is_none(),
                RETRY => retry.replace(Id(value.try_into().ok()?)).is_none(),
                RESET => reset.replace(value.try_into().ok()?).is_none(),
                STREAMS => streams.replace(whole(value)?).is_none(),
                IDLE => idle_ms.replace(whole(value)?).is_none(),
                _ => true,
            };
            if !is_new {
                return None;
            }
        }
        Some(Self { id: id?, first, retry, reset, streams: streams?, idle_ms: idle_ms? })
    }
}

fn put(number: u64, value: &[u8], out: &mut Vec<u8>) {
    varint::put(number, out);
    varint::put(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn next(bytes: &mut &[u8]) -> Option<u64> {
    let (value, n) = varint::take(bytes)?;
    *bytes = &bytes[n..];
    Some(value)
}

fn whole(bytes: &[u8]) -> Option<u64> {
    varint::take(bytes).filter(|(_, n)| *n == bytes.len()).map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_back_and_no_bytes_are_too_strange() {
        let all = Parameters {
            id: Id([1; 8]),
            first: Some(Id([2; 8])),
            retry: None,
            reset: Some([3; 16]),
            streams: 4096,
            idle_ms: 30_000,
        };
        let bytes = all.encode();
        assert_eq!(Parameters::decode(&bytes), Some(all.clone()));
        let mut more = bytes.clone();
        put(1_000, b"later", &mut more);
        assert_eq!(Parameters::decode(&more), Some(all));
        put(STREAMS, &[1], &mut more);
        assert_eq!(Parameters::decode(&more), None, "twice the same");
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..100_000 {
            let mut bytes = bytes.clone();
            let at = rng.usize(0..bytes.len());
            bytes[at] = rng.u8(..);
            bytes.truncate(rng.usize(0..=bytes.len()));
            let _ = Parameters::decode(&bytes);
        }
    }
}
