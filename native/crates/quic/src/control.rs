//! Our congestion controller as the engine wants it.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use noq_proto::RttEstimator;
use noq_proto::congestion::{ControllerFactory, ControllerMetrics};
use petrel_congestion::{Controller, Start};
use petrel_link::{Profile, lock};

use crate::config::MAX_PACKET;
use crate::silence::Shared;

#[derive(Debug)]
pub(crate) struct Factory {
    pub(crate) profile: Profile,
    pub(crate) silence: Shared,
}

impl ControllerFactory for Factory {
    fn build(self: Arc<Self>, _now: Instant, current_mtu: u16) -> Box<dyn noq_proto::congestion::Controller> {
        let Profile { first_packets, bandwidth, bandwidth_limit, .. } = self.profile;
        let start = Start { packets: first_packets.into(), hint: bandwidth, limit: bandwidth_limit };
        let inner = Controller::with(current_mtu.into(), start);
        Box::new(Control { inner, sent: VecDeque::new(), silence: self.silence.clone() })
    }
}

/// Packets whose time is kept; of older ones a loss is told as of the oldest.
const MAX_SENT: usize = 65_536;

#[derive(Debug, Clone)]
pub(crate) struct Control {
    inner: Controller,
    /// Number and time of packets, ascending: the engine tells which packet is lost, and not when it left. Those that
    /// left at one moment are one entry, by the first.
    sent: VecDeque<(u64, Instant)>,
    silence: Shared,
}

impl Control {
    fn sent_at(&self, number: u64) -> Option<Instant> {
        let after = self.sent.partition_point(|(first, _)| *first <= number);
        self.sent.get(after.saturating_sub(1)).map(|(_, at)| *at)
    }

    /// What is older than this packet will not be asked for again, or nearly so.
    fn forget(&mut self, before: Instant) {
        while self.sent.len() > 1 && self.sent[1].1 < before {
            self.sent.pop_front();
        }
    }
}

impl noq_proto::congestion::Controller for Control {
    fn on_packet_sent(&mut self, now: Instant, bytes: u16, number: u64) {
        lock(&self.silence).sent(now, bytes.into());
        if self.sent.back().is_none_or(|(_, at)| *at < now) {
            if self.sent.len() == MAX_SENT {
                self.sent.pop_front();
            }
            self.sent.push_back((number, now));
        }
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _pn: u64, app_limited: bool, rtt: &RttEstimator) {
        self.inner.on_ack(now, sent, bytes, app_limited);
        // Losses are told of within a few round trips.
        if let Some(before) = sent.checked_sub(4 * rtt.get()) {
            self.forget(before);
        }
    }

    fn on_packet_lost(&mut self, bytes: u16, number: u64, _now: Instant) {
        lock(&self.silence).lost(bytes.into());
        if let Some(at) = self.sent_at(number) {
            self.inner.on_lost(at, bytes.into());
        }
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, _app_limited: bool, _largest: Option<u64>) {
        lock(&self.silence).acknowledged(in_flight);
        self.inner.on_acks_end(now, in_flight);
    }

    fn on_congestion_event(
        &mut self,
        _now: Instant,
        _sent: Instant,
        _is_persistent_congestion: bool,
        is_ecn: bool,
        _lost_bytes: u64,
        _largest_lost_pn: u64,
    ) {
        // Persistent congestion is a silence that is over: the first acknowledgement after it has told of it.
        if is_ecn {
            self.inner.on_mark();
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.set_packet(new_mtu.into());
    }

    fn window(&self) -> u64 {
        // The engine's probes for the MTU count as in flight: what comes after one must have room, or its loss is not seen.
        let packet = u64::from(MAX_PACKET);
        self.inner.window().max(2 * packet).max(lock(&self.silence).window(packet).unwrap_or(0))
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.inner.window();
        metrics.pacing_rate = self.inner.pacing_rate();
        metrics.send_quantum = Some(self.inner.quantum());
        metrics.bandwidth_estimate = Some((self.inner.rate() * 8.0) as u64);
        metrics
    }

    fn clone_box(&self) -> Box<dyn noq_proto::congestion::Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
