//! Transactions and tokens: every message about one becomes a fact, whatever it says; sanity never costs the station its answer
//! (OCPP 1.6 4.7, 4.8, 4.10).

use super::{MAX_OPEN, StationState};
use crate::authorize::{Authorization, Occasion, Purpose, TokenStanding, Verdict, decide};
use crate::event::DomainEvent;
use crate::id::{ConnectorId, TransactionId};
use crate::outcome::{Effect, Oddity, Outcome};
use crate::reply::{StationReply, TransactionReply};
use crate::report::{TransactionPhase, TransactionRef, TransactionReport};
use crate::snapshot::OpenTransaction;
use crate::time::Timestamp;
use crate::token::IdToken;
use crate::transaction::{Numbering, STOP_AUTHORIZED, TransactionFact, content_hash};

/// How far a station's clock may be ahead (reliability F16).
const LATEST_AHEAD_MS: i64 = 48 * 3_600_000;

impl StationState {
    pub(super) fn on_authorize(
        &mut self,
        now: Timestamp,
        presented: IdToken,
        known: Option<&TokenStanding>,
    ) -> Outcome {
        let mut verdict = self.judge(now, &presented, known, now, Purpose::Ask);
        // Some stations ask before they begin what was ordered, and do not say so.
        if verdict.authorization != Authorization::Accepted
            && let Some(ordered) = known.and_then(|known| known.as_ordered_last(now))
        {
            verdict = self.judge(now, &presented, Some(&ordered), now, Purpose::Ask);
        }
        let authorization = verdict.authorization;
        Outcome::reply(StationReply::Authorize(verdict))
            .event(DomainEvent::TokenPresented { token: presented, authorization })
    }

    pub(super) fn on_transaction(
        &mut self,
        now: Timestamp,
        report: TransactionReport,
        known: Option<&TokenStanding>,
    ) -> Outcome {
        let order = self.note_start(&report);
        let ordered = known.zip(order).and_then(|(known, order)| known.as_ordered(order, now));
        let known = ordered.as_ref().or(known);
        let numbering = self.numbering(&report);
        let verdict = match (&report.token, &report.transaction) {
            (Some(presented), _) => {
                let at = plausible(now, report.observed_at).unwrap_or(now);
                Some(self.judge(now, presented, known, at, purpose(&report, numbering.as_ref())))
            }
            // A start that names nobody, or with an id nobody can have (free vending): like one by a stranger.
            (None, TransactionRef::ToBeNumbered) => Some(self.policy.tokens.stranger()),
            (None, _) => None,
        };
        let (transaction, named) = match &report.transaction {
            TransactionRef::Known(id) => (Some(id.clone()), None),
            TransactionRef::ToBeNumbered => (numbering.as_ref().and_then(first_candidate), None),
            TransactionRef::Missing => (None, Some("-1".into())),
        };
        let number = numbering.as_ref().and_then(|n| n.candidates.first().copied());
        let reply = TransactionReply { number, verdict: verdict.clone(), ..TransactionReply::default() };
        let outcome = Outcome::reply(StationReply::Transaction(reply));
        let orphan = transaction.is_none();
        let (mut fact, repaired) =
            fact_of(now, report, transaction.unwrap_or_else(TransactionId::missing), numbering, verdict);
        fact.contract =
            known.filter(|_| fact.token.is_some()).and_then(|known| known.contract(now)).map(Box::new);
        let outcome = if repaired { outcome.effect(Effect::Count(Oddity::ImplausibleTime)) } else { outcome };
        let begins = fact.phase == TransactionPhase::Started;
        let ambiguous = known.and_then(TokenStanding::roamer).is_some_and(|roamer| roamer.is_ambiguous);
        let outcome =
            if begins && ambiguous { outcome.effect(Effect::Count(Oddity::AmbiguousToken)) } else { outcome };
        if orphan {
            return outcome
                .effect(Effect::Count(Oddity::MissingTransactionId))
                .event(DomainEvent::OrphanReported { named, fact });
        }
        self.track(outcome, &fact).event(DomainEvent::Transaction(fact))
    }

    /// Takes over the number the store gave.
    pub(super) fn renumber(&mut self, proposed: &TransactionId, given: TransactionId) {
        if let Some(mut open) = self.open.remove(proposed) {
            open.transaction = given.clone();
            self.open.insert(given, open);
        }
    }

    /// Decides about a token that is presented at `at`.
    fn judge(
        &self,
        now: Timestamp,
        presented: &IdToken,
        known: Option<&TokenStanding>,
        at: Timestamp,
        purpose: Purpose,
    ) -> Verdict {
        let nothing = TokenStanding::default();
        let occasion = Occasion { station: &self.id, at, purpose };
        decide(presented, known.unwrap_or(&nothing), &self.policy.tokens, &occasion, now)
    }

