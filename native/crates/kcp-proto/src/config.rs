//! What one conversation is told at its start.

use crate::early::EarlyConfig;
use crate::header::HEADER_BYTES;
use crate::rto::RtoConfig;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Bytes without boundaries: small sends share a segment.
    Stream,
    /// What one `send` took one `recv` gives.
    Message,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    pub mode: Mode,
    /// The largest packet, in bytes, without the headers of UDP and IP.
    pub mtu: usize,
    /// The longest data of one segment that is taken, in bytes; the peer's mtu may differ from ours. The receiving side
    /// holds at most this times `receive_window`.
    pub longest_segment: usize,
    /// Segments from the oldest unacknowledged one on that may be out; as many again may wait to be sent.
    pub send_window: u16,
    /// Segments that the receiving side holds, unread ones among them. A message longer than this never arrives.
    pub receive_window: u16,
    pub rto: RtoConfig,
    pub early: EarlyConfig,
    /// Slow start and a congestion window; without (KCP's `nc`) only the two windows hold the sender back.
    pub congestion: bool,
    /// The number of the first segment in both directions; KCP has 0.
    pub first_sn: u32,
    /// What our clock shows at the start, in milliseconds.
    pub first_ts: u32,
}

impl Config {
    /// KCP's normal mode, with small windows.
    pub const NORMAL: Self = Self {
        mode: Mode::Message,
        mtu: 1_400,
        longest_segment: 1_500 - HEADER_BYTES,
        send_window: 32,
        receive_window: 128,
        rto: RtoConfig::NORMAL,
        early: EarlyConfig::OFF,
        congestion: true,
        first_sn: 0,
        first_ts: 0,
    };
    /// KCP's turbo mode: nodelay 1, resend 2, nc 1.
    pub const FAST: Self =
        Self { rto: RtoConfig::NODELAY, early: EarlyConfig::FAST, congestion: false, ..Self::NORMAL };

    /// Bytes of data in a full segment of ours.
    pub fn segment_bytes(&self) -> usize {
        self.mtu - HEADER_BYTES
    }
}
