//! Two ends of a link in the virtual network, and an application on each: what it wrote, what it has read. A third host
//! is whoever sends and records packets. Each test uses a part of it.
#![allow(dead_code)]

mod tls;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use petrel_kcp::{Arrival, Connection, Endpoint, Identity, LIMITS, Tuning};
use petrel_link::{Connection as _, Limits, Lost, Reading, Signal};
use petrel_netlab::{Link, Machine, Net, Node, Stop};
use petrel_streams::Reassembly;
use petrel_streams::message::Entry;
use rustls::pki_types::ServerName;

pub use tls::{Credentials, credentials};

pub const MBIT: u64 = 125_000;
pub const SECRET: &[u8] = b"secret";

pub fn address(host: u8) -> SocketAddr {
    ([10, 0, 0, host], 9_000).into()
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Whether a packet that leaves is lost at once; it sees its time.
pub type Sieve = Box<dyn FnMut(Instant, &[u8]) -> bool>;

/// One stream as its application sees it.
#[derive(Default)]
pub struct Channel {
    pub to_write: Bytes,
    pub finish: bool,
    pub received: Reassembly,
    pub read: Vec<u8>,
    pub finished: bool,
    pub reset: Option<u64>,
    /// Reset by us.
    pub abandoned: bool,
}

/// A host: a dialler with its connection, or a listener with its endpoint and the connection that came, or neither.
pub struct Host {
    pub address: SocketAddr,
    pub endpoint: Option<Endpoint>,
    pub retry: bool,
    pub tuning: Option<Tuning>,
    pub connection: Option<Connection>,
    /// Handshakes that the listener began.
    pub accepted: u32,
    pub channels: BTreeMap<u64, Channel>,
    pub datagrams: Vec<Bytes>,
    pub limits: BTreeMap<u64, Entry>,
    pub connected: Option<Instant>,
    pub opened: Vec<u64>,
    pub stopped: Vec<(u64, u64)>,
    pub lost: Option<Lost>,
    pub may_open: bool,
    /// When bytes of streams came, and how many in all by then.
    pub progress: Vec<(Instant, u64)>,
    /// Packets and bytes that the connection gave out, and bytes that came from the net.
    pub transmitted: (u64, u64),
    pub received: u64,
    pub sieve: Option<Sieve>,
    /// Packets that left and that came, if somebody looks: (address, bytes).
    pub sent: Option<Vec<(SocketAddr, Vec<u8>)>>,
    pub inbox: Option<Vec<(SocketAddr, Vec<u8>)>>,
    pub outbox: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl Host {
    pub fn new(address: SocketAddr, endpoint: Option<Endpoint>, connection: Option<Connection>) -> Self {
        Self {
            address,
            endpoint,
            retry: false,
            tuning: None,
            connection,
            accepted: 0,
            channels: BTreeMap::new(),
            datagrams: Vec::new(),
            limits: BTreeMap::new(),
            connected: None,
            opened: Vec::new(),
            stopped: Vec::new(),
            lost: None,
            may_open: false,
            progress: Vec::new(),
            transmitted: (0, 0),
            received: 0,
            sieve: None,
            sent: None,
            inbox: None,
            outbox: VecDeque::new(),
        }
    }

    pub fn link(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a connection")
    }

    /// Opens a stream that will carry `data` and then end.
    pub fn send(&mut self, data: Bytes) -> u64 {
        let stream = self.link().open().expect("a stream");
        self.say(stream, data);
        stream
    }

    /// Writes on a stream that is there, and ends it.
    pub fn say(&mut self, stream: u64, data: Bytes) {
        let channel = self.channels.entry(stream).or_default();
        channel.to_write = data;
        channel.finish = true;
        self.push(stream);
    }

    /// Bytes of streams that came.
    pub fn came(&self) -> u64 {
        self.progress.last().map_or(0, |(_, bytes)| *bytes)
    }

    pub fn push(&mut self, stream: u64) {
        let (Some(channel), Some(connection)) = (self.channels.get_mut(&stream), &mut self.connection) else { return };
        if !channel.to_write.is_empty() {
            let _ = connection.write(stream, &mut channel.to_write);
        }
        if channel.to_write.is_empty() && std::mem::take(&mut channel.finish) {
            connection.finish(stream);
        }
    }

    pub fn abandon(&mut self, stream: u64, code: u64) {
        self.link().abandon(stream, code);
        if let Some(channel) = self.channels.get_mut(&stream) {
            channel.abandoned = true;
            channel.to_write.clear();
            channel.finish = false;
        }
    }

    fn signals(&mut self, now: Instant) {
        while let Some(signal) = self.connection.as_mut().and_then(|c| c.poll()) {
            match signal {
                Signal::Connected => {
                    self.connected = Some(now);
                    if let (Some(endpoint), Some(connection)) = (&mut self.endpoint, &self.connection) {
                        endpoint.exchange(connection);
                    }
                }
                Signal::Lost(lost) => {
                    assert!(self.lost.is_none(), "lost twice: {:?}, then {lost:?}", self.lost);
                    self.lost = Some(lost);
                }
                Signal::Opened(stream) => {
                    self.opened.push(stream);
                    self.channels.insert(stream, Channel::default());
                }
                Signal::Readable(stream) => self.read(now, stream),
                Signal::Writable(stream) => self.push(stream),
                Signal::Stopped(stream, code) => {
                    self.stopped.push((stream, code));
                    self.abandon(stream, code);
                }
                Signal::Datagrams => {
                    while let Some(payload) = self.link().receive_datagram() {
                        self.datagrams.push(payload);
                    }
                }
                Signal::MayOpen => self.may_open = true,
                Signal::Limit(entry) => {
                    self.limits.insert(entry.stream, entry);
                }
            }
        }
    }

    fn read(&mut self, now: Instant, stream: u64) {
        let (Some(channel), Some(connection)) = (self.channels.get_mut(&stream), &mut self.connection) else { return };
        let reading = connection.read(stream, &mut |offset, bytes| {
            channel.received.insert(offset, bytes, u64::MAX).expect("a sane stream");
        });
        let mut buffer = vec![0; channel.received.available() as usize];
        let n = channel.received.read(&mut buffer);
        channel.read.extend_from_slice(&buffer[..n]);
        match reading {
            Reading::Finished => channel.finished = true,
            Reading::Reset(code) => channel.reset = Some(code),
            Reading::Open => {}
        }
        if n > 0 {
            self.progress.push((now, self.came() + n as u64));
        }
    }
}

impl Machine for Host {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        if let Some(inbox) = &mut self.inbox {
            inbox.push((from, bytes.to_vec()));
        }
        let Some(endpoint) = &mut self.endpoint else {
            if let Some(connection) = &mut self.connection {
                connection.handle_datagram(now, from, BytesMut::from(bytes));
            }
            return self.signals(now);
        };
        let mut out = Vec::new();
        match endpoint.handle(now, (from, None), bytes, &mut out) {
            Some(Arrival::For(id, packet)) if self.connection.as_ref().is_some_and(|c| c.id() == id) => {
                self.link().handle(packet);
            }
            Some(Arrival::Stranger(stranger)) if self.retry && !stranger.is_proven() => {
                let answer = endpoint.retry(&stranger, &mut out).expect("a Retry");
                self.outbox.push_back((from, out[..answer.size].to_vec()));
            }
            Some(Arrival::Stranger(stranger)) => {
                if let Ok(mut connection) = endpoint.accept(stranger) {
                    self.accepted += 1;
                    // A test has one link; what else begins is a ghost.
                    if self.connection.is_none() {
                        if let Some(tuning) = self.tuning {
                            connection.tune(tuning);
                        }
                        self.connection = Some(connection);
                    } else {
                        endpoint.forget(connection.id());
                    }
                }
            }
            Some(Arrival::Answer(answer)) => self.outbox.push_back((from, out[..answer.size].to_vec())),
            Some(Arrival::For(..)) | None => {}
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
        loop {
            if self.outbox.is_empty() {
                let connection = self.connection.as_mut()?;
                let mut buffer = Vec::new();
                let sent = connection.poll_transmit(now, NonZeroUsize::new(16).expect("16"), &mut buffer)?;
                assert_eq!(sent.size, buffer.len());
                let segment = sent.segment_size.unwrap_or(sent.size);
                assert!(segment > 0 && buffer.len().div_ceil(segment) <= 16);
                self.transmitted.0 += buffer.len().div_ceil(segment) as u64;
                self.transmitted.1 += buffer.len() as u64;
                self.outbox.extend(buffer.chunks(segment).map(|packet| (sent.destination, packet.to_vec())));
                self.signals(now);
            }
            let (to, packet) = self.outbox.pop_front()?;
            if let Some(sent) = &mut self.sent {
                sent.push((to, packet.clone()));
            }
            if !self.sieve.as_mut().is_some_and(|sieve| sieve(now, &packet)) {
                return Some((to, packet));
            }
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.connection.as_mut()?.poll_timeout()
    }
}

pub fn listener(credentials: &Credentials, secret: &[u8], limits: Limits) -> Endpoint {
    Endpoint::listener(Identity { tls: credentials.server.clone(), secret: secret.to_vec() }, limits)
}

/// A dialler (host 1) and a listener (host 2) with `link` between the dialler and the core; and a stranger (host 3).
pub struct Lab {
    pub net: Net,
    pub start: Instant,
    pub dialer: Node,
    pub stranger: Node,
    pub hosts: [Host; 3],
}

impl Lab {
    pub fn new(seed: u64, link: Link) -> Self {
        Self::with(seed, link, LIMITS)
    }

    pub fn with(seed: u64, link: Link, limits: Limits) -> Self {
        Self::with_credentials(seed, link, limits, credentials())
    }

    pub fn with_credentials(seed: u64, link: Link, limits: Limits, credentials: &Credentials) -> Self {
        let start = Instant::now();
        let mut net = Net::new(start, seed);
        let dialer = net.host(address(1), Net::CORE, link);
        net.host(address(2), Net::CORE, Link::ideal());
        let stranger = net.host(address(3), Net::CORE, Link::ideal());
        let name = ServerName::try_from("server").expect("a name");
        let connection =
            Connection::dial(start, credentials.client.clone(), name, address(2), limits).expect("a connection");
        let endpoint = listener(credentials, SECRET, limits);
        let hosts = [
            Host::new(address(1), None, Some(connection)),
            Host::new(address(2), Some(endpoint), None),
            Host::new(address(3), None, None),
        ];
        Self { net, start, dialer, stranger, hosts }
    }

    /// Both ends with these settings.
    pub fn tune(&mut self, tuning: Tuning) {
        self.hosts[0].link().tune(tuning);
        self.hosts[1].tuning = Some(tuning);
    }

    /// Runs until `done`, at most so long from now. Returns the time since the start.
    pub fn run(&mut self, most: Duration, mut done: impl FnMut(&mut [Host]) -> bool) -> Result<Duration, String> {
        let until = self.net.now() + most;
        let ended = self.net.run(&mut self.hosts, until, |_, hosts| done(hosts));
        ended
            .map(|at| at - self.start)
            .map_err(|stop| format!("{stop:?} {:?} {:?}", self.hosts[0].lost, self.hosts[1].lost))
    }

    /// Lets so much time pass.
    pub fn pass(&mut self, time: Duration) {
        let until = self.net.now() + time;
        match self.net.run(&mut self.hosts, until, |_, _| false) {
            Err(Stop::Until | Stop::Idle { .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    pub fn connect(&mut self) -> Duration {
        let both = |hosts: &mut [Host]| hosts[..2].iter().all(|host| host.connected.is_some());
        self.run(Duration::from_secs(30), both).expect("a link")
    }

    /// The dialler moves to another address.
    pub fn roam(&mut self, to: SocketAddr) {
        self.net.readdress(self.dialer, to);
        self.hosts[0].address = to;
        let now = self.net.now();
        self.hosts[0].link().local_address_changed(now);
    }
}

/// The longest time between two arrivals of bytes, and when it ended.
pub fn longest_stall(progress: &[(Instant, u64)]) -> (Duration, Option<Instant>) {
    let gaps = progress.windows(2).map(|pair| (pair[1].0 - pair[0].0, Some(pair[1].0)));
    gaps.max_by_key(|(gap, _)| *gap).unwrap_or_default()
}

pub fn pattern(seed: u64, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes.into()
}
