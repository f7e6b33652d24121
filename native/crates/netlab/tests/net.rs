//! Routes, shared bottlenecks and NATs.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use petrel_netlab::{Delivery, Link, Loss, Nat, Net, Node, Rates, Spec, Way};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn client() -> SocketAddr {
    address("192.168.1.2:4000")
}

fn server() -> SocketAddr {
    address("203.0.113.1:443")
}

fn delayed(delay: Duration) -> Link {
    Link::symmetric(Spec { delay, ..Spec::default() })
}

/// A client and a server, 10 ms and 5 ms below the core.
fn pair(start: Instant) -> (Net, Node, Node) {
    let mut net = Net::new(start, 1);
    let a = net.host(client(), Net::CORE, delayed(10 * MS));
    let b = net.host(server(), Net::CORE, delayed(5 * MS));
    (net, a, b)
}

/// All that arrives, in order, however long it takes.
fn drain(net: &mut Net) -> Vec<Delivery> {
    let mut all = Vec::new();
    while let Some(next) = net.next_event() {
        all.extend(std::iter::from_fn(|| net.deliver(next)));
    }
    all
}

#[test]
fn a_packet_goes_up_and_down_the_tree() {
    let start = Instant::now();
    let (mut net, _, _) = pair(start);
    net.send(start, client(), server(), b"ping".to_vec());
    let expected = Delivery { at: start + 15 * MS, from: client(), to: server(), bytes: b"ping".to_vec() };
    assert_eq!(drain(&mut net), [expected]);
}

#[test]
fn neighbours_below_a_router_do_not_use_its_link() {
    let start = Instant::now();
    let mut net = Net::new(start, 1);
    let router = net.router(Net::CORE, delayed(SECOND));
    net.host(client(), router, delayed(MS));
    net.host(server(), router, delayed(MS));
    net.send(start, client(), server(), vec![1]);
    assert_eq!(drain(&mut net)[0].at, start + 2 * MS);
    assert_eq!(net.pipe(router, Way::Up).counters().entered.packets, 0);
}

#[test]
fn two_flows_share_one_bottleneck() {
    let start = Instant::now();
    let mut net = Net::new(start, 1);
    let spec = Spec { rate: Rates::fixed(100_000), queue: Some(4_000), delay: 20 * MS, ..Spec::default() };
    let bottleneck = net.router(Net::CORE, Link { up: spec, down: Spec::default() });
    let other = address("192.168.1.3:4000");
    net.host(client(), bottleneck, Link::ideal());
    net.host(other, bottleneck, Link::ideal());
    net.host(server(), Net::CORE, Link::ideal());
    let (mut delivered, mut rng) = ([0u32; 2], fastrand::Rng::with_seed(1));
    // Each sends 80 % of the rate for 10 s.
    for tick in 0..800 {
        let now = start + MS * 25 * tick / 2;
        // Who comes first is drawn, or one of them would always find the room that the other left.
        let first = usize::from(rng.bool());
        for flow in [first, 1 - first] {
            net.send(now, [client(), other][flow], server(), vec![0; 1_000]);
        }
        while let Some(delivery) = net.deliver(now) {
            delivered[usize::from(delivery.from == other)] += 1;
        }
    }
    for delivery in drain(&mut net) {
        delivered[usize::from(delivery.from == other)] += 1;
    }
    let sum = delivered[0] + delivered[1];
    // 100 packets a second for 10 s, and what waits at the end.
    assert!((1_000..=1_006).contains(&sum), "{delivered:?}");
    assert!(delivered[0].abs_diff(delivered[1]) < 100, "{delivered:?}");
    assert_eq!(u64::from(1_600 - sum), net.pipe(bottleneck, Way::Up).counters().dropped_queue.packets);
}

#[test]
fn late_calls_lose_no_order_and_no_time() {
    let start = Instant::now();
    let (mut net, _, _) = pair(start);
    net.send(start, client(), server(), vec![1]);
    net.send(start + MS, client(), server(), vec![2]);
    // The first has arrived long ago when the third is sent.
    net.send(start + SECOND, client(), server(), vec![3]);
    let at: Vec<_> = drain(&mut net).iter().map(|delivery| delivery.at - start).collect();
    assert_eq!(at, [15 * MS, 16 * MS, SECOND + 15 * MS]);
}

#[test]
fn nobody_gets_what_is_for_an_unknown_address() {
    let start = Instant::now();
    let (mut net, a, _) = pair(start);
    net.send(start, client(), address("203.0.113.9:1"), vec![1]);
    net.send(start, server(), client(), vec![2]);
    net.readdress(a, address("192.168.1.2:4001"));
    assert_eq!(drain(&mut net), []);
    assert_eq!(net.unroutable(), 2);
}

#[test]
#[should_panic(expected = "192.168.1.2:4000 is taken")]
fn an_address_belongs_to_one_host() {
    let (mut net, ..) = pair(Instant::now());
    net.host(client(), Net::CORE, Link::ideal());
}

