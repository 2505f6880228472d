//! Facts of transactions: which are new, which repeat, which contradict (invariant `OneTransactionPerKey`).

use std::collections::HashMap;

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{SessionId, StationId, TenantId};
use ringmain_domain::report::TransactionPhase;
use ringmain_domain::time::Timestamp;
use ringmain_domain::transaction::TransactionFact;

use crate::batch::numbers::{Numbers, numbering, start};
use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::{Statement, Texts, Tx};
use crate::store::StoreError;

/// How a fact stands to what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Fresh,
    Repeat,
    Conflict,
}

/// A fact of a transaction, numbered.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Its place in the batch.
    pub(super) index: usize,
    pub(super) tenant: TenantId,
    pub(super) station: StationId,
    pub(super) received_at: Timestamp,
    pub(super) session: SessionId,
    pub(super) fact: TransactionFact,
    pub(super) key: String,
    pub(super) standing: Standing,
}

static INSERT: Texts = Texts {
    one: "INSERT INTO transaction_events (tenant, station, transaction_id, message_key, phase, content, received_at, \
          document) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING \
          RETURNING tenant, station, transaction_id, message_key",
    all: "INSERT INTO transaction_events (tenant, station, transaction_id, message_key, phase, content, received_at, \
          document) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], \
          $7::bigint[], $8::jsonb[]) ON CONFLICT DO NOTHING \
          RETURNING tenant, station, transaction_id, message_key",
};

static CONTENTS: Texts = Texts {
    one: "SELECT tenant, station, transaction_id, message_key, content FROM transaction_events \
          WHERE tenant = $1 AND station = $2 AND transaction_id = $3 AND message_key = $4",
    all: "SELECT e.tenant, e.station, e.transaction_id, e.message_key, e.content \
          FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k(tenant, station, transaction_id, message_key) \
          JOIN transaction_events e ON e.tenant = k.tenant AND e.station = k.station \
          AND e.transaction_id = k.transaction_id AND e.message_key = k.message_key",
};

static CONFLICTS: Texts = Texts {
    one: "INSERT INTO transaction_conflicts (tenant, station, transaction_id, message_key, content, received_at, document) \
          VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    all: "INSERT INTO transaction_conflicts (tenant, station, transaction_id, message_key, content, received_at, document) \
          SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::jsonb[]) \
          ON CONFLICT DO NOTHING",
};

/// The facts of transactions in a batch, under their numbers.
pub(super) fn told(facts: &[Fact], numbers: &Numbers) -> Result<Vec<Told>, StoreError> {
    let mut all = Vec::with_capacity(facts.len());
    for (index, fact) in facts.iter().enumerate() {
        let DomainEvent::Transaction(told) = &fact.event else { continue };
        let mut told = told.clone();
        if let Some(numbering) = numbering(fact) {
            let number = numbers.get(&start(fact, numbering));
            told.transaction =
                number.cloned().ok_or_else(|| StoreError::corrupt("a start was given no number"))?;
        }
        all.push(Told {
            index,
            tenant: fact.tenant.clone(),
            station: fact.station.clone(),
            received_at: fact.received_at,
            session: SessionId::derive(&fact.tenant, &fact.station, &told.transaction),
            key: told.key.stored(),
            fact: told,
            standing: Standing::Fresh,
        });
    }
    Ok(all)
}

/// Stores what is new and says of each fact how it stands. Of a key that comes twice in a batch the first is the one that counts.
pub(super) async fn insert(tx: &mut Tx, told: &mut [Told]) -> Result<(), StoreError> {
    let mut first = HashMap::<(SessionId, String), usize>::new();
    let mut rows = Vec::with_capacity(told.len());
    for (place, one) in told.iter().enumerate() {
        if let std::collections::hash_map::Entry::Vacant(entry) = first.entry((one.session, one.key.clone()))
        {
            entry.insert(place);
            rows.push(one.row()?);
        }
    }
    let mut contents = HashMap::<(SessionId, String), Box<str>>::new();
    let mut fresh = std::collections::HashSet::new();
    for row in tx.run(Statement::each(&INSERT, rows)).await? {
        let key = stored_key(&row)?;
        if let Some(one) = first.get(&key).and_then(|place| told.get(*place)) {
            contents.insert(key, one.fact.content.clone());
            fresh.insert(one.index);
        }
    }
    let known = first.iter().filter(|(key, _)| !contents.contains_key(*key));
    let known: Vec<_> = known.filter_map(|(_, place)| told.get(*place).map(Told::stored_key)).collect();
    for row in tx.run(Statement::each(&CONTENTS, known)).await? {
        contents.insert(stored_key(&row)?, row.text("content")?.into());
    }
    for one in told {
        if fresh.contains(&one.index) {
            continue;
        }
        let content = contents.get(&(one.session, one.key.clone()));
        one.standing = if content == Some(&one.fact.content) { Standing::Repeat } else { Standing::Conflict };
    }
    Ok(())
}

/// Stores rulings that follow from the batch itself.
pub(super) async fn insert_rulings(tx: &mut Tx, rulings: &[Told]) -> Result<(), StoreError> {
    let rows: Result<Vec<_>, StoreError> = rulings.iter().map(Told::row).collect();
    tx.run(Statement::each(&INSERT, rows?)).await?;
    Ok(())
}

/// Keeps contradictions beside what they contradict.
pub(super) fn conflicts(told: &[Told]) -> Result<Statement, StoreError> {
    let rows: Result<Vec<_>, StoreError> = told
        .iter()
        .filter(|one| one.standing == Standing::Conflict)
        .map(|one| {
            let mut row = one.stored_key();
            row.extend(params![&*one.fact.content, one.received_at]);
            row.push(Param::json(&one.fact)?);
            Ok(row)
        })
        .collect();
    Ok(Statement::each(&CONFLICTS, rows?))
}

fn stored_key(row: &Row) -> Result<(SessionId, String), StoreError> {
    let session =
        SessionId::derive(&row.named("tenant")?, &row.named("station")?, &row.named("transaction_id")?);
    Ok((session, row.text("message_key")?.to_owned()))
}

// === impl Told ===

impl Told {
    fn stored_key(&self) -> Vec<Param> {
        params![&self.tenant, &self.station, &self.fact.transaction, &*self.key]
    }

    fn row(&self) -> Result<Vec<Param>, StoreError> {
        let phase = match self.fact.phase {
            TransactionPhase::Started => "started",
            TransactionPhase::Updated => "updated",
            TransactionPhase::Ended => "ended",
        };
        let mut row = self.stored_key();
        row.extend(params![phase, &*self.fact.content, self.received_at]);
        row.push(Param::json(&self.fact)?);
        Ok(row)
    }
}
