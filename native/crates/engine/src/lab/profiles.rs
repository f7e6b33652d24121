//! What profiles are for: a geostationary satellite's round trip with and without loss, paths that reorder, and rates that
//! are told.

use std::time::Duration;

use petrel_link::{Limits, Profile, Reordering, lock};
use petrel_netlab::{Link as Path, Loss, Rates, Reorder, Spec};

use super::Lab;
use crate::protocol::Protocol;

const BOTH: [Protocol; 2] = [Protocol::Quic, Protocol::Kcp];
pub(super) const MBIT: f64 = 125_000.0;
const MIB: u64 = 1024 * 1024;
const GEO: Duration = Duration::from_millis(600);

/// With a queue of one bandwidth times round trip.
pub(super) fn path(mbit: f64, rtt: Duration, loss: f64) -> Spec {
    Spec {
        rate: Rates::fixed((mbit * MBIT) as u64),
        delay: rtt / 2,
        queue: Some((mbit * MBIT * rtt.as_secs_f64()) as u64),
        loss: if loss > 0.0 { Loss::Independent(loss) } else { Loss::None },
        mtu: Some(1_500),
        overhead: 28,
        ..Spec::default()
    }
}

/// As limits.ts has it.
pub(super) fn default() -> Limits {
    Limits {
        streams: 4_096,
        credit_bytes: 72 * MIB,
        datagram_bytes: 1 << 20,
        window_bytes: 32 * MIB,
        handshake: Duration::from_secs(10),
        idle: Duration::from_secs(15),
        keep_alive: Duration::from_secs(4),
        profile: Profile::DEFAULT,
    }
}

/// As limits.ts has it.
fn satellite() -> Limits {
    let reordering = Reordering { packets: 128, slack: 4 };
    let profile = Profile { reordering, first_packets: 128, send_bytes: 128 * MIB, ..Profile::DEFAULT };
    let handshake = Duration::from_secs(20);
    Limits { credit_bytes: 288 * MIB, window_bytes: 96 * MIB, handshake, profile, ..default() }
}

/// `npm test` draws 200 seeds of what is drawn.
fn is_gate() -> bool {
    std::env::var("PETREL_SEEDS").is_ok_and(|seeds| seeds.parse::<u64>().is_ok_and(|seeds| seeds > 200))
}

fn with(profile: Profile) -> Limits {
    Limits { profile, ..default() }
}

/// Megabits a second of the stream's bytes over 40 s, the handshake among them.
fn forty_seconds(protocol: Protocol, loss: f64, limits: Limits) -> f64 {
    let mut lab = Lab::new(1, protocol, Path::symmetric(path(100.0, GEO, loss)), limits);
    let rest = Duration::from_secs(40) - lab.connect();
    lab.flood();
    lab.measure(rest) * rest.as_secs_f64() / 40.0 / MBIT
}

#[test]
fn a_satellite_is_filled_by_one_stream_whatever_it_loses() {
    // The goals of 0, 1, 5 and 20 %, as far as there is time for all of them.
    let points = [(Protocol::Quic, 0.0, 75.0), (Protocol::Quic, 0.05, 68.0), (Protocol::Kcp, 0.01, 72.0)];
    let slow = [(Protocol::Quic, 0.01, 72.0), (Protocol::Quic, 0.2, 50.0)];
    let slower = [(Protocol::Kcp, 0.0, 75.0), (Protocol::Kcp, 0.05, 68.0), (Protocol::Kcp, 0.2, 50.0)];
    let more = [&slow[..], &slower[..]].concat();
    for (protocol, loss, least) in points.into_iter().chain(more.into_iter().filter(|_| is_gate())) {
        let [plain, tuned] = [default(), satellite()].map(|limits| forty_seconds(protocol, loss, limits));
        println!("{protocol:?}, loss {loss}: {plain:.1} by default, {tuned:.1} by satellite, Mbit/s");
        assert!(tuned > least, "{protocol:?}, loss {loss}: {tuned:.1} Mbit/s");
        let gain = if loss > 0.1 { 1.2 } else { 0.98 };
        assert!(tuned > gain * plain, "{protocol:?}, loss {loss}: {tuned:.1} after {plain:.1} Mbit/s");
    }
}

#[test]
fn a_handshake_over_a_satellite_is_done_within_its_deadline_whatever_is_lost() {
    let seeds = if is_gate() { 300 } else { 30 };
    for protocol in BOTH {
        // The lab panics at the deadline.
        let took = |seed| Lab::new(seed, protocol, Path::symmetric(path(100.0, GEO, 0.2)), satellite()).connect();
        println!("{protocol:?}: {:?} at most", (0..seeds).map(took).max());
    }
}

#[derive(Debug)]
struct Outcome {
    mbit: f64,
    /// Packets held for lost that were not, for each that left.
    spurious: f64,
}

/// The mean of a few: a round trip of 600 ms leaves much to chance.
fn transfers(protocol: Protocol, spec: &Spec, reordering: Reordering) -> Outcome {
    let seeds = [1, 2, 3];
    let outcomes = seeds.map(|seed| transfer(seed, protocol, spec.clone(), reordering));
    let mean = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / seeds.len() as f64;
    Outcome { mbit: mean(|outcome| outcome.mbit), spurious: mean(|outcome| outcome.spurious) }
}

fn transfer(seed: u64, protocol: Protocol, spec: Spec, reordering: Reordering) -> Outcome {
    let mut lab = Lab::new(seed, protocol, Path::symmetric(spec), with(Profile { reordering, ..Profile::DEFAULT }));
    lab.connect();
    lab.flood();
    lab.measure(Duration::from_secs(8));
    let count = |lab: &Lab| {
        let lost = lab.hosts[0].link().stats().lost_packets as f64;
        (lost - lab.counters().dropped().packets as f64, lab.counters().entered.packets as f64)
    };
    let before = count(&lab);
    let mbit = lab.measure(Duration::from_secs(20)) / MBIT;
    let after = count(&lab);
    Outcome { mbit, spurious: (after.0 - before.0) / (after.1 - before.1) }
}

