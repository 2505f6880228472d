//! Our own drivers' tokens into OCPI 2.2.1, for operators where they charge.

use ringmain_domain::time::Timestamp;
use ringmain_domain::token;
use ringmain_store::partners::PartnerRole;

use super::{COMPANY_MAX, clip, is_id, token_type};
use crate::ocpi::v221::types::token::{Token, WhitelistType};
use crate::ocpi::values::DateTime;

/// The most characters of the company on a token (OCPI 2.2.1 mod_tokens, Token).
const ISSUER_MAX: usize = 64;

/// A token as operators see it; `None`: its uid is longer than OCPI can say, so no operator can read it either.
///
/// The domain keeps no contract, so the uid stands for it, and no whitelist rule, so it comes in. The driver's name stays with us.
#[must_use]
pub fn token(
    ours: &PartnerRole,
    from: &token::Token,
    whitelist: WhitelistType,
    now: Timestamp,
) -> Option<Token> {
    let uid = from.uid.as_str();
    let expired = from.expires_at.is_some_and(|at| at <= now);
    is_id(uid).then(|| Token {
        country_code: (&*ours.country_code).into(),
        party_id: (&*ours.party_id).into(),
        uid: uid.into(),
        kind: token_type(&from.kind),
        contract_id: uid.into(),
        visual_number: None,
        issuer: clip(&clip(&ours.name, COMPANY_MAX), ISSUER_MAX),
        group_id: from.group.as_ref().map(|group| group.as_str()).filter(|id| is_id(id)).map(Into::into),
        valid: !from.blocked && !expired,
        whitelist,
        language: None,
        default_profile_type: None,
        energy_contract: None,
        last_updated: DateTime(
            from.expires_at.filter(|_| expired).map_or(from.updated_at, |at| at.max(from.updated_at)),
        ),
    })
}
