//! What a caller does with all links of this process: starts the thread, listens, dials, takes events.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Poll, Waker};
use petrel_link::{Credentials, Error, Limits, Trust, lock};
use petrel_socket::Socket;

use crate::event::{Event, Events};
use crate::handle::{Command, Handle};
use crate::link::Link;
use crate::port::Side;
use crate::protocol::{Dialling, Endpoint, Identity, Protocol};
use crate::reactor::{Reactor, WAKER};

/// `stop` waits this long for the thread; it ends within a millisecond unless the machine is stuck.
const STOP: Duration = Duration::from_millis(500);

pub struct Engine {
    handle: Arc<Handle>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// bell: called from the engine's thread when events are there, up to some milliseconds late for who reads in bulk, and
    /// once until `next_event` has returned None.
    pub fn start(bell: Box<dyn Fn() + Send + Sync>) -> Result<Self, Error> {
        let poll = Poll::new()?;
        let handle = Arc::new(Handle::new(Events::new(bell), Waker::new(poll.registry(), WAKER)?));
        let reactor = Reactor::new(handle.clone(), poll);
        let thread = std::thread::Builder::new().name("petrel-links".into()).spawn(move || reactor.run())?;
        Ok(Self { handle, thread: Mutex::new(Some(thread)) })
    }

    /// stranger: what its links may use before `raise_limits`. Returns the listener's number and where it listens; the
    /// socket is bound by then. Listeners of two protocols on the very same address share one socket.
    pub fn listen(
        &self,
        protocol: Protocol,
        address: SocketAddr,
        credentials: &Credentials,
        stranger: Limits,
    ) -> Result<(u32, SocketAddr), Error> {
        let identity = Identity::new(protocol, credentials)?;
        let (id, token) = (self.handle.number(), self.handle.number() as usize);
        let mut listening = lock(&self.handle.listening);
        let place = listening.add(protocol, id, address, token, stranger.profile.socket_bytes)?;
        let made = Endpoint::listener(identity, stranger, place.may_fragment).and_then(|endpoint| {
            let side = Box::new(Side::listener(endpoint, id, stranger));
            self.handle.command(Command::Listen { token: place.token, socket: place.socket, side })
        });
        if let Err(error) = made {
            listening.remove(id);
            return Err(error);
        }
        Ok((id, place.address))
    }

    pub fn renew(&self, listener: u32, credentials: &Credentials) -> Result<(), Error> {
        let Some(protocol) = lock(&self.handle.listening).protocol(listener) else { return Ok(()) };
        self.handle.command(Command::Renew(listener, Identity::new(protocol, credentials)?))
    }

    /// Takes no new links and frees the port once the last of its links has ended. A socket that is shared stays for the
    /// other listener.
    pub fn unlisten(&self, listener: u32) -> Result<(), Error> {
        self.handle.command(Command::Unlisten(listener))
    }

    /// Begins to dial; `Connected` or `Failed` follows.
    pub fn dial(
        &self,
        protocol: Protocol,
        remote: SocketAddr,
        name: &str,
        trust: Trust,
        credentials: Option<&Credentials>,
        limits: Limits,
    ) -> Result<Arc<Link>, Error> {
        let (dialling, refusal) = Dialling::new(protocol, trust, credentials, limits)?;
        let socket = Socket::for_remote(remote, limits.profile.socket_bytes)?;
        let link = Arc::new(Link::new(self.handle.number(), true, limits, self.handle.clone()));
        let name = name.to_string();
        self.handle.command(Command::Dial { socket, link: link.clone(), dialling, refusal, remote, name })?;
        Ok(link)
    }

    /// Has the thread do what calls of links left to it; they wake nobody by themselves. Once for all calls of one turn
    /// of the caller's: each wake-up is a system call, a switch of threads and often a packet of its own.
    pub fn go(&self) {
        self.handle.go();
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
