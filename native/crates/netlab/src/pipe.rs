//! One direction of a link. Packets go in at the caller's time and come out at theirs: `push(now, packet)`, then
//! `next()` tells when, then `pop(now)`.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::bucket::Bucket;
use crate::counters::Counters;
use crate::loss::{Loss, LossState};
use crate::spec::Spec;

/// A packet is anything with bytes: `Vec<u8>`, or bytes with what the caller wants to know of them.
#[derive(Debug)]
pub struct Pipe<P> {
    spec: Spec,
    start: Instant,
    /// The newest time that a caller named.
    now: Instant,
    loss: LossState,
    bucket: Option<Bucket>,
    /// One for each feature, so that none changes another's draws: duplication, corruption, jitter, reordering.
    rng: [Rng; 4],
    /// When the last packet will have left the queue, counted from the start; what rounding gave away until then.
    free_at: Duration,
    spare: u128,
    /// Packets that wait, by when their first byte leaves, and their sum.
    waiting: VecDeque<(Duration, u64)>,
    waiting_bytes: u64,
    /// By arrival, then as entered.
    flying: BTreeMap<(Instant, u64), Flying<P>>,
    order: u64,
    last_arrival: Instant,
    entered: u64,
    newest_delivered: u64,
    counters: Counters,
}

#[derive(Debug)]
struct Flying<P> {
    packet: P,
    size: u64,
    /// The how manieth packet it was when it entered.
    number: u64,
    /// When its last byte leaves the queue, counted from the start.
    left: Duration,
}

impl<P: AsRef<[u8]> + AsMut<[u8]> + Clone> Pipe<P> {
    pub fn new(spec: Spec, start: Instant, seed: u64) -> Self {
        spec.assert_sane();
        let mut seeds = Rng::with_seed(seed);
        Self {
            loss: LossState::new(spec.loss.clone(), seeds.fork()),
            bucket: spec.policer.map(|policer| Bucket::full(policer, Duration::ZERO)),
            rng: std::array::from_fn(|_| seeds.fork()),
            spec,
            start,
            now: start,
            free_at: Duration::ZERO,
            spare: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            flying: BTreeMap::new(),
            order: 0,
            last_arrival: start,
            entered: 0,
            newest_delivered: 0,
            counters: Counters::default(),
        }
    }

    /// A packet enters at `now`, which never runs backwards.
    pub fn push(&mut self, now: Instant, mut packet: P) {
        let at = self.advance(now);
        let size = (packet.as_ref().len() + self.spec.overhead) as u64;
        self.counters.entered.add(size);
        let number = self.entered;
        self.entered += 1;
        if self.spec.mtu.is_some_and(|mtu| size > mtu as u64) {
            return self.counters.dropped_mtu.add(size);
        }
        if self.bucket.as_mut().is_some_and(|bucket| !bucket.passes(at, size)) {
            return self.counters.dropped_policer.add(size);
        }
        let Some(left) = self.serialise(at, size) else { return self.counters.dropped_queue.add(size) };
        if self.spec.outages.cover(left) {
            return self.counters.dropped_outage.add(size);
        }
        if self.loss.next() {
            return self.counters.dropped_loss.add(size);
        }
        if self.rng[0].f64() < self.spec.duplicate {
            self.counters.duplicated.add(size);
            let mut copy = packet.clone();
            self.corrupt(&mut copy, size);
            self.fly(Flying { packet: copy, size, number, left });
        }
        self.corrupt(&mut packet, size);
        self.fly(Flying { packet, size, number, left });
    }

