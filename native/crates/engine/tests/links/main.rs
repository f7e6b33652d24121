//! Two engines on loopback: bytes, datagrams, limits and the ends of streams and links, without Node.

mod shared_port;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use petrel_engine::{ClosedBy, Credentials, Engine, Event, Limits, Link, Profile, Protocol, Trust};

const DEADLINE: Duration = Duration::from_secs(20);

fn limits(streams: u32, credit_bytes: u64) -> Limits {
    Limits {
        streams,
        credit_bytes,
        datagram_bytes: 1 << 20,
        window_bytes: 16 << 20,
        handshake: Duration::from_secs(10),
        idle: Duration::from_secs(5),
        keep_alive: Duration::from_secs(1),
        profile: Profile::DEFAULT,
    }
}

fn authenticated() -> Limits {
    limits(4096, 96 << 20)
}

/// An engine with its events as a queue that can be waited on.
struct End {
    engine: Engine,
    bell: Receiver<()>,
    kept: Vec<Event>,
}

impl End {
    fn start() -> Self {
        let (ring, bell): (Sender<()>, _) = channel();
        // A failed send means that the test is over.
        let engine = Engine::start(Box::new(move || ring.send(()).unwrap_or(()))).expect("an engine");
        Self { engine, bell, kept: Vec::new() }
    }

    /// The first event, kept or new, that `pick` takes; others are kept.
    fn wait<T>(&mut self, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            if let Some(i) = self.kept.iter().position(|e| pick(e).is_some()) {
                return pick(&self.kept.swap_remove(i)).expect("it was picked just now");
            }
            self.engine.go();
            while let Some(event) = self.engine.next_event() {
                self.kept.push(event);
            }
            if !self.kept.iter().any(|e| pick(e).is_some()) {
                self.bell.recv_timeout(DEADLINE).expect("an event within the deadline");
            }
        }
    }
}

struct Pair {
    dialer: End,
    listener: End,
    near: Arc<Link>,
    far: Arc<Link>,
}

/// On a free port.
fn listen(listener: &End, stranger: Limits) -> (u32, SocketAddr) {
    listen_on(listener, Protocol::Quic, ([127, 0, 0, 1], 0).into(), stranger)
}

fn listen_on(listener: &End, protocol: Protocol, address: SocketAddr, stranger: Limits) -> (u32, SocketAddr) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let credentials = Credentials { certificate: made.cert.pem(), private_key: made.signing_key.serialize_pem() };
    listener.engine.listen(protocol, address, &credentials, stranger).expect("a listener")
}

fn dial(dialer: &End, protocol: Protocol, address: SocketAddr) -> Arc<Link> {
    dialer.engine.dial(protocol, address, "localhost", Trust::Unverified, None, authenticated()).expect("a dial")
}

fn pair(stranger: Limits) -> Pair {
    let (mut dialer, mut listener) = (End::start(), End::start());
    let (_, address) = listen(&listener, stranger);
    let near = dial(&dialer, Protocol::Quic, address);
    dialer.wait(|e| matches!(e, Event::Connected { .. }).then_some(()));
    let far = listener.wait(|e| match e {
        Event::Incoming { link, .. } => Some(link.clone()),
        _ => None,
    });
    Pair { dialer, listener, near, far }
}

fn write_all(end: &mut End, link: &Arc<Link>, stream: u64, mut data: &[u8]) {
    while !data.is_empty() {
        let n = link.write(stream, data);
        data = &data[n..];
        if !data.is_empty() {
            end.wait(|e| matches!(e, Event::Writable { stream: s, .. } if *s == stream).then_some(()));
        }
    }
    end.engine.go();
}

fn finish(end: &End, link: &Arc<Link>, stream: u64) {
    link.finish(stream);
    end.engine.go();
}

fn read_all(end: &mut End, link: &Arc<Link>, stream: u64) -> Vec<u8> {
    let mut all = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    while let Some(n) = link.read(stream, &mut chunk) {
        all.extend_from_slice(&chunk[..n]);
        link.took(stream, all.len() as u64);
        if n == 0 {
            end.wait(|e| matches!(e, Event::Readable { stream: s, .. } if *s == stream).then_some(()));
        }
    }
    end.engine.go();
    all
}

fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn accepted(end: &mut End) -> u64 {
    end.wait(|e| match e {
        Event::Stream { stream, .. } => Some(*stream),
        _ => None,
    })
}

