//! The engine thread's half of one link: moves bytes between the engine's connection and the link's state. It drains
//! every stream at once and unordered, whatever the reader does, because the engine ends a link whose streams hold too
//! many unread pieces. Longer than most files: the steps of one turn share the connection and belong together.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use noq_proto::{
    Connection, ConnectionError, ConnectionHandle, Dir, EndpointEvent, Event as Noq, PathId, ReadError,
    SendDatagramError, Side, StreamEvent, StreamId, Transmit, VarInt, WriteError,
};
use petrel_streams::message::{self, Entry, MAX_ENTRY_BYTES};
use rustls::pki_types::CertificateDer;

use crate::event::{Closed, ClosedBy, DialFailure, Event};
use crate::link::{DATAGRAM_DEADLINE, DATAGRAM_LIMITS, DATAGRAM_PAYLOAD, Link, State, held_bytes};
use crate::stream::{Fin, SEND_QUEUE_BYTES};
use crate::{lock, tls};

/// Limits that changed go out again this often, and on the reliable stream.
const TICK: Duration = Duration::from_millis(100);
/// From the first packet to a finished handshake; limits.link.handshakeMs.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Stream numbers kept ready for `open`.
const FREE_STREAMS: usize = 64;
/// Bytes of one stream handed to the engine in its turn.
const TURN_BYTES: usize = 64 * 1024;
/// What is handed to the engine and not yet acknowledged: at least this, else twice the congestion window.
const MIN_SEND_WINDOW: u64 = 512 * 1024;
const MAX_SEND_WINDOW: u64 = 64 * 1024 * 1024;
/// Streams that wait for the caller or linger, in multiples of those that the peer may have open.
const MAX_HELD: usize = 4;
/// Numbers of StreamReset and LinkEnd in errors.ts.
const RESET_PROTOCOL: u32 = 2;
const RESET_LIMIT: u32 = 7;
const END_PROTOCOL: u64 = 1;
const END_INTERNAL: u64 = 2;
const END_IDLE: u64 = 0x102;

/// What one turn led to, for the endpoint to act on.
#[derive(Default)]
pub(crate) struct Turn {
    pub(crate) endpoint_events: Vec<EndpointEvent>,
    /// There is more to send than one turn may.
    pub(crate) again: bool,
    /// Nothing but late packets can come.
    pub(crate) is_closed: bool,
    /// The socket took no more; try again when it is writable.
    pub(crate) blocked: bool,
}

pub(crate) struct Driver {
    pub(crate) link: Arc<Link>,
    pub(crate) handle: ConnectionHandle,
    pub(crate) endpoint: usize,
    /// Of a listener's link: who is told of it.
    pub(crate) listener: Option<u32>,
    pub(crate) refusal: Option<tls::Refusal>,
    pub(crate) is_connected: bool,
    /// Told once the turn is over and what the link held, its port among it, is free.
    pub(crate) last_word: Option<Event>,
    /// Of a listener's link until its handshake is over: where it came from.
    pub(crate) stranger: Option<SocketAddr>,
    pub(crate) deadline: Option<Instant>,
    handshake_deadline: Instant,
    tick: Option<Instant>,
    unsent: Option<(Transmit, Vec<u8>)>,
    may_open: bool,
    /// The unidirectional stream that carries limits for sure, and what it has not taken yet.
    backstop: Option<StreamId>,
    backstop_out: Vec<u8>,
    peer_backstop: Option<StreamId>,
    peer_backstop_rest: Vec<u8>,
}

impl Driver {
    pub(crate) fn new(
        link: Arc<Link>,
        handle: ConnectionHandle,
        endpoint: usize,
        listener: Option<u32>,
        refusal: Option<tls::Refusal>,
        now: Instant,
    ) -> Self {
        Self {
            link,
            handle,
            endpoint,
            listener,
            refusal,
            is_connected: false,
            last_word: None,
            stranger: None,
            deadline: None,
            handshake_deadline: now + HANDSHAKE,
            tick: None,
            unsent: None,
            may_open: true,
            backstop: None,
            backstop_out: Vec::new(),
            peer_backstop: None,
            peer_backstop_rest: Vec::new(),
        }
    }

