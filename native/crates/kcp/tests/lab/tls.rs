//! Certificates of the test links. Ed25519, whose signatures are of one length, so that runs repeat to the byte.

use std::sync::{Arc, OnceLock};

use petrel_kcp::ALPN;
use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_ED25519};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub struct Credentials {
    pub server: Arc<ServerConfig>,
    pub client: Arc<ClientConfig>,
}

/// The same for all tests of a process.
pub fn credentials() -> &'static Credentials {
    static MADE: OnceLock<Credentials> = OnceLock::new();
    MADE.get_or_init(|| Credentials::new(0))
}

impl Credentials {
    /// ballast: so many bytes more in the certificate.
    pub fn new(ballast: usize) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let mut params = CertificateParams::new(vec!["server".to_string()]).expect("a name");
        if ballast > 0 {
            let more = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![0x5a; ballast]);
            params.custom_extensions.push(more);
        }
        let certificate = params.self_signed(&key).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls13 = &[&rustls::version::TLS13];
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(tls13)
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a server");
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.send_tls13_tickets = 0;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).expect("a root");
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(tls13)
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![ALPN.to_vec()];
        Self { server: Arc::new(server), client: Arc::new(client) }
    }
}
