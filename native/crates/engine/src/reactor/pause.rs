//! Ports whose sockets are left alone for a moment, so that packets gather there (coalescing.rs).

use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Interest, Token};

use super::Reactor;

/// When the system did not let a port be watched again, it is looked at so often.
const UNWATCHED: Duration = Duration::from_millis(1);

impl Reactor {
    /// What arrives meanwhile wakes nobody.
    pub(super) fn pause(&mut self, token: usize, until: Instant) {
        if self.watch(token, Interest::WRITABLE) {
            self.paused.insert((until, token));
        }
    }

    /// Reads again what has been left alone long enough.
    pub(super) fn resume(&mut self, now: Instant) {
        while let Some((at, token)) = self.paused.first().copied().filter(|(until, _)| *until <= now) {
            self.paused.remove(&(at, token));
            let Some(port) = self.ports.get_mut(&token) else { continue };
            port.is_readable = true;
            if !self.watch(token, Interest::READABLE | Interest::WRITABLE) {
                self.paused.insert((now + UNWATCHED, token));
            }
        }
    }

    fn watch(&mut self, token: usize, interest: Interest) -> bool {
        let Some(port) = self.ports.get_mut(&token) else { return false };
        let Some(socket) = Arc::get_mut(&mut port.socket) else { return false };
        self.poll.registry().reregister(socket.source(), Token(token), interest).is_ok()
    }
}
