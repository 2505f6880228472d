//! What holds for all roaming partners.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::public_data::PublicData;

/// Roaming partners.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Roaming {
    /// Who we are towards partners: ISO 3166-1 alpha-2.
    pub country_code: String,
    /// Who we are towards partners: three characters (ISO 15118).
    pub party_id: String,
    /// The company that partners and drivers read.
    pub company: String,
    /// Where partners find our versions: absolute, ends in `/ocpi/versions`.
    pub versions_url: String,
    /// Partners' places outside the public internet that may be called all the same, with commas between them.
    pub allow: String,
    /// CAs of partners that no public one vouches for, as a PEM file.
    pub extra_ca: Option<PathBuf>,
    /// How long a partner may take to say whether its driver may charge, in ms.
    pub authorize_budget_ms: u32,
    /// How long a partner may take for any other answer, in seconds.
    pub call_timeout_s: u32,
    /// How long a station may take over a partner's command, in seconds.
    pub command_timeout_s: u32,
    /// What anyone may read without credentials.
    pub public_data: PublicData,
}

impl Roaming {
    /// The places that may be called all the same.
    #[must_use]
    pub fn allowed(&self) -> Vec<&str> {
        self.allow.split(',').map(str::trim).filter(|place| !place.is_empty()).collect()
    }
}

impl Default for Roaming {
    fn default() -> Self {
        Self {
            country_code: String::new(),
            party_id: String::new(),
            company: String::new(),
            versions_url: String::new(),
            allow: String::new(),
            extra_ca: None,
            authorize_budget_ms: 2_500,
            call_timeout_s: 10,
            command_timeout_s: 30,
            public_data: PublicData::default(),
        }
    }
}
