//! A driver's stay as drivers, operators and partners see it: a pure fold over the set of stored facts.
//!
//! Order of arrival and repetition do not matter: facts are put in the station's order first. [`fold`] is the truth and runs when a
//! transaction starts, ends or is corrected; [`Session::advance`] keeps the running figures of an open session cheaply in between.

use serde::{Deserialize, Serialize};

use crate::authorize::Authorization;
use crate::id::{ConnectorId, EvseId, SessionId, StationId, TariffId, TenantId, TransactionId};
use crate::meter::{SampleContext, SignatureVerdict};
use crate::money::{Currency, Price};
use crate::ocmf::transaction::MeteredTransaction;
use crate::report::TransactionPhase;
use crate::roaming::Contract;
use crate::ruling::{Rulings, Verdict};
use crate::segment::{Activity, Segment};
use crate::time::Timestamp;
use crate::token::IdToken;
use crate::transaction::TransactionFact;
use crate::unit::WattHours;

pub mod flow;
mod intervals;
mod learning;
mod meter;
mod metered;
mod order;
mod periods;
pub mod plausible;
mod reach;
pub mod running;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Going on.
    Active,
    /// Over and billed, or free.
    Completed,
    /// Over, and nobody is to pay: the station refused the driver and no energy flowed.
    Invalid,
    /// Over, but a person must look before it is billed.
    UnderReview,
}

impl SessionStatus {
    /// The name in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Invalid => "invalid",
            Self::UnderReview => "under_review",
        }
    }
}

/// What is unusual about a session; each is a reason a person can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionFlag {
    /// The start was never reported.
    StartMissing,
    /// The register went backwards, by more than a meter's tremble.
    MeterWentBackwards,
    /// More energy than any vehicle takes, or than its EVSE can give, in the time.
    ImplausibleEnergy,
    /// Longer than anybody stays: a clock that was not set, or an end that belongs to another transaction.
    ImplausibleDuration,
    /// The meter went on after the end, under this transaction: what it gained then is not billed.
    EnergyAfterEnd,
    /// Another message came under the number of a stored one, and it would have changed the bill.
    Contradicted,
    /// No meter reading at all.
    NoMeterReading,
    /// Charged with a token we would not have accepted.
    NotAuthorized,
    /// Some of it was reported from the station's queue.
    Offline,
    /// The station's clock could not be right, or was set back; the time was repaired.
    TimeRepaired,
    /// Facts that change the figures came after the bill.
    LateFacts,
    /// Messages between start and end are missing; billed by the registers that are there.
    Incomplete,
    /// Another transaction began at the EVSE before this one ended.
    ImplicitEnd,
    /// Another session stood at the EVSE at the same time.
    Overlap,
    /// The end was never reported.
    Abandoned,
    /// A signed meter value was not made by its meter, or was changed on its way.
    SignatureInvalid,
    /// The energy that the meter signed is another one.
    SignedEnergyDiffers,
    /// The signed values do not make a whole, faultless transaction.
    SignedValuesFaulty,
    /// Nothing may be billed here that its meter did not sign, and it did not.
    ProofMissing,
    /// Its energy was told in two series, and they tell different amounts.
    EnergiesDiffer,
    /// The first reading came well after the start or the last well before the end, and energy can have flowed there.
    ReadingsFallShort,
}

impl SessionFlag {
    /// Must a person look before the session is billed?
    #[must_use]
    pub const fn needs_review(self) -> bool {
        match self {
            Self::StartMissing
            | Self::MeterWentBackwards
            | Self::ImplausibleEnergy
            | Self::ImplausibleDuration
            | Self::EnergyAfterEnd
            | Self::Contradicted
            | Self::NoMeterReading
            | Self::ImplicitEnd
            | Self::Overlap
            | Self::Abandoned
            | Self::SignatureInvalid
            | Self::SignedEnergyDiffers
            | Self::ProofMissing
            | Self::EnergiesDiffer
            | Self::ReadingsFallShort => true,
            Self::NotAuthorized
            | Self::Offline
            | Self::TimeRepaired
            | Self::LateFacts
            | Self::Incomplete
            | Self::SignedValuesFaulty => false,
        }
    }
}

