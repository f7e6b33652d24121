//! What a seed draws: a path, settings, and what the applications do.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use petrel_kcp::{LIMITS, Tuning};
use petrel_link::Limits;
use petrel_netlab::{Link, Loss, Nat, Outages, Rates, Reorder, Spec};

use crate::lab::{Lab, Sieve, pattern};

#[derive(Debug)]
pub struct Stream {
    /// The host that opens it.
    pub opener: usize,
    /// Bytes of the opener and of the other.
    pub there: usize,
    pub back: usize,
    /// The other answers after the opener's end.
    pub answers_last: bool,
    /// Who resets it after so many bytes that it has read.
    pub breaks: Option<(usize, usize)>,
}

#[derive(Debug)]
pub struct Plan {
    pub rtt: Duration,
    pub link: Link,
    pub outages: Vec<Range<Duration>>,
    /// From then on larger packets than this vanish.
    pub shrinks: Option<(Duration, usize)>,
    pub nat: Option<Nat>,
    pub limits: Limits,
    pub tuning: Tuning,
    pub streams: Vec<Stream>,
    pub datagrams: usize,
}

impl Plan {
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rtt = Duration::from_secs_f64(logarithmic(&mut rng, 0.001, 0.6));
        let rate = logarithmic(&mut rng, 125_000.0, 25_000_000.0);
        let outages = outages(&mut rng);
        let mtu = if rng.u8(0..3) == 0 { Some(rng.usize(1_228..1_600)) } else { None };
        let mut spec = || Spec {
            policer: None,
            rate: Rates::fixed(rate as u64),
            delay: rtt / 2,
            queue: Some((rate * rtt.as_secs_f64() * logarithmic(&mut rng, 0.1, 3.0)).max(8_000.0) as u64),
            loss: loss(&mut rng),
            jitter: some(&mut rng).map_or(Duration::ZERO, |share| rtt.mul_f64(share / 2.0)),
            jitter_reorders: rng.bool(),
            reorder: some(&mut rng)
                .map(|share| Reorder { probability: share / 10.0, extra: rtt.mul_f64(rng.f64() * 1.5) }),
            duplicate: some(&mut rng).map_or(0.0, |share| share / 10.0),
            corrupt: some(&mut rng).map_or(0.0, |share| share / 50.0),
            outages: Outages::list(outages.clone()),
            mtu,
            overhead: 28,
        };
        let link = Link { up: spec(), down: spec() };
        let (nat, keep_alive) = nat(&mut rng, rtt.as_secs_f64());
        let shrinks = (rng.u8(0..4) == 0).then(|| (seconds(&mut rng, 0.5..3.0), rng.usize(1_200..1_452)));
        let counters = [0, 0, (1 << 14) - 50, (1 << 30) - 50, (1 << 62) - (1 << 24)];
        let tuning = Tuning {
            update_after: rng.bool().then(|| rng.u64(10..400)),
            first_counter: Some(counters[rng.usize(0..counters.len())]),
        };
        let at_once = if rng.bool() { rng.u32(1..6) } else { 100 };
        let limits = Limits { streams: at_once, keep_alive, ..LIMITS };
        let datagrams = if rng.bool() { rng.usize(0..200) } else { 0 };
        let streams = streams(&mut rng);
        Self { rtt, link, outages, shrinks, nat, limits, tuning, streams, datagrams }
    }

    pub fn lab(&self, seed: u64) -> Lab {
        let mut lab = Lab::with(seed, self.link.clone(), self.limits);
        lab.tune(self.tuning);
        if let Some(nat) = &self.nat {
            lab.net.set_nat(lab.dialer, nat.clone());
        }
        if let Some((after, most)) = self.shrinks {
            let from = lab.start + after;
            for host in &mut lab.hosts {
                let sieve: Sieve = Box::new(move |now, packet| now >= from && packet.len() > most);
                host.sieve = Some(sieve);
            }
        }
        lab
    }

    /// Indices of the streams that a host opens, in the order in which it does.
    pub fn of(&self, host: usize) -> impl Iterator<Item = usize> + use<> {
        let mine: Vec<_> = (0..self.streams.len()).filter(|index| self.streams[*index].opener == host).collect();
        mine.into_iter()
    }

    /// The number on the wire of a stream.
    pub fn number(&self, index: usize) -> u64 {
        let opener = self.streams[index].opener;
        let before = self.streams[..index].iter().filter(|stream| stream.opener == opener).count();
        (4 * before + opener) as u64
    }

    /// Within which time bytes move after an outage. On paths that lose much the first tries may be among the losses.
    pub fn patience(&self) -> Duration {
        let is_clean = |spec: &Spec| matches!(spec.loss, Loss::None) && spec.corrupt == 0.0;
        let clean =
            is_clean(&self.link.up) && is_clean(&self.link.down) && self.shrinks.is_none() && self.nat.is_none();
        Duration::from_secs(2) + if clean { Duration::ZERO } else { Duration::from_secs(3) + 4 * self.rtt }
    }
}

