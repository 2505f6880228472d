//! Roaming partners: invite, take an invitation up, settle, change tokens, take leave; look at what went wrong and send it again.

use std::sync::Arc;

use ringmain_domain::roaming::{Acceptance, OCPI_VERSIONS, PartnerDesk, PartnerFault};
use ringmain_store::partners::settings::PartnerSettings;
use ringmain_store::partners::{Invitation, Partner, PartnerRole};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::audit;
use super::keys::{self, Caller};
use super::refusal::{Flaw, Refusal, check_text};
use crate::clock;
use crate::house::House;
use crate::secret::Secret;

/// How long an invitation is good, in days.
const INVITED_DAYS: i64 = 14;
const MS_PER_DAY: i64 = 86_400_000;
/// The most characters of a partner's name, and of a company's (OCPI 2.2.1 mod_locations, BusinessDetails).
const NAME_MAX_CHARS: usize = 100;
/// The most calls at the same time, and a second, that can be settled.
const CALLS_PER_S_MAX: u32 = 1_000;

/// Who we are towards a partner; what is absent is as configured.
#[derive(Debug, Clone, Default)]
pub struct Ours {
    /// Country code, party id and company.
    pub party: [Option<String>; 3],
    /// Where our versions are for it.
    pub versions_url: Option<String>,
    /// Which of them may be spoken with it; all where none is named.
    pub versions: Vec<String>,
}

/// The same, complete.
struct Complete {
    role: PartnerRole,
    versions_url: Box<str>,
    versions: Vec<Box<str>>,
}

/// An invitation that was made, with its token, which is never shown again.
pub struct Invited {
    /// The partner.
    pub id: Uuid,
    /// What it registers with.
    pub token_a: Secret,
    /// Where.
    pub versions_url: Box<str>,
}

/// The caller's own partner.
///
/// # Errors
/// Absent; the store's.
pub async fn own(house: &House, caller: &Caller, id: Uuid) -> Result<Partner, Refusal> {
    let found = house.store.partner(&caller.tenant, id).await?;
    found.ok_or_else(|| Refusal::absent("partner", id))
}

/// Invites a partner.
///
/// # Errors
/// Flaws, also where neither the request nor the configuration says who we are; the store's.
pub async fn invite(house: &House, caller: &Caller, name: &str, ours: Ours) -> Result<Invited, Refusal> {
    let Complete { role, versions_url, versions } = complete(house, name, ours)?;
    // A token of OCPI has at most 64 characters, of which ours uses fewer.
    let token_a = keys::new_token().map_err(|_no_random| Refusal::conflict("no randomness: try again"))?;
    let (id, at) = (Uuid::now_v7(), clock::now());
    let invitation = Invitation {
        id,
        tenant: caller.tenant.clone(),
        name: name.into(),
        ours: role,
        versions_url: versions_url.clone(),
        token_hash: keys::hash(token_a.reveal()),
        expires_at: at.plus_millis(INVITED_DAYS * MS_PER_DAY),
        created_at: at,
    };
    house.store.insert_invitation(&invitation).await?;
    if !versions.is_empty() {
        // Nobody knows the token yet.
        let settings = PartnerSettings { versions, ..PartnerSettings::default() };
        house.store.put_partner_settings(&caller.tenant, id, &settings, at).await?;
    }
    audit::record(house, caller, "partner.invited", &subject(id), &json!({"name": name})).await?;
    Ok(Invited { id, token_a, versions_url })
}

/// Takes a partner's invitation up.
///
/// # Errors
/// Flaws; a conflict with the partner's own words when it does not play its part; the store's.
pub async fn accept(
    house: &House,
    caller: &Caller,
    (name, ours): (&str, Ours),
    (their_versions_url, token_a): (&str, &str),
) -> Result<Uuid, Refusal> {
    let Complete { role, versions_url, versions } = complete(house, name, ours)?;
    let acceptance = Acceptance {
        tenant: caller.tenant.clone(),
        name: name.into(),
        ours: (role.country_code, role.party_id, role.name),
        versions,
        our_versions_url: versions_url,
        their_versions_url: their_versions_url.into(),
        token_a: token_a.into(),
    };
    let id = desk(house)?.accept(acceptance).await.map_err(|fault| refusal(fault, "/versions_url"))?;
    audit::record(house, caller, "partner.registered", &subject(id), &json!({"name": name})).await?;
    Ok(id)
}

/// Changes the tokens on both sides.
///
/// # Errors
/// Absent; a conflict with the partner's own words; the store's.
pub async fn rotate(house: &House, caller: &Caller, id: Uuid) -> Result<(), Refusal> {
    own(house, caller, id).await?;
    desk(house)?.rotate(caller.tenant.clone(), id).await.map_err(|fault| refusal(fault, ""))?;
    audit::record(house, caller, "partner.rotated", &subject(id), &json!({})).await?;
    Ok(())
}

/// Takes leave of a partner, or an invitation back.
///
/// # Errors
/// Absent; a conflict when it has left already; the store's.
pub async fn leave(house: &House, caller: &Caller, id: Uuid) -> Result<(), Refusal> {
    own(house, caller, id).await?;
    desk(house)?.leave(caller.tenant.clone(), id).await.map_err(|fault| refusal(fault, ""))?;
    audit::record(house, caller, "partner.left", &subject(id), &json!({})).await?;
    Ok(())
}

