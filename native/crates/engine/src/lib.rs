//! Native links without Node: a thread owns sockets and timers (`reactor`), moves bytes between connections and links
//! (`driver`), and a `Link` is what callers hold. Which protocol carries a link, only `protocol` knows.
#![forbid(unsafe_code)]

mod answers;
mod coalescing;
mod driver;
mod engine;
mod event;
mod handle;
#[cfg(test)]
mod lab;
mod link;
mod listening;
mod port;
mod protocol;
mod reactor;
mod state;
mod stream;

pub use engine::Engine;
pub use event::{Closed, ClosedBy, DialFailure, Event};
pub use link::{Link, Peer, Stats};
pub use petrel_link::{Credentials, Error, Limits, Profile, Reordering, Trust};
pub use protocol::Protocol;

/// What all links of this process may promise to their peers, bytes (DESIGN: credit comes from two budgets).
static POOL: petrel_streams::Pool = petrel_streams::Pool::new(1 << 30);
