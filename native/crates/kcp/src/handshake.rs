//! The TLS 1.3 handshake: rustls makes and takes its bytes, which travel in CRYPTO frames at three levels as in QUIC
//! (RFC 9001 §4).

use bytes::Bytes;
use petrel_streams::Reassembly;
use rustls::pki_types::CertificateDer;
use rustls::quic::Connection as Tls;

use crate::keys::LinkKeys;
use crate::packet::Level;
use crate::parameters::Parameters;
use crate::send_stream::SendStream;

/// A certificate chain and its proof are far smaller.
const MAX_BYTES: u64 = 64 * 1024;
/// So many bytes in packets of the smallest size have fewer holes, whatever is lost.
const MAX_HOLES: usize = 64;

pub(crate) struct Handshake {
    tls: Tls,
    /// The highest level that we can write at.
    level: Level,
    out: [SendStream; 3],
    came: [Reassembly; 3],
}

/// The handshake cannot go on; the TLS alert (RFC 8446 §6) and a text for people.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) alert: u8,
    pub(crate) text: String,
}

impl Handshake {
    pub(crate) fn new(tls: Tls) -> Self {
        Self { tls, level: Level::Initial, out: Default::default(), came: Default::default() }
    }

    pub(crate) fn out(&mut self, level: Level) -> &mut SendStream {
        &mut self.out[level as usize]
    }

    pub(crate) fn is_finished(&self) -> bool {
        !self.tls.is_handshaking()
    }

    /// Takes bytes of a CRYPTO frame.
    pub(crate) fn receive(&mut self, level: Level, offset: u64, data: &[u8]) -> Result<(), Failed> {
        // TLS reads at the level at which we write, but for the very end (RFC 9001 §4.1.3).
        let is_over = level < self.level.min(Level::Handshake);
        let came = &mut self.came[level as usize];
        let refuse = |text: &str| Failed { alert: 10, text: text.to_string() };
        if is_over && offset + data.len() as u64 > came.contiguous() {
            return Err(refuse("bytes of the handshake at a level that is over"));
        }
        came.insert(offset, data, MAX_BYTES).map_err(|_| refuse("the handshake is too long"))?;
        if came.islands() > MAX_HOLES {
            return Err(refuse("a handshake of holes"));
        }
        let mut ready = vec![0; came.available() as usize];
        let n = came.read(&mut ready);
        if n == 0 {
            return Ok(());
        }
        self.tls
            .read_hs(&ready[..n])
            .map_err(|error| Failed { alert: self.tls.alert().map_or(80, u8::from), text: error.to_string() })
    }

    /// Takes what TLS has to say, and keys as they come.
    pub(crate) fn advance(&mut self, keys: &mut LinkKeys) {
        loop {
            let level = self.level;
            let mut bytes = Vec::new();
            if let Some(change) = self.tls.write_hs(&mut bytes) {
                keys.upgrade(change);
                if level == Level::Initial {
                    // What waits behind a hole there is not waited for any more.
                    self.came[level as usize].clear();
                }
                self.level = if level == Level::Initial { Level::Handshake } else { Level::Data };
            }
            if bytes.is_empty() && level == self.level {
                return;
            }
            self.out[level as usize].write(Bytes::from(bytes));
        }
    }

    /// None until the peer's have come, or when they are malformed.
    pub(crate) fn parameters(&self) -> Option<Option<Parameters>> {
        self.tls.quic_transport_parameters().map(Parameters::decode)
    }

    pub(crate) fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.tls.peer_certificates().and_then(<[_]>::first)
    }

    pub(crate) fn export_key(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> bool {
        self.tls.export_keying_material(out, label, Some(context)).is_ok()
    }
}
