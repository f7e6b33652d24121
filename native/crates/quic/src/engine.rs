//! The thread that owns sockets and timers. It sleeps until a packet, a deadline or a call wakes it, gives each link
//! that has something to do one turn, and sleeps again. A panic in a link's turn ends that link only. Longer than most
//! files: every step of the loop works on the same tables of sockets, links and deadlines.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Interest, Poll, Token, Waker};
use noq_proto::crypto::rustls::QuicServerConfig;
use noq_proto::{ClientConfig, Connection, ConnectionHandle, EndpointEvent};
use petrel_socket::{ReceiveBuffers, Socket};

use crate::driver::Driver;
use crate::endpoint::{Arrival, Endpoint, client_config, send};
use crate::event::{ClosedBy, Event, Events};
use crate::link::{Limits, Link};
use crate::tls::{self, Credentials, Refusal, Trust};
use crate::{Error, lock};

const WAKER: Token = Token(usize::MAX);
/// Receive calls on one socket before the others have their turn.
const RECEIVE_CALLS: usize = 16;
/// `stop` waits this long for the thread; it ends within a millisecond unless the machine is stuck.
const STOP: Duration = Duration::from_millis(500);

enum Command {
    Listen(Box<Endpoint>),
    Renew(u32, Arc<QuicServerConfig>),
    Unlisten(u32),
    Dial {
        socket: Socket,
        link: Arc<Link>,
        config: Box<ClientConfig>,
        refusal: Refusal,
        remote: SocketAddr,
        name: String,
    },
}

/// What callers and links reach of the thread.
pub(crate) struct Handle {
    pub(crate) events: Events,
    waker: Waker,
    is_woken: AtomicBool,
    marked: Mutex<Vec<Arc<Link>>>,
    commands: Mutex<Vec<Command>>,
    is_stopping: AtomicBool,
    is_dead: AtomicBool,
    next: AtomicU32,
}

impl Handle {
    pub(crate) fn mark(&self, link: Arc<Link>) {
        lock(&self.marked).push(link);
        self.wake();
    }

    fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            // Fails only when the system is out of memory; the next deadline wakes then.
            let _ = self.waker.wake();
        }
    }

    fn command(&self, command: Command) -> Result<(), Error> {
        if self.is_dead.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        lock(&self.commands).push(command);
        self.wake();
        Ok(())
    }

    fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

pub struct Engine {
    handle: Arc<Handle>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// bell: called from the engine's thread when events are there, once until `next_event` has returned None.
    pub fn start(bell: Box<dyn Fn() + Send + Sync>) -> Result<Self, Error> {
        let poll = Poll::new()?;
        let handle = Arc::new(Handle {
            events: Events::new(bell),
            waker: Waker::new(poll.registry(), WAKER)?,
            is_woken: AtomicBool::new(false),
            marked: Mutex::default(),
            commands: Mutex::default(),
            is_stopping: AtomicBool::new(false),
            is_dead: AtomicBool::new(false),
            next: AtomicU32::new(1),
        });
        let reactor = Reactor::new(handle.clone(), poll);
        let thread = std::thread::Builder::new().name("petrel-quic".into()).spawn(move || reactor.run())?;
        Ok(Self { handle, thread: Mutex::new(Some(thread)) })
    }

    /// stranger: what its links may use before `raise_limits`. Returns the listener's number and where it listens; the
    /// socket is bound by then.
    pub fn listen(
        &self,
        address: SocketAddr,
        credentials: &Credentials,
        stranger: Limits,
    ) -> Result<(u32, SocketAddr), Error> {
        let tls = tls::server(credentials)?;
        let socket = Socket::bind(address)?;
        let address = socket.local_address()?;
        let id = self.handle.number();
        let endpoint = Endpoint::listener(socket, id, tls, stranger)?;
        self.handle.command(Command::Listen(Box::new(endpoint)))?;
        Ok((id, address))
    }

    pub fn renew(&self, listener: u32, credentials: &Credentials) -> Result<(), Error> {
        self.handle.command(Command::Renew(listener, tls::server(credentials)?))
    }

    /// Takes no new links and frees the port once the last of its links has ended.
    pub fn unlisten(&self, listener: u32) -> Result<(), Error> {
        self.handle.command(Command::Unlisten(listener))
    }

    /// Begins to dial; `Connected` or `Failed` follows.
    pub fn dial(
        &self,
        remote: SocketAddr,
        name: &str,
        trust: Trust,
        credentials: Option<&Credentials>,
        limits: Limits,
    ) -> Result<Arc<Link>, Error> {
        let (config, refusal) = tls::client(trust, credentials)?;
        let config = Box::new(client_config(config, limits)?);
        let socket = Socket::for_remote(remote)?;
        let link = Arc::new(Link::new(self.handle.number(), true, limits, self.handle.clone()));
        let name = name.to_string();
        self.handle.command(Command::Dial { socket, link: link.clone(), config, refusal, remote, name })?;
        Ok(link)
    }

