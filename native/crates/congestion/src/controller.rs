//! The controller of one path: window and pace, moved at the end of each round. Longer than most files: its phases are
//! one machine.

use std::time::{Duration, Instant};

use crate::base::{BaseLoss, Share, Verdict, deviation};
use crate::crowded::{Crowded, Seen};
use crate::rounds::{Held, Jitter, Round, Rounds, Steadied, Train};
use crate::start::{Hint, Start};

/// Packets of the least window.
const MIN_PACKETS: u64 = 4;
/// Of a rate that is not to be exceeded, what makes looking for more useless.
const LIMITED: f64 = 0.95;
/// So many tell excess loss from chance.
const EXCESS_PACKETS: f64 = 30.0;
/// Loss in bursts of n packets varies 2n - 1 times as much (geometric lengths).
const MOST_SPREAD: f64 = 7.0;
/// Of one round, so that a single one says little.
const MOST_OFF: f64 = 49.0;
/// The queue that is allowed, as a part of the round trip and within bounds; and never less than so many packets.
const LIMIT_PART: u32 = 4;
const LEAST_LIMIT: Duration = Duration::from_millis(10);
const MOST_LIMIT: Duration = Duration::from_millis(25);
const LIMIT_PACKETS: f64 = 4.0;
/// The queue that is wanted, of the allowed one: less the faster we are, so that of two flows with one queue between
/// them the slower grows and the faster shrinks. For a flow of a megabit a second, and less for each doubling.
const TARGET_SLOW: f64 = 0.8;
const TARGET_STEP: f64 = 0.08;
const LEAST_TARGET: f64 = 0.15;
/// Packets come unevenly where one takes so much longer than the one before, again and again, and longer than so many
/// take to leave; the least round trip of a round is then so much more of it longer than the least of all.
const LEAST_UNEVEN: Duration = Duration::from_millis(2);
const UNEVEN_PACKETS: f64 = 2.0;
const UNEVEN: u32 = 2;
/// Bytes of it: sockets on paths without delay hold little more.
const MOST_QUEUED: f64 = 512.0 * 1024.0;
/// Of the difference between the wanted queue and that which is there, what a round makes good.
const STEER: f64 = 0.5;
/// Less of a queue than this part of the wanted one may be none.
const STANDS: f64 = 0.3;
/// The start-up ends when the rate has grown by less than a quarter for three rounds, or when a queue builds.
const FULL_GROWTH: f64 = 1.25;
const FULL_ROUNDS: u32 = 3;
/// Of a round that tells anything.
const LEAST_PACKETS: u64 = 16;
const STARTUP_GROWTH: f64 = 2.0;
/// The window grows while it is used, not when bursts of an application end before it is full.
const USED: f64 = 3.0;
const STARTUP_PACE: f64 = 1.5;
/// With that pace a queue of our own grows by a third of a second each second; one that grows by less is somebody else's.
const OURS: f64 = 0.09;
const DROWNED: f64 = 0.1;
/// Below the path's rate for a round, so often: for the round trip without a queue, and for the base loss.
const BELOW: f64 = 0.8;
const BELOW_EVERY: Duration = Duration::from_millis(2_500);
const BELOW_EVERY_ROUNDS: u32 = 25;
/// In the first of these rounds what left below arrives, in the second the rest of it is held for lost.
const BELOW_HOLD: u32 = 2;
/// Up while the rate follows.
const UP: f64 = 1.25;
const FOLLOWS: f64 = 1.06;
const MOST_UP_WAIT: u32 = 12;
/// Rounds of shrinking, and how much of the window, after which the queue should be shorter.
const SHRINKING_ROUNDS: u32 = 10;
const SHRUNK: f64 = 0.25;
const STALE_ROUNDS: u32 = 40;
/// Beyond the limit sooner, and until then this part of the window is kept.
const SOON: u32 = 2;
const UNDECIDED: f64 = 0.7;
/// At least so much less each time; `UNDECIDED` where the queue is far beyond, or it takes long to tell.
const LESS: f64 = 0.85;
/// Longer while we shrink, or again and longer within this time: others fill it.
const FOREIGN_AGAIN: Duration = Duration::from_secs(4);
const FOREIGN_AGAIN_ROUNDS: u32 = 20;
/// They were there a while ago: once is enough.
const STILL_CROWDED: Duration = Duration::from_secs(60);
/// Beside others, of what came through in a round trip.
const CROWDED_MOST: f64 = 2.0;
/// Losing so much more than the path does: no more than came through. CUBIC would halve its window each round.
const CROWDED_LOSS: f64 = 0.2;
/// Silence after which the path is asked gently.
const OUTAGE_ROUNDS: u32 = 3;
const OUTAGE: Duration = Duration::from_millis(300);
/// A UDP send with segmentation takes 65,507 bytes at most.
const MAX_QUANTUM: u64 = 60_000;
/// Pace over rate: the window limits, the pace only spreads.
const PACE: f64 = 1.15;