/// Keeps what was settled with a partner.
///
/// # Errors
/// Flaws; absent; the store's.
pub async fn settle(
    house: &House,
    caller: &Caller,
    id: Uuid,
    settings: &PartnerSettings,
) -> Result<(), Refusal> {
    let mut flaws = Vec::new();
    if !(1..=PartnerSettings::CALLS_AT_ONCE_MAX).contains(&settings.calls_at_once) {
        let detail = format!("must be 1 to {}", PartnerSettings::CALLS_AT_ONCE_MAX);
        flaws.push(Flaw::new("/calls_at_once", detail));
    }
    let rates =
        [("/calls_per_s", settings.calls_per_s), ("/inbound_calls_per_s", settings.inbound_calls_per_s)];
    for (pointer, rate) in rates {
        if rate > CALLS_PER_S_MAX {
            flaws.push(Flaw::new(pointer, format!("must be 0 to {CALLS_PER_S_MAX}")));
        }
    }
    check_versions(&mut flaws, settings.versions.iter().map(|version| &**version));
    Refusal::unless_sound(flaws)?;
    if !house.store.put_partner_settings(&caller.tenant, id, settings, clock::now()).await? {
        return Err(Refusal::absent("partner", id));
    }
    if let Some(desk) = house.partners.get() {
        desk.changed();
    }
    audit::record(house, caller, "partner.settled", &subject(id), &json!(settings)).await?;
    Ok(())
}

/// Sends what a partner refused again.
///
/// # Errors
/// Absent, the partner or the letter; the store's.
pub async fn replay(
    house: &House,
    caller: &Caller,
    id: Uuid,
    (kind, name): (&str, &str),
) -> Result<(), Refusal> {
    own(house, caller, id).await?;
    let of = (&caller.tenant, id);
    if !house.store.replay_dead_letter(of, (kind, name), clock::now()).await? {
        return Err(Refusal::absent("dead letter", format!("{kind} {name}")));
    }
    let detail = json!({"kind": kind, "subject": name});
    audit::record(house, caller, "partner.replayed", &subject(id), &detail).await?;
    Ok(())
}

/// Who we are towards a partner, from the request and the configuration.
fn complete(house: &House, name: &str, ours: Ours) -> Result<Complete, Refusal> {
    let config = &house.config.roaming;
    let mut flaws = Vec::new();
    check_text(&mut flaws, "/name", name, NAME_MAX_CHARS);
    check_versions(&mut flaws, ours.versions.iter().map(String::as_str));
    let mut take = |given: Option<String>, configured: &str, pointer: &'static str, key: &str| {
        let value = given.unwrap_or_else(|| configured.to_owned());
        if value.is_empty() {
            flaws.push(Flaw::new(pointer, format!("is missing, and {key} is not configured")));
        }
        value
    };
    let [country_code, party_id, company] = ours.party;
    let country_code = take(country_code, &config.country_code, "/country_code", "roaming.country_code");
    let party_id = take(party_id, &config.party_id, "/party_id", "roaming.party_id");
    let company = take(company, &config.company, "/company", "roaming.company");
    let url = take(ours.versions_url, &config.versions_url, "/our_versions_url", "roaming.versions_url");
    if flaws.is_empty() {
        check_text(&mut flaws, "/company", &company, NAME_MAX_CHARS);
        if country_code.len() != 2 || !country_code.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            flaws.push(Flaw::new("/country_code", "must be two letters (ISO 3166-1 alpha-2)"));
        }
        if party_id.len() != 3 || !party_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            flaws.push(Flaw::new("/party_id", "must be three letters or digits (ISO 15118)"));
        }
        let is_ours = Url::parse(&url).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.path().ends_with("/ocpi/versions")
        });
        if !is_ours || url.len() > 255 {
            flaws.push(Flaw::new(
                "/our_versions_url",
                "must be an absolute address that ends in /ocpi/versions",
            ));
        }
    }
    Refusal::unless_sound(flaws)?;
    let role = PartnerRole {
        country_code: country_code.to_ascii_uppercase().into(),
        party_id: party_id.to_ascii_uppercase().into(),
        role: "CPO".into(),
        name: company.into(),
    };
    let versions = ours.versions.into_iter().map(Into::into).collect();
    Ok(Complete { role, versions_url: url.into(), versions })
}

/// Versions are known, and each named once.
fn check_versions<'a>(flaws: &mut Vec<Flaw>, versions: impl Iterator<Item = &'a str>) {
    let mut seen = Vec::new();
    for version in versions {
        if !OCPI_VERSIONS.contains(&version) || seen.contains(&version) {
            let detail = format!("must be some of {}, each once", OCPI_VERSIONS.join(", "));
            flaws.push(Flaw::new("/versions", detail));
            return;
        }
        seen.push(version);
    }
}

fn desk(house: &House) -> Result<Arc<dyn PartnerDesk>, Refusal> {
    house.partners.get().cloned().ok_or_else(|| Refusal::conflict("roaming has not started: try again"))
}

fn refusal(fault: PartnerFault, pointer: &'static str) -> Refusal {
    match fault {
        PartnerFault::NotRegistered => Refusal::conflict("the partner is not registered"),
        PartnerFault::Unusable(reason) => Refusal::Invalid(vec![Flaw::new(pointer, &*reason)]),
        PartnerFault::Refused(reason) => Refusal::conflict(format!("the partner did not do it: {reason}")),
        PartnerFault::StoreAway => {
            Refusal::conflict("the store is away: look at the partner before trying again")
        }
    }
}

fn subject(id: Uuid) -> String {
    format!("partners/{id}")
}