#[test]
fn thresholds_spare_paths_that_reorder_and_cost_others_little() {
    // RFC 9002's, and those of the profiles default and satellite.
    let all = [(3, 1), (32, 2), (128, 4)].map(|(packets, slack)| Reordering { packets, slack });
    let held_back = |ms| Some(Reorder { probability: 0.05, extra: Duration::from_millis(ms) });
    let near = Duration::from_millis(60);
    let paths = [
        // The path, and how many of the settings send twice what was not lost: with kcp, which learns, none does.
        ("reorders by 4 ms", Spec { reorder: held_back(4), ..path(20.0, near, 0.0) }, 1),
        ("reorders by 30 ms, 600 ms", Spec { reorder: held_back(30), ..path(20.0, GEO, 0.0) }, 2),
        ("loses 2 %", path(20.0, near, 0.02), 0),
        ("slow, loses 5 %", path(2.0, Duration::from_millis(100), 0.05), 0),
    ];
    for (name, spec, wrong) in paths {
        for protocol in BOTH {
            let outcomes = all.map(|reordering| transfers(protocol, &spec, reordering));
            println!("{name}, {protocol:?}: {outcomes:.4?}");
            let wrong = if protocol == Protocol::Quic { wrong } else { 0 };
            let twice = outcomes.iter().map(|outcome| outcome.spurious > 0.02).collect::<Vec<_>>();
            assert_eq!(twice, [wrong > 0, wrong > 1, wrong > 2], "{name}, {protocol:?}: {outcomes:?}");
            let [quick, .., patient] = outcomes.map(|outcome| outcome.mbit);
            assert!(patient > 0.95 * quick, "{name}, {protocol:?}: {patient} after {quick}");
        }
    }
}

#[test]
fn a_right_hint_fills_a_satellite_sooner() {
    for protocol in BOTH {
        let [without, told] = [None, Some((100.0 * MBIT) as u64)].map(|bandwidth| {
            let Limits { profile, .. } = satellite();
            let limits = Limits { profile: Profile { bandwidth, ..profile }, ..satellite() };
            let mut lab = Lab::new(3, protocol, Path::symmetric(path(100.0, GEO, 0.01)), limits);
            lab.connect();
            lab.flood();
            let from = lab.net.now();
            let second = 0.9 * 100.0 * MBIT;
            lab.run(Duration::from_secs(20), |hosts| hosts[1].taken as f64 > second).expect("a second's worth") - from
        });
        println!("{protocol:?}: {without:?} without, {told:?} with");
        assert!(told + GEO < without, "{protocol:?}: {told:?} and {without:?}");
    }
}

#[test]
fn a_bandwidth_limit_is_kept_within_five_percent() {
    for protocol in BOTH {
        for (limit, loss) in [(20.0, 0.0), (20.0, 0.05), (0.5, 0.01)] {
            let bandwidth_limit = Some((limit * MBIT) as u64);
            let limits = with(Profile { bandwidth_limit, ..Profile::DEFAULT });
            let mut lab = Lab::new(4, protocol, Path::symmetric(path(100.0, Duration::from_millis(80), loss)), limits);
            lab.connect();
            lab.flood();
            lab.measure(Duration::from_secs(3));
            let payload = |lab: &Lab| {
                let entered = lab.counters().entered;
                (entered.bytes - 28 * entered.packets) as f64
            };
            let before = payload(&lab);
            lab.measure(Duration::from_secs(20));
            let share = (payload(&lab) - before) / 20.0 / (limit * MBIT);
            println!("{protocol:?}, {limit} Mbit/s, loss {loss}: {share:.3} of it");
            assert!((0.95..1.05).contains(&share), "{protocol:?}, {limit} Mbit/s, loss {loss}: {share:.3} of it");
        }
    }
}

#[test]
fn what_an_end_promises_is_what_its_own_profile_allows() {
    for protocol in BOTH {
        let mut lab = Lab::between(5, protocol, Path::symmetric(path(100.0, GEO, 0.05)), [satellite(), default()]);
        lab.connect();
        lab.flood();
        lab.hosts[1].is_deaf = true;
        lab.measure(Duration::from_secs(10));
        let state = lock(&lab.hosts[1].link().state);
        let unread: u64 = state.streams.values().map(|stream| stream.received.unread()).sum();
        let most = default().credit_bytes;
        assert!(state.budget.granted() <= most, "{protocol:?}: {} promised", state.budget.granted());
        assert!((most / 8..=most / 6).contains(&unread), "{protocol:?}: {unread} bytes are held");
    }
}

/// Each way and in order, as Wi-Fi and LTE have it: few packets find less of it than many do, and that is no queue.
#[test]
fn a_path_whose_delay_varies_is_filled() {
    for protocol in BOTH {
        for seed in 0..4 {
            let jitter = Duration::from_millis(20);
            let spec = Spec { jitter, ..path(100.0, Duration::from_millis(50), 0.0) };
            let mut lab = Lab::new(seed, protocol, Path::symmetric(spec), default());
            lab.connect();
            lab.flood();
            let first = lab.measure(Duration::from_secs(15)) / MBIT;
            let then = lab.measure(Duration::from_secs(5)) / MBIT;
            println!("{protocol:?}, seed {seed}: {first:.0} Mbit/s in the first 15 s, {then:.0} then");
            assert!(first > 50.0 && then > 85.0, "{protocol:?}, seed {seed}: {first} and {then} Mbit/s");
        }
    }
}
