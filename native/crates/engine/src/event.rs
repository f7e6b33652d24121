//! What the engine tells its caller: a queue and a bell that rings once until the queue has been emptied.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use petrel_link::lock;

use crate::link::Link;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    Us,
    Peer,
    Network,
}

/// How a link ended. `code` is a LinkEnd number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub by: ClosedBy,
    pub code: u64,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialFailure {
    Unreachable,
    Timeout,
    Untrusted,
    Refused,
}

pub enum Event {
    /// A dialled link stands.
    Connected {
        link: u32,
    },
    /// A dialled link will never stand.
    Failed {
        link: u32,
        why: DialFailure,
        reason: String,
    },
    /// A listener has a new link.
    Incoming {
        listener: u32,
        link: Arc<Link>,
    },
    /// A listener that was closed has no links any more: its port is free.
    Unlistened {
        listener: u32,
    },
    /// The peer opened a stream.
    Stream {
        link: u32,
        stream: u64,
    },
    Readable {
        link: u32,
        stream: u64,
    },
    Writable {
        link: u32,
        stream: u64,
    },
    /// The stream was reset, by the peer or because the peer overran its credit; both directions are over.
    Reset {
        link: u32,
        stream: u64,
        code: u64,
        by_peer: bool,
    },
    Datagrams {
        link: u32,
    },
    /// Streams can be opened again after `open` found none.
    MayOpen {
        link: u32,
    },
    Closed {
        link: u32,
        closed: Closed,
    },
}

pub(crate) struct Events {
    queue: Mutex<Queue>,
    bell: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    rung: bool,
    /// When the bell has to ring for what waits.
    due: Option<Instant>,
}

impl Events {
    pub(crate) fn new(bell: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { queue: Mutex::default(), bell }
    }

    /// Bounded by what can be told of: one of each kind for each open stream and link. `ring` tells of it.
    pub(crate) fn push(&self, event: Event) {
        self.push_by(event, Instant::now());
    }

    /// One that may wait until then for others.
    pub(crate) fn push_by(&self, event: Event, due: Instant) {
        let mut queue = lock(&self.queue);
        queue.events.push_back(event);
        queue.due = Some(queue.due.map_or(due, |other| other.min(due)));
    }

    /// Nothing that waits may wait longer.
    pub(crate) fn hurry(&self, now: Instant) {
        let mut queue = lock(&self.queue);
        queue.due = queue.due.map(|due| due.min(now));
    }

    /// When the bell has to ring next.
    pub(crate) fn due(&self) -> Option<Instant> {
        let queue = lock(&self.queue);
        queue.due.filter(|_| !queue.rung)
    }

    /// Once for all that happened together: waking the caller for the first of many packets makes him read each alone.
    pub(crate) fn ring(&self, now: Instant) {
        let mut queue = lock(&self.queue);
        if queue.due.is_some_and(|due| due <= now) && !std::mem::replace(&mut queue.rung, true) {
            drop(queue);
            (self.bell)();
        }
    }

    /// None arms the bell again.
    pub(crate) fn pop(&self) -> Option<Event> {
        let mut queue = lock(&self.queue);
        let event = queue.events.pop_front();
        if event.is_none() {
            queue.rung = false;
            queue.due = None;
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn bell() -> (Events, Arc<AtomicU32>) {
        let rung = Arc::new(AtomicU32::new(0));
        let count = rung.clone();
        let ring = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        (Events::new(Box::new(ring)), rung)
    }

    fn readable(stream: u64) -> Event {
        Event::Readable { link: 1, stream }
    }

    #[test]
    fn what_may_wait_waits_until_it_is_due_or_another_is() {
        let (events, rung) = bell();
        let start = Instant::now();
        let rings = |at: Instant| {
            events.ring(at);
            rung.load(Ordering::Relaxed)
        };
        events.push_by(readable(1), start + 4 * MS);
        assert_eq!(events.due(), Some(start + 4 * MS));
        assert_eq!(rings(start + 3 * MS), 0);
        assert_eq!(rings(start + 4 * MS), 1);
        events.push_by(readable(2), start);
        assert_eq!(rings(start + 5 * MS), 1, "the caller has been told and is on his way");
        assert_eq!(events.due(), None);
        while events.pop().is_some() {}
        assert_eq!(rings(start + 6 * MS), 1, "nothing waits");
        events.push_by(readable(1), start + 10 * MS);
        events.push_by(readable(2), start + 7 * MS);
        assert_eq!(rings(start + 7 * MS), 2, "for both");
    }

    #[test]
    fn what_must_hurry_does() {
        let (events, rung) = bell();
        let start = Instant::now();
        events.hurry(start);
        assert_eq!(events.due(), None, "nothing waits");
        events.push_by(readable(1), start + 4 * MS);
        events.hurry(start + MS);
        events.ring(start + MS);
        assert_eq!(rung.load(Ordering::Relaxed), 1);
    }
}
