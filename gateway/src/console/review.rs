//! What waits for a person: sessions that are not billed by themselves, each with its reasons; messages that count for nothing.

use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::id::SessionId;
use ringmain_domain::session::{Session, SessionStatus};
use ringmain_domain::time::Timestamp;
use ringmain_store::page::PageRequest;
use ringmain_store::strays::{Contradiction, Orphan, Unreadable};
use serde::Deserialize;

use super::flags::{FlagWords, all_in_words};
use super::format::{When, Zone, ago, energy, money, path_segment, session_length};
use super::guard::Visitor;
use super::page::{Nav, PageError, REVIEWS_COUNTED, Shell, counted, ok, waiting};
use super::session::log::said;
use super::station_actions::flaw_in_words;
use crate::clock;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::refusal::Refusal;
use crate::services::rulings::{self as service, Word};

/// Sessions on a page.
const PAGE: u32 = 20;
/// Messages shown of each kind, the latest; the rest is counted.
const STRAYS_SHOWN: u32 = 10;

/// Place in the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    cursor: String,
}

/// A person's word.
#[derive(Debug, Deserialize)]
pub(super) struct RulingForm {
    ruling: String,
    #[serde(default)]
    note: String,
    /// How many facts the session was made of when it was shown.
    facts: u32,
    /// `review` leads back to the list, anything else to the session.
    #[serde(default)]
    back: String,
}

#[derive(Template)]
#[template(path = "review.html")]
struct ReviewPage {
    shell: Shell,
    waiting: String,
    sessions: Vec<Waiting>,
    first: Option<&'static str>,
    next: Option<String>,
    orphans: Strays,
    contradictions: Strays,
    unreadable: Unreadables,
}

/// A session that waits.
struct Waiting {
    id: String,
    facts: u32,
    station: String,
    station_href: String,
    evse: String,
    token: String,
    started: When,
    length: String,
    energy: String,
    cost: Option<String>,
    age: String,
    /// It may still mend itself until then.
    settles: Option<When>,
    reasons: Vec<FlagWords>,
}

/// Messages that count for nothing.
struct Strays {
    count: String,
    /// There are more than are shown.
    more: bool,
    lines: Vec<Stray>,
}

struct Stray {
    at: When,
    station: String,
    station_href: String,
    /// The transaction it names, and the session if there is one.
    named: String,
    href: Option<String>,
    what: String,
    readings: String,
}

/// Billing messages that cannot be read.
struct Unreadables {
    count: String,
    /// There are more than are shown.
    more: bool,
    lines: Vec<UnreadableLine>,
}

