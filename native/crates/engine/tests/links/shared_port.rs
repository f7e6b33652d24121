//! QUIC and KCP on one socket: each packet meets the listener of its own protocol, alone or in a batch, and neither
//! listener needs the other.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use petrel_engine::{Event, Link, Protocol};
use petrel_socket::{Sent, Socket, Transmit};

use crate::{DEADLINE, End, authenticated, dial, finish, listen_on, noise, read_all, write_all};

const BOTH: [Protocol; 2] = [Protocol::Quic, Protocol::Kcp];

/// Both listeners, and where they listen.
fn shared(listener: &End) -> ([u32; 2], SocketAddr) {
    let (quic, address) = listen_on(listener, Protocol::Quic, ([127, 0, 0, 1], 0).into(), authenticated());
    let (kcp, same) = listen_on(listener, Protocol::Kcp, address, authenticated());
    assert_eq!(same, address);
    ([quic, kcp], address)
}

fn connected(dialer: &mut End) {
    dialer.wait(|e| matches!(e, Event::Connected { .. }).then_some(()));
}

fn incoming(listener: &mut End, of: u32) -> Arc<Link> {
    listener.wait(|e| match e {
        Event::Incoming { listener, link } if *listener == of => Some(link.clone()),
        _ => None,
    })
}

/// A new link may open streams a moment after it stands.
fn open(dialer: &mut End, near: &Arc<Link>) -> u64 {
    loop {
        if let Some(stream) = near.open() {
            return stream;
        }
        dialer.wait(|e| matches!(e, Event::MayOpen { .. }).then_some(()));
    }
}

/// One stream of `bytes`, whole at the far end.
fn carry(dialer: &mut End, near: &Arc<Link>, listener: &mut End, far: &Arc<Link>, bytes: &[u8]) {
    let stream = open(dialer, near);
    write_all(dialer, near, stream, bytes);
    finish(dialer, near, stream);
    let theirs = opened(listener, far);
    assert_eq!(read_all(listener, far, theirs), bytes);
}

fn opened(listener: &mut End, far: &Arc<Link>) -> u64 {
    listener.wait(|e| match e {
        Event::Stream { link, stream } if *link == far.id => Some(*stream),
        _ => None,
    })
}

#[test]
fn links_of_both_protocols_carry_bytes_over_one_port_at_once() {
    let mut listener = End::start();
    let (ids, address) = shared(&listener);
    let sent = noise(2_000_000);
    let dialers = BOTH.map(|protocol| {
        let mut dialer = End::start();
        let near = dial(&dialer, protocol, address);
        let sent = sent.clone();
        std::thread::spawn(move || {
            connected(&mut dialer);
            let stream = open(&mut dialer, &near);
            write_all(&mut dialer, &near, stream, &sent);
            finish(&dialer, &near, stream);
            (dialer, near)
        })
    });
    for id in ids {
        let far = incoming(&mut listener, id);
        let theirs = opened(&mut listener, &far);
        assert!(read_all(&mut listener, &far, theirs) == sent);
    }
    for dialer in dialers {
        dialer.join().expect("the dialler");
    }
}

#[test]
fn a_batch_of_packets_of_both_protocols_is_taken_apart() {
    let listener = End::start();
    let (_, address) = shared(&listener);
    let socket = Socket::bind(([127, 0, 0, 1], 0).into(), 1 << 20).expect("a socket");
    if socket.segments().get() < 4 {
        return; // this system sends no batches
    }
    // First packets of versions that nobody speaks: each listener answers its own with those that it does.
    let mut quic = vec![0xc0, /* version */ 0xfa, 0xce, 0xb0, 0x0c, /* ids */ 8, 1, 1, 1, 1, 1, 1, 1, 1, 0];
    let mut kcp =
        [&[0x10][..], /* to, counter */ &[0; 16], /* version */ &[0xff; 4], /* from */ &[2; 8], &[0]].concat();
    quic.resize(1_200, 0);
    kcp.resize(1_200, 0);
    let contents = [&quic[..], &kcp, &kcp, &quic].concat();
    let batch =
        Transmit { destination: address, ecn: None, contents: &contents, segment_size: Some(1_200), src_ip: None };
    let sent = socket.send(&batch);
    assert_eq!(sent, Sent::Left);
    let mut buffers = petrel_socket::ReceiveBuffers::default();
    let (mut answers, until) = (Vec::new(), Instant::now() + DEADLINE);
    while answers.len() < 4 && Instant::now() < until {
        let _ = socket.receive(&mut buffers, |answer| answers.push(answer.bytes[0] & 0x80 != 0));
        std::thread::sleep(Duration::from_millis(1));
    }
    answers.sort_unstable();
    assert_eq!(answers, [false, false, true, true], "two of kcp, two of quic");
}

#[test]
fn either_listener_may_go_and_the_port_is_free_after_both() {
    for gone in [0, 1] {
        let (mut listener, mut dialer) = (End::start(), End::start());
        let (ids, address) = shared(&listener);
        let links = [0, 1].map(|at| {
            let near = dial(&dialer, BOTH[at], address);
            connected(&mut dialer);
            let far = incoming(&mut listener, ids[at]);
            (near, far)
        });
        listener.engine.unlisten(ids[gone]).expect("an engine");
        // Its link lives on beside those of the other, which takes new ones.
        let stays = 1 - gone;
        let near = dial(&dialer, BOTH[stays], address);
        connected(&mut dialer);
        let far = incoming(&mut listener, ids[stays]);
        for (near, far) in links.iter().chain([&(near.clone(), far)]) {
            carry(&mut dialer, near, &mut listener, far, &noise(100_000));
        }
        listener.engine.unlisten(ids[stays]).expect("an engine");
        assert!(UdpSocket::bind(address).is_err(), "three links are left");
        for (near, _) in links.iter().chain([&(near.clone(), near)]) {
            near.close(0, "");
        }
        for id in ids {
            listener.wait(|e| matches!(e, Event::Unlistened { listener } if *listener == id).then_some(()));
        }
        UdpSocket::bind(address).expect("the port is free");
    }
}
