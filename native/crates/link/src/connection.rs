//! One end of a link as a pure state machine: packets, calls and the time go in; packets, signals and the next deadline
//! come out. QUIC and KCP implement it; the engine's driver uses it and knows neither. After each call that changes it,
//! the driver drains `poll` and `poll_transmit`, then waits for `poll_timeout`.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use petrel_streams::message::Entry;

/// Packets that leave together: `size` bytes of the buffer, cut every `segment_size` bytes (None: one packet).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    pub destination: SocketAddr,
    pub source: Option<IpAddr>,
    /// The two bits of RFC 3168.
    pub ecn: Option<u8>,
    pub size: usize,
    pub segment_size: Option<usize>,
}

/// What a connection has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The handshake is over and the peer is who it should be.
    Connected,
    /// The connection has ended; nothing follows. Also told after our own `close`, or not at all then.
    Lost(Lost),
    /// The peer opened this stream; the driver reads it next.
    Opened(u64),
    /// `read` has something: pieces, the end, or a reset.
    Readable(u64),
    /// `write` takes bytes again after it took fewer than given.
    Writable(u64),
    /// The peer wants no more bytes of this stream (code).
    Stopped(u64, u64),
    /// `open` may work again after it returned None.
    MayOpen,
    /// `receive_datagram` has something; the driver takes all of it at once.
    Datagrams,
    /// The peer's word on a stream's credit.
    Limit(Entry),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The peer's application closed it. code: a LinkEnd number of errors.ts.
    Closed { code: u64, reason: String },
    /// The peer says that we broke the protocol, or would not have us.
    Refused(String),
    /// Nothing was heard for the idle time.
    Idle,
    /// The peer has forgotten the link (stateless reset).
    Forgotten,
    /// The peer broke the protocol.
    Violation(String),
}

/// Where a stream's receiving side stands after `read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Open,
    /// The last of the bytes before the peer's FIN has been handed over.
    Finished,
    Reset(u64),
}

/// The peer stopped the stream with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped(pub u64);

/// Why a datagram was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Try again after the next packets have left.
    Full(Bytes),
    /// It can never be sent.
    Never,
}

/// Counters since the connection began; the rest is of now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathStats {
    pub rtt: Duration,
    pub cwnd: u64,
    pub mtu: u16,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub sent_packets: u64,
    pub lost_packets: u64,
    /// Bytes a second; 0: not known.
    pub delivery_rate: u64,
}

/// Streams are numbered as in QUIC (RFC 9000 §2.1): bidirectional ones of the dialler are 0, 4, 8 …, of the listener
/// 1, 5, 9 …. A number that is over or was never there does nothing in any call.
pub trait Connection: Send {
    // ---- time and packets ----

    fn poll_timeout(&mut self) -> Option<Instant>;
    fn handle_timeout(&mut self, now: Instant);
    /// Appends at most `segments` packets to `buffer`, which is empty. None: nothing may be sent now.
    fn poll_transmit(&mut self, now: Instant, segments: NonZeroUsize, buffer: &mut Vec<u8>) -> Option<Transmit>;
    fn poll(&mut self) -> Option<Signal>;

    // ---- streams ----

    /// A new stream's number. None: the peer allows no more now; MayOpen follows.
    fn open(&mut self) -> Option<u64>;
    /// Hands over everything that came, in any order, as (offset, bytes), and keeps none of it.
    fn read(&mut self, stream: u64, take: &mut dyn FnMut(u64, &[u8])) -> Reading;
    /// Takes bytes from the front of `data`; fewer than all when the send buffer is full (Writable follows). The driver
    /// keeps to the stream's credit.
    fn write(&mut self, stream: u64, data: &mut Bytes) -> Result<usize, Stopped>;
    /// The same for the few bytes of a stream that has hardly any on their way: however full others keep the send buffer.
    /// A `write` that does so by itself needs no other.
    fn write_few(&mut self, stream: u64, data: &mut Bytes) -> Result<usize, Stopped> {
        self.write(stream, data)
    }
    fn finish(&mut self, stream: u64);
    /// Resets our half and stops the peer's. Either may be over already.
    fn abandon(&mut self, stream: u64, code: u64);
    /// How many streams the peer may have open. Only grows.
    fn set_max_streams(&mut self, streams: u32);

    // ---- credit ----

    /// False: the peer knows nothing of limits and is sent none.
    fn speaks_credit(&self) -> bool;
    /// Tells the peer. surely: until it has heard, however many packets are lost and however late; else once, with the
    /// next packets.
    fn announce(&mut self, entries: &[Entry], surely: bool);
    /// False: so much waits for a peer that does not answer that nothing more should be announced surely.
    fn may_announce(&self) -> bool {
        true
    }

    // ---- datagrams ----

    /// Largest payload now. None: the peer takes none.
    fn max_datagram(&mut self) -> Option<usize>;
    fn send_datagram(&mut self, payload: Bytes) -> Result<(), Refused>;
    fn receive_datagram(&mut self) -> Option<Bytes>;

    // ---- life ----

    /// Tells the peer. Streams end at once; is_drained follows by time.
    fn close(&mut self, now: Instant, code: u64, reason: &str);
    /// Closed by either side: nothing but late packets can come.
    fn is_closed(&self) -> bool;
    /// Late packets are over too; it may be dropped.
    fn is_drained(&self) -> bool;

    /// SHA-256 of the SPKI of the certificate that the peer proved to own.
    fn peer_pin(&self) -> Option<[u8; 32]>;
    /// RFC 8446 §7.5. False: there are no keys.
    fn export_key(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> bool;
    /// Where the peer is now.
    fn remote(&self) -> SocketAddr;
    /// Our own socket is another one from now on: what follows leaves from a new address.
    fn local_address_changed(&mut self, now: Instant);
    fn stats(&mut self) -> PathStats;
    /// Of `stats`, for those who ask often. None: not known.
    fn rtt(&mut self) -> Option<Duration> {
        Some(self.stats().rtt).filter(|rtt| !rtt.is_zero())
    }
}
