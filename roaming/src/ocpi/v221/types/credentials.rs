//! Credentials (`mod_credentials`).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ocpi::grammar::{object, open_enum};
use crate::ocpi::v221::types::location::BusinessDetails;
use crate::ocpi::values::CiString;

/// Credentials. Its debug text hides the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    pub token: String,
    pub url: String,
    /// At least one: whoever judges credentials says so.
    pub roles: Vec<CredentialsRole>,
}

object! {
    /// A party in credentials.
    CredentialsRole {
        1 role: Role,
        1 business_details: BusinessDetails,
        1 party_id: CiString,
        1 country_code: CiString,
    }
}

open_enum! {
    /// What a party does. The text closes the list, but forgets roles that exist (PTP).
    Role {
        Cpo = "CPO",
        Emsp = "EMSP",
        Hub = "HUB",
        Nap = "NAP",
        Nsp = "NSP",
        Scsp = "SCSP",
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("url", &self.url)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}