#[test]
fn bytes_arrive_whole_and_are_acknowledged() {
    let Pair { mut dialer, mut listener, near, far } = pair(limits(2, 64 * 1024));
    far.raise_limits(authenticated());
    let sent = noise(3_000_000);
    let stream = near.open().expect("a stream");
    let writer = std::thread::spawn({
        let (near, sent) = (near.clone(), sent.clone());
        move || {
            write_all(&mut dialer, &near, stream, &sent);
            finish(&dialer, &near, stream);
            dialer
        }
    });
    let theirs = accepted(&mut listener);
    assert_eq!(read_all(&mut listener, &far, theirs), sent);
    let _dialer = writer.join().expect("the writer");
    while near.acknowledged(stream) != Some(sent.len() as u64) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_stranger_that_nobody_reads_is_granted_64_kib_in_all() {
    let Pair { mut dialer, mut listener, near, far } = pair(limits(2, 64 * 1024));
    for _ in 0..2 {
        let stream = near.open().expect("a stranger has two streams");
        near.write(stream, &[7; 200_000]);
        dialer.engine.go();
        accepted(&mut listener);
    }
    assert!(near.open().is_none(), "and no third");
    std::thread::sleep(Duration::from_millis(300));
    assert!(far.stats().granted <= 64 * 1024, "{}", far.stats().granted);
    // 32 KiB of streams; most of the rest are packets that probe for the path's MTU.
    assert!(far.stats().received_bytes < 160_000, "{}", far.stats().received_bytes);
    far.raise_limits(authenticated());
    dialer.wait(|e| matches!(e, Event::MayOpen { .. }).then_some(()));
    assert!(near.open().is_some());
}

#[test]
fn a_reset_reaches_the_other_side_with_its_code() {
    let Pair { mut dialer, mut listener, near, far: _far } = pair(authenticated());
    let stream = near.open().expect("a stream");
    write_all(&mut dialer, &near, stream, b"x");
    let theirs = accepted(&mut listener);
    near.reset(stream, 0xfeed_beef);
    dialer.engine.go();
    let (code, by_peer) = listener.wait(|e| match e {
        Event::Reset { stream, code, by_peer, .. } if *stream == theirs => Some((*code, *by_peer)),
        _ => None,
    });
    assert_eq!((code, by_peer), (0xfeed_beef, true));
}

#[test]
fn datagrams_arrive_with_their_boundaries() {
    let Pair { dialer, mut listener, near, far } = pair(authenticated());
    let most = near.max_datagram().expect("datagrams");
    for size in [0, 1, most] {
        assert!(near.send_datagram(&vec![9; size]));
    }
    dialer.engine.go();
    // Not most + 1: the search for the path's MTU may have raised it by now.
    assert!(!near.send_datagram(&vec![9; 65_000]));
    let mut into = vec![0; 64 * 1024];
    let mut sizes = Vec::new();
    while sizes.len() < 3 {
        let n = far.read_datagrams(&mut into);
        if n == 0 {
            listener.wait(|e| matches!(e, Event::Datagrams { .. }).then_some(()));
        }
        let mut at = 0;
        while at < n {
            let size = usize::from(u16::from_le_bytes([into[at], into[at + 1]]));
            sizes.push(size);
            at += 2 + size;
        }
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 1, most]);
}

#[test]
fn a_panic_ends_its_link_and_the_engine_goes_on() {
    let Pair { mut dialer, mut listener, near, far: _far } = pair(authenticated());
    near.panic_for_test();
    let closed = dialer.wait(|e| match e {
        Event::Closed { closed, .. } => Some(closed.clone()),
        _ => None,
    });
    assert_eq!((closed.by, closed.code), (ClosedBy::Us, 2));
    // The other engine hears nothing and notices by itself.
    let closed = listener.wait(|e| match e {
        Event::Closed { closed, .. } => Some(closed.clone()),
        _ => None,
    });
    assert_eq!(closed.by, ClosedBy::Network);
}

#[test]
fn an_engine_that_stops_tells_its_peers() {
    let Pair { dialer, mut listener, near: _near, far: _far } = pair(authenticated());
    dialer.engine.stop();
    let closed = listener.wait(|e| match e {
        Event::Closed { closed, .. } => Some(closed.clone()),
        _ => None,
    });
    assert_eq!((closed.by, closed.code), (ClosedBy::Peer, 0));
}

#[test]
fn a_flood_of_unknown_versions_is_answered_a_hundred_times_a_second_and_never_at_length() {
    let listener = End::start();
    let (_, address) = listen(&listener, authenticated());
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    // Long header, an unknown version, two connection ids of 8 bytes; one packet is too short to be answered.
    let mut packet = vec![0xc0, 0xfa, 0xce, 0xb0, 0x0c, 8, 1, 1, 1, 1, 1, 1, 1, 1, 8, 2, 2, 2, 2, 2, 2, 2, 2];
    socket.send_to(&packet, address).expect("a short packet");
    assert!(socket.recv(&mut [0; 2000]).is_err(), "a short packet is not answered");
    packet.resize(1200, 0);
    for _ in 0..300 {
        socket.send_to(&packet, address).expect("a packet");
    }
    let mut answers = 0;
    while let Ok(size) = socket.recv(&mut [0; 2000]) {
        assert!(size < packet.len());
        answers += 1;
    }
    assert!((1..=100).contains(&answers), "{answers} answers");
}

#[test]
fn a_dialled_link_goes_on_from_a_new_socket() {
    let Pair { mut dialer, mut listener, near, far } = pair(authenticated());
    let before = far.remote().expect("an address");
    near.rebind();
    let stream = near.open().expect("a stream");
    write_all(&mut dialer, &near, stream, &[7; 100_000]);
    finish(&dialer, &near, stream);
    let theirs = accepted(&mut listener);
    assert_eq!(read_all(&mut listener, &far, theirs), [7; 100_000]);
    write_all(&mut listener, &far, theirs, b"back");
    finish(&listener, &far, theirs);
    assert_eq!(read_all(&mut dialer, &near, stream), b"back");
    assert_ne!(far.remote().expect("an address").port(), before.port());
}
