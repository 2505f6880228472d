//! OCPI 2.2.1 into nouns.

use ringmain_store::partners::PartnerRole;

use crate::ocpi::v221::types::credentials::{Credentials, CredentialsRole};
use crate::partner::Offer;

/// What a partner says of itself. Codes are CiStrings: they are taken in upper case.
#[must_use]
pub fn offer(credentials: Credentials) -> Offer {
    let role = |role: CredentialsRole| PartnerRole {
        country_code: role.country_code.as_str().to_ascii_uppercase().into(),
        party_id: role.party_id.as_str().to_ascii_uppercase().into(),
        role: role.role.as_str().to_ascii_uppercase().into(),
        name: role.business_details.name.into(),
    };
    Offer {
        token: credentials.token,
        url: credentials.url,
        roles: credentials.roles.into_iter().map(role).collect(),
    }
}
