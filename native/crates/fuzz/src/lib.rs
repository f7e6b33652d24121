//! Mutation fuzzing as an ordinary test: runs with a plain `cargo test`, needs no tool and no other toolchain. Whoever
//! has inputs (a corpus of real ones) and a check that panics gets changed inputs for as long as there is time, and after
//! a finding the seed and the bytes that repeat it. Without coverage: the corpus has to hold one of each kind.
#![forbid(unsafe_code)]

mod corpus;
mod mutate;
mod run;

pub use corpus::corpus;
pub use mutate::{EXTREMES, mutate, number};
pub use run::{Target, hex, run};
