//! The border to Node: a readiness interface. Handles are numbers, calls never wait, one bell tells that `events` has
//! something. Converts and nothing else; the only crate with unsafe code, in `bytes_of` and tcp.rs. A call after
//! `stop`, or with a handle that is gone, does nothing. Longer than most files, because it lists every call once.

mod profile;
mod state;
pub mod tcp;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Float64ArraySlice, Function, Uint8Array, Uint8ArraySlice};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Error, Result, Status};
use napi_derive::napi;
use petrel_engine::{ClosedBy, Credentials, DialFailure, Engine, Event, Limits, Link, Protocol, Trust};

use crate::profile::JsProfile;
use crate::state::{Border, with, with_link};

/// f64 fields of one event: kind, link, then what the kind says (see `record`).
const RECORD: usize = 5;

/// Streams, credit and datagram bytes as LinkLimits has them; windowBytes: of one transfer, at most;
/// handshakeMs: from the first packet to a finished handshake; idleMs: silence that ends the link; keepAliveMs: quiet
/// before the peer is asked for a sign of life; profile: does not change with the limits.
#[napi(object)]
pub struct JsLimits {
    pub streams: u32,
    pub credit_bytes: f64,
    pub datagram_bytes: f64,
    pub window_bytes: f64,
    pub handshake_ms: u32,
    pub idle_ms: u32,
    pub keep_alive_ms: u32,
    pub profile: JsProfile,
}

impl From<JsLimits> for Limits {
    fn from(js: JsLimits) -> Self {
        Self {
            streams: js.streams,
            credit_bytes: js.credit_bytes as u64,
            datagram_bytes: js.datagram_bytes as usize,
            window_bytes: js.window_bytes as u64,
            handshake: Duration::from_millis(js.handshake_ms.into()),
            idle: Duration::from_millis(js.idle_ms.into()),
            keep_alive: Duration::from_millis(js.keep_alive_ms.into()),
            profile: js.profile.into(),
        }
    }
}

#[napi(object)]
pub struct JsCredentials {
    pub certificate: String,
    pub private_key: String,
}

impl From<JsCredentials> for Credentials {
    fn from(js: JsCredentials) -> Self {
        Self { certificate: js.certificate, private_key: js.private_key }
    }
}

/// One of: pin (32 bytes), roots (PEM), neither (unverified).
#[napi(object)]
pub struct JsTrust {
    pub pin: Option<Uint8Array>,
    pub roots: Option<String>,
}

#[napi(object)]
pub struct JsListener {
    pub id: u32,
    pub port: u16,
}

#[napi(object)]
pub struct JsPeer {
    pub verified: bool,
    pub pin: Option<Uint8Array>,
}

#[napi(object)]
pub struct JsAddress {
    pub host: String,
    pub port: u16,
}

/// Starts this environment's engine. bell: called with nothing when events wait (see `Engine::start`); does not keep the
/// process alive.
#[napi(catch_unwind)]
pub fn start(env: Env, bell: Function<'_, (), ()>) -> Result<()> {
    let bell = bell
        .build_threadsafe_function::<()>()
        .callee_handled::<false>()
        .weak::<true>()
        .max_queue_size::<1>()
        .build()?;
    let ring = move || {
        // A full queue means that the bell is ringing already.
        bell.call((), ThreadsafeFunctionCallMode::NonBlocking);
    };
    let engine = Arc::new(Engine::start(Box::new(ring)).map_err(failure)?);
    // Hooks run in reverse order: this one before the bell's own, so that nothing rings a bell that is gone.
    env.add_env_cleanup_hook(engine.clone(), |engine| engine.stop())?;
    state::set(Border::new(engine));
    Ok(())
}

/// Tells every peer and ends the engine's thread. At most half a second, commonly under a millisecond.
#[napi(catch_unwind)]
pub fn stop() {
    if let Some(border) = state::take() {
        border.engine.stop();
    }
}

