//! Roaming partners: who is registered, whether they are reached, how far behind they are, what they refused, and the last calls.

use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::roaming::OCPI_VERSIONS;
use ringmain_domain::time::Timestamp;
use ringmain_store::page::PageRequest;
use ringmain_store::partners::calls::PartnerCall;
use ringmain_store::partners::lanes::{DeadLetter, Lane, PartnerStanding};
use ringmain_store::partners::{Partner, PartnerState};
use uuid::Uuid;

use super::format::{When, Zone, grouped};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, ok};
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::partners as service;

/// Partners, letters and calls shown.
const PARTNERS_SHOWN: u32 = 200;
const LINES_SHOWN: u32 = 50;

#[derive(Template)]
#[template(path = "partners.html")]
struct PartnersPage {
    shell: Shell,
    partners: Vec<PartnerLine>,
    is_cut: bool,
}

#[derive(Template)]
#[template(path = "partner.html")]
struct PartnerPage {
    shell: Shell,
    partner: PartnerLine,
    our_party: String,
    our_url: String,
    their_url: Option<String>,
    version: Option<String>,
    /// Those that may be spoken with it.
    versions: String,
    lanes: Vec<LaneLine>,
    letters: Vec<LetterLine>,
    calls: Vec<CallLine>,
}

struct PartnerLine {
    href: String,
    name: String,
    /// Class and words.
    state: (&'static str, &'static str),
    parties: String,
    called: Option<When>,
    reached: Option<When>,
    /// When a call failed last and why, unless one was answered since.
    failure: Option<(When, String)>,
}

struct LaneLine {
    name: &'static str,
    behind: String,
    passed: When,
}

struct LetterLine {
    kind: String,
    subject: String,
    reason: String,
    at: When,
}

struct CallLine {
    at: When,
    direction: &'static str,
    method: String,
    url: String,
    answer: String,
    took_ms: u32,
}

/// All of them.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
) -> Result<HttpResponse, PageError> {
    let tenant = &visitor.caller.tenant;
    let page = house.store.partners(tenant, &PageRequest::first(PARTNERS_SHOWN)).await?;
    let ids: Vec<_> = page.items.iter().map(|partner| partner.id).collect();
    let mut standings = house.store.partner_standings(tenant, &ids).await?;
    let line = |partner: &Partner| {
        PartnerLine::of(partner, standings.remove(&partner.id).unwrap_or_default(), &visitor.zone)
    };
    let partners = page.items.iter().map(line).collect();
    let shell = visitor.shell(&doorway, Nav::Partners);
    Ok(ok(&PartnersPage { shell, partners, is_cut: page.next.is_some() }))
}

/// One of them.
pub(super) async fn one(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let absent = || PageError::Absent(format!("There is no partner {:?}.", path.as_str()));
    let id = Uuid::parse_str(&path).map_err(|_no_id| absent())?;
    let partner = service::own(&house, &visitor.caller, id).await?;
    let (tenant, zone) = (&visitor.caller.tenant, &visitor.zone);
    let standing = house.store.partner_standing(tenant, id).await?;
    let newest = house.store.feed_ends(tenant).await?.newest;
    let lanes = house.store.partner_cursors(tenant, id).await?;
    let lane = |(lane, position, passed): (Lane, i64, Timestamp)| LaneLine {
        name: lane.as_str(),
        behind: grouped(newest.saturating_sub(position).max(0)),
        passed: zone.exact(passed),
    };
    let lanes = lanes.into_iter().map(lane).collect();
    let first = PageRequest::first(LINES_SHOWN);
    let letters = house.store.dead_letters(tenant, id, &first).await?.items;
    let calls = house.store.partner_calls(tenant, id, &first).await?.items;
    let peer = match &partner.state {
        PartnerState::Registered(peer) => Some(peer),
        PartnerState::Invited { .. } | PartnerState::Unregistered => None,
    };
    Ok(ok(&PartnerPage {
        shell: visitor.shell(&doorway, Nav::Partners),
        our_party: format!("{}*{}", partner.ours.country_code, partner.ours.party_id),
        our_url: partner.versions_url.to_string(),
        their_url: peer.map(|peer| peer.url.to_string()),
        version: peer.and_then(|peer| Some(peer.endpoints.as_ref()?.version.to_string())),
        versions: match partner.settings.versions.as_slice() {
            [] => OCPI_VERSIONS.join(", "),
            settled => settled.join(", "),
        },
        partner: PartnerLine::of(&partner, standing, zone),
        lanes,
        letters: letters.into_iter().map(|letter| LetterLine::of(letter, zone)).collect(),
        calls: calls.into_iter().map(|call| CallLine::of(call, zone)).collect(),
    }))
}

impl PartnerLine {
    fn of(partner: &Partner, standing: PartnerStanding, zone: &Zone) -> Self {
        let failed = standing.failed_at.filter(|at| standing.reached_at.is_none_or(|reached| reached < *at));
        let state = match &partner.state {
            PartnerState::Invited { .. } => ("unknown", "Invited"),
            PartnerState::Registered(_) if failed.is_some() => ("faulted", "Not reached"),
            PartnerState::Registered(_) => ("available", "Registered"),
            PartnerState::Unregistered => ("offline", "Left"),
        };
        let parties = match &partner.state {
            PartnerState::Registered(peer) => {
                let party = |r: &ringmain_store::partners::PartnerRole| {
                    format!("{}*{} {}", r.country_code, r.party_id, r.role)
                };
                peer.roles.iter().map(party).collect::<Vec<_>>().join(", ")
            }
            PartnerState::Invited { .. } | PartnerState::Unregistered => String::new(),
        };
        Self {
            href: format!("/partners/{}", partner.id),
            name: partner.name.to_string(),
            state,
            parties,
            called: standing.called_at.map(|at| zone.exact(at)),
            reached: standing.reached_at.map(|at| zone.exact(at)),
            failure: failed.map(|at| (zone.exact(at), standing.failure.unwrap_or_default().into())),
        }
    }
}

impl LetterLine {
    fn of(letter: DeadLetter, zone: &Zone) -> Self {
        Self {
            kind: letter.kind.into(),
            subject: letter.subject.into(),
            reason: letter.reason.into(),
            at: zone.exact(letter.refused_at),
        }
    }
}

impl CallLine {
    fn of(call: PartnerCall, zone: &Zone) -> Self {
        let said = call.said;
        let answer = match (said.http, said.status_code) {
            (Some(http), Some(code)) => format!("{http}, {code}"),
            (Some(http), None) => http.to_string(),
            (None, _) => said.response.map_or_else(|| "none".to_owned(), Into::into),
        };
        Self {
            at: zone.exact(call.at),
            direction: if call.inbound { "in" } else { "out" },
            method: said.method.into(),
            url: said.url.into(),
            answer,
            took_ms: said.took_ms,
        }
    }
}