    /// None: the queue is empty, and the bell will ring for the next.
    pub fn next_event(&self) -> Option<Event> {
        self.handle.events.pop()
    }

    /// Tells every peer, without waiting for an answer, and ends the thread. Later calls do nothing.
    pub fn stop(&self) {
        self.handle.is_stopping.store(true, Ordering::Release);
        let _ = self.handle.waker.wake();
        let Some(thread) = lock(&self.thread).take() else { return };
        let until = Instant::now() + STOP;
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_micros(200));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

struct Reactor {
    handle: Arc<Handle>,
    poll: Poll,
    endpoints: HashMap<usize, Endpoint>,
    next_endpoint: usize,
    drivers: HashMap<u32, Driver>,
    by_handle: HashMap<(usize, ConnectionHandle), u32>,
    deadlines: BTreeSet<(Instant, u32)>,
    /// Links that are to have a turn before the next sleep.
    active: Vec<u32>,
    is_active: HashSet<u32>,
    /// Links that wait until their socket takes more, by endpoint.
    blocked: HashMap<usize, Vec<u32>>,
    buffers: ReceiveBuffers,
    out: Vec<u8>,
}

impl Reactor {
    fn new(handle: Arc<Handle>, poll: Poll) -> Self {
        Self {
            handle,
            poll,
            endpoints: HashMap::new(),
            next_endpoint: 0,
            drivers: HashMap::new(),
            by_handle: HashMap::new(),
            deadlines: BTreeSet::new(),
            active: Vec::new(),
            is_active: HashSet::new(),
            blocked: HashMap::new(),
            buffers: ReceiveBuffers::default(),
            out: Vec::new(),
        }
    }

    fn run(mut self) {
        // Each link's turn is guarded by itself; what panics outside of one leaves nothing to go on with.
        let ended = catch_unwind(AssertUnwindSafe(|| self.sleep_and_work()));
        self.handle.is_dead.store(true, Ordering::Release);
        let reason = match ended {
            Ok(Ok(())) => "the engine has stopped".to_string(),
            Ok(Err(error)) => format!("the engine cannot go on: {error}"),
            Err(_) => "internal error: the engine panicked".to_string(),
        };
        for driver in self.drivers.values_mut() {
            driver.end(ClosedBy::Us, 2, reason.clone());
            if let Some(event) = driver.last_word.take() {
                self.handle.events.push(event);
            }
        }
    }

    fn sleep_and_work(&mut self) -> io::Result<()> {
        let mut ready = mio::Events::with_capacity(256);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut ready, timeout) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
            // Before the queues are taken: what comes later wakes again.
            self.handle.is_woken.store(false, Ordering::Release);
            if self.handle.is_stopping.load(Ordering::Acquire) {
                self.farewell();
                return Ok(());
            }
            for event in &ready {
                let Some(endpoint) = self.endpoints.get_mut(&event.token().0) else { continue };
                endpoint.is_readable |= event.is_readable() || event.is_error();
                if event.is_writable() {
                    for id in self.blocked.remove(&event.token().0).unwrap_or_default() {
                        self.activate(id);
                    }
                }
            }
            let commands = std::mem::take(&mut *lock(&self.handle.commands));
            for command in commands {
                self.command(command)?;
            }
            let marked = std::mem::take(&mut *lock(&self.handle.marked));
            for link in marked {
                link.is_marked.store(false, Ordering::Release);
                self.activate(link.id);
            }
            let now = Instant::now();
            while let Some((_, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
                self.deadlines.pop_first();
                if let Some(driver) = self.drivers.get_mut(&id) {
                    driver.deadline = None;
                }
                self.activate(id);
            }
            self.turns();
            let endpoints: Vec<usize> =
                self.endpoints.iter().filter(|(_, e)| e.is_readable).map(|(token, _)| *token).collect();
            for token in endpoints {
                self.receive(token);
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.active.is_empty() || self.endpoints.values().any(|e| e.is_readable) {
            return Some(Duration::ZERO);
        }
        self.deadlines.first().map(|(at, _)| at.saturating_duration_since(Instant::now()))
    }

    fn activate(&mut self, id: u32) {
        if self.is_active.insert(id) {
            self.active.push(id);
        }
    }

    /// Every packet is followed by its link's turn before the next receive call, so that the engine never holds many.
    fn receive(&mut self, token: usize) {
        let mut arrivals = Vec::new();
        for _ in 0..RECEIVE_CALLS {
            let Some(endpoint) = self.endpoints.get_mut(&token) else { return };
            let now = Instant::now();
            match endpoint.receive(now, &mut self.buffers, &mut self.out, &mut arrivals) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                    self.unreachable(token, now);
                    continue;
                }
                Err(_) => {
                    endpoint.is_readable = false;
                    return;
                }
            }
            for arrival in arrivals.drain(..) {
                self.arrive(token, arrival, now);
            }
            self.turns();
        }
    }