/// protocol: "quic" or "kcp"; host: an IP address. Throws "address_in_use|…", "unreachable|…", "config_invalid|…",
/// "unsupported|…".
#[napi(catch_unwind)]
pub fn listen(
    protocol: String,
    host: String,
    port: u16,
    credentials: JsCredentials,
    stranger: JsLimits,
) -> Result<JsListener> {
    let protocol = protocol_of(&protocol)?;
    let address = SocketAddr::new(ip(&host)?, port);
    let made = with(|b| b.engine.listen(protocol, address, &credentials.into(), stranger.into()));
    let (id, bound) = made.ok_or_else(stopped)?.map_err(failure)?;
    Ok(JsListener { id, port: bound.port() })
}

#[napi(catch_unwind)]
pub fn renew(listener: u32, credentials: JsCredentials) -> Result<()> {
    with(|b| b.engine.renew(listener, &credentials.into())).ok_or_else(stopped)?.map_err(failure)
}

#[napi(catch_unwind)]
pub fn unlisten(listener: u32) {
    with(|b| b.engine.unlisten(listener));
}

/// Begins to dial; event 1 or 2 follows. Returns the link's number.
#[napi(catch_unwind)]
pub fn dial(
    protocol: String,
    host: String,
    port: u16,
    name: String,
    trust: JsTrust,
    credentials: Option<JsCredentials>,
    limits: JsLimits,
) -> Result<u32> {
    let protocol = protocol_of(&protocol)?;
    let address = SocketAddr::new(ip(&host)?, port);
    let trust = match trust {
        JsTrust { pin: Some(pin), .. } => Trust::Pin(pin.to_vec()),
        JsTrust { roots: Some(pem), .. } => Trust::Roots(pem),
        _ => Trust::Unverified,
    };
    let credentials = credentials.map(Credentials::from);
    let made = with(|b| {
        let link = b.engine.dial(protocol, address, &name, trust, credentials.as_ref(), limits.into())?;
        Ok(b.add(link))
    });
    made.ok_or_else(stopped)?.map_err(failure)
}

/// Has the engine do what `open`, `took`, `write`, `finish`, `reset` and `sendDatagram` left to it; once for all calls of
/// a turn of the event loop.
#[napi(catch_unwind)]
pub fn go() {
    with(|border| border.engine.go());
}

/// Fills whole records of 5 numbers; returns how many. 0: none left, and the bell rings for the next.
#[napi(catch_unwind)]
pub fn events(mut into: Float64ArraySlice<'_>) -> u32 {
    // SAFETY: as in `bytes_of`.
    let into = unsafe { into.as_mut() };
    let mut count = 0;
    with(|border| {
        for slot in into.chunks_exact_mut(RECORD) {
            let Some(event) = border.engine.next_event() else { break };
            slot.copy_from_slice(&record(border, event));
            count += 1;
        }
    });
    count
}

/// [kind, link, stream or listener, code, who]
fn record(border: &mut Border, event: Event) -> [f64; RECORD] {
    match event {
        Event::Connected { link } => [1.0, link.into(), 0.0, 0.0, 0.0],
        Event::Failed { link, why, reason } => {
            border.reasons.insert(link, reason);
            let code = match why {
                DialFailure::Unreachable => 0.0,
                DialFailure::Timeout => 1.0,
                DialFailure::Untrusted => 2.0,
                DialFailure::Refused => 3.0,
            };
            [2.0, link.into(), 0.0, code, 0.0]
        }
        Event::Incoming { listener, link } => [3.0, border.add(link).into(), listener.into(), 0.0, 0.0],
        Event::Unlistened { listener } => [11.0, 0.0, listener.into(), 0.0, 0.0],
        Event::Stream { link, stream } => [4.0, link.into(), stream as f64, 0.0, 0.0],
        Event::Readable { link, stream } => [5.0, link.into(), stream as f64, 0.0, 0.0],
        Event::Writable { link, stream } => [6.0, link.into(), stream as f64, 0.0, 0.0],
        Event::Reset { link, stream, code, by_peer } => {
            [7.0, link.into(), stream as f64, code as f64, f64::from(u8::from(by_peer))]
        }
        Event::Datagrams { link } => [8.0, link.into(), 0.0, 0.0, 0.0],
        Event::MayOpen { link } => [9.0, link.into(), 0.0, 0.0, 0.0],
        Event::Closed { link, closed } => {
            border.reasons.insert(link, closed.reason);
            let by = match closed.by {
                ClosedBy::Us => 0.0,
                ClosedBy::Peer => 1.0,
                ClosedBy::Network => 2.0,
            };
            [10.0, link.into(), 0.0, closed.code as f64, by]
        }
    }
}