#[derive(Debug, Clone)]
enum Phase {
    /// Trebles the window each round. best: the largest rate; stale: rounds without a much larger one; loss: the least
    /// of a round; low: when the newest packet left that found hardly a queue.
    Startup {
        best: f64,
        stale: u32,
        loss: f64,
        low: Option<Instant>,
    },
    /// Less than the path takes until the round is over. after: the window to go on with.
    Below {
        after: f64,
    },
    Steady,
    /// More than the path seemed to take. rate: when it began.
    Up {
        rate: f64,
    },
    /// Others fill the queue.
    Crowded(Crowded),
}

#[derive(Debug, Clone, Copy)]
struct Shrinking {
    window: f64,
    rate: f64,
    rounds: u32,
}

/// One path's controller. Bytes are bytes of packets.
#[derive(Debug, Clone)]
pub struct Controller {
    packet: u64,
    start: Start,
    /// While it is believed.
    hint: Option<Hint>,
    phase: Phase,
    rounds: Rounds,
    train: Train,
    steadied: Steadied,
    jitter: Jitter,
    base: BaseLoss,
    /// Delivered by the path when it is full, bytes a second.
    rate: f64,
    window: f64,
    /// Least round trip since the last two times below.
    min_rtt: [Option<Duration>; 2],
    below_since: Option<Instant>,
    below_until: Option<Instant>,
    /// The round trip of the last round.
    rtt: Duration,
    /// Of the wanted queue, what the path seems to have room for.
    room: f64,
    /// Rounds to pass until what is seen is of the window that is in force.
    hold: u32,
    /// Rounds without a queue, until the next try to go up, and how long that wait is.
    idle: u32,
    up_in: u32,
    up_wait: u32,
    /// Since when the window shrinks for a queue that is too long.
    shrinking: Option<Shrinking>,
    /// When a queue was found not to be ours, and the round trip then.
    foreign: Option<(Instant, Duration)>,
    crowded_until: Option<Instant>,
    rounds_since_below: u32,
    /// Rounds until the time below is judged, and what was delivered in it.
    unjudged: u32,
    below_rate: f64,
    doubted_rate: f64,
    /// Of the rounds since excess loss was last looked for.
    losses: Share,
    /// How much more the losses of rounds differ than chance would have it: 1 or less where each packet is lost by itself.
    spread: f64,
    last_ack: Option<Instant>,
    held: Held,
    /// What left before this and is lost was lost to an outage.
    resumed: Option<Instant>,
    in_flight: u64,
    /// Acknowledged since `in_flight` was told, and the most that was in flight since the round began.
    batch: u64,
    used: u64,
    is_marked: bool,
    is_silent: bool,
}

impl Controller {
    /// packet: largest packet of the path, bytes.
    pub fn new(packet: u64) -> Self {
        Self::with(packet, Start::DEFAULT)
    }

