//! Two ends of a link in the virtual network, each with its driver, so with everything but sockets and the thread: what
//! windows, credit and the controller make of a path together. One stream carries bytes from the dialler without end.

mod beside;
mod profiles;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Poll, Token, Waker};
use petrel_link::{Credentials, Limits, Transmit, Trust, lock};
use petrel_netlab::{Counters, Link as Path, Machine, Net, Node, Stop, Way};
use petrel_socket::{Route, Sent};

use crate::driver::Driver;
use crate::event::{Event, Events};
use crate::handle::Handle;
use crate::link::Link;
use crate::protocol::{Arrival, Connection, Dialling, Endpoint, Identity, Protocol};

/// Packets that leave in one call of the system.
const SEGMENTS: NonZeroUsize = NonZeroUsize::new(16).expect("16");
/// What the application writes at once.
static CHUNK: [u8; 64 * 1024] = [7; 64 * 1024];

struct Host {
    address: SocketAddr,
    limits: Limits,
    handle: Arc<Handle>,
    _poll: Poll,
    endpoint: Endpoint,
    driver: Option<Driver>,
    is_due: bool,
    buffer: Vec<u8>,
    outbox: VecDeque<(SocketAddr, Vec<u8>)>,
    /// The dialler's stream.
    stream: Option<u64>,
    is_connected: bool,
    /// Its link may end.
    may_close: bool,
    /// Its application reads nothing.
    is_deaf: bool,
    /// Bytes that the application has taken.
    taken: u64,
    /// How often its link had a turn.
    turns: u32,
}

impl Host {
    fn new(address: SocketAddr, endpoint: Endpoint, limits: Limits) -> Self {
        let poll = Poll::new().expect("a poll");
        let waker = Waker::new(poll.registry(), Token(0)).expect("a waker");
        let handle = Arc::new(Handle::new(Events::new(Box::new(|| {})), waker));
        Self {
            address,
            limits,
            handle,
            _poll: poll,
            endpoint,
            driver: None,
            is_due: true,
            buffer: Vec::new(),
            outbox: VecDeque::new(),
            stream: None,
            is_connected: false,
            may_close: false,
            is_deaf: false,
            taken: 0,
            turns: 0,
        }
    }

    fn adopt(&mut self, now: Instant, connection: Connection, is_dialer: bool) {
        let link = Arc::new(Link::new(self.handle.number(), is_dialer, self.limits, self.handle.clone()));
        let key = connection.key();
        *lock(&link.connection) = Some(connection);
        self.driver = Some(Driver::new(link, key, 1, (!is_dialer).then_some(1), None, now));
    }

    fn link(&self) -> &Arc<Link> {
        &self.driver.as_ref().expect("a link").link
    }