/// Why a link failed or closed. Once.
#[napi(catch_unwind)]
pub fn reason(link: u32) -> String {
    with(|b| b.reasons.remove(&link)).flatten().unwrap_or_default()
}

/// A new stream's number; -1: the peer allows no more now, event 9 follows.
#[napi(catch_unwind)]
pub fn open(link: u32) -> f64 {
    with_link(link, |l| l.open()).flatten().map_or(-1.0, |stream| stream as f64)
}

/// Bytes copied into `into`; 0: nothing now, event 5 follows; -1: the stream has ended.
#[napi(catch_unwind)]
pub fn read(link: u32, stream: f64, mut into: Uint8ArraySlice<'_>) -> f64 {
    with_link(link, |l| l.read(stream as u64, bytes_of(&mut into)).map_or(-1.0, |n| n as f64)).unwrap_or(0.0)
}

/// Bytes since the stream's start that the application has taken.
#[napi(catch_unwind)]
pub fn took(link: u32, stream: f64, total: f64) {
    with_link(link, |l| l.took(stream as u64, total as u64));
}

/// Bytes taken, copied; fewer than given: event 6 follows.
#[napi(catch_unwind)]
pub fn write(link: u32, stream: f64, data: &[u8]) -> u32 {
    with_link(link, |l| l.write(stream as u64, data) as u32).unwrap_or(0)
}

#[napi(catch_unwind)]
pub fn finish(link: u32, stream: f64) {
    with_link(link, |l| l.finish(stream as u64));
}

#[napi(catch_unwind)]
pub fn reset(link: u32, stream: f64, code: u32) {
    with_link(link, |l| l.reset(stream as u64, code));
}

#[napi(catch_unwind)]
pub fn release(link: u32, stream: f64) {
    with_link(link, |l| l.release(stream as u64));
}

/// -1: no longer known.
#[napi(catch_unwind)]
pub fn acknowledged(link: u32, stream: f64) -> f64 {
    with_link(link, |l| l.acknowledged(stream as u64)).flatten().map_or(-1.0, |n| n as f64)
}

/// Whether all up to the peer's FIN is here.
#[napi(catch_unwind)]
pub fn is_complete(link: u32, stream: f64) -> bool {
    with_link(link, |l| l.is_complete(stream as u64)).unwrap_or(false)
}

/// -1: this link has no datagrams.
#[napi(catch_unwind)]
pub fn max_datagram(link: u32) -> f64 {
    with_link(link, |l| l.max_datagram()).flatten().map_or(-1.0, |n| n as f64)
}

#[napi(catch_unwind)]
pub fn send_datagram(link: u32, payload: &[u8]) -> bool {
    with_link(link, |l| l.send_datagram(payload)).unwrap_or(false)
}

/// Payloads, each behind its length (u16, little endian); returns bytes filled. 0: none, event 8 follows.
#[napi(catch_unwind)]
pub fn read_datagrams(link: u32, mut into: Uint8ArraySlice<'_>) -> u32 {
    with_link(link, |l| l.read_datagrams(bytes_of(&mut into)) as u32).unwrap_or(0)
}

#[napi(catch_unwind)]
pub fn raise_limits(link: u32, limits: JsLimits) {
    with_link(link, |l| l.raise_limits(limits.into()));
}

/// Event 10 follows.
#[napi(catch_unwind)]
pub fn close_link(link: u32, code: f64, reason: String) {
    with_link(link, |l| l.close(code as u64, &reason));
}

/// The number means nothing from now on.
#[napi(catch_unwind)]
pub fn release_link(link: u32) {
    with(|b| b.remove(link));
}