    /// The next packet that has arrived by `now`, and when exactly it did.
    pub fn pop(&mut self, now: Instant) -> Option<(Instant, P)> {
        let entry = self.flying.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), Flying { packet, size, number, .. }) = entry.remove_entry();
        self.counters.delivered.add(size);
        if number < self.newest_delivered {
            self.counters.reordered.add(size);
        }
        self.newest_delivered = self.newest_delivered.max(number);
        Some((at, packet))
    }

    /// When the next packet arrives.
    pub fn next(&self) -> Option<Instant> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Packets that have entered, were not dropped, and have not come out.
    pub fn in_flight(&self) -> usize {
        self.flying.len()
    }

    /// Bytes that wait behind the packet that is being sent.
    pub fn queued_bytes(&self, now: Instant) -> u64 {
        let at = now.saturating_duration_since(self.start);
        self.waiting.iter().filter(|(starts, _)| *starts > at).map(|(_, size)| size).sum()
    }

    /// How long a packet that entered now would wait until its first byte leaves.
    pub fn queue_delay(&self, now: Instant) -> Duration {
        self.free_at.saturating_sub(now.saturating_duration_since(self.start))
    }

    /// From now on this model of loss, in its first state.
    pub fn set_loss(&mut self, loss: Loss) {
        self.loss.set(loss.clone());
        self.spec.loss = loss;
    }

    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// From now on these settings. What has entered keeps its times and its fate; a model of loss and a policer that are the
    /// same go on in their state.
    pub fn set(&mut self, spec: Spec) {
        spec.assert_sane();
        if spec.policer != self.spec.policer {
            let at = self.now - self.start;
            self.bucket = spec.policer.map(|policer| Bucket::full(policer, at));
        }
        if spec.loss != self.spec.loss {
            self.loss.set(spec.loss.clone());
        }
        self.spec = spec;
    }

    /// An outage that nobody knew of: from `now` on for so long nothing that leaves the queue arrives, also not what waits
    /// in it already.
    pub fn interrupt(&mut self, now: Instant, lasts: Duration) {
        let at = self.advance(now);
        let outage = at..at + lasts;
        let Self { flying, counters, .. } = self;
        flying.retain(|_, packet| {
            let is_lost = outage.contains(&packet.left);
            if is_lost {
                counters.dropped_outage.add(packet.size);
            }
            !is_lost
        });
        self.spec.outages.add(outage);
    }

    fn advance(&mut self, now: Instant) -> Duration {
        assert!(now >= self.now, "time runs backwards");
        self.now = now;
        let at = now - self.start;
        while let Some((starts, size)) = self.waiting.front().copied()
            && starts <= at
        {
            self.waiting.pop_front();
            self.waiting_bytes -= size;
        }
        at
    }

    /// When the packet's last byte leaves; None: the queue is full.
    fn serialise(&mut self, at: Duration, size: u64) -> Option<Duration> {
        if self.spec.rate.is_unlimited() {
            return Some(at);
        }
        if self.free_at > at {
            if self.spec.queue.is_some_and(|limit| self.waiting_bytes + size > limit) {
                return None;
            }
            self.waiting.push_back((self.free_at, size));
            self.waiting_bytes += size;
        } else if self.free_at < at {
            self.free_at = at;
            self.spare = 0;
        }
        (self.free_at, self.spare) = self.spec.rate.finish(self.free_at, size, self.spare);
        Some(self.free_at)
    }

    /// Flips one to three bits, each another.
    fn corrupt(&mut self, packet: &mut P, size: u64) {
        let rng = &mut self.rng[1];
        let bits = packet.as_ref().len() as u64 * 8;
        if bits == 0 || rng.f64() >= self.spec.corrupt {
            return;
        }
        self.counters.corrupted.add(size);
        let mut flipped = [None; 3];
        let flips = rng.u64(1..=3) as usize;
        for index in 0..flips {
            let bit = std::iter::repeat_with(|| rng.u64(0..bits)).find(|bit| !flipped.contains(&Some(*bit)));
            flipped[index] = bit;
            if let Some(bit) = bit {
                packet.as_mut()[(bit / 8) as usize] ^= 1 << (bit % 8);
            }
        }
    }

    /// From the end of the queue to the other side.
    fn fly(&mut self, flying: Flying<P>) {
        let jitter = self.spec.jitter.as_nanos() as u64;
        let jitter = Duration::from_nanos(if jitter == 0 { 0 } else { self.rng[2].u64(0..=jitter) });
        let mut arrival = self.start + flying.left + self.spec.delay + jitter;
        if !self.spec.jitter_reorders {
            arrival = arrival.max(self.last_arrival);
            self.last_arrival = arrival;
        }
        if let Some(reorder) = self.spec.reorder
            && self.rng[3].f64() < reorder.probability
        {
            arrival += reorder.extra;
        }
        self.flying.insert((arrival, self.order), flying);
        self.order += 1;
    }
}
