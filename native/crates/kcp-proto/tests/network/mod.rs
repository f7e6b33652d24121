//! Two conversations over a path that loses, doubles and reorders, in virtual time.
#![allow(dead_code, reason = "each test file is a crate of its own and uses a part")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use petrel_kcp_proto::{Config, Kcp};

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One direction.
pub struct Path {
    pub delay: Duration,
    /// Up to so much is added to the delay, at random; it reorders.
    pub jitter: Duration,
    pub loss: f64,
    pub duplication: f64,
    pub packets: u64,
    under_way: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
}

impl Path {
    fn new() -> Self {
        let under_way = BinaryHeap::new();
        Self { delay: ms(20), jitter: Duration::ZERO, loss: 0.0, duplication: 0.0, packets: 0, under_way }
    }

    fn carry(&mut self, rng: &mut fastrand::Rng, now: Instant, packet: &[u8]) {
        for _ in 0..1 + usize::from(rng.f64() < self.duplication) {
            self.packets += 1;
            if rng.f64() >= self.loss {
                let at = now + self.delay + self.jitter.mul_f64(rng.f64());
                self.under_way.push(Reverse((at, self.packets, packet.to_vec())));
            }
        }
    }

    fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        let &Reverse((at, ..)) = self.under_way.peek()?;
        if at > now {
            return None;
        }
        self.under_way.pop().map(|Reverse((.., packet))| packet)
    }

    fn next(&self) -> Option<Instant> {
        self.under_way.peek().map(|&Reverse((at, ..))| at)
    }
}

/// `ends[0]` sends on `paths[0]`, `ends[1]` on `paths[1]`.
pub struct Network {
    pub ends: [Kcp; 2],
    pub paths: [Path; 2],
    pub now: Instant,
    pub rng: fastrand::Rng,
    /// Times at which something happened.
    pub steps: u64,
}

impl Network {
    pub fn new(seed: u64, config: Config) -> Self {
        let now = Instant::now();
        Self {
            ends: [Kcp::new(7, config, now), Kcp::new(7, config, now)],
            paths: [Path::new(), Path::new()],
            now,
            rng: fastrand::Rng::with_seed(seed),
            steps: 0,
        }
    }

    /// Lets out what may leave now.
    pub fn flush(&mut self) {
        for (end, path) in self.ends.iter_mut().zip(&mut self.paths) {
            let mut packet = Vec::new();
            while end.poll_transmit(self.now, &mut packet) {
                path.carry(&mut self.rng, self.now, &packet);
                packet.clear();
            }
        }
    }

    /// Goes to the next moment at which something happens, and lets it. False: nothing ever will.
    pub fn step(&mut self) -> bool {
        self.flush();
        let timeouts = self.ends.iter_mut().filter_map(Kcp::poll_timeout);
        let Some(next) = timeouts.chain(self.paths.iter().filter_map(Path::next)).min() else { return false };
        self.now = self.now.max(next);
        self.steps += 1;
        for to in 0..2 {
            while let Some(packet) = self.paths[1 - to].arrived(self.now) {
                self.ends[to].input(self.now, &packet).expect("an honest packet");
            }
        }
        self.flush();
        true
    }

    /// Steps until this moment. What happens later stays to come.
    pub fn run_until(&mut self, moment: Instant) {
        loop {
            self.flush();
            let timeouts = self.ends.iter_mut().filter_map(Kcp::poll_timeout);
            match timeouts.chain(self.paths.iter().filter_map(Path::next)).min() {
                Some(next) if next <= moment => self.step(),
                _ => break,
            };
        }
        self.now = moment;
    }
}