    pub fn with(packet: u64, start: Start) -> Self {
        Self {
            packet,
            start,
            hint: start.hint(),
            phase: Phase::Startup { best: 0.0, stale: 0, loss: 1.0, low: None },
            rounds: Rounds::new(),
            train: Train::default(),
            steadied: Steadied::default(),
            jitter: Jitter::default(),
            base: BaseLoss::default(),
            rate: 0.0,
            window: (start.packets * packet.min(1_500)) as f64,
            min_rtt: [None; 2],
            below_since: None,
            below_until: None,
            rtt: Duration::ZERO,
            room: 1.0,
            hold: 0,
            idle: 0,
            up_in: 0,
            up_wait: 2,
            shrinking: None,
            foreign: None,
            crowded_until: None,
            rounds_since_below: 0,
            unjudged: 0,
            below_rate: 0.0,
            doubted_rate: 0.0,
            losses: Share::default(),
            spread: 1.0,
            last_ack: None,
            held: Held::default(),
            resumed: None,
            in_flight: 0,
            batch: 0,
            used: 0,
            is_marked: false,
            is_silent: false,
        }
    }

    pub fn set_packet(&mut self, bytes: u64) {
        if let Phase::Crowded(crowded) = &mut self.phase {
            crowded.scale(self.packet as f64 / bytes as f64);
        }
        self.packet = bytes;
    }

