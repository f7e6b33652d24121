//! Whole links over the virtual network.

mod lab;

use std::time::Duration;

use lab::{Host, Lab, MBIT, pattern};
use petrel_link::{Connection as _, Lost};
use petrel_netlab::{Link, Loss, Rates, Spec};

fn link(ms: u64, loss: f64) -> Link {
    Link::symmetric(Spec {
        rate: Rates::fixed(100 * MBIT),
        delay: Duration::from_millis(ms / 2),
        queue: Some(1_250_000),
        loss: if loss > 0.0 { Loss::Independent(loss) } else { Loss::None },
        overhead: 28,
        ..Spec::default()
    })
}

#[test]
fn a_link_stands_after_one_round_trip() {
    let mut lab = Lab::new(1, link(100, 0.0));
    let at = lab.connect();
    assert!(at < Duration::from_millis(160), "{at:?}");
    assert_eq!(lab.hosts[0].link().peer_pin().map(|pin| pin.len()), Some(32));
    let mut keys = [[0; 32]; 2];
    for (host, key) in lab.hosts[..2].iter_mut().zip(&mut keys) {
        assert!(host.link().export_key(b"label", b"context", key));
    }
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn bytes_go_both_ways_and_end() {
    for loss in [0.0, 0.05, 0.2] {
        let mut lab = Lab::new(2, link(100, loss));
        lab.connect();
        let (up, down) = (pattern(1, 3_000_000), pattern(2, 2_000_000));
        let stream = lab.hosts[0].send(up.clone());
        let mut answered = false;
        let took = lab.run(Duration::from_secs(60), |hosts| {
            if !answered && hosts[1].opened.contains(&stream) {
                hosts[1].say(stream, down.clone());
                answered = true;
            }
            hosts[..2].iter().all(|host| host.channels.get(&stream).is_some_and(|c| c.finished))
        });
        let took = took.unwrap_or_else(|stop| panic!("loss {loss}: {stop}"));
        assert!(lab.hosts[1].channels[&stream].read == up, "loss {loss}");
        assert!(lab.hosts[0].channels[&stream].read == down, "loss {loss}");
        println!("loss {loss}: {took:?} {:?}", lab.hosts[0].link().stats());
    }
}

#[test]
fn a_close_is_heard_with_its_code() {
    let mut lab = Lab::new(3, link(50, 0.0));
    lab.connect();
    let now = lab.net.now();
    lab.hosts[0].link().close(now, 7, "that is all");
    let closed = |hosts: &mut [Host]| hosts[..2].iter_mut().all(|host| host.link().is_drained());
    lab.run(Duration::from_secs(10), closed).expect("drained");
    assert_eq!(lab.hosts[1].lost, Some(Lost::Closed { code: 7, reason: "that is all".into() }));
}
