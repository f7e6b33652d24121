//! Timers that do nothing but fire: how late they are is what the machine does to any timer, and no fault of the emulator.
//! One on each processor, since a virtual one may stand still while its neighbour runs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use petrel_netlab::Histogram;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::priority;

/// As often as packets of full size come out of a link of 12 Mbit/s.
const EVERY: Duration = Duration::from_millis(1);

pub struct Control {
    /// One for each processor that we may run on.
    processors: Vec<Processor>,
}

pub struct Processor {
    index: usize,
    lateness: Mutex<Histogram>,
}

impl Control {
    pub fn new() -> Result<Self, rustix::io::Errno> {
        let ours = sched_getaffinity(None)?;
        let processors = (0..CpuSet::MAX_CPU)
            .filter(|&index| ours.is_set(index))
            .map(|index| Processor { index, lateness: Mutex::default() })
            .collect();
        Ok(Self { processors })
    }

    pub fn processors(&self) -> &[Processor] {
        &self.processors
    }

    pub fn forget(&self) {
        for processor in &self.processors {
            *super::lock(&processor.lateness) = Histogram::default();
        }
    }

    /// Of the processor that stood still the most: the one that was to forward may have been any.
    pub fn lateness(&self) -> Histogram {
        let all = self.processors.iter().map(|processor| super::lock(&processor.lateness).clone());
        all.max_by_key(|lateness| lateness.quantile(0.999)).unwrap_or_default()
    }
}

impl Processor {
    /// Until told to stop.
    pub fn watch(&self, stop: &AtomicBool) -> Result<(), rustix::io::Errno> {
        let mut here = CpuSet::new();
        here.set(self.index);
        sched_setaffinity(None, &here)?;
        priority::before_forwarding();
        while !stop.load(Ordering::Relaxed) {
            let due = Instant::now() + EVERY;
            std::thread::sleep(EVERY);
            record(&mut super::lock(&self.lateness), due.elapsed());
        }
        Ok(())
    }
}

/// One stall makes many packets late, the first by all of it, and the last hardly: so many timers it would have made late.
fn record(lateness: &mut Histogram, late: Duration) {
    lateness.record(late);
    let mut later = late;
    while let Some(left) = later.checked_sub(EVERY) {
        lateness.record(left);
        later = left;
    }
}
