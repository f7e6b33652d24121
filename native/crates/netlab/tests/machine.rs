//! The loop that drives protocol machines, with a stop-and-wait sender as the protocol.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use petrel_netlab::{Link, Loss, Machine, Net, Outages, Rates, Spec, Stop};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Sends numbers, each until it comes back, again after the timeout; or echoes.
struct Peer {
    address: SocketAddr,
    to: Option<SocketAddr>,
    number: u32,
    timeout: Duration,
    timer: Option<Instant>,
    outgoing: Vec<(SocketAddr, Vec<u8>)>,
    /// Wants to be woken at once, always.
    is_busy: bool,
    /// Sends whenever it is asked.
    is_flooding: bool,
}

impl Peer {
    fn new(port: u16, to: Option<u16>, timeout: Duration) -> Self {
        let address = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let (to, outgoing) = (to.map(address), Vec::new());
        let [is_busy, is_flooding] = [false; 2];
        Self { address: address(port), to, number: 0, timeout, timer: None, outgoing, is_busy, is_flooding }
    }

    fn send(&mut self, now: Instant) {
        if let Some(to) = self.to {
            self.outgoing.push((to, self.number.to_be_bytes().to_vec()));
            self.timer = Some(now + self.timeout);
        }
    }
}

impl Machine for Peer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        if self.to.is_none() {
            self.outgoing.push((from, bytes.to_vec()));
        } else if bytes == self.number.to_be_bytes() {
            self.number += 1;
            self.send(now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self.to {
            _ if self.is_busy => {}
            Some(_) => self.send(now),
            // An echo's timers are due in pairs.
            None => {
                self.number += 1;
                self.timer = Some(now + self.timeout * (self.number % 2));
            }
        }
    }

    fn poll_transmit(&mut self, _now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        self.outgoing.pop().or_else(|| self.to.filter(|_| self.is_flooding).map(|to| (to, vec![0; 4])))
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.timer
    }
}

/// A sender and an echo on one link.
fn setting(spec: Spec, timeout: Duration) -> (Net, [Peer; 2], Instant) {
    let start = Instant::now();
    let mut net = Net::new(start, 1);
    let mut peers = [Peer::new(1, Some(2), timeout), Peer::new(2, None, timeout)];
    net.host(peers[0].address, Net::CORE, Link::symmetric(spec));
    net.host(peers[1].address, Net::CORE, Link::ideal());
    peers[0].send(start);
    (net, peers, start)
}

#[test]
fn round_trips_take_twice_the_delay() {
    let (mut net, mut peers, start) = setting(Spec { delay: 25 * MS, ..Spec::default() }, SECOND);
    let end = net.run(&mut peers, start + SECOND, |_, peers| peers[0].number == 7);
    assert_eq!(end, Ok(start + 350 * MS));
}

#[test]
fn ten_thousand_seconds_of_a_slow_flow_pass_in_less_than_five() {
    let spec = Spec {
        rate: Rates::fixed(10_000),
        delay: 300 * MS,
        loss: Loss::Independent(0.05),
        outages: Outages::periodic(60 * SECOND, 60 * SECOND, 5 * SECOND),
        overhead: 28,
        ..Spec::default()
    };
    let (mut net, mut peers, start) = setting(spec, SECOND);
    let (wall, mut wakeups) = (Instant::now(), 0);
    let end = net.run(&mut peers, start + 10_000 * SECOND, |_, _| {
        wakeups += 1;
        false
    });
    assert_eq!(end, Err(Stop::Until));
    assert_eq!(net.now(), start + 10_000 * SECOND);
    // A round trip takes 600 ms, one in ten a second more, and a twelfth of the time is outage.
    assert!((12_500..13_500).contains(&peers[0].number), "{}", peers[0].number);
    // Two wake-ups for a packet each way, one for a timer: nothing ticks in between.
    assert!(wakeups < 5 * peers[0].number, "{wakeups}");
    assert!(wall.elapsed() < 5 * SECOND, "{:?}", wall.elapsed());
}

#[test]
fn a_run_goes_on_where_the_last_one_ended() {
    let (mut net, mut peers, start) = setting(Spec { delay: 25 * MS, ..Spec::default() }, SECOND);
    for second in 1..=3 {
        assert_eq!(net.run(&mut peers, start + SECOND * second, |_, _| false), Err(Stop::Until));
        assert_eq!(peers[0].number, 20 * second);
    }
}

#[test]
fn nothing_to_wait_for_ends_the_run() {
    let (mut net, mut peers, start) = setting(Spec { loss: Loss::Listed([0].into()), ..Spec::default() }, SECOND);
    peers[0].timer = None;
    assert_eq!(net.run(&mut peers, start + SECOND, |_, _| false), Err(Stop::Idle { at: start }));
}

#[test]
fn a_timer_that_is_due_for_ever_is_a_busy_loop() {
    let (mut net, mut peers, start) = setting(Spec { delay: 25 * MS, ..Spec::default() }, 10 * MS);
    peers[0].is_busy = true;
    let end = net.run(&mut peers, start + SECOND, |_, _| false);
    assert_eq!(end, Err(Stop::BusyLoop { machine: 0, at: start + 10 * MS }));
}

#[test]
fn waking_up_now_and_then_is_no_busy_loop() {
    let (mut net, mut peers, start) = setting(Spec::default(), 10 * MS);
    // Only the echo's timers are left, which send nothing.
    peers[0].outgoing.clear();
    peers[0].timer = None;
    peers[1].timer = Some(start);
    assert_eq!(net.run(&mut peers, start + 10 * SECOND, |_, _| false), Err(Stop::Until));
    assert_eq!(peers[1].number, 2_001);
}

#[test]
fn large_bursts_at_several_instants_are_no_flood() {
    let (mut net, mut peers, start) = setting(Spec::default(), 10 * MS);
    let nobody = SocketAddr::from(([10, 0, 0, 9], 9));
    let end = net.run(&mut peers, start + SECOND, |now, peers| {
        peers[0].outgoing = vec![(nobody, Vec::new()); 40_000];
        now > start + 10 * MS
    });
    assert_eq!(end, Ok(start + 20 * MS));
}

#[test]
fn packets_without_end_are_a_flood() {
    let (mut net, mut peers, start) = setting(Spec { delay: 25 * MS, ..Spec::default() }, SECOND);
    peers[0].is_flooding = true;
    let end = net.run(&mut peers, start + SECOND, |_, _| false);
    assert_eq!(end, Err(Stop::Flood { machine: 0, at: start }));
}

#[test]
fn answering_at_once_over_an_ideal_link_is_a_flood() {
    let (mut net, mut peers, start) = setting(Spec::default(), SECOND);
    assert!(matches!(net.run(&mut peers, start + SECOND, |_, _| false), Err(Stop::Flood { .. })));
}

#[test]
fn a_seed_repeats_a_whole_run() {
    let run = |loss| {
        let (mut net, mut peers, start) =
            setting(Spec { delay: 25 * MS, jitter: 9 * MS, loss, ..Spec::default() }, 100 * MS);
        let mut trace = Vec::new();
        let end = net.run(&mut peers, start + 60 * SECOND, |now, peers| {
            trace.push((now - start, peers[0].number));
            false
        });
        assert_eq!(end, Err(Stop::Until));
        trace
    };
    assert!(run(Loss::Independent(0.1)) == run(Loss::Independent(0.1)));
    assert!(run(Loss::Independent(0.1)) != run(Loss::Independent(0.2)));
}