    /// One turn: timers, events, reading, writing, sending. `send`: false when the socket takes no more.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        segments: NonZeroUsize,
        buffer: &mut Vec<u8>,
        mut send: impl FnMut(&Transmit, &[u8]) -> bool,
    ) -> Turn {
        let link = self.link.clone();
        let mut guard = lock(&link.connection);
        let mut turn = Turn::default();
        let Some(connection) = guard.as_mut() else { return turn };
        if connection.poll_timeout().is_some_and(|at| at <= now) {
            connection.handle_timeout(now);
        }
        if !self.is_connected && now >= self.handshake_deadline && !connection.is_closed() {
            self.fail(DialFailure::Timeout, "no answer within 10 s".into());
            connection.close(now, VarInt::from_u32(0x100), Bytes::from_static(b"handshake deadline"));
        }
        self.events(connection);
        self.obey(connection, now);
        self.write(connection);
        self.datagrams(connection, now);
        self.limits(connection, now);
        while let Some(event) = connection.poll_endpoint_events() {
            turn.endpoint_events.push(event);
        }
        self.transmit(connection, now, segments, buffer, &mut send, &mut turn);
        // Sending makes room, and may close: what came of it is told now.
        self.events(connection);
        while let Some(event) = connection.poll_endpoint_events() {
            turn.endpoint_events.push(event);
        }
        let own = if self.is_connected { self.tick } else { Some(self.handshake_deadline) };
        self.deadline = [connection.poll_timeout(), own].into_iter().flatten().min();
        turn.is_closed = connection.is_closed();
        if connection.is_drained() {
            *guard = None;
            self.deadline = None;
        }
        turn
    }

    fn push(&self, event: Event) {
        self.link.engine.events.push(event);
    }

    fn transmit(
        &mut self,
        connection: &mut Connection,
        now: Instant,
        segments: NonZeroUsize,
        buffer: &mut Vec<u8>,
        send: &mut impl FnMut(&Transmit, &[u8]) -> bool,
        turn: &mut Turn,
    ) {
        if let Some((transmit, bytes)) = self.unsent.take()
            && !send(&transmit, &bytes)
        {
            self.unsent = Some((transmit, bytes));
            turn.blocked = true;
            return;
        }
        // A turn of one link ends after about a megabyte, so that the others have theirs.
        for _ in 0..16 {
            buffer.clear();
            let Some(transmit) = connection.poll_transmit(now, segments, buffer) else { return };
            if !send(&transmit, &buffer[..transmit.size]) {
                self.unsent = Some((transmit, std::mem::take(buffer)));
                turn.blocked = true;
                return;
            }
        }
        turn.again = true;
    }

    /// Takes what the engine has to tell, and all that can be read.
    pub(crate) fn events(&mut self, connection: &mut Connection) {
        let mut last = None;
        while let Some(event) = connection.poll() {
            match event {
                Noq::Connected => self.connected(connection),
                Noq::ConnectionLost { reason } => self.lost(&reason),
                Noq::Stream(StreamEvent::Opened { dir }) => {
                    while let Some(id) = connection.streams().accept(dir) {
                        self.accept(connection, id);
                    }
                }
                // One event comes for each frame; the first read takes all.
                Noq::Stream(StreamEvent::Readable { id }) if last != Some(id) => {
                    self.readable(connection, id);
                    last = Some(id);
                }
                Noq::Stream(StreamEvent::Writable { id }) => lock(&self.link.state).make_ready(number(id)),
                Noq::Stream(StreamEvent::Stopped { id, error_code }) => {
                    self.peer_reset(connection, id, error_code.into_inner());
                }
                Noq::Stream(StreamEvent::Available { dir: Dir::Bi }) => self.may_open = true,
                Noq::DatagramReceived => self.take_datagrams(connection),
                _ => {}
            }
        }
    }

    fn connected(&mut self, connection: &mut Connection) {
        self.is_connected = true;
        let identity = connection.crypto_session().peer_identity();
        let chain = identity.and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
        let mut state = lock(&self.link.state);
        state.peer.pin = chain.and_then(|chain| chain.first().and_then(tls::pin));
        if !self.link.is_dialer {
            state.peer.verified = state.peer.pin.is_some();
        }
        state.max_datagram = payload_size(connection);
        drop(state);
        match self.listener {
            Some(listener) => self.push(Event::Incoming { listener, link: self.link.clone() }),
            None => self.push(Event::Connected { link: self.link.id }),
        }
    }

    fn fail(&self, why: DialFailure, reason: String) {
        let mut state = lock(&self.link.state);
        let closed = Closed { by: ClosedBy::Network, code: END_IDLE, reason: reason.clone() };
        if state.closed.is_none() {
            state.closed = Some(closed);
            drop(state);
            if self.listener.is_none() {
                self.push(Event::Failed { link: self.link.id, why, reason });
            }
        }
    }

    /// The system says that nobody listens there. Believed only while nothing stands yet: anybody can send it.
    pub(crate) fn unreachable(&mut self, now: Instant) {
        if !self.is_connected {
            self.fail(DialFailure::Unreachable, "nobody listens on that UDP port".into());
            if let Some(connection) = lock(&self.link.connection).as_mut() {
                connection.close(now, VarInt::from_u32(0), Bytes::new());
            }
        }
    }

    pub(crate) fn end(&mut self, by: ClosedBy, code: u64, reason: String) {
        if !self.is_connected && self.listener.is_none() {
            return self.fail(DialFailure::Refused, reason);
        }
        let closed = Closed { by, code, reason };
        let mut state = lock(&self.link.state);
        if state.closed.is_some() {
            return;
        }
        state.closed = Some(closed.clone());
        for s in state.streams.values_mut() {
            s.out.clear();
            s.out_bytes = 0;
        }
        state.outgoing.clear();
        drop(state);
        self.last_word = Some(Event::Closed { link: self.link.id, closed });
    }

    /// A panic of ours: the link ends, the process does not.
    pub(crate) fn panicked(&mut self) {
        self.end(ClosedBy::Us, END_INTERNAL, "internal error: the engine panicked on this link".into());
        *lock(&self.link.connection) = None;
    }

    fn lost(&mut self, reason: &ConnectionError) {
        if !self.is_connected
            && let Some(text) = self.refusal.as_ref().and_then(|r| lock(r).clone())
        {
            return self.fail(DialFailure::Untrusted, text);
        }
        match reason {
            ConnectionError::ApplicationClosed(close) => {
                let text = String::from_utf8_lossy(&close.reason).into_owned();
                self.end(ClosedBy::Peer, close.error_code.into_inner(), text);
            }
            ConnectionError::ConnectionClosed(_) => self.end(ClosedBy::Peer, END_PROTOCOL, reason.to_string()),
            ConnectionError::TimedOut if !self.is_connected => {
                self.fail(DialFailure::Timeout, "no answer".into());
            }
            ConnectionError::TimedOut => {
                self.end(ClosedBy::Network, END_IDLE, "nothing was heard from the peer within the idle time".into());
            }
            ConnectionError::Reset => {
                self.end(ClosedBy::Network, END_INTERNAL, "the peer has forgotten this link".into());
            }
            _ => self.end(ClosedBy::Us, END_PROTOCOL, reason.to_string()),
        }
    }

    fn accept(&mut self, connection: &mut Connection, id: StreamId) {
        if id.dir() == Dir::Uni {
            if *self.peer_backstop.get_or_insert(id) != id {
                // A peer has one. What came on another would wait in the engine, unread and beyond any credit.
                let _ = connection.recv_stream(id).stop(VarInt::from_u32(RESET_PROTOCOL));
                return;
            }
        } else {
            let mut state = lock(&self.link.state);
            // The engine's own count forgets a stream at its end, ours when the caller has it behind him.
            if state.streams.len() >= MAX_HELD * state.limits.streams as usize {
                drop(state);
                return abandon(connection, id, RESET_LIMIT.into());
            }
            state.add(number(id));
            drop(state);
            self.push(Event::Stream { link: self.link.id, stream: number(id) });
        }
        self.readable(connection, id);
    }

    /// Moves everything that came on a stream into our own reassembly.
    fn readable(&mut self, connection: &mut Connection, id: StreamId) {
        if Some(id) == self.peer_backstop {
            return self.hear_backstop(connection, id);
        }
        let mut receive = connection.recv_stream(id);
        let Ok(mut chunks) = receive.read(false) else { return };
        let mut guard = lock(&self.link.state);
        let state = &mut *guard;
        // A peer without credit may fill what the link may hold, and is reset beyond that.
        let plain = (!state.speaks_credit()).then(|| {
            let held: u64 = state.streams.values().map(|s| s.received.unread()).sum();
            state.limits.credit_bytes.saturating_sub(held).min(state.limits.window_bytes)
        });
        let Some(s) = state.streams.get_mut(&number(id)) else { return };
        let limit = plain.map_or(s.receive_credit.limit(), |room| s.received.contiguous() + room);
        let mut overrun = false;
        let end = loop {
            match chunks.next(usize::MAX) {
                Ok(Some(_)) if s.reset.is_some() || overrun => {}
                Ok(Some(chunk)) => {
                    overrun = s.received.insert(chunk.offset, &chunk.bytes, limit).is_err();
                }
                Ok(None) => break Some(None),
                Err(ReadError::Blocked) => break None,
                Err(ReadError::Reset(code)) => break Some(Some(code.into_inner())),
            }
        };
        let _ = chunks.finalize();
        if overrun {
            if s.kill(RESET_LIMIT.into(), &mut state.budget) {
                state.resets.push((number(id), RESET_LIMIT.into()));
                drop(guard);
                self.push(Event::Reset {
                    link: self.link.id,
                    stream: number(id),
                    code: RESET_LIMIT.into(),
                    by_peer: false,
                });
            }
            return;
        }
        match end {
            Some(None) => s.complete = true,
            Some(Some(code)) => {
                drop(guard);
                return self.peer_reset(connection, id, code);
            }
            None => {}
        }
        if s.wants_read && s.reset.is_none() && (s.received.available() > 0 || s.complete) {
            s.wants_read = false;
            if s.complete {
                state.forget(number(id));
            }
            drop(guard);
            self.push(Event::Readable { link: self.link.id, stream: number(id) });
        }
    }

    /// The peer gave the stream up, in one direction or both: for us that is both.
    fn peer_reset(&mut self, connection: &mut Connection, id: StreamId, code: u64) {
        let mut guard = lock(&self.link.state);
        let state = &mut *guard;
        let Some(s) = state.streams.get_mut(&number(id)) else { return };
        if !s.kill(code, &mut state.budget) {
            return;
        }
        state.forget(number(id));
        drop(guard);
        abandon(connection, id, code);
        self.push(Event::Reset { link: self.link.id, stream: number(id), code, by_peer: true });
    }

    /// What the caller asked for since the last turn.
    fn obey(&mut self, connection: &mut Connection, now: Instant) {
        let mut guard = lock(&self.link.state);
        let state = &mut *guard;
        if std::mem::take(&mut state.panic) {
            drop(guard);
            panic!("asked for by a test");
        }
        for (stream, code) in std::mem::take(&mut state.resets) {
            abandon(connection, id(stream), code);
            state.forget(stream);
        }
        if self.is_connected && std::mem::take(&mut state.raised) {
            connection.set_max_concurrent_streams(Dir::Bi, VarInt::from_u32(state.limits.streams));
        }
        if self.is_connected && self.may_open {
            while state.free.len() < FREE_STREAMS {
                let Some(id) = connection.streams().open(Dir::Bi) else {
                    // Asked once; the engine tells when there are more.
                    self.may_open = false;
                    break;
                };
                state.free.push_back(number(id));
            }
        }
        if state.wants_open && !state.free.is_empty() {
            state.wants_open = false;
            self.push(Event::MayOpen { link: self.link.id });
        }
        if self.is_connected {
            state.max_datagram = payload_size(connection);
            state.min_rtt = state.min_rtt.min(connection.rtt(PathId::ZERO).unwrap_or(Duration::MAX));
        }
        if state.closed.is_none()
            && let Some((code, reason)) = state.closing.clone()
        {
            drop(guard);
            let value = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
            connection.close(now, value, Bytes::from(reason.clone()));
            self.end(ClosedBy::Us, code, reason);
        }
    }

    /// Hands waiting bytes to the engine, streams in turn, until it takes no more.
    fn write(&mut self, connection: &mut Connection) {
        while let Some((stream, code)) = self.write_until_stopped(connection) {
            self.peer_reset(connection, id(stream), code);
        }
    }

    /// Some: the peer wants no more of that stream, and others wait for their turn.
    fn write_until_stopped(&mut self, connection: &mut Connection) -> Option<(u64, u64)> {
        if !self.is_connected || connection.is_closed() {
            return None;
        }
        let cwnd = connection.congestion_state(PathId::ZERO).map_or(0, |c| c.window());
        connection.set_send_window((2 * cwnd).clamp(MIN_SEND_WINDOW, MAX_SEND_WINDOW));
        let mut guard = lock(&self.link.state);
        let state = &mut *guard;
        let mut refused = 0;
        while refused < 2
            && let Some(stream) = state.ready.pop_front()
        {
            let Some(s) = state.streams.get_mut(&stream) else { continue };
            s.is_ready = false;
            if s.reset.is_some() {
                state.forget(stream);
                continue;
            }
            let mut send = connection.send_stream(id(stream));
            let mut turn = 0;
            let mut stopped = None;
            while let Some(front) = s.out.front_mut() {
                let allowed = s.send_credit.allowance().min((TURN_BYTES - turn) as u64) as usize;
                if allowed == 0 {
                    break;
                }
                let piece = front.slice(..front.len().min(allowed));
                match send.write_chunks(&mut &mut [piece][..]) {
                    Ok(n) => {
                        bytes::Buf::advance(front, n);
                        if front.is_empty() {
                            s.out.pop_front();
                        }
                        s.out_bytes -= n;
                        s.send_credit.sent(n as u64);
                        turn += n;
                    }
                    Err(WriteError::Blocked) => {
                        refused += 1;
                        break;
                    }
                    Err(WriteError::Stopped(code)) => {
                        stopped = Some(code.into_inner());
                        break;
                    }
                    // Cannot be: only we finish and reset, and both are remembered in the stream.
                    Err(WriteError::ClosedStream) => {
                        stopped = Some(RESET_LIMIT.into());
                        break;
                    }
                }
            }
            if let Some(code) = stopped {
                return Some((stream, code));
            }
            if s.out.is_empty() && s.fin == Fin::Asked {
                // Fails only when the peer stopped the stream, of which an event tells.
                let _ = send.finish();
                s.fin = Fin::Sent;
            }
            if s.wants_write && s.out_bytes <= SEND_QUEUE_BYTES / 2 {
                s.wants_write = false;
                self.push(Event::Writable { link: self.link.id, stream });
            }
            if turn == TURN_BYTES && !s.out.is_empty() {
                state.make_ready(stream);
            } else {
                state.forget(stream);
            }
        }
        None
    }

    fn datagrams(&mut self, connection: &mut Connection, now: Instant) {
        let mut state = lock(&self.link.state);
        while let Some((at, datagram)) = state.outgoing.pop_front() {
            state.outgoing_bytes -= datagram.len();
            if now.saturating_duration_since(at) > DATAGRAM_DEADLINE {
                state.dropped_datagrams += 1;
                continue;
            }
            let len = datagram.len();
            match connection.datagrams().send(datagram, false) {
                Ok(()) => {}
                Err(SendDatagramError::Blocked(datagram)) => {
                    state.outgoing_bytes += len;
                    state.outgoing.push_front((at, datagram));
                    break;
                }
                Err(_) => state.dropped_datagrams += 1,
            }
        }
    }

    fn take_datagrams(&mut self, connection: &mut Connection) {
        let mut heard = Vec::new();
        let mut tell = false;
        let mut state = lock(&self.link.state);
        while let Some(datagram) = connection.datagrams().recv() {
            match datagram.first() {
                Some(&DATAGRAM_LIMITS) => heard.push(datagram.slice(1..)),
                Some(&DATAGRAM_PAYLOAD) if state.limits.datagram_bytes > 0 => {
                    state.received_datagram_bytes += held_bytes(&datagram);
                    // Copied: a small payload must not keep its whole packet alive.
                    state.received_datagrams.push_back(Bytes::copy_from_slice(&datagram));
                    while state.received_datagram_bytes > state.limits.datagram_bytes
                        && let Some(old) = state.received_datagrams.pop_front()
                    {
                        state.received_datagram_bytes -= held_bytes(&old);
                        state.dropped_datagrams += 1;
                    }
                    tell = true;
                }
                _ => state.dropped_datagrams += 1,
            }
        }
        tell = tell && std::mem::take(&mut state.wants_datagrams);
        drop(state);
        if tell {
            self.push(Event::Datagrams { link: self.link.id });
        }
        for entries in heard {
            self.hear(&entries);
        }
    }

    /// Applies limits; returns how many bytes were whole entries.
    fn hear(&self, bytes: &[u8]) -> usize {
        let mut at = 0;
        let mut state = lock(&self.link.state);
        while let Some((entry, n)) = message::decode(&bytes[at..]) {
            at += n;
            let Ok(value) = VarInt::from_u64(entry.stream) else { continue };
            let id = StreamId::from(value);
            let side = if self.link.is_dialer { Side::Client } else { Side::Server };
            if id.dir() == Dir::Bi && !state.heard(entry, id.initiator() == side) {
                let text = "the peer acknowledged bytes that were never sent".to_string();
                state.closing.get_or_insert((END_PROTOCOL, text));
                break;
            }
        }
        at
    }

    fn hear_backstop(&mut self, connection: &mut Connection, id: StreamId) {
        let mut bytes = std::mem::take(&mut self.peer_backstop_rest);
        if let Ok(mut chunks) = connection.recv_stream(id).read(true) {
            while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
                bytes.extend_from_slice(&chunk.bytes);
                let whole = self.hear(&bytes);
                bytes.drain(..whole);
            }
            let _ = chunks.finalize();
        }
        self.peer_backstop_rest = bytes;
    }

    /// Sends limits: wider ones at once in a datagram, at each tick all that changed, again and on the stream.
    fn limits(&mut self, connection: &mut Connection, now: Instant) {
        if !self.is_connected || connection.is_closed() {
            return;
        }
        let mut guard = lock(&self.link.state);
        let state = &mut *guard;
        if !state.speaks_credit() {
            state.announce.clear();
            state.repeat.clear();
            state.finals.clear();
            return;
        }
        let mut out = Vec::new();
        for stream in std::mem::take(&mut state.announce) {
            if let Some(entry) = news(state, stream) {
                message::encode(entry, &mut out);
            }
        }
        send_limits(connection, &out);
        if self.tick.is_some_and(|at| at <= now) {
            self.tick = None;
            // A peer that reads nothing gets no more: the newest limits wait in `repeat`.
            if self.backstop_out.len() < 64 * 1024 {
                let mut again = Vec::new();
                for stream in std::mem::take(&mut state.repeat) {
                    if let Some(entry) = news(state, stream) {
                        message::encode(entry, &mut again);
                    }
                }
                send_limits(connection, &again);
                self.backstop_out.append(&mut again);
                for entry in std::mem::take(&mut state.finals) {
                    message::encode(entry, &mut self.backstop_out);
                }
            }
        }
        if self.tick.is_none() && !(state.repeat.is_empty() && state.finals.is_empty()) {
            self.tick = Some(now + TICK);
        }
        drop(guard);
        if self.backstop.is_none() && !self.backstop_out.is_empty() {
            self.backstop = connection.streams().open(Dir::Uni);
        }
        if let Some(id) = self.backstop
            && !self.backstop_out.is_empty()
            && let Ok(n) = connection.send_stream(id).write(&self.backstop_out)
        {
            self.backstop_out.drain(..n);
        }
        if !self.backstop_out.is_empty() {
            self.tick.get_or_insert(now + TICK);
        }
    }
}

