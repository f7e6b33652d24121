//! Two ends of a link in the virtual network, and an application on each: what it wrote, what it has read.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use petrel_kcp::{ALPN, Arrival, Config, Connection, Endpoint};
use petrel_link::{Connection as _, Lost, Reading, Signal};
use petrel_netlab::{Link, Machine, Net, Node};
use petrel_streams::Reassembly;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub const CONFIG: Config = Config { streams: 1_000, idle: Duration::from_secs(15), keep_alive: Duration::from_secs(5) };

pub fn credentials() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["server".to_string()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls13 = &[&rustls::version::TLS13];
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(tls13)
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a server");
    server.alpn_protocols = vec![ALPN.to_vec()];
    server.send_tls13_tickets = 0;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(tls13)
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![ALPN.to_vec()];
    (Arc::new(server), Arc::new(client))
}

pub fn address(host: u8) -> SocketAddr {
    ([10, 0, 0, host], 9_000).into()
}

/// One stream as its application sees it.
#[derive(Default)]
pub struct Channel {
    pub to_write: Bytes,
    pub finish: bool,
    pub received: Reassembly,
    pub read: Vec<u8>,
    pub finished: bool,
    pub reset: Option<u64>,
}

/// A host: a dialler with its connection, or a listener with its endpoint and the last connection that came.
pub struct Host {
    pub address: SocketAddr,
    pub endpoint: Option<Endpoint>,
    pub retry: bool,
    pub handle: Option<usize>,
    pub connection: Option<Connection>,
    pub channels: HashMap<u64, Channel>,
    pub datagrams: Vec<Bytes>,
    pub connected: Option<Instant>,
    pub opened: Vec<u64>,
    pub stopped: Vec<(u64, u64)>,
    pub lost: Option<Lost>,
    /// What the listener says to strangers: where to and what.
    answers: Vec<(SocketAddr, Vec<u8>)>,
    pending: Vec<(SocketAddr, Vec<u8>)>,
}

impl Host {
    fn new(address: SocketAddr, endpoint: Option<Endpoint>, connection: Option<Connection>) -> Self {
        Self {
            address,
            endpoint,
            retry: false,
            handle: None,
            connection,
            channels: HashMap::new(),
            datagrams: Vec::new(),
            connected: None,
            opened: Vec::new(),
            stopped: Vec::new(),
            lost: None,
            answers: Vec::new(),
            pending: Vec::new(),
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

    fn push(&mut self, stream: u64) {
        let (Some(channel), Some(connection)) = (self.channels.get_mut(&stream), &mut self.connection) else { return };
        if !channel.to_write.is_empty() {
            let _ = connection.write(stream, &mut channel.to_write);
        }
        if channel.to_write.is_empty() && std::mem::take(&mut channel.finish) {
            connection.finish(stream);
        }
    }

    fn signals(&mut self, now: Instant) {
        while let Some(signal) = self.connection.as_mut().and_then(|c| c.poll()) {
            match signal {
                Signal::Connected => {
                    self.connected = Some(now);
                    if let (Some(endpoint), Some(handle)) = (&mut self.endpoint, self.handle) {
                        endpoint.settled(handle);
                    }
                }
                Signal::Lost(lost) => self.lost = Some(lost),
                Signal::Opened(stream) => {
                    self.opened.push(stream);
                    self.channels.insert(stream, Channel::default());
                }
                Signal::Readable(stream) => self.read(stream),
                Signal::Writable(stream) => self.push(stream),
                Signal::Stopped(stream, code) => {
                    self.stopped.push((stream, code));
                    self.link().abandon(stream, code);
                }
                Signal::Datagrams => {
                    while let Some(payload) = self.link().receive_datagram() {
                        self.datagrams.push(payload);
                    }
                }
                Signal::MayOpen | Signal::Limit(_) => {}
            }
        }
    }

    fn read(&mut self, stream: u64) {
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
    }
}

impl Machine for Host {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Some(endpoint) = &mut self.endpoint else {
            self.link().handle_datagram(now, from, BytesMut::from(bytes));
            return self.signals(now);
        };
        let mut out = Vec::new();
        match endpoint.handle(from, BytesMut::from(bytes), &mut out) {
            Arrival::For(handle, bytes) if Some(handle) == self.handle => {
                self.link().handle_datagram(now, from, bytes);
            }
            Arrival::Stranger(incoming) if self.retry && !incoming.is_validated() => {
                let n = endpoint.retry(&incoming, &mut out).expect("a Retry");
                self.answers.push((from, out[..n].to_vec()));
            }
            Arrival::Stranger(incoming) => {
                if let Some((handle, connection)) = endpoint.accept(incoming, now) {
                    self.handle = Some(handle);
                    self.connection = Some(connection);
                }
            }
            Arrival::Answer(n) => self.answers.push((from, out[..n].to_vec())),
            Arrival::For(..) | Arrival::Nothing => {}
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
        if let Some(packet) = self.pending.pop().or_else(|| self.answers.pop()) {
            return Some(packet);
        }
        let connection = self.connection.as_mut()?;
        let mut buffer = Vec::new();
        let sent = connection.poll_transmit(now, NonZeroUsize::new(16).expect("16"), &mut buffer)?;
        assert_eq!(sent.size, buffer.len());
        let segment = sent.segment_size.unwrap_or(sent.size);
        self.pending = buffer.chunks(segment).rev().map(|packet| (sent.destination, packet.to_vec())).collect();
        self.signals(now);
        self.pending.pop()
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.connection.as_mut()?.poll_timeout()
    }
}

/// A dialler (host 1) and a listener (host 2) with `link` between the dialler and the core.
pub struct Lab {
    pub net: Net,
    pub start: Instant,
    pub dialer: Node,
    pub hosts: [Host; 2],
}

impl Lab {
    pub fn new(seed: u64, link: Link) -> Self {
        Self::with(seed, link, CONFIG)
    }

    pub fn with(seed: u64, link: Link, config: Config) -> Self {
        let start = Instant::now();
        let mut net = Net::new(start, seed);
        let dialer = net.host(address(1), Net::CORE, link);
        net.host(address(2), Net::CORE, Link::ideal());
        let (server, client) = credentials();
        let name = ServerName::try_from("server").expect("a name");
        let connection = Connection::dial(start, client, name, address(2), config).expect("a connection");
        let endpoint = Endpoint::new(server, b"secret", config);
        let hosts = [Host::new(address(1), None, Some(connection)), Host::new(address(2), Some(endpoint), None)];
        Self { net, start, dialer, hosts }
    }

    /// Runs until `done`, at most so long from now.
    pub fn run(&mut self, most: Duration, mut done: impl FnMut(&mut [Host]) -> bool) -> Result<Duration, String> {
        let until = self.net.now() + most;
        let ended = self.net.run(&mut self.hosts, until, |_, hosts| done(hosts));
        ended
            .map(|at| at - self.start)
            .map_err(|stop| format!("{stop:?} {:?} {:?}", self.hosts[0].lost, self.hosts[1].lost))
    }

    pub fn connect(&mut self) -> Duration {
        let both = |hosts: &mut [Host]| hosts.iter().all(|host| host.connected.is_some());
        self.run(Duration::from_secs(30), both).expect("a link")
    }
}

pub fn pattern(seed: u64, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes.into()
}