/// A driver's stay at one EVSE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Derived from station and transaction.
    pub id: SessionId,
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub station: StationId,
    /// The EVSE, once known.
    pub evse: Option<EvseId>,
    /// The connector, once known.
    pub connector: Option<ConnectorId>,
    /// The station's transaction.
    pub transaction: TransactionId,
    /// Who charges; the first token that was presented.
    pub token: Option<IdToken>,
    /// What we said to the token, the last time it was presented.
    pub authorization: Option<Authorization>,
    /// Under what another company's driver charges, as it was when its token was first presented; `None`: it is nobody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Box<Contract>>,
    /// Where it stands.
    pub status: SessionStatus,
    /// When it started, by the station's clock unless that is impossible.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Energy delivered.
    pub energy: WattHours,
    /// Milliseconds in which energy flowed.
    pub charging_ms: i64,
    /// Milliseconds in which none did.
    pub parked_ms: i64,
    /// The register at the first reading, in Wh.
    pub meter_first_wh: Option<i64>,
    /// The register at the last reading, in Wh.
    pub meter_last_wh: Option<i64>,
    /// When the last reading was taken.
    pub meter_last_at: Option<Timestamp>,
    /// Power at the last reading that says so, in W.
    pub power_w: Option<i64>,
    /// When that reading was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_at: Option<Timestamp>,
    /// What was measured last by phase, or with its voltage, while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<flow::Flow>,
    /// State of charge at the last reading that says so, in thousandths.
    pub soc_permille: Option<i64>,
    /// Does energy flow, as far as the last fact says?
    pub energy_flows: bool,
    /// Why it ended, in the standard's word.
    pub stop_reason: Option<Box<str>>,
    /// The remote start that began it.
    pub remote_start_id: Option<i32>,
    /// What is unusual.
    pub flags: Vec<SessionFlag>,
    /// The currency of `cost`.
    pub currency: Option<Currency>,
    /// What it costs so far, or in the end.
    pub cost: Option<Price>,
    /// How many facts it is made of.
    pub facts: u32,
    /// The tariff that was chosen when it started, if any applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff: Option<TariffId>,
    /// Over, but something is missing that may still come: it is billed then at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settles_at: Option<Timestamp>,
    /// The station said that more of it is in its queue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
    /// The station has named the number we gave it (1.6): a message without one is about another transaction.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub number_heard: bool,
    /// What its signed meter values say together, once it is over; `None`: none of them can be read, or there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metered: Option<MeteredTransaction>,
    /// What its signatures are worth together: the least of their verdicts; `None`: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureVerdict>,
    /// What it carries while it goes on, so that its figures so far are cheap; `None`: it is over, or was stored before sessions did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Box<running::Running>>,
}

/// Nobody stays longer: 45 days, in milliseconds.
const LONGEST_STAY_MS: i64 = 45 * 86_400_000;

/// What an ended session may still wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Its start: without it nobody knows from which register on to bill.
    Start,
    /// Messages in between: start and end are there, so only the split over time can change.
    Between,
}

/// What an ended session waits for before it is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// What may still come.
    pub missing: Missing,
    /// When the end was received, or what came last after a wait was over.
    pub since: Timestamp,
    /// When the first of it came, where it came after a wait was over.
    pub late_since: Option<Timestamp>,
    /// The station says that more is in its queue: until then at least.
    pub not_before: Option<Timestamp>,
}

/// A folded session with the stretches it is priced by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// The session.
    pub session: Session,
    /// Its stretches, in order, without gaps.
    pub segments: Vec<Segment>,
    /// `None`: nothing is missing, or nobody waits for it any more.
    pub waits: Option<Waits>,
    /// A person has ruled: no doubt of ours counts any more that the person saw.
    judged: bool,
    /// The doubts that the person saw; `None`: all, as far as is known.
    seen: Option<Vec<SessionFlag>>,
    /// Nothing is billed at its place that a meter did not sign.
    needs_proof: bool,
    /// Energy may have flowed where nothing was read.
    falls_short: bool,
}

