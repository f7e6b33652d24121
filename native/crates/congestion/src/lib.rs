//! Congestion control by delivery rate, after BBR (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM
//! Queue 2016): sends at the largest rate that was delivered lately, and keeps about twice the path's capacity in
//! flight. A lost packet alone slows nothing down, because on the links that petrel is for most losses say nothing about
//! load. Left out: the probing for the minimal RTT, which ten seconds of memory replace. QUIC and KCP use the one type as
//! it is: a trait between them comes with a second controller. Pure; the caller owns the clock.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// 2/ln 2 doubles the rate each round; a little less is enough and queues less.
const STARTUP_GAIN: f64 = 2.77;
/// One round in eight asks for more, the next pays the queue back. 1.3 finds room even when a fifth is lost.
const CYCLE: [f64; 8] = [1.3, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
const CWND_GAIN: f64 = 2.0;
/// Room for acknowledgements that come in clumps: what is delivered in this time, and less than a receiver's socket
/// holds, which is what overflows on paths without delay.
const CLUMP: Duration = Duration::from_millis(5);
const CLUMP_BYTES: f64 = 1024.0 * 1024.0;
const MARK_EVERY: Duration = Duration::from_millis(1);
/// Rounds that the rate's maximum, and time that the RTT's minimum is remembered.
const RATE_ROUNDS: u64 = 10;
const RTT_MEMORY: Duration = Duration::from_secs(10);
/// The start-up is over when the rate grew by less than a quarter for three rounds.
const FULL_GROWTH: f64 = 1.25;
const FULL_ROUNDS: u32 = 3;
/// A UDP send with segmentation takes 65,507 bytes at most.
const MAX_QUANTUM: u64 = 60_000;
/// Packets: first window, and the least.
const INITIAL_PACKETS: u64 = 32;
const MIN_PACKETS: u64 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Startup,
    /// Pays back the queue that the start-up built.
    Drain,
    Probe(usize),
}

/// What was known at one moment. Marks are a millisecond or more apart.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    delivered: u64,
    newest_sent: Instant,
}

/// One path's controller. Bytes are bytes of packets.
#[derive(Debug, Clone)]
pub struct DeliveryRate {
    packet: u64,
    phase: Phase,
    delivered: u64,
    history: VecDeque<Mark>,
    /// When the newest packet that was acknowledged had left.
    newest_sent: Option<Instant>,
    /// The best rate of each of the last rounds, bytes a second.
    rates: VecDeque<(u64, f64)>,
    round: u64,
    round_start: Option<Instant>,
    min_rtt: Option<(Duration, Instant)>,
    full_rate: f64,
    full_rounds: u32,
    in_flight: u64,
    is_collapsed: bool,
}

impl DeliveryRate {
    /// packet: largest packet of the path, bytes.
    pub fn new(packet: u64) -> Self {
        Self {
            packet,
            phase: Phase::Startup,
            delivered: 0,
            history: VecDeque::new(),
            newest_sent: None,
            rates: VecDeque::new(),
            round: 0,
            round_start: None,
            min_rtt: None,
            full_rate: 0.0,
            full_rounds: 0,
            in_flight: 0,
            is_collapsed: false,
        }
    }

    pub fn set_packet(&mut self, bytes: u64) {
        self.packet = bytes;
    }

