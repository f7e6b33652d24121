//! What is small beside what is large, and before the end.

use std::time::Duration;

use petrel_link::lock;
use petrel_netlab::{Link as Path, Outages, Rates};

use super::Lab;
use super::profiles::{MBIT, default, path};
use crate::protocol::Protocol;

/// A path that was fast falls silent and comes back slow, with megabytes of a transfer under way: a word that is written
/// then does not wait for them.
#[test]
fn a_word_overtakes_a_transfer_on_a_path_that_has_become_slow() {
    for protocol in [Protocol::Quic, Protocol::Kcp] {
        let rtt = Duration::from_millis(200);
        let [silent, back] = [6, 9].map(Duration::from_secs);
        let mut spec = path(100.0, rtt, 0.0);
        spec.rate = Rates::steps((100.0 * MBIT) as u64, [(silent, MBIT as u64)]);
        spec.queue = Some(64 * 1024);
        spec.outages = Outages::list([silent..back]);
        let mut lab = Lab::new(1, protocol, Path::symmetric(spec), default());
        let until_back = back - lab.connect();
        lab.flood();
        lab.run(until_back + Duration::from_secs(1), |_| false);
        let host = &mut lab.hosts[0];
        let word = host.link().open().expect("a stream");
        assert_eq!(host.link().write(word, b"word"), 4);
        host.is_due = true;
        let written = lab.net.now();
        let came = lab.run(Duration::from_secs(60), |hosts| {
            lock(&hosts[1].link().state).streams.get(&word).is_some_and(|stream| stream.received.taken() > 0)
        });
        let took = came.expect("the word") - written;
        println!("{protocol:?}: {took:?}");
        assert!(took < Duration::from_secs(5), "{protocol:?}: {took:?}");
    }
}

/// All in one turn, as when a service ends and its client with it.
#[test]
fn what_was_written_before_a_close_arrives() {
    for protocol in [Protocol::Quic, Protocol::Kcp] {
        let spec = path(100.0, Duration::from_millis(50), 0.0);
        let mut lab = Lab::new(1, protocol, Path::symmetric(spec), default());
        lab.connect();
        lab.run(Duration::from_secs(1), |_| false);
        let host = &mut lab.hosts[0];
        let stream = host.link().open().expect("a stream");
        assert_eq!(host.link().write(stream, &[7; 1_000]), 1_000);
        host.link().finish(stream);
        host.link().close(0, "");
        host.is_due = true;
        lab.hosts.iter_mut().for_each(|host| host.may_close = true);
        lab.run(Duration::from_secs(1), |_| false);
        assert_eq!(lab.hosts[1].taken, 1_000, "{protocol:?}");
    }
}

/// One that begins and says no more: what is left of it after its time costs nothing.
#[test]
fn a_handshake_that_nobody_answers_ends_and_is_quiet() {
    for protocol in [Protocol::Quic, Protocol::Kcp] {
        let mut spec = path(100.0, Duration::from_millis(50), 0.0);
        spec.outages = Outages::list([Duration::ZERO..Duration::from_secs(60)]);
        let mut lab = Lab::new(1, protocol, Path::symmetric(spec), default());
        lab.hosts[0].may_close = true;
        lab.run(Duration::from_secs(30), |_| false);
        let turns = lab.hosts[0].turns;
        assert!(turns < 100, "{protocol:?}: {turns} turns");
    }
}
