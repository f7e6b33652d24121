//! How a certificate is judged, for both ends, as rustls asks for it.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};

use crate::lock;
use crate::tls::{Refusal, pin};

#[derive(Debug)]
pub(crate) enum Judge {
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
pub(crate) struct ServerVerifier {
    pub(crate) judge: Judge,
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) refusal: Refusal,
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
pub(crate) struct ClientVerifier(pub(crate) Arc<CryptoProvider>);

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
