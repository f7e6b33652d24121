//! Credit: how many bytes of a stream its receiver still allows. A limit is cumulative (bytes since the stream's
//! start), so limits may come in any order or twice, and the highest wins. Windows start wide: under loss a window
//! takes many round trips, so one that had to grow first would hold the stream back for seconds.

use std::sync::atomic::{AtomicI64, Ordering};

/// What either side may send on a new stream before it has heard a limit: one initial congestion window or so.
pub const INITIAL_CREDIT: u64 = 16 * 1024;

/// A window is never cut below this while the budget lasts.
const MIN_WINDOW: u64 = 256 * 1024;
/// A stream of which so much was taken is a transfer until it ends: others, that merely stay open, take nothing of its
/// window. At 20 % loss one packet of a second's is lost six times, and holds up what follows for eight round trips.
const TRANSFER: u64 = 1024 * 1024;
/// Of the budget, what only small windows may use: a few transfers whose readers stop must not leave others INITIAL_CREDIT.
const SMALL_PART: u64 = 8;

/// All the promises of a process. Links draw from it; what one link has, another cannot have. Below zero when the
/// floors of many streams exceed it.
#[derive(Debug)]
pub struct Pool(AtomicI64);

impl Pool {
    pub const fn new(bytes: i64) -> Self {
        Self(AtomicI64::new(bytes))
    }

    pub fn free(&self) -> u64 {
        self.0.load(Ordering::Relaxed).max(0) as u64
    }

    /// Takes up to `want` of what is free, but `must` in any case.
    fn take(&self, want: u64, must: u64) -> u64 {
        let mut got = must;
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
            got = want.min(free.max(0) as u64).max(must);
            Some(free - got as i64)
        });
        got
    }

    fn give(&self, bytes: u64) {
        self.0.fetch_add(bytes as i64, Ordering::Relaxed);
    }
}

/// What one link may promise. The sum of its streams' open windows stays within it, but each open stream has
/// INITIAL_CREDIT whatever happens, so that none starves.
#[derive(Debug)]
pub struct Budget {
    total: u64,
    granted: u64,
    window_max: u64,
    transfers: u64,
    pool: &'static Pool,
}

impl Budget {
    pub fn new(total: u64, window_max: u64, pool: &'static Pool) -> Self {
        Self { total, granted: 0, window_max, transfers: 0, pool }
    }

    /// Budgets only grow.
    pub fn raise(&mut self, total: u64) {
        self.total = self.total.max(total);
    }

    /// Bytes now promised.
    pub fn granted(&self) -> u64 {
        self.granted
    }

    /// The window that a stream should have among `open` ones, while there is so much: half of the budget shared evenly by
    /// all, and the other half by transfers.
    fn window(&self, open: usize, is_transfer: bool) -> u64 {
        let floor = MIN_WINDOW.min(self.total / 4).max(INITIAL_CREDIT);
        let sharing = if is_transfer { self.transfers } else { (open as u64).max(3) };
        (self.total / (2 * sharing)).clamp(floor, self.window_max.max(floor))
    }

    /// What a window may be widened by.
    fn room(&self, window: u64) -> u64 {
        let kept = if window > MIN_WINDOW { self.total / SMALL_PART } else { 0 };
        (self.total - kept).saturating_sub(self.granted)
    }

    fn take(&mut self, want: u64, must: u64) -> u64 {
        let free = self.total.saturating_sub(self.granted);
        let got = self.pool.take(want.min(free), must);
        self.granted += got;
        got
    }

    fn give(&mut self, bytes: u64) {
        self.granted -= bytes.min(self.granted);
        self.pool.give(bytes);
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.pool.give(self.granted);
    }
}

/// The receiving side of one direction.
#[derive(Debug)]
pub struct ReceiveCredit {
    limit: u64,
    taken: u64,
    announced: (u64, u64),
    is_transfer: bool,
    ended: bool,
}

impl ReceiveCredit {
    /// A new stream has INITIAL_CREDIT, which nobody announces.
    pub fn new(budget: &mut Budget) -> Self {
        budget.take(INITIAL_CREDIT, INITIAL_CREDIT);
        Self { limit: INITIAL_CREDIT, taken: 0, announced: (0, INITIAL_CREDIT), is_transfer: false, ended: false }
    }

