//! What the emulator says of itself: quantiles, reasons for doubt, and that the presets can be set.

use std::time::{Duration, Instant};

use petrel_netlab::{Counters, Histogram, Observed, ObservedWay, Pipe, Tally, doubts, presets};

const MICRO: Duration = Duration::from_micros(1);
const MS: Duration = Duration::from_millis(1);

fn histogram(values: impl IntoIterator<Item = Duration>) -> Histogram {
    let mut histogram = Histogram::default();
    values.into_iter().for_each(|value| histogram.record(value));
    histogram
}

/// A minute in which everything was as it should be.
fn honest() -> Observed {
    let packets = |packets| Tally { packets, bytes: packets * 1_500 };
    let counters = Counters {
        entered: packets(1_000),
        delivered: packets(890),
        dropped_loss: packets(50),
        dropped_queue: packets(40),
        ..Counters::default()
    };
    let way = ObservedWay { name: "up", counters, in_flight: 20, refused: 0, read: 1_000, overflowed: 0, written: 890 };
    Observed {
        lateness: histogram([MICRO * 80; 1_000]),
        control: histogram([MICRO * 60; 1_000]),
        cpu: Duration::from_secs(20),
        wall: Duration::from_secs(60),
        ways: [way, ObservedWay { name: "down", ..ObservedWay::default() }],
    }
}

#[test]
fn a_quantile_is_at_most_an_eighth_above_its_value() {
    for exact in (0..40).map(|power| Duration::from_micros(3_u64.pow(power / 2) + u64::from(power))) {
        let mut histogram = histogram([exact; 99]);
        histogram.record(exact * 1_000);
        let median = histogram.quantile(0.5);
        assert!(median >= exact && median <= exact.mul_f64(1.125) + MICRO, "{median:?} for {exact:?}");
    }
}

#[test]
fn quantiles_count_from_below_and_end_at_the_largest() {
    let histogram = histogram((1..=1_000).map(|value| MICRO * value * 10));
    assert_eq!(histogram.count(), 1_000);
    assert_eq!(histogram.largest(), MS * 10);
    assert_eq!(histogram.quantile(1.0), MS * 10);
    let (median, p99) = (histogram.quantile(0.5), histogram.quantile(0.99));
    assert!((MS * 5..MS * 6).contains(&median), "{median:?}");
    assert!((MICRO * 9_900..=MS * 10).contains(&p99), "{p99:?}");
}

#[test]
fn nothing_recorded_has_no_quantile() {
    assert_eq!(Histogram::default().quantile(0.999), Duration::ZERO);
}

#[test]
fn a_value_beyond_all_buckets_is_kept_in_the_last() {
    let histogram = histogram([Duration::MAX]);
    assert_eq!((histogram.count(), histogram.largest()), (1, Duration::MAX));
}

#[test]
fn an_honest_run_is_not_doubted() {
    assert_eq!(doubts(&honest()), Vec::<String>::new());
}

#[test]
fn lateness_is_doubted_unless_the_machine_itself_stalled() {
    let late = histogram([vec![MICRO * 80; 1_000], vec![MS * 9; 10]].concat());
    let observed = Observed { lateness: late, ..honest() };
    assert_eq!(doubts(&observed).len(), 1);
    let stalled = histogram([vec![MICRO * 80; 1_000], vec![MS * 6; 10]].concat());
    assert_eq!(doubts(&Observed { control: stalled, ..observed }), Vec::<String>::new());
}

#[test]
fn an_emulator_that_fills_its_core_is_doubted() {
    let [found] = &doubts(&Observed { cpu: Duration::from_secs(42), ..honest() })[..] else { panic!("one doubt") };
    assert_eq!(found, "the emulator took 70 % of a core, and may take 60 %");
}

/// Each way of losing a packet without a word, and whether it is seen.
#[test]
fn a_packet_that_nobody_accounts_for_is_seen() {
    type Lose = fn(&mut ObservedWay);
    let breakages: [(&str, Lose); 5] = [
        ("came out, were dropped or are under way", |way| way.in_flight -= 1),
        ("dropped 1 packets before we read them", |way| way.overflowed += 1),
        ("gave 1001 packets", |way| way.read += 1),
        ("took 889 packets of 890", |way| way.written -= 1),
        ("did not take 1 packets", |way| (way.refused, way.written) = (1, 889)),
    ];
    for (expected, lose) in breakages {
        let mut observed = honest();
        lose(&mut observed.ways[0]);
        let [found] = &doubts(&observed)[..] else { panic!("one doubt of {expected}: {:?}", doubts(&observed)) };
        assert!(found.starts_with("up: ") && found.contains(expected), "{found}");
    }
}

#[test]
fn every_preset_carries_packets() {
    let start = Instant::now();
    for preset in presets() {
        for spec in [preset.link.up, preset.link.down] {
            let mut pipe = Pipe::new(spec, start, 1);
            (0..100).for_each(|_| pipe.push(start, vec![0; 1_000]));
            assert!(pipe.in_flight() > 80, "{}: {:?}", preset.name, pipe.counters());
        }
        if let Some(handover) = preset.handover {
            assert!(handover.gap < handover.every && handover.delay.start < handover.delay.end, "{}", preset.name);
        }
    }
}
