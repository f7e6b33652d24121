//! What strangers and observers send changes nothing, and costs nobody else.

mod lab;

use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use lab::{Credentials, Host, Lab, MBIT, SECRET, address, credentials, listener, longest_stall, ms, pattern};
use petrel_kcp::{Arrival, LIMITS};
use petrel_link::{Connection as _, Lost};
use petrel_netlab::{Link, Loss, Rates, Reorder, Spec};

fn path(loss: f64) -> Spec {
    Spec {
        rate: Rates::fixed(20 * MBIT),
        delay: ms(50),
        queue: Some(20 * MBIT / 5),
        loss: if loss > 0.0 { Loss::Independent(loss) } else { Loss::None },
        mtu: Some(1_500),
        overhead: 28,
        ..Spec::default()
    }
}

/// Packets for (the dialler, the listener) at one moment, made from what both have sent lately.
type Attack = fn(&mut Rng, &mut Seen) -> [Vec<Vec<u8>>; 2];

/// What an observer has seen: everything that each end has sent.
struct Seen {
    by: [Vec<Vec<u8>>; 2],
    turn: usize,
}

impl Seen {
    fn any(&self, rng: &mut Rng, by: usize) -> Vec<u8> {
        self.by[by][rng.usize(0..self.by[by].len())].clone()
    }
}

fn random(rng: &mut Rng, len: usize) -> Vec<u8> {
    std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
}

/// Every type byte, addressed rightly and wrongly, with garbage behind.
fn forged(rng: &mut Rng, seen: &mut Seen) -> [Vec<Vec<u8>>; 2] {
    [1, 0].map(|by| {
        let make = |kind: u8| {
            let mut packet = seen.any(rng, by);
            packet[0] = kind;
            if rng.bool() {
                packet[1..9].copy_from_slice(&rng.u64(..).to_be_bytes());
            }
            let len = packet.len();
            packet[17.min(len)..].copy_from_slice(&random(rng, len - 17.min(len)));
            packet.truncate(rng.usize(9..=len));
            packet
        };
        let from = (seen.turn * 8 % 256) as u8;
        (from..=from + 7).map(make).collect()
    })
}

/// Ids at random, as many as a stranger likes.
fn guessed(rng: &mut Rng, seen: &mut Seen) -> [Vec<Vec<u8>>; 2] {
    [1, 0].map(|by| {
        let guess = |_| {
            let mut packet = seen.any(rng, by);
            packet[1..9].copy_from_slice(&rng.u64(..).to_be_bytes());
            packet.truncate(60);
            packet
        };
        (0..64).map(guess).collect()
    })
}

fn replayed(rng: &mut Rng, seen: &mut Seen) -> [Vec<Vec<u8>>; 2] {
    [1, 0].map(|by| (0..16).map(|_| seen.any(rng, by)).map(|packet| packet[..].to_vec()).collect())
}

/// One bit of a real packet, each offset in turn.
fn flipped(rng: &mut Rng, seen: &mut Seen) -> [Vec<Vec<u8>>; 2] {
    [1, 0].map(|by| {
        let newest = seen.by[by].last().expect("a packet").clone();
        let flip = |n: usize| {
            let mut packet = newest.clone();
            let at = (seen.turn * 8 + n) % packet.len();
            packet[at] ^= 1 << rng.u8(0..8);
            packet
        };
        (0..8).map(flip).collect()
    })
}

/// Retry, version negotiation and reset by one who does not know the ids, and by one who does but has no token.
fn unsealed(rng: &mut Rng, seen: &mut Seen) -> [Vec<Vec<u8>>; 2] {
    let ids: [[u8; 8]; 2] = [1, 0].map(|by: usize| seen.any(rng, by)[1..9].try_into().expect("an id"));
    [0, 1].map(|to: usize| {
        let knows = rng.bool();
        let mut id = |known: [u8; 8]| if knows { known } else { rng.u64(..).to_be_bytes() };
        let (own, other) = (id(ids[to]), id(ids[1 - to]));
        let retry = [&[0x18][..], &own, &rng.u64(..).to_be_bytes(), &random(rng, 60)].concat();
        let versions = [&[0x1a][..], &own, &other, &[0, 0, 0, 9]].concat();
        let reset = [&[0x1c][..], &other, &random(rng, 16)].concat();
        vec![retry, versions, reset]
    })
}