    fn arrive(&mut self, token: usize, arrival: Arrival, now: Instant) {
        match arrival {
            Arrival::For(handle, event) => {
                let Some(&id) = self.by_handle.get(&(token, handle)) else { return };
                let Some(driver) = self.drivers.get_mut(&id) else { return };
                let link = driver.link.clone();
                let handled = catch_unwind(AssertUnwindSafe(|| {
                    if let Some(connection) = lock(&link.connection).as_mut() {
                        connection.handle_event(event);
                        // After each packet, not after a batch: the engine (noq-proto 1.4.0, Assembler::defragment)
                        // throws away unread bytes below the number of bytes read, right where retransmissions fill
                        // holes, once the frames that it holds keep 32 KiB more of packets alive than they need.
                        driver.events(connection);
                    }
                }));
                match handled {
                    Ok(()) => self.activate(id),
                    Err(_) => self.drop_after_panic(id),
                }
            }
            Arrival::Stranger(incoming) => {
                let Some(endpoint) = self.endpoints.get_mut(&token) else { return };
                let listener = endpoint.listener;
                let remote = incoming.remote_address();
                if let Some((handle, connection)) = endpoint.admit(*incoming, now, &mut self.out) {
                    let Some(limits) = endpoint.stranger else { return };
                    let link = Arc::new(Link::new(self.handle.number(), false, limits, self.handle.clone()));
                    let id = link.id;
                    self.adopt(link, handle, connection, token, listener, None);
                    if let Some(driver) = self.drivers.get_mut(&id) {
                        driver.stranger = Some(remote);
                    }
                }
            }
        }
    }

    fn adopt(
        &mut self,
        link: Arc<Link>,
        handle: ConnectionHandle,
        connection: Connection,
        token: usize,
        listener: Option<u32>,
        refusal: Option<Refusal>,
    ) {
        let id = link.id;
        if let Some(endpoint) = self.endpoints.get(&token) {
            lock(&link.state).buffers = endpoint.socket.buffer_sizes();
        }
        *lock(&link.connection) = Some(connection);
        self.by_handle.insert((token, handle), id);
        self.drivers.insert(id, Driver::new(link, handle, token, listener, refusal, Instant::now()));
        self.activate(id);
    }

    fn unreachable(&mut self, token: usize, now: Instant) {
        let of_endpoint: Vec<u32> = self.drivers.values().filter(|d| d.endpoint == token).map(|d| d.link.id).collect();
        for id in of_endpoint {
            if let Some(driver) = self.drivers.get_mut(&id) {
                driver.unreachable(now);
            }
            self.activate(id);
        }
    }

    fn turns(&mut self) {
        let active = std::mem::take(&mut self.active);
        self.is_active.clear();
        for id in active {
            self.turn(id);
        }
    }

    fn turn(&mut self, id: u32) {
        let Some(driver) = self.drivers.get_mut(&id) else { return };
        let Some(endpoint) = self.endpoints.get_mut(&driver.endpoint) else { return };
        let (token, handle) = (driver.endpoint, driver.handle);
        let socket = endpoint.socket.clone();
        if let Some(at) = driver.deadline.take() {
            self.deadlines.remove(&(at, id));
        }
        let out = &mut self.out;
        let done = catch_unwind(AssertUnwindSafe(|| {
            driver
                .turn(Instant::now(), socket.segments(), out, |transmit, bytes| send(&socket, transmit, bytes).is_ok())
        }));
        // Whoever forgets the last link of a closed listener says that its port is free.
        drop(socket);
        let Ok(turn) = done else { return self.drop_after_panic(id) };
        if let Some(at) = driver.deadline {
            self.deadlines.insert((at, id));
        }
        if driver.is_connected
            && let Some(remote) = driver.stranger.take()
        {
            endpoint.settled(remote);
        }
        if turn.blocked {
            self.blocked.entry(token).or_default().push(id);
        }
        let mut again = turn.again;
        let mut is_drained = false;
        for event in turn.endpoint_events {
            is_drained |= event.is_drained();
            if let Some(reply) = endpoint.proto.handle_event(handle, event)
                && let Some(connection) = lock(&driver.link.connection).as_mut()
            {
                connection.handle_event(reply);
                again = true;
            }
        }
        // A closed listener frees its port with its last link: nobody waits there for late packets.
        let is_abandoned = turn.is_closed && !turn.blocked && endpoint.listener.is_some() && !endpoint.is_open;
        let last_word = driver.last_word.take();
        if is_drained {
            self.forget(id);
        } else if is_abandoned {
            self.abandon(id);
        } else if again {
            self.activate(id);
        }
        if let Some(event) = last_word {
            self.handle.events.push(event);
        }
    }

