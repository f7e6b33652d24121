//! One UDP socket with the system's batching: segmentation offload when sending, receive offload and several
//! packets a call when receiving. Knows nothing of what the packets mean, so that QUIC and KCP can share it.
#![forbid(unsafe_code)]

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use noq_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Type};

pub use noq_udp::{EcnCodepoint, Transmit};

/// The largest UDP payload over IPv4, which segmentation offload must not exceed in all.
const MAX_SEND_BYTES: usize = 65_507;

/// Buffers of one receive call. 64 KiB each, because receive offload joins packets up to that.
const RECV_BUFFERS: usize = 8;
const RECV_BYTES: usize = 64 * 1024;

/// One received datagram.
pub struct Datagram<'a> {
    pub from: SocketAddr,
    pub to: Option<IpAddr>,
    pub ecn: Option<EcnCodepoint>,
    pub bytes: &'a [u8],
}

/// What became of packets that were to be sent. All but `Blocked` is over and done with: to a transport, what did not
/// leave is packet loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    Left,
    /// Wait until writable; nothing was sent.
    Blocked,
    /// There is no way from here to there: our own address may be gone.
    NoRoute,
    Failed,
}

/// The way from here to a remote, as the system sees it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// From the same address as before.
    Same,
    Other,
    None,
}

/// Memory for receive calls; one serves all sockets of a thread.
pub struct ReceiveBuffers(Vec<u8>);

impl Default for ReceiveBuffers {
    fn default() -> Self {
        Self(vec![0; RECV_BUFFERS * RECV_BYTES])
    }
}

pub struct Socket {
    io: mio::net::UdpSocket,
    state: UdpSocketState,
    /// Of a socket for one remote: that, and the address that packets to it left from at first.
    route: Option<(SocketAddr, Option<IpAddr>)>,
}

impl Socket {
    /// A socket on `address`; port 0 takes a free one. An unspecified IPv6 address takes IPv4 too. buffer_bytes: asked for
    /// on both buffers; the system grants what it likes (Linux: at most net.core.{r,w}mem_max, twice).
    pub fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        let std: std::net::UdpSocket = socket.into();
        let state = UdpSocketState::new(UdpSockRef::from(&std))?;
        // Less than asked for is not an error: the granted sizes are reported.
        let _ = state.set_send_buffer_size(UdpSockRef::from(&std), buffer_bytes);
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&std), buffer_bytes);
        Ok(Self { io: mio::net::UdpSocket::from_std(std), state, route: None })
    }

    /// A socket for one remote. Where the system allows, it is connected, so that a closed port is heard of.
    pub fn for_remote(remote: SocketAddr, buffer_bytes: usize) -> io::Result<Self> {
        let mut socket = Self::bind(SocketAddr::new(unspecified(remote), 0), buffer_bytes)?;
        socket.route = Some((remote, source_to(remote).ok()));
        if cfg!(target_os = "linux") {
            socket.io.connect(remote)?;
        }
        Ok(socket)
    }

    /// How a new socket for the same remote would send, beside this one.
    pub fn route(&self) -> Route {
        let Some((remote, source)) = self.route else { return Route::Same };
        match source_to(remote) {
            Ok(now) if source == Some(now) => Route::Same,
            Ok(_) => Route::Other,
            Err(_) => Route::None,
        }
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// (send, receive) buffer sizes that the system granted, bytes.
    pub fn buffer_sizes(&self) -> (usize, usize) {
        let sent = self.state.send_buffer_size(UdpSockRef::from(&self.io)).unwrap_or(0);
        let received = self.state.recv_buffer_size(UdpSockRef::from(&self.io)).unwrap_or(0);
        (sent, received)
    }

    /// Whether the system may fragment our packets, in which case the path's MTU cannot be probed.
    pub fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    /// How many packets one `send` may carry.
    pub fn segments(&self) -> std::num::NonZeroUsize {
        self.state.max_gso_segments()
    }

    pub fn source(&mut self) -> &mut impl mio::event::Source {
        &mut self.io
    }

    /// More than the system takes at once goes in several calls; only the first of them may be `Blocked`, packets of
    /// later ones are lost.
    pub fn send(&self, transmit: &Transmit<'_>) -> Sent {
        let Some(segment) = transmit.segment_size.filter(|_| transmit.contents.len() > MAX_SEND_BYTES) else {
            return self.send_once(transmit);
        };
        let step = (MAX_SEND_BYTES / segment).max(1) * segment;
        let mut chunks = transmit.contents.chunks(step);
        let mut send = |contents| self.send_once(&Transmit { contents, ..transmit.clone() });
        let first = chunks.next().map_or(Sent::Left, &mut send);
        if first == Sent::Left {
            for contents in chunks {
                let _ = send(contents);
            }
        }
        first
    }

    fn send_once(&self, transmit: &Transmit<'_>) -> Sent {
        use io::ErrorKind as E;
        match self.state.try_send(UdpSockRef::from(&self.io), transmit).map_err(|e| e.kind()) {
            Ok(()) => Sent::Left,
            Err(E::WouldBlock) => Sent::Blocked,
            // Linux says "invalid argument" for a source address that is no longer one of the machine's.
            Err(
                E::NetworkUnreachable | E::HostUnreachable | E::NetworkDown | E::AddrNotAvailable | E::InvalidInput,
            ) => Sent::NoRoute,
            Err(_) => Sent::Failed,
        }
    }

    /// One receive call; hands over each datagram. WouldBlock: nothing is there. False: whatever is
    /// there then or comes later makes the socket readable anew.
    pub fn receive(&self, buffers: &mut ReceiveBuffers, mut take: impl FnMut(Datagram<'_>)) -> io::Result<bool> {
        let mut metas = [RecvMeta::default(); RECV_BUFFERS];
        let mut chunks = buffers.0.chunks_exact_mut(RECV_BYTES);
        let mut slices: [IoSliceMut<'_>; RECV_BUFFERS] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let count = self.state.recv(UdpSockRef::from(&self.io), &mut slices, &mut metas)?;
        for (meta, chunk) in metas[..count].iter().zip(buffers.0.chunks_exact(RECV_BYTES)) {
            for bytes in chunk[..meta.len].chunks(meta.stride.max(1)) {
                take(Datagram { from: meta.addr, to: meta.dst_ip, ecn: meta.ecn, bytes });
            }
        }
        // Elsewhere a call may take one at a time.
        Ok(!cfg!(target_os = "linux") || count == RECV_BUFFERS)
    }
}

/// The address that the system would send to `remote` from. No packet leaves.
fn source_to(remote: SocketAddr) -> io::Result<IpAddr> {
    let socket = std::net::UdpSocket::bind(SocketAddr::new(unspecified(remote), 0))?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

fn unspecified(remote: SocketAddr) -> IpAddr {
    match remote {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}