/// What a stream carries in one direction.
pub fn bytes_of(index: usize, is_there: bool, len: usize) -> Bytes {
    pattern(2 * index as u64 + u64::from(is_there), len)
}

fn logarithmic(rng: &mut Rng, from: f64, to: f64) -> f64 {
    from * (to / from).powf(rng.f64())
}

/// In one case of three some, 0 to 1.
fn some(rng: &mut Rng) -> Option<f64> {
    (rng.u8(0..3) == 0).then(|| rng.f64())
}

fn seconds(rng: &mut Rng, range: Range<f64>) -> Duration {
    Duration::from_secs_f64(range.start + rng.f64() * (range.end - range.start))
}

fn loss(rng: &mut Rng) -> Loss {
    match rng.u8(0..4) {
        0 => Loss::None,
        1 => bursts(rng),
        2 => Loss::Independent(rng.f64() * 0.05),
        _ => Loss::Independent(rng.f64() * 0.3),
    }
}

/// Counted in packets, so they last long where little is sent: short ones, with gaps.
fn bursts(rng: &mut Rng) -> Loss {
    Loss::GilbertElliott {
        good_to_bad: rng.f64() * 0.1,
        bad_to_good: 0.25 + rng.f64() * 0.5,
        loss_good: 0.0,
        loss_bad: 0.8,
    }
}

/// At most two of at most 10 s, apart.
fn outages(rng: &mut Rng) -> Vec<Range<Duration>> {
    let mut at = Duration::ZERO;
    let count = if rng.u8(0..3) == 0 { rng.usize(1..3) } else { 0 };
    let each = std::iter::repeat_with(|| {
        let start = at + seconds(rng, 0.2..3.0);
        let end = start + Duration::from_secs_f64(logarithmic(rng, 0.1, 10.0));
        at = end + Duration::from_secs(4);
        start..end
    });
    each.take(count).collect()
}

/// One that rebinds does so after the five journeys or so that a link takes to follow, and some more for losses.
fn nat(rng: &mut Rng, rtt: f64) -> (Option<Nat>, Duration) {
    let nat = Nat::new(([203, 0, 113, 1], 20_000).into());
    match rng.u8(0..6) {
        0 => (Some(nat.rebind_every(seconds(rng, 0.7 + 8.0 * rtt..6.0))), Duration::from_secs(5)),
        1 => (Some(nat.forget_after(Duration::from_secs(2))), Duration::from_secs(1)),
        2 => (Some(nat), Duration::from_secs(5)),
        _ => (None, Duration::from_secs(5)),
    }
}

fn streams(rng: &mut Rng) -> Vec<Stream> {
    let mut budget = logarithmic(rng, 20_000.0, 8_000_000.0) as usize;
    let count = rng.usize(1..25);
    let mut one = |rng: &mut Rng| {
        let len = if rng.u8(0..6) == 0 { 0 } else { logarithmic(rng, 1.0, 2_000_000.0) as usize }.min(budget);
        budget -= len;
        len
    };
    let each = std::iter::repeat_with(|| {
        let (there, back) = (one(rng), one(rng));
        let breaks = (rng.u8(0..6) == 0).then(|| (rng.usize(0..2), rng.usize(0..=there.max(back) / 2)));
        Stream { opener: rng.usize(0..2), there, back, answers_last: rng.bool(), breaks }
    });
    each.take(count).collect()
}
