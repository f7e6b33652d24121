//! The thread that owns sockets and timers. It sleeps until a packet, a deadline or a call wakes it, gives each link
//! that has something to do one turn, and sleeps again. A panic in a link's turn ends that link only.

mod commands;
mod pause;
mod rebind;
mod receive;
mod turns;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Poll, Token};
use petrel_link::lock;
use petrel_socket::ReceiveBuffers;

use crate::driver::Driver;
use crate::event::ClosedBy;
use crate::handle::Handle;
use crate::port::Port;

pub(crate) const WAKER: Token = Token(usize::MAX);

pub(crate) struct Reactor {
    handle: Arc<Handle>,
    poll: Poll,
    ports: HashMap<usize, Port>,
    drivers: HashMap<u32, Driver>,
    deadlines: BTreeSet<(Instant, u32)>,
    /// Links that are to have a turn before the next sleep.
    active: Vec<u32>,
    is_active: HashSet<u32>,
    /// Links that wait until their socket takes more, by port.
    blocked: HashMap<usize, Vec<u32>>,
    /// Ports that are left alone, and until when.
    paused: BTreeSet<(Instant, usize)>,
    buffers: ReceiveBuffers,
    out: Vec<u8>,
}

impl Reactor {
    pub(crate) fn new(handle: Arc<Handle>, poll: Poll) -> Self {
        Self {
            handle,
            poll,
            ports: HashMap::new(),
            drivers: HashMap::new(),
            deadlines: BTreeSet::new(),
            active: Vec::new(),
            is_active: HashSet::new(),
            blocked: HashMap::new(),
            paused: BTreeSet::new(),
            buffers: ReceiveBuffers::default(),
            out: Vec::new(),
        }
    }

    pub(crate) fn run(mut self) {
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
        let now = Instant::now();
        self.handle.events.hurry(now);
        self.handle.events.ring(now);
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
                let Some(port) = self.ports.get_mut(&event.token().0) else { continue };
                port.is_readable |= event.is_readable() || event.is_error();
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
            self.resume(now);
            let readable: Vec<usize> =
                self.ports.iter().filter(|(_, port)| port.is_readable).map(|(token, _)| *token).collect();
            for token in readable {
                self.receive(token);
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.active.is_empty() || self.ports.values().any(|port| port.is_readable) {
            return Some(Duration::ZERO);
        }
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let pause = self.paused.first().map(|(at, _)| *at);
        [deadline, pause, self.handle.events.due()]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn activate(&mut self, id: u32) {
        if self.is_active.insert(id) {
            self.active.push(id);
        }
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

#[cfg(test)]
mod tests {
    use mio::Waker;

    use super::*;
    use crate::event::{Event, Events};

    #[test]
    fn it_wakes_for_what_is_to_be_told_later() {
        let poll = Poll::new().expect("a poll");
        let waker = Waker::new(poll.registry(), WAKER).expect("a waker");
        let handle = Arc::new(Handle::new(Events::new(Box::new(|| {})), waker));
        let reactor = Reactor::new(handle.clone(), poll);
        assert_eq!(reactor.timeout(), None);
        let due = Instant::now() + Duration::from_millis(4);
        handle.events.push_by(Event::Readable { link: 1, stream: 0 }, due);
        assert!(reactor.timeout().is_some_and(|wait| wait <= Duration::from_millis(4)));
        handle.events.ring(due);
        assert_eq!(reactor.timeout(), None, "it has been told");
    }
}
