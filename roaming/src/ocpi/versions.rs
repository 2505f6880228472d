//! The versions we speak, once. A version that is added gets its line here and its folder beside this file.

use serde::Serialize;

/// A version of OCPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OcpiVersion {
    /// 2.2.1.
    V221,
}

/// A version and where its details are (OCPI 2.2.1 version information endpoint).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionEntry {
    version: &'static str,
    url: String,
}

// === impl OcpiVersion ===

impl OcpiVersion {
    /// All, the highest first.
    pub const ALL: [Self; 1] = [Self::V221];

    /// Its number.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V221 => "2.2.1",
        }
    }
}

/// The answer to "which versions?" for a partner to whom we are at `base`.
#[must_use]
pub fn list(base: &str) -> Vec<VersionEntry> {
    let entry = |version: OcpiVersion| {
        let version = version.as_str();
        VersionEntry { version, url: format!("{base}/{version}") }
    };
    OcpiVersion::ALL.into_iter().map(entry).collect()
}
