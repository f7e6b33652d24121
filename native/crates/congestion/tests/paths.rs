//! The controller alone on a path: what it delivers, what it drops, what it lets stand.

mod lab;

use std::time::Duration;

use lab::flow::Late;
use lab::{Lab, MBIT, PACKET, Path};
use petrel_congestion::Controller;
use petrel_netlab::{Loss, Rates, Reorder, Spec};

/// Each seed draws its own path; PETREL_SEEDS of them.
fn seeds() -> u64 {
    std::env::var("PETREL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

fn ours() -> Box<Controller> {
    Box::new(Controller::new(PACKET as u64))
}

fn random_path(rng: &mut fastrand::Rng) -> Path {
    loop {
        let mbit = 2.0 * 250_f64.powf(rng.f64());
        let rtt = 20.0 * 30_f64.powf(rng.f64());
        let queue = 0.25 * 16_f64.powf(rng.f64());
        let loss = if rng.u8(..4) == 0 { 0.0 } else { 0.2 * rng.f64() };
        let path = Path::new(mbit, rtt as u64, queue, loss);
        if path.bdp() >= 16.0 * PACKET as f64 {
            return path;
        }
    }
}

/// The queue that the controller allows itself.
fn limit(path: Path) -> Duration {
    let by_rtt = (path.rtt / 4).clamp(Duration::from_millis(10), Duration::from_millis(25));
    by_rtt.max(Duration::from_secs_f64(4.0 * PACKET as f64 / path.rate))
}

#[test]
fn any_path_is_filled_whatever_it_loses_and_without_a_long_queue() {
    let mut bad = Vec::new();
    for seed in 0..seeds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let path = random_path(&mut rng);
        let mut lab = Lab::new(path, seed);
        lab.add(ours());
        // The start-up.
        lab.run(Duration::from_secs(2) + 20 * path.rtt);
        let from = lab.now;
        let rate = lab.measure(0, Duration::from_secs(10) + 60 * path.rtt) / (path.rate * (1.0 - path.loss));
        let counters = lab.pipe.counters();
        let dropped = counters.dropped_queue.bytes as f64 / counters.entered.bytes as f64;
        let may_drop = if path.queue >= 0.5 { 0.02 } else { 0.02 + 0.2 * (0.5 - path.queue) };
        let queue = lab.queue_since(from, 0.5);
        if rate < 0.9 || dropped > may_drop || queue > limit(path) * 6 / 5 {
            bad.push(format!("seed {seed}, {path:?}: rate {rate:.3}, dropped {dropped:.4}, queue {queue:?}"));
        }
    }
    // Known: queues of eight to twelve packets, of which one of a hundred paths drops more than it should.
    assert!(bad.len() as u64 <= seeds() / 50, "{}", bad.join("\n"));
}

#[test]
fn a_slow_path_without_a_limit_to_its_queue_is_not_flooded() {
    let mut lab = Lab::new(Path { queue: 1_000.0, ..Path::new(1.0, 40, 1.0, 0.01) }, 1);
    lab.add(ours());
    lab.run(Duration::from_secs(3));
    let from = lab.now;
    let rate = lab.measure(0, Duration::from_secs(20));
    assert!(rate > 0.9 * 0.99 * MBIT, "{rate}");
    assert!(lab.queue_since(from, 0.95) < Duration::from_millis(100));
}

#[test]
fn a_step_of_the_rate_is_found_within_ten_round_trips() {
    let rtt = Duration::from_millis(50);
    let [fast, slow] = [100.0, 10.0].map(|mbit| (mbit * MBIT) as u64);
    let rates = Rates::steps(fast, [(Duration::from_secs(10), slow), (Duration::from_secs(20), fast)]);
    let spec = Spec { rate: rates, delay: rtt / 2, queue: Some(fast / 20), ..Spec::default() };
    let mut lab = Lab::with(spec, rtt / 2, 1);
    lab.add(ours());
    lab.run(Duration::from_secs(10));
    // A queue of half a second was there at once, and a round trip takes as long.
    lab.run(Duration::from_secs(3));
    assert!(lab.queue[lab.queue.len() - 1].1 < Duration::from_millis(50));
    lab.run(Duration::from_secs(7));
    lab.run(10 * rtt);
    let rate = lab.measure(0, Duration::from_secs(1));
    assert!(rate > 0.9 * fast as f64, "{rate}");
}

#[test]
fn who_has_nothing_to_send_now_and_then_still_learns_of_a_queue_of_his_own() {
    let rtt = Duration::from_millis(100);
    let [fast, slow] = [100.0, 40.0].map(|mbit| (mbit * MBIT) as u64);
    let rates = Rates::steps(fast, [(Duration::from_secs(5), slow)]);
    let mut lab =
        Lab::with(Spec { rate: rates, delay: rtt / 2, queue: Some(fast / 10), ..Spec::default() }, rtt / 2, 1);
    let from = lab.now + Duration::from_secs(4);
    lab.add(Box::new(Late(Controller::new(PACKET as u64), from)));
    lab.run(Duration::from_secs(10));
    let from = lab.now;
    let rate = lab.measure(0, Duration::from_secs(10));
    let queue = lab.queue_since(from, 0.9);
    assert!(rate > 0.9 * slow as f64 && queue < Duration::from_millis(30), "{rate}, {queue:?}");
}

#[test]
fn bursts_reordering_jitter_and_outages_leave_most_of_the_rate() {
    let rtt = Duration::from_millis(50);
    let rate = 50.0 * MBIT;
    let plain = Path::new(50.0, 50, 1.0, 0.0).spec();
    let second = Duration::from_secs(1);
    let handover = petrel_netlab::Outages::periodic(15 * second, 15 * second, second);
    let cases = [
        ("bursts of 4", Spec { loss: Loss::bursts(0.05, 4.0), ..plain.clone() }, 0.95 * 0.9),
        ("bursts of 10", Spec { loss: Loss::bursts(0.05, 10.0), ..plain.clone() }, 0.95 * 0.88),
        (
            "reordering",
            Spec { reorder: Some(Reorder { probability: 0.05, extra: Duration::from_millis(10) }), ..plain.clone() },
            0.85,
        ),
        ("jitter", Spec { jitter: Duration::from_millis(20), ..plain.clone() }, 0.95),
        ("handover", Spec { outages: handover, ..plain }, 0.8),
    ];
    for (name, spec, least) in cases {
        let share = |seed| {
            let mut lab = Lab::with(spec.clone(), rtt / 2, seed);
            let flow = lab.add(ours());
            lab.flows[flow].threshold = 32;
            lab.run(Duration::from_secs(5));
            lab.measure(0, Duration::from_secs(60)) / rate
        };
        let share = (0..6).map(share).sum::<f64>() / 6.0;
        println!("{name}: {share:.3}");
        assert!(share > least, "{name}: {share}");
    }
}

/// What comes back first is of the few packets that asked, and late where a machine has much to catch up with.
#[test]
fn a_path_that_was_silent_is_soon_full_again() {
    let mut least = f64::INFINITY;
    for seed in 0..12 {
        let path = Path::new(50.0, 200, 1.0, [0.0, 0.05][seed as usize % 2]);
        let mut lab = Lab::with(path.spec(), path.rtt / 2, seed);
        lab.add(ours());
        lab.run(Duration::from_secs(10) + Duration::from_millis(170) * seed as u32);
        lab.pipe.set(Spec { loss: Loss::Independent(1.0), ..path.spec() });
        lab.run(Duration::from_secs(5));
        lab.pipe.set(Spec { delay: path.rtt / 2 + Duration::from_millis(40), ..path.spec() });
        // The flow's own probes are up to 1.6 s apart.
        lab.run(Duration::from_millis(2_300));
        lab.pipe.set(path.spec());
        let share = lab.measure(0, Duration::from_secs(2)) / (path.rate * (1.0 - path.loss));
        println!("seed {seed}: {share:.3}");
        least = least.min(share);
    }
    assert!(least > 0.6, "{least}");
}

#[test]
fn a_path_that_becomes_longer_keeps_its_rate() {
    for (more, least) in [(5, 0.8), (15, 0.5), (60, 0.3)] {
        let mut lab = Lab::new(Path::new(50.0, 50, 1.0, 0.02), 4);
        lab.add(ours());
        lab.run(Duration::from_secs(10));
        let before = lab.pipe.spec().clone();
        lab.pipe.set(Spec { delay: before.delay + Duration::from_millis(more), ..before });
        let [soon, later] = [2, 8].map(|seconds| lab.measure(0, Duration::from_secs(seconds)) / (0.98 * 50.0 * MBIT));
        println!("{more} ms more: {soon:.3}, {later:.3}");
        assert!(soon > least && later > 0.8, "{more} ms more: {soon:.3}, {later:.3}");
    }
}

/// As a virtual machine does, or a radio that sends its frames together.
#[test]
fn ends_that_stand_still_now_and_then_do_not_end_the_start_up() {
    for loss in [0.0, 0.05, 0.2] {
        for seed in 0..5 {
            let path = Path::new(100.0, 200, 1.0, loss);
            let mut lab = Lab::new(path, seed);
            lab.stalls = Some((Duration::from_millis(600 + 40 * seed), Duration::from_millis(40)));
            lab.add(ours());
            let share = lab.measure(0, Duration::from_secs(5)) / path.rate / (1.0 - loss);
            println!("loss {loss}, seed {seed}: {share:.3}");
            // Without stalls 0.7 to 0.8.
            assert!(share > 0.6, "loss {loss}, seed {seed}: {share}");
        }
    }
}

#[test]
fn acknowledgements_in_clumps_are_no_faster_path() {
    for loss in [0.0, 0.05, 0.2] {
        for seed in 0..5 {
            let path = Path::new(100.0, 200, 1.0, loss);
            let mut lab = Lab::new(path, seed);
            lab.every = Duration::from_millis(1 + seed % 4);
            lab.add(ours());
            let share = lab.measure(0, Duration::from_secs(20)) / path.rate / (1.0 - loss);
            let counters = lab.pipe.counters();
            let dropped = counters.dropped_queue.bytes as f64 / counters.entered.bytes as f64;
            // With the rate of 16 acknowledgements: 0.82 to 0.94, and up to 17 % dropped.
            assert!(share > 0.915 && dropped < 0.01, "loss {loss}, seed {seed}: {share:.3}, dropped {dropped:.4}");
        }
    }
}

/// Losses in bursts are no excess, and who looks late sees no queue: together they had made a window of a twentieth.
#[test]
fn bursts_where_ends_stand_still_are_no_reason_to_shrink() {
    for (burst, stall, least) in [(4.0, 0, 0.95), (10.0, 0, 0.88), (4.0, 20, 0.68)] {
        for seed in 0..6 {
            let plain = Path::new(100.0, 50, 1.0, 0.0).spec();
            let mut lab = Lab::with(Spec { loss: Loss::bursts(0.05, burst), ..plain }, Duration::from_millis(25), seed);
            lab.every = Duration::from_millis(1);
            lab.stalls = (stall > 0).then(|| (Duration::from_millis(97 + seed), Duration::from_millis(stall)));
            lab.add(ours());
            let share = lab.measure(0, Duration::from_secs(15)) / (0.95 * 100.0 * MBIT);
            // Before: 0.89 at least, 0.82, 0.60.
            assert!(share > least, "bursts of {burst}, {stall} ms of 97, seed {seed}: {share:.3}");
        }
    }
}

/// Losses of our own are not taken for bursts of the path's.
#[test]
fn a_short_queue_is_not_flooded_where_the_path_loses_packets() {
    for (queue, burst) in [(0.1, 1.0), (0.05, 1.0), (0.1, 4.0)] {
        for seed in 0..4 {
            let loss = if burst > 1.0 { Loss::bursts(0.05, burst) } else { Loss::Independent(0.05) };
            let spec = Spec { loss, ..Path::new(100.0, 100, queue, 0.0).spec() };
            let mut lab = Lab::with(spec, Duration::from_millis(50), seed);
            lab.add(ours());
            lab.run(Duration::from_secs(4));
            let before = lab.pipe.counters();
            let share = lab.measure(0, Duration::from_secs(30)) / (0.95 * 100.0 * MBIT);
            let after = lab.pipe.counters();
            let dropped = (after.dropped_queue.bytes - before.dropped_queue.bytes) as f64;
            let dropped = dropped / (after.entered.bytes - before.entered.bytes) as f64;
            // Where more losses than usual count as well, 0.03 to 0.04 of the shortest.
            let told = format!("{queue} BDP, bursts of {burst}, seed {seed}: {share:.3}, dropped {dropped:.4}");
            assert!(share > 0.95 && dropped < 0.025, "{told}");
        }
    }
}