/// Folds the facts of one transaction, in any order and with any repetition. `None` when the station said nothing.
#[must_use]
pub fn fold(tenant: &TenantId, station: &StationId, facts: &[TransactionFact]) -> Option<Folded> {
    let rulings = Rulings::of(facts);
    let told = order::Told::of(facts);
    let first = told.first()?;
    let mut session = blank(tenant, station, first);
    for fact in &told.facts {
        session.learn(fact);
    }
    session.queued = rulings.queued_until.is_some();
    session.facts = session.facts.saturating_add(rulings.count);
    if told.straightened {
        session.flag(SessionFlag::TimeRepaired);
    }
    let started = told.of_phase(TransactionPhase::Started);
    let ended = told.of_phase(TransactionPhase::Ended);
    session.started_at = started
        .map_or_else(|| ended.and_then(begun_at).unwrap_or(first.observed_at), |fact| fact.observed_at);
    session.stop_reason = ended.and_then(|fact| fact.stop_reason.clone());
    let ordered = told.refs();
    let readings = meter::Readings::of(&ordered);
    session.end(ended, &rulings, readings.last_at());
    readings.describe(&mut session);
    let limit = rulings.superseded_at.map(|at| at.max(session.started_at));
    let periods::Cut { segments, beyond_end, falls_short } =
        periods::segments(&session, &ordered, &readings, limit);
    if limit.is_none() && beyond_end > meter::TREMBLE_WH {
        session.flag(SessionFlag::EnergyAfterEnd);
    }
    if rulings.contradicted {
        session.flag(SessionFlag::Contradicted);
    }
    session.energy = segments.iter().fold(WattHours::ZERO, |sum, segment| sum.plus(segment.energy));
    session.charging_ms = periods::millis(&segments, Activity::Charging);
    session.parked_ms = periods::millis(&segments, Activity::Idle);
    match session.ended_at {
        Some(ended_at) => session.compare(metered::of(&ordered, session.started_at, ended_at)),
        None => session.running = Some(Box::new(running::Running::of(&session, &ordered))),
    }

    let start_counts =
        started.is_some() || (rulings.grace_over_at.is_some() && ended.is_some_and(tells_both_registers));
    if started.is_none() {
        session.flag(SessionFlag::StartMissing);
    }
    if told.missing > 0 {
        session.flag(SessionFlag::Incomplete);
    }
    let verdict = rulings.verdict.filter(|(at, verdict)| {
        *verdict == Verdict::Voided
            || match &rulings.seen {
                Some(seen) => seen.holds_for(&session),
                None => still_as_approved(facts, *at, &session, falls_short),
            }
    });
    let verdict = verdict.map(|(_, verdict)| verdict);
    session.conclude(start_counts, verdict);
    let missing =
        if started.is_none() { Some(Missing::Start) } else { (told.missing > 0).then_some(Missing::Between) };
    let approved_at = rulings.verdict.filter(|_| verdict.is_some()).map(|(at, _)| at);
    let waited = missing.zip(ended).filter(|_| verdict != Some(Verdict::Voided));
    let waits = waited.and_then(|(missing, ended)| {
        let not_before = rulings.queued_until;
        let Some(at) = rulings.grace_over_at.max(approved_at) else {
            return Some(Waits { missing, since: ended.received_at, late_since: None, not_before });
        };
        // More may follow what came late: one correction for all of it.
        let (first, last) = told.received_after(at)?;
        Some(Waits { missing: Missing::Between, since: last, late_since: Some(first), not_before })
    });
    let seen = rulings.seen.map(|seen| seen.doubts).filter(|_| verdict.is_some());
    let judged = verdict.is_some();
    Some(Folded { session, segments, waits, judged, seen, needs_proof: false, falls_short })
}

/// Is a session what it was when a person approved it, where it is not kept what the person saw? What came later was not looked at.
fn still_as_approved(
    facts: &[TransactionFact],
    approved_at: Timestamp,
    session: &Session,
    falls_short: bool,
) -> bool {
    let came_later = |fact: &TransactionFact| fact.ruling.is_none() && fact.received_at > approved_at;
    if !facts.iter().any(came_later) {
        return true;
    }
    let seen: Vec<_> = facts.iter().filter(|fact| !came_later(fact)).cloned().collect();
    let doubts = |session: &Session| -> Vec<SessionFlag> {
        session.flags.iter().copied().filter(|flag| flag.needs_review()).collect()
    };
    fold(&session.tenant, &session.station, &seen).is_some_and(
        |Folded { session: before, falls_short: fell, .. }| {
            fell == falls_short
                && (before.started_at, before.ended_at, before.energy)
                    == (session.started_at, session.ended_at, session.energy)
                && doubts(&before) == doubts(session)
        },
    )
}

