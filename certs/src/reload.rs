//! New files into a running listener, whole or not at all.
//!
//! Place on the walk: beside `socket`; live sockets notice nothing, the next handshake sees the
//! new files. Never: a watcher or a timer of its own (the gateway says when), and never half a
//! change: one wrong file keeps every old one in force.

use std::path::PathBuf;

use crate::resumption::Resumption;
use crate::server::{Loaded, ServerTls, ServerTlsError};

/// One thing that a reload changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another certificate or another chain behind it is served.
    ServerCertificate {
        /// The file it came from.
        chain_pem: PathBuf,
        /// SHA-256 of the new certificate, lower-case hex.
        sha256_fingerprint: String,
        /// End of its validity, seconds since 1970-01-01T00:00:00Z.
        not_after_unix_s: i64,
    },
    /// Other CAs or revocation lists count for client certificates. Every ticket and session is
    /// forgotten; live sockets are for the caller to check (`ClientVerifier::check`).
    ClientCa {
        /// The bundle it came from.
        ca_pem: PathBuf,
    },
}

// === impl ServerTls ===

impl ServerTls {
    /// Reads the same paths again and puts what changed into force.
    ///
    /// Returns the changes, server certificates first, in the order of the settings; empty when
    /// every file still says the same.
    ///
    /// # Errors
    /// As for [`ServerTls::load`]. Everything old stays in force.
    pub fn reload(&mut self) -> Result<Vec<Change>, ServerTlsError> {
        let loaded = Loaded::read(&self.settings)?;
        let mut changes = self.changed_certificates(&loaded);
        let trust = match (&self.verifier, loaded.trust) {
            (Some(verifier), Some(trust)) if !verifier.trusts_the_same(&trust) => Some((verifier, trust)),
            _ => None,
        };
        // The last step that can fail comes before the first one that changes anything.
        let fresh = match &trust {
            Some(_) => Some(Resumption::prepare().map_err(ServerTlsError::Crypto)?),
            None => None,
        };

        if !changes.is_empty() {
            self.resolver.swap(loaded.certificates);
        }
        if let Some((verifier, trust)) = trust {
            verifier.swap(trust);
            changes.extend(
                self.settings.client_auth.ca().map(|ca| Change::ClientCa { ca_pem: ca.ca_pem.clone() }),
            );
        }
        if let Some(fresh) = fresh {
            self.resumption.forget(fresh);
        }
        Ok(changes)
    }

    fn changed_certificates(&self, loaded: &Loaded) -> Vec<Change> {
        let current = self.resolver.current();
        let pairs = current.iter().zip(&loaded.certificates);
        let named = self.settings.certificates.iter().zip(&loaded.facts);
        pairs
            .zip(named)
            // A key cannot change without its certificate: the two were checked to be a pair.
            .filter(|((old, new), _)| old.cert != new.cert)
            .map(|(_, (files, facts))| Change::ServerCertificate {
                chain_pem: files.chain_pem.clone(),
                sha256_fingerprint: facts.sha256_fingerprint.clone(),
                not_after_unix_s: facts.not_after_unix_s,
            })
            .collect()
    }
}
