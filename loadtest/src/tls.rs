//! TLS as a station does it: trust in one CA file, and where the CSMS wants it a certificate of its own.
//!
//! Provider aws-lc-rs, TLS 1.2 and 1.3. Handshakes are full unless resumption is asked for, because a fleet that comes back
//! after a power cut has forgotten its tickets. Never skips the check of the server's certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Sessions a station may resume where resumption is on: it talks to one server.
const SESSIONS_MAX: usize = 4;

/// What stations trust and show.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    roots: Arc<RootCertStore>,
    identity: Identity,
    resumption: bool,
}

/// The client certificate, if any.
#[derive(Clone, Debug)]
pub enum Identity {
    /// None: HTTP Basic or nothing.
    None,
    /// One certificate chain and key (PEM files) for every station.
    Shared {
        /// Chain, leaf first.
        chain: PathBuf,
        /// PKCS#8, SEC1 or PKCS#1 key.
        key: PathBuf,
    },
    /// A folder with `<identity>.pem` (chain, leaf first) and `<identity>.key` for each station.
    Folder(PathBuf),
}

// === impl TlsFiles ===

impl TlsFiles {
    /// Reads the CA file (PEM, one or more certificates).
    ///
    /// # Errors
    /// The file cannot be read or holds no usable certificate.
    pub fn read(ca: &Path, identity: Identity, resumption: bool) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        let certificates =
            CertificateDer::pem_file_iter(ca).with_context(|| format!("open {}", ca.display()))?;
        for certificate in certificates {
            let certificate = certificate.with_context(|| format!("read {}", ca.display()))?;
            roots.add(certificate).with_context(|| format!("trust {}", ca.display()))?;
        }
        anyhow::ensure!(!roots.is_empty(), "no certificate in {}", ca.display());
        Ok(Self { roots: Arc::new(roots), identity, resumption })
    }

    /// Every station may use the same settings.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        !matches!(self.identity, Identity::Folder(_))
    }

    /// The settings for one station.
    ///
    /// # Errors
    /// The station's certificate or key cannot be read, or they do not fit.
    pub fn config(&self, station: &str) -> anyhow::Result<Arc<ClientConfig>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .context("choose TLS versions")?
            .with_root_certificates(Arc::clone(&self.roots));
        let mut config = match self.identity.files(station) {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&chain)
                    .with_context(|| format!("open {}", chain.display()))?
                    .collect();
                let certificates = certificates.with_context(|| format!("read {}", chain.display()))?;
                let key =
                    PrivateKeyDer::from_pem_file(&key).with_context(|| format!("read {}", key.display()))?;
                builder.with_client_auth_cert(certificates, key).context("use client certificate")?
            }
        };
        config.resumption = if self.resumption {
            Resumption::in_memory_sessions(SESSIONS_MAX)
        } else {
            Resumption::disabled()
        };
        Ok(Arc::new(config))
    }
}

// === impl Identity ===

impl Identity {
    fn files(&self, station: &str) -> Option<(PathBuf, PathBuf)> {
        match self {
            Self::None => None,
            Self::Shared { chain, key } => Some((chain.clone(), key.clone())),
            Self::Folder(folder) => {
                Some((folder.join(format!("{station}.pem")), folder.join(format!("{station}.key"))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificate_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = TlsFiles::read(file.path(), Identity::None, false).unwrap_err();
        assert!(error.to_string().contains("no certificate"), "{error}");
        assert!(TlsFiles::read(Path::new("/nowhere/ca.pem"), Identity::None, false).is_err());
    }

    #[test]
    fn each_station_has_its_own_files() {
        let folder = Identity::Folder(PathBuf::from("/certs"));
        let (chain, key) = folder.files("CS-1").unwrap();
        assert_eq!((chain, key), (PathBuf::from("/certs/CS-1.pem"), PathBuf::from("/certs/CS-1.key")));
        assert!(Identity::None.files("CS-1").is_none());
    }
}