/// When the transaction began, by a reading in its end (reliability F07).
fn begun_at(ended: &TransactionFact) -> Option<Timestamp> {
    let begins = ended.samples.iter().filter(|sample| sample.context == SampleContext::TransactionBegin);
    begins.map(|sample| sample.observed_at).min().filter(|at| *at <= ended.observed_at)
}

/// Can the end alone be billed? It carries the register at the start and the one at the end (reliability F07).
fn tells_both_registers(ended: &TransactionFact) -> bool {
    let tells =
        |context| ended.samples.iter().any(|s| s.context == context && s.billed_register_wh().is_some());
    tells(SampleContext::TransactionBegin) && tells(SampleContext::TransactionEnd)
}

fn blank(tenant: &TenantId, station: &StationId, first: &TransactionFact) -> Session {
    Session {
        id: SessionId::derive(tenant, station, &first.transaction),
        tenant: tenant.clone(),
        station: station.clone(),
        evse: None,
        connector: None,
        transaction: first.transaction.clone(),
        token: None,
        authorization: None,
        contract: None,
        status: SessionStatus::Active,
        started_at: first.observed_at,
        ended_at: None,
        energy: WattHours::ZERO,
        charging_ms: 0,
        parked_ms: 0,
        meter_first_wh: None,
        meter_last_wh: None,
        meter_last_at: None,
        power_w: None,
        power_at: None,
        flow: None,
        soc_permille: None,
        energy_flows: false,
        stop_reason: None,
        remote_start_id: None,
        flags: Vec::new(),
        currency: None,
        cost: None,
        facts: 0,
        tariff: None,
        settles_at: None,
        queued: false,
        number_heard: false,
        metered: None,
        signature: None,
        running: None,
    }
}

// === impl Session ===

impl Session {
    /// When and how it ended: by the station's word, by a ruling, or not yet.
    fn end(&mut self, ended: Option<&TransactionFact>, rulings: &Rulings, last_at: Option<Timestamp>) {
        let mut ended_at = ended.map(|fact| fact.observed_at);
        if let Some(superseded_at) = rulings.superseded_at
            && ended_at.is_none_or(|at| at > superseded_at)
        {
            ended_at = Some(superseded_at);
            self.flag(SessionFlag::ImplicitEnd);
        }
        if ended_at.is_none() && rulings.abandoned {
            ended_at = Some(last_at.unwrap_or(self.started_at));
            self.flag(SessionFlag::Abandoned);
        }
        if rulings.overlaps {
            self.flag(SessionFlag::Overlap);
        }
        self.ended_at = ended_at.map(|at| at.max(self.started_at));
        if self.ended_at.is_some() {
            self.energy_flows = false;
            (self.power_w, self.flow) = (Some(0), None);
        }
    }

    /// Settles the status once all facts are in. A person's word stands above every doubt.
    fn conclude(&mut self, start_counts: bool, verdict: Option<Verdict>) {
        if self.authorization.is_some_and(|verdict| verdict != Authorization::Accepted) {
            self.flag(SessionFlag::NotAuthorized);
        }
        let Some(ended_at) = self.ended_at else { return };
        if ended_at.millis_since(self.started_at) > LONGEST_STAY_MS {
            self.flag(SessionFlag::ImplausibleDuration);
        }
        let refused = self.flags.contains(&SessionFlag::NotAuthorized) && self.energy == WattHours::ZERO;
        let doubtful =
            |flag: &SessionFlag| flag.needs_review() && !(start_counts && *flag == SessionFlag::StartMissing);
        self.status = match verdict {
            Some(Verdict::Approved) => SessionStatus::Completed,
            Some(Verdict::Voided) => SessionStatus::Invalid,
            None if refused => SessionStatus::Invalid,
            None if self.flags.iter().any(doubtful) => SessionStatus::UnderReview,
            None => SessionStatus::Completed,
        };
    }

    /// Notes something unusual, once.
    pub fn flag(&mut self, flag: SessionFlag) {
        if let Err(place) = self.flags.binary_search(&flag) {
            self.flags.insert(place, flag);
        }
    }
}
