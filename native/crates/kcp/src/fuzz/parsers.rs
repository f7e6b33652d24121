//! The parsers one by one: whatever they take, they give back when it is written again.

use bytes::Bytes;
use petrel_streams::varint;

use crate::frame::{self, ACK_RANGES, Frame, Frames, MAX_REASON};
use crate::packet::{self, Packet, RESET, TAG};
use crate::parameters::Parameters;
use crate::ranges::Ranges;

pub(super) fn packet(bytes: &[u8]) {
    let mut again = Vec::new();
    let same = match packet::parse(bytes) {
        None => return,
        Some(Packet::Sealed(header)) => {
            let token = header.initial.as_ref().map_or(&[][..], |initial| &bytes[initial.token.clone()]);
            packet::put_header(&header, token, &mut again);
            assert_eq!(again.len(), header.len);
            assert!(header.len + TAG <= bytes.len());
            header.len
        }
        Some(Packet::Retry { to, from, token }) => {
            packet::put_retry(to, from, &bytes[token], &mut again);
            bytes.len() - TAG
        }
        // The list may be longer than ours.
        Some(Packet::Versions { to, from, .. }) => {
            packet::put_versions(to, from, &mut again);
            again.truncate(17);
            17
        }
        Some(Packet::Forgotten { id, token }) => {
            packet::put_forgotten(id, &token, &mut again);
            RESET
        }
    };
    assert_eq!(again, bytes[..same]);
}

pub(super) fn parameters(bytes: &[u8]) {
    let Some(parameters) = Parameters::decode(bytes) else { return };
    assert_eq!(Parameters::decode(&parameters.encode()), Some(parameters));
}

pub(super) fn frames(bytes: &[u8]) {
    let mut data = 0;
    let mut ended = false;
    for frame in Frames::new(Bytes::copy_from_slice(bytes)) {
        assert!(!ended, "a frame after a malformed one");
        let Ok(frame) = frame else {
            ended = true;
            continue;
        };
        data += match &frame {
            Frame::Crypto { data, .. } | Frame::Segment { data, .. } | Frame::Datagram(data) => data.len(),
            Frame::Close { reason, .. } => reason.len(),
            Frame::Ack(ack) => {
                assert!((1..=ACK_RANGES).contains(&ack.ranges.len()));
                let falls = ack.ranges.windows(2).all(|pair| pair[1].end < pair[0].start);
                assert!(falls && ack.ranges.iter().all(|range| range.start < range.end), "{ack:?}");
                0
            }
            _ => 0,
        };
        if let Frame::Segment { offset, data, .. } = &frame {
            assert!(offset + data.len() as u64 <= varint::MAX, "a byte that has no number");
        }
        let Some(written) = written(&frame) else { continue };
        let mut again = Frames::new(Bytes::from(written.clone()));
        assert_eq!((again.next(), again.next()), (Some(Ok(frame)), None), "{}", petrel_fuzz::hex(&written));
    }
    assert!(data <= bytes.len(), "{data} bytes of data");
}

/// None: we would not write such a frame.
fn written(frame: &Frame) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match frame {
        Frame::Ping => frame::put_ping(&mut out),
        Frame::Ack(ack) => {
            let mut ranges = Ranges::default();
            ack.ranges.iter().for_each(|range| {
                ranges.insert(range.clone());
            });
            assert!(frame::put_ack(&ranges, ack.delay_us, 1_000, &mut out));
        }
        Frame::Crypto { offset, data } => frame::put_crypto(*offset, data, &mut out),
        Frame::Done => frame::put_done(&mut out),
        Frame::Close { is_fault, code, reason } => {
            let text = std::str::from_utf8(reason).ok().filter(|text| text.len() <= MAX_REASON)?;
            frame::put_close(*is_fault, *code, text, &mut out);
        }
        Frame::Challenge(data) => frame::put_challenge(data, &mut out),
        Frame::Response(data) => frame::put_response(data, &mut out),
        Frame::Streams(most) => frame::put_streams(*most, &mut out),
        Frame::Limit(entry) => frame::put_limit(*entry, &mut out),
        Frame::Reset { stream, code } => frame::put_reset(*stream, *code, &mut out),
        Frame::Stop { stream, code } => frame::put_stop(*stream, *code, &mut out),
        Frame::Datagram(payload) => frame::put_datagram(payload, &mut out),
        Frame::Segment { stream, offset, fin, data } => {
            frame::put_segment_head(*stream, *offset, data.len(), *fin, data.len().is_multiple_of(2), &mut out);
            out.extend_from_slice(data);
        }
    }
    Some(out)
}
