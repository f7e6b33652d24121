//! A link's turn and its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use petrel_link::{Transmit, lock};

use super::Reactor;
use crate::event::Event;
use crate::port::send;

impl Reactor {
    pub(super) fn turns(&mut self) {
        let active = std::mem::take(&mut self.active);
        self.is_active.clear();
        for id in active {
            self.turn(id);
        }
        self.handle.events.ring(Instant::now());
    }

    pub(super) fn turn(&mut self, id: u32) {
        let Some(driver) = self.drivers.get_mut(&id) else { return };
        let Some(port) = self.ports.get_mut(&driver.port) else { return };
        let (token, key) = (driver.port, driver.key);
        let socket = port.socket.clone();
        if let Some(at) = driver.deadline.take() {
            self.deadlines.remove(&(at, id));
        }
        let out = &mut self.out;
        let done = catch_unwind(AssertUnwindSafe(|| {
            let send = |transmit: &Transmit, bytes: &[u8]| send(&socket, transmit, bytes);
            driver.turn(Instant::now(), socket.segments(), out, send, || socket.route())
        }));
        // Whoever forgets the last link of a closed listener says that its port is free.
        drop(socket);
        let Ok(turn) = done else { return self.drop_after_panic(id) };
        if let Some(at) = driver.deadline {
            self.deadlines.insert((at, id));
        }
        if driver.is_connected
            && let Some(from) = driver.stranger.take()
        {
            port.settled(from);
        }
        if turn.blocked {
            self.blocked.entry(token).or_default().push(id);
        }
        let Some(side) = port.side(key.protocol()) else { return };
        let exchange = lock(&driver.link.connection).as_mut().map(|connection| side.endpoint.exchange(connection));
        let exchange = exchange.unwrap_or_default();
        // A closed listener frees its port with its last link: nobody waits there for late packets.
        let is_abandoned = turn.is_closed && !turn.blocked && side.is_closed_listener();
        let last_word = driver.last_word.take();
        if exchange.is_drained {
            self.forget(id);
        } else if is_abandoned {
            self.abandon(id);
        } else {
            if turn.needs_socket {
                self.rebind(id);
            }
            if turn.again || exchange.again {
                self.activate(id);
            }
        }
        if let Some(event) = last_word {
            self.handle.events.push(event);
        }
    }

    /// Ends a link whose connection is not drained.
    fn abandon(&mut self, id: u32) {
        let Some(driver) = self.drivers.get(&id) else { return };
        let key = driver.key;
        if let Some(side) = self.ports.get_mut(&driver.port).and_then(|port| port.side(key.protocol())) {
            side.endpoint.forget(key);
        }
        self.forget(id);
    }

    pub(super) fn drop_after_panic(&mut self, id: u32) {
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
        if let Some(port) = self.ports.get_mut(&driver.port) {
            if let Some(side) = port.side(driver.key.protocol()) {
                side.links.remove(&driver.key);
            }
            if let Some(from) = driver.stranger {
                port.settled(from);
            }
        }
        *lock(&driver.link.connection) = None;
        self.close_if_unused(driver.port);
    }

    /// Drops those of the links that have ended and only wait for late packets.
    pub(super) fn drop_closed(&mut self, links: Vec<u32>) {
        for id in links {
            let is_closed = self.drivers.get(&id).is_some_and(|driver| {
                lock(&driver.link.connection).as_ref().is_none_or(|connection| connection.as_dyn().is_closed())
            });
            if is_closed {
                self.abandon(id);
            }
        }
    }

    /// Drops protocols that nobody uses there any more, and the socket with the last of them.
    pub(super) fn close_if_unused(&mut self, token: usize) {
        let Some(port) = self.ports.get_mut(&token) else { return };
        let unused = port.sides.extract_if(.., |side| side.is_unused());
        let ended: Vec<u32> = unused.filter_map(|side| side.listener).map(|listener| listener.id).collect();
        let is_empty = port.sides.is_empty();
        let mut listening = lock(&self.handle.listening);
        for id in &ended {
            listening.remove(*id);
        }
        // Another protocol's listener may be on its way to this very socket.
        if is_empty && !listening.has(token) {
            self.blocked.remove(&token);
            self.ports.remove(&token);
        }
        drop(listening);
        for listener in ended {
            self.handle.events.push(Event::Unlistened { listener });
        }
    }
}
