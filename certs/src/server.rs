//! The settings of a TLS listener: station listener, node-to-node listener.
//!
//! Place on the walk: before `socket`. TLS 1.2 and 1.3, certificates and client CA swapped live
//! (see `reload`), ALPN `http/1.1` only, resumption by tickets of this process. Never: TLS 1.1 or
//! older, static RSA, compression or renegotiation (rustls has none of them; the missing static
//! RSA suites are a declared deviation from OCPP), early data, HTTP/2 on the station listener.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{Error as TlsError, ServerConfig};
use thiserror::Error;

use crate::chain::{self, CertificateFiles, PemError};
use crate::identity::{IdentityError, PeerCertificate};
use crate::provider;
use crate::resolver::{CertificateResolver, Certificates};
use crate::resumption::Resumption;
use crate::verifier::{ClientCa, ClientVerifier, Trust};

/// Most certificates of one listener: an RSA and an ECDSA chain for each of a few names.
pub const CERTIFICATES_MAX: usize = 16;

/// Size of the session cache unless told otherwise; rustls' own default is 256 sessions.
pub const SESSION_CACHE_ENTRIES: usize = 4_096;

/// What a listener wants of a client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Not asked for: OCPP security profiles 1 and 2, browsers, partners.
    Off,
    /// Asked for; a client without one is let in, one with a wrong one is refused.
    Optional(ClientCa),
    /// Asked for; a client without one is refused: OCPP security profile 3, node to node.
    Required(ClientCa),
}

/// What a TLS listener is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// 1 to [`CERTIFICATES_MAX`] certificates; the first is the default for clients that name no
    /// server or an unknown one. Of several for one name the first that fits the client's suites is
    /// taken, so an ECDSA and an RSA chain can stand side by side.
    pub certificates: Vec<CertificateFiles>,
    /// Client certificates: off, optional, required.
    pub client_auth: ClientAuth,
    /// Sessions of TLS 1.2 clients without tickets, at most
    /// [`crate::resumption::SESSION_CACHE_ENTRIES_MAX`]; 0 turns the cache off.
    pub session_cache_entries: usize,
}

/// Why a listener's TLS settings cannot be made or renewed.
#[derive(Debug, Error)]
pub enum ServerTlsError {
    /// A file is wrong; the text names it.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The settings name no certificate.
    #[error("no server certificate is configured")]
    NoCertificates,
    /// The settings name more than [`CERTIFICATES_MAX`] certificates.
    #[error("{certificates} server certificates are configured, at most {CERTIFICATES_MAX} are taken")]
    TooManyCertificates {
        /// How many.
        certificates: usize,
    },
    /// A chain loads, but the facts of its first certificate cannot be told.
    #[error("{}: {cause}", path.display())]
    Identity {
        /// The chain's file.
        path: PathBuf,
        /// What is wrong with it.
        cause: IdentityError,
    },
    /// The crypto library has no random numbers for ticket keys.
    #[error("make TLS settings: {0}")]
    Crypto(TlsError),
}

/// A listener's TLS settings, running.
#[derive(Debug)]
pub struct ServerTls {
    pub(crate) settings: ServerSettings,
    pub(crate) resolver: Arc<CertificateResolver>,
    pub(crate) verifier: Option<Arc<ClientVerifier>>,
    pub(crate) resumption: Arc<Resumption>,
    config: Arc<ServerConfig>,
}

/// Everything that the files of a listener give, read before anything is swapped.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) certificates: Certificates,
    pub(crate) facts: Vec<PeerCertificate>,
    pub(crate) trust: Option<Trust>,
}

// === impl ClientAuth ===

impl ClientAuth {
    pub(crate) fn ca(&self) -> Option<&ClientCa> {
        match self {
            Self::Off => None,
            Self::Optional(ca) | Self::Required(ca) => Some(ca),
        }
    }
}

// === impl ServerSettings ===

impl ServerSettings {
    /// Settings with one certificate, no client certificates and the usual session cache.
    #[must_use]
    pub fn new(certificate: CertificateFiles) -> Self {
        Self {
            certificates: vec![certificate],
            client_auth: ClientAuth::Off,
            session_cache_entries: SESSION_CACHE_ENTRIES,
        }
    }
}

// === impl Loaded ===

impl Loaded {
    pub(crate) fn read(settings: &ServerSettings) -> Result<Self, ServerTlsError> {
        let count = settings.certificates.len();
        if count == 0 {
            return Err(ServerTlsError::NoCertificates);
        }
        if count > CERTIFICATES_MAX {
            return Err(ServerTlsError::TooManyCertificates { certificates: count });
        }
        let mut certificates = Vec::with_capacity(count);
        let mut facts = Vec::with_capacity(count);
        for files in &settings.certificates {
            let identity = chain::read_identity(files)?;
            let own = identity.end_entity_cert().map_err(ServerTlsError::Crypto)?;
            facts.push(
                PeerCertificate::from_der(own)
                    .map_err(|cause| ServerTlsError::Identity { path: files.chain_pem.clone(), cause })?,
            );
            certificates.push(Arc::new(identity));
        }
        let trust = settings.client_auth.ca().map(Trust::read).transpose()?;
        Ok(Self { certificates, facts, trust })
    }
}

// === impl ServerTls ===

impl ServerTls {
    /// Reads all files and puts the settings together.
    ///
    /// # Errors
    /// The first file that cannot be used, or settings out of bounds.
    pub fn load(settings: ServerSettings) -> Result<Self, ServerTlsError> {
        let loaded = Loaded::read(&settings)?;
        let resolver = Arc::new(CertificateResolver::new(loaded.certificates));
        let mandatory = matches!(settings.client_auth, ClientAuth::Required(_));
        let verifier = loaded.trust.map(|trust| Arc::new(ClientVerifier::new(trust, mandatory)));
        let resumption =
            Arc::new(Resumption::new(settings.session_cache_entries).map_err(ServerTlsError::Crypto)?);

        let builder = ServerConfig::builder_with_provider(provider::shared())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(ServerTlsError::Crypto)?;
        let builder = match &verifier {
            Some(verifier) => builder.with_client_cert_verifier(Arc::<ClientVerifier>::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::<CertificateResolver>::clone(&resolver));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = Arc::<Resumption>::clone(&resumption);
        config.session_storage = Arc::<Resumption>::clone(&resumption);
        // One instead of two: a ticket carries the client's whole chain, and a station keeps one socket.
        config.send_tls13_tickets = 1;
        Ok(Self { settings, resolver, verifier, resumption, config: Arc::new(config) })
    }

    /// The settings for rustls, tokio-rustls or actix. Clones share certificates, client CA and
    /// resumption with this value, so a reload reaches them all.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The verifier of client certificates, for checks after the handshake; `None` when they are off.
    #[must_use]
    pub fn client_verifier(&self) -> Option<Arc<ClientVerifier>> {
        self.verifier.clone()
    }

    /// The facts of the certificates in force, in the order of the settings; their ends feed the
    /// alarm for certificates that nobody renewed.
    ///
    /// # Errors
    /// None in practice: each was read once before it came into force.
    pub fn certificates(&self) -> Result<Vec<PeerCertificate>, IdentityError> {
        self.resolver
            .current()
            .iter()
            .filter_map(|identity| identity.cert.first())
            .map(|der| PeerCertificate::from_der(der))
            .collect()
    }
}