    /// One packet, sent at `sent`, was acknowledged. app_limited: there was nothing to send meanwhile, so the rate says
    /// little about the path.
    pub fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: Duration) {
        self.delivered += bytes;
        self.is_collapsed = false;
        if self.min_rtt.is_none_or(|(min, at)| rtt <= min || now.saturating_duration_since(at) > RTT_MEMORY) {
            self.min_rtt = Some((rtt, now));
        }
        // What had been delivered when this packet left.
        let index = self.history.partition_point(|mark| mark.at <= sent);
        let mark = match index.checked_sub(1).and_then(|i| self.history.get(i)) {
            Some(mark) => *mark,
            None => Mark { at: sent, delivered: 0, newest_sent: sent },
        };
        let min_rtt = self.min_rtt.map_or(rtt, |(min, _)| min);
        // No faster than it was sent, however clumped the acknowledgements come.
        let sending = sent.saturating_duration_since(mark.newest_sent);
        let span = now.saturating_duration_since(mark.at).max(sending).max(min_rtt);
        let rate = (self.delivered - mark.delivered) as f64 / span.as_secs_f64().max(1e-6);
        self.newest_sent = self.newest_sent.max(Some(sent));
        if !app_limited || rate > self.rate() {
            self.sample(rate);
        }
        if self.round_start.is_none_or(|start| sent >= start) {
            self.round_start = Some(now);
            self.next_round(app_limited);
        }
    }

    /// The acknowledgements that came together are through; `in_flight` bytes are still out.
    pub fn on_acks_end(&mut self, now: Instant, in_flight: u64) {
        self.in_flight = in_flight;
        if let Some(newest_sent) = self.newest_sent
            && self.history.back().is_none_or(|mark| now.saturating_duration_since(mark.at) >= MARK_EVERY)
        {
            self.history.push_back(Mark { at: now, delivered: self.delivered, newest_sent });
        }
        // A packet that was out for longer than this tells nothing of now.
        while self.history.len() > 4096 {
            self.history.pop_front();
        }
        if self.phase == Phase::Drain && self.in_flight as f64 <= self.capacity() {
            self.phase = Phase::Probe(2);
        }
    }

    /// Nothing came through for several probe timeouts: begin gently, at what is still believed.
    pub fn on_collapse(&mut self) {
        self.is_collapsed = true;
    }

    /// Bytes that may be in flight.
    pub fn window(&self) -> u64 {
        let least = MIN_PACKETS * self.packet;
        if self.is_collapsed {
            return least;
        }
        if self.rates.is_empty() {
            return self.initial_window();
        }
        let gain = if self.phase == Phase::Startup { STARTUP_GAIN } else { CWND_GAIN };
        let window = gain * self.capacity() + (self.rate() * CLUMP.as_secs_f64()).min(CLUMP_BYTES);
        (window as u64).max(if self.phase == Phase::Startup { self.initial_window() } else { least })
    }

    /// Bytes a second; None before anything was measured.
    pub fn pacing_rate(&self) -> Option<u64> {
        let (rtt, _) = self.min_rtt?;
        let floor = self.initial_window() as f64 / rtt.as_secs_f64().max(1e-4);
        let (gain, rate) = match self.phase {
            Phase::Startup => (STARTUP_GAIN, self.rate().max(floor / STARTUP_GAIN)),
            Phase::Drain => (1.0 / STARTUP_GAIN, self.rate()),
            Phase::Probe(at) => (CYCLE[at], self.rate()),
        };
        Some((gain * rate).max(self.packet as f64) as u64)
    }

    /// Bytes that leave back to back: a millisecond's worth, and no more than one call of the system takes.
    pub fn quantum(&self) -> u64 {
        let most = MAX_QUANTUM.max(self.packet);
        self.pacing_rate().map_or(most, |rate| (rate / 1_000).clamp((2 * self.packet).min(most), most))
    }

    /// What the path delivers, bytes a second.
    pub fn rate(&self) -> f64 {
        self.rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max)
    }

    pub fn initial_window(&self) -> u64 {
        INITIAL_PACKETS * self.packet.min(1_500)
    }

    /// Bytes that the path holds without a queue.
    fn capacity(&self) -> f64 {
        self.min_rtt.map_or(0.0, |(rtt, _)| self.rate() * rtt.as_secs_f64())
    }

    fn sample(&mut self, rate: f64) {
        match self.rates.back_mut() {
            Some((round, best)) if *round == self.round => *best = best.max(rate),
            _ => self.rates.push_back((self.round, rate)),
        }
    }

    fn next_round(&mut self, app_limited: bool) {
        self.round += 1;
        while self.rates.len() > 1 && self.rates.front().is_some_and(|(round, _)| round + RATE_ROUNDS < self.round) {
            self.rates.pop_front();
        }
        match self.phase {
            Phase::Startup if app_limited => {}
            Phase::Startup => {
                if self.rate() >= self.full_rate * FULL_GROWTH {
                    self.full_rate = self.rate();
                    self.full_rounds = 0;
                } else {
                    self.full_rounds += 1;
                    if self.full_rounds >= FULL_ROUNDS {
                        self.phase = Phase::Drain;
                    }
                }
            }
            Phase::Drain => {}
            Phase::Probe(at) => self.phase = Phase::Probe((at + 1) % CYCLE.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path with a bottleneck, a queue and random loss; virtual time. Returns delivered bytes a second in the second
    /// half of `seconds`, and the largest queue in it as a time.
    fn run(rate: f64, rtt: Duration, loss: f64, seconds: f64) -> (f64, Duration) {
        const PACKET: u64 = 1_400;
        let start = Instant::now();
        let mut rng = fastrand::Rng::with_seed(1);
        let mut control = DeliveryRate::new(PACKET);
        let mut arrivals: VecDeque<(f64, f64, bool)> = VecDeque::new();
        let (mut now, mut next_send, mut link_free) = (0.0f64, 0.0f64, 0.0f64);
        let (mut in_flight, mut delivered, mut worst) = (0u64, 0u64, 0.0f64);
        while now < seconds {
            let ack = arrivals.front().map_or(f64::INFINITY, |a| a.0);
            let can_send = in_flight + PACKET <= control.window();
            if can_send && next_send.max(now) <= ack {
                now = next_send.max(now);
                link_free = link_free.max(now) + PACKET as f64 / rate;
                if now > seconds / 2.0 {
                    worst = worst.max(link_free - now);
                }
                arrivals.push_back((link_free + rtt.as_secs_f64(), now, rng.f64() >= loss));
                in_flight += PACKET;
                let pace = control.pacing_rate().unwrap_or(u64::MAX) as f64;
                next_send = now + PACKET as f64 / pace;
                continue;
            }
            let Some((at, sent, arrived)) = arrivals.pop_front() else { break };
            now = now.max(at);
            in_flight -= PACKET;
            if arrived {
                delivered += if now > seconds / 2.0 { PACKET } else { 0 };
                let (now, sent) = (start + Duration::from_secs_f64(now), start + Duration::from_secs_f64(sent));
                control.on_ack(now, sent, PACKET, false, now - sent);
            }
            control.on_acks_end(start + Duration::from_secs_f64(now), in_flight);
        }
        (delivered as f64 / (seconds / 2.0), Duration::from_secs_f64(worst))
    }

    #[test]
    fn a_clean_path_is_filled_without_a_long_queue() {
        let (rate, queue) = run(2_500_000.0, Duration::from_millis(80), 0.0, 20.0);
        assert!(rate > 0.9 * 2_500_000.0, "{rate}");
        assert!(queue < Duration::from_millis(80), "{queue:?}");
    }

    #[test]
    fn a_fifth_of_all_packets_lost_leaves_most_of_the_rate() {
        let (rate, _) = run(2_500_000.0, Duration::from_millis(200), 0.2, 40.0);
        assert!(rate > 0.6 * 2_500_000.0, "{rate}");
    }

    #[test]
    fn a_slow_path_is_not_flooded() {
        let (rate, queue) = run(30_000.0, Duration::from_millis(100), 0.01, 60.0);
        assert!(rate > 0.85 * 30_000.0, "{rate}");
        assert!(queue < Duration::from_millis(700), "{queue:?}");
    }
}