#[test]
fn a_source_can_be_spoofed() {
    let start = Instant::now();
    let (mut net, _, _) = pair(start);
    let attacker = net.host(address("198.51.100.7:7"), Net::CORE, Link::ideal());
    net.send_spoofed(start, attacker, client(), server(), vec![1]);
    assert_eq!(drain(&mut net)[0].from, client());
}

/// Sends from the client at `now`; what the server sees as its source.
fn seen(net: &mut Net, now: Instant) -> SocketAddr {
    net.send(now, client(), server(), vec![1]);
    drain(net)[0].from
}

/// Sends to the client's outside; whether it arrives.
fn answered(net: &mut Net, now: Instant, outside: SocketAddr) -> bool {
    net.send(now, server(), outside, vec![2]);
    drain(net).iter().any(|delivery| delivery.to == client())
}

fn behind(nat: Nat) -> (Net, Node, Instant) {
    let start = Instant::now();
    let (mut net, a, _) = pair(start);
    net.set_nat(a, nat);
    (net, a, start)
}

fn public(port: u16) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], port))
}

#[test]
fn a_nat_shows_its_own_address_and_hides_the_host() {
    let (mut net, a, start) = behind(Nat::new(public(6_000)));
    assert!(!answered(&mut net, start, public(6_000)));
    assert_eq!(seen(&mut net, start + SECOND), public(6_000));
    assert!(answered(&mut net, start + 2 * SECOND, public(6_000)));
    assert!(!answered(&mut net, start + 3 * SECOND, public(6_001)));
    assert!(!answered(&mut net, start + 4 * SECOND, client()));
    assert_eq!((net.dropped_nat(), net.unroutable()), (2, 1));
    assert_eq!(net.nat(a).unwrap().mappings(), 1);
}

#[test]
fn a_nat_rebinds_every_so_often() {
    let (mut net, _, start) = behind(Nat::new(public(6_000)).rebind_every(5 * SECOND));
    for round in 0..4 {
        let now = start + 5 * SECOND * u32::from(round);
        assert_eq!(seen(&mut net, now), public(6_000 + round));
        assert!(answered(&mut net, now + SECOND, public(6_000 + round)));
        assert_eq!(seen(&mut net, now + 4 * SECOND), public(6_000 + round));
    }
    assert!(!answered(&mut net, start + 20 * SECOND, public(6_003)));
}

#[test]
fn a_nat_rebinds_at_given_times() {
    let (mut net, _, start) = behind(Nat::new(public(65_535)).rebind_at([SECOND, 3 * SECOND]));
    let ports: Vec<_> = (0..5).map(|second| seen(&mut net, start + SECOND * second).port()).collect();
    assert_eq!(ports, [65_535, 1_024, 1_024, 1_025, 1_025]);
}

#[test]
fn a_nat_forgets_who_is_silent() {
    let (mut net, _, start) = behind(Nat::new(public(6_000)).forget_after(2 * SECOND));
    assert_eq!(seen(&mut net, start), public(6_000));
    assert_eq!(seen(&mut net, start + SECOND * 19 / 10), public(6_000));
    // What comes from outside keeps nothing alive; it takes 15 ms to the NAT.
    assert!(answered(&mut net, start + SECOND * 38 / 10, public(6_000)));
    assert!(!answered(&mut net, start + SECOND * 39 / 10 - 15 * MS, public(6_000)));
    assert_eq!(seen(&mut net, start + SECOND * 4), public(6_001));
}

#[test]
fn a_link_can_begin_to_lose() {
    let start = Instant::now();
    let (mut net, a, _) = pair(start);
    net.send(start, client(), server(), vec![1]);
    net.set_loss(a, Way::Up, Loss::Independent(1.0));
    net.send(start, client(), server(), vec![2]);
    net.send(start + MS, server(), client(), vec![3]);
    let bytes: Vec<_> = drain(&mut net).into_iter().map(|delivery| delivery.bytes[0]).collect();
    assert_eq!(bytes, [1, 3]);
    assert_eq!(net.pipe(a, Way::Up).counters().dropped_loss.packets, 1);
}

#[test]
fn a_host_that_moves_gets_another_mapping() {
    let (mut net, a, start) = behind(Nat::new(public(6_000)));
    seen(&mut net, start);
    let moved = address("192.168.1.2:4001");
    net.readdress(a, moved);
    net.send(start + SECOND, server(), public(6_000), vec![1]);
    assert_eq!(drain(&mut net), []);
    net.send(start + 2 * SECOND, moved, server(), vec![2]);
    net.send(start + 3 * SECOND, server(), public(6_001), vec![3]);
    let to: Vec<_> = drain(&mut net).iter().map(|delivery| (delivery.from, delivery.to)).collect();
    assert_eq!(to, [(public(6_001), server()), (server(), moved)]);
}