/// Throws "closed|…" when the link has ended.
#[napi(catch_unwind)]
pub fn export_key(link: u32, label: &[u8], context: &[u8], bytes: u32) -> Result<Uint8Array> {
    let mut out = vec![0; bytes.min(255) as usize];
    with_link(link, |l| l.export_key(label, context, &mut out))
        .unwrap_or(Err(petrel_engine::Error::LinkEnded))
        .map_err(failure)?;
    Ok(out.into())
}

#[napi(catch_unwind)]
pub fn peer(link: u32) -> JsPeer {
    let peer = with_link(link, |l| l.peer()).unwrap_or_default();
    JsPeer { verified: peer.verified, pin: peer.pin.map(|pin| pin.to_vec().into()) }
}

#[napi(catch_unwind)]
pub fn remote(link: u32) -> Option<JsAddress> {
    let address = with_link(link, |l| l.remote()).flatten()?;
    Some(JsAddress { host: address.ip().to_string(), port: address.port() })
}

/// Fills 14 numbers, in the order of Stats in the engine crate; durations in milliseconds. False: the link is gone.
#[napi(catch_unwind)]
pub fn stats(link: u32, mut into: Float64ArraySlice<'_>) -> bool {
    let Some(s) = with_link(link, |l| l.stats()) else { return false };
    let all = [
        s.rtt.as_secs_f64() * 1e3,
        s.min_rtt.as_secs_f64() * 1e3,
        s.cwnd as f64,
        s.mtu.into(),
        s.sent_bytes as f64,
        s.received_bytes as f64,
        s.sent_packets as f64,
        s.lost_packets as f64,
        s.delivery_rate as f64,
        s.open_streams as f64,
        s.granted as f64,
        s.dropped_datagrams as f64,
        s.send_buffer as f64,
        s.receive_buffer as f64,
    ];
    // SAFETY: as in `bytes_of`.
    let into = unsafe { into.as_mut() };
    let n = all.len().min(into.len());
    into[..n].copy_from_slice(&all[..n]);
    true
}

/// Goes on from a new socket, as when our own address has changed. Of a dialled link only.
#[napi(catch_unwind)]
pub fn rebind(link: u32) {
    with_link(link, |l: &Arc<Link>| l.rebind());
}

/// For the tests of the addon's life cycle: the engine panics when it next works on this link, which must end that link
/// and nothing else.
#[napi(catch_unwind)]
pub fn panic_for_test(link: u32) {
    with_link(link, |l: &Arc<Link>| l.panic_for_test());
}

/// The one place that writes into JavaScript's memory.
fn bytes_of<'a>(slice: &'a mut Uint8ArraySlice<'_>) -> &'a mut [u8] {
    // SAFETY: the call is synchronous and on JavaScript's thread, so JavaScript neither runs nor moves the buffer
    // meanwhile; the borrow ends with the call. Callers never pass a SharedArrayBuffer's view.
    unsafe { slice.as_mut() }
}

fn ip(host: &str) -> Result<IpAddr> {
    host.parse().map_err(|_| Error::new(Status::GenericFailure, format!("unreachable|{host} is not an IP address")))
}

fn protocol_of(name: &str) -> Result<Protocol> {
    match name {
        "quic" => Ok(Protocol::Quic),
        "kcp" => Ok(Protocol::Kcp),
        _ => Err(Error::new(Status::GenericFailure, format!("unsupported|the addon knows no protocol {name}"))),
    }
}

fn stopped() -> Error {
    Error::new(Status::GenericFailure, "closed|the engine has stopped")
}

/// "code|text", which binding.ts takes apart.
fn failure(error: petrel_engine::Error) -> Error {
    use petrel_engine::Error as E;
    let code = match &error {
        E::Config(_) => "config_invalid",
        E::Unsupported(_) => "unsupported",
        E::Socket(e) if e.kind() == std::io::ErrorKind::AddrInUse => "address_in_use",
        E::Socket(e) if e.kind() == std::io::ErrorKind::PermissionDenied => "port_refused",
        E::Socket(_) => "unreachable",
        E::LinkEnded | E::Stopped => "closed",
    };
    Error::new(Status::GenericFailure, format!("{code}|{error}"))
}
