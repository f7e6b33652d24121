//! Packets on their way in, and the links that begin with them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use petrel_link::{Refusal, lock};

use super::Reactor;
use crate::coalescing::PAUSE;
use crate::driver::Driver;
use crate::link::Link;
use crate::protocol::{Arrival, Connection, Key, Packet, Protocol, Stranger};

/// Receive calls on one socket before the others have their turn.
const RECEIVE_CALLS: usize = 16;
/// Received before the links that it is for have their turn: one acknowledgement answers many packets.
const BATCH_BYTES: usize = 64 * 1024;

impl Reactor {
    /// What came together is told of and answered together.
    pub(super) fn receive(&mut self, token: usize) {
        let mut arrivals = Vec::new();
        let mut waiting = 0;
        for _ in 0..RECEIVE_CALLS {
            let Some(port) = self.ports.get_mut(&token) else { break };
            let now = Instant::now();
            let may_be_more = match port.receive(now, &mut self.buffers, &mut self.out, &mut arrivals) {
                Ok((bytes, may_be_more)) => {
                    waiting += bytes;
                    may_be_more
                }
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                    self.unreachable(token, now);
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => false,
                // An error of one packet, behind which others may lie.
                Err(_) => {
                    port.is_readable = false;
                    continue;
                }
            };
            port.is_readable = may_be_more;
            for (protocol, arrival) in arrivals.drain(..) {
                self.arrive(token, protocol, arrival, now);
            }
            if !may_be_more {
                self.rest(token, now);
                break;
            }
            if waiting >= BATCH_BYTES {
                self.answer();
                waiting = 0;
            }
        }
        self.answer();
    }

    /// The socket is empty.
    fn rest(&mut self, token: usize, now: Instant) {
        if self.ports.get_mut(&token).is_some_and(|port| port.may_pause(now)) {
            self.pause(token, now + PAUSE);
        }
    }

    /// Whoever reads first: he can work while we send.
    fn answer(&mut self) {
        self.handle.events.ring(Instant::now());
        self.turns();
    }

    fn arrive(&mut self, token: usize, protocol: Protocol, arrival: Arrival, now: Instant) {
        match arrival {
            Arrival::For(key, packet) => self.deliver(token, key, packet),
            Arrival::Stranger(stranger) => self.meet(token, protocol, stranger, now),
            // Sent where it was made.
            Arrival::Answer(_) => {}
        }
    }

    fn deliver(&mut self, token: usize, key: Key, packet: Packet) {
        let Some(id) = self.ports.get(&token).and_then(|port| port.link(key)) else { return };
        let Some(driver) = self.drivers.get_mut(&id) else { return };
        if let Some(port) = self.ports.get_mut(&token) {
            port.coalescing.path(driver.min_rtt);
        }
        let link = driver.link.clone();
        let handled = catch_unwind(AssertUnwindSafe(|| {
            if let Some(connection) = lock(&link.connection).as_mut() {
                driver.heard();
                connection.handle(packet);
                // After each packet, not after a batch: QUIC's engine (noq-proto 1.4.0, Assembler::defragment)
                // throws away unread bytes below the number of bytes read, right where retransmissions fill
                // holes, once the frames that it holds keep 32 KiB more of packets alive than they need.
                driver.events(connection.as_dyn_mut());
            }
        }));
        match handled {
            Ok(()) => self.activate(id),
            Err(_) => self.drop_after_panic(id),
        }
    }

    fn meet(&mut self, token: usize, protocol: Protocol, stranger: Stranger, now: Instant) {
        let Some(port) = self.ports.get_mut(&token) else { return };
        let from = stranger.remote().ip();
        let Some((connection, listener, limits)) = port.admit(protocol, stranger, now, &mut self.out) else { return };
        let link = Arc::new(Link::new(self.handle.number(), false, limits, self.handle.clone()));
        let id = link.id;
        self.adopt(link, connection, token, Some(listener), None);
        if let Some(driver) = self.drivers.get_mut(&id) {
            driver.stranger = Some(from);
        }
    }

    pub(super) fn adopt(
        &mut self,
        link: Arc<Link>,
        connection: Connection,
        token: usize,
        listener: Option<u32>,
        refusal: Option<Refusal>,
    ) {
        let id = link.id;
        let key = connection.key();
        if let Some(port) = self.ports.get_mut(&token) {
            lock(&link.state).buffers = port.socket.buffer_sizes();
            if let Some(side) = port.side(key.protocol()) {
                side.links.insert(key, id);
            }
        }
        *lock(&link.connection) = Some(connection);
        self.drivers.insert(id, Driver::new(link, key, token, listener, refusal, Instant::now()));
        self.activate(id);
    }

    fn unreachable(&mut self, token: usize, now: Instant) {
        let there: Vec<u32> = self.drivers.values().filter(|d| d.port == token).map(|d| d.link.id).collect();
        for id in there {
            if let Some(driver) = self.drivers.get_mut(&id) {
                driver.unreachable(now);
            }
            self.activate(id);
        }
    }
}
