//! One session: its figures, its power over time, why it costs what it costs, and what its station said about it.

use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::cdr::Cdr;
use ringmain_domain::id::SessionId;
use ringmain_domain::meter::{Measurand, Sample};
use ringmain_domain::report::{ChargingState, TransactionPhase};
use ringmain_domain::session::{Session, SessionStatus};
use ringmain_domain::tariff::Dimension;
use ringmain_domain::tariff::pricing::breakdown::{CostLine, LineKind};
use ringmain_domain::transaction::TransactionFact;
use rust_decimal::Decimal;

use super::format::{
    State, When, Zone, duration, energy, money, path_segment, power, register, session_length, words,
};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, ok};
use crate::clock;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::sessions::flag_name;
use crate::services::tokens::kind_name;

mod chart;

use self::chart::Chart;

/// Stored messages shown, the latest; the API gives all.
const FACTS_SHOWN: usize = 200;
/// Decimals of a quantity or a price of one.
const QUANTITY_DIGITS: u32 = 4;

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
    flags: Vec<String>,
    chart: Option<Chart>,
    bill: Option<Bill>,
    cost: Option<String>,
    log: Vec<LogLine>,
    log_hidden: usize,
}

struct Bill {
    cdr: String,
    tariff: Option<(String, String)>,
    lines: Vec<BillLine>,
    excl_tax: String,
    tax: String,
    incl_tax: String,
}

struct BillLine {
    what: &'static str,
    when: Option<String>,
    quantity: String,
    used: Option<String>,
    unit_price: String,
    tax_percent: String,
    excl_tax: String,
    tax: String,
    incl_tax: String,
}

