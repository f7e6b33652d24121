//! What was sent, acknowledged and lost. A packet is lost when some later ones were acknowledged (KCP's fast resend) or a
//! little more than a round trip after one was; its contents are sent again in new packets, so an acknowledgement always
//! tells which sending it means. Timeouts only probe: they declare nothing lost.

use std::time::{Duration, Instant};

use petrel_kcp_proto::early::Early;
use petrel_link::{Lost, Signal, probe_interval};

use crate::connection::{Connection, Life, overtaken_by};
use crate::frame::Ack;
use crate::packet::Level;
use crate::send_stream::Segment;
use crate::sent::{Fate, Item, Sent};
use crate::transmit::CHALLENGE;

/// On paths that reorder, so many later acknowledgements are asked for at most.
const MAX_EARLY: usize = 128;
/// Eighths of a round trip that a packet may take longer on paths with jitter.
const MAX_SLACK: u32 = 8;
/// Between two timeouts of a row, at most, until the path's round trip is known.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Quiet after which a dialler asks whether it is heard.
const SILENCE: Duration = Duration::from_millis(250);
/// Timeouts in a row after which the rate is not believed any more.
const COLLAPSE: u32 = 3;

impl Connection {
    /// Takes an ACK frame of `level`. False: it is a lie.
    pub(crate) fn acknowledged(&mut self, now: Instant, level: Level, ack: &Ack) -> bool {
        let before = self.sent.largest_acked();
        let mut items = std::mem::take(&mut self.scratch);
        let mut newest = None;
        let mut any = false;
        for range in &ack.ranges {
            let (control, early, mtu, keys) = (&mut self.control, &mut self.early, &mut self.mtu, &mut self.keys);
            let (early_after, slack) = (&mut self.early_after, &mut self.slack);
            let is_true = self.sent.acknowledge(level, range.clone(), |sent, before| {
                let counter = sent.counter;
                any = true;
                if newest.is_none_or(|(known, _)| counter > known) {
                    newest = Some((counter, sent.at));
                }
                if level == Level::Data {
                    keys.acknowledged(counter);
                }
                let bytes = usize::from(sent.bytes);
                let is_probe = sent.contents.is_probe();
                mtu.acknowledged(counter, bytes, is_probe);
                control.on_ack(now, sent.at, bytes as u64, sent.app_limited);
                // It was only late: ask for more before the next is given up.
                match before {
                    Fate::Overtaken if !is_probe => {
                        *early_after = (*early_after * 2).min(MAX_EARLY);
                        *early = Early::new(overtaken_by(*early_after));
                    }
                    Fate::Overdue if !is_probe => *slack = (*slack * 2).min(MAX_SLACK),
                    _ => {}
                }
                early.acknowledged(counter);
                items.extend(sent.contents.take().map(|item| (level, item)));
            });
            if !is_true {
                return false;
            }
        }
        if !any {
            self.scratch = items;
            return true;
        }
        self.control.set_packet(self.mtu.current() as u64);
        for (level, item) in items.drain(..) {
            self.arrived(level, item);
        }
        self.scratch = items;
        if let Some((counter, at)) = newest
            && before.is_none_or(|largest| counter > largest)
        {
            let delay = Duration::from_micros(ack.delay_us);
            let rtt = now.saturating_duration_since(at);
            self.min_rtt = self.min_rtt.min(rtt);
            // A delay that makes the path shorter than it ever was is not to be believed (RFC 9002 §5.3).
            self.latest_rtt = rtt.checked_sub(delay).filter(|rtt| *rtt >= self.min_rtt).unwrap_or(rtt);
            self.rto.sample(self.latest_rtt);
        }
        self.timeouts = 0;
        self.probes = 0;
        self.unanswered = None;
        self.find_lost(now);
        self.control.on_acks_end(now, self.sent.in_flight());
        self.wake_writers();
        true
    }