/// A transfer both ways; returns the longest stall. Everything that was recorded is left in the lab. chance: the seed of
/// what the attacker does.
fn transfer(attack: Option<Attack>, loss: f64, chance: u64) -> (Duration, Lab) {
    let mut lab = Lab::new(11, Link::symmetric(path(loss)));
    for host in &mut lab.hosts[..2] {
        host.sent = Some(Vec::new());
    }
    lab.connect();
    let (up, down) = (pattern(1, 8_000_000), pattern(2, 2_000_000));
    let streams = [lab.hosts[0].send(up.clone()), lab.hosts[1].send(down.clone())];
    let is_whole = |hosts: &[Host]| (0..2).all(|i| hosts[1 - i].channels.get(&streams[i]).is_some_and(|c| c.finished));
    lab.hosts[2].inbox = Some(Vec::new());
    let mut seen = Seen { by: [Vec::new(), Vec::new()], turn: 0 };
    let mut rng = Rng::with_seed(chance);
    let mut injected = [0; 2];
    while !is_whole(&lab.hosts) {
        lab.pass(ms(5));
        assert!(lab.hosts[..2].iter().all(|host| host.lost.is_none()), "{:?}", lab.hosts[0].lost);
        assert!(lab.net.now() - lab.start < Duration::from_secs(60), "too slow");
        for by in 0..2 {
            let sent = lab.hosts[by].sent.as_mut().expect("packets").drain(..);
            // No observer can bring a packet on that is larger than what any path takes.
            let packets = sent.map(|(_, packet)| packet).filter(|packet| (18..=1_472).contains(&packet.len()));
            seen.by[by].extend(packets);
        }
        let Some(attack) = attack else { continue };
        let packets = attack(&mut rng, &mut seen);
        seen.turn += 1;
        for (to, packets) in packets.into_iter().enumerate() {
            // The dialler's link is the bottleneck, and not to be filled: that needs no attack on the protocol.
            let every = if to == 0 { 4 } else { 1 };
            for packet in packets.into_iter().step_by(every) {
                injected[to] += 1;
                // As if from the peer, or from elsewhere.
                let claimed = if rng.bool() { address(2 - to as u8) } else { address(3) };
                lab.net.send_spoofed(lab.net.now(), lab.stranger, claimed, address(1 + to as u8), packet);
            }
        }
    }
    assert!(lab.hosts[1].channels[&streams[0]].read == up && lab.hosts[0].channels[&streams[1]].read == down);
    assert_eq!(lab.hosts[1].accepted, 1, "a second link was begun");
    assert_eq!(lab.hosts[1].link().remote(), address(1));
    let strays = lab.hosts[2].inbox.as_ref().expect("packets");
    assert!(strays.iter().all(|(_, packet)| packet.len() < 60), "the link went to where copies come from");
    let stall = (0..2).map(|host| longest_stall(&lab.hosts[host].progress).0).max().unwrap_or_default();
    println!("loss {loss}: {injected:?} packets injected, longest stall {stall:?}");
    for by in 0..2 {
        lab.hosts[by].sent.as_mut().expect("packets").extend(seen.by[by].drain(..).map(|packet| (address(1), packet)));
    }
    (stall, lab)
}

#[test]
fn no_attack_on_a_transfer_changes_a_byte_or_stops_it() {
    for loss in [0.0, 0.03] {
        let (calm, _) = transfer(None, loss, 0);
        let attacks: [(&str, Attack); 5] = [
            ("forged", forged),
            ("guessed", guessed),
            ("replayed", replayed),
            ("flipped", flipped),
            ("unsealed", unsealed),
        ];
        for (name, attack) in attacks {
            for chance in 5..10 {
                let (stall, _) = transfer(Some(attack), loss, chance);
                let told = format!("{name} with {chance}, loss {loss}: {stall:?}, without {calm:?}");
                assert!(stall <= 3 * calm.max(ms(50)), "{told}");
            }
        }
    }
}

