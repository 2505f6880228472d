//! The credentials handshake as pure decisions: who shows this token, what it may ask for, and whether what it says of itself is right
//! (OCPI 2.2.1, credentials module).
//!
//! Token A comes with an invitation and dies when it is used; token C is what the partner shows from then on; token B is what we show
//! the partner. The store keeps A and C as SHA-256 only. B is kept as it is, because we have to send it.

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringmain_domain::time::Timestamp;
use ringmain_store::partners::{Partner, PartnerRole, PartnerState, Peer, PeerToken};

use crate::guard::{Guard, GuardError};

/// The most parties one partner may act for; a hub of 2.2.1 has one.
pub const ROLES_MAX: usize = 100;
/// The longest token (OCPI 2.2.1 mod_credentials).
pub const TOKEN_MAX_CHARS: usize = 64;
/// Randomness of a token we give, in bytes.
const TOKEN_BYTES: usize = 32;
/// The longest name of a company (OCPI 2.2.1 mod_locations, BusinessDetails).
const NAME_MAX_CHARS: usize = 100;
/// The longest word for a role; the list is open.
const ROLE_MAX_CHARS: usize = 20;

/// What a token makes of whoever shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may look at our versions and register.
    Invited,
    /// It may use everything.
    Registered,
}

/// What a partner does with its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Exchanges them for the first time.
    Register,
    /// Exchanges them again: new tokens, perhaps a new address.
    Renew,
    /// Leaves.
    Unregister,
}

/// What a partner says of itself, in no version's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Token B.
    pub token: String,
    /// The address of its versions.
    pub url: String,
    /// The parties it acts for; codes in upper case.
    pub roles: Vec<PartnerRole>,
}

/// Where a partner stands now; `None`: its token opens nothing any more.
#[must_use]
pub fn standing(partner: &Partner, now: Timestamp) -> Option<Standing> {
    match &partner.state {
        PartnerState::Invited { until } => (now < *until).then_some(Standing::Invited),
        PartnerState::Registered(_) => Some(Standing::Registered),
        PartnerState::Unregistered => None,
    }
}

/// Is this the time for that step? If not, OCPI wants HTTP 405.
#[must_use]
pub const fn is_time_for(standing: Standing, step: Step) -> bool {
    match (standing, step) {
        (Standing::Invited, Step::Register) | (Standing::Registered, Step::Renew | Step::Unregister) => true,
        (Standing::Invited, Step::Renew | Step::Unregister) | (Standing::Registered, Step::Register) => false,
    }
}

/// Judges what a partner says of itself. Once it is registered, its parties are pinned (security.md O2).
///
/// # Errors
/// What is wrong, in words for the partner.
pub fn judge(guard: &Guard, partner: &Partner, offer: Offer) -> Result<Peer, &'static str> {
    judge_token(&offer.token)?;
    let url = guard.check(&offer.url).map_err(GuardError::as_str)?;
    if offer.roles.is_empty() || offer.roles.len() > ROLES_MAX {
        return Err("roles must be 1 to 100");
    }
    offer.roles.iter().try_for_each(judge_role)?;
    let keys = keys(&offer.roles);
    if keys.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
        return Err("roles must not name one party twice in the same role");
    }
    if let PartnerState::Registered(peer) = &partner.state
        && self::keys(&peer.roles) != keys
    {
        return Err("roles must stay as they were registered; unregister first");
    }
    let token = PeerToken::new(&offer.token);
    Ok(Peer { url: url.as_str().into(), token, roles: offer.roles, endpoints: None })
}

/// Judges a token alone.
///
/// # Errors
/// What is wrong, in words for the partner.
pub fn judge_token(token: &str) -> Result<(), &'static str> {
    if token.is_empty() || token.len() > TOKEN_MAX_CHARS {
        return Err("token must have 1 to 64 characters");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("token must be of printable ASCII characters without spaces");
    }
    Ok(())
}

fn judge_role(role: &PartnerRole) -> Result<(), &'static str> {
    if role.country_code.len() != 2 || !role.country_code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err("country_code must be two letters (ISO 3166-1 alpha-2)");
    }
    if role.party_id.len() != 3 || !role.party_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("party_id must be three letters or digits (ISO 15118)");
    }
    if role.role.is_empty()
        || role.role.len() > ROLE_MAX_CHARS
        || !role.role.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    {
        return Err("role must be a word such as EMSP");
    }
    if role.name.is_empty()
        || role.name.chars().count() > NAME_MAX_CHARS
        || role.name.contains(char::is_control)
    {
        return Err("business_details.name must have 1 to 100 characters");
    }
    Ok(())
}

/// What makes a party, in an order that does not depend on how they were listed.
fn keys(roles: &[PartnerRole]) -> Vec<(&str, &str, &str)> {
    let mut keys: Vec<_> = roles.iter().map(|r| (&*r.country_code, &*r.party_id, &*r.role)).collect();
    keys.sort_unstable();
    keys
}

/// Where everything of ours begins, for this partner: its versions URL without the last step. It is the address an operator gave the
/// partner, never one taken from a request.
#[must_use]
pub fn base_url(partner: &Partner) -> &str {
    let url = partner.versions_url.trim_end_matches('/');
    url.strip_suffix("/versions").unwrap_or(url)
}

