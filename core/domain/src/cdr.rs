//! The bill record: frozen when it is made, derived from the session, never edited.

use serde::{Deserialize, Serialize};

use crate::id::{CdrId, ConnectorId, EvseId, SessionId, StationId, TenantId, TransactionId};
use crate::invariant::check_invariant;
use crate::meter::SignedValue;
use crate::session::{Folded, Session, SessionFlag, SessionStatus};
use crate::tariff::Tariff;
use crate::tariff::pricing::breakdown::CostBreakdown;
use crate::tariff::pricing::price;
use crate::tariff::pricing::usage::Usage;
use crate::tariff::timeline::Timeline;
use crate::time::Timestamp;
use crate::time::local::Zone;
use crate::token::IdToken;
use crate::transaction::TransactionFact;
use crate::unit::WattHours;

/// A frozen bill record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cdr {
    /// Derived from session and revision.
    pub id: CdrId,
    /// The session it bills.
    pub session_id: SessionId,
    /// 0 is the first.
    pub revision: u32,
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub station: StationId,
    /// The EVSE.
    pub evse: Option<EvseId>,
    /// The connector.
    pub connector: Option<ConnectorId>,
    /// The station's transaction.
    pub transaction: TransactionId,
    /// Who charged.
    pub token: Option<IdToken>,
    /// From.
    pub started_at: Timestamp,
    /// To.
    pub ended_at: Timestamp,
    /// Energy delivered.
    pub energy: WattHours,
    /// Milliseconds in which energy flowed.
    pub charging_ms: i64,
    /// Milliseconds in which none did.
    pub parked_ms: i64,
    /// The register at the start, in Wh.
    pub meter_first_wh: Option<i64>,
    /// The register at the end, in Wh.
    pub meter_last_wh: Option<i64>,
    /// What it costs and why; `None`: no tariff applied, charging was free.
    pub breakdown: Option<CostBreakdown>,
    /// Signed meter values as the station sent them, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_values: Vec<SignedValue>,
    /// When it was made, by our clock.
    pub created_at: Timestamp,
}

/// The most signed values a record carries: start and end of every meter, with room.
const MAX_SIGNED: usize = 100;

/// A session with its cost, and its bill record when it is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The session, priced.
    pub session: Session,
    /// The record to freeze; `None` while the session goes on, is under review or is invalid.
    pub cdr: Option<Cdr>,
}

/// Prices a folded session and, when it is over and in order, makes its bill record.
///
/// `billed` is the record that exists already: it stays as it is. If the figures have changed since, the session is flagged and held
/// for a person instead of being billed a second time.
#[must_use]
pub fn settle(
    folded: Folded,
    facts: &[TransactionFact],
    tariff: Option<&Tariff>,
    billed: Option<&Cdr>,
    now: Timestamp,
) -> Settlement {
    let Folded { mut session, segments } = folded;
    let breakdown = tariff.map(|tariff| price(&Timeline::single(tariff), &Zone::UTC, &Usage::of(&segments)));
    session.currency = breakdown.as_ref().map(|b| b.currency);
    session.cost = breakdown.as_ref().map(|b| b.total);
    if let Some(billed) = billed {
        let figures = |started_at, ended_at, energy, charging_ms, parked_ms| {
            (started_at, ended_at, energy, charging_ms, parked_ms)
        };
        let now_is = figures(
            session.started_at,
            session.ended_at,
            session.energy,
            session.charging_ms,
            session.parked_ms,
        );
        let was = figures(
            billed.started_at,
            Some(billed.ended_at),
            billed.energy,
            billed.charging_ms,
            billed.parked_ms,
        );
        if now_is != was {
            session.flag(SessionFlag::LateFacts);
            session.status = SessionStatus::UnderReview;
        }
        // What was billed stays what the session costs, until a person decides otherwise.
        session.cost = billed.breakdown.as_ref().map(|breakdown| breakdown.total);
        session.currency = billed.breakdown.as_ref().map(|breakdown| breakdown.currency);
        return Settlement { session, cdr: None };
    }
    let (SessionStatus::Completed, Some(ended_at)) = (session.status, session.ended_at) else {
        return Settlement { session, cdr: None };
    };
    let cdr = Cdr {
        id: CdrId::derive(session.id, 0),
        session_id: session.id,
        revision: 0,
        tenant: session.tenant.clone(),
        station: session.station.clone(),
        evse: session.evse,
        connector: session.connector,
        transaction: session.transaction.clone(),
        token: session.token.clone(),
        started_at: session.started_at,
        ended_at,
        energy: session.energy,
        charging_ms: session.charging_ms,
        parked_ms: session.parked_ms,
        meter_first_wh: session.meter_first_wh,
        meter_last_wh: session.meter_last_wh,
        breakdown,
        signed_values: signed_values(facts),
        created_at: now,
    };
    check_invariant!(EnergyNeverNegative, cdr.energy >= WattHours::ZERO);
    Settlement { session, cdr: Some(cdr) }
}

/// Prices a running session by its running figures.
#[must_use]
pub fn estimate(mut session: Session, tariff: Option<&Tariff>) -> Session {
    if let Some(tariff) = tariff {
        session.currency = Some(tariff.currency);
        let usage = Usage::of(&session.rough_segments());
        session.cost = Some(price(&Timeline::single(tariff), &Zone::UTC, &usage).total);
    }
    session
}

fn signed_values(facts: &[TransactionFact]) -> Vec<SignedValue> {
    let mut signed: Vec<_> = facts
        .iter()
        .flat_map(|fact| &fact.samples)
        .filter_map(|sample| sample.signed.as_ref().map(|signed| (sample.observed_at, signed)))
        .collect();
    signed.sort_by(|a, b| (a.0, &a.1.data).cmp(&(b.0, &b.1.data)));
    signed.dedup_by(|later, earlier| later.1 == earlier.1);
    // Start and end matter most: of too many, those in the middle are left to the stored facts.
    if signed.len() > MAX_SIGNED {
        let tail = signed.split_off(signed.len() - MAX_SIGNED / 2);
        signed.truncate(MAX_SIGNED / 2);
        signed.extend(tail);
    }
    signed.into_iter().map(|(_, signed)| (**signed).clone()).collect()
}