    /// Ends a link whose connection is not drained.
    fn abandon(&mut self, id: u32) {
        let Some(driver) = self.drivers.get(&id) else { return };
        let (token, handle) = (driver.endpoint, driver.handle);
        if let Some(endpoint) = self.endpoints.get_mut(&token) {
            endpoint.proto.handle_event(handle, EndpointEvent::drained());
        }
        self.forget(id);
    }

    fn drop_after_panic(&mut self, id: u32) {
        let Some(driver) = self.drivers.get_mut(&id) else { return };
        driver.panicked();
        let last_word = driver.last_word.take();
        self.abandon(id);
        if let Some(event) = last_word {
            self.handle.events.push(event);
        }
    }

    /// The engine is done with the link.
    fn forget(&mut self, id: u32) {
        let Some(driver) = self.drivers.remove(&id) else { return };
        if let Some(at) = driver.deadline {
            self.deadlines.remove(&(at, id));
        }
        self.by_handle.remove(&(driver.endpoint, driver.handle));
        if let (Some(remote), Some(endpoint)) = (driver.stranger, self.endpoints.get_mut(&driver.endpoint)) {
            endpoint.settled(remote);
        }
        *lock(&driver.link.connection) = None;
        self.close_if_unused(driver.endpoint);
    }

    /// Drops those links of an endpoint that have ended and only wait for late packets.
    fn drop_closed(&mut self, token: usize) {
        let closed = self.drivers.values().filter(|driver| {
            driver.endpoint == token && lock(&driver.link.connection).as_ref().is_none_or(Connection::is_closed)
        });
        let closed: Vec<u32> = closed.map(|driver| driver.link.id).collect();
        for id in closed {
            self.abandon(id);
        }
    }

    fn close_if_unused(&mut self, token: usize) {
        let is_open = self.endpoints.get(&token).is_some_and(|e| e.listener.is_some() && e.is_open);
        if is_open || self.by_handle.keys().any(|(endpoint, _)| *endpoint == token) {
            return;
        }
        self.blocked.remove(&token);
        if let Some(listener) = self.endpoints.remove(&token).and_then(|endpoint| endpoint.listener) {
            self.handle.events.push(Event::Unlistened { listener });
        }
    }

    fn command(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::Listen(endpoint) => {
                self.register(*endpoint)?;
            }
            Command::Renew(listener, tls) => {
                if let Some((_, endpoint)) = self.listener(listener) {
                    endpoint.renew(tls);
                }
            }
            Command::Unlisten(listener) => {
                if let Some((token, endpoint)) = self.listener(listener) {
                    endpoint.close();
                    self.drop_closed(token);
                    self.close_if_unused(token);
                }
            }
            Command::Dial { socket, link, config, refusal, remote, name } => {
                let made = Endpoint::dialer(socket).map(|mut endpoint| {
                    let made = endpoint.proto.connect(Instant::now(), *config, remote, &name);
                    (endpoint, made)
                });
                match made {
                    Ok((endpoint, Ok((handle, connection)))) => {
                        let token = self.register(endpoint)?;
                        self.adopt(link, handle, connection, token, None, Some(refusal));
                    }
                    Ok((_, Err(error))) => self.cannot_dial(&link, error.to_string()),
                    Err(error) => self.cannot_dial(&link, error.to_string()),
                }
            }
        }
        Ok(())
    }

    fn cannot_dial(&self, link: &Link, reason: String) {
        let why = crate::DialFailure::Unreachable;
        self.handle.events.push(Event::Failed { link: link.id, why, reason });
    }

    fn listener(&mut self, listener: u32) -> Option<(usize, &mut Endpoint)> {
        self.endpoints.iter_mut().find(|(_, e)| e.listener == Some(listener)).map(|(token, e)| (*token, e))
    }

    fn register(&mut self, mut endpoint: Endpoint) -> io::Result<usize> {
        let token = self.next_endpoint;
        self.next_endpoint += 1;
        let socket = Arc::get_mut(&mut endpoint.socket).ok_or(io::ErrorKind::Other)?;
        self.poll.registry().register(socket.source(), Token(token), Interest::READABLE | Interest::WRITABLE)?;
        self.endpoints.insert(token, endpoint);
        Ok(token)
    }

    /// Last words to every peer.
    fn farewell(&mut self) {
        let ids: Vec<u32> = self.drivers.keys().copied().collect();
        for id in ids {
            if let Some(driver) = self.drivers.get(&id) {
                driver.link.close(0, "");
            }
            self.turn(id);
        }
    }
}
