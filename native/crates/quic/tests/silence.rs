//! A path that falls silent under a busy link, and comes back: the link moves at once.

mod lab;

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use lab::{Lab, MBIT};
use petrel_netlab::{Link, Outages, Rates, Spec};

const SEEDS: u64 = 10;
/// From the path's return to the next bytes that the application can read.
const SOON: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A dialler that sends for even seeds, a listener for odd ones.
fn run(seed: u64, mbit: u64, rtt: Duration, outages: &[Range<Duration>]) -> (Lab, usize) {
    let spec = Spec {
        rate: Rates::fixed(mbit * MBIT),
        delay: rtt / 2,
        queue: Some((mbit * MBIT) * rtt.as_millis() as u64 / 1_000),
        outages: Outages::list(outages.iter().cloned()),
        mtu: Some(1_500),
        overhead: 28,
        ..Spec::default()
    };
    let mut lab = Lab::connected(seed, Link::symmetric(spec));
    let until = outages.last().map_or(Duration::ZERO, |outage| outage.end) + ms(2_000);
    let sender = seed as usize % 2;
    lab.hosts[sender].send(Bytes::from(vec![7; (mbit * MBIT * until.as_secs()) as usize]));
    lab.run_until(until);
    (lab, sender)
}

/// How long after each return the receiver had something new.
fn waits(lab: &Lab, sender: usize, outages: &[Range<Duration>]) -> Vec<Duration> {
    let progress = &lab.hosts[1 - sender].progress;
    let since = |at: Duration| progress.iter().find(|(came, _)| *came >= lab.start + at).map(|(came, _)| *came);
    outages.iter().map(|outage| since(outage.end).map_or(Duration::MAX, |came| came - lab.start - outage.end)).collect()
}

#[test]
fn five_seconds_of_silence_are_over_a_second_after_the_path_is_back() {
    for rtt in [20, 50, 200].map(ms) {
        let mut worst = Duration::ZERO;
        for seed in 0..SEEDS {
            let from = ms(4_000 + fastrand::Rng::with_seed(seed).u64(..1_000));
            // What a probe meets is told by where the end lies between two of them.
            let outages = [from..from + ms(5_000 + 37 * seed)];
            let (lab, sender) = run(seed, 50, rtt, &outages);
            let wait = waits(&lab, sender, &outages)[0];
            assert!(wait < SOON, "seed {seed}, {rtt:?}: {wait:?}");
            worst = worst.max(wait);
        }
        println!("{rtt:?}: at most {worst:?} in {SEEDS} runs");
    }
}

#[test]
fn silence_that_comes_again_and_again_costs_no_more_each_time() {
    let mut worst = Duration::ZERO;
    for seed in 0..SEEDS {
        let first = ms(5_000 + fastrand::Rng::with_seed(seed).u64(..1_000));
        let outages: Vec<_> =
            (0..10).map(|n| first + ms(7_000 * n)).map(|from| from..from + ms(2_000 + 37 * seed)).collect();
        let (lab, sender) = run(seed, 20, ms([20, 50, 100][seed as usize % 3]), &outages);
        let waits = waits(&lab, sender, &outages);
        assert!(waits.iter().all(|wait| *wait < SOON), "seed {seed}: {waits:?}");
        worst = worst.max(waits.into_iter().max().unwrap_or_default());
    }
    println!("at most {worst:?} in {SEEDS} times 10 silences");
}

#[test]
fn a_silent_path_gets_a_packet_in_each_interval_and_then_all_it_takes() {
    let outages = [ms(4_000)..ms(9_000)];
    let (lab, sender) = run(0, 50, ms(50), &outages);
    // The engine's own probes, small and close together, come first.
    let silent = (lab.start + ms(5_000))..(lab.start + ms(9_000));
    let probes = lab.hosts[sender].sent.iter().filter(|at| silent.contains(*at)).count();
    assert!((12..=15).contains(&probes), "{probes} packets in 4 s");
    let came = |by| {
        let before = lab.hosts[1 - sender].progress.iter().take_while(|(at, _)| *at < lab.start + by);
        before.last().map_or(0, |(_, bytes)| *bytes)
    };
    let mbit = (came(ms(11_000)) - came(ms(10_000))) / MBIT;
    assert!(mbit > 40, "{mbit} Mbit/s a second later");
}
