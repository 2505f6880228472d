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
use std::collections::BTreeSet;

use crate::guard::{Guard, GuardError};
use crate::ocpi::dialect::Dialect;

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

/// Judges what a partner says of itself in a version. Once it is registered, its parties are pinned (security.md O2).
///
/// # Errors
/// What is wrong, in words for the partner.
pub fn judge(
    guard: &Guard,
    partner: &Partner,
    (dialect, offer): (Dialect, Offer),
) -> Result<Peer, &'static str> {
    judge_token(&offer.token)?;
    let url = guard.check(&offer.url).map_err(GuardError::as_str)?;
    if offer.roles.is_empty() || offer.roles.len() > ROLES_MAX {
        return Err("roles must be 1 to 100");
    }
    offer.roles.iter().try_for_each(judge_role)?;
    if keys(&offer.roles).windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
        return Err("roles must not name one party twice in the same role");
    }
    if let PartnerState::Registered(peer) = &partner.state
        && !are_same(peer, dialect, &offer.roles)
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

/// Are these the parties that were registered? Where the version of then or of now tells no roles, its one party is all that can be
/// compared.
fn are_same(peer: &Peer, dialect: Dialect, roles: &[PartnerRole]) -> bool {
    let have_roles = dialect.has_roles() && spoken(peer).is_none_or(Dialect::has_roles);
    if have_roles {
        return keys(&peer.roles) == keys(roles);
    }
    let parties = |roles: &[PartnerRole]| -> BTreeSet<(Box<str>, Box<str>)> {
        roles.iter().map(|role| (role.country_code.clone(), role.party_id.clone())).collect()
    };
    parties(&peer.roles) == parties(roles)
}

/// The version that was agreed upon with a partner; `None`: it was never asked for its modules, or a later release of ours spoke it.
#[must_use]
pub fn spoken(peer: &Peer) -> Option<Dialect> {
    Dialect::of(peer.endpoints.as_ref()?)
}

/// May a partner's tokens have other kinds in this version than in what was spoken with it before? Of whoever was not there before, nobody
/// knows what is kept of an earlier time.
#[must_use]
pub fn are_tokens_anew(partner: &Partner, dialect: Dialect) -> bool {
    let spoken = match &partner.state {
        PartnerState::Registered(peer) => spoken(peer),
        PartnerState::Invited { .. } | PartnerState::Unregistered => None,
    };
    spoken.is_none_or(|spoken| spoken.token_kinds() != dialect.token_kinds())
}

/// Whom a message goes to that is for everybody: the hub, where the partner is one (OCPI 2.2.1, broadcast push), else the first eMSP among
/// its companies, in the order of its credentials, else the first of them.
#[must_use]
pub fn addressee(roles: &[PartnerRole]) -> Option<&PartnerRole> {
    roles.iter().find(|role| *role.role == *"HUB").or_else(|| company(roles))
}

/// Whose drivers a partner means where it names no company: the first eMSP, else the first of all.
#[must_use]
pub fn company(roles: &[PartnerRole]) -> Option<&PartnerRole> {
    roles.iter().find(|role| *role.role == *"EMSP").or(roles.first())
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
    use ringmain_store::partners::settings::PartnerEndpoints;
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

    /// As it is in 2.2.1.
    fn judge(guard: &Guard, partner: &Partner, offer: Offer) -> Result<Peer, &'static str> {
        super::judge(guard, partner, (Dialect::V221, offer))
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
    fn a_party_stays_the_same_when_a_version_without_roles_is_left_or_taken_up() {
        let registered = |dialect: Dialect, roles: Vec<PartnerRole>| {
            let mut peer = judge(&Guard::default(), &invited(), offer(roles)).unwrap();
            let (version, fetched_at) = (dialect.as_str().into(), NOW);
            peer.endpoints =
                Some(PartnerEndpoints { version, modules: Vec::new(), is_token_plain: false, fetched_at });
            partner(PartnerState::Registered(peer))
        };
        let (emsp, both) = (
            || vec![role("DE", "ABC", "EMSP")],
            || vec![role("DE", "ABC", "CPO"), role("DE", "ABC", "EMSP")],
        );
        let other = || vec![role("DE", "XYZ", "EMSP")];
        let two = || vec![role("DE", "ABC", "EMSP"), role("DE", "XYZ", "EMSP")];
        use Dialect::{V211, V221, V230};
        for (before, was, now, is, expect) in [
            (V211, emsp(), V221, both(), true),
            (V221, both(), V211, emsp(), true),
            (V211, emsp(), V211, emsp(), true),
            (V211, emsp(), V230, other(), false),
            (V211, emsp(), V221, two(), false),
            (V221, two(), V211, emsp(), false),
            (V221, emsp(), V230, both(), false),
            (V221, both(), V230, both(), true),
        ] {
            let kept = registered(before, was);
            let judged = super::judge(&Guard::default(), &kept, (now, offer(is.clone())));
            assert_eq!(judged.is_ok(), expect, "{before:?} {now:?} {is:?}");
            assert_eq!(are_tokens_anew(&kept, now), (before == V211) != (now == V211), "{before:?} {now:?}");
        }
        assert!(are_tokens_anew(&invited(), V221));
    }

    #[test]
    fn a_message_for_everybody_goes_to_the_hub_or_the_first_emsp() {
        let (cpo, emsp, hub) =
            (role("DE", "AAA", "CPO"), role("DE", "ABC", "EMSP"), role("NL", "HUB", "HUB"));
        let all = [cpo.clone(), emsp.clone(), hub.clone()];
        assert_eq!((addressee(&all), company(&all)), (Some(&hub), Some(&emsp)));
        assert_eq!(addressee(&all[..2]), Some(&emsp));
        assert_eq!((addressee(&all[..1]), company(&all[..1])), (Some(&cpo), Some(&cpo)));
        assert_eq!(addressee(&[]), None);
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
