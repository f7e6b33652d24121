//! What a native link is, whichever protocol carries it: the interface of a connection, what a link may use, whom it
//! trusts, and which strangers may begin one. Pure: no socket, no thread, no clock.
#![forbid(unsafe_code)]

mod admission;
mod connection;
mod error;
mod limits;
mod profile;
mod silence;
pub mod tls;
mod verify;

pub use admission::{Admission, Verdict};
pub use connection::{Connection, Lost, PathStats, Reading, Refused, Signal, Stopped, Transmit};
pub use error::Error;
pub use limits::Limits;
pub use profile::{Profile, Reordering};
pub use silence::probe_interval;
pub use tls::{Credentials, Refusal, Trust};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic under a lock has already become a link error; what it left behind is dropped with the link.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
