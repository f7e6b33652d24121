//! TLS 1.3 for QUIC: who is believed. Signatures of the handshake are always verified; what differs is how the
//! certificate itself is judged. No resumption and no early data: every link proves both ends anew.

use std::sync::{Arc, Mutex};

use noq_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::{Error, lock};

/// The one application protocol; its number changes with PROTOCOL.md.
const ALPN: &[u8] = b"petrel/1";

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
pub(crate) type Refusal = Arc<Mutex<Option<String>>>;

pub(crate) fn client(
    trust: Trust,
    credentials: Option<&Credentials>,
) -> Result<(noq_proto::ClientConfig, Refusal), Error> {
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
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    let quic = QuicClientConfig::try_from(config).map_err(|e| Error::Config(e.to_string()))?;
    Ok((noq_proto::ClientConfig::new(Arc::new(quic)), refusal))
}

pub(crate) fn server(credentials: &Credentials) -> Result<Arc<QuicServerConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let (chain, key) = parse(credentials)?;
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| Error::Config(e.to_string()))?
        .with_client_cert_verifier(Arc::new(ClientVerifier(provider)))
        .with_single_cert(chain, key)
        .map_err(|e| Error::Config(format!("certificate and private key cannot be used: {e}")))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(QuicServerConfig::try_from(config).map_err(|e| Error::Config(e.to_string()))?))
}

/// SHA-256 of the SPKI of a certificate.
pub(crate) fn pin(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
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

#[derive(Debug)]
enum Judge {
    Pin(Vec<u8>),
    Roots { verifier: Arc<WebPkiServerVerifier>, certificates: Vec<CertificateDer<'static>> },
    Any,
}

impl Judge {
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        match self {
            Self::Any => Ok(()),
            Self::Pin(expected) => match pin(leaf) {
                Some(pin) if pin[..] == expected[..] => Ok(()),
                _ => Err(CertificateError::ApplicationVerificationFailure.into()),
            },
            Self::Roots { verifier, certificates } => {
                match verifier.verify_server_cert(leaf, chain, name, &[], now).map(drop) {
                    // A self-signed certificate that says it is an authority and is trusted itself, byte for byte.
                    // WebPKI has looked at its dates before this error; the name is still to be checked.
                    Err(e) if is_authority_as_leaf(&e) && certificates.iter().any(|c| c == leaf) => {
                        rustls::client::verify_server_name(&ParsedCertificate::try_from(leaf)?, name)
                    }
                    other => other,
                }
            }
        }
    }
}

fn is_authority_as_leaf(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(e)) if e.0.to_string() == "CaUsedAsEndEntity")
}

#[derive(Debug)]
struct ServerVerifier {
    judge: Judge,
    provider: Arc<CryptoProvider>,
    refusal: Refusal,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge.check(leaf, chain, name, now).map(|()| ServerCertVerified::assertion()).inspect_err(|e| {
            let reason = match self.judge {
                Judge::Pin(_) => "the server's public key is not the pinned one".to_string(),
                _ => e.to_string(),
            };
            *lock(&self.refusal) = Some(reason);
        })
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Asks for a certificate, takes none or any; possession of its key is proved by the signature.
#[derive(Debug)]
struct ClientVerifier(Arc<CryptoProvider>);

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        pin(leaf).map(|_| ClientCertVerified::assertion()).ok_or(CertificateError::BadEncoding.into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
