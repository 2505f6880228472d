//! Who takes part: the companies of the roaming world and the customers of this installation.

use serde::{Deserialize, Serialize};

use crate::id::TenantId;

/// A customer of this installation; everything carries its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: Box<str>,
    /// The party it is towards partners.
    pub party: Party,
}

/// A company in the roaming world.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Party {
    /// ISO 3166-1 alpha-2.
    pub country_code: Box<str>,
    /// Three characters (ISO 15118).
    pub party_id: Box<str>,
    /// What it does.
    pub role: Role,
}

/// What a party does (OCPI 2.2.1 types).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs stations.
    Cpo,
    /// Has contracts with drivers.
    Emsp,
    /// Passes messages between others.
    Hub,
}