    /// The peer has this.
    fn arrived(&mut self, level: Level, item: Item) {
        match item {
            Item::Segment { stream: number, range, fin } => {
                let Some(stream) = self.streams.stream(number).filter(|stream| !stream.sent) else { return };
                self.buffered -= stream.send.acknowledge(&Segment { range, fin });
                if stream.has_drained() {
                    self.signals.push_back(Signal::Writable(number));
                }
                if stream.send.is_done() {
                    stream.sent = true;
                    self.streams.tidy(number);
                }
            }
            Item::Crypto(range) => {
                self.handshake.out(level).acknowledge(&Segment { range, fin: false });
            }
            Item::Ack(newest) => self.received[level as usize].told(newest),
            _ => {}
        }
    }

    /// The packet that carried this was lost.
    fn missing(&mut self, level: Level, item: Item) {
        match item {
            Item::Segment { stream: number, range, fin } => {
                let Some(stream) = self.streams.stream(number).filter(|stream| !stream.sent) else { return };
                if stream.send.lose(&Segment { range, fin }) {
                    self.streams.queue(number);
                }
            }
            Item::Crypto(range) => {
                self.handshake.out(level).lose(&Segment { range, fin: false });
            }
            Item::Limit(entry) => {
                self.limits.entry(entry.stream).or_insert(entry);
            }
            Item::Ack(_) | Item::Probe => {}
            Item::Reset { .. } | Item::Stop { .. } | Item::Streams | Item::Done => self.items.push_back(item),
        }
    }

    fn find_lost(&mut self, now: Instant) {
        self.loss_at = None;
        let Some(largest) = self.sent.largest_acked() else { return };
        let below = self.early.lost_below();
        // RFC 9002 §6.1.2.
        let patience = self.rto.srtt().unwrap_or(self.latest_rtt).max(self.latest_rtt).max(Duration::from_millis(1));
        let patience = patience + patience * self.slack / 8;
        let loss_at = &mut self.loss_at;
        let verdict = |sent: &Sent| {
            if sent.counter >= largest {
                return None;
            }
            if sent.counter < below {
                return Some(Fate::Overtaken);
            }
            if sent.at + patience <= now {
                return Some(Fate::Overdue);
            }
            *loss_at = Some(sent.at + patience);
            None
        };
        let mut items = std::mem::take(&mut self.scratch);
        let (mtu, control, stats) = (&mut self.mtu, &mut self.control, &mut self.stats);
        self.sent.lose(verdict, |sent| {
            let is_probe = sent.contents.is_probe();
            if mtu.lost(now, sent.counter, sent.bytes.into(), is_probe) {
                control.set_packet(mtu.current() as u64);
            }
            stats.lost_packets += u64::from(!is_probe);
            // What is too large for the path says nothing of its load.
            if !is_probe {
                control.on_lost(sent.at, sent.bytes.into());
            }
            let level = sent.level;
            items.extend(sent.contents.items().cloned().map(|item| (level, item)));
        });
        for (level, item) in items.drain(..) {
            self.missing(level, item);
        }
        self.scratch = items;
    }

    /// Sends everything of a level again.
    pub(crate) fn resend_level(&mut self, level: Level) {
        let mut items = Vec::new();
        let verdict = |sent: &Sent| Some(if sent.level == level { Fate::Overdue } else { Fate::Flying });
        self.sent.lose(verdict, |sent| items.extend(sent.contents.take()));
        for item in items {
            self.missing(level, item);
        }
    }

    fn wake_writers(&mut self) {
        if self.send_room() >= 64 * 1024 {
            self.signals.extend(self.streams.take_waiting().map(Signal::Writable));
        }
    }

