//! Our congestion controller as the engine wants it.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use noq_proto::RttEstimator;
use noq_proto::congestion::{Controller, ControllerFactory, ControllerMetrics};
use petrel_congestion::DeliveryRate;

#[derive(Debug, Default)]
pub(crate) struct Factory;

impl ControllerFactory for Factory {
    fn build(self: Arc<Self>, _now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Control(DeliveryRate::new(current_mtu.into())))
    }
}

#[derive(Debug, Clone)]
struct Control(DeliveryRate);

impl Controller for Control {
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _pn: u64, app_limited: bool, _rtt: &RttEstimator) {
        self.0.on_ack(now, sent, bytes, app_limited, now.saturating_duration_since(sent));
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, _app_limited: bool, _largest: Option<u64>) {
        self.0.on_acks_end(now, in_flight);
    }

    fn on_congestion_event(
        &mut self,
        _now: Instant,
        _sent: Instant,
        is_persistent_congestion: bool,
        _is_ecn: bool,
        _lost_bytes: u64,
        _largest_lost_pn: u64,
    ) {
        if is_persistent_congestion {
            self.0.on_collapse();
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.0.set_packet(new_mtu.into());
    }

    fn window(&self) -> u64 {
        self.0.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.0.window();
        metrics.pacing_rate = self.0.pacing_rate();
        metrics.send_quantum = Some(self.0.quantum());
        metrics.bandwidth_estimate = Some((self.0.rate() * 8.0) as u64);
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.0.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