#[test]
fn packets_of_a_link_that_is_over_begin_nothing_and_get_less_than_they_are() {
    let (_, mut lab) = transfer(None, 0.0, 0);
    let now = lab.net.now();
    lab.hosts[0].link().close(now, 0, "");
    let drained = |hosts: &mut [Host]| hosts[..2].iter_mut().all(|host| host.link().is_drained());
    lab.run(Duration::from_secs(30), drained).expect("drained");
    let packets: Vec<_> = lab.hosts[0].sent.take().expect("packets").into_iter().map(|(_, packet)| packet).collect();
    let host = &mut lab.hosts[1];
    let handle = host.link().id();
    let endpoint = host.endpoint.as_mut().expect("an endpoint");
    endpoint.forget(handle);
    let (mut out, mut resets) = (Vec::new(), 0);
    for packet in packets.iter().cycle().take(10_000) {
        match endpoint.handle(now, (address(1), None), packet, &mut out) {
            Some(Arrival::Answer(answer)) => {
                assert!(answer.size < packet.len());
                resets += 1;
            }
            // The driver has no link with this handle any more.
            Some(Arrival::For(known, _)) => assert_eq!(known, handle),
            None => {}
            Some(Arrival::Stranger(stranger)) => assert!(endpoint.accept(stranger).is_err(), "a replay begins a link"),
        }
    }
    assert!(resets > 9_000, "{resets}");
}

#[test]
fn random_datagrams_get_nothing_but_versions_and_resets_that_are_shorter() {
    let mut endpoint = listener(credentials(), SECRET, LIMITS);
    let mut rng = Rng::with_seed(1);
    let (mut out, mut kinds) = (Vec::new(), [0; 3]);
    for n in 0..200_000 {
        let len = if rng.bool() { rng.usize(0..100) } else { rng.usize(1_100..1_500) };
        let mut packet = random(&mut rng, len.min(64));
        packet.resize(len, 0);
        if n % 2 == 0 && len > 0 {
            packet[0] = rng.u8(0x10..0x20);
        }
        match endpoint.handle(std::time::Instant::now(), (address(3), None), &packet, &mut out) {
            Some(Arrival::Answer(answer)) => {
                let n = answer.size;
                assert!(n < len && n == out.len(), "{n} for {len}");
                assert!([0x1a, 0x1c].contains(&out[0]), "{:#x}", out[0]);
                kinds[usize::from(out[0] == 0x1a)] += 1;
            }
            Some(Arrival::Stranger(stranger)) => {
                kinds[2] += 1;
                assert!(endpoint.accept(stranger).is_err(), "garbage begins a handshake");
            }
            Some(Arrival::For(..)) => panic!("a link that is not there"),
            None => {}
        }
    }
    assert!(kinds[0] > 1_000 && kinds[1] > 100, "{kinds:?}");
}

// ---- the handshake ----

#[test]
fn a_handshake_goes_by_way_of_a_retry() {
    for loss in [0.0, 0.2] {
        let mut lab = Lab::new(2, Link::symmetric(path(loss)));
        lab.hosts[1].retry = true;
        let took = lab.connect();
        println!("retry, loss {loss}: {took:?}");
        assert!(loss > 0.0 || took < ms(320), "{took:?}");
    }
}

#[test]
fn handshakes_are_over_soon_whatever_is_lost() {
    for (loss, most) in [(0.2, ms(1_500)), (0.3, ms(4_000))] {
        let mut took: Vec<Duration> = (0..300)
            .map(|seed| {
                let reorder = Some(Reorder { probability: 0.1, extra: ms(120) });
                let spec = Spec { duplicate: 0.1, reorder, ..path(loss) };
                let mut lab = Lab::new(seed, Link::symmetric(spec));
                let took = lab.connect();
                lab.pass(Duration::from_secs(2));
                assert_eq!(lab.hosts[1].accepted, 1, "seed {seed}: a second link was begun");
                took
            })
            .collect();
        took.sort();
        println!("loss {loss}: p50 {:?}, p95 {:?}, worst {:?}", took[150], took[285], took[299]);
        assert!(took[285] < most, "loss {loss}: {:?}", took[285]);
    }
}

#[test]
fn a_long_certificate_passes_though_a_stranger_gets_three_times_what_he_sent() {
    let long = Credentials::new(5_000);
    let mut lab = Lab::with_credentials(3, Link::symmetric(path(0.0)), LIMITS, &long);
    let took = lab.connect();
    println!("5 kB of certificate: {took:?}");
    // Somebody who sends one first packet and never hears.
    for retransmits in [1, 3] {
        let mut lab = Lab::with_credentials(4, Link::symmetric(path(0.0)), LIMITS, &long);
        let mut left = retransmits;
        lab.hosts[0].sieve = Some(Box::new(move |_, packet| {
            left -= i32::from(packet[0] == 0x10);
            left < 0 || packet[0] != 0x10
        }));
        lab.pass(Duration::from_secs(14));
        let (sent, came) = (lab.hosts[1].transmitted.1, lab.hosts[1].received);
        println!("{came} bytes came, {sent} left");
        assert!(came >= 1_200 && sent > 1_200 && sent <= 3 * came, "{sent} for {came}");
    }
}

