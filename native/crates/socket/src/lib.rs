//! One UDP socket with the system's batching: segmentation offload when sending, receive offload and several
//! packets a call when receiving. Knows nothing of what the packets mean, so that QUIC and KCP can share it.
#![forbid(unsafe_code)]

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use noq_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Type};

pub use noq_udp::{EcnCodepoint, Transmit};

/// Asked for on both buffers; the system grants what it likes (Linux: at most net.core.{r,w}mem_max, twice).
const BUFFER_BYTES: usize = 8 * 1024 * 1024;

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
}

impl Socket {
    /// A socket on `address`; port 0 takes a free one. An unspecified IPv6 address takes IPv4 too.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        let std: std::net::UdpSocket = socket.into();
        let state = UdpSocketState::new(UdpSockRef::from(&std))?;
        // Less than asked for is not an error: the granted sizes are reported.
        let _ = state.set_send_buffer_size(UdpSockRef::from(&std), BUFFER_BYTES);
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&std), BUFFER_BYTES);
        Ok(Self { io: mio::net::UdpSocket::from_std(std), state })
    }

    /// A socket for one remote. Where the system allows, it is connected, so that a closed port is heard of.
    pub fn for_remote(remote: SocketAddr) -> io::Result<Self> {
        let any = match remote {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = Self::bind(SocketAddr::new(any, 0))?;
        if cfg!(target_os = "linux") {
            socket.io.connect(remote)?;
        }
        Ok(socket)
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

    /// WouldBlock: wait until writable; nothing was sent. Other errors are swallowed: to a transport they are packet
    /// loss. More than the system takes at once goes in several calls, of which later ones may be lost.
    pub fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let Some(segment) = transmit.segment_size.filter(|_| transmit.contents.len() > MAX_SEND_BYTES) else {
            return self.send_once(transmit);
        };
        let step = (MAX_SEND_BYTES / segment).max(1) * segment;
        for (index, contents) in transmit.contents.chunks(step).enumerate() {
            let sent = self.send_once(&Transmit { contents, ..transmit.clone() });
            if index == 0 {
                sent?;
            }
        }
        Ok(())
    }

    fn send_once(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.state.try_send(UdpSockRef::from(&self.io), transmit) {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }

    /// One receive call; hands over each datagram. WouldBlock: nothing is there.
    pub fn receive(&self, buffers: &mut ReceiveBuffers, mut take: impl FnMut(Datagram<'_>)) -> io::Result<()> {
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
        Ok(())
    }
}