    fn numbering(&self, report: &TransactionReport) -> Option<Numbering> {
        let TransactionRef::ToBeNumbered = report.transaction else { return None };
        let meter_start = report.samples.first().map_or(0, |sample| sample.value);
        let connector = report.connector.unwrap_or(ConnectorId(0));
        let evse = report.evse.unwrap_or_default();
        // A 1.6 connector is an EVSE here; both go into the key, so that the translation may choose.
        let place = ConnectorId(evse.0.wrapping_mul(1000).wrapping_add(connector.0));
        let at = report.observed_at;
        Some(Numbering::of_start(
            &self.policy.numbering,
            &self.id,
            place,
            report.token.as_ref(),
            at,
            meter_start,
        ))
    }

    /// Keeps the list of open transactions.
    fn track(&mut self, outcome: Outcome, fact: &TransactionFact) -> Outcome {
        if fact.phase == TransactionPhase::Ended {
            let known = self.open.remove(&fact.transaction).is_some();
            return if known { outcome } else { outcome.effect(Effect::Count(Oddity::UnknownTransaction)) };
        }
        if let Some(open) = self.open.get_mut(&fact.transaction) {
            open.evse = open.evse.or(fact.evse);
            open.connector = open.connector.or(fact.connector);
            return outcome;
        }
        if self.open.len() >= MAX_OPEN {
            return outcome.effect(Effect::Count(Oddity::TooMany));
        }
        let overlaps = fact.evse.is_some() && self.open.values().any(|open| open.evse == fact.evse);
        let open = OpenTransaction {
            transaction: fact.transaction.clone(),
            evse: fact.evse,
            connector: fact.connector,
            since: fact.observed_at,
        };
        self.open.insert(fact.transaction.clone(), open);
        if overlaps { outcome.effect(Effect::Count(Oddity::OverlappingTransaction)) } else { outcome }
    }
}

/// For what a message about a transaction presents its token.
fn purpose(report: &TransactionReport, numbering: Option<&Numbering>) -> Purpose {
    if report.phase == TransactionPhase::Ended || *report.trigger == *STOP_AUTHORIZED {
        return Purpose::Stop;
    }
    let proposed = numbering.into_iter().flat_map(|numbering| numbering.candidates);
    let mut transactions: Vec<_> =
        proposed.filter_map(|number| TransactionId::new(&number.to_string()).ok()).collect();
    if let TransactionRef::Known(id) = &report.transaction {
        transactions.push(id.clone());
    }
    Purpose::Charge { transactions, evse: report.evse, starts: report.phase == TransactionPhase::Started }
}

/// The instant, if a clock that is set could show it.
pub(super) fn plausible(now: Timestamp, at: Timestamp) -> Option<Timestamp> {
    (at >= Timestamp::CLOCKS_SET && at <= now.plus_millis(LATEST_AHEAD_MS)).then_some(at)
}

fn first_candidate(numbering: &Numbering) -> Option<TransactionId> {
    numbering.candidates.first().and_then(|number| TransactionId::new(&number.to_string()).ok())
}

/// The report as a fact; `true` when a time had to be repaired.
pub(super) fn fact_of(
    now: Timestamp,
    report: TransactionReport,
    transaction: TransactionId,
    numbering: Option<Numbering>,
    verdict: Option<Verdict>,
) -> (TransactionFact, bool) {
    let content = content_hash(&report);
    let mut repaired = false;
    let mut repair = |at: Timestamp, instead: Timestamp| {
        plausible(now, at).unwrap_or_else(|| {
            repaired = true;
            instead
        })
    };
    let observed_at = repair(report.observed_at, now);
    let mut samples = report.samples;
    for sample in &mut samples {
        sample.observed_at = repair(sample.observed_at, observed_at);
    }
    let fact = TransactionFact {
        transaction,
        key: report.key,
        phase: report.phase,
        numbering,
        evse: report.evse,
        connector: report.connector,
        token: report.token,
        authorization: verdict.map(|v| v.authorization),
        contract: None,
        observed_at,
        received_at: now,
        trigger: report.trigger,
        charging_state: report.charging_state,
        stop_reason: report.stop_reason,
        offline: report.offline,
        remote_start_id: report.remote_start_id,
        time_repaired: repaired,
        adopted: false,
        aside: false,
        samples,
        ruling: None,
        content,
    };
    let repaired = fact.time_repaired;
    (fact, repaired)
}
