//! Two ends over a path that loses, doubles and reorders, in virtual time.

mod network;

use std::time::Duration;

use network::{Network, ms};
use petrel_kcp_proto::{Config, HEADER_BYTES, Mode};

/// Numbers and clock that wrap after a few segments, and a second or so.
fn wrapping(config: Config, mode: Mode) -> Config {
    Config { mode, first_sn: u32::MAX - 40, first_ts: u32::MAX - 700, mtu: 424, ..config }
}

fn pattern(rng: &mut fastrand::Rng, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| rng.u8(..)).collect()
}

/// Sends both ways at once, in `pieces` of each end, until all is there. Returns the virtual time it took.
fn exchange(network: &mut Network, pieces: &[Vec<Vec<u8>>; 2], limit: Duration) -> Duration {
    let start = network.now;
    let mut next = [0, 0];
    let mut got: [Vec<Vec<u8>>; 2] = Default::default();
    let mut room = vec![0; 1 << 16];
    loop {
        for end in 0..2 {
            while let Some(piece) = pieces[end].get(next[end])
                && network.ends[end].send(piece).is_ok_and(|taken| taken == piece.len())
            {
                next[end] += 1;
            }
            while let Some(bytes) = network.ends[end].recv(&mut room).unwrap() {
                got[1 - end].push(room[..bytes].to_vec());
            }
        }
        let all = (0..2).all(|end| next[end] == pieces[end].len() && network.ends[end].pending() == 0);
        if all || !network.step() {
            break;
        }
        assert!(network.now - start < limit, "too slow: {next:?} pieces of both");
    }
    assert!(got == *pieces, "other messages than were sent");
    network.now - start
}

/// As `exchange`, for streams: `sent` of each end.
fn stream(network: &mut Network, sent: &[Vec<u8>; 2], limit: Duration) -> Duration {
    let start = network.now;
    let mut taken = [0, 0];
    let mut got: [Vec<u8>; 2] = Default::default();
    let mut room = vec![0; 1 << 16];
    while got != *sent {
        for end in 0..2 {
            taken[end] += network.ends[end].send(&sent[end][taken[end]..]).unwrap();
            let most = network.rng.usize(1..room.len());
            while let Some(bytes) = network.ends[end].recv(&mut room[..most]).unwrap() {
                got[1 - end].extend_from_slice(&room[..bytes]);
            }
        }
        if got != *sent {
            assert!(network.step(), "nothing will ever happen: {taken:?} taken");
        }
        assert!(network.now - start < limit, "too slow: {taken:?} taken");
    }
    network.now - start
}

fn bad_weather(network: &mut Network) {
    for path in &mut network.paths {
        path.delay = ms(network.rng.u64(0..120));
        path.jitter = ms(network.rng.u64(0..40));
        path.loss = network.rng.f64() * 0.3;
        path.duplication = network.rng.f64() * 0.1;
    }
}

#[test]
fn a_stream_arrives_exactly_whatever_the_path_does() {
    for seed in 0..60 {
        println!("seed {seed}");
        let config = if seed % 2 == 0 { Config::FAST } else { Config::NORMAL };
        let mut network = Network::new(seed, wrapping(config, Mode::Stream));
        bad_weather(&mut network);
        let sent = [0, 1].map(|_| pattern(&mut network.rng, 60_000));
        stream(&mut network, &sent, ms(900_000));
        let packets = network.paths[0].packets + network.paths[1].packets;
        assert!(network.steps < 4 * packets, "{} steps for {packets} packets: a busy loop", network.steps);
    }
}

#[test]
fn messages_arrive_exactly_whatever_the_path_does() {
    for seed in 100..160 {
        println!("seed {seed}");
        let config = if seed % 2 == 0 { Config::FAST } else { Config::NORMAL };
        let mut network = Network::new(seed, wrapping(config, Mode::Message));
        bad_weather(&mut network);
        let rng = &mut network.rng;
        let pieces = [0, 1].map(|_| {
            (0..40)
                .map(|_| {
                    let bytes = rng.usize(1..4_000);
                    pattern(rng, bytes)
                })
                .collect()
        });
        exchange(&mut network, &pieces, ms(900_000));
    }
}

#[test]
fn a_clean_path_sees_each_segment_once() {
    let config = Config { send_window: 256, receive_window: 256, ..wrapping(Config::FAST, Mode::Stream) };
    let mut network = Network::new(1, config);
    let sent = [pattern(&mut network.rng, 400 * 1_000), vec![]];
    stream(&mut network, &sent, ms(2_000));
    let stats = network.ends[0].stats();
    assert_eq!((stats.sent, stats.early, stats.late), (1_000, 0, 0));
}

