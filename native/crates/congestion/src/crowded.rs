//! Beside those who fill every queue: less than they take would starve, more would starve them.
//!
//! Between losses the window is CUBIC's. When the queue overflows it stays for two rounds: those who give way take their
//! part of the delay away, which tells how much of what is in flight is theirs, and ours is moved towards a half of it.
//! Then we give way, and if the delay goes as our window does nobody else is there.

use std::time::{Duration, Instant};

use crate::cubic::{BETA, Cubic};

/// Until the delay answers: of so much more window each round so much more round trip says that a good part is ours.
const CLIMB: f64 = 1.5;
const ANSWER: f64 = 1.08;
/// Rounds in which somebody who has lost packets learns of it, and his queue goes.
const WATCH_ROUNDS: u32 = 2;
/// Our share is moved to this, by no more than this at once.
const SHARE: f64 = 0.5;
const MOST_LESS: f64 = 0.85;
const MOST_MORE: f64 = 3.0;
/// Of the delay that goes when all is ours, what has to go.
const ALONE: f64 = 0.75;
/// Believed gone and found there: so long they are not believed gone.
const WARY: Duration = Duration::from_secs(10);
/// Without a loss, until we look whether somebody is still there.
const CHECK_EVERY: Duration = Duration::from_secs(2);
const CHECK_ROUNDS: u32 = 20;
/// Rounds without a queue: they have gone.
const QUIET_ROUNDS: u32 = 8;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// What they left us is too little. rtt: of the round before.
    Climbing {
        rtt: Duration,
    },
    Growing,
    /// The queue was full at `full`; who gives way?
    Watching {
        full: Duration,
        least: Duration,
        left: u32,
    },
    /// We gave way, from `before`. back: the window to go on with, if it was only to look.
    Yielded {
        before: Duration,
        back: Option<f64>,
        least: Duration,
        left: u32,
    },
}

/// Of one round, what is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) rtt: Duration,
    pub(crate) is_lost: bool,
    /// There was no queue.
    pub(crate) is_quiet: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Crowded {
    cubic: Cubic,
    step: Step,
    quiet: u32,
    /// The round trip of the round before: their loss may be half a round before ours.
    before: Duration,
    /// The last time that we gave way, or the beginning.
    since: Instant,
    /// That nobody is there is believed from then on.
    trusting_from: Instant,
}

impl Crowded {
    /// window: packets.
    pub(crate) fn new(now: Instant, window: f64, rtt: Duration) -> Self {
        Self {
            cubic: Cubic::new(now, window),
            step: Step::Climbing { rtt },
            quiet: 0,
            before: rtt,
            since: now,
            trusting_from: now,
        }
    }

    /// They were believed gone a moment ago, and were not: nothing is theirs to give, and it takes more to believe it again.
    pub(crate) fn again(now: Instant, window: f64, rtt: Duration) -> Self {
        Self { step: Step::Growing, trusting_from: now + WARY, ..Self::new(now, window, rtt) }
    }

    /// The window, packets, after a round with `window`; None: nobody else fills the queue.
    pub(crate) fn round(&mut self, now: Instant, seen: Seen, window: f64) -> Option<f64> {
        let before = std::mem::replace(&mut self.before, seen.rtt);
        self.quiet = if seen.is_quiet { self.quiet + 1 } else { 0 };
        if self.quiet >= QUIET_ROUNDS {
            return None;
        }
        match self.step {
            Step::Climbing { .. } | Step::Growing if seen.is_lost => {
                self.step = Step::Watching { full: before.max(seen.rtt), least: Duration::MAX, left: WATCH_ROUNDS };
                Some(window)
            }
            // At once, in case that we only believed in others.
            Step::Climbing { rtt } if seen.rtt > rtt.mul_f64(ANSWER) => Some(self.give_way(now, window, seen.rtt)),
            Step::Climbing { .. } => {
                self.step = Step::Climbing { rtt: seen.rtt };
                Some(CLIMB * window)
            }
            Step::Growing if now.saturating_duration_since(self.since) >= CHECK_EVERY.max(CHECK_ROUNDS * seen.rtt) => {
                self.since = now;
                let (before, least, left) = (seen.rtt, Duration::MAX, WATCH_ROUNDS);
                self.step = Step::Yielded { before, back: Some(window), least, left };
                Some(BETA * window)
            }
            Step::Growing => {
                let wanted = self.cubic.window(now, seen.rtt);
                Some(wanted.clamp(0.9 * window, 1.1 * window))
            }
            Step::Watching { full, least, left } => {
                let full = full.max(seen.rtt);
                let least = least.min(seen.rtt);
                if left > 1 {
                    self.step = Step::Watching { full, least, left: left - 1 };
                    return Some(window);
                }
                let gone = full.saturating_sub(least).as_secs_f64() / full.as_secs_f64().max(1e-6);
                let share = 1.0 - (gone / (1.0 - BETA)).min(0.95);
                Some(self.give_way(now, (SHARE / share).clamp(MOST_LESS, MOST_MORE) * window, least))
            }
            Step::Yielded { before, back, least, left } => {
                let least = least.min(seen.rtt);
                if left > 1 {
                    self.step = Step::Yielded { before, back, least, left: left - 1 };
                    return Some(window);
                }
                self.step = Step::Growing;
                let gone = before.saturating_sub(least).as_secs_f64() / before.as_secs_f64().max(1e-6);
                let is_alone = now >= self.trusting_from && gone >= ALONE * (1.0 - BETA);
                (!is_alone).then(|| back.unwrap_or(window))
            }
        }
    }

    fn give_way(&mut self, now: Instant, most: f64, rtt: Duration) -> f64 {
        self.cubic.decrease(now, most);
        self.since = now;
        self.step = Step::Yielded { before: rtt, back: None, least: Duration::MAX, left: WATCH_ROUNDS };
        BETA * most
    }

    /// Packets have another size now: `by` of them are what one was.
    pub(crate) fn scale(&mut self, by: f64) {
        self.cubic.scale(by);
    }
}
