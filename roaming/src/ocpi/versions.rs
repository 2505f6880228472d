//! The list of versions that we offer (OCPI 2.2.1 version information endpoint), the same in all of them.

use serde::Serialize;

use crate::ocpi::dialect::Dialect;

/// A version and where its details are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionEntry {
    version: &'static str,
    url: String,
}

/// The answer to "which versions?" for a partner to whom we are at `base`, and with whom these are spoken.
#[must_use]
pub fn list(base: &str, settled: &[Dialect]) -> Vec<VersionEntry> {
    let entry = |dialect: &Dialect| {
        let version = dialect.as_str();
        VersionEntry { version, url: format!("{base}/{version}") }
    };
    settled.iter().map(entry).collect()
}
