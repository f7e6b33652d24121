//! A path that falls silent under a busy link, and comes back: the link moves at once.

mod lab;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use lab::{Lab, MBIT, ms, pattern};
use petrel_netlab::{Link, Outages, Rates, Spec};

const SEEDS: u64 = 10;
/// Who sends, by seed: the dialler, the listener, or both.
const SENDERS: [&[usize]; 3] = [&[0], &[1], &[0, 1]];
/// From the path's return to the next bytes that the application can read.
const SOON: Duration = Duration::from_secs(1);

/// How long after each return each receiver had something new.
fn waits(seed: u64, mbit: u64, rtt: Duration, outages: &[Range<Duration>]) -> Vec<Duration> {
    let spec = Spec {
        rate: Rates::fixed(mbit * MBIT),
        delay: rtt / 2,
        queue: Some((mbit * MBIT) * rtt.as_millis() as u64 / 1_000),
        outages: Outages::list(outages.iter().cloned()),
        mtu: Some(1_500),
        overhead: 28,
        ..Spec::default()
    };
    let mut lab = Lab::new(seed, Link::symmetric(spec));
    lab.connect();
    let until = outages.last().map_or(Duration::ZERO, |outage| outage.end) + ms(2_000);
    let senders = SENDERS[seed as usize % 3];
    for sender in senders {
        lab.hosts[*sender].send(pattern(seed, (mbit * MBIT * until.as_secs()) as usize));
    }
    lab.pass(lab.start + until - lab.net.now());
    assert_eq!(lab.hosts[..2].iter().find_map(|host| host.lost.clone()), None);
    let mut waits = Vec::new();
    for sender in senders {
        for back in outages.iter().map(|outage| lab.start + outage.end) {
            let next = lab.hosts[1 - sender].progress.iter().find(|(came, _)| *came >= back);
            waits.push(next.map_or(Duration::MAX, |(came, _)| *came - back));
        }
    }
    waits
}

#[test]
fn five_seconds_of_silence_are_over_a_second_after_the_path_is_back() {
    for rtt in [20, 50, 200].map(ms) {
        let mut worst = Duration::ZERO;
        for seed in 0..SEEDS {
            let from = ms(4_000 + fastrand::Rng::with_seed(seed).u64(..1_000));
            // What a probe meets is told by where the end lies between two of them.
            let waits = waits(seed, 50, rtt, &[from..from + ms(5_000 + 37 * seed)]);
            assert!(waits.iter().all(|wait| *wait < SOON), "seed {seed}, {rtt:?}: {waits:?}");
            worst = worst.max(waits.into_iter().max().unwrap_or_default());
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
        let waits = waits(seed, 20, ms([20, 50, 100, 200][seed as usize % 4]), &outages);
        assert!(waits.iter().all(|wait| *wait < SOON), "seed {seed}: {waits:?}");
        worst = worst.max(waits.into_iter().max().unwrap_or_default());
    }
    println!("at most {worst:?} in {SEEDS} times 10 silences");
}

#[test]
fn a_silent_path_gets_two_packets_in_each_interval() {
    let mut lab = Lab::new(1, Link::symmetric(Spec { delay: ms(25), overhead: 28, ..Spec::default() }));
    lab.connect();
    lab.hosts[0].send(pattern(1, 1_000));
    lab.pass(ms(1_000));
    let from = lab.net.now();
    let probes = Arc::new(AtomicUsize::new(0));
    let count = probes.clone();
    // Everything is lost from now on; the first second is that of the growing waits.
    lab.hosts[0].sieve = Some(Box::new(move |now, _| {
        count.fetch_add(usize::from(now - from > ms(1_000)), Relaxed);
        true
    }));
    lab.hosts[0].send(pattern(2, 100_000));
    lab.pass(ms(5_000));
    let probes = probes.load(Relaxed);
    assert!((24..=30).contains(&probes), "{probes} packets in 4 s");
}
