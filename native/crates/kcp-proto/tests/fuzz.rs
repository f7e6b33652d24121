//! Segments of a stranger: the parser alone, and whole conversations in the middle of what they do.

use std::time::{Duration, Instant};

use fastrand::Rng;
use petrel_fuzz::{Target, corpus, mutate, number, run};
use petrel_kcp_proto::early::EarlyConfig;
use petrel_kcp_proto::{Command, Config, HEADER_BYTES, Header, Kcp, Mode};

const CONVERSATION: u32 = 7;
const WINDOW: u16 = 32;
/// Packets that may leave at one moment.
const MOST_AT_ONCE: usize = 500;

#[test]
fn no_segments_of_a_stranger_do_harm() {
    let segments = corpus(include_str!("corpus/segments.hex"));
    run(&[
        Target::bytes("segments", segments.clone(), 3_000, parse),
        Target::new("conversations", |rng, inputs| converse(rng, inputs, &segments)),
    ]);
}

/// Whatever is taken is given back when it is written again.
fn parse(packet: &[u8]) {
    let mut rest = packet;
    while let Ok((header, data, after)) = Header::split(rest) {
        let mut again = Vec::new();
        header.write(data, &mut again);
        assert_eq!(again, rest[..HEADER_BYTES + data.len()]);
        assert_eq!(after.len(), rest.len() - again.len());
        rest = after;
    }
}

fn converse(rng: &mut Rng, inputs: &mut Vec<Vec<u8>>, corpus: &[Vec<u8>]) {
    let mut now = Instant::now();
    let config = Config {
        mode: if rng.bool() { Mode::Stream } else { Mode::Message },
        early: EarlyConfig { after: rng.usize(..4), limit: 3 },
        congestion: rng.bool(),
        first_sn: if rng.bool() { 0 } else { u32::MAX - 20 },
        first_ts: number(rng) as u32,
        receive_window: WINDOW,
        ..Config::FAST
    };
    let mut kcp = Kcp::new(CONVERSATION, config, now);
    // Numbers that are near those that count.
    let mut sent = config.first_sn;
    let mut room = vec![0; 1 << 16];
    for _ in 0..rng.usize(..120) {
        let mut packet = match rng.u8(..4) {
            0 => corpus[rng.usize(..corpus.len())].clone(),
            _ => near(rng, config.first_sn, sent),
        };
        if rng.u8(..4) == 0 {
            mutate(rng, &mut packet, corpus, 3_000);
        }
        inputs.push(packet.clone());
        let _ = kcp.input(now, &packet);
        let _ = kcp.send(&room[..rng.usize(..5_000)]);
        if rng.bool() {
            let most = rng.usize(..room.len());
            let _ = kcp.recv(&mut room[..most]);
        }
        while kcp.poll().is_some() {}
        sent = sent.wrapping_add(transmit(&mut kcp, &config, now));
        let due = kcp.poll_timeout();
        assert!(due.is_none_or(|due| due > now), "due again after all has left");
        now = due.filter(|_| rng.u8(..4) == 0).unwrap_or(now) + Duration::from_micros(number(rng) % 60_000);
        // What the windows hold both ways, and the fragments of the message that waits.
        let most = usize::from(WINDOW) + 2 * usize::from(config.send_window) + 255;
        assert!(kcp.stats().buffers <= most, "{} buffers", kcp.stats().buffers);
    }
}

/// Sends all that may leave; returns how many segments left for the first time.
fn transmit(kcp: &mut Kcp, config: &Config, now: Instant) -> u32 {
    let before = kcp.stats();
    let mut packet = Vec::new();
    for count in 0.. {
        packet.clear();
        if !kcp.poll_transmit(now, &mut packet) {
            break;
        }
        assert!(packet.len() <= config.mtu && count < MOST_AT_ONCE, "answers without end");
        parse(&packet);
    }
    let after = kcp.stats();
    let again = (after.early - before.early) + (after.late - before.late);
    (after.sent - before.sent - again) as u32
}

/// Segments that could be true: of the window, of what was sent.
fn near(rng: &mut Rng, first: u32, sent: u32) -> Vec<u8> {
    const COMMANDS: [Command; 6] =
        [Command::Push, Command::Push, Command::Ack, Command::Ack, Command::Ask, Command::Tell];
    let mut packet = Vec::new();
    for _ in 0..rng.usize(1..6) {
        let command = COMMANDS[rng.usize(..COMMANDS.len())];
        let una = first.wrapping_add(rng.u32(..=sent.wrapping_sub(first).min(1_000)));
        let sn = match command {
            Command::Ack => una.wrapping_add(rng.u32(..4)),
            _ => first.wrapping_add(rng.u32(..80)),
        };
        let window = if rng.u8(..4) == 0 { rng.u16(..3) } else { rng.u16(..) };
        let ts = number(rng) as u32;
        let fragment = if rng.u8(..4) == 0 { rng.u8(..) } else { rng.u8(..3) };
        let header = Header { conversation: CONVERSATION, command, fragment, window, ts, sn, una };
        let len = if command == Command::Push { rng.usize(..1_500) >> rng.u8(..11) } else { 0 };
        header.write(&vec![5; len], &mut packet);
    }
    packet
}
