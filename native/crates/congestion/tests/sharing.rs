//! Beside others in one bottleneck.

mod lab;

use std::time::Duration;

use lab::cubic::KernelCubic;
use lab::{Lab, PACKET, Path, Sender};
use petrel_congestion::Controller;

fn ours() -> Box<dyn Sender> {
    Box::new(Controller::new(PACKET as u64))
}

fn cubic() -> Box<dyn Sender> {
    Box::new(KernelCubic::new())
}

/// The shares of two flows in the last 60 s of 80 s, the second 5 s after the first.
fn shares(path: Path, first: Box<dyn Sender>, second: Box<dyn Sender>) -> [f64; 2] {
    let mut lab = Lab::new(path, 3);
    lab.add(first);
    lab.run(Duration::from_secs(5));
    lab.add(second);
    lab.run(Duration::from_secs(15));
    let before = [0, 1].map(|flow| lab.flows[flow].arrived);
    lab.run(Duration::from_secs(60));
    [0, 1].map(|flow| (lab.flows[flow].arrived - before[flow]) as f64 / 60.0 / path.rate)
}

#[test]
fn a_neighbour_that_fills_queues_neither_starves_nor_starves_us() {
    for (mbit, rtt) in [(100.0, 50), (20.0, 50), (100.0, 20)] {
        let path = Path::new(mbit, rtt, 1.0, 0.0);
        for (ours, cubic) in [shares(path, ours(), cubic()).into(), {
            let [cubic, ours] = shares(path, cubic(), ours());
            (ours, cubic)
        }] {
            println!("{mbit} Mbit/s, {rtt} ms: ours {ours:.2}, CUBIC {cubic:.2}");
            assert!(ours > 0.2 && cubic > 0.25, "{mbit} Mbit/s, {rtt} ms: ours {ours:.2}, CUBIC {cubic:.2}");
        }
    }
}

#[test]
fn two_of_ours_share() {
    for (mbit, rtt, queue, loss) in
        [(100.0, 50, 0.5, 0.0), (100.0, 50, 1.0, 0.05), (10.0, 50, 1.0, 0.0), (20.0, 20, 1.0, 0.0)]
    {
        let path = Path::new(mbit, rtt, queue, loss);
        let [a, b] = shares(path, ours(), ours());
        let jain = (a + b).powi(2) / (2.0 * (a * a + b * b));
        println!("{mbit} Mbit/s, {rtt} ms, loss {loss}: {a:.2} and {b:.2}, Jain {jain:.3}");
        assert!(jain > 0.85, "{mbit} Mbit/s, {rtt} ms: {a:.2} and {b:.2}");
        assert!(a + b > 0.9 * (1.0 - loss), "{a} + {b}");
    }
}
