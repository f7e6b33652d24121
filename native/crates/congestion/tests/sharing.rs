//! Beside others in one bottleneck. Each seed draws its own point; a tenth of PETREL_SEEDS of them, for each is a minute
//! and a half of two flows.

mod lab;

use std::time::Duration;

use lab::cubic::KernelCubic;
use lab::flow::Blind;
use lab::{Lab, MBIT, PACKET, Path, Sender};
use petrel_congestion::Controller;
use petrel_netlab::{Policer, Spec};

fn seeds() -> u64 {
    std::env::var("PETREL_SEEDS").ok().and_then(|text| text.parse::<u64>().ok()).map_or(20, |seeds| (seeds / 10).max(1))
}

fn ours() -> Box<dyn Sender> {
    Box::new(Controller::new(PACKET as u64))
}

fn cubic() -> Box<dyn Sender> {
    Box::new(KernelCubic::new())
}

/// The shares of two flows from `from` to 75 s after the second began, 5 s after the first.
fn shares(path: Path, seed: u64, [first, second]: [Box<dyn Sender>; 2], from: u64) -> [f64; 2] {
    let mut lab = Lab::new(path, seed);
    lab.add(first);
    lab.run(Duration::from_secs(5));
    lab.add(second);
    lab.run(Duration::from_secs(from));
    let before = [0, 1].map(|flow| lab.flows[flow].arrived);
    lab.run(Duration::from_secs(75 - from));
    [0, 1].map(|flow| (lab.flows[flow].arrived - before[flow]) as f64 / (75 - from) as f64 / path.rate)
}

fn jain([a, b]: [f64; 2]) -> f64 {
    (a + b).powi(2) / (2.0 * (a * a + b * b))
}

/// Between the two, every ratio as likely.
fn between(rng: &mut fastrand::Rng, least: f64, most: f64) -> f64 {
    least * (most / least).powf(rng.f64())
}

#[test]
fn a_neighbour_that_fills_queues_neither_starves_nor_starves_us() {
    let mut bad = Vec::new();
    for seed in 0..seeds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let [mbit, rtt] = [between(&mut rng, 20.0, 100.0), between(&mut rng, 20.0, 200.0)];
        let queue = if rng.bool() { 1.0 } else { 4.0 };
        let path = Path::new(mbit, rtt as u64, queue, 0.0);
        let [first, second] = shares(path, seed, [ours(), cubic()], 15);
        assert!(first > 0.18 && second > 0.25, "seed {seed}, {path:?}: ours first {first:.2}, CUBIC {second:.2}");
        if first < 0.25 || second < 0.3 {
            bad.push(format!("seed {seed}, {path:?}: ours first {first:.2}, CUBIC {second:.2}"));
        }
        let [first, second] = shares(path, seed, [cubic(), ours()], 15);
        assert!(second > 0.18 && first > 0.25, "seed {seed}, {path:?}: CUBIC first {first:.2}, ours {second:.2}");
        if second < 0.25 || first < 0.3 {
            bad.push(format!("seed {seed}, {path:?}: CUBIC first {first:.2}, ours {second:.2}"));
        }
    }
    println!("{} of {} beside CUBIC are bad:\n{}", bad.len(), 2 * seeds(), bad.join("\n"));
    // Known: one of fifteen falls short by some hundredths.
    assert!(bad.len() as u64 <= seeds().div_ceil(6));
}

