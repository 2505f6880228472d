//! The write side for facts: events, the projections they change, and outbox rows commit whole.
//!
//! Place on the walk: commit. A batch numbers transactions, tells repeats and contradictions from what is new, projects what is new and
//! writes everything in one transaction. Rows that rivals may want too are locked in one order by all: numbers, sessions, stations,
//! connectors, variables, outbox. It never judges: sessions, costs and bills are what domain's pure functions say.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{CdrId, SessionId, StationId, TariffId, TenantId, TransactionId};
use ringmain_domain::session::Session;
use ringmain_domain::settlement::BillingPolicy;

use crate::engine::Tx;
use crate::store::{Store, StoreError};

mod events;
mod evses;
mod needs;
mod numbers;
mod places;
mod prices;
mod projections;
mod sessions;
mod strays;
mod transactions;

/// The most facts of a batch.
pub const MAX_BATCH: usize = 256;

/// What became of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// It was not known before. A repeat has no effect. Facts without a key of their own (all but those of transactions) always count
    /// as new.
    pub fresh: bool,
    /// The same key is known with other content: this one is kept beside it and counts for nothing.
    pub conflict: bool,
    /// It names another station's transaction: kept as an orphan, with a security event, and counts for nothing.
    pub stranger: bool,
    /// The transaction as numbered by the store; for facts of transactions.
    pub transaction: Option<TransactionId>,
    /// The session as it is after the whole batch, also for repeats and contradictions; for facts of transactions.
    pub session: Option<Session>,
    /// Rulings about other sessions that follow, to be appended next. When one is lost, [`Store::overtaken_sessions`] finds its reason
    /// again.
    pub rulings: Vec<Fact>,
    /// The bill record, if this fact completed it.
    pub cdr: Option<CdrId>,
}

/// Whose station, and which.
type Place = (TenantId, StationId);

impl Store {
    /// Stores facts in one commit: all of them or none. At most [`MAX_BATCH`]; results are in the order of the input.
    ///
    /// To run the same batch again is harmless: numbers, sessions and bills come out the same.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing is stored, later it will. [`StoreError::Unknown`]: run the same again.
    /// [`StoreError::Conflict`] or [`StoreError::Corrupt`]: one of the facts cannot be stored, nothing is; append them one by one, so
    /// that it fails alone.
    pub async fn append(&self, facts: &[Fact]) -> Result<Vec<Appended>, StoreError> {
        if facts.is_empty() {
            return Ok(Vec::new());
        }
        if facts.len() > MAX_BATCH {
            let reason = format!("a batch has at most {MAX_BATCH} facts, this has {}", facts.len());
            return Err(StoreError::conflict(reason));
        }
        let settings = self.settings();
        let batch = Batch {
            facts: facts.to_vec(),
            default_tariff: settings.default_tariff.clone(),
            billing: settings.billing,
            proof_in: settings.signed_values_required_in.clone(),
        };
        self.engine().write(move |tx| Box::pin(batch.commit(tx))).await
    }
}

/// Facts on their way in.
#[derive(Debug)]
struct Batch {
    facts: Vec<Fact>,
    default_tariff: Option<TariffId>,
    billing: BillingPolicy,
    proof_in: Arc<[Box<str>]>,
}

// === impl Batch ===

impl Batch {
    async fn commit(mut self, tx: &mut Tx) -> Result<Vec<Appended>, StoreError> {
        let asked = self.facts.len();
        let strangers = strays::sort_out(tx, &mut self.facts).await?;
        let mut results = vec![Appended::default(); self.facts.len()];
        let numbers = numbers::assign(tx, &self.facts).await?;
        let mut told = transactions::told(&self.facts, &numbers)?;
        let places = places::of_facts(tx, &told, &self.proof_in).await?;
        let known = sessions::lock(tx, &told).await?;
        transactions::insert(tx, &mut told).await?;
        let projected =
            sessions::project(tx, &told, known, &places, self.default_tariff.as_ref(), &self.billing).await?;
        let orphans = events::insert_orphans(tx, &self.facts).await?;

        for (result, (index, fact)) in results.iter_mut().zip(self.facts.iter().enumerate()) {
            result.fresh = match &fact.event {
                DomainEvent::OrphanReported { .. } => orphans.contains(&index),
                _ => true,
            };
        }
        for one in &told {
            let Some(result) = results.get_mut(one.index) else { continue };
            result.fresh = one.standing == transactions::Standing::Fresh;
            result.conflict = one.standing == transactions::Standing::Conflict;
            result.transaction = Some(one.fact.transaction.clone());
            result.session = projected.sessions.get(&one.session).cloned();
            result.cdr = projected.billed_by.get(&one.index).copied();
        }
        transactions::insert_rulings(tx, &projected.rulings).await?;
        for (index, ruling) in projected.follows.iter().cloned() {
            let Some(result) = results.get_mut(index) else { continue };
            result.rulings.push(ruling);
        }
        for index in strangers {
            let Some(result) = results.get_mut(index) else { continue };
            result.stranger = true;
        }
        let fresh: Vec<bool> = results.iter().map(|result| result.fresh).collect();
        self.write(tx, &told, &projected, &places, &fresh).await?;
        results.truncate(asked);
        Ok(results)
    }

    /// Writes what is left once everything is decided, in the order of locks.
    async fn write(
        &self,
        tx: &mut Tx,
        told: &[transactions::Told],
        projected: &sessions::Projected,
        places: &BTreeMap<Place, places::Known>,
        fresh: &[bool],
    ) -> Result<(), StoreError> {
        let projections = projections::of(&self.facts)?;
        let mut writes = vec![events::insert(&self.facts, told, fresh)?, transactions::conflicts(told)?];
        writes.extend(sessions::writes(projected, places)?);
        writes.extend(projections.stations);
        writes.extend([evses::lock(&self.facts, projected), projections.connectors]);
        let learning = writes.len();
        writes.extend([evses::learn(projected), evses::retell(projected), projections.variables]);
        writes.push(needs::of(&self.facts)?);
        writes.push(events::outbox(outbox(projected, projections.outbox)));
        let learned = tx.run_all(writes).await?.into_iter().nth(learning).unwrap_or_default();
        if !learned.is_empty() {
            tx.run(events::outbox(evses::learned_rows(&learned)?)).await?;
        }
        Ok(())
    }
}

/// What others must hear of.
fn outbox(projected: &sessions::Projected, reported: Vec<events::OutboxRow>) -> Vec<events::OutboxRow> {
    let mut rows: Vec<_> = projected.changed.iter().map(events::session_row).collect();
    rows.extend(projected.cdrs.iter().map(events::cdr_row));
    rows.extend(evses::retold_rows(projected));
    rows.extend(reported);
    rows
}

/// Sessions by id: an order all rivals share.
type Sessions = BTreeMap<SessionId, Session>;
