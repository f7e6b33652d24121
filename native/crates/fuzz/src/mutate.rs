//! Changes to an input. They know what formats are made of: fields that repeat and change places, fixed-width numbers of
//! both byte orders, QUIC variable-length integers, and lengths, for which the extremes are what goes wrong.

use fastrand::Rng;

/// Where arithmetic turns over: of 8, 16, 32, 62 and 64 bits, and of what a packet holds.
pub const EXTREMES: [u64; 24] = [
    0,
    1,
    2,
    3,
    4,
    63,
    64,
    127,
    128,
    255,
    1_200,
    16_383,
    16_384,
    65_535,
    65_536,
    (1 << 30) - 1,
    1 << 30,
    u32::MAX as u64,
    1 << 32,
    (1 << 62) - 2,
    (1 << 62) - 1,
    1 << 62,
    i64::MAX as u64,
    u64::MAX,
];

/// A number that formats get wrong, or one near it, or any.
pub fn number(rng: &mut Rng) -> u64 {
    let extreme = EXTREMES[rng.usize(..EXTREMES.len())];
    match rng.u8(..8) {
        0..=3 => extreme,
        4 => extreme.wrapping_add(rng.u64(..4)),
        5 => extreme.wrapping_sub(rng.u64(..4)),
        6 => rng.u64(..) >> rng.u8(..64),
        _ => rng.u64(..32),
    }
}

/// Makes one to a few changes to `input`; `others` lend pieces. The result has at most `most` bytes.
pub fn mutate(rng: &mut Rng, input: &mut Vec<u8>, others: &[Vec<u8>], most: usize) {
    // Mostly few, so that an input stays near a real one; the mean is 2.
    let changes = 1 + (rng.u8(..).trailing_zeros() as usize).min(7);
    for _ in 0..changes {
        change(rng, input, others);
        input.truncate(most);
    }
}

fn change(rng: &mut Rng, input: &mut Vec<u8>, others: &[Vec<u8>]) {
    if input.is_empty() {
        let len = rng.usize(1..32);
        input.resize_with(len, || rng.u8(..));
        return;
    }
    let at = rng.usize(..input.len());
    // A short piece from there.
    let piece = at..input.len().min(at + 1 + (rng.usize(..64) >> rng.u8(..6)));
    match rng.u8(..14) {
        0 | 1 => input[at] ^= 1 << rng.u8(..8),
        2 => input[at] = rng.u8(..),
        3 => input[at] = input[at].wrapping_add(rng.u8(..3)).wrapping_sub(1),
        4 => input.truncate(at),
        5 => drop(input.drain(piece)),
        6 => {
            let copy = input[piece].to_vec();
            let to = rng.usize(..=input.len());
            input.splice(to..to, copy);
        }
        7 => {
            let moved: Vec<u8> = input.drain(piece).collect();
            let to = rng.usize(..=input.len());
            input.splice(to..to, moved);
        }
        8 => drop(input.splice(at..at, (0..piece.len()).map(|_| rng.u8(..)).collect::<Vec<_>>())),
        9 | 10 => {
            let (_, width) = varint(input[at]);
            let end = input.len().min(at + if rng.bool() { width } else { 1 });
            input.splice(at..end, any_varint(rng));
        }
        11 => fixed(rng, &mut input[at..]),
        _ if !others.is_empty() => {
            let other = &others[rng.usize(..others.len())];
            let from = rng.usize(..=other.len());
            let to = if rng.bool() { input.len() } else { at };
            input.splice(at..to, other[from..].iter().copied());
        }
        _ => input.extend_from_within(piece),
    }
}

/// The two bits that tell a variable-length integer's width, and the width.
fn varint(first: u8) -> (u8, usize) {
    (first >> 6, 1 << (first >> 6))
}

/// A number in any of the widths that take it, the shortest or not.
fn any_varint(rng: &mut Rng) -> Vec<u8> {
    let value = number(rng) & ((1 << 62) - 1);
    let least = match value {
        0..0x40 => 0,
        0x40..0x4000 => 1,
        0x4000..0x4000_0000 => 2,
        _ => 3,
    };
    let width = rng.u32(least..4);
    let mut bytes = value.to_be_bytes()[8 - (1 << width)..].to_vec();
    bytes[0] |= (width as u8) << 6;
    bytes
}

fn fixed(rng: &mut Rng, bytes: &mut [u8]) {
    let width = (1 << rng.u8(..4)).min(bytes.len());
    let mut number = number(rng).to_le_bytes();
    if rng.bool() {
        number[..width].reverse();
    }
    bytes[..width].copy_from_slice(&number[..width]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_keep_to_the_most_and_repeat_with_their_seed() {
        let others = [vec![1; 300], Vec::new()];
        for seed in 0..20_000 {
            let changed = || {
                let mut input = vec![0x40; seed as usize % 90];
                mutate(&mut Rng::with_seed(seed), &mut input, &others, 200);
                input
            };
            let input = changed();
            assert!(input.len() <= 200);
            assert_eq!(input, changed(), "seed {seed}");
        }
    }
}
