//! What `counts` answers: the counters of both ways since the start; lateness, the control and CPU time since the mark; and
//! the reasons not to believe a run, none of which is as it should be.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use petrel_netlab::{Counters, Histogram, Observed, ObservedWay, Tally, doubts};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};

use crate::control::Control;
use crate::lock;
use crate::namespaces::Namespaces;
use crate::path::{Path, WAYS};

/// Where the clocks stood.
pub struct Marks {
    at: Instant,
    cpu: Duration,
}

impl Marks {
    pub fn new() -> Self {
        Self { at: Instant::now(), cpu: cpu() }
    }
}

pub fn mark(path: &Mutex<Path>, control: &Control) -> Marks {
    lock(path).lateness = Histogram::default();
    control.forget();
    Marks::new()
}

pub fn counts(path: &Mutex<Path>, control: &Control, namespaces: &Namespaces, marks: &Marks) -> Result<Value, String> {
    let before = lock(path).seen();
    let kernel = [namespaces.kernel(0)?, namespaces.kernel(1)?];
    let (after, lateness) = {
        let path = lock(path);
        (path.seen(), path.lateness.clone())
    };
    let ways = std::array::from_fn(|way| {
        let (name, _, from, to) = WAYS[way];
        let (first, last) = (before[way].counters, after[way].counters);
        ObservedWay {
            name,
            counters: last,
            in_flight: after[way].in_flight,
            refused: after[way].refused,
            read: meanwhile(kernel[from].sent, first.entered, last.entered),
            overflowed: kernel[from].dropped,
            written: meanwhile(kernel[to].received + after[way].refused, first.delivered, last.delivered)
                - after[way].refused,
        }
    });
    let observed =
        Observed { lateness, control: control.lateness(), cpu: cpu() - marks.cpu, wall: marks.at.elapsed(), ways };
    Ok(json!({ "counts": told(&observed) }))
}

/// The kernel's count was taken between two of ours while packets went on: one between them agrees with the last.
fn meanwhile(kernel: u64, first: Tally, last: Tally) -> u64 {
    if (first.packets..=last.packets).contains(&kernel) { last.packets } else { kernel }
}

fn told(observed: &Observed) -> Value {
    let ways: Map<String, Value> = observed.ways.iter().map(|way| (way.name.to_string(), told_way(way))).collect();
    json!({
        "ways": ways,
        "late": quantiles(&observed.lateness),
        "control": quantiles(&observed.control),
        "cpu_s": observed.cpu.as_secs_f64(),
        "wall_s": observed.wall.as_secs_f64(),
        "doubts": doubts(observed),
    })
}

fn told_way(way: &ObservedWay) -> Value {
    let Counters {
        entered,
        delivered,
        dropped_mtu,
        dropped_policer,
        dropped_queue,
        dropped_outage,
        dropped_loss,
        reordered,
        ..
    } = way.counters;
    let tally = |tally: Tally| json!({ "packets": tally.packets, "bytes": tally.bytes });
    json!({
        "entered": tally(entered),
        "delivered": tally(delivered),
        "queue": tally(dropped_queue),
        "loss": tally(dropped_loss),
        "outage": tally(dropped_outage),
        "mtu": tally(dropped_mtu),
        "policer": tally(dropped_policer),
        "reordered": tally(reordered),
        "in_flight": way.in_flight,
        "overflowed": way.overflowed,
        "refused": way.refused,
    })
}

fn quantiles(histogram: &Histogram) -> Value {
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    json!({
        "count": histogram.count(),
        "p50_us": micros(histogram.quantile(0.5)),
        "p99_us": micros(histogram.quantile(0.99)),
        "p999_us": micros(histogram.quantile(0.999)),
        "max_us": micros(histogram.largest()),
    })
}

/// Of all threads of this process.
fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}
