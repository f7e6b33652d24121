//! What callers and links reach of the engine's thread: its queues, and what wakes it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use mio::Waker;
use petrel_link::{Error, Refusal, lock};
use petrel_socket::Socket;

use crate::event::Events;
use crate::link::Link;
use crate::listening::Listening;
use crate::port::Side;
use crate::protocol::{Dialling, Identity};

pub(crate) enum Command {
    /// socket: None when the port is there already.
    Listen {
        token: usize,
        socket: Option<Socket>,
        side: Box<Side>,
    },
    Renew(u32, Identity),
    Unlisten(u32),
    Dial {
        socket: Socket,
        link: Arc<Link>,
        dialling: Dialling,
        refusal: Refusal,
        remote: SocketAddr,
        name: String,
    },
}

pub(crate) struct Handle {
    pub(crate) events: Events,
    pub(crate) waker: Waker,
    pub(crate) is_woken: AtomicBool,
    pub(crate) marked: Mutex<Vec<Arc<Link>>>,
    pub(crate) commands: Mutex<Vec<Command>>,
    pub(crate) listening: Mutex<Listening>,
    pub(crate) is_stopping: AtomicBool,
    pub(crate) is_dead: AtomicBool,
    next: AtomicU32,
}

impl Handle {
    pub(crate) fn new(events: Events, waker: Waker) -> Self {
        Self {
            events,
            waker,
            is_woken: AtomicBool::new(false),
            marked: Mutex::default(),
            commands: Mutex::default(),
            listening: Mutex::default(),
            is_stopping: AtomicBool::new(false),
            is_dead: AtomicBool::new(false),
            next: AtomicU32::new(1),
        }
    }

    /// Seen at the thread's next turn, which `wake` brings about.
    pub(crate) fn mark(&self, link: Arc<Link>) {
        lock(&self.marked).push(link);
    }

    /// Wakes the thread if links are marked.
    pub(crate) fn go(&self) {
        if !lock(&self.marked).is_empty() {
            self.wake();
        }
    }

    pub(crate) fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            // Fails only when the system is out of memory; the next deadline wakes then.
            let _ = self.waker.wake();
        }
    }

    pub(crate) fn command(&self, command: Command) -> Result<(), Error> {
        if self.is_dead.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        lock(&self.commands).push(command);
        self.wake();
        Ok(())
    }

    /// A new number for a link, a listener or a port.
    pub(crate) fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}
