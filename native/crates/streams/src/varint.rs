//! QUIC's variable-length integers (RFC 9000 §16): 1, 2, 4 or 8 bytes, values up to 2^62 - 1.

/// The largest value.
pub const MAX: u64 = (1 << 62) - 1;

/// Appends `value`, cut to MAX.
pub fn put(value: u64, out: &mut Vec<u8>) {
    let value = value.min(MAX);
    match value {
        0..0x40 => out.push(value as u8),
        0x40..0x4000 => out.extend_from_slice(&(value as u16 | 0x4000).to_be_bytes()),
        0x4000..0x4000_0000 => out.extend_from_slice(&(value as u32 | 0x8000_0000).to_be_bytes()),
        _ => out.extend_from_slice(&(value | 0xc000_0000_0000_0000).to_be_bytes()),
    }
}

/// Bytes that `put` appends.
pub const fn len(value: u64) -> usize {
    match value {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        0x4000..0x4000_0000 => 4,
        _ => 8,
    }
}

/// Reads one from the front. None: bytes are missing. Returns it and how many bytes it took.
pub fn take(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len = 1 << (first >> 6);
    let rest = bytes.get(1..len)?;
    Some((rest.iter().fold(u64::from(first & 0x3f), |value, b| value << 8 | u64::from(*b)), len))
}
