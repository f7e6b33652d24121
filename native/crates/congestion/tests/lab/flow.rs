//! One sender: what is in flight, what is held for lost, when the next packet leaves.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use petrel_congestion::Controller;

use super::PACKET;

/// A controller as the lab drives it.
pub trait Sender {
    fn acked(&mut self, now: Instant, sent: Instant);
    fn lost(&mut self, now: Instant, sent: Instant);
    fn acks_end(&mut self, now: Instant, in_flight: u64);
    fn silence(&mut self);
    fn window(&self) -> u64;
    fn pace(&self) -> Option<u64>;
}

impl Sender for Controller {
    fn acked(&mut self, now: Instant, sent: Instant) {
        self.on_ack(now, sent, PACKET as u64, false);
    }

    fn lost(&mut self, _now: Instant, sent: Instant) {
        self.on_lost(sent, PACKET as u64);
    }

    fn acks_end(&mut self, now: Instant, in_flight: u64) {
        self.on_acks_end(now, in_flight);
    }

    fn silence(&mut self) {
        self.on_silence();
    }

    fn window(&self) -> u64 {
        self.window()
    }

    fn pace(&self) -> Option<u64> {
        self.pacing_rate()
    }
}

struct Sent {
    number: u64,
    at: Instant,
    is_over: bool,
}

pub struct Flow {
    pub sender: Box<dyn Sender>,
    sent: VecDeque<Sent>,
    next: u64,
    in_flight: u64,
    largest: Option<u64>,
    tokens: f64,
    filled: Instant,
    srtt: Duration,
    last_ack: Instant,
    probes: u32,
    timeouts: u32,
    pub arrived: u64,
    /// Later packets that must have come before one is held for lost.
    pub threshold: u64,
    pub stopped: bool,
}

/// How much time's worth leaves at once.
const BURST: f64 = 0.001;

impl Flow {
    pub fn new(sender: Box<dyn Sender>, now: Instant) -> Self {
        Self {
            sender,
            sent: VecDeque::new(),
            next: 0,
            in_flight: 0,
            largest: None,
            tokens: 0.0,
            filled: now,
            srtt: Duration::from_secs(1),
            last_ack: now,
            probes: 0,
            timeouts: 0,
            arrived: 0,
            threshold: 3,
            stopped: false,
        }
    }

    fn burst(&self, pace: u64) -> f64 {
        (pace as f64 * BURST).max(2.0 * PACKET as f64)
    }

    pub fn send(&mut self, now: Instant) -> Option<u64> {
        if self.stopped {
            return None;
        }
        if self.probes > 0 {
            self.probes -= 1;
        } else {
            if self.in_flight + PACKET as u64 > self.sender.window() {
                return None;
            }
            if let Some(pace) = self.sender.pace() {
                let most = self.burst(pace);
                let gained = (now - self.filled).as_secs_f64() * pace as f64;
                self.tokens = (self.tokens + gained).min(most);
                self.filled = now;
                if self.tokens <= 0.0 {
                    return None;
                }
                self.tokens -= PACKET as f64;
            }
        }
        if self.in_flight == 0 {
            self.last_ack = now;
        }
        self.in_flight += PACKET as u64;
        self.sent.push_back(Sent { number: self.next, at: now, is_over: false });
        self.next += 1;
        Some(self.next - 1)
    }

    /// When it wants to be asked again.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let timeout = (self.in_flight > 0).then(|| self.last_ack + self.patience());
        let has_room = self.in_flight + PACKET as u64 <= self.sender.window();
        let pace = self.sender.pace().filter(|_| has_room && !self.stopped);
        let paced = pace.map(|pace| {
            let missing = (self.burst(pace) / 2.0 - self.tokens).max(1.0);
            (self.filled + Duration::from_secs_f64(missing / pace as f64)).max(now + Duration::from_nanos(1))
        });
        timeout.into_iter().chain(paced).min()
    }

    fn patience(&self) -> Duration {
        (self.srtt * 2).max(Duration::from_millis(50)) * 2u32.pow(self.timeouts.min(2))
    }

    pub fn acknowledged(&mut self, now: Instant, number: u64) {
        let Some(first) = self.sent.front().map(|sent| sent.number) else { return };
        let Some(sent) = number.checked_sub(first).and_then(|index| self.sent.get_mut(index as usize)) else { return };
        if !std::mem::replace(&mut sent.is_over, true) {
            self.in_flight -= PACKET as u64;
        }
        let at = sent.at;
        self.srtt = (self.srtt * 7 + (now - at)) / 8;
        if self.largest.is_none() {
            self.srtt = now - at;
        }
        self.last_ack = now;
        self.timeouts = 0;
        self.largest = self.largest.max(Some(number));
        self.sender.acked(now, at);
        self.find_lost(now);
        self.sender.acks_end(now, self.in_flight);
    }

    fn find_lost(&mut self, now: Instant) {
        let Some(largest) = self.largest else { return };
        let patience = self.srtt * 9 / 8;
        while let Some(sent) = self.sent.front() {
            if sent.is_over {
                self.sent.pop_front();
                continue;
            }
            if sent.number + self.threshold > largest && (sent.at + patience > now || sent.number > largest) {
                return;
            }
            let at = sent.at;
            self.in_flight -= PACKET as u64;
            self.sent.pop_front();
            self.sender.lost(now, at);
        }
    }

    pub fn timeout(&mut self, now: Instant) {
        if self.in_flight > 0 && now >= self.last_ack + self.patience() {
            self.last_ack = now;
            self.probes = 2;
            self.timeouts += 1;
            if self.timeouts == 3 {
                self.sender.silence();
            }
        }
    }
}

/// Said to have nothing to send now and then, from a moment on: as when the sender is a turn late with each buffer.
pub struct Late(pub Controller, pub Instant);

impl Sender for Late {
    fn acked(&mut self, now: Instant, sent: Instant) {
        self.0.on_ack(now, sent, PACKET as u64, now >= self.1);
    }

    fn lost(&mut self, now: Instant, sent: Instant) {
        self.0.lost(now, sent);
    }

    fn acks_end(&mut self, now: Instant, in_flight: u64) {
        self.0.acks_end(now, in_flight);
    }

    fn silence(&mut self) {
        self.0.silence();
    }

    fn window(&self) -> u64 {
        self.0.window()
    }

    fn pace(&self) -> Option<u64> {
        self.0.pace()
    }
}

/// Sends so many bytes a second whatever happens to them.
pub struct Blind(pub u64);

impl Sender for Blind {
    fn acked(&mut self, _now: Instant, _sent: Instant) {}

    fn lost(&mut self, _now: Instant, _sent: Instant) {}

    fn acks_end(&mut self, _now: Instant, _in_flight: u64) {}

    fn silence(&mut self) {}

    fn window(&self) -> u64 {
        u64::MAX / 2
    }

    fn pace(&self) -> Option<u64> {
        Some(self.0)
    }
}
