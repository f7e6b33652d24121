//! The engine thread's half of one link: moves bytes between its connection and the link's state. It drains every
//! stream at once and unordered, whatever the reader does, because QUIC's engine ends a link whose streams hold too many
//! unread pieces.

mod datagrams;
mod ending;
mod limits;
mod reading;
mod roaming;
mod writing;

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use petrel_link::{Connection, Refusal, Signal, Transmit, lock};
use petrel_socket::{Route, Sent};

use self::roaming::Roaming;
use crate::event::{ClosedBy, DialFailure, Event};
use crate::link::Link;
use crate::protocol::Key;

/// What one turn led to.
#[derive(Default)]
pub(crate) struct Turn {
    /// There is more to send than one turn may.
    pub(crate) again: bool,
    /// Nothing but late packets can come.
    pub(crate) is_closed: bool,
    /// The socket took no more; try again when it is writable.
    pub(crate) blocked: bool,
    pub(crate) needs_socket: bool,
}

pub(crate) struct Driver {
    pub(crate) link: Arc<Link>,
    pub(crate) key: Key,
    /// The token of its socket.
    pub(crate) port: usize,
    /// Of a listener's link: who is told of it.
    pub(crate) listener: Option<u32>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) is_connected: bool,
    /// Told once the turn is over and what the link held, its port among it, is free.
    pub(crate) last_word: Option<Event>,
    /// Of a listener's link until its handshake is over: where it came from.
    pub(crate) stranger: Option<IpAddr>,
    pub(crate) deadline: Option<Instant>,
    handshake_deadline: Instant,
    /// Of its path; zero before anything is known.
    pub(crate) min_rtt: Duration,
    tick: Option<Instant>,
    unsent: Option<(Transmit, Vec<u8>)>,
    may_open: bool,
    roaming: Roaming,
}

impl Driver {
    pub(crate) fn new(
        link: Arc<Link>,
        key: Key,
        port: usize,
        listener: Option<u32>,
        refusal: Option<Refusal>,
        now: Instant,
    ) -> Self {
        let handshake = lock(&link.state).limits.handshake;
        Self {
            link,
            key,
            port,
            listener,
            refusal,
            is_connected: false,
            last_word: None,
            stranger: None,
            deadline: None,
            handshake_deadline: now + handshake,
            min_rtt: Duration::ZERO,
            tick: None,
            unsent: None,
            may_open: true,
            roaming: Roaming::default(),
        }
    }