    /// What Node does on the events of the engine.
    fn events(&mut self) {
        while let Some(event) = self.handle.events.pop() {
            match event {
                Event::Connected { .. } | Event::Incoming { .. } => self.is_connected = true,
                Event::Writable { .. } => self.write(),
                Event::Stream { stream, .. } | Event::Readable { stream, .. } if !self.is_deaf => self.read(stream),
                Event::Closed { .. } | Event::Failed { .. } if self.may_close => {}
                Event::Closed { closed, .. } => panic!("{closed:?}"),
                Event::Failed { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
    }

    fn write(&mut self) {
        let Some(stream) = self.stream else { return };
        while self.link().write(stream, &CHUNK) == CHUNK.len() {}
    }

    fn read(&mut self, stream: u64) {
        let mut into = vec![0; CHUNK.len()];
        while let Some(n @ 1..) = self.link().read(stream, &mut into) {
            self.taken += n as u64;
        }
        self.link().took(stream, self.taken);
    }

    fn turn(&mut self, now: Instant) {
        self.is_due = false;
        self.turns += 1;
        let Some(driver) = &mut self.driver else { return };
        let outbox = &mut self.outbox;
        let send = |transmit: &Transmit, bytes: &[u8]| {
            let size = transmit.segment_size.unwrap_or(bytes.len()).max(1);
            outbox.extend(bytes.chunks(size).map(|packet| (transmit.destination, packet.to_vec())));
            Sent::Left
        };
        let turn = driver.turn(now, SEGMENTS, &mut self.buffer, send, || Route::Same);
        let exchange = lock(&driver.link.connection).as_mut().map(|connection| self.endpoint.exchange(connection));
        self.is_due = turn.again || exchange.is_some_and(|exchange| exchange.again);
        self.events();
        for link in lock(&self.handle.marked).drain(..) {
            link.is_marked.store(false, Ordering::Release);
            self.is_due = true;
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
            Some(Arrival::For(key, packet)) => {
                let Some(driver) = self.driver.as_mut().filter(|driver| driver.key == key) else { return };
                let link = driver.link.clone();
                let mut connection = lock(&link.connection);
                let Some(connection) = connection.as_mut() else { return };
                connection.handle(packet);
                driver.events(connection.as_dyn_mut());
            }
            Some(Arrival::Stranger(stranger)) if self.driver.is_none() => {
                if let Ok(connection) = self.endpoint.accept(stranger, now, &mut out) {
                    self.adopt(now, connection, false);
                }
            }
            _ => {}
        }
        self.is_due = true;
    }

    fn handle_timeout(&mut self, _now: Instant) {
        self.is_due = true;
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        while self.outbox.is_empty() && self.is_due {
            self.turn(now);
        }
        self.outbox.pop_front()
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.driver.as_ref()?.deadline
    }
}

struct Lab {
    net: Net,
    start: Instant,
    dialer: Node,
    hosts: [Host; 2],
}

impl Lab {
    /// Both ends with these limits.
    fn new(seed: u64, protocol: Protocol, path: Path, limits: Limits) -> Self {
        Self::between(seed, protocol, path, [limits; 2])
    }

    /// The dialler's and the listener's limits.
    fn between(seed: u64, protocol: Protocol, path: Path, limits: [Limits; 2]) -> Self {
        let [near, far]: [SocketAddr; 2] = [1, 2].map(|host| ([10, 0, 0, host], 9_000).into());
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
        let credentials = Credentials { certificate: made.cert.pem(), private_key: made.signing_key.serialize_pem() };
        let identity = Identity::new(protocol, &credentials).expect("an identity");
        let (dialling, _) = Dialling::new(protocol, Trust::Unverified, None, limits[0]).expect("a dial");
        let (endpoint, connection) = Endpoint::dial(dialling, far, "localhost", false).expect("a connection");
        let start = Instant::now();
        let mut net = Net::new(start, seed);
        let dialer = net.host(near, Net::CORE, path);
        net.host(far, Net::CORE, Path::ideal());
        let mut host = Host::new(near, endpoint, limits[0]);
        host.adopt(start, connection, true);
        let listener = Endpoint::listener(identity, limits[1], false).expect("a listener");
        Self { net, start, dialer, hosts: [host, Host::new(far, listener, limits[1])] }
    }

    fn run(&mut self, time: Duration, mut done: impl FnMut(&mut [Host]) -> bool) -> Option<Instant> {
        let until = self.net.now() + time;
        match self.net.run(&mut self.hosts, until, |_, hosts| done(hosts)) {
            Ok(at) => Some(at),
            Err(Stop::Until | Stop::Idle { .. }) => None,
            Err(stop) => panic!("{stop:?}"),
        }
    }

    /// Returns how long the handshake took.
    fn connect(&mut self) -> Duration {
        let at = self.run(Duration::from_secs(30), |hosts| hosts.iter().all(|host| host.is_connected));
        at.expect("a link") - self.start
    }

    /// The dialler's stream begins.
    fn flood(&mut self) {
        let host = &mut self.hosts[0];
        host.stream = host.link().open();
        assert!(host.stream.is_some());
        host.write();
        host.is_due = true;
    }

    /// What the listener's application takes of it in so much time, bytes a second.
    fn measure(&mut self, time: Duration) -> f64 {
        let before = self.hosts[1].taken;
        self.run(time, |_| false);
        (self.hosts[1].taken - before) as f64 / time.as_secs_f64()
    }

    /// What the dialler sent.
    fn counters(&self) -> Counters {
        self.net.pipe(self.dialer, Way::Up).counters()
    }
}