fn news(state: &mut State, stream: u64) -> Option<Entry> {
    let (taken, limit) = state.streams.get_mut(&stream)?.receive_credit.announce();
    Some(Entry { stream, taken, limit })
}

/// Whole entries, as many datagrams as it takes. What does not fit the engine's queue is repeated at the tick.
fn send_limits(connection: &mut Connection, entries: &[u8]) {
    let Some(room) = connection.datagrams().max_size().filter(|n| *n > 1 + MAX_ENTRY_BYTES) else { return };
    let mut rest = entries;
    while !rest.is_empty() {
        let mut end = 0;
        while let Some((_, n)) = message::decode(&rest[end..])
            && 1 + end + n <= room
        {
            end += n;
        }
        if end == 0 {
            return;
        }
        let mut datagram = Vec::with_capacity(1 + end);
        datagram.push(DATAGRAM_LIMITS);
        datagram.extend_from_slice(&rest[..end]);
        if connection.datagrams().send(datagram.into(), false).is_err() {
            return;
        }
        rest = &rest[end..];
    }
}

/// Resets our half and stops the peer's. Either may be over already.
fn abandon(connection: &mut Connection, id: StreamId, code: u64) {
    let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
    let _ = connection.send_stream(id).reset(code);
    let _ = connection.recv_stream(id).stop(code);
}

fn payload_size(connection: &mut Connection) -> Option<usize> {
    connection.datagrams().max_size().map(|n| n.saturating_sub(1))
}

fn number(id: StreamId) -> u64 {
    VarInt::from(id).into_inner()
}

/// Numbers only come from `number`, so they fit.
fn id(number: u64) -> StreamId {
    StreamId::from(VarInt::from_u64(number).unwrap_or(VarInt::MAX))
}