    /// Bytes since the start that the peer may send.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The reader has taken `taken` bytes since the start. Call `grow` afterwards.
    pub fn took(&mut self, taken: u64, budget: &mut Budget) {
        if !self.ended && taken > self.taken {
            // Only a peer that was never told of credit gets here.
            let beyond = taken.saturating_sub(self.limit);
            self.limit += budget.take(beyond, beyond);
            budget.give(taken - self.taken);
            self.taken = taken;
        }
    }

    /// Widens the limit if a quarter of the window can be won. True: it is time to announce.
    pub fn grow(&mut self, budget: &mut Budget, open: usize) -> bool {
        if self.ended {
            return false;
        }
        if !self.is_transfer && self.taken >= TRANSFER {
            self.is_transfer = true;
            budget.transfers += 1;
        }
        let window = budget.window(open, self.is_transfer);
        let more = (self.taken + window).saturating_sub(self.limit);
        if more >= window / 4 {
            let must = (self.taken + INITIAL_CREDIT).saturating_sub(self.limit);
            self.limit += budget.take(more.min(budget.room(window)), must);
        }
        self.limit - self.announced.1 >= INITIAL_CREDIT / 4 && self.limit > self.announced.1
    }

    /// Whether the peer's knowledge of (taken, limit) is behind.
    pub fn is_news(&self) -> bool {
        self.announced != (self.taken, self.limit)
    }

    /// (taken, limit) to be sent now.
    pub fn announce(&mut self) -> (u64, u64) {
        self.announced = (self.taken, self.limit);
        self.announced
    }

    /// `total` bytes are all that there are: gives back what is promised beyond. Nothing grows any more.
    pub fn finish(&mut self, total: u64, budget: &mut Budget) {
        if !self.ended {
            budget.transfers -= u64::from(std::mem::take(&mut self.is_transfer));
            budget.give(self.limit.saturating_sub(total));
            self.limit = self.limit.min(total);
        }
    }

    /// Gives back what is still promised. The stream takes no more bytes. Idempotent.
    pub fn end(&mut self, budget: &mut Budget) {
        if !self.ended {
            self.ended = true;
            budget.transfers -= u64::from(std::mem::take(&mut self.is_transfer));
            budget.give(self.limit - self.taken);
        }
    }
}

/// The sending side of one direction.
#[derive(Debug)]
pub struct SendCredit {
    limit: u64,
    sent: u64,
    acknowledged: u64,
}

impl SendCredit {
    /// unlimited: the peer does not speak credit; only the engine's flow control holds us.
    pub fn new(unlimited: bool) -> Self {
        Self { limit: if unlimited { u64::MAX } else { INITIAL_CREDIT }, sent: 0, acknowledged: 0 }
    }

    /// Bytes that may be sent now.
    pub fn allowance(&self) -> u64 {
        self.limit - self.sent
    }