struct LogLine {
    at: When,
    what: String,
    notes: Vec<String>,
    readings: String,
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

impl Live {
    async fn read(house: &House, visitor: &Visitor, id: SessionId) -> Result<(Session, Self), PageError> {
        let tenant = &visitor.caller.tenant;
        let found = house.store.session(tenant, id).await?;
        let session = found.ok_or_else(|| PageError::Absent(format!("there is no session {id}")))?;
        let facts = house.store.transaction_facts(tenant, &session.station, &session.transaction).await?;
        let cdr = house.store.cdr_of(tenant, id).await?;
        let zone = &visitor.zone;
        let mut log: Vec<_> = facts.iter().collect();
        log.sort_by_key(|fact| std::cmp::Reverse((fact.observed_at, fact.key.stored())));
        let live = Self {
            state: State::of_session(session.status),
            active: session.status == SessionStatus::Active,
            station: session.station.to_string(),
            station_href: format!("/charging-stations/{}", path_segment(session.station.as_str())),
            evse: session.evse.map(|evse| evse.to_string()).unwrap_or_default(),
            figures: figures(&session),
            facts: about(&session, zone),
            flags: session.flags.iter().map(|flag| words(flag_name(*flag))).collect(),
            chart: Chart::of(&facts, zone),
            bill: cdr.map(|cdr| Bill::of(cdr, zone)),
            cost: money(session.currency, session.cost),
            log_hidden: log.len().saturating_sub(FACTS_SHOWN),
            log: log.into_iter().take(FACTS_SHOWN).map(|fact| LogLine::of(fact, zone)).collect(),
        };
        Ok((session, live))
    }
}

fn figures(session: &Session) -> Vec<(&'static str, String)> {
    let mut figures = vec![
        ("Energy", energy(session.energy.0)),
        ("Duration", session_length(session, clock::now())),
        ("Charging", duration(session.charging_ms)),
        ("Parked", duration(session.parked_ms)),
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

impl Bill {
    fn of(cdr: Cdr, zone: &Zone) -> Self {
        let Some(breakdown) = cdr.breakdown else {
            let nothing = || "0".to_owned();
            let (excl_tax, tax, incl_tax) = (nothing(), nothing(), nothing());
            return Self {
                cdr: cdr.id.to_string(),
                tariff: None,
                lines: Vec::new(),
                excl_tax,
                tax,
                incl_tax,
            };
        };
        let currency = breakdown.currency;
        let total = breakdown.total;
        Self {
            cdr: cdr.id.to_string(),
            tariff: Some((
                format!("/tariffs#{}", path_segment(breakdown.tariff_id.as_str())),
                breakdown.tariff_id.to_string(),
            )),
            lines: breakdown.lines.iter().map(|line| BillLine::of(line, zone)).collect(),
            excl_tax: format!("{} {currency}", total.excl_tax),
            tax: format!("{} {currency}", total.incl_tax - total.excl_tax),
            incl_tax: format!("{} {currency}", total.incl_tax),
        }
    }
}

impl BillLine {
    fn of(line: &CostLine, zone: &Zone) -> Self {
        let (what, unit) = match line.kind {
            LineKind::ReservationFlat => ("Reservation fee", ""),
            LineKind::ReservationTime => ("Reserved time", " h"),
            LineKind::Usage(Dimension::Flat) => ("Session fee", ""),
            LineKind::Usage(Dimension::Energy) => ("Energy", " kWh"),
            LineKind::Usage(Dimension::Time) => ("Charging time", " h"),
            LineKind::Usage(Dimension::ParkingTime) => ("Parking time", " h"),
            LineKind::MinimumPrice => ("Minimum price", ""),
            LineKind::MaximumPrice => ("Maximum price", ""),
        };
        Self {
            what,
            when: line.period.filter(|period| period.from != period.to).map(|period| {
                format!("{} \u{2013} {}", zone.when(period.from).text, zone.when(period.to).text)
            }),
            quantity: format!("{}{unit}", shown(line.quantity)),
            used: (line.used != line.quantity).then(|| format!("{}{unit}", shown(line.used))),
            unit_price: shown(line.unit_price).to_string(),
            tax_percent: line
                .tax_percent
                .map(|percent| format!("{} %", percent.normalize()))
                .unwrap_or_default(),
            excl_tax: exact(line.excl_tax),
            tax: exact(line.tax),
            incl_tax: exact(line.incl_tax),
        }
    }
}

/// A quantity or price as people read it: hours have no end otherwise.
fn shown(number: Decimal) -> Decimal {
    number.round_dp(QUANTITY_DIGITS).normalize()
}

/// A line's amount with all of its digits, so that people can add the column up.
fn exact(amount: Decimal) -> String {
    format!("{amount:.4}")
}

impl LogLine {
    fn of(fact: &TransactionFact, zone: &Zone) -> Self {
        let phase = match fact.phase {
            TransactionPhase::Started => "Started",
            TransactionPhase::Updated => "Went on",
            TransactionPhase::Ended => "Ended",
        };
        let mut notes: Vec<String> = Vec::new();
        notes.extend(fact.charging_state.map(|state| charging_state(state).to_owned()));
        notes.extend(fact.stop_reason.as_deref().map(|reason| format!("stop reason {reason}")));
        notes.extend(fact.authorization.map(|verdict| format!("token {}", words(verdict.as_str()))));
        if fact.offline {
            notes.push("reported after a time without connection".to_owned());
        }
        if fact.time_repaired {
            notes.push("its clock could not be right".to_owned());
        }
        Self {
            at: zone.exact(fact.observed_at),
            what: format!("{phase} \u{b7} {}", fact.trigger),
            notes,
            readings: readings(&fact.samples),
        }
    }
}

const fn charging_state(state: ChargingState) -> &'static str {
    match state {
        ChargingState::Idle => "nothing plugged in",
        ChargingState::EvConnected => "vehicle connected",
        ChargingState::Charging => "energy flows",
        ChargingState::SuspendedEv => "vehicle takes nothing",
        ChargingState::SuspendedEvse => "station offers nothing",
    }
}

/// The figures people look for, of the last sample of each kind.
fn readings(samples: &[Sample]) -> String {
    let last = |measurand: &Measurand| {
        let whole = |sample: &&Sample| sample.measurand == *measurand && sample.phase.is_none();
        samples.iter().rev().find(whole).map(|sample| sample.value)
    };
    let all = [
        last(&Measurand::EnergyImportRegister).map(register),
        last(&Measurand::PowerImport).map(power),
        last(&Measurand::StateOfCharge).map(|soc| format!("{} %", soc / 10)),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(" \u{b7} ")
}
