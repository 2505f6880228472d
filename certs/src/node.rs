//! TLS between the nodes of a cluster: both ends show a certificate of the cluster's own CA, issued for one name that all nodes have.
//!
//! A node may have any address, so no certificate names it: what is checked is the CA and [`NODE_NAME`]. A certificate of a station or of
//! the public server is refused even where one CA signed them all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error as TlsError,
    RootCertStore, ServerConfig, SignatureScheme,
};

use crate::chain::{self, CertificateFiles, PemError};
use crate::provider;

/// The name in the certificate of every node.
pub const NODE_NAME: &str = "node.ringmain";

/// TLS settings of one node, for both directions. Cheap to clone; all clones follow a reload.
#[derive(Debug, Clone)]
pub struct NodeTls {
    /// For its listener.
    pub server: Arc<ServerConfig>,
    /// For its calls to others.
    pub client: Arc<ClientConfig>,
    ca_pem: PathBuf,
    files: CertificateFiles,
    trust: Trust,
}

/// Why a node cannot speak with the others.
#[derive(Debug, thiserror::Error)]
pub enum NodeTlsError {
    /// A file.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The CA or the certificate is of no use.
    #[error("the certificates of the cluster cannot be used: {0}")]
    Unusable(String),
}

/// What the files say, as both directions ask for it in each handshake.
#[derive(Debug, Clone)]
struct Trust {
    current: Arc<ArcSwap<InForce>>,
    name: ServerName<'static>,
}

/// One state of the files.
#[derive(Debug)]
struct InForce {
    roots: Arc<RootCertStore>,
    clients: Arc<dyn ClientCertVerifier>,
    servers: Arc<WebPkiServerVerifier>,
    identity: Arc<CertifiedKey>,
}

// === impl NodeTls ===

impl NodeTls {
    /// From the cluster's CA and this node's certificate and key.
    ///
    /// # Errors
    /// A file that cannot be used, by name.
    pub fn read(ca_pem: &Path, files: &CertificateFiles) -> Result<Self, NodeTlsError> {
        let provider = provider::shared();
        let in_force = InForce::read(ca_pem, files)?;
        let name = ServerName::try_from(NODE_NAME).map_err(unusable)?;
        let trust = Trust { current: Arc::new(ArcSwap::from_pointee(in_force)), name };
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .with_client_cert_verifier(Arc::new(trust.clone()))
            .with_cert_resolver(Arc::new(trust.clone()));
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust.clone()))
            .with_client_cert_resolver(Arc::new(trust.clone()));
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Links live long. A session that is resumed shows no certificate, so it would outlive a CA.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        client.resumption = Resumption::disabled();
        let (server, client) = (Arc::new(server), Arc::new(client));
        Ok(Self { server, client, ca_pem: ca_pem.to_owned(), files: files.clone(), trust })
    }

    /// Reads the same files again. What they say counts from the next handshake on, and links that stand go on; `false`: they say the same.
    ///
    /// # Errors
    /// A file that cannot be used, by name: everything old stays in force.
    pub fn reload(&self) -> Result<bool, NodeTlsError> {
        let read = InForce::read(&self.ca_pem, &self.files)?;
        let is_new = !self.trust.current.load().is_same(&read);
        if is_new {
            self.trust.current.store(Arc::new(read));
        }
        Ok(is_new)
    }
}

fn unusable(error: impl std::fmt::Display) -> NodeTlsError {
    NodeTlsError::Unusable(error.to_string())
}

// === impl InForce ===

impl InForce {
    fn read(ca_pem: &Path, files: &CertificateFiles) -> Result<Self, NodeTlsError> {
        let roots = Arc::new(chain::read_roots(ca_pem)?);
        let identity = Arc::new(chain::read_identity(files)?);
        let provider = provider::shared();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            // What is in force may be another one by the next handshake; who calls has one certificate anyway.
            .clear_root_hint_subjects()
            .build()
            .map_err(unusable)?;
        let servers = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider)
            .build()
            .map_err(unusable)?;
        Ok(Self { roots, clients, servers, identity })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.roots.roots == other.roots.roots && self.identity.cert == other.identity.cert
    }
}

// === impl Trust ===

/// What a node shows to those who call it.
impl ResolvesServerCert for Trust {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().identity))
    }
}

/// What a node shows to those whom it calls.
impl ResolvesClientCert for Trust {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().identity))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Of those who call, only nodes are heard.
impl ClientCertVerifier for Trust {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        let verified = self.current.load().clients.verify_client_cert(end_entity, intermediates, now)?;
        let parsed = ParsedCertificate::try_from(end_entity)?;
        rustls::client::verify_server_name(&parsed, &self.name)
            .map_err(|_other_name| TlsError::InvalidCertificate(CertificateError::NotValidForName))?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.current.load().clients.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.current.load().clients.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current.load().clients.supported_verify_schemes()
    }
}

/// Whatever address was called, the one name is looked for.
impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _address: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let servers = Arc::clone(&self.current.load().servers);
        servers.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.current.load().servers.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.current.load().servers.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current.load().servers.supported_verify_schemes()
    }
}
