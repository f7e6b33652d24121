//! What a round trip's acknowledgements say. A round ends when a packet is acknowledged that left after it began, and
//! is never so short that clumps of acknowledgements decide what it says.

use std::time::{Duration, Instant};

/// On paths without delay.
const SHORTEST: Duration = Duration::from_millis(3);

/// A round that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) took: Duration,
    /// Bytes.
    pub(crate) acked: u64,
    pub(crate) lost: u64,
    pub(crate) min_rtt: Duration,
    /// There was nothing to send for some of it.
    pub(crate) app_limited: bool,
}

impl Round {
    /// Bytes a second.
    pub(crate) fn rate(&self) -> f64 {
        self.acked as f64 / self.took.as_secs_f64().max(1e-6)
    }

    /// The same, had the round taken no longer than its fastest packet.
    pub(crate) fn full_rate(&self) -> f64 {
        self.acked as f64 / self.min_rtt.max(SHORTEST).as_secs_f64()
    }

    pub(crate) fn loss(&self) -> f64 {
        self.lost as f64 / (self.acked + self.lost).max(1) as f64
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Rounds {
    start: Option<Instant>,
    current: Round,
    is_over: bool,
}

const EMPTY: Round = Round { took: Duration::ZERO, acked: 0, lost: 0, min_rtt: Duration::MAX, app_limited: false };

impl Rounds {
    pub(crate) fn new() -> Self {
        Self { start: None, current: EMPTY, is_over: false }
    }

    /// rtt: as `Steadied` tells it.
    pub(crate) fn acked(&mut self, now: Instant, sent: Instant, rtt: Duration, bytes: u64, app_limited: bool) {
        // The first packet's round trip is the first round.
        let start = *self.start.get_or_insert(sent);
        self.current.acked += bytes;
        self.current.min_rtt = self.current.min_rtt.min(rtt);
        self.current.app_limited |= app_limited;
        self.is_over |= sent >= start && now.saturating_duration_since(start) >= SHORTEST;
    }

    pub(crate) fn lost(&mut self, bytes: u64) {
        self.current.lost += bytes;
    }

    /// The round, if it has ended by now.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Round> {
        if !std::mem::take(&mut self.is_over) {
            return None;
        }
        let start = self.start.replace(now)?;
        let round = std::mem::replace(&mut self.current, EMPTY);
        Some(Round { took: now.saturating_duration_since(start), ..round })
    }

    /// Forgets what it has seen: it says nothing of what comes.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.start = Some(now);
        self.current = EMPTY;
        self.is_over = false;
    }
}

/// So many packets, acknowledged one after another, show a queue that builds, and how fast the path is.
const TRAIN: usize = 16;
/// Of these, so many may be faster than the path: copies that somebody brought there early.
const FEW: usize = 3;

#[derive(Debug, Clone, Copy)]
struct Car {
    now: Instant,
    rtt: Duration,
    bytes: u64,
}

/// The last packets that were acknowledged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Train {
    cars: [Option<Car>; TRAIN],
    next: usize,
    /// How many bytes had come by when, at steps of at least `STEP`.
    steps: [Option<(Instant, u64)>; STEPS],
    bytes: u64,
}

/// Acknowledgements come in clumps of a millisecond or so: over a dozen of these a rate is off by a tenth.
const STEP: Duration = Duration::from_millis(1);
const STEPS: usize = 12;

impl Train {
    /// Forgets round trips, not rates.
    pub(crate) fn restart(&mut self) {
        self.cars = Default::default();
    }

    pub(crate) fn acked(&mut self, now: Instant, rtt: Duration, bytes: u64) {
        self.cars[self.next] = Some(Car { now, rtt, bytes });
        self.next = (self.next + 1) % TRAIN;
        if self.steps[0].is_none_or(|(at, _)| now.saturating_duration_since(at) >= STEP) {
            self.steps.rotate_right(1);
            self.steps[0] = Some((now, self.bytes));
        }
        self.bytes += bytes;
    }

