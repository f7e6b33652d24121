//! How often a link asks a path that has fallen silent, QUIC and KCP alike. RFC 9002 §6.2.1 doubles the wait for each
//! probe that is not answered, for the sake of paths that are full: after five seconds the next is five seconds away, and
//! a path that is back stands idle. Here the wait stops growing. What makes that harmless is what is sent: while nothing is
//! heard no window and no data follow, a probe or two leave in each interval (40 to 80 kbit/s), never a second before
//! the first could be answered, and all of it ends with the link's idle time.

use std::time::Duration;

/// With the round trip and a half until what was lost has come again, within a second of the path's return.
const LEAST: Duration = Duration::from_millis(300);
/// A round trip, and as much for the queue that may be on the way.
const ROUND_TRIPS: u32 = 2;

/// The longest wait from one probe to the next while something is in flight; rtt: the path's, smoothed.
pub fn probe_interval(rtt: Duration) -> Duration {
    rtt.saturating_mul(ROUND_TRIPS).max(LEAST)
}
