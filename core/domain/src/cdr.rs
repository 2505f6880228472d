//! The bill record: frozen when it is made, derived from the session, never edited.

use serde::{Deserialize, Serialize};

use crate::id::{CdrId, ConnectorId, EvseId, SessionId, StationId, TenantId, TransactionId};
use crate::invariant::check_invariant;
use crate::meter::{SignatureVerdict, SignedValue};
use crate::ocmf::transaction::MeteredTransaction;
use crate::roaming::Contract;
use crate::segment::{Segment, at_most};
use crate::session::{Session, SessionFlag};
use crate::tariff::pricing::breakdown::CostBreakdown;
use crate::time::Timestamp;
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
    /// 0 is the first; a correction is a credit and a new record, each with the next number.
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
    /// Under what another company's driver charged, as it was at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Box<Contract>>,
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
    /// The stretches it is priced by, in order; of too many the shortest neighbours are joined.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// What it costs and why; `None`: no tariff applied, charging was free. On a credit with the opposite sign.
    pub breakdown: Option<CostBreakdown>,
    /// The record this one takes back, whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<CdrId>,
    /// What was unusual about the session when it was billed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<SessionFlag>,
    /// Signed meter values as the station sent them, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_values: Vec<SignedValue>,
    /// What they are worth together: the least of their verdicts; `None`: there are none. As it was when the bill was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureVerdict>,
    /// What they say together: the energy to the digit, and all that speaks against it; `None`: none of them is OCMF, or there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metered: Option<MeteredTransaction>,
    /// When it was made, by our clock.
    pub created_at: Timestamp,
}

/// What a bill record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CdrKind {
    /// The first bill of a session.
    Bill,
    /// It takes another one back.
    Credit,
    /// A bill in the place of one that was taken back.
    Correction,
}

/// The most signed values a record carries: start and end of every meter, with room.
const MAX_SIGNED: usize = 100;
/// The most stretches a record carries.
const MAX_SEGMENTS: usize = 1_000;

// === impl CdrKind ===

impl CdrKind {
    /// All.
    pub const ALL: [Self; 3] = [Self::Bill, Self::Credit, Self::Correction];

    /// The name in the API and on pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bill => "bill",
            Self::Credit => "credit",
            Self::Correction => "correction",
        }
    }
}

// === impl Cdr ===

impl Cdr {
    /// The record of a session as it stands now.
    #[must_use]
    pub(crate) fn freeze(
        session: &Session,
        ended_at: Timestamp,
        segments: Vec<Segment>,
        breakdown: Option<CostBreakdown>,
        facts: &[TransactionFact],
        (revision, created_at): (u32, Timestamp),
    ) -> Self {
        check_invariant!(EnergyNeverNegative, session.energy >= WattHours::ZERO);
        Self {
            id: CdrId::derive(session.id, revision),
            session_id: session.id,
            revision,
            tenant: session.tenant.clone(),
            station: session.station.clone(),
            evse: session.evse,
            connector: session.connector,
            transaction: session.transaction.clone(),
            token: session.token.clone(),
            contract: session.contract.clone(),
            started_at: session.started_at,
            ended_at,
            energy: session.energy,
            charging_ms: session.charging_ms,
            parked_ms: session.parked_ms,
            meter_first_wh: session.meter_first_wh,
            meter_last_wh: session.meter_last_wh,
            segments: at_most(segments, MAX_SEGMENTS),
            breakdown,
            credits: None,
            flags: session.flags.clone(),
            signature: session.signature,
            metered: session.metered.clone(),
            signed_values: signed_values(facts),
            created_at,
        }
    }

    /// The record that takes this one back: the same in all, but for its cost, which has the opposite sign (OCPI 2.2.1 mod_cdrs, credit CDRs).
    #[must_use]
    pub fn credit(&self, created_at: Timestamp) -> Self {
        let revision = self.revision.saturating_add(1);
        Self {
            id: CdrId::derive(self.session_id, revision),
            revision,
            breakdown: self.breakdown.as_ref().map(CostBreakdown::negated),
            credits: Some(self.id),
            created_at,
            ..self.clone()
        }
    }

    /// What it does. The revision tells it too: bill and credit take turns and the bill begins, so credits are the odd ones. The store
    /// finds them by that.
    #[must_use]
    pub const fn kind(&self) -> CdrKind {
        match (self.credits, self.revision) {
            (Some(_), _) => CdrKind::Credit,
            (None, 0) => CdrKind::Bill,
            (None, _) => CdrKind::Correction,
        }
    }

    /// Would a new record say the same: who, where, from when to when, how much, and every line of the cost? `breakdown` is the session's
    /// by the tariff it was billed with.
    #[must_use]
    pub(crate) fn says_the_same(&self, session: &Session, breakdown: Option<&CostBreakdown>) -> bool {
        (self.started_at, Some(self.ended_at), self.energy, self.charging_ms, self.parked_ms)
            == (session.started_at, session.ended_at, session.energy, session.charging_ms, session.parked_ms)
            && (self.evse, self.connector) == (session.evse, session.connector)
            && self.token.as_ref().map(IdToken::holder) == session.token.as_ref().map(IdToken::holder)
            && self.breakdown.as_ref() == breakdown
    }
}

fn signed_values(facts: &[TransactionFact]) -> Vec<SignedValue> {
    let mut signed: Vec<_> = facts
        .iter()
        .filter(|fact| !fact.aside)
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
