//! One session, so that one page answers a dispute: its figures, power and energy over time, every bill and why it costs that, signatures,
//! and what was said and decided about it.

use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::access::Permission;
use ringmain_domain::cdr::Cdr;
use ringmain_domain::id::SessionId;
use ringmain_domain::session::{Session, SessionFlag, SessionStatus, fold};
use ringmain_domain::transaction::TransactionFact;

use super::bill::Breakdown;
use super::flags::{FlagWords, all_in_words};
use super::format::{
    State, When, Zone, duration, energy, money, path_segment, power, register, session_length, words,
};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, ok};
use crate::clock;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::tokens::kind_name;

pub(super) mod chart;
pub(super) mod log;
pub(super) mod signed;

use self::chart::Chart;
use self::log::Log;

#[derive(Template)]
#[template(path = "session.html")]
struct SessionPage {
    shell: Shell,
    id: String,
    live_url: String,
    feed_url: Option<String>,
    live: Live,
}

#[derive(Template)]
#[template(path = "session_live.html")]
struct SessionPart {
    live: Live,
}

struct Live {
    state: State,
    active: bool,
    station: String,
    station_href: String,
    evse: String,
    figures: Vec<(&'static str, String)>,
    facts: Vec<(&'static str, String)>,
    flags: Vec<FlagWords>,
    /// One of them is a reason to look.
    doubtful: bool,
    chart: Option<Chart>,
    /// The one that stands, or else the last, first.
    bills: Vec<Bill>,
    waits: Option<Waits>,
    decision: Option<Decision>,
    cost: Option<String>,
    signature: Option<State>,
    /// What the signed values say together, in words.
    metered: Vec<String>,
    signed: Vec<signed::Line>,
    /// Where the signed values can be fetched, and in which form.
    downloads: Vec<(String, &'static str)>,
    log: Log,
}

/// A bill record.
struct Bill {
    id: String,
    kind: State,
    revision: u32,
    made: When,
    /// The one it takes back.
    credits: Option<String>,
    /// It was taken back by another.
    taken_back: bool,
    facts: Vec<(&'static str, String)>,
    breakdown: Option<Breakdown>,
}

/// What a bill waits for.
struct Waits {
    due: When,
    missing: &'static str,
}

/// What a person may decide, and the form for it.
struct Decision {
    action: String,
    form_token: String,
    /// How many facts the session is made of, as shown.
    facts: u32,
    text: &'static str,
    approve: Option<&'static str>,
    void: Option<&'static str>,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<SessionId>,
) -> Result<HttpResponse, PageError> {
    let (session, live) = Live::read(&house, &visitor, *id).await?;
    let station = path_segment(session.station.as_str());
    let page = SessionPage {
        shell: visitor.shell(&doorway, Nav::Sessions),
        id: id.to_string(),
        live_url: format!("/console/live/sessions/{id}"),
        feed_url: live
            .active
            .then(|| format!("/console/events?sessions_only=true&charging_station_id={station}")),
        live,
    };
    Ok(ok(&page))
}

/// The part of it that changes.
pub(super) async fn live(
    house: web::Data<House>,
    visitor: Visitor,
    id: web::Path<SessionId>,
) -> Result<HttpResponse, PageError> {
    let (_, live) = Live::read(&house, &visitor, *id).await?;
    Ok(ok(&SessionPart { live }))
}

// === impl Live ===

impl Live {
    async fn read(house: &House, visitor: &Visitor, id: SessionId) -> Result<(Session, Self), PageError> {
        let (store, tenant) = (&house.store, &visitor.caller.tenant);
        let found = store.session(tenant, id).await?;
        let session = found.ok_or_else(|| PageError::Absent(format!("there is no session {id}")))?;
        let (station, transaction) = (&session.station, &session.transaction);
        let facts = store.transaction_facts(tenant, station, transaction).await?;
        let contradictions = store.contradictions_of(tenant, station, transaction).await?;
        let during = log::orders_during(&session, &facts, clock::now());
        let orders = store.commands_between((tenant, station), during, log::ORDERS_MAX).await?;
        let cdrs = store.cdrs_of(tenant, id).await?;
        let log = Log::of(&facts, &contradictions, (&session, &orders), &visitor.zone);
        let live = Self {
            decision: Decision::of(&session, visitor),
            log,
            ..Self::of(&session, &facts, &cdrs, &visitor.zone)
        };
        Ok((session, live))
    }

    fn of(session: &Session, facts: &[TransactionFact], cdrs: &[Cdr], zone: &Zone) -> Self {
        let id = session.id;
        let values = signed::of(facts);
        let forms = [("xml", "S.A.F.E. XML"), ("json", "JSON"), ("txt", "Text")];
        let offered = |form: &str| !values.is_empty() && (form != "xml" || signed::has_ocmf(&values));
        // What a bill was priced by is frozen with it; without one, what the messages say now.
        let segments = match cdrs.iter().rev().find(|cdr| cdr.credits.is_none()) {
            Some(cdr) => cdr.segments.clone(),
            None => {
                fold(&session.tenant, &session.station, facts).map(|told| told.segments).unwrap_or_default()
            }
        };
        Self {
            state: State::of_session(session.status),
            active: session.status == SessionStatus::Active,
            station: session.station.to_string(),
            station_href: format!("/charging-stations/{}", path_segment(session.station.as_str())),
            evse: session.evse.map(|evse| evse.to_string()).unwrap_or_default(),
            figures: figures(session),
            facts: about(session, zone),
            flags: all_in_words(&session.flags),
            doubtful: session.flags.iter().any(|flag| flag.needs_review()),
            chart: Chart::of(facts, &segments, zone),
            bills: bills(cdrs, zone),
            waits: Waits::of(session, zone),
            decision: None,
            cost: money(session.currency, session.cost),
            signature: cdrs.iter().rev().find_map(|cdr| cdr.signature).map(State::of_signature),
            metered: session.metered.as_ref().map(signed::in_words).unwrap_or_default(),
            signed: values.iter().map(|value| signed::Line::of(value, zone)).collect(),
            downloads: forms
                .into_iter()
                .filter(|(form, _)| offered(form))
                .map(|(form, name)| (format!("/sessions/{id}/signed-values?form={form}"), name))
                .collect(),
            log: Log::default(),
        }
    }
}

fn figures(session: &Session) -> Vec<(&'static str, String)> {
    let mut figures = vec![
        ("Energy", energy(session.energy.0)),
        ("Duration", session_length(session, clock::now())),
        ("Charging", duration(session.charging_ms)),
        ("Idle", duration(session.parked_ms)),
    ];
    if session.status == SessionStatus::Active {
        figures.extend(session.power_w.map(|watts| ("Power", power(watts))));
    }
    figures.extend(session.soc_permille.map(|soc| ("State of charge", format!("{} %", soc / 10))));
    figures.extend(money(session.currency, session.cost).map(|cost| ("Cost incl. tax", cost)));
    figures
}

fn about(session: &Session, zone: &Zone) -> Vec<(&'static str, String)> {
    let token = session.token.as_ref();
    let all = [
        ("Started", Some(zone.exact(session.started_at).text)),
        ("Ended", session.ended_at.map(|at| zone.exact(at).text)),
        ("Token", token.map(|token| format!("{} ({})", token.uid, words(kind_name(&token.kind))))),
        ("Authorization", session.authorization.map(|verdict| words(verdict.as_str()))),
        ("Transaction", Some(session.transaction.to_string())),
        ("Connector", session.connector.map(|connector| connector.to_string())),
        ("Meter at start", session.meter_first_wh.map(register)),
        ("Meter at end", session.meter_last_wh.map(register)),
        ("Stop reason", session.stop_reason.as_deref().map(str::to_owned)),
        ("Remote start", session.remote_start_id.map(|id| id.to_string())),
        ("Session", Some(session.id.to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
}

/// All bill records, the last first; each credit has taken back the one before it.
fn bills(cdrs: &[Cdr], zone: &Zone) -> Vec<Bill> {
    let taken_back = |cdr: &Cdr| cdrs.iter().any(|other| other.credits == Some(cdr.id));
    cdrs.iter().rev().map(|cdr| Bill::of(cdr, taken_back(cdr), zone)).collect()
}

// === impl Bill ===

impl Bill {
    fn of(cdr: &Cdr, taken_back: bool, zone: &Zone) -> Self {
        let facts = [
            ("From", Some(zone.exact(cdr.started_at).text)),
            ("To", Some(zone.exact(cdr.ended_at).text)),
            ("Energy", Some(register(cdr.energy.0))),
            ("Charging", Some(duration(cdr.charging_ms))),
            ("Idle", Some(duration(cdr.parked_ms))),
            ("Meter at start", cdr.meter_first_wh.map(register)),
            ("Meter at end", cdr.meter_last_wh.map(register)),
        ];
        Self {
            id: cdr.id.to_string(),
            kind: State::of_bill(cdr.kind()),
            revision: cdr.revision,
            made: zone.exact(cdr.created_at),
            credits: cdr.credits.map(|id| id.to_string()),
            taken_back,
            facts: facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            breakdown: cdr.breakdown.as_ref().map(|breakdown| Breakdown::of(breakdown, zone)),
        }
    }
}

// === impl Waits ===

impl Waits {
    fn of(session: &Session, zone: &Zone) -> Option<Self> {
        let missing = match (session.flags.contains(&SessionFlag::StartMissing), session.queued) {
            (true, _) => "the start of the session",
            (false, true) => "messages that the station says are in its queue",
            (false, false) => "messages between start and end",
        };
        Some(Self { due: zone.exact(session.settles_at?), missing })
    }
}

// === impl Decision ===

impl Decision {
    /// `None` while the session goes on, and for those who may only look.
    fn of(session: &Session, visitor: &Visitor) -> Option<Self> {
        let (approve, void) = ("Approve and bill", "Void");
        let (text, approve, void) = match (session.status, session.settles_at) {
            (SessionStatus::Active, _) => return None,
            (SessionStatus::UnderReview, _) => (
                "Nobody pays until somebody has looked. Approved, it is billed as it stands; void, nobody pays.",
                Some(approve),
                Some(void),
            ),
            (SessionStatus::Completed, Some(_)) => (
                "The bill waits for what is missing. Approve it to bill what is there now, or void it.",
                Some("Bill now"),
                Some(void),
            ),
            (SessionStatus::Completed, None) => (
                "It is billed. To take the bill back, void the session: a credit follows, and partners get it too.",
                None,
                Some("Void and credit"),
            ),
            (SessionStatus::Invalid, _) => {
                ("Nobody pays for it. Approve it to bill it as it stands after all.", Some(approve), None)
            }
        };
        visitor.caller.may(Permission::Write).then(|| Self {
            action: format!("/sessions/{}/rulings", session.id),
            form_token: visitor.form_token().to_owned(),
            facts: session.facts,
            text,
            approve,
            void,
        })
    }
}
