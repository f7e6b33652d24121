//! What one Node environment holds: its engine and its links by number. Each environment has a thread of its own, so
//! this is thread-local and needs no lock.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use petrel_engine::{Engine, Link};

thread_local! {
    static BORDER: RefCell<Option<Border>> = const { RefCell::new(None) };
}

pub struct Border {
    pub engine: Arc<Engine>,
    pub reasons: HashMap<u32, String>,
    links: HashMap<u32, Arc<Link>>,
}

impl Border {
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, reasons: HashMap::new(), links: HashMap::new() }
    }

    pub fn add(&mut self, link: Arc<Link>) -> u32 {
        let id = link.id;
        self.links.insert(id, link);
        id
    }

    pub fn remove(&mut self, link: u32) {
        self.links.remove(&link);
        self.reasons.remove(&link);
    }
}

pub fn set(border: Border) {
    BORDER.with(|b| *b.borrow_mut() = Some(border));
}

pub fn take() -> Option<Border> {
    BORDER.with(|b| b.borrow_mut().take())
}

/// None: stopped, or never started.
pub fn with<T>(f: impl FnOnce(&mut Border) -> T) -> Option<T> {
    BORDER.with(|b| b.borrow_mut().as_mut().map(f))
}

/// None: no such link any more.
pub fn with_link<T>(link: u32, f: impl FnOnce(&Arc<Link>) -> T) -> Option<T> {
    with(|b| b.links.get(&link).map(f)).flatten()
}
