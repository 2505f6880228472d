//! Which of the server's certificates a client gets.
//!
//! Place on the walk: `socket`, in the middle of the TLS handshake. The certificates hang in an
//! `ArcSwap`, so that new ones are served from the next handshake on while live sockets go on.
//! Never: a refusal for a missing or unknown name. Many stations send no SNI or an odd one, and
//! they get the default, which is the first.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificates of a listener, at least one, the default first.
pub(crate) type Certificates = Vec<Arc<CertifiedKey>>;

#[derive(Debug)]
pub(crate) struct CertificateResolver {
    current: ArcSwap<Certificates>,
}

// === impl CertificateResolver ===

impl CertificateResolver {
    pub(crate) fn new(certificates: Certificates) -> Self {
        Self { current: ArcSwap::from_pointee(certificates) }
    }

    pub(crate) fn swap(&self, certificates: Certificates) {
        self.current.store(Arc::new(certificates));
    }

    pub(crate) fn current(&self) -> Arc<Certificates> {
        self.current.load_full()
    }
}

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.current.load();
        // rustls has reduced the schemes to those of the offered suites: an RSA-only client of
        // TLS 1.2 gets the RSA chain where there is one.
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        name.and_then(|name| certificates.iter().filter(fits).find(|key| covers(key, &name)))
            .or_else(|| certificates.iter().find(fits))
            // Nothing fits: with any certificate rustls answers the standard handshake_failure.
            .or_else(|| certificates.first())
            .cloned()
    }
}

fn covers(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    key.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}
