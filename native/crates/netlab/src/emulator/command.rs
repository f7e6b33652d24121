//! What can be said to a running emulator, one JSON object a line:
//!
//! ```json
//! {"do":"set","rate_mbit":100,"delay_ms":25,"queue_bytes":625000,"loss":0.05}
//! {"do":"set","way":"up","loss":0.05,"loss_burst":4}
//! {"do":"outage","ms":5000}
//! {"do":"preset","name":"starlink"}
//! {"do":"mark"}
//! {"do":"counts"}
//! {"do":"stop"}
//! ```
//!
//! `up` is from the client to the server, `down` the other way; without `way`, both.

use std::time::Duration;

use petrel_netlab::{Loss, Outages, Policer, Rates, Reorder, Spec};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(from = "Said")]
pub enum Command {
    Change(Change),
    /// Lateness, control and CPU time count from here.
    Mark,
    Counts,
    Stop,
}

#[derive(Debug, Deserialize)]
pub enum Change {
    Set(Settings),
    Outage { way: Option<Way>, lasts: Duration },
    Preset { name: String },
}

#[derive(Debug, Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    Up,
    Down,
}

/// Only what is named changes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub way: Option<Way>,
    /// One way.
    delay_ms: Option<f64>,
    /// Of IP packets, headers included; 0: no limit.
    rate_mbit: Option<f64>,
    /// 0: no limit.
    queue_bytes: Option<u64>,
    /// Part of all packets, each by chance; with `loss_burst`, in runs of that mean length.
    loss: Option<f64>,
    loss_burst: Option<f64>,
    jitter_ms: Option<f64>,
    /// A token bucket before the queue; 0: none. Its burst, if left out, is what flows in within 20 ms.
    police_mbit: Option<f64>,
    police_bytes: Option<u64>,
    /// So long nothing arrives, out of each `gap_every_ms`, first after one such time; 0: no gaps.
    gap_ms: Option<f64>,
    gap_every_ms: Option<f64>,
    /// Part of all packets that is held back by `reorder_ms`.
    reorder: Option<f64>,
    reorder_ms: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    Set(Settings),
    Outage { way: Option<Way>, ms: u64 },
    Preset { name: String },
    Mark,
    Counts,
    Stop,
}

impl From<Said> for Command {
    fn from(said: Said) -> Self {
        match said {
            Said::Set(settings) => Self::Change(Change::Set(settings)),
            Said::Outage { way, ms } => Self::Change(Change::Outage { way, lasts: Duration::from_millis(ms) }),
            Said::Preset { name } => Self::Change(Change::Preset { name }),
            Said::Mark => Self::Mark,
            Said::Counts => Self::Counts,
            Said::Stop => Self::Stop,
        }
    }
}

impl Settings {
    /// These settings over those of `spec`; says what is out of range. now: since the start of the pipe.
    pub fn apply(&self, spec: &Spec, now: Duration) -> Result<Spec, String> {
        let mut changed = spec.clone();
        if let Some(ms) = self.delay_ms {
            changed.delay = millis("delay_ms", ms)?;
        }
        if let Some(ms) = self.jitter_ms {
            changed.jitter = millis("jitter_ms", ms)?;
        }
        if let Some(mbit) = self.rate_mbit {
            let bytes = bytes_a_second("rate_mbit", mbit)?;
            changed.rate = if bytes == 0 { Rates::unlimited() } else { Rates::fixed(bytes) };
        }
        if let Some(mbit) = self.police_mbit {
            let rate = bytes_a_second("police_mbit", mbit)?;
            let burst = self.police_bytes.unwrap_or(rate / 50);
            changed.policer = (rate > 0).then_some(Policer { rate, burst });
        }
        if let Some(ms) = self.gap_ms {
            changed.outages = self.gaps(millis("gap_ms", ms)?, now)?;
        }
        if let Some(bytes) = self.queue_bytes {
            changed.queue = (bytes > 0).then_some(bytes);
        }
        if let Some(ratio) = self.loss {
            changed.loss = self.model(in_range("loss", ratio, 1.0)?)?;
        }
        if let Some(probability) = self.reorder {
            let extra = millis("reorder_ms", self.reorder_ms.unwrap_or(0.0))?;
            changed.reorder = Some(Reorder { probability: in_range("reorder", probability, 1.0)?, extra });
        }
        Ok(changed)
    }

    fn gaps(&self, lasts: Duration, now: Duration) -> Result<Outages, String> {
        let every = millis("gap_every_ms", self.gap_every_ms.unwrap_or(15_000.0))?;
        match lasts {
            Duration::ZERO => Ok(Outages::none()),
            _ if lasts < every => Ok(Outages::periodic(now + every, every, lasts)),
            _ => Err(format!("a gap of {lasts:?} does not fit into {every:?}")),
        }
    }

    fn model(&self, ratio: f64) -> Result<Loss, String> {
        match self.loss_burst {
            None if ratio == 0.0 => Ok(Loss::None),
            None => Ok(Loss::Independent(ratio)),
            Some(mean) if ratio < 1.0 && mean >= 1.0 && mean >= ratio / (1.0 - ratio) => Ok(Loss::bursts(ratio, mean)),
            Some(mean) => Err(format!("there are no bursts of {mean} packets at a loss of {ratio}")),
        }
    }
}

fn bytes_a_second(name: &str, mbit: f64) -> Result<u64, String> {
    Ok((in_range(name, mbit, 1e6)? * 1e6 / 8.0) as u64)
}

fn millis(name: &str, value: f64) -> Result<Duration, String> {
    Ok(Duration::from_secs_f64(in_range(name, value, 1e6)? / 1e3))
}

fn in_range(name: &str, value: f64, most: f64) -> Result<f64, String> {
    if (0.0..=most).contains(&value) { Ok(value) } else { Err(format!("{name} is {value}, not from 0 to {most}")) }
}
