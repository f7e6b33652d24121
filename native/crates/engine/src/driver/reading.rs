//! Bytes from the peer, into our own reassembly.

use std::time::{Duration, Instant};

use petrel_link::{Connection, Reading, lock};

use super::Driver;
use crate::event::Event;

/// Streams that wait for the caller or linger, in multiples of those that the peer may have open.
const MAX_HELD: usize = 4;
/// Number of StreamReset in errors.ts.
const RESET_LIMIT: u64 = 7;

impl Driver {
    pub(super) fn accept(&mut self, connection: &mut dyn Connection, stream: u64) {
        let mut state = lock(&self.link.state);
        // The connection's own count forgets a stream at its end, ours when the caller has it behind him.
        if state.streams.len() >= MAX_HELD * state.limits.streams as usize {
            drop(state);
            return connection.abandon(stream, RESET_LIMIT);
        }
        state.add(stream);
        drop(state);
        self.push(Event::Stream { link: self.link.id, stream });
        self.readable(connection, stream);
    }

    /// Moves everything that came on a stream into our own reassembly.
    pub(super) fn readable(&mut self, connection: &mut dyn Connection, stream: u64) {
        let mut guard = lock(&self.link.state);
        let state = &mut *guard;
        // A peer without credit may fill what the link may hold, and is reset beyond that.
        let plain = (!state.speaks_credit).then(|| {
            let held: u64 = state.streams.values().map(|s| s.received.unread()).sum();
            state.limits.credit_bytes.saturating_sub(held).min(state.limits.window_bytes)
        });
        let Some(s) = state.streams.get_mut(&stream) else { return };
        let limit = plain.map_or(s.receive_credit.limit(), |room| s.received.contiguous() + room);
        let mut overrun = false;
        let reading = connection.read(stream, &mut |offset, bytes| {
            if s.reset.is_none() && !overrun {
                overrun = !s.insert(offset, bytes, limit, &mut state.holes);
            }
        });
        if overrun {
            if s.kill(RESET_LIMIT, &mut state.budget, &mut state.holes) {
                state.resets.push((stream, RESET_LIMIT));
                drop(guard);
                self.push(Event::Reset { link: self.link.id, stream, code: RESET_LIMIT, by_peer: false });
            }
            return;
        }
        match reading {
            Reading::Finished => {
                s.complete = true;
                s.receive_credit.finish(s.received.contiguous(), &mut state.budget);
            }
            Reading::Reset(code) => {
                drop(guard);
                return self.peer_reset(connection, stream, code);
            }
            Reading::Open => {}
        }
        if s.wants_read && s.reset.is_none() && (s.received.available() > 0 || s.complete) {
            s.wants_read = false;
            let now = Instant::now();
            let patience = if s.is_full() { Duration::ZERO } else { s.patience(self.min_rtt) };
            s.waits = !patience.is_zero();
            if s.complete {
                state.forget(stream);
            }
            drop(guard);
            self.link.engine.events.push_by(Event::Readable { link: self.link.id, stream }, now + patience);
        } else if s.waits && s.is_full() {
            s.waits = false;
            self.link.engine.events.hurry(Instant::now());
        }
    }

    /// The peer gave the stream up, in one direction or both: for us that is both.
    pub(super) fn peer_reset(&mut self, connection: &mut dyn Connection, stream: u64, code: u64) {
        let mut guard = lock(&self.link.state);
        let state = &mut *guard;
        let Some(s) = state.streams.get_mut(&stream) else { return };
        if !s.kill(code, &mut state.budget, &mut state.holes) {
            return;
        }
        state.forget(stream);
        drop(guard);
        connection.abandon(stream, code);
        self.push(Event::Reset { link: self.link.id, stream, code, by_peer: true });
    }
}
