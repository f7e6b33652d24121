//! Datagrams, both ways: what waits too long or finds no room is dropped and counted.

use std::time::{Duration, Instant};

use bytes::Bytes;
use petrel_link::{Connection, Refused, lock};

use super::Driver;
use crate::event::Event;
use crate::state::held_bytes;

/// An outgoing payload that is older than this has no value any more.
const DEADLINE: Duration = Duration::from_millis(100);

impl Driver {
    pub(super) fn datagrams(&mut self, connection: &mut dyn Connection, now: Instant) {
        let mut state = lock(&self.link.state);
        while let Some((at, payload)) = state.outgoing.pop_front() {
            let len = payload.len();
            state.outgoing_bytes -= len;
            if now.saturating_duration_since(at) > DEADLINE {
                state.dropped_datagrams += 1;
                continue;
            }
            match connection.send_datagram(payload) {
                Ok(()) => {}
                Err(Refused::Full(payload)) => {
                    state.outgoing_bytes += len;
                    state.outgoing.push_front((at, payload));
                    break;
                }
                Err(Refused::Never) => state.dropped_datagrams += 1,
            }
        }
    }

    pub(super) fn take_datagrams(&mut self, connection: &mut dyn Connection) {
        let mut guard = lock(&self.link.state);
        let state = &mut *guard;
        let mut is_news = false;
        while let Some(payload) = connection.receive_datagram() {
            if state.limits.datagram_bytes == 0 {
                state.dropped_datagrams += 1;
                continue;
            }
            state.received_datagram_bytes += held_bytes(&payload);
            // Copied: a small payload must not keep its whole packet alive.
            state.received_datagrams.push_back(Bytes::copy_from_slice(&payload));
            while state.received_datagram_bytes > state.limits.datagram_bytes
                && let Some(old) = state.received_datagrams.pop_front()
            {
                state.received_datagram_bytes -= held_bytes(&old);
                state.dropped_datagrams += 1;
            }
            is_news = true;
        }
        if is_news && std::mem::take(&mut state.wants_datagrams) {
            drop(guard);
            self.push(Event::Datagrams { link: self.link.id });
        }
    }
}