#[test]
fn beside_one_who_never_gives_way_the_rest_is_used_and_no_queue_stands() {
    let mut bad = Vec::new();
    for seed in 0..seeds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let [mbit, rtt, queue] =
            [(5.0, 100.0), (20.0, 200.0), (1.0, 4.0)].map(|(from, to)| between(&mut rng, from, to));
        let path = Path::new(mbit, rtt as u64, queue, 0.0);
        let taken = 0.2 + 0.4 * rng.f64();
        let mut lab = Lab::new(path, seed);
        let blind: Box<dyn Sender> = Box::new(Blind((taken * path.rate) as u64));
        let is_first = rng.bool();
        let flows = if is_first { [blind, ours()] } else { [ours(), blind] };
        for flow in flows {
            lab.add(flow);
            lab.run(40 * path.rtt);
        }
        let from = lab.now;
        let share = lab.measure(usize::from(is_first), Duration::from_secs(20)) / path.rate / (1.0 - taken);
        let [half, most] = [0.5, 0.95].map(|quantile| lab.queue_since(from, quantile));
        if share < 0.85 || half > Duration::from_millis(30) {
            bad.push(format!("seed {seed}, {path:?}, {taken:.2} taken, first {is_first}: {share:.2} of the rest, queue {half:?}, {most:?}"));
        }
    }
    println!("{} of {} beside a blind flow are bad:\n{}", bad.len(), seeds(), bad.join("\n"));
    assert!(bad.len() as u64 <= seeds() / 10);
}

#[test]
fn two_of_ours_share() {
    let mut bad = Vec::new();
    for seed in 0..2 * seeds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let [mbit, rtt, queue] =
            [(10.0, 100.0), (20.0, 200.0), (0.5, 1.0)].map(|(from, to)| between(&mut rng, from, to));
        let loss = if rng.bool() { 0.0 } else { 0.05 * rng.f64() };
        let path = Path::new(mbit, rtt as u64, queue, loss);
        let both = shares(path, seed, [ours(), ours()], 45);
        let jain = jain(both);
        if jain < 0.9 || both[0] + both[1] < 0.9 * (1.0 - loss) {
            bad.push(format!("seed {seed}, {path:?}: {both:.2?}, Jain {jain:.3}"));
        }
    }
    println!("{} of {} of two of ours are bad:\n{}", bad.len(), 2 * seeds(), bad.join("\n"));
    assert!(bad.len() as u64 <= seeds() / 10);
}

#[test]
fn a_policer_is_not_flooded_and_its_burst_teaches_nothing() {
    let rate = 50.0 * MBIT;
    for (rtt, burst_ms, loss) in [(20, 20, 0.0), (50, 20, 0.0), (50, 50, 0.02), (200, 20, 0.0), (200, 200, 0.02)] {
        let policer = Some(Policer { rate: rate as u64, burst: rate as u64 * burst_ms / 1_000 });
        let path = Path::new(500.0, rtt, 1.0, loss);
        let mut lab = Lab::with(Spec { policer, ..path.spec() }, path.rtt / 2, 3);
        lab.add(ours());
        lab.run(Duration::from_secs(5));
        let before = lab.pipe.counters();
        let share = lab.measure(0, Duration::from_secs(30)) / rate / (1.0 - loss);
        let after = lab.pipe.counters();
        let entered = after.entered.bytes - before.entered.bytes;
        let dropped = (after.dropped_policer.bytes - before.dropped_policer.bytes) as f64 / entered as f64;
        println!("{rtt} ms, bucket {burst_ms} ms, loss {loss}: {share:.3}, dropped {dropped:.3}");
        assert!(share > 0.9 && dropped < 0.1, "{rtt} ms, bucket {burst_ms} ms: {share:.3}, dropped {dropped:.3}");
    }
}

#[test]
fn a_mark_ends_the_start_up() {
    let start = std::time::Instant::now();
    let mut controller = Controller::new(PACKET as u64);
    let rtt = Duration::from_millis(50);
    // Packets a millisecond apart, acknowledged after a round trip without a queue: a window that only grows.
    let mut acknowledge = |number: u64, is_marked: bool| {
        let sent = start + number as u32 * Duration::from_millis(1);
        controller.on_ack(sent + rtt, sent, PACKET as u64, false);
        if is_marked {
            controller.on_mark();
        }
        controller.on_acks_end(sent + rtt, 100 * PACKET as u64);
        controller.window()
    };
    let grown = (0..40).map(|number| acknowledge(number, false)).last().expect("40");
    assert!(grown > 90 * PACKET as u64, "{grown}");
    let marked = acknowledge(40, true);
    assert!(marked < grown, "{grown}, then {marked}");
    // It does not go on.
    assert!((41..60).all(|number| acknowledge(number, false) <= marked));
}
