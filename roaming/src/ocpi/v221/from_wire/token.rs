//! Other companies' tokens.

use ringmain_domain::id::TokenUid;
use ringmain_domain::party::Role;
use ringmain_domain::roaming::{RoamingToken, Whitelist};

use super::{id, party};
use crate::ocpi::reading::Fault;
use crate::ocpi::v221::types::token::{Token, WhitelistType};

/// A token as its company tells it. Its key is the party, the uid and the kind.
///
/// # Errors
/// An identifier that is longer than its field: it would not come back to the company whole in sessions and bills.
pub fn token(from: &Token) -> Result<RoamingToken, Fault> {
    let group = from.group_id.as_ref().map(|group| {
        let group = id("/group_id", group)?;
        TokenUid::new(&group).map_err(|error| Fault::new("/group_id", error.to_string()))
    });
    Ok(RoamingToken {
        party: party(&from.country_code, &from.party_id, Role::Emsp)?,
        uid: id("/uid", &from.uid)?,
        kind: from.kind.as_str().into(),
        contract_id: id("/contract_id", &from.contract_id)?,
        group: group.transpose()?,
        valid: from.valid,
        whitelist: whitelist(from.whitelist),
    })
}

/// The rule of a whitelist.
#[must_use]
pub const fn whitelist(from: WhitelistType) -> Whitelist {
    match from {
        WhitelistType::Always => Whitelist::Always,
        WhitelistType::Allowed => Whitelist::Allowed,
        WhitelistType::AllowedOffline => Whitelist::AllowedOffline,
        WhitelistType::Never => Whitelist::Never,
    }
}