#[test]
fn what_speaks_another_version_says_so() {
    let mut lab = Lab::new(5, Link::symmetric(path(0.0)));
    lab.hosts[0].sent = Some(Vec::new());
    // No listener hears of it.
    lab.hosts[0].sieve = Some(Box::new(|_, _| true));
    lab.pass(ms(10));
    let first = lab.hosts[0].sent.as_ref().expect("packets")[0].1.clone();
    let (to, from) = (first[1..9].to_vec(), first[21..29].to_vec());
    let versions = |own: &[u8], theirs: &[u8], list: &[u8]| [&[0x1a][..], own, theirs, list].concat();
    let say = |lab: &mut Lab, packet: Vec<u8>| {
        let now = lab.net.now();
        lab.net.send_spoofed(now, lab.stranger, address(2), address(1), packet);
        lab.pass(ms(200));
        lab.hosts[0].lost.clone()
    };
    assert_eq!(say(&mut lab, versions(&from, &[7; 8], &[0, 0, 0, 9])), None, "who has not seen the packet");
    assert_eq!(say(&mut lab, versions(&[7; 8], &to, &[0, 0, 0, 9])), None);
    assert_eq!(say(&mut lab, versions(&from, &to, &[0, 0, 0, 9, 0, 0, 0, 1])), None, "ours is among them");
    let lost = say(&mut lab, versions(&from, &to, &[0, 0, 0, 9]));
    assert!(matches!(&lost, Some(Lost::Refused(why)) if why.contains("version")), "{lost:?}");
    assert!(lab.hosts[0].link().is_drained());
    // And a listener says what it speaks.
    let mut endpoint = listener(credentials(), SECRET, LIMITS);
    let mut other = first;
    other[20] = 9;
    let mut out = Vec::new();
    let answer = endpoint.handle(lab.net.now(), (address(1), None), &other, &mut out);
    assert!(matches!(answer, Some(Arrival::Answer(answer)) if answer.size == 21));
    assert_eq!(out, versions(&from, &to, &[0, 0, 0, 1]));
}

#[test]
fn a_listener_that_restarts_ends_its_links_at_once() {
    for (secret, is_ours) in [(SECRET, true), (b"other!", false)] {
        let mut lab = Lab::new(6, Link::symmetric(path(0.0)));
        lab.connect();
        lab.pass(ms(500));
        lab.hosts[1] = Host::new(address(2), Some(listener(credentials(), secret, LIMITS)), None);
        let asked = lab.net.now();
        lab.hosts[0].send(pattern(1, 10_000));
        let ended = lab.run(Duration::from_secs(5), |hosts| hosts[0].lost.is_some());
        assert_eq!(ended.is_ok(), is_ours);
        if is_ours {
            assert_eq!(lab.hosts[0].lost, Some(Lost::Forgotten));
            assert!(lab.net.now() - asked < ms(150), "{:?}", lab.net.now() - asked);
        }
    }
}

#[test]
fn an_observer_of_the_first_packet_gets_no_link() {
    // He sends a copy from his own address, which arrives before the original.
    let mut lab = Lab::new(7, Link::symmetric(path(0.0)));
    lab.hosts[0].sent = Some(Vec::new());
    lab.hosts[2].inbox = Some(Vec::new());
    lab.pass(ms(1));
    let first = lab.hosts[0].sent.as_ref().expect("packets")[0].1.clone();
    let came = first.len();
    lab.hosts[2].outbox.push_back((address(2), first));
    lab.connect();
    lab.pass(Duration::from_secs(1));
    let remote: SocketAddr = lab.hosts[1].link().remote();
    assert_eq!(remote, address(1));
    let got: usize = lab.hosts[2].inbox.as_ref().expect("packets").iter().map(|(_, packet)| packet.len()).sum();
    assert!(got <= 3 * came, "{got} for {came}");
}
