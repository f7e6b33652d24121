//! A dialler that moves, NATs that forget, and observers who copy packets.

mod lab;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use lab::{Host, Lab, MBIT, address, longest_stall, ms, pattern};
use petrel_link::Connection as _;
use petrel_netlab::{Link, Loss, Nat, Rates, Spec};

fn path(mbit: u64, loss: f64) -> Link {
    Link::symmetric(Spec {
        rate: Rates::fixed(mbit * MBIT),
        delay: ms(30),
        queue: Some(mbit * MBIT / 8),
        loss: if loss > 0.0 { Loss::Independent(loss) } else { Loss::None },
        mtu: Some(1_500),
        overhead: 28,
        ..Spec::default()
    })
}

/// Begins a transfer of so many bytes up or down; returns the stream and what it carries.
fn transfer(lab: &mut Lab, is_up: bool, bytes: usize) -> (u64, Bytes) {
    lab.connect();
    let data = pattern(9, bytes);
    let stream = lab.hosts[usize::from(!is_up)].send(data.clone());
    (stream, data)
}

fn is_whole(hosts: &[Host], is_up: bool, stream: u64) -> bool {
    hosts[usize::from(is_up)].channels.get(&stream).is_some_and(|channel| channel.finished)
}

fn verify(lab: &Lab, is_up: bool, stream: u64, data: &[u8], told: &str) {
    let receiver = &lab.hosts[usize::from(is_up)];
    assert!(receiver.channels[&stream].read == data, "{told}: wrong bytes");
    let (stall, at) = longest_stall(&receiver.progress);
    println!("{told}: took {:?}, longest stall {stall:?}", lab.net.now() - lab.start);
    assert!(stall < Duration::from_secs(1), "{told}: a stall of {stall:?} at {:?}", at.map(|at| at - lab.start));
}

#[test]
fn a_transfer_survives_a_new_address_every_five_seconds() {
    for (is_up, mbit, loss) in [(true, 20, 0.0), (false, 50, 0.0), (true, 50, 0.05), (false, 20, 0.05)] {
        let told = format!("up {is_up}, {mbit} Mbit/s, loss {loss}");
        let mut lab = Lab::new(3, path(mbit, loss));
        let (stream, data) = transfer(&mut lab, is_up, 100_000_000);
        let mut moves = 0;
        while !is_whole(&lab.hosts, is_up, stream) {
            let ended = lab.run(Duration::from_secs(5), |hosts| is_whole(hosts, is_up, stream));
            if ended.is_err() {
                moves += 1;
                let to: SocketAddr = ([10, 1, 0, moves as u8], 9_000 + moves).into();
                lab.roam(to);
            }
            assert!(lab.hosts[..2].iter().all(|host| host.lost.is_none()), "{told}: {:?}", lab.hosts[0].lost);
            assert!(moves < 60, "{told}: too slow");
        }
        assert!(moves >= 3, "{told}: {moves} moves");
        verify(&lab, is_up, stream, &data, &told);
    }
}

#[test]
fn a_nat_that_rebinds_or_forgets_stops_nothing() {
    let nat = || Nat::new(([203, 0, 113, 1], 20_000).into());
    for (name, nat) in [("rebinds", nat().rebind_every(ms(1_700))), ("forgets", nat().forget_after(ms(2_000)))] {
        for (is_up, loss) in [(true, 0.0), (false, 0.0), (true, 0.05), (false, 0.05)] {
            let told = format!("{name}, up {is_up}, loss {loss}");
            let mut lab = Lab::new(4, path(20, loss));
            lab.net.set_nat(lab.dialer, nat.clone());
            let (stream, data) = transfer(&mut lab, is_up, 20_000_000);
            let done = |hosts: &mut [Host]| is_whole(hosts, is_up, stream);
            lab.run(Duration::from_secs(120), done).unwrap_or_else(|stop| panic!("{told}: {stop}"));
            verify(&lab, is_up, stream, &data, &told);
        }
    }
}

