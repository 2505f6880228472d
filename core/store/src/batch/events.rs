//! The facts themselves as rows, orphans, and what others must hear of.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use ringmain_domain::cdr::Cdr;
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{TenantId, TransactionId};
use ringmain_domain::session::Session;
use ringmain_domain::time::Timestamp;

use crate::batch::transactions::Told;
use crate::engine::param::{Param, params};
use crate::engine::{Statement, Texts, Tx};
use crate::outbox::{KIND_CDR, KIND_SESSION};
use crate::store::StoreError;

static INSERT: Texts = Texts {
    one: "INSERT INTO events (tenant, station, name, received_at, body) VALUES ($1, $2, $3, $4, $5)",
    all: "INSERT INTO events (tenant, station, name, received_at, body) \
          SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::jsonb[])",
};

static ORPHANS: Texts = Texts {
    one: "INSERT INTO orphans (tenant, station, content, named, received_at, document) \
          VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING tenant, station, content",
    all: "INSERT INTO orphans (tenant, station, content, named, received_at, document) SELECT * FROM \
          unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::jsonb[]) \
          ON CONFLICT DO NOTHING RETURNING tenant, station, content",
};

/// A row that is out, or whose body changed, becomes a new one: whoever has it out must not drop the news with it.
static OUTBOX: Texts = Texts {
    one: "INSERT OR REPLACE INTO outbox (tenant, kind, subject, body, created_at, leased_until) \
          VALUES ($1, $2, $3, $4, coalesce((SELECT created_at FROM outbox WHERE tenant = $1 AND kind = $2 \
          AND subject = $3 AND leased_until = 0), $5), 0)",
    all: "INSERT INTO outbox (tenant, kind, subject, body, created_at, leased_until) \
          SELECT k.tenant, k.kind, k.subject, k.body, k.created_at, 0 \
          FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) \
          AS k(tenant, kind, subject, body, created_at) \
          ON CONFLICT (tenant, kind, subject) DO UPDATE SET id = excluded.id, body = excluded.body, leased_until = 0, \
          created_at = CASE WHEN outbox.leased_until = 0 THEN outbox.created_at ELSE excluded.created_at END \
          WHERE outbox.leased_until <> 0 OR outbox.body IS DISTINCT FROM excluded.body",
};

/// What stands in `events` for a fact whose document is in `transaction_events`.
#[derive(Debug, Serialize)]
struct Reference<'a> {
    event: &'static str,
    transaction: &'a TransactionId,
    key: &'a str,
}

/// A row for others: tenant, kind and subject, then its values.
pub(super) type OutboxRow = ((TenantId, &'static str, String), Vec<Param>);

/// One row for each fact that is new.
pub(super) fn insert(facts: &[Fact], told: &[Told], fresh: &[bool]) -> Result<Statement, StoreError> {
    let told: BTreeMap<usize, &Told> = told.iter().map(|one| (one.index, one)).collect();
    let mut rows = Vec::with_capacity(facts.len());
    for (index, (fact, _)) in facts.iter().zip(fresh).enumerate().filter(|(_, (_, fresh))| **fresh) {
        let mut row = params![&fact.tenant, &fact.station, fact.event.name(), fact.received_at];
        row.push(match told.get(&index) {
            Some(one) => Param::json(&Reference {
                event: "transaction",
                transaction: &one.fact.transaction,
                key: &one.key,
            })?,
            None => Param::json(&fact.event)?,
        });
        rows.push(row);
    }
    Ok(Statement::each(&INSERT, rows))
}

/// Keeps messages about transactions nobody knows; which facts of the batch are new among them.
pub(super) async fn insert_orphans(tx: &mut Tx, facts: &[Fact]) -> Result<HashSet<usize>, StoreError> {
    let mut first: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for (index, fact) in facts.iter().enumerate() {
        let DomainEvent::OrphanReported { named, fact: orphan } = &fact.event else { continue };
        let key = (fact.tenant.as_str(), fact.station.as_str(), &*orphan.content);
        if first.contains_key(&key) {
            continue;
        }
        first.insert(key, index);
        let mut row =
            params![&fact.tenant, &fact.station, &*orphan.content, named.as_deref(), fact.received_at];
        row.push(Param::json(orphan)?);
        rows.push(row);
    }
    let mut fresh = HashSet::new();
    for row in tx.run(Statement::each(&ORPHANS, rows)).await? {
        let key = (row.text("tenant")?, row.text("station")?, row.text("content")?);
        fresh.extend(first.get(&key).copied());
    }
    Ok(fresh)
}

/// Others must hear of a session.
pub(super) fn session_row((session, at): &(Session, Timestamp)) -> OutboxRow {
    row(&session.tenant, KIND_SESSION, session.id.to_string(), None, *at)
}

/// Others must hear of a bill record.
pub(super) fn cdr_row(cdr: &Cdr) -> OutboxRow {
    row(&cdr.tenant, KIND_CDR, cdr.id.to_string(), None, cdr.created_at)
}

/// A row for others; of a session or record the newest is read when the row is taken, so it has no body.
pub(super) fn row(
    tenant: &TenantId,
    kind: &'static str,
    subject: String,
    body: Option<Param>,
    at: Timestamp,
) -> OutboxRow {
    let values = params![tenant, kind, &*subject, body, at];
    ((tenant.clone(), kind, subject), values)
}

/// Writes rows for others, one for each subject, in an order all rivals share.
pub(super) fn outbox(rows: Vec<OutboxRow>) -> Statement {
    let rows: BTreeMap<_, _> = rows.into_iter().collect();
    Statement::each(&OUTBOX, rows.into_values().collect())
}
