//! What was said and decided about a session, the newest first: the station's messages, our rulings and people's, what contradicts, and what
//! the station was ordered meanwhile.

use ringmain_domain::command::StationCommand;
use ringmain_domain::id::{EvseId, TransactionId};
use ringmain_domain::meter::{Measurand, Sample};
use ringmain_domain::report::{ChargingState, TransactionPhase};
use ringmain_domain::ruling::Ruling;
use ringmain_domain::session::Session;
use ringmain_domain::time::Timestamp;
use ringmain_domain::transaction::TransactionFact;
use ringmain_store::commands::CommandRecord;
use ringmain_store::page::MAX_LIMIT;
use ringmain_store::strays::Contradiction;

use crate::console::format::{When, Zone, power, register, words};
use crate::services::commands::name;

/// Entries shown, the latest; the API gives all.
const SHOWN: usize = 200;

/// Orders that are looked at, the latest.
pub(super) const ORDERS_MAX: u32 = MAX_LIMIT;
/// Orders from so long before and after a session are shown too, in seconds: they can begin and end it.
const AROUND_S: i64 = 600;
/// What came so long after it was said, or later, says so, in milliseconds.
const LATE_MS: i64 = 60_000;

/// The log.
#[derive(Default)]
pub(super) struct Log {
    pub(super) lines: Vec<Line>,
    /// So many older ones are not shown.
    pub(super) hidden: usize,
}

/// An entry.
pub(super) struct Line {
    pub(super) at: When,
    /// `fact`, `ruling`, `person`, `conflict` or `order`.
    pub(super) kind: &'static str,
    pub(super) what: String,
    pub(super) notes: Vec<String>,
    pub(super) readings: String,
}

// === impl Log ===

impl Log {
    pub(super) fn of(
        facts: &[TransactionFact],
        contradictions: &[Contradiction],
        (session, orders): (&Session, &[CommandRecord]),
        zone: &Zone,
    ) -> Self {
        let told = facts.iter().map(|fact| (fact.observed_at, Entry::Said(fact, false)));
        let contradicting = contradictions.iter().map(|one| (one.received_at, Entry::Said(&one.fact, true)));
        let orders = orders.iter().filter(|order| is_about(session, order));
        let ordered = orders.map(|order| (order.created_at, Entry::Ordered(order)));
        let mut all: Vec<_> = told.chain(contradicting).chain(ordered).collect();
        all.sort_by_cached_key(|(at, entry)| std::cmp::Reverse((*at, entry.place())));
        let line = |(at, entry)| match entry {
            Entry::Said(fact, contradicts) => Line::of(zone.exact(at), fact, contradicts, zone),
            Entry::Ordered(order) => Line::ordered(zone.exact(at), order),
        };
        let hidden = all.len().saturating_sub(SHOWN);
        Self { hidden, lines: all.into_iter().take(SHOWN).map(line).collect() }
    }
}

/// From when to when orders may be about a session: its station's clock and ours may differ, so both count, and a while around.
pub(super) fn orders_during(
    session: &Session,
    facts: &[TransactionFact],
    now: Timestamp,
) -> (Timestamp, Timestamp) {
    let heard = facts.iter().filter(|fact| fact.ruling.is_none()).map(|fact| fact.received_at);
    let from = heard.clone().fold(session.started_at, Timestamp::min);
    let to = session.ended_at.map_or(now, |ended| heard.fold(ended, Timestamp::max));
    (from.plus_secs(-AROUND_S), to.plus_secs(AROUND_S))
}

/// Can it be about the session? Not one to another EVSE, or about another transaction.
fn is_about(session: &Session, order: &CommandRecord) -> bool {
    let here = |evse: EvseId| evse.0 == 0 || session.evse.is_none_or(|own| own == evse);
    let own = |transaction: &TransactionId| *transaction == session.transaction;
    match &order.command {
        StationCommand::StopTransaction { transaction_id }
        | StationCommand::CostUpdated { transaction_id, .. } => own(transaction_id),
        StationCommand::GetTransactionStatus { transaction_id } => transaction_id.as_ref().is_none_or(own),
        StationCommand::UnlockConnector { evse_id, .. }
        | StationCommand::SetChargingProfile { evse_id, .. }
        | StationCommand::GetCompositeSchedule { evse_id, .. } => here(*evse_id),
        StationCommand::StartTransaction { evse_id, .. }
        | StationCommand::Reset { evse_id, .. }
        | StationCommand::ChangeAvailability { evse_id, .. }
        | StationCommand::Trigger { evse_id, .. }
        | StationCommand::ClearChargingProfile { evse_id, .. } => evse_id.is_none_or(here),
        _ => true,
    }
}

