//! TLS 1.3 of every native link: who is believed. Signatures of the handshake are always verified; what differs is how
//! the certificate itself is judged. No resumption and no early data: every link proves both ends anew. `alpn` names
//! the protocol that the link speaks, so that one's handshake is worth nothing to the other.

use std::sync::{Arc, Mutex};

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::Error;
use crate::verify::{ClientVerifier, Judge, ServerVerifier};

/// PEM.
#[derive(Clone)]
pub struct Credentials {
    pub certificate: String,
    pub private_key: String,
}

/// How a dialler judges the certificate of its listener.
pub enum Trust {
    /// SHA-256 of the leaf's SPKI.
    Pin(Vec<u8>),
    /// PEM of authorities; the name is checked.
    Roots(String),
    Unverified,
}

/// Filled in when the certificate was refused: the reason, for people.
pub type Refusal = Arc<Mutex<Option<String>>>;

pub fn client(alpn: &[u8], trust: Trust, credentials: Option<&Credentials>) -> Result<(ClientConfig, Refusal), Error> {
    let provider = Arc::new(ring::default_provider());
    let refusal = Refusal::default();
    let judge = match trust {
        Trust::Pin(pin) => Judge::Pin(pin),
        Trust::Unverified => Judge::Any,
        Trust::Roots(pem) => {
            let certificates = certificates(&pem)?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates.iter().cloned());
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|e| Error::Config(format!("no usable authority certificate: {e}")))?;
            Judge::Roots { verifier, certificates }
        }
    };
    let verifier = ServerVerifier { judge, provider: provider.clone(), refusal: refusal.clone() };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| Error::Config(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match credentials {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let (chain, key) = parse(own)?;
            builder.with_client_auth_cert(chain, key).map_err(|e| Error::Config(format!("client certificate: {e}")))?
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok((config, refusal))
}

pub fn server(alpn: &[u8], credentials: &Credentials) -> Result<ServerConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let (chain, key) = parse(credentials)?;
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| Error::Config(e.to_string()))?
        .with_client_cert_verifier(Arc::new(ClientVerifier(provider)))
        .with_single_cert(chain, key)
        .map_err(|e| Error::Config(format!("certificate and private key cannot be used: {e}")))?;
    config.alpn_protocols = vec![alpn.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// SHA-256 of the SPKI of a certificate.
pub fn pin(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, parsed.subject_public_key_info().as_ref());
    digest.as_ref().try_into().ok()
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(Error::Config("no certificate in the PEM text".into())),
        Err(e) => Err(Error::Config(format!("certificate is not PEM: {e}"))),
    }
}

fn parse(own: &Credentials) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let key = PrivateKeyDer::from_pem_slice(own.private_key.as_bytes())
        .map_err(|e| Error::Config(format!("private key is not PEM: {e}")))?;
    Ok((certificates(&own.certificate)?, key))
}
