//! When a segment that was not acknowledged is sent again. The estimate is RFC 6298's; what is KCP's is the low floor and
//! the slow growth: each retry waits half as long again as the one before, not twice as long, since on a path that loses
//! at random a second loss says nothing about load.

use std::time::Duration;

/// How the wait grows from one retry of a segment to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// By half (KCP's `nodelay`).
    Half,
    /// Twofold (KCP without `nodelay`, TCP).
    Twofold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtoConfig {
    /// Before the first sample.
    pub initial: Duration,
    /// The least that `current` gives.
    pub min: Duration,
    /// The most that `current` and `backed_off` give; larger samples count as this.
    pub max: Duration,
    /// What is at least added to the smoothed RTT: how late timers and acknowledgements may be (G of RFC 6298).
    pub granularity: Duration,
    pub growth: Growth,
}

impl RtoConfig {
    pub const NODELAY: Self = Self {
        initial: Duration::from_millis(200),
        min: Duration::from_millis(30),
        max: Duration::from_secs(60),
        granularity: Duration::from_millis(10),
        growth: Growth::Half,
    };
    pub const NORMAL: Self = Self { min: Duration::from_millis(100), growth: Growth::Twofold, ..Self::NODELAY };
}

/// The estimate of one path. Microseconds inside.
#[derive(Debug, Clone)]
pub struct Rto {
    config: RtoConfig,
    /// Smoothed RTT and its variation, once there was a sample.
    smoothed: Option<(u64, u64)>,
}

impl Rto {
    pub fn new(config: RtoConfig) -> Self {
        Self { config, smoothed: None }
    }

    /// One measured round trip. Of a segment that was sent twice only when it is known which of the two was answered.
    pub fn sample(&mut self, rtt: Duration) {
        let rtt = micros(rtt.min(self.config.max));
        self.smoothed = Some(match self.smoothed {
            None => (rtt, rtt / 2),
            Some((srtt, rttvar)) => ((7 * srtt + rtt) / 8, (3 * rttvar + srtt.abs_diff(rtt)) / 4),
        });
    }

    /// How long the first sending of a segment waits for its acknowledgement.
    pub fn current(&self) -> Duration {
        let wanted = match self.smoothed {
            None => self.config.initial,
            Some((srtt, rttvar)) => Duration::from_micros(srtt + (4 * rttvar).max(micros(self.config.granularity))),
        };
        wanted.max(self.config.min).min(self.config.max)
    }

    /// How long the retry number `times` waits; 0 is the first sending.
    pub fn backed_off(&self, times: u32) -> Duration {
        let (mut wait, max) = (micros(self.current()), micros(self.config.max));
        for _ in 0..times {
            wait = match self.config.growth {
                Growth::Half => wait + wait.div_ceil(2),
                Growth::Twofold => 2 * wait,
            };
            if wait >= max {
                return self.config.max;
            }
            if wait == 0 {
                break;
            }
        }
        Duration::from_micros(wait)
    }

    /// The smoothed RTT; None before the first sample.
    pub fn srtt(&self) -> Option<Duration> {
        self.smoothed.map(|(srtt, _)| Duration::from_micros(srtt))
    }

    /// The RTT's mean deviation; None before the first sample.
    pub fn rttvar(&self) -> Option<Duration> {
        self.smoothed.map(|(_, rttvar)| Duration::from_micros(rttvar))
    }
}

/// Held within 2^48 (nine years), so that no sum of a few overflows.
fn micros(time: Duration) -> u64 {
    time.as_micros().min(1 << 48) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn smooths_as_rfc_6298_says() {
        let mut rto = Rto::new(RtoConfig::NODELAY);
        assert_eq!((rto.current(), rto.srtt(), rto.rttvar()), (ms(200), None, None));
        rto.sample(ms(100));
        assert_eq!((rto.srtt(), rto.rttvar()), (Some(ms(100)), Some(ms(50))));
        assert_eq!(rto.current(), ms(300));
        rto.sample(ms(180));
        assert_eq!((rto.srtt(), rto.rttvar()), (Some(ms(110)), Some(Duration::from_micros(57_500))));
        assert_eq!(rto.current(), ms(340));
    }

    #[test]
    fn keeps_to_its_floor_its_granularity_and_its_cap() {
        let mut rto = Rto::new(RtoConfig::NODELAY);
        for _ in 0..100 {
            rto.sample(Duration::from_micros(50));
        }
        assert_eq!(rto.current(), ms(30));
        for _ in 0..200 {
            rto.sample(ms(80));
        }
        assert!((ms(89)..=ms(90)).contains(&rto.current()), "{:?}", rto.current());
        rto.sample(Duration::MAX);
        assert_eq!(rto.current(), ms(60_000));
        assert_eq!(Rto::new(RtoConfig { initial: ms(1), ..RtoConfig::NORMAL }).current(), ms(100));
    }

    #[test]
    fn a_retry_waits_half_as_long_again_or_twice_as_long() {
        let rto = Rto::new(RtoConfig::NODELAY);
        assert_eq!([0, 1, 2, 3].map(|n| rto.backed_off(n)), [ms(200), ms(300), ms(450), ms(675)]);
        let rto = Rto::new(RtoConfig::NORMAL);
        assert_eq!([0, 1, 2, 3].map(|n| rto.backed_off(n)), [ms(200), ms(400), ms(800), ms(1_600)]);
    }

    #[test]
    fn growth_ends_at_the_cap_however_many_retries_there_were() {
        let wide = Duration::MAX;
        let nothing = Duration::ZERO;
        for growth in [Growth::Half, Growth::Twofold] {
            let rto = Rto::new(RtoConfig { growth, ..RtoConfig::NODELAY });
            assert_eq!(rto.backed_off(u32::MAX), ms(60_000));
            let rto = Rto::new(RtoConfig { growth, initial: wide, min: wide, max: wide, granularity: wide });
            assert_eq!(rto.backed_off(u32::MAX), wide);
            let rto = Rto::new(RtoConfig { growth, initial: nothing, min: nothing, ..RtoConfig::NODELAY });
            assert_eq!(rto.backed_off(u32::MAX), nothing);
        }
    }
}
