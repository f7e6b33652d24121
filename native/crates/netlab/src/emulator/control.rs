//! A timer that does nothing but fire: how late it is, is what the machine does to any timer, and no fault of the emulator.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use petrel_netlab::Histogram;

/// As often as packets of full size come out of a link of 12 Mbit/s.
const EVERY: Duration = Duration::from_millis(1);

#[derive(Default)]
pub struct Control {
    pub lateness: Histogram,
}

pub fn watch(control: &Mutex<Control>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let due = Instant::now() + EVERY;
        std::thread::sleep(EVERY);
        record(&mut super::lock(control).lateness, due.elapsed());
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