    /// One packet, sent at `sent`, was acknowledged. app_limited: there was nothing to send meanwhile, so the round says
    /// little about the path.
    pub fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool) {
        let rtt = self.steadied.next(now.saturating_duration_since(sent));
        self.came_back(now);
        if self.held.by(now).is_zero() {
            self.jitter.acked(sent, rtt);
        }
        self.batch += bytes;
        self.used = self.used.max(self.in_flight + self.batch);
        let least = &mut self.min_rtt[1];
        *least = Some(least.map_or(rtt, |min| min.min(rtt)));
        if let Some(window) = self.hint.as_mut().and_then(|hint| hint.first(rtt)) {
            self.window = self.window.max(window);
        }
        if let Some(hint) = &self.hint {
            // The first round trip may have been a long one.
            self.window = self.window.min(hint.most(self.base_rtt()).max(self.initial_window() as f64));
        }
        self.rounds.acked(now, sent, rtt, bytes, app_limited);
        if self.was_below(sent) {
            self.base.below(1.0, 0.0);
        }
        let early = rtt.saturating_sub(self.held.by(now));
        self.train.acked(now, early, bytes);
        if let Phase::Startup { .. } = self.phase
            && !app_limited
        {
            let hinted = self.hint.map_or(f64::INFINITY, |hint| hint.most(self.base_rtt()));
            if self.window < hinted.min(USED * self.used as f64) {
                self.window += STARTUP_GROWTH * bytes as f64;
            }
            self.watch_startup(now, sent);
        }
    }

    /// One packet, sent at `sent`, is held for lost.
    pub fn on_lost(&mut self, sent: Instant, bytes: u64) {
        if self.resumed.is_some_and(|at| sent < at) {
            return;
        }
        self.rounds.lost(bytes);
        if self.was_below(sent) {
            self.base.below(0.0, 1.0);
        }
    }

    /// The peer saw a mark of congestion (RFC 3168) on packets that it acknowledged.
    pub fn on_mark(&mut self) {
        self.is_marked = true;
    }

    /// The acknowledgements that came together, and the losses that they told of, are through; `in_flight` bytes are out.
    pub fn on_acks_end(&mut self, now: Instant, in_flight: u64) {
        self.in_flight = in_flight;
        self.used = self.used.max(in_flight + std::mem::take(&mut self.batch));
        // A mark is never chance: a start-up goes too far already.
        if self.is_marked && matches!(self.phase, Phase::Startup { .. }) {
            self.is_marked = false;
            self.found_full(now);
        }
        if let Some(round) = self.rounds.take(now) {
            self.end_round(now, round);
        }
    }

    /// Nothing came back for several probe timeouts.
    pub fn on_silence(&mut self) {
        self.is_silent = true;
    }

    /// Bytes that may be in flight.
    pub fn window(&self) -> u64 {
        if self.is_silent {
            return MIN_PACKETS * self.packet;
        }
        (self.window as u64).max(MIN_PACKETS * self.packet)
    }

    /// Bytes a second; None before anything was measured or told.
    pub fn pacing_rate(&self) -> Option<u64> {
        let Some(min_rtt) = self.min_rtt[1].or(self.min_rtt[0]) else { return self.start.limit };
        let by_window = self.window() as f64 / self.rtt.max(min_rtt).as_secs_f64().max(1e-4);
        let rate = match self.phase {
            Phase::Startup { .. } => STARTUP_PACE * by_window.max(self.sending_rate()),
            // Spread over the round: the same bytes in a burst would be above what the path takes.
            Phase::Below { .. } => by_window,
            _ => PACE * by_window.max(self.sending_rate()),
        };
        Some((rate.max(self.packet as f64) as u64).min(self.start.limit.unwrap_or(u64::MAX)))
    }

    /// Bytes that leave back to back: a millisecond's worth, and no more than one call of the system takes.
    pub fn quantum(&self) -> u64 {
        let most = MAX_QUANTUM.max(self.packet);
        self.pacing_rate().map_or(most, |rate| (rate / 1_000).clamp((2 * self.packet).min(most), most))
    }

    /// What the path delivers, bytes a second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The share of packets that the path loses whatever is sent.
    pub fn base_loss(&self) -> f64 {
        self.base.ratio()
    }

    pub fn initial_window(&self) -> u64 {
        self.start.packets * self.packet.min(1_500)
    }

    // ---- the model ----

    /// The round trip without a queue, as rounds find it.
    fn base_rtt(&self) -> Duration {
        self.min_rtt.iter().flatten().copied().min().unwrap_or(Duration::ZERO) + self.uneven()
    }

    /// How much longer the least round trip of a round is, where packets come unevenly, than the least of all.
    fn uneven(&self) -> Duration {
        let jitter = self.jitter.get();
        let packets = Duration::from_secs_f64((UNEVEN_PACKETS * self.packet as f64 / self.rate.max(1.0)).min(0.2));
        if jitter > LEAST_UNEVEN.max(packets) { UNEVEN * jitter } else { Duration::ZERO }
    }

    /// What has to be sent for the path to deliver its rate, bytes a second.
    fn sending_rate(&self) -> f64 {
        self.rate / (1.0 - self.base.ratio())
    }

    /// A queue beyond this is too long.
    fn limit(&self) -> Duration {
        let by_rtt = (self.base_rtt() / LIMIT_PART).clamp(LEAST_LIMIT, MOST_LIMIT);
        let packets = LIMIT_PACKETS * self.packet as f64 / self.sending_rate().max(1.0);
        by_rtt.max(Duration::from_secs_f64(packets.min(0.2)))
    }

    /// The least of a few packets varies more than that of a round.
    fn startup_limit(&self) -> Duration {
        self.limit() + 2 * self.uneven()
    }

    /// The queue that is wanted, seconds.
    fn target(&self) -> f64 {
        self.room * self.wanted()
    }

    /// The same where there is room for it.
    fn wanted(&self) -> f64 {
        let rate = self.sending_rate().max(1.0);
        let doublings = (rate / 125_000.0).max(1.0).log2();
        let part = (TARGET_SLOW - TARGET_STEP * doublings).max(LEAST_TARGET);
        (part * self.limit().as_secs_f64()).min(MOST_QUEUED / rate)
    }

    /// There is a queue, and not only an acknowledgement that came a little late.
    fn stands(&self, queue: Duration) -> bool {
        queue.as_secs_f64() >= STANDS * self.wanted() + self.uneven().as_secs_f64() / 2.0
    }

    /// Bytes that fill the path and leave the wanted queue.
    fn capacity(&self) -> f64 {
        self.sending_rate() * (self.base_rtt().as_secs_f64() + self.target())
    }

    fn was_below(&self, sent: Instant) -> bool {
        self.below_since.is_some_and(|since| since <= sent) && self.below_until.is_none_or(|until| sent < until)
    }

    /// The first acknowledgement after a silence: of what left meanwhile nothing may be concluded.
    fn came_back(&mut self, now: Instant) {
        let silence = self.last_ack.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last_ack = Some(now);
        if silence > self.limit() / 3 && self.in_flight > 0 {
            self.held.silent(now, silence);
        }
        if silence < OUTAGE.max(self.rtt * OUTAGE_ROUNDS) || self.in_flight == 0 {
            self.is_silent = false;
            return;
        }
        self.is_silent = false;
        self.resumed = Some(now);
        self.rounds.restart(now);
        if matches!(self.phase, Phase::Startup { .. }) {
            return;
        }
        if matches!(self.phase, Phase::Below { .. }) {
            self.below_until = Some(now);
        }
        self.unjudged = 0;
        self.below_since = None;
        self.base.forget();
        self.shrinking = None;
        self.window = self.capacity() / 2.0;
        self.phase = Phase::Up { rate: self.rate / (2.0 * UP) };
        // In the first round only those few come back that asked.
        self.hold = 1;
    }

    // ---- rounds ----

    fn end_round(&mut self, now: Instant, round: Round) {
        self.jitter.end_round();
        self.rtt = round.min_rtt;
        let used = std::mem::replace(&mut self.used, self.in_flight) as f64;
        let queue = round.min_rtt.saturating_sub(self.base_rtt());
        let is_marked = self.is_marked;
        let is_excess = self.is_excess(round);
        // Where a window that was mostly used makes a queue or drowns, it is too large, whatever was not there to send.
        let is_drowned = is_excess && round.loss() > self.base.ratio() + DROWNED;
        let is_steady = matches!(self.phase, Phase::Steady);
        let is_ours = is_steady && (queue > self.limit() || is_drowned) && used > self.window / 2.0;
        if round.app_limited && !is_ours {
            self.rate = self.rate.max(round.rate());
            self.hold = self.hold.max(1);
            return;
        }
        if !is_excess && self.hold == 0 {
            self.base.round(round.acked as f64 / self.packet as f64, round.lost as f64 / self.packet as f64);
        }
        self.rounds_since_below = self.rounds_since_below.saturating_add(1);
        match self.phase {
            Phase::Startup { .. } => self.startup(now, round, queue),
            Phase::Below { after } => {
                self.phase = Phase::Steady;
                self.window = after;
                self.below_until = Some(now);
                self.rounds_since_below = 0;
                self.min_rtt = [self.min_rtt[1], None];
                self.hold = BELOW_HOLD;
                self.unjudged = BELOW_HOLD;
            }
            _ if self.hold > 0 => {
                self.hold -= 1;
                self.after_below(now, round);
                // What was delivered while the window was still what it had been.
                if let Some(shrinking) = self.shrinking.as_mut().filter(|shrinking| shrinking.rounds == 1) {
                    shrinking.rate = round.rate();
                }
            }
            Phase::Up { rate } => self.up(round, rate, queue, is_excess),
            Phase::Steady => self.steady(now, round, queue, is_excess),
            Phase::Crowded(_) => {
                // A limit may keep us below the window, which then would grow without end.
                self.window = self.window.min((1.1 * used).max((MIN_PACKETS * self.packet) as f64));
                self.crowded(now, round, queue, is_marked);
            }
        }
    }

    /// More loss than the path's, or a mark. With few packets a round that takes several of them.
    fn is_excess(&mut self, round: Round) -> bool {
        let packet = self.packet as f64;
        self.losses.add(round.acked as f64 / packet, round.lost as f64 / packet);
        let is_marked = std::mem::take(&mut self.is_marked);
        if self.losses.packets() < EXCESS_PACKETS {
            return is_marked;
        }
        let losses = std::mem::take(&mut self.losses);
        let base = self.base.ratio();
        let chance = deviation(base, losses.packets());
        let beyond = losses.ratio() - base - 3.0 * self.spread.max(1.0).sqrt() * chance;
        // What is our own is more than the base, and teaches nothing.
        if self.base.is_known() && losses.ratio() < base {
            let off = ((losses.ratio() - base) / chance).powi(2).min(MOST_OFF);
            self.spread = (self.spread + (off - self.spread) / 16.0).min(MOST_SPREAD);
        }
        is_marked || (beyond > 0.01 && self.base.is_known())
    }

    fn startup(&mut self, now: Instant, round: Round, queue: Duration) {
        let packets = (round.acked + round.lost) / self.packet.max(1);
        let Phase::Startup { stale, .. } = &mut self.phase else { return };
        // Beside a full queue most of the first packets may be lost, and nothing is measured yet.
        if packets < LEAST_PACKETS && *stale < FULL_ROUNDS {
            *stale += 1;
            return;
        }
        self.rate = self.rate.max(round.rate());
        if let Some(hint) = self.hint {
            if round.loss() > DROWNED {
                // It was too much, or the path loses as much: what came through is the beginning of a usual start-up.
                self.hint = None;
                self.window = self.window.min((round.acked as f64).max(self.initial_window() as f64));
                return;
            }
            if hint.is_reached(self.rate) {
                // There may be more than anybody said.
                return self.go_up();
            }
        }
        let Phase::Startup { best, stale, loss, .. } = &mut self.phase else { return };
        if round.rate() >= *best * FULL_GROWTH {
            *best = round.rate();
            *stale = 0;
        } else {
            *stale += 1;
        }
        *loss = loss.min(round.loss());
        // More loss than the path had when we sent less, and no more that comes through.
        let is_drowned = *stale > 0 && round.loss() > *loss + DROWNED;
        if *stale >= FULL_ROUNDS || is_drowned || queue > self.startup_limit() / 2 {
            self.end_startup(now);
        }
    }

    /// Not only when a round is over: by then a queue that builds would be as long again.
    fn watch_startup(&mut self, now: Instant, sent: Instant) {
        let queue = self.train.low_rtt().map_or(Duration::ZERO, |rtt| rtt.saturating_sub(self.base_rtt()));
        let limit = self.startup_limit();
        let Phase::Startup { low, .. } = &mut self.phase else { return };
        if queue <= limit / 9 {
            *low = Some(sent);
        } else if queue > limit / 3 {
            let took = low.map_or(Duration::ZERO, |low| sent.saturating_duration_since(low));
            // A train has to pass until its least says anything.
            if took > (limit * 2 / 9).div_f64(OURS) + 2 * self.train.span() {
                return self.go_crowded(now, self.rtt);
            }
            self.found_full(now);
        }
    }

    /// Within a round of the start-up a queue builds: what comes back is what the path delivers.
    fn found_full(&mut self, now: Instant) {
        // Clumps of acknowledgements are faster than the path.
        let hinted = self.hint.map_or(0.0, |hint| hint.rate);
        let most = ((1.0 + STARTUP_GROWTH) * self.rate).max(hinted);
        let train = self.train.rate().unwrap_or(most);
        self.rate = self.rate.max(if most > 0.0 { train.min(most) } else { train });
        self.end_startup(now);
    }

    fn end_startup(&mut self, now: Instant) {
        self.hint = None;
        self.window = self.capacity();
        self.go_below(now);
    }

    fn go_below(&mut self, now: Instant) {
        self.go_below_of(now, self.rate);
    }

    /// rate: what the path delivers. Not what was sent for it: a base loss that is too high must not hold itself up.
    fn go_below_of(&mut self, now: Instant, rate: f64) {
        let after = self.window;
        let full = rate * self.base_rtt().as_secs_f64();
        self.window = (BELOW * after).min(0.95 * full.max(self.packet as f64));
        self.phase = Phase::Below { after };
        self.below_since = Some(now);
        self.below_until = None;
        // What is acknowledged in this round left before.
        self.rounds.restart(now);
    }

    /// What was sent below has come back, or has not.
    fn after_below(&mut self, now: Instant, round: Round) {
        match self.unjudged {
            0 => {}
            1 => {
                self.unjudged = 0;
                match self.base.judge() {
                    Verdict::Believed => {}
                    Verdict::Doubted => {
                        self.doubted_rate = self.below_rate;
                        self.go_below_of(now, self.below_rate);
                    }
                    Verdict::Refuted => {
                        self.rate = self.doubted_rate;
                        self.window = self.window.min(self.capacity());
                    }
                }
            }
            left => {
                self.below_rate = round.rate();
                self.unjudged = left - 1;
            }
        }
    }

    fn steady(&mut self, now: Instant, round: Round, queue: Duration, is_excess: bool) {
        let stands = self.stands(queue);
        self.measure(round, stands || is_excess);
        if is_excess {
            self.room = (self.room * 0.7).max(0.02);
        } else {
            self.room = (self.room + 0.02).min(1.0);
        }
        if self.is_foreign(round, queue) {
            return self.give_up_shrinking(now, round);
        }
        if queue > self.limit() {
            self.rate = round.rate();
            let less = if queue > 2 * self.limit() { UNDECIDED } else { LESS };
            self.window = self.capacity().min(less * self.window).max(self.undecided());
            self.hold = 1;
            return;
        }
        let wrong = self.target() - queue.as_secs_f64();
        self.window += (STEER * wrong * self.sending_rate()).clamp(-0.2 * self.window, 0.1 * self.window);
        if is_excess {
            self.window = self.window.min(self.capacity());
        }
        let full = self.sending_rate() * self.base_rtt().as_secs_f64();
        self.window = self.window.clamp(0.95 * full, 2.0 * self.capacity().max(1.0));
        self.idle = if stands { 0 } else { self.idle.saturating_add(1) };
        self.up_in = self.up_in.saturating_sub(1);
        if self.idle >= 2 && self.up_in == 0 && !self.is_limited() {
            return self.go_up();
        }
        let is_due = self.below_until.is_none_or(|until| now.saturating_duration_since(until) >= BELOW_EVERY);
        let every = if self.base.is_known() { BELOW_EVERY_ROUNDS } else { 4 };
        if (is_due || !self.base.is_known()) && self.rounds_since_below >= every {
            self.go_below(now);
        }
    }

    fn go_up(&mut self) {
        self.hint = None;
        self.phase = Phase::Up { rate: self.rate };
        self.window *= UP;
        self.hold = 1;
    }

    /// The limit that we were told is what keeps the rate from growing.
    fn is_limited(&self) -> bool {
        self.start.limit.is_some_and(|limit| self.sending_rate() >= LIMITED * limit as f64)
    }

    /// A path that was full tells its rate; one that was not is at least so fast.
    fn measure(&mut self, round: Round, is_full: bool) {
        let rate = round.rate();
        if is_full {
            // A round that took longer than its packets was held up by who stood still, and not by the path.
            let full = round.full_rate().min(self.rate).max(rate);
            self.rate += 0.25 * (full - self.rate);
        } else {
            self.rate = self.rate.max(rate);
        }
    }

    fn up(&mut self, round: Round, before: f64, queue: Duration, is_excess: bool) {
        let grown = round.rate() >= before * FOLLOWS;
        self.rate = self.rate.max(round.rate());
        self.idle = 0;
        let stands = self.stands(queue);
        if (grown || !stands) && !is_excess && queue < self.limit() {
            // There is room, and nobody knows how much.
            self.phase = Phase::Startup { best: self.rate, stale: 0, loss: round.loss(), low: None };
            self.train.restart();
            self.up_wait = 2;
            return;
        }
        if queue >= self.limit() || is_excess {
            self.rate = round.rate();
        }
        // What came through with much loss may be the bucket of a policer.
        let is_room = grown && !(is_excess && round.loss() > self.base.ratio() + DROWNED);
        self.up_wait = if is_room { 2 } else { (2 * self.up_wait).min(MOST_UP_WAIT) };
        self.up_in = self.up_wait;
        self.phase = Phase::Steady;
        self.hold = 1;
        self.window = self.window.min(self.capacity());
    }

    // ---- beside those who fill queues ----

    /// A window that shrinks takes its queue away and leaves the rate. Where the rate goes with it the queue is not ours:
    /// the path has become longer, its delay varies, or others fill it.
    fn is_foreign(&mut self, round: Round, queue: Duration) -> bool {
        let is_long = queue.as_secs_f64() > 1.2 * self.target();
        let is_beyond = queue > self.limit();
        let least = if is_beyond { SOON } else { SHRINKING_ROUNDS };
        let old = self.shrinking.filter(|old| self.window < old.window && old.rounds < STALE_ROUNDS);
        let start = Shrinking { window: self.window, rate: round.rate(), rounds: 0 };
        self.shrinking = old.or(is_long.then_some(start));
        // So few packets are no long queue, and there are no fewer to try it with.
        let is_least = self.window <= (MIN_PACKETS * self.packet) as f64 && is_beyond;
        let Some(shrinking) = &mut self.shrinking else { return false };
        shrinking.rounds += 1;
        let shrunk = 1.0 - self.window / shrinking.window;
        let rate = if is_beyond { round.rate() } else { self.rate.max(round.rate()) };
        let slower = 1.0 - rate / shrinking.rate;
        shrinking.rounds >= least && (is_least || shrunk > SHRUNK && slower > 0.6 * shrunk)
    }

    /// The least window until it is known whose a long queue is.
    fn undecided(&self) -> f64 {
        self.shrinking.filter(|shrinking| shrinking.rounds < SOON).map_or(0.0, |shrinking| UNDECIDED * shrinking.window)
    }

    fn give_up_shrinking(&mut self, now: Instant, round: Round) {
        if let Some(shrinking) = self.shrinking.take() {
            self.window = self.window.max(shrinking.window);
            self.rate = self.rate.max(shrinking.rate);
        }
        let rtt = round.min_rtt;
        let again = FOREIGN_AGAIN.max(FOREIGN_AGAIN_ROUNDS * rtt);
        let before = self.foreign.replace((now, rtt)).filter(|(at, _)| now.saturating_duration_since(*at) < again);
        let longer = self.limit() / 2;
        let were_there = self.crowded_until.is_some_and(|until| now.saturating_duration_since(until) < STILL_CROWDED);
        if before.is_some_and(|(_, before)| rtt > before + longer) || were_there {
            self.go_crowded(now, rtt);
            if let Phase::Crowded(crowded) = &mut self.phase
                && were_there
            {
                *crowded = Crowded::again(now, self.window / self.packet as f64, rtt);
            }
            return;
        }
        self.min_rtt = [None, Some(rtt)];
        self.hold = 2;
    }

    fn go_crowded(&mut self, now: Instant, rtt: Duration) {
        self.hint = None;
        self.phase = Phase::Crowded(Crowded::new(now, self.window / self.packet as f64, rtt));
    }

    fn crowded(&mut self, now: Instant, round: Round, queue: Duration, is_marked: bool) {
        self.measure(round, true);
        let base = self.base.ratio();
        let packet = self.packet as f64;
        let packets = (round.acked + round.lost) as f64 / packet;
        let is_lost = round.loss() > base + 2.0 * deviation(base, packets) * f64::from(base > 0.001) + 1e-4;
        let is_lost = is_lost || is_marked;
        let seen = Seen { rtt: round.min_rtt, is_lost, is_quiet: queue < self.limit() / 2 };
        let Phase::Crowded(crowded) = &mut self.phase else { return };
        if let Some(window) = crowded.round(now, seen, self.window / packet) {
            // Whatever the delay seems to say, not much more than what comes through.
            let more = if round.loss() > base + CROWDED_LOSS { 1.0 } else { CROWDED_MOST };
            let most = more * round.rate() * round.min_rtt.as_secs_f64() / (1.0 - base);
            self.window = (window * packet).min(most).max((MIN_PACKETS * self.packet) as f64);
        } else {
            self.crowded_until = Some(now);
            self.phase = Phase::Steady;
            self.hold = 1;
        }
    }
}