/// What there is an entry about.
enum Entry<'f> {
    /// A message or a ruling; does it contradict an earlier one?
    Said(&'f TransactionFact, bool),
    Ordered(&'f CommandRecord),
}

// === impl Entry ===

impl Entry<'_> {
    /// Its place among entries of the same instant.
    fn place(&self) -> (String, bool) {
        match self {
            Self::Said(fact, contradicts) => (fact.key.stored().to_string(), *contradicts),
            Self::Ordered(order) => (order.id.to_string(), false),
        }
    }
}

// === impl Line ===

impl Line {
    fn ordered(at: When, order: &CommandRecord) -> Self {
        let outcome = order.result.as_ref().map_or("goes on", |result| result.outcome.as_str());
        let detail = order.result.as_ref().and_then(|result| result.detail.as_deref());
        // A station's own word for the outcome says nothing more.
        let detail = detail.filter(|detail| !detail.eq_ignore_ascii_case(outcome));
        let mut notes = vec![format!("by {}", order.created_by), words(outcome)];
        notes.extend(detail.map(str::to_owned));
        let what = format!("Ordered: {}", words(name(&order.command)));
        Self { at, kind: "order", what, notes, readings: String::new() }
    }

    fn of(at: When, fact: &TransactionFact, contradicts: bool, zone: &Zone) -> Self {
        if let Some(ruling) = &fact.ruling {
            let (kind, what, notes) = ruling_in_words(ruling);
            return Self { at, kind, what, notes, readings: String::new() };
        }
        let mut notes: Vec<String> = Vec::new();
        if contradicts {
            notes.push("the same message had come with other content, and that one counts; this one is kept and bills nothing".to_owned());
        }
        notes.extend(fact.charging_state.map(|state| charging_state(state).to_owned()));
        notes.extend(fact.stop_reason.as_deref().map(|reason| format!("stop reason {reason}")));
        notes.extend(fact.authorization.map(|verdict| format!("token {}", words(verdict.as_str()))));
        if fact.received_at.millis_since(fact.observed_at) >= LATE_MS {
            notes.push(format!("came at {}", zone.exact(fact.received_at).text));
        }
        if fact.offline {
            notes.push("reported after a time without connection".to_owned());
        }
        if fact.time_repaired {
            notes.push("its clock could not be right".to_owned());
        }
        if fact.adopted {
            notes.push("it names no transaction, and this is the only one it can be about".to_owned());
        }
        if fact.aside {
            notes.push("kept beside the bill".to_owned());
        }
        let (what, readings) = said(fact);
        Self { at, kind: if contradicts { "conflict" } else { "fact" }, what, notes, readings }
    }
}

/// What a message says in short, and the figures people look for.
pub(in crate::console) fn said(fact: &TransactionFact) -> (String, String) {
    let phase = match fact.phase {
        TransactionPhase::Started => "Started",
        TransactionPhase::Updated => "Went on",
        TransactionPhase::Ended => "Ended",
    };
    (format!("{phase} \u{b7} {}", fact.trigger), readings(&fact.samples))
}

/// Kind of entry, what was ruled, and why.
fn ruling_in_words(ruling: &Ruling) -> (&'static str, String, Vec<String>) {
    let (what, note) = match ruling {
        Ruling::Approved { by, note, .. } => {
            return ("person", format!("Approved by {by}"), vec![format!("\u{201c}{note}\u{201d}")]);
        }
        Ruling::Voided { by, note } => {
            return ("person", format!("Voided by {by}"), vec![format!("\u{201c}{note}\u{201d}")]);
        }
        Ruling::Superseded { by, .. } => {
            ("Ended by us", format!("transaction {by} began at the same EVSE, so this one was over"))
        }
        Ruling::Overlaps { with } => {
            ("Held back by us", format!("transaction {with} stood at the same EVSE at the same time"))
        }
        Ruling::Abandoned => ("Ended by us", "nothing was heard of it for too long".to_owned()),
        Ruling::Queued { .. } => {
            ("Bill postponed", "the station says that messages of it are in its queue".to_owned())
        }
        Ruling::Contradicted => (
            "Held back by us",
            "a message that would have changed the bill came under the number of another one".to_owned(),
        ),
        Ruling::GraceOver => {
            ("Waiting ended", "what is missing did not come in time: settled with what is there".to_owned())
        }
    };
    ("ruling", what.to_owned(), vec![note])
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
