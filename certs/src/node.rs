//! TLS between the nodes of a cluster: both ends show a certificate of the cluster's own CA, issued for one name that all nodes have.
//!
//! A node may have any address, so no certificate names it: what is checked is the CA and [`NODE_NAME`]. A certificate of a station or of
//! the public server is refused even where one CA signed them all.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error as TlsError,
    ServerConfig, SignatureScheme,
};

use crate::chain::{self, CertificateFiles, PemError};
use crate::provider;

/// The name in the certificate of every node.
pub const NODE_NAME: &str = "node.ringmain";

/// TLS settings of one node, for both directions.
#[derive(Debug, Clone)]
pub struct NodeTls {
    /// For its listener.
    pub server: Arc<ServerConfig>,
    /// For its calls to others.
    pub client: Arc<ClientConfig>,
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

// === impl NodeTls ===

impl NodeTls {
    /// From the cluster's CA and this node's certificate and key.
    ///
    /// # Errors
    /// A file that cannot be used, by name.
    pub fn read(ca_pem: &Path, files: &CertificateFiles) -> Result<Self, NodeTlsError> {
        let unusable = |error: &dyn std::fmt::Display| NodeTlsError::Unusable(error.to_string());
        let roots = Arc::new(chain::read_roots(ca_pem)?);
        let identity = Arc::new(chain::read_identity(files)?);
        let provider = provider::shared();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| unusable(&error))?;
        let servers = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| unusable(&error))?;
        let name = ServerName::try_from(NODE_NAME).map_err(|error| unusable(&error))?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(&error))?
            .with_client_cert_verifier(Arc::new(NodesOnly { clients, name: name.clone() }))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity))));
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ByName { servers, name }))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }
}

/// Of those who call, only nodes are heard.
#[derive(Debug)]
struct NodesOnly {
    clients: Arc<dyn ClientCertVerifier>,
    name: ServerName<'static>,
}

impl ClientCertVerifier for NodesOnly {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        let verified = self.clients.verify_client_cert(end_entity, intermediates, now)?;
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
        self.clients.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.clients.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}

/// Whatever address was called, the one name is looked for.
#[derive(Debug)]
struct ByName {
    servers: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for ByName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _address: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        self.servers.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.servers.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.servers.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.servers.supported_verify_schemes()
    }
}
