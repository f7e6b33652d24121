//! Bytes that no honest peer sends. Nothing panics, nothing grows beyond the windows, and what is not KCP at all disturbs
//! nobody. (Who can forge whole segments can forge data: bare KCP does not know its peer. Sealing is the link's work.)

mod network;

use network::{Network, ms};
use petrel_kcp_proto::early::EarlyConfig;
use petrel_kcp_proto::{Command, Config, HEADER_BYTES, Header, Kcp, Mode};

const CONVERSATION: u32 = 7;
const WINDOW: u16 = 32;

fn config(seed: u64) -> Config {
    let mode = if seed.is_multiple_of(2) { Mode::Stream } else { Mode::Message };
    let early = EarlyConfig { after: (seed % 4) as usize, limit: 3 };
    let congestion = seed.is_multiple_of(3);
    let start = u32::MAX - 20;
    Config { mode, early, congestion, first_sn: start, first_ts: start, receive_window: WINDOW, ..Config::FAST }
}

/// A packet of the right shape whose every field is a likely lie.
fn lie(rng: &mut fastrand::Rng, config: &Config) -> Vec<u8> {
    let commands = [Command::Push, Command::Push, Command::Ack, Command::Ask, Command::Tell];
    let near = |rng: &mut fastrand::Rng, of: u32| match rng.u8(0..4) {
        0 => rng.u32(..),
        1 => of.wrapping_add(1 << 31).wrapping_add(rng.u32(0..3)),
        _ => of.wrapping_add(rng.u32(0..100)).wrapping_sub(20),
    };
    let mut packet = Vec::new();
    for _ in 0..rng.usize(1..5) {
        let header = Header {
            conversation: CONVERSATION,
            command: commands[rng.usize(0..commands.len())],
            fragment: if rng.bool() { rng.u8(0..3) } else { rng.u8(..) },
            window: if rng.bool() { rng.u16(0..3) } else { rng.u16(..) },
            ts: near(rng, config.first_ts),
            sn: near(rng, config.first_sn),
            una: if rng.bool() { config.first_sn } else { near(rng, config.first_sn) },
        };
        header.write(&vec![rng.u8(..); rng.usize(0..2_000)], &mut packet);
    }
    packet
}

/// Changes, cuts or lengthens a packet.
fn mutate(rng: &mut fastrand::Rng, packet: &mut Vec<u8>) {
    for _ in 0..rng.usize(1..4) {
        match rng.u8(0..4) {
            0 => packet.truncate(rng.usize(0..=packet.len())),
            1 => packet.extend((0..rng.usize(0..40)).map(|_| rng.u8(..))),
            _ if packet.is_empty() => {}
            2 => {
                let at = rng.usize(0..packet.len().min(2 * HEADER_BYTES));
                packet[at] = rng.u8(..);
            }
            _ => {
                let at = rng.usize(0..packet.len());
                packet[at] ^= 1 << rng.u8(0..8);
            }
        }
    }
}

#[test]
fn lies_and_mutations_never_panic_and_never_grow_anything() {
    for seed in 0..200 {
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let config = config(seed);
        let mut now = std::time::Instant::now();
        let mut kcp = Kcp::new(CONVERSATION, config, now);
        let mut recorded: Vec<Vec<u8>> = Vec::new();
        let mut room = vec![0; 1 << 16];
        for _ in 0..400 {
            let mut packet = match (rng.u8(0..3), recorded.len()) {
                (0, _) => (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect(),
                (1, known @ 1..) => recorded[rng.usize(0..known)].clone(),
                _ => lie(&mut rng, &config),
            };
            if rng.bool() {
                mutate(&mut rng, &mut packet);
            }
            let _ = kcp.input(now, &packet);
            let _ = kcp.send(&room[..rng.usize(0..5_000)]);
            if rng.u8(0..4) == 0 {
                let most = rng.usize(0..room.len());
                let _ = kcp.recv(&mut room[..most]);
            }
            let mut answers = 0;
            let mut packet = Vec::new();
            while kcp.poll_transmit(now, &mut packet) {
                assert!(packet.len() <= config.mtu, "seed {seed}");
                answers += 1;
                assert!(answers < 500, "seed {seed}: answers without end");
                if recorded.len() < 50 {
                    recorded.push(packet.clone());
                }
                packet.clear();
            }
            while kcp.poll().is_some() {}
            if let Some(due) = kcp.poll_timeout() {
                assert!(due > now, "seed {seed}: due again after all has left");
                if rng.bool() {
                    now = due;
                }
            }
            now += ms(rng.u64(0..50));
            let most = usize::from(WINDOW) + 2 * usize::from(config.send_window) + 255;
            assert!(kcp.stats().buffers <= most, "seed {seed}: {} buffers", kcp.stats().buffers);
        }
    }
}

#[test]
fn what_is_not_of_the_conversation_disturbs_nobody() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut network = Network::new(seed, Config { mode: Mode::Stream, congestion: false, ..config(seed) });
        let mut rng = fastrand::Rng::with_seed(seed);
        let sent: Vec<u8> = (0..40_000).map(|_| rng.u8(..)).collect();
        let mut taken = 0;
        let mut got = vec![0; sent.len()];
        let mut bytes = 0;
        while bytes < sent.len() {
            taken += network.ends[0].send(&sent[taken..]).unwrap();
            for end in &mut network.ends {
                let mut packet: Vec<u8> = (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect();
                if rng.bool() {
                    packet = lie(&mut rng, &config(seed));
                    packet[rng.usize(0..4)] ^= rng.u8(1..);
                }
                assert!(end.input(network.now, &packet).is_err());
            }
            bytes += network.ends[1].recv(&mut got[bytes..]).unwrap().unwrap_or(0);
            assert!(bytes == sent.len() || network.step());
        }
        assert!(got == sent, "seed {seed}");
    }
}
