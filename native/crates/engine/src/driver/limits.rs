//! Limits, both ways: what we still allow the peer, and what it allows us.

use std::time::{Duration, Instant};

use petrel_link::{Connection, lock};
use petrel_streams::message::Entry;

use super::Driver;
use super::ending::END_PROTOCOL;
use crate::state::State;

/// Limits that changed go out again this often, and surely.
const TICK: Duration = Duration::from_millis(100);

impl Driver {
    /// The peer's word on a stream.
    pub(super) fn hear(&self, entry: Entry) {
        let is_ours = (entry.stream & 1 == 0) == self.link.is_dialer;
        let mut state = lock(&self.link.state);
        if !state.heard(entry, is_ours) {
            let text = "the peer acknowledged bytes that were never sent".to_string();
            state.closing.get_or_insert((END_PROTOCOL, text));
        }
    }

    /// Sends limits: wider ones at once, at each tick all that changed, once more and surely.
    pub(super) fn limits(&mut self, connection: &mut dyn Connection, now: Instant) {
        if !self.is_connected || connection.is_closed() {
            self.tick = None;
            return;
        }
        let mut guard = lock(&self.link.state);
        let state = &mut *guard;
        if !state.speaks_credit {
            state.announce.clear();
            state.repeat.clear();
            state.finals.clear();
            return;
        }
        let wider = std::mem::take(&mut state.announce);
        announce(connection, &news(state, wider), false);
        if self.tick.is_some_and(|at| at <= now) {
            self.tick = None;
            // Otherwise the newest limits wait in `repeat`.
            if connection.may_announce() {
                let changed = std::mem::take(&mut state.repeat);
                let mut again = news(state, changed);
                announce(connection, &again, false);
                again.append(&mut state.finals);
                announce(connection, &again, true);
            }
        }
        if self.tick.is_none() && !(state.repeat.is_empty() && state.finals.is_empty()) {
            self.tick = Some(now + TICK);
        }
    }
}

fn announce(connection: &mut dyn Connection, entries: &[Entry], surely: bool) {
    if !entries.is_empty() {
        connection.announce(entries, surely);
    }
}

fn news(state: &mut State, streams: impl IntoIterator<Item = u64>) -> Vec<Entry> {
    let entry = |stream| {
        let (taken, limit) = state.streams.get_mut(&stream)?.receive_credit.announce();
        Some(Entry { stream, taken, limit })
    };
    streams.into_iter().filter_map(entry).collect()
}