#[test]
fn who_copies_packets_gets_challenges_of_three_times_what_he_sent_and_nothing_else() {
    for (is_before, loss) in [(true, 0.0), (false, 0.0), (true, 0.05)] {
        let told = format!("before {is_before}, loss {loss}");
        let mut lab = Lab::new(6, path(20, loss));
        let (stream, data) = transfer(&mut lab, true, 10_000_000);
        lab.hosts[2].inbox = Some(Vec::new());
        lab.hosts[0].sent = Some(Vec::new());
        let mut copied = 0;
        let mut late: Vec<Vec<u8>> = Vec::new();
        while !is_whole(&lab.hosts, true, stream) {
            lab.pass(ms(3));
            // The stranger is near: what he copies at once is there before the original.
            late.extend(lab.hosts[0].sent.as_mut().expect("packets").drain(..).map(|(_, packet)| packet));
            let kept = if is_before { 0 } else { 300 };
            let due = late.len().saturating_sub(kept);
            for packet in late.drain(..due) {
                copied += packet.len();
                lab.hosts[2].outbox.push_back((address(2), packet));
            }
            assert_eq!(lab.hosts[1].link().remote(), address(1), "{told}");
        }
        let got = lab.hosts[2].inbox.as_ref().expect("packets");
        let bytes: usize = got.iter().map(|(_, packet)| packet.len()).sum();
        println!("{told}: copied {copied} bytes, got {bytes} in {} packets", got.len());
        assert!(copied > 1_000_000, "{told}: {copied}");
        assert!(got.iter().all(|(_, packet)| packet.len() < 60), "{told}: more than challenges");
        assert!(bytes <= 3 * copied, "{told}: {bytes} for {copied}");
        assert_eq!(bytes > 0, is_before, "{told}: a copy of an old packet moves nothing");
        verify(&lab, true, stream, &data, &told);
    }
}

#[test]
fn an_address_that_does_not_answer_is_asked_again_and_then_let_be() {
    let mut lab = Lab::new(8, path(20, 0.0));
    lab.connect();
    lab.pass(Duration::from_secs(1));
    lab.hosts[2].inbox = Some(Vec::new());
    lab.hosts[0].sent = Some(Vec::new());
    lab.hosts[0].sieve = Some(Box::new(|_, _| true));
    lab.hosts[0].send(pattern(1, 1_000));
    lab.pass(ms(1));
    let packet = lab.hosts[0].sent.as_ref().expect("packets")[0].1.clone();
    assert!(packet.len() > 1_000);
    lab.hosts[2].outbox.push_back((address(2), packet));
    let asked = |lab: &Lab| lab.hosts[2].inbox.as_ref().expect("packets").len();
    lab.pass(ms(450));
    assert_eq!(asked(&lab), 5);
    lab.pass(Duration::from_secs(13));
    assert!(asked(&lab) <= 75, "{}", asked(&lab));
    assert_eq!(lab.hosts[1].link().remote(), address(1));
}

#[test]
fn a_dialler_that_only_listens_notices_that_its_nat_has_forgotten_it() {
    let mut lab = Lab::new(10, path(20, 0.0));
    lab.net.set_nat(lab.dialer, Nat::new(([203, 0, 113, 1], 20_000).into()).rebind_every(ms(3_100)));
    lab.connect();
    let stream = lab.hosts[1].link().open().expect("a stream");
    // A word now and then, nothing of which the dialler could tell that more is to come.
    for word in 0..80u8 {
        let _ = lab.hosts[1].link().write(stream, &mut vec![word; 100].into());
        lab.pass(ms(200));
    }
    lab.pass(Duration::from_secs(2));
    assert_eq!(lab.hosts[0].came(), 8_000);
    assert!(lab.net.nat(lab.dialer).is_some_and(|nat| nat.mappings() >= 5));
    let (stall, at) = longest_stall(&lab.hosts[0].progress);
    assert!(stall < Duration::from_secs(1), "{stall:?} at {:?}", at.map(|at| at - lab.start));
}
