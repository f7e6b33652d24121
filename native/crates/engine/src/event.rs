//! What the engine tells its caller: a queue and a bell that rings once until the queue has been emptied.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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
        self.push_within(event, Duration::ZERO);
    }

    /// One that may wait for others for so long.
    pub(crate) fn push_within(&self, event: Event, patience: Duration) {
        let mut queue = lock(&self.queue);
        queue.events.push_back(event);
        let due = Instant::now() + patience;
        queue.due = Some(queue.due.map_or(due, |other| other.min(due)));
    }

    /// Nothing that waits may wait longer.
    pub(crate) fn hurry(&self) {
        let mut queue = lock(&self.queue);
        queue.due = queue.due.map(|due| due.min(Instant::now()));
    }

    /// Once for all that happened together: waking the caller for the first of many packets makes him read each alone.
    /// Some: what waits may wait until then.
    pub(crate) fn ring(&self) -> Option<Instant> {
        let mut queue = lock(&self.queue);
        let due = queue.due.filter(|_| !queue.rung)?;
        if due > Instant::now() {
            return Some(due);
        }
        queue.rung = true;
        drop(queue);
        (self.bell)();
        None
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

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

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
    fn what_may_wait_does_until_something_may_not() {
        let (events, rung) = bell();
        events.push_within(readable(1), LONG);
        let due = events.ring();
        assert!(due.is_some_and(|at| at > Instant::now() + LONG / 2));
        assert_eq!(rung.load(Ordering::Relaxed), 0);
        events.push(readable(2));
        assert!(events.ring().is_none());
        assert_eq!(rung.load(Ordering::Relaxed), 1, "for both");
        assert!(events.ring().is_none(), "the caller has been told");
        while events.pop().is_some() {}
        assert!(events.ring().is_none());
        assert_eq!(rung.load(Ordering::Relaxed), 1, "nothing waits");
    }

    #[test]
    fn what_waits_is_told_in_time_and_at_once_when_it_must_hurry() {
        let (events, rung) = bell();
        events.push_within(readable(1), Duration::from_millis(2));
        let due = events.ring().expect("it may wait");
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        assert!(events.ring().is_none());
        assert_eq!(rung.load(Ordering::Relaxed), 1);
        while events.pop().is_some() {}
        events.push_within(readable(1), LONG);
        events.hurry();
        assert!(events.ring().is_none());
        assert_eq!(rung.load(Ordering::Relaxed), 2);
    }
}