/// A token to be given to a partner: 256 random bits as text. `None`: the system gives no randomness.
#[must_use]
pub fn new_token() -> Option<String> {
    let mut bytes = [0; TOKEN_BYTES];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is stored of a token that is shown to us.
#[must_use]
pub fn hash(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::id::TenantId;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn role(country_code: &str, party_id: &str, role: &str) -> PartnerRole {
        PartnerRole {
            country_code: country_code.into(),
            party_id: party_id.into(),
            role: role.into(),
            name: "Example".into(),
        }
    }

    fn partner(state: PartnerState) -> Partner {
        Partner {
            id: Uuid::nil(),
            tenant: TenantId::default_tenant(),
            name: "Example".into(),
            ours: role("NL", "RMN", "CPO"),
            versions_url: "https://cpo.example.com/ocpi/versions".into(),
            state,
            settings: ringmain_store::partners::settings::PartnerSettings::default(),
            created_at: NOW,
            updated_at: NOW,
        }
    }

    fn invited() -> Partner {
        partner(PartnerState::Invited { until: NOW.plus_millis(1) })
    }

    fn offer(roles: Vec<PartnerRole>) -> Offer {
        Offer { token: "b".into(), url: "https://emsp.example.com/ocpi/versions".into(), roles }
    }

    #[test]
    fn a_token_opens_what_its_time_allows() {
        let registered = partner(PartnerState::Registered(
            judge(&Guard::default(), &invited(), offer(vec![role("DE", "ABC", "EMSP")])).unwrap(),
        ));
        for (partner, expect) in [
            (invited(), Some(Standing::Invited)),
            (partner(PartnerState::Invited { until: NOW }), None),
            (registered, Some(Standing::Registered)),
            (partner(PartnerState::Unregistered), None),
        ] {
            assert_eq!(standing(&partner, NOW), expect, "{:?}", partner.state);
        }
        for (standing, step, expect) in [
            (Standing::Invited, Step::Register, true),
            (Standing::Invited, Step::Renew, false),
            (Standing::Invited, Step::Unregister, false),
            (Standing::Registered, Step::Register, false),
            (Standing::Registered, Step::Renew, true),
            (Standing::Registered, Step::Unregister, true),
        ] {
            assert_eq!(is_time_for(standing, step), expect, "{standing:?} {step:?}");
        }
    }

    #[test]
    fn an_offer_is_judged_by_its_shape() {
        let emsp = || role("DE", "ABC", "EMSP");
        let check = |offer: Offer, expect: &str| {
            let refused = judge(&Guard::default(), &invited(), offer).expect_err(expect);
            assert!(refused.starts_with(expect), "{refused}");
        };
        let with = |change: fn(&mut Offer)| {
            let mut offer = offer(vec![emsp()]);
            change(&mut offer);
            offer
        };
        check(with(|o| o.token.clear()), "token must have");
        check(with(|o| o.token = "x".repeat(65)), "token must have");
        check(with(|o| o.token = "two words".into()), "token must be of printable");
        check(with(|o| o.token = "ü".into()), "token must be of printable");
        check(with(|o| o.url = "https://10.0.0.1/".into()), "url must name");
        check(offer(Vec::new()), "roles must be 1 to 100");
        check(offer(vec![emsp(); ROLES_MAX + 1]), "roles must be 1 to 100");
        check(offer(vec![emsp(), emsp()]), "roles must not name");
        check(offer(vec![role("DEU", "ABC", "EMSP")]), "country_code");
        check(offer(vec![role("DE", "AB*", "EMSP")]), "party_id");
        check(offer(vec![role("DE", "ABC", "")]), "role must be");
        check(offer(vec![PartnerRole { name: "".into(), ..emsp() }]), "business_details.name");
        let many: Vec<_> = (0..ROLES_MAX).map(|n| role("DE", &format!("{n:03}"), "EMSP")).collect();
        assert_eq!(
            judge(&Guard::default(), &invited(), offer(many)).map(|peer| peer.roles.len()),
            Ok(ROLES_MAX)
        );
        assert!(judge(&Guard::default(), &invited(), with(|o| o.token = "x".repeat(64))).is_ok());
    }

    #[test]
    fn parties_are_pinned_once_registered() {
        let both = || vec![role("DE", "ABC", "EMSP"), role("DE", "ABC", "CPO")];
        let peer = judge(&Guard::default(), &invited(), offer(both())).unwrap();
        let registered = partner(PartnerState::Registered(peer));
        let reversed = both().into_iter().rev().collect();
        assert!(judge(&Guard::default(), &registered, offer(reversed)).is_ok());
        assert!(judge(&Guard::default(), &registered, offer(vec![role("DE", "ABC", "EMSP")])).is_err());
        assert!(
            judge(
                &Guard::default(),
                &registered,
                offer(vec![role("DE", "XYZ", "EMSP"), role("DE", "ABC", "CPO")])
            )
            .is_err()
        );
    }

    #[test]
    fn our_addresses_follow_from_the_one_the_partner_was_given() {
        assert_eq!(base_url(&invited()), "https://cpo.example.com/ocpi");
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 43);
        assert_eq!(hash(&one).len(), 32);
        assert_ne!(hash(&one), hash(&other));
    }
}