#[test]
fn one_loss_is_repaired_in_a_round_trip() {
    let config = wrapping(Config::FAST, Mode::Stream);
    let mut network = Network::new(1, config);
    network.ends[0].send(&[1; 400]).unwrap();
    network.paths[0].loss = 1.0;
    network.flush();
    network.paths[0].loss = 0.0;
    let sent_at = network.now;
    network.ends[0].send(&[2; 1_600]).unwrap();
    let mut room = [0; 4_000];
    while network.ends[1].recv(&mut room) == Ok(None) {
        assert!(network.step());
    }
    // One way for what follows, back with its acknowledgement, one way for the repair.
    assert_eq!(network.now - sent_at, ms(60));
}

#[test]
fn a_conversation_that_has_nothing_to_say_is_silent() {
    let mut network = Network::new(1, wrapping(Config::FAST, Mode::Stream));
    let sent = [vec![1; 5_000], vec![2; 5_000]];
    stream(&mut network, &sent, ms(10_000));
    while network.step() {}
    assert!(network.ends.iter_mut().all(|end| end.poll_timeout().is_none()));
}

#[test]
fn a_reader_that_stops_stops_the_sender_and_wakes_it_again() {
    for loses_the_word in [false, true] {
        let config = Config { receive_window: 40, ..wrapping(Config::FAST, Mode::Stream) };
        let mut network = Network::new(1, config);
        let sent = pattern(&mut network.rng, 24_000);
        assert_eq!(network.ends[0].send(&sent), Ok(32 * 400));
        network.flush();
        assert_eq!(network.ends[0].send(&sent[32 * 400..]), Ok(28 * 400));
        network.run_until(network.now + ms(60_000));
        let most = 40 + 15;
        assert!(network.paths[0].packets <= most, "{} packets into a shut window", network.paths[0].packets);

        network.paths[1].loss = if loses_the_word { 1.0 } else { 0.0 };
        let mut got = vec![0; sent.len()];
        let mut bytes = network.ends[1].recv(&mut got).unwrap().unwrap();
        assert_eq!(bytes, 40 * 400);
        network.flush();
        network.paths[1].loss = 0.0;
        let opened = network.now;
        while bytes < sent.len() {
            assert!(network.step());
            bytes += network.ends[1].recv(&mut got[bytes..]).unwrap().unwrap_or(0);
        }
        assert_eq!(got, sent);
        let most = if loses_the_word { ms(11_000) } else { ms(400) };
        assert!(network.now - opened < most, "{:?}", network.now - opened);
    }
}

#[test]
fn after_an_outage_the_rest_arrives() {
    let mut network = Network::new(1, wrapping(Config::FAST, Mode::Stream));
    let sent = pattern(&mut network.rng, 12_000);
    assert_eq!(network.ends[0].send(&sent), Ok(sent.len()));
    for path in &mut network.paths {
        path.loss = 1.0;
    }
    network.run_until(network.now + ms(10_000));
    for path in &mut network.paths {
        path.loss = 0.0;
    }
    let restored = network.now;
    while network.ends[0].pending() > 0 {
        assert!(network.step());
    }
    let mut got = vec![0; sent.len()];
    assert_eq!(network.ends[1].recv(&mut got), Ok(Some(sent.len())));
    assert_eq!(got, sent);
    // Waits that grow by half never exceed half of the time that has passed.
    assert!(network.now - restored < ms(5_200), "{:?}", network.now - restored);
}

#[test]
fn buffers_are_used_again_and_bounded_by_the_windows() {
    let config = Config { send_window: 64, receive_window: 64, ..wrapping(Config::FAST, Mode::Stream) };
    let mut network = Network::new(3, config);
    for path in &mut network.paths {
        path.loss = 0.1;
    }
    let sent = [0, 1].map(|_| pattern(&mut network.rng, 400 * 2_000));
    stream(&mut network, &sent, ms(120_000));
    for end in &network.ends {
        assert!(end.stats().buffers <= 3 * 64, "{} buffers", end.stats().buffers);
    }
}

#[test]
fn a_wide_window_with_a_hole_in_front_stays_cheap() {
    const WINDOW: u16 = 32_768;
    let config = Config { send_window: WINDOW, receive_window: WINDOW, mtu: HEADER_BYTES + 4, ..Config::FAST };
    let mut network = Network::new(1, Config { mode: Mode::Stream, ..config });
    for path in &mut network.paths {
        path.loss = 0.05;
    }
    let sent = [pattern(&mut network.rng, 4 * 200_000), vec![]];
    let started = std::time::Instant::now();
    stream(&mut network, &sent, ms(60_000));
    // A scan of what is out, once for each acknowledgement, would be 3 billion steps.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