    /// One turn: timers, events, reading, writing, sending.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        segments: NonZeroUsize,
        buffer: &mut Vec<u8>,
        mut send: impl FnMut(&Transmit, &[u8]) -> Sent,
        route: impl Fn() -> Route,
    ) -> Turn {
        let link = self.link.clone();
        let mut guard = lock(&link.connection);
        let mut turn = Turn::default();
        let Some(connection) = guard.as_mut() else { return turn };
        let connection = connection.as_dyn_mut();
        if connection.poll_timeout().is_some_and(|at| at <= now) {
            connection.handle_timeout(now);
        }
        if !self.is_connected && now >= self.handshake_deadline && !connection.is_closed() {
            self.fail(DialFailure::Timeout, "no answer in time".into());
            connection.close(now, 0x100, "handshake deadline");
        }
        self.events(connection);
        if lock(&link.state).is_closing() {
            // What streams had to say leaves before the link's own last word.
            self.write(connection);
            self.transmit(connection, now, segments, buffer, &mut send, &mut turn);
        }
        self.obey(connection, now);
        self.write(connection);
        self.datagrams(connection, now);
        self.limits(connection, now);
        self.transmit(connection, now, segments, buffer, &mut send, &mut turn);
        turn.needs_socket = self.needs_socket(now, route);
        // Sending makes room, and may close: what came of it is told now.
        self.events(connection);
        turn.is_closed = connection.is_closed();
        let own = if self.is_connected { self.tick } else { Some(self.handshake_deadline).filter(|_| !turn.is_closed) };
        let look = if self.may_move() && !turn.is_closed { self.roaming.look_at() } else { None };
        self.deadline = [connection.poll_timeout(), own, look].into_iter().flatten().min();
        if connection.is_drained() {
            self.deadline = None;
        }
        turn
    }

    /// Only a dialler moves: a listener's socket is where its peers look for it.
    fn may_move(&self) -> bool {
        self.listener.is_none()
    }

    /// Whether the link needs another socket: somebody asked, or its own address has changed.
    fn needs_socket(&mut self, now: Instant, route: impl Fn() -> Route) -> bool {
        if !self.may_move() {
            return false;
        }
        let is_asked = std::mem::take(&mut lock(&self.link.state).rebind);
        if is_asked || !self.roaming.is_due(now) {
            return is_asked;
        }
        let route = route();
        self.roaming.looked(now, route);
        route == Route::Other
    }

    /// Packets leave from another socket from now on.
    pub(crate) fn rebound(&mut self, now: Instant) {
        self.unsent = None;
        if let Some(connection) = lock(&self.link.connection).as_mut() {
            connection.as_dyn_mut().local_address_changed(now);
        }
    }

    pub(crate) fn heard(&mut self) {
        self.roaming.heard();
    }

    fn push(&self, event: Event) {
        self.link.engine.events.push(event);
    }

    /// Takes what the connection has to tell, and all that can be read.
    pub(crate) fn events(&mut self, connection: &mut dyn Connection) {
        let mut last = None;
        while let Some(signal) = connection.poll() {
            match signal {
                Signal::Connected => self.connected(connection),
                Signal::Lost(how) => self.lost(how),
                Signal::Opened(stream) => self.accept(connection, stream),
                // One may come for each frame; the first read takes all.
                Signal::Readable(stream) if last == Some(stream) => {}
                Signal::Readable(stream) => {
                    self.readable(connection, stream);
                    last = Some(stream);
                }
                Signal::Writable(stream) => lock(&self.link.state).make_ready(stream),
                Signal::Stopped(stream, code) => self.peer_reset(connection, stream, code),
                Signal::MayOpen => self.may_open = true,
                Signal::Datagrams => self.take_datagrams(connection),
                Signal::Limit(entry) => self.hear(entry),
            }
        }
    }

    fn connected(&mut self, connection: &mut dyn Connection) {
        self.is_connected = true;
        let mut state = lock(&self.link.state);
        state.peer.pin = connection.peer_pin();
        if !self.link.is_dialer {
            state.peer.verified = state.peer.pin.is_some();
        }
        state.speaks_credit = connection.speaks_credit();
        state.max_datagram = connection.max_datagram();
        drop(state);
        match self.listener {
            Some(listener) => self.push(Event::Incoming { listener, link: self.link.clone() }),
            None => self.push(Event::Connected { link: self.link.id }),
        }
    }

    /// What the caller asked for since the last turn.
    fn obey(&mut self, connection: &mut dyn Connection, now: Instant) {
        let mut guard = lock(&self.link.state);
        let state = &mut *guard;
        if std::mem::take(&mut state.panic) {
            drop(guard);
            panic!("asked for by a test");
        }
        for (stream, code) in std::mem::take(&mut state.resets) {
            connection.abandon(stream, code);
            state.forget(stream);
        }
        if self.is_connected && std::mem::take(&mut state.raised) {
            connection.set_max_streams(state.limits.streams);
        }
        if self.is_connected && self.may_open {
            while state.free.len() < state.spare {
                let Some(stream) = connection.open() else {
                    // Asked once; a signal tells when there are more.
                    self.may_open = false;
                    break;
                };
                state.free.push_back(stream);
            }
        }
        if state.wants_open && !state.free.is_empty() {
            state.wants_open = false;
            self.push(Event::MayOpen { link: self.link.id });
        }
        if self.is_connected {
            state.max_datagram = connection.max_datagram();
            state.min_rtt = state.min_rtt.min(connection.rtt().unwrap_or(Duration::MAX));
            self.min_rtt = if state.min_rtt == Duration::MAX { Duration::ZERO } else { state.min_rtt };
        }
        if state.closed.is_none()
            && let Some((code, reason)) = state.closing.clone()
        {
            drop(guard);
            connection.close(now, code, &reason);
            self.end(ClosedBy::Us, code, reason);
        }
    }

    fn transmit(
        &mut self,
        connection: &mut dyn Connection,
        now: Instant,
        segments: NonZeroUsize,
        buffer: &mut Vec<u8>,
        send: &mut impl FnMut(&Transmit, &[u8]) -> Sent,
        turn: &mut Turn,
    ) {
        if let Some((transmit, bytes)) = self.unsent.take() {
            let sent = send(&transmit, &bytes);
            if sent == Sent::Blocked {
                self.unsent = Some((transmit, bytes));
                turn.blocked = true;
                return;
            }
            self.roaming.sent(now, sent);
        }
        // A turn of one link ends after about a megabyte, so that the others have theirs.
        for _ in 0..16 {
            buffer.clear();
            let Some(transmit) = connection.poll_transmit(now, segments, buffer) else { return };
            let sent = send(&transmit, &buffer[..transmit.size]);
            if sent == Sent::Blocked {
                self.unsent = Some((transmit, std::mem::take(buffer)));
                turn.blocked = true;
                return;
            }
            self.roaming.sent(now, sent);
        }
        turn.again = true;
    }
}
