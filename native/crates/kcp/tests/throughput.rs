//! How much comes through, what it costs on the wire, and how soon losses are repaired.

mod lab;

use std::time::Duration;

use lab::{Host, Lab, MBIT, longest_stall, ms, pattern};
use petrel_link::Connection as _;
use petrel_netlab::{Link, Loss, Rates, Reorder, Spec, Way};

fn path(mbit: u64, rtt: Duration, loss: f64) -> Spec {
    Spec {
        rate: Rates::fixed(mbit * MBIT),
        delay: rtt / 2,
        queue: Some((mbit * MBIT) * rtt.as_millis() as u64 / 1_000),
        loss: if loss > 0.0 { Loss::Independent(loss) } else { Loss::None },
        mtu: Some(1_500),
        overhead: 28,
        ..Spec::default()
    }
}

struct Outcome {
    /// Megabits a second of the stream's bytes, of the second half.
    mbit: f64,
    /// Bytes that left for each that came; what the path lost counts.
    cost: f64,
    dropped: f64,
    /// Packets held for lost that were not, for each that left.
    spurious: f64,
    /// Packets back for each that came.
    acks: f64,
    stall: Duration,
}

fn upload(seed: u64, spec: Spec, bytes: usize) -> Outcome {
    let mut lab = Lab::new(seed, Link::symmetric(spec));
    lab.connect();
    let data = pattern(seed, bytes);
    let stream = lab.hosts[0].send(data.clone());
    // The start-up is the controller's matter.
    lab.run(Duration::from_secs(600), |hosts| hosts[1].came() >= bytes as u64 / 2).expect("half of it");
    let (from, before) = (*lab.hosts[1].progress.last().expect("bytes"), Counts::of(&mut lab));
    let done = |hosts: &mut [Host]| hosts[1].channels.get(&stream).is_some_and(|channel| channel.finished);
    lab.run(Duration::from_secs(600), done).expect("all of it");
    assert!(lab.hosts[1].channels[&stream].read == data);
    let (to, after) = (*lab.hosts[1].progress.last().expect("bytes"), Counts::of(&mut lab));
    let half: Vec<_> = lab.hosts[1].progress.iter().copied().filter(|(at, _)| *at >= from.0).collect();
    let came = (to.1 - from.1) as f64;
    let [left, bytes, dropped, lost, arrived, back] = std::array::from_fn(|i| (after.0[i] - before.0[i]) as f64);
    Outcome {
        mbit: came * 8e-6 / (to.0 - from.0).as_secs_f64(),
        cost: bytes / came,
        dropped: dropped / left,
        spurious: (lost - dropped) / left,
        acks: back / arrived,
        stall: longest_stall(&half).0,
    }
}

/// Packets that left, their bytes, those that the path dropped and those held for lost, those that arrived, those back.
struct Counts([u64; 6]);

impl Counts {
    fn of(lab: &mut Lab) -> Self {
        let [up, down] = [Way::Up, Way::Down].map(|way| lab.net.pipe(lab.dialer, way).counters());
        let lost = lab.hosts[0].link().stats().lost_packets;
        let left = up.entered;
        Self([left.packets, left.bytes, up.dropped().packets, lost, up.delivered.packets, down.entered.packets])
    }
}

#[test]
fn losses_cost_what_was_lost_and_little_more() {
    for (loss, least) in [(0.0, 90.0), (0.05, 75.0), (0.2, 55.0)] {
        let Outcome { mbit, cost, dropped, spurious, acks, stall } = upload(7, path(100, ms(200), loss), 60_000_000);
        println!(
            "loss {loss}: {mbit:.1} Mbit/s, {cost:.3} bytes a byte, {dropped:.4} dropped, {spurious:.4} spurious, {acks:.2} acks, \
             stall {stall:?}"
        );
        assert!(mbit > least, "loss {loss}: {mbit} Mbit/s");
        assert!(cost < 1.07 / (1.0 - dropped) + 0.01, "loss {loss}: {cost} bytes a byte");
        // What is lost and not yet known for it when the count begins: a window's worth.
        assert!(spurious < 0.03, "loss {loss}: {spurious}");
        assert!(acks < 1.1, "loss {loss}: {acks}");
        assert!(stall < ms(900), "loss {loss}: {stall:?}");
    }
}

#[test]
fn a_path_that_reorders_is_not_sent_everything_twice() {
    let reorder = Some(Reorder { probability: 0.05, extra: ms(15) });
    let jitter = Spec { jitter: ms(20), jitter_reorders: true, ..path(20, ms(60), 0.0) };
    for (name, spec) in [("reorder", Spec { reorder, ..path(20, ms(60), 0.0) }), ("jitter", jitter)] {
        let Outcome { mbit, cost, spurious, .. } = upload(8, spec, 10_000_000);
        println!("{name}: {mbit:.1} Mbit/s, {cost:.3} bytes a byte, {spurious:.4} spurious");
        assert!(mbit > 12.0, "{name}: {mbit}");
        assert!(spurious < 0.05, "{name}: {spurious}");
    }
}