    pub fn sent(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// Everything that was sent has been taken by the peer's application.
    pub fn is_acknowledged(&self) -> bool {
        self.unacknowledged() == 0
    }

    /// Bytes that were sent, and that the peer's application has not taken.
    pub fn unacknowledged(&self) -> u64 {
        self.sent - self.acknowledged
    }

    /// Bytes that the peer's application has taken.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// The peer's word. False: it claims to have taken what was never sent, which no honest peer does.
    pub fn heard(&mut self, taken: u64, limit: u64) -> bool {
        if taken > self.sent {
            return false;
        }
        self.acknowledged = self.acknowledged.max(taken);
        self.limit = self.limit.max(limit);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn a_few_streams_have_sixteen_mebibytes_from_the_start() {
        static POOL: Pool = Pool::new(1 << 30);
        let mut budget = Budget::new(96 * MIB, 16 * MIB, &POOL);
        for _ in 0..3 {
            let mut credit = ReceiveCredit::new(&mut budget);
            assert!(credit.grow(&mut budget, 3));
            assert_eq!(credit.limit(), 16 * MIB);
        }
    }

    #[test]
    fn a_transfer_has_half_of_the_budget_whatever_else_stays_open() {
        static POOL: Pool = Pool::new(1 << 30);
        let mut budget = Budget::new(72 * MIB, 32 * MIB, &POOL);
        let mut credits: Vec<_> = (0..7).map(|_| ReceiveCredit::new(&mut budget)).collect();
        credits.iter_mut().for_each(|credit| assert!(credit.grow(&mut budget, 7)));
        let window = |credit: &mut ReceiveCredit, taken, budget: &mut Budget| {
            credit.took(taken, budget);
            credit.grow(budget, 7);
            credit.limit() - taken
        };
        let share = 72 * MIB / 14;
        assert_eq!(window(&mut credits[0], 0, &mut budget), share, "one of seven");
        assert_eq!(window(&mut credits[0], 2 * MIB, &mut budget), 32 * MIB, "as much as one may have");
        assert_eq!(window(&mut credits[1], 2 * MIB, &mut budget), 63 * MIB - 32 * MIB - 5 * share, "an eighth stays");
        credits[0].finish(3 * MIB, &mut budget);
        assert_eq!(credits[0].limit(), 3 * MIB, "nothing comes after the last byte");
        assert_eq!(window(&mut credits[1], 40 * MIB, &mut budget), 32 * MIB, "alone again");
        credits.iter_mut().for_each(|credit| credit.end(&mut budget));
        assert_eq!((budget.granted(), budget.transfers), (0, 0));
    }

    #[test]
    fn promises_never_exceed_the_budget_and_come_back() {
        static POOL: Pool = Pool::new(200 << 20);
        for seed in 0..50 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut budget = Budget::new(96 * MIB, 16 * MIB, &POOL);
            let mut open: Vec<(ReceiveCredit, u64)> = Vec::new();
            for _ in 0..2_000 {
                match rng.u8(0..4) {
                    0 if open.len() < 1_000 => open.push((ReceiveCredit::new(&mut budget), 0)),
                    1 if !open.is_empty() => {
                        let mut gone = open.swap_remove(rng.usize(0..open.len()));
                        gone.0.end(&mut budget);
                    }
                    2 if !open.is_empty() && rng.u8(..) == 0 => {
                        let (mut credit, taken) = open.swap_remove(rng.usize(0..open.len()));
                        credit.finish(rng.u64(taken..=credit.limit()), &mut budget);
                        credit.took(credit.limit(), &mut budget);
                        credit.end(&mut budget);
                    }
                    _ if !open.is_empty() => {
                        let n = open.len();
                        let (credit, taken) = &mut open[rng.usize(0..n)];
                        *taken += rng.u64(0..=credit.limit() - *taken);
                        credit.took(*taken, &mut budget);
                        credit.grow(&mut budget, n);
                        assert!(credit.limit() >= *taken + INITIAL_CREDIT / 4, "no stream starves");
                    }
                    _ => {}
                }
                let floor = open.len() as u64 * INITIAL_CREDIT;
                assert!(budget.granted() <= 96 * MIB + floor, "seed {seed}: {}", budget.granted());
                let sum: u64 = open.iter().map(|(c, t)| c.limit() - t).sum();
                assert_eq!(budget.granted(), sum, "seed {seed}");
            }
            drop(budget);
            assert_eq!(POOL.free(), 200 * MIB, "seed {seed}: everything came back to the pool");
        }
    }

    #[test]
    fn a_stranger_stays_within_its_64_kib() {
        static POOL: Pool = Pool::new(200 << 20);
        let mut budget = Budget::new(64 * 1024, 16 * MIB, &POOL);
        let mut a = ReceiveCredit::new(&mut budget);
        let mut b = ReceiveCredit::new(&mut budget);
        for credit in [&mut a, &mut b] {
            credit.grow(&mut budget, 2);
        }
        assert!(budget.granted() <= 64 * 1024);
    }

    #[test]
    fn what_a_peer_without_credit_sent_leaves_no_debt() {
        static POOL: Pool = Pool::new(1 << 20);
        let mut budget = Budget::new(64 * 1024, 64 * 1024, &POOL);
        let mut credit = ReceiveCredit::new(&mut budget);
        credit.took(1_000_000, &mut budget);
        credit.end(&mut budget);
        assert_eq!((budget.granted(), POOL.free()), (0, 1 << 20));
    }

    #[test]
    fn limits_may_come_in_any_order_and_lies_are_noticed() {
        let mut credit = SendCredit::new(false);
        assert_eq!(credit.allowance(), INITIAL_CREDIT);
        credit.sent(100);
        assert!(credit.heard(50, 1_000_000));
        assert!(credit.heard(20, 500_000));
        assert_eq!((credit.acknowledged(), credit.allowance()), (50, 999_900));
        assert!(!credit.heard(101, 2_000_000));
    }
}
