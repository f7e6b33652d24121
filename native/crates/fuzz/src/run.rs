//! Spends the time. PETREL_FUZZ_SECONDS says how long each target runs (20 by default), PETREL_FUZZ_SEED where the seeds
//! begin, PETREL_FUZZ_TARGET names one target. Without a time of their own the targets run all beside each other.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use fastrand::Rng;

const SECONDS: u64 = 20;

/// One case: makes its input from the random numbers, writes it to the vector for the report, and panics at a finding.
type Case<'a> = dyn Fn(&mut Rng, &mut Vec<Vec<u8>>) + Sync + 'a;

pub struct Target<'a> {
    name: &'a str,
    case: Box<Case<'a>>,
}

impl<'a> Target<'a> {
    /// A target that makes its own inputs: several packets, calls between them.
    pub fn new(name: &'a str, case: impl Fn(&mut Rng, &mut Vec<Vec<u8>>) + Sync + 'a) -> Self {
        Self { name, case: Box::new(case) }
    }

    /// A parser of one input of at most `most` bytes; first it sees the corpus as it is.
    pub fn bytes(name: &'a str, corpus: Vec<Vec<u8>>, most: usize, check: impl Fn(&[u8]) + Sync + 'a) -> Self {
        corpus.iter().for_each(|input| check(input));
        Self::new(name, move |rng, inputs| {
            let mut input = corpus[rng.usize(..corpus.len())].clone();
            crate::mutate(rng, &mut input, &corpus, most);
            inputs.push(input);
            check(&inputs[0]);
        })
    }

    fn run(&self, first: u64, time: Duration) -> u64 {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < time {
            let seed = first + count;
            let mut inputs = Vec::new();
            let case = AssertUnwindSafe(|| (self.case)(&mut Rng::with_seed(seed), &mut inputs));
            if let Err(panic) = catch_unwind(case) {
                eprintln!("a finding: PETREL_FUZZ_TARGET='{}' PETREL_FUZZ_SEED={seed}", self.name);
                inputs.iter().for_each(|input| eprintln!("  {}", hex(input)));
                resume_unwind(panic);
            }
            count += 1;
        }
        count
    }
}

/// Runs every target for its time. Panics after the first finding, having told of it.
pub fn run(targets: &[Target<'_>]) {
    let whole = |name| std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")));
    let seconds: Option<u64> = whole("PETREL_FUZZ_SECONDS");
    let time = Duration::from_secs(seconds.unwrap_or(SECONDS));
    let first = whole("PETREL_FUZZ_SEED").unwrap_or(0);
    let only = std::env::var("PETREL_FUZZ_TARGET").ok();
    let targets: Vec<_> =
        targets.iter().filter(|target| only.as_ref().is_none_or(|only| only == target.name)).collect();
    // Whoever gives them time wants each to have a processor for it.
    let at_once = seconds.and_then(|_| available_parallelism().ok()).map_or(targets.len(), |cores| cores.into());
    let next = AtomicUsize::new(0);
    let told = Mutex::new(());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let count = target.run(first, time);
                    let _guard = told.lock();
                    eprintln!("{}: {count} cases from seed {first} in {} s", target.name, time.as_secs());
                }
            });
        }
    });
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "found it")]
    fn a_finding_ends_the_run() {
        let target = Target::bytes("bytes", vec![vec![0; 4]], 8, |input| assert!(input.len() < 7, "found it"));
        target.run(0, Duration::from_secs(60));
    }
}