struct UnreadableLine {
    at: When,
    station: String,
    station_href: String,
    action: String,
    payload: String,
    is_cut: bool,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, PageError> {
    let (tenant, zone, now) = (&visitor.caller.tenant, &visitor.zone, clock::now());
    let after = Some(query.cursor.clone()).filter(|cursor| !cursor.is_empty());
    let page = house.store.sessions_under_review(tenant, &PageRequest { after, limit: PAGE }).await?;
    let counts = house.store.count_strays(tenant, REVIEWS_COUNTED).await?;
    let few = PageRequest::first(STRAYS_SHOWN);
    let orphans = house.store.orphans(tenant, &few).await?;
    let contradictions = house.store.contradictions(tenant, &few).await?;
    let unreadable = house.store.unreadable(tenant, &few).await?;
    let shell = visitor.shell(&doorway, Nav::Review);
    let page = ReviewPage {
        waiting: waiting(shell.reviews),
        shell,
        sessions: page.items.iter().map(|session| Waiting::of(session, zone, now)).collect(),
        first: (!query.cursor.is_empty()).then_some("/review"),
        next: page.next.map(|next| format!("/review?cursor={}", path_segment(&next))),
        orphans: Strays {
            count: counted(counts.orphans),
            more: orphans.next.is_some(),
            lines: orphans.items.iter().map(|orphan| Stray::of_orphan(orphan, zone)).collect(),
        },
        contradictions: Strays {
            count: counted(counts.contradictions),
            more: contradictions.next.is_some(),
            lines: contradictions.items.iter().map(|one| Stray::of_contradiction(one, &visitor)).collect(),
        },
        unreadable: Unreadables {
            count: counted(counts.unreadable),
            more: unreadable.next.is_some(),
            lines: unreadable.items.into_iter().map(|one| UnreadableLine::of(one, zone)).collect(),
        },
    };
    Ok(ok(&page))
}

/// Takes a person's word about a session and goes on: to the next one that waits, or back to the session.
pub(super) async fn rule(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<SessionId>,
    form: web::Form<RulingForm>,
) -> Result<HttpResponse, PageError> {
    let (word, done) = match form.ruling.as_str() {
        "approved" => (Word::Approve, "was approved: it is billed as it stands"),
        "voided" => (Word::Void, "was voided: nobody pays for it"),
        _ => return Err(PageError::BadForm),
    };
    let to = if form.back == "review" { "/review".to_owned() } else { format!("/sessions/{id}") };
    let notice = match service::give(&house, &visitor.caller, *id, (word, &form.note), Some(form.facts)).await
    {
        Ok(session) if word == Word::Approve && session.status == SessionStatus::UnderReview => {
            format!(
                "The session at {} is not billed: another doubt came up meanwhile. Look again.",
                session.station
            )
        }
        Ok(session) => format!("The session at {} {done}.", session.station),
        Err(Refusal::Invalid(flaws)) => {
            let flaws: Vec<_> = flaws.iter().map(|flaw| flaw_in_words(&flaw.pointer, &flaw.detail)).collect();
            format!("Nothing was decided. {}.", flaws.join("; "))
        }
        Err(Refusal::Conflict { reason }) => format!("Nothing was decided: {reason}."),
        Err(refusal) => return Err(refusal.into()),
    };
    Ok(visitor.go(&doorway, &to, notice))
}

// === impl Waiting ===

impl Waiting {
    fn of(session: &Session, zone: &Zone, now: Timestamp) -> Self {
        Self {
            id: session.id.to_string(),
            facts: session.facts,
            station: session.station.to_string(),
            station_href: format!("/charging-stations/{}", path_segment(session.station.as_str())),
            evse: session.evse.map(|evse| evse.to_string()).unwrap_or_default(),
            token: session.token.as_ref().map(|token| token.uid.to_string()).unwrap_or_default(),
            started: zone.when(session.started_at),
            length: session_length(session, now),
            energy: energy(session.energy.0),
            cost: money(session.currency, session.cost),
            age: ago(session.ended_at.unwrap_or(session.started_at), now),
            settles: session.settles_at.filter(|at| *at > now).map(|at| zone.when(at)),
            reasons: all_in_words(&session.flags),
        }
    }
}

// === impl Stray ===

impl Stray {
    fn of_orphan(orphan: &Orphan, zone: &Zone) -> Self {
        let (what, readings) = said(&orphan.fact);
        Self {
            at: zone.exact(orphan.received_at),
            station_href: format!("/charging-stations/{}", path_segment(orphan.station.as_str())),
            station: orphan.station.to_string(),
            named: orphan.named.as_deref().unwrap_or("none").to_owned(),
            href: None,
            what,
            readings,
        }
    }

    fn of_contradiction(one: &Contradiction, visitor: &Visitor) -> Self {
        let (what, readings) = said(&one.fact);
        let session = SessionId::derive(&visitor.caller.tenant, &one.station, &one.transaction);
        Self {
            at: visitor.zone.exact(one.received_at),
            station_href: format!("/charging-stations/{}", path_segment(one.station.as_str())),
            station: one.station.to_string(),
            named: one.transaction.to_string(),
            href: Some(format!("/sessions/{session}")),
            what,
            readings,
        }
    }
}

// === impl UnreadableLine ===

impl UnreadableLine {
    fn of(message: Unreadable, zone: &Zone) -> Self {
        Self {
            at: zone.exact(message.received_at),
            station_href: format!("/charging-stations/{}", path_segment(message.station.as_str())),
            station: message.station.to_string(),
            action: message.action.into(),
            payload: message.payload.into(),
            is_cut: message.is_cut,
        }
    }
}
