//! Two ends of a QUIC link in the virtual network, and an application on each that writes and reads one stream.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use petrel_link::{Connection as _, Credentials, Limits, Lost, Profile, Signal, Trust};
use petrel_netlab::{Link, Machine, Net, Node, Stop};
use petrel_quic::{Arrival, Connection, Endpoint, dial_config, identity};
use petrel_streams::Reassembly;
use petrel_streams::message::Entry;

pub const MBIT: u64 = 125_000;

/// Of a link in a test; what only the driver looks at is nothing.
const LIMITS: Limits = Limits {
    streams: 1_000,
    credit_bytes: 0,
    datagram_bytes: 0,
    window_bytes: 0,
    idle: Duration::from_secs(15),
    keep_alive: Duration::from_secs(4),
    handshake: Duration::from_secs(10),
    profile: Profile::DEFAULT,
};

fn address(host: u8) -> SocketAddr {
    ([10, 0, 0, host], 9_000).into()
}

/// The same for all tests of a process.
fn credentials() -> &'static Credentials {
    static MADE: OnceLock<Credentials> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["server".to_string()]).expect("a certificate");
        Credentials { certificate: made.cert.pem(), private_key: made.signing_key.serialize_pem() }
    })
}

/// A host with its endpoint, and its connection once there is one.
pub struct Host {
    address: SocketAddr,
    endpoint: Endpoint,
    connection: Option<Connection>,
    is_connected: bool,
    lost: Option<Lost>,
    writes: Option<(u64, Bytes)>,
    reads: Reassembly,
    /// When packets left.
    pub sent: Vec<Instant>,
    outbox: Vec<(SocketAddr, Vec<u8>)>,
    /// When bytes came that the application can read, and how many in all by then.
    pub progress: Vec<(Instant, u64)>,
}

impl Host {
    fn new(address: SocketAddr, endpoint: Endpoint, connection: Option<Connection>) -> Self {
        Self {
            address,
            endpoint,
            connection,
            is_connected: false,
            lost: None,
            writes: None,
            reads: Reassembly::default(),
            sent: Vec::new(),
            outbox: Vec::new(),
            progress: Vec::new(),
        }
    }

    /// Opens a stream that carries `data`.
    pub fn send(&mut self, data: Bytes) {
        let stream = self.connection.as_mut().and_then(|connection| connection.open()).expect("a stream");
        self.writes = Some((stream, data));
        self.write();
    }

    /// A new stream's bytes as they go however full others keep the link, until it takes no more; returns how many.
    pub fn write_few_until_full(&mut self) -> u64 {
        let connection = self.connection.as_mut().expect("a connection");
        let stream = connection.open().expect("a stream");
        let mut kept = 0;
        loop {
            let mut few = Bytes::from_static(&[7; 16 * 1024]);
            match connection.write_few(stream, &mut few).expect("a reader") {
                0 => return kept,
                n => kept += n as u64,
            }
        }
    }

    /// Whether limits are handed on that must arrive.
    pub fn still_announces(&mut self) -> bool {
        let connection = self.connection.as_mut().expect("a connection");
        let entries = [Entry { stream: 0, taken: 0, limit: 1 << 40 }; 8 * 1024];
        connection.announce(&entries, true);
        let before = connection.may_announce();
        connection.poll_transmit(Instant::now(), NonZeroUsize::MIN, &mut Vec::new());
        !before && connection.may_announce()
    }

    fn write(&mut self) {
        if let (Some((stream, data)), Some(connection)) = (&mut self.writes, &mut self.connection) {
            connection.write(*stream, data).expect("a reader");
        }
    }

    fn read(&mut self, now: Instant, stream: u64) {
        let Some(connection) = &mut self.connection else { return };
        let reads = &mut self.reads;
        let _ = connection.read(stream, &mut |offset, bytes| {
            reads.insert(offset, bytes, u64::MAX).expect("a sane stream");
        });
        let mut buffer = vec![0; reads.available() as usize];
        let n = reads.read(&mut buffer) as u64;
        if n > 0 {
            let before = self.progress.last().map_or(0, |(_, bytes)| *bytes);
            self.progress.push((now, before + n));
        }
    }

    fn signals(&mut self, now: Instant) {
        while let Some(signal) = self.connection.as_mut().and_then(|connection| connection.poll()) {
            match signal {
                Signal::Connected => self.is_connected = true,
                Signal::Lost(lost) => self.lost = Some(lost),
                Signal::Opened(stream) | Signal::Readable(stream) => self.read(now, stream),
                Signal::Writable(_) => self.write(),
                _ => {}
            }
        }
        if let Some(connection) = &mut self.connection {
            self.endpoint.exchange(connection);
        }
    }
}

impl Machine for Host {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let mut out = Vec::new();
        match self.endpoint.handle(now, (from, None), None, bytes, &mut out) {
            Some(Arrival::For(_, packet)) => {
                if let Some(connection) = &mut self.connection {
                    connection.handle(packet);
                }
            }
            Some(Arrival::Stranger(stranger)) => {
                self.connection = self.endpoint.accept(stranger, now, &mut out).ok();
            }
            Some(Arrival::Answer(_)) | None => {}
        }
        self.signals(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.handle_timeout(now);
        }
        self.signals(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        if self.outbox.is_empty() {
            let mut buffer = Vec::new();
            let sent = self.connection.as_mut()?.poll_transmit(now, NonZeroUsize::new(16)?, &mut buffer)?;
            let packets = buffer.chunks(sent.segment_size.unwrap_or(sent.size));
            self.outbox = packets.rev().map(|packet| (sent.destination, packet.to_vec())).collect();
            self.signals(now);
        }
        let packet = self.outbox.pop()?;
        self.sent.push(now);
        Some(packet)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.connection.as_mut()?.poll_timeout()
    }
}

/// A dialler (host 0) and a listener (host 1) with `link` between the dialler and the core.
pub struct Lab {
    net: Net,
    dialer: Node,
    pub start: Instant,
    pub hosts: [Host; 2],
}

impl Lab {
    /// With the link up.
    pub fn connected(seed: u64, link: Link) -> Self {
        let start = Instant::now();
        let mut net = Net::new(start, seed);
        let node = net.host(address(1), Net::CORE, link);
        net.host(address(2), Net::CORE, Link::ideal());
        let (config, _) = dial_config(Trust::Unverified, None, LIMITS).expect("a configuration");
        let mut dialer = Endpoint::dialer(false).expect("an endpoint");
        let connection = dialer.dial(start, config, address(2), "server").expect("a connection");
        let listener = Endpoint::listener(identity(credentials()).expect("an identity"), LIMITS, false);
        let hosts = [
            Host::new(address(1), dialer, Some(connection)),
            Host::new(address(2), listener.expect("an endpoint"), None),
        ];
        let mut lab = Self { net, dialer: node, start, hosts };
        let until = start + Duration::from_secs(10);
        let both = |_, hosts: &mut [Host]| hosts.iter().all(|host| host.is_connected);
        lab.net.run(&mut lab.hosts, until, both).expect("a link");
        lab
    }

    /// Lets time pass until so long after the start.
    pub fn run_until(&mut self, time: Duration) {
        match self.net.run(&mut self.hosts, self.start + time, |_, _| false) {
            Err(Stop::Until) => assert_eq!(self.hosts.each_ref().map(|host| host.lost.clone()), [None, None]),
            other => panic!("{other:?}"),
        }
    }

    /// The dialler has another address from now on.
    pub fn roam(&mut self, to: SocketAddr) {
        self.net.readdress(self.dialer, to);
        self.hosts[0].address = to;
    }
}