    // ---- time ----

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.life {
            Life::Over => None,
            Life::Closing(until) | Life::Draining(until) => Some(until),
            Life::Open => {
                let ping = (self.is_connected).then(|| self.ping_at());
                let moves = [self.path.ask_at(CHALLENGE), self.path.move_at()];
                let all = [self.loss_at, self.timeout_at(), self.pace_at, Some(self.idle_at()), ping, self.silent_at];
                all.into_iter().chain(moves).flatten().min()
            }
        }
    }

    fn idle_at(&self) -> Instant {
        let theirs = self.peer_parameters.as_ref().map_or(u64::MAX, |p| p.idle_ms);
        // A peer that speaks and acknowledges nothing has not heard us for as long: it would have to be gone. Not by
        // timeouts: it could make us send so often, or move so often, that there are none.
        let unanswered = self.unanswered.filter(|_| self.sent.in_flight() > 0);
        let heard = unanswered.map_or(self.last_received, |since| since.min(self.last_received));
        heard + self.own_limits.idle.min(Duration::from_millis(theirs.clamp(1_000, 1 << 40)))
    }

    fn ping_at(&self) -> Instant {
        self.last_received.max(self.last_ping) + self.own_limits.keep_alive
    }

    /// When what is in flight is asked for again. A dialler also moves when its listener may not send yet (RFC 9002
    /// §6.2.2.1).
    fn timeout_at(&self) -> Option<Instant> {
        let is_waiting = self.sent.in_flight() > 0 || (self.is_dialer && !self.is_confirmed);
        let most = self.rto.srtt().map_or(MAX_WAIT, probe_interval).max(self.rto.current());
        let wait = self.rto.backed_off(self.timeouts).min(most);
        is_waiting.then(|| self.last_eliciting + wait)
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) {
        match self.life {
            Life::Over => return,
            Life::Closing(until) | Life::Draining(until) => {
                if until <= now {
                    self.life = Life::Over;
                }
                return;
            }
            Life::Open => {}
        }
        if self.idle_at() <= now {
            self.signals.push_back(Signal::Lost(Lost::Idle));
            self.life = Life::Over;
            return;
        }
        if self.pace_at.is_some_and(|at| at <= now) {
            self.pace_at = None;
        }
        if self.loss_at.is_some_and(|at| at <= now) {
            self.find_lost(now);
            self.control.on_acks_end(now, self.sent.in_flight());
        }
        if self.timeout_at().is_some_and(|at| at <= now) {
            self.timed_out(now);
        }
        if self.path.moves(now) {
            self.peer_moved();
        }
        if self.silent_at.is_some_and(|at| at <= now) {
            self.silent_at = None;
            self.wants_ping |= self.sent.in_flight() == 0;
        }
        if self.is_connected && self.ping_at() <= now {
            self.last_ping = now;
            self.wants_ping = true;
        }
    }

    /// The peer was heard. A dialler behind a NAT that has forgotten it hears nothing more, and has nothing to send by
    /// which the listener would learn its new address: so it asks once when what came has ended.
    pub(crate) fn heard(&mut self, now: Instant, level: Level, is_eliciting: bool) {
        if self.is_dialer && level == Level::Data && is_eliciting {
            self.silent_at = Some(now + self.rto.current().max(SILENCE));
        }
    }

    /// Nothing was heard of what is in flight.
    fn timed_out(&mut self, now: Instant) {
        self.timeouts += 1;
        if self.timeouts == COLLAPSE {
            self.control.on_silence();
        }
        // The wait for the next timeout begins now, also if nothing can leave.
        self.last_eliciting = now;
        self.probe();
    }

    /// The peer is at another address, from where it has not heard what went to the old one.
    pub(crate) fn peer_moved(&mut self) {
        self.mtu.new_path();
        self.control.set_packet(self.mtu.current() as u64);
        self.timeouts = 0;
        self.probe();
    }

    /// Two packets leave whatever the window says, with the oldest of what is in flight.
    pub(crate) fn probe(&mut self) {
        self.probes = 2;
        self.wants_ping = true;
        let mut items = Vec::new();
        for sent in self.sent.oldest_flying().take(2) {
            let level = sent.level;
            items.extend(sent.contents.again().map(|item| (level, item)));
        }
        for (level, item) in items {
            self.missing(level, item);
        }
    }
}
