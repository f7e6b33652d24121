//! What a link does with its path, as JavaScript says it.

use napi_derive::napi;
use petrel_engine::{Profile, Reordering};

/// reorderPackets, reorderTime: later packets, and round trips, after which a packet is held for lost, to begin with;
/// sendBytes: kept until acknowledged, at most; socketBytes: of each buffer; bandwidth, bandwidthLimit: bytes a second.
#[napi(object)]
pub struct JsProfile {
    pub reorder_packets: u32,
    pub reorder_time: f64,
    pub first_packets: u32,
    pub send_bytes: f64,
    pub socket_bytes: f64,
    pub bandwidth: Option<f64>,
    pub bandwidth_limit: Option<f64>,
}

impl From<JsProfile> for Profile {
    fn from(js: JsProfile) -> Self {
        Self {
            reordering: Reordering {
                packets: js.reorder_packets,
                slack: (8.0 * (js.reorder_time - 1.0)).round() as u32,
            },
            first_packets: js.first_packets,
            send_bytes: js.send_bytes as u64,
            socket_bytes: js.socket_bytes as usize,
            bandwidth: js.bandwidth.map(|rate| rate as u64),
            bandwidth_limit: js.bandwidth_limit.map(|rate| rate as u64),
        }
    }
}
