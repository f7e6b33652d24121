//! QUIC links with credit of our own. The engine below is noq-proto, a pure state machine; the thread in `engine`
//! owns sockets and timers; a `Link` is what callers hold. PROTOCOL.md says what goes over the wire beyond QUIC.
#![forbid(unsafe_code)]

mod control;
mod driver;
mod endpoint;
mod engine;
mod event;
mod link;
mod stream;
mod tls;

pub use engine::Engine;
pub use event::{Closed, ClosedBy, DialFailure, Event};
pub use link::{Limits, Link, Peer, Stats};
pub use tls::{Credentials, Trust};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a call failed. The texts are shown to people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Config(String),
    #[error("{0}")]
    Socket(#[from] std::io::Error),
    #[error("the link has ended")]
    LinkEnded,
    #[error("the engine has stopped")]
    Stopped,
}

/// What all links of this process may promise to their peers, bytes (DESIGN: credit comes from two budgets).
static POOL: petrel_streams::Pool = petrel_streams::Pool::new(1 << 30);

/// A panic under a lock has already become a link error; what it left behind is dropped with the link.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
