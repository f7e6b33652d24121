//! Whether a link in real time did what it was set to. What a run measured over one that did not is worth nothing, and
//! these are the reasons, in words.

use std::time::Duration;

use crate::counters::Counters;
use crate::histogram::Histogram;

/// What the emulator saw of itself.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// How much later than due packets came out.
    pub lateness: Histogram,
    /// How much later than asked a timer fired that did nothing else: the machine's own stalls.
    pub control: Histogram,
    pub cpu: Duration,
    pub wall: Duration,
    pub ways: [ObservedWay; 2],
}

/// One direction, and what the kernel says of the devices at its ends.
#[derive(Debug, Clone, Default)]
pub struct ObservedWay {
    pub name: &'static str,
    pub counters: Counters,
    pub in_flight: u64,
    /// Packets that the kernel did not take when they came out.
    pub refused: u64,
    /// Packets that the device we read from gave us, and those it dropped because we read too late.
    pub read: u64,
    pub overflowed: u64,
    /// Packets that the device we write to took from us.
    pub written: u64,
}

/// One packet in a thousand may be so much later than the machine's stalls explain.
const LATE: Duration = Duration::from_millis(2);
/// They explain so many times their own length: what came meanwhile has to be worked off.
const EXPLAINED: u32 = 2;
/// Of one core. Beyond it, the emulator takes from what is measured the time that it needs itself.
const BUSY: f64 = 0.6;

/// Reasons not to believe what was measured; none is as it should be.
pub fn doubts(observed: &Observed) -> Vec<String> {
    let Observed { lateness, control, cpu, wall, ways } = observed;
    let mut found = Vec::new();
    let [late, stalled] = [lateness, control].map(|histogram| histogram.quantile(0.999));
    if late > LATE + stalled * EXPLAINED {
        found.push(format!(
            "p99.9 of the packets came {late:?} late; the machine's own stalls, {stalled:?}, do not explain it"
        ));
    }
    let busy = cpu.as_secs_f64() / wall.as_secs_f64();
    if busy > BUSY {
        found.push(format!("the emulator took {:.0} % of a core, and may take {:.0} %", busy * 100.0, BUSY * 100.0));
    }
    found.extend(ways.iter().flat_map(unaccounted));
    found
}

fn unaccounted(way: &ObservedWay) -> Vec<String> {
    let ObservedWay { name, counters, in_flight, refused, read, overflowed, written } = way;
    let entered = counters.entered.packets + counters.duplicated.packets;
    let left = counters.delivered.packets + counters.dropped().packets + in_flight;
    let mut found = Vec::new();
    if entered != left {
        found.push(format!("{name}: {entered} packets entered, and {left} came out, were dropped or are under way"));
    }
    if *overflowed > 0 {
        found.push(format!("{name}: the device dropped {overflowed} packets before we read them"));
    }
    if *refused > 0 {
        found.push(format!("{name}: the kernel did not take {refused} packets"));
    }
    if *read != counters.entered.packets {
        found.push(format!("{name}: the device gave {read} packets, and {} entered", counters.entered.packets));
    }
    if written + refused != counters.delivered.packets {
        found.push(format!("{name}: the device took {written} packets of {} delivered", counters.delivered.packets));
    }
    found
}
