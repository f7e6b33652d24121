//! What the engine tells its caller: a queue and a bell that rings once until the queue has been emptied.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

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
}

impl Events {
    pub(crate) fn new(bell: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { queue: Mutex::default(), bell }
    }

    /// Bounded by what can be told of: one of each kind for each open stream and link. `ring` tells of it.
    pub(crate) fn push(&self, event: Event) {
        lock(&self.queue).events.push_back(event);
    }

    /// Once for all that happened together: waking the caller for the first of many packets makes him read each alone.
    pub(crate) fn ring(&self) {
        let mut queue = lock(&self.queue);
        if !queue.events.is_empty() && !std::mem::replace(&mut queue.rung, true) {
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
        }
        event
    }
}