    /// A low round trip of a whole train.
    pub(crate) fn low_rtt(&self) -> Option<Duration> {
        let mut rtts = self.cars.map(|car| car.map(|car| car.rtt));
        rtts.sort_unstable();
        rtts[0].and(rtts[FEW])
    }

    /// Between the first and the last.
    pub(crate) fn span(&self) -> Duration {
        let [first, last] = [self.next, self.next + TRAIN - 1].map(|index| self.cars[index % TRAIN].map(|car| car.now));
        first.zip(last).map_or(Duration::ZERO, |(first, last)| last.saturating_duration_since(first))
    }

    /// Bytes a second: of a train that is long enough, else the more of the last half and the whole dozen of steps, else of
    /// what there is; None: too soon after one another to tell.
    pub(crate) fn rate(&self) -> Option<f64> {
        let first = self.cars[self.next]?;
        let span = self.span();
        let bytes: u64 = self.cars.iter().flatten().map(|car| car.bytes).sum::<u64>() - first.bytes;
        let train = (span >= Duration::from_micros(100)).then(|| bytes as f64 / span.as_secs_f64());
        if span >= STEP * STEPS as u32 / 2 {
            return train;
        }
        let (now, all) = self.steps[0]?;
        let since =
            |(at, before): (Instant, u64)| (all - before) as f64 / now.saturating_duration_since(at).as_secs_f64();
        self.steps[STEPS / 2..].iter().flatten().copied().map(since).reduce(f64::max).or(train)
    }
}

/// Somebody stood still, and what arrived meanwhile is acknowledged together: late by no more than the silence was long.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    silence: Duration,
    until: Option<Instant>,
}

/// The clump is through after such a part of the silence.
const CATCHING_UP: u32 = 12;

impl Held {
    /// An acknowledgement came after a silence.
    pub(crate) fn silent(&mut self, now: Instant, silence: Duration) {
        if silence >= self.by(now) {
            *self = Self { silence, until: Some(now + silence / CATCHING_UP) };
        }
    }

    /// How late an acknowledgement may be that comes now.
    pub(crate) fn by(&self, now: Instant) -> Duration {
        if self.until.is_some_and(|until| now <= until) { self.silence } else { Duration::ZERO }
    }
}

/// Round trips without the shortest: of each three in a row the longest. Somebody who sees our packets and is faster than
/// the path can bring a copy of some of them there early, and half of the path's round trip would cost half of its rate.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Steadied {
    before: [Duration; 2],
}

impl Steadied {
    pub(crate) fn next(&mut self, rtt: Duration) -> Duration {
        let longest = self.before[0].max(self.before[1]).max(rtt);
        self.before = [self.before[1], rtt];
        longest
    }
}

/// How unevenly packets come: of how much longer one takes than the one before it, the fourth largest of a round
/// or some dozens. A queue grows by a packet at a time, and who stands still makes one jump.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Jitter {
    before: Option<(Instant, Duration)>,
    packets: u32,
    largest: [Duration; JUMPS],
    smoothed: Duration,
}

const JUMPS: usize = 4;
const DOZENS: u32 = 64;

impl Jitter {
    pub(crate) fn acked(&mut self, sent: Instant, rtt: Duration) {
        // One that was overtaken says nothing.
        if self.before.is_some_and(|(last, _)| last > sent) {
            return;
        }
        if let Some((_, before)) = self.before.replace((sent, rtt)) {
            self.jumped(rtt.saturating_sub(before));
        }
        self.packets += 1;
    }

    pub(crate) fn end_round(&mut self) {
        if self.packets < DOZENS {
            return;
        }
        self.packets = 0;
        let [.., jump] = std::mem::take(&mut self.largest);
        self.smoothed = (3 * self.smoothed + jump) / 4;
    }

    fn jumped(&mut self, jump: Duration) {
        let at = self.largest.partition_point(|larger| *larger >= jump);
        if at < JUMPS {
            self.largest[at..].rotate_right(1);
            self.largest[at] = jump;
        }
    }

    /// At once when it grows.
    pub(crate) fn get(&self) -> Duration {
        self.smoothed.max(self.largest[JUMPS - 1])
    }
}
