//! From a folded session to its bill: priced, held back where something may still come, corrected where something came late.

use crate::cdr::Cdr;
use crate::segment::Segment;
use crate::session::{Folded, Missing, Session, SessionFlag, SessionStatus, Waits};
use crate::tariff::pricing::breakdown::CostBreakdown;
use crate::tariff::pricing::price;
use crate::tariff::pricing::usage::Usage;
use crate::tariff::timeline::Timeline;
use crate::time::Timestamp;
use crate::time::local::Zone;
use crate::transaction::TransactionFact;

/// How long a bill waits for what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillingPolicy {
    /// For messages between start and end, in seconds: only the split over time can change by them (reliability F08).
    pub gap_grace_s: u32,
    /// For the start, in seconds (reliability F07).
    pub start_grace_s: u32,
}

impl Default for BillingPolicy {
    fn default() -> Self {
        Self { gap_grace_s: 10, start_grace_s: 24 * 3_600 }
    }
}

/// A correction waits no longer than so many graces after the first of what came late.
const GRACES_MAX: i64 = 10;

/// What charging costs at a place: the tariff chosen there, and by which clock its days and hours are read.
#[derive(Debug, Clone)]
pub struct Prices<'a> {
    /// The versions of the tariff.
    pub tariffs: Timeline<'a>,
    /// The location's time zone.
    pub zone: &'a Zone,
}

/// A session with its cost, and the bill records that are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The session, priced.
    pub session: Session,
    /// The records to freeze, in this order: none, the first bill, a credit, or a credit and the bill that takes its place.
    pub cdrs: Vec<Cdr>,
}

/// Prices a folded session and, when it is over and in order, makes its bill record.
///
/// `billed` is the record of the highest revision that exists. Where the figures have changed since, it is taken back by a credit and a
/// new record follows; a session that became doubtful keeps its bill and waits for a person. Nothing is ever billed twice.
#[must_use]
pub fn settle(
    mut folded: Folded,
    facts: &[TransactionFact],
    prices: Option<&Prices<'_>>,
    billed: Option<&Cdr>,
    policy: &BillingPolicy,
    now: Timestamp,
) -> Settlement {
    let breakdown = prices.map(|prices| prices.price(folded.session.started_at, &folded.segments));
    // What costs nothing needs no proof, and nobody misses what was not read of it.
    if let Some(breakdown) = breakdown.as_ref().filter(|breakdown| !breakdown.total.incl_tax.is_zero()) {
        let by_clock = prices.is_some_and(|prices| prices.tariffs.looks_at_clock());
        folded.prove(by_clock || breakdown.hangs_on_time());
        folded.reach();
    }
    let Folded { mut session, segments, waits, .. } = folded;
    session.tariff = breakdown.as_ref().map(|breakdown| breakdown.tariff_id.clone());
    session.price(breakdown.as_ref());
    // What was credited stands no more: the session is as good as unbilled.
    let standing = billed.filter(|cdr| cdr.credits.is_none());
    if session.status == SessionStatus::Invalid {
        session.price(None);
    }
    // After the first wait only a bill that stands can wait: what else came late is billed, or held, at once.
    let waits = waits.filter(|waits| {
        waits.late_since.is_none() || (standing.is_some() && session.status == SessionStatus::Completed)
    });
    session.settles_at = waits.map(|waits| policy.due(&waits));
    let due = match (session.status, session.settles_at) {
        (SessionStatus::Completed, None) => session.ended_at,
        _ => None,
    };
    let mut cdrs = Vec::new();
    let mut revision = billed.map_or(0, |cdr| cdr.revision.saturating_add(1));
    if let Some(standing) = standing {
        let same = standing.says_the_same(&session, breakdown.as_ref());
        if same && session.status != SessionStatus::Invalid {
            session.settles_at = None;
            session.price(standing.breakdown.as_ref());
            return Settlement { session, cdrs };
        }
        if !same {
            session.flag(SessionFlag::LateFacts);
        }
        if due.is_none() && session.status != SessionStatus::Invalid {
            // Doubtful now, or more of it is on its way: what was billed stays what it costs until then.
            session.price(standing.breakdown.as_ref());
            return Settlement { session, cdrs };
        }
        cdrs.push(standing.credit(now));
        revision = revision.saturating_add(1);
    }
    if let Some(ended_at) = due {
        cdrs.push(Cdr::freeze(&session, ended_at, segments, breakdown, facts, (revision, now)));
    }
    Settlement { session, cdrs }
}

/// Prices a running session by its running figures.
#[must_use]
pub fn estimate(mut session: Session, prices: Option<&Prices<'_>>) -> Session {
    let breakdown = prices.map(|prices| prices.price(session.started_at, &session.stretches()));
    session.price(breakdown.as_ref());
    session
}

// === impl BillingPolicy ===

impl BillingPolicy {
    fn due(&self, waits: &Waits) -> Timestamp {
        let grace_s = match waits.missing {
            Missing::Start => self.start_grace_s,
            Missing::Between => self.gap_grace_s,
        };
        let after = |at: Timestamp, graces: i64| at.plus_secs(i64::from(grace_s).saturating_mul(graces));
        // A station that never stops talking must not put its correction off for ever.
        let latest = waits.late_since.map(|first| after(first, GRACES_MAX));
        let due = latest.map_or(after(waits.since, 1), |latest| latest.min(after(waits.since, 1)));
        waits.not_before.map_or(due, |not_before| due.max(not_before))
    }
}

// === impl Prices ===

impl Prices<'_> {
    fn price(&self, started_at: Timestamp, segments: &[Segment]) -> CostBreakdown {
        price(&self.tariffs, self.zone, &Usage::of(started_at, segments))
    }
}

// === impl Session ===

impl Session {
    fn price(&mut self, breakdown: Option<&CostBreakdown>) {
        self.currency = breakdown.map(|breakdown| breakdown.currency);
        self.cost = breakdown.map(|breakdown| breakdown.total);
    }
}
