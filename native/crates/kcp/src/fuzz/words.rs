//! What a peer may say that keeps to the rules, in no sensible order: it lives long enough to bring a connection into every
//! state. And what no peer may say.

use fastrand::Rng;
use petrel_fuzz::number;
use petrel_streams::message::Entry;
use petrel_streams::varint;

use super::peer::Peer;
use crate::frame;
use crate::packet::Level;

/// Appends one frame that the rules allow at level Data.
pub(super) fn allowed(rng: &mut Rng, peer: &mut Peer, out: &mut Vec<u8>) {
    let code = number(rng) & varint::MAX;
    match rng.u8(..32) {
        0 => frame::put_ping(out),
        1..=7 => peer.acknowledge(rng, Level::Data, out),
        8 if !peer.is_dialer => frame::put_done(out),
        9 => frame::put_challenge(&rng.u64(..).to_be_bytes(), out),
        10 => frame::put_response(&rng.u64(..).to_be_bytes(), out),
        11 => {
            if let Some(data) = peer.challenges.pop() {
                frame::put_response(&data, out);
            }
        }
        12 => frame::put_streams(number(rng), out),
        13 | 14 => {
            let taken = number(rng) & varint::MAX;
            let limit = taken + (number(rng) & varint::MAX);
            frame::put_limit(Entry { stream: number(rng), taken, limit }, out);
        }
        15 => frame::put_reset(stream(rng, peer), code, out),
        16 | 17 => frame::put_stop(stream(rng, peer), code, out),
        18 => out.extend_from_slice(&[0; 9]),
        _ => {
            let stream = stream(rng, peer);
            segment(rng, stream, out);
        }
    }
}

/// One of the first few of the peer's, or one that the victim has opened.
fn stream(rng: &mut Rng, peer: &Peer) -> u64 {
    let own = u64::from(!peer.is_dialer);
    match peer.theirs {
        n if n > 0 && rng.bool() => 4 * rng.u64(..n) + 1 - own,
        _ => 4 * (rng.u64(..64) >> rng.u8(..6)) + own,
    }
}

/// Any piece of the stream, which always has the same end; for some it is beyond their credit.
fn segment(rng: &mut Rng, stream: u64, out: &mut Vec<u8>) {
    let size = if stream.is_multiple_of(7) { 100_000 } else { 1 + stream * 37 % 3_000 };
    let start = rng.u64(..=size) >> (rng.u8(..16));
    let end = size.min(start + (rng.u64(..1_200) >> rng.u8(..12)));
    let len = (end - start) as usize;
    frame::put_segment_head(stream, start, len, end == size && rng.bool(), false, out);
    out.resize(out.len() + len, 3);
}

/// Appends one frame with any numbers, most of them near the truth.
pub(super) fn wrong(rng: &mut Rng, out: &mut Vec<u8>) {
    let kind = rng.u8(..0x15);
    out.push(kind);
    let numbers = match kind {
        0x02 => 4 + 2 * rng.usize(..4),
        0x09 => 1,
        0x0a | 0x12 | 0x13 => 3,
        _ => 2,
    };
    for _ in 0..numbers {
        varint::put(if rng.u8(..4) > 0 { rng.u64(..80) } else { number(rng) }, out);
    }
    out.extend((0..rng.usize(..80)).map(|n| n as u8));
}
