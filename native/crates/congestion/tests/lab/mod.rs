//! Flows over one bottleneck in virtual time: senders that have always something to send, a queue, loss, and
//! acknowledgements of each packet. Each test uses a part of it.
#![allow(dead_code)]

pub mod cubic;
pub mod flow;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use petrel_netlab::{Loss, Pipe, Rates, Spec};

pub use flow::{Flow, Sender};

pub const MBIT: f64 = 125_000.0;
/// Bytes of each packet on the wire.
pub const PACKET: usize = 1_400;
static ZEROS: [u8; PACKET] = [0; PACKET];

#[derive(Debug, Clone)]
pub struct Packet {
    flow: usize,
    number: u64,
}

impl AsRef<[u8]> for Packet {
    fn as_ref(&self) -> &[u8] {
        &ZEROS
    }
}

impl AsMut<[u8]> for Packet {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut []
    }
}

/// The bottleneck of a test.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// Bytes a second.
    pub rate: f64,
    pub rtt: Duration,
    /// Times rate times rtt.
    pub queue: f64,
    pub loss: f64,
}

impl Path {
    pub fn new(mbit: f64, rtt_ms: u64, queue: f64, loss: f64) -> Self {
        Self { rate: mbit * MBIT, rtt: Duration::from_millis(rtt_ms), queue, loss }
    }

    pub fn bdp(&self) -> f64 {
        self.rate * self.rtt.as_secs_f64()
    }

    pub fn spec(&self) -> Spec {
        let queue = (self.queue * self.bdp()).max(4.0 * PACKET as f64);
        Spec {
            rate: Rates::fixed(self.rate as u64),
            delay: self.rtt / 2,
            queue: Some(queue as u64),
            loss: if self.loss > 0.0 { Loss::Independent(self.loss) } else { Loss::None },
            ..Spec::default()
        }
    }
}

pub struct Lab {
    pub pipe: Pipe<Packet>,
    pub flows: Vec<Flow>,
    pub start: Instant,
    pub now: Instant,
    back: Duration,
    acks: BinaryHeap<Reverse<(Instant, u64, usize, u64)>>,
    order: u64,
    /// Delay of the queue, looked at each ten milliseconds.
    pub queue: Vec<(Instant, Duration)>,
    /// Nobody at the ends does anything for so long, so often.
    pub stalls: Option<(Duration, Duration)>,
    /// Acknowledgements are looked at so often.
    pub every: Duration,
}

impl Lab {
    pub fn new(path: Path, seed: u64) -> Self {
        Self::with(path.spec(), path.rtt / 2, seed)
    }

    pub fn with(spec: Spec, back: Duration, seed: u64) -> Self {
        let start = Instant::now();
        Self {
            pipe: Pipe::new(spec, start, seed),
            flows: Vec::new(),
            start,
            now: start,
            back,
            acks: BinaryHeap::new(),
            order: 0,
            queue: Vec::new(),
            stalls: None,
            every: Duration::from_micros(1),
        }
    }

    pub fn add(&mut self, sender: Box<dyn Sender>) -> usize {
        self.flows.push(Flow::new(sender, self.now));
        self.flows.len() - 1
    }

    pub fn seconds(&self) -> f64 {
        (self.now - self.start).as_secs_f64()
    }

    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        let mut look = self.now;
        loop {
            let awake = self.awake(self.now) == self.now;
            for index in 0..self.flows.len() {
                while awake && let Some(number) = self.flows[index].send(self.now) {
                    self.pipe.push(self.now, Packet { flow: index, number });
                }
            }
            let timers = self.flows.iter().filter_map(|flow| flow.next(self.now)).map(|at| self.awake(at));
            let acks = self.acks.peek().map(|Reverse((at, ..))| *at);
            let next = timers.chain(self.pipe.next()).chain(acks).chain([look]).min().expect("a time");
            if next > until {
                self.now = until;
                return;
            }
            self.now = self.now.max(next);
            if self.now >= look {
                self.queue.push((self.now, self.pipe.queue_delay(self.now)));
                look += Duration::from_millis(10);
            }
            while let Some((at, packet)) = self.pipe.pop(self.now) {
                self.order += 1;
                self.flows[packet.flow].arrived += PACKET as u64;
                let heard = self.awake(self.looked(self.awake(at) + self.back));
                self.acks.push(Reverse((heard, self.order, packet.flow, packet.number)));
            }
            while self.acks.peek().is_some_and(|Reverse((at, ..))| *at <= self.now) {
                let Some(Reverse((_, _, flow, number))) = self.acks.pop() else { break };
                self.flows[flow].acknowledged(self.now, number);
            }
            for flow in &mut self.flows {
                flow.timeout(self.now);
            }
        }
    }

    /// When what comes `at` is seen.
    fn awake(&self, at: Instant) -> Instant {
        let Some((every, stall)) = self.stalls else { return at };
        let since = Duration::from_nanos(((at - self.start).as_nanos() % every.as_nanos()) as u64);
        if since < stall { at + (stall - since) } else { at }
    }

    fn looked(&self, at: Instant) -> Instant {
        let every = self.every.as_nanos();
        self.start + Duration::from_nanos(((at - self.start).as_nanos().div_ceil(every) * every) as u64)
    }

    /// What arrived of a flow in the next `time`, bytes a second.
    pub fn measure(&mut self, flow: usize, time: Duration) -> f64 {
        let before = self.flows[flow].arrived;
        self.run(time);
        (self.flows[flow].arrived - before) as f64 / time.as_secs_f64()
    }

    /// The queue's delay since `from`: the quantile of it.
    pub fn queue_since(&self, from: Instant, quantile: f64) -> Duration {
        let mut all: Vec<Duration> = self.queue.iter().filter(|(at, _)| *at >= from).map(|(_, delay)| *delay).collect();
        all.sort();
        all[((all.len() - 1) as f64 * quantile) as usize]
    }
}
