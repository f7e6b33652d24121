//! How a link ends, and how its holder hears of it.

use std::time::Instant;

use petrel_link::{Lost, lock};

use super::Driver;
use crate::event::{Closed, ClosedBy, DialFailure, Event};

/// Numbers of LinkEnd in errors.ts.
pub(super) const END_PROTOCOL: u64 = 1;
const END_INTERNAL: u64 = 2;
const END_IDLE: u64 = 0x102;

impl Driver {
    pub(super) fn fail(&self, why: DialFailure, reason: String) {
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
                connection.as_dyn_mut().close(now, 0, "");
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

    pub(super) fn lost(&mut self, how: Lost) {
        if !self.is_connected
            && let Some(text) = self.refusal.as_ref().and_then(|r| lock(r).clone())
        {
            return self.fail(DialFailure::Untrusted, text);
        }
        match how {
            Lost::Closed { code, reason } => self.end(ClosedBy::Peer, code, reason),
            Lost::Refused(reason) => self.end(ClosedBy::Peer, END_PROTOCOL, reason),
            Lost::Idle if !self.is_connected => self.fail(DialFailure::Timeout, "no answer".into()),
            Lost::Idle => {
                self.end(ClosedBy::Network, END_IDLE, "nothing was heard from the peer within the idle time".into());
            }
            Lost::Forgotten => {
                self.end(ClosedBy::Network, END_INTERNAL, "the peer has forgotten this link".into());
            }
            Lost::Violation(reason) => self.end(ClosedBy::Us, END_PROTOCOL, reason),
        }
    }
}
