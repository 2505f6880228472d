//! TLS settings for calls out: simulated stations, node to node.
//!
//! Place on the walk: none of it on a node's own way in; the other end's `socket`. Never: trust in
//! the system's root store (a node or a station under test trusts exactly the CA file it is given)
//! and never a switch to skip verification.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error as TlsError, RootCertStore, SupportedProtocolVersion};

use crate::chain::{self, PemError};
use crate::provider;

/// The CAs that a server's certificate must come from. Cheap to clone: ten thousand simulated
/// stations share one copy.
#[derive(Clone, Debug)]
pub struct ServerTrust {
    roots: Arc<RootCertStore>,
}

/// Which versions of TLS a client offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// TLS 1.3 and 1.2.
    #[default]
    Both,
    /// TLS 1.2 only, as most stations in the field.
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

/// What a client is made from.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// Certificate and key to present when asked; from `chain::read_identity` or a development CA.
    pub identity: Option<Arc<CertifiedKey>>,
    /// Versions on offer.
    pub offer: Offer,
    /// Sessions kept for resumption; 0 makes every handshake a full one.
    pub sessions: usize,
}

// === impl ServerTrust ===

impl ServerTrust {
    /// Reads the CA file.
    ///
    /// # Errors
    /// `Missing`, `Unreadable`, `TooLarge`, `NoCertificate` or `Malformed`.
    pub fn read(ca_pem: &Path) -> Result<Self, PemError> {
        Ok(Self { roots: Arc::new(chain::read_roots(ca_pem)?) })
    }

    /// Settings for one client. Its sessions are its own: a session resumed with another identity
    /// would be a station under a false name.
    ///
    /// # Errors
    /// None in practice: the provider speaks both versions.
    pub fn client(&self, settings: ClientSettings) -> Result<ClientConfig, TlsError> {
        let versions: &[&SupportedProtocolVersion] = match settings.offer {
            Offer::Both => &[&TLS13, &TLS12],
            Offer::Tls12 => &[&TLS12],
            Offer::Tls13 => &[&TLS13],
        };
        let builder = ClientConfig::builder_with_provider(provider::shared())
            .with_protocol_versions(versions)?
            .with_root_certificates(Arc::clone(&self.roots));
        let mut config = match settings.identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = match settings.sessions {
            0 => Resumption::disabled(),
            sessions => Resumption::in_memory_sessions(sessions),
        };
        Ok(config)
    }
}
