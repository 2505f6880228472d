//! OCPI 2.3.0 into nouns where it says more than 2.2.1.

use ringmain_store::partners::PartnerRole;

use super::bridge;
use crate::ocpi::v221::from_wire;
use crate::ocpi::v221::types::credentials::{Credentials as OldCredentials, Role};
use crate::ocpi::v230::types::Credentials;
use crate::partner::Offer;

/// What a partner says of itself. A hub names itself beside the parties that are reached by it (OCPI 2.3.0 mod_credentials, `hub_party_id`):
/// it is one more party here, in the role that 2.2.1 has for it.
#[must_use]
pub fn offer(from: Credentials) -> Offer {
    let Credentials { token, url, hub_party_id, roles } = from;
    let mut offer = from_wire::offer(OldCredentials { token, url, roles });
    if let Some((country_code, party_id)) = hub_party_id.as_ref().and_then(bridge::party) {
        let code = |code: &str| Box::<str>::from(code.to_ascii_uppercase());
        let (country_code, party_id) = (code(country_code.as_str()), code(party_id.as_str()));
        let name = format!("{country_code}{party_id}").into();
        offer.roles.push(PartnerRole { country_code, party_id, role: Role::Hub.as_str().into(), name });
    }
    offer
}
