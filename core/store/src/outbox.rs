//! What must be pushed to others: rows written with the change itself, taken under a lease, dropped when they have arrived.
//!
//! Sessions and EVSE status are latest-state: however often they change, one row waits, and whoever takes it gets the newest. A change
//! while a row is out gives it a new number, so that [`Store::outbox_done`] of the old number does not drop the new state.

use std::collections::HashMap;

use ringmain_domain::id::TenantId;
use ringmain_domain::time::Timestamp;
use uuid::Uuid;

use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::{Statement, Texts, Tx};
use crate::page::MAX_LIMIT;
use crate::store::{Store, StoreError};

/// How long a taken row belongs to its taker, by the database's clock. After that somebody else may take it.
pub const LEASE_S: u32 = 60;

/// A session changed; the body is the session.
pub const KIND_SESSION: &str = "session";
/// A bill record was made; the body is the record.
pub const KIND_CDR: &str = "cdr";
/// A status changed; the subject is `STATION/EVSE`, the body says what the station reported.
pub const KIND_EVSE_STATUS: &str = "evse_status";

/// A row to push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number; rises with time, and changes when the subject changes while the row is out.
    pub id: i64,
    /// Whose.
    pub tenant: TenantId,
    /// [`KIND_SESSION`], [`KIND_CDR`] or [`KIND_EVSE_STATUS`].
    pub kind: Box<str>,
    /// The id of what changed.
    pub subject: Box<str>,
    /// Its newest state as JSON text.
    pub body: String,
    /// When it changed, by our clock; of several changes the first that is not pushed yet.
    pub created_at: Timestamp,
}

const TAKE_SQLITE: &str = "UPDATE outbox SET leased_until = CAST(unixepoch('subsec') * 1000 AS INTEGER) + $2 * 1000 \
     WHERE id IN (SELECT id FROM outbox WHERE leased_until < CAST(unixepoch('subsec') * 1000 AS INTEGER) \
     ORDER BY id LIMIT $1) RETURNING id, tenant, kind, subject, body, created_at";

const TAKE_POSTGRES: &str = "UPDATE outbox SET leased_until = CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) \
     + CAST($2 AS BIGINT) * 1000 WHERE id IN (SELECT id FROM outbox \
     WHERE leased_until < CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) \
     ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id, tenant, kind, subject, body, created_at";

static SESSIONS: Texts = Texts {
    one: "SELECT id, document FROM sessions WHERE tenant = $1 AND id = $2",
    all: "SELECT d.id, d.document FROM unnest($1::text[], $2::uuid[]) AS k(tenant, id) \
          JOIN sessions d ON d.tenant = k.tenant AND d.id = k.id",
};

static CDRS: Texts = Texts {
    one: "SELECT id, document FROM cdrs WHERE tenant = $1 AND id = $2",
    all: "SELECT d.id, d.document FROM unnest($1::text[], $2::uuid[]) AS k(tenant, id) \
          JOIN cdrs d ON d.tenant = k.tenant AND d.id = k.id",
};

impl Store {
    /// How many rows wait or are out.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn outbox_len(&self) -> Result<u64, StoreError> {
        let rows = self.engine().rows_across("SELECT count(*) AS waiting FROM outbox", Vec::new()).await?;
        rows.first().map_or(Ok(0), |row| row.number("waiting"))
    }

    /// Takes rows for [`LEASE_S`], the oldest first: at most `limit`, at most [`MAX_LIMIT`]. No row is out twice at a time.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn outbox_take(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = if self.engine().is_postgres() { TAKE_POSTGRES } else { TAKE_SQLITE };
        let take = Statement::once(sql, params![limit.min(MAX_LIMIT), LEASE_S]).across();
        let mut rows = self.engine().write(move |tx| Box::pin(take_rows(tx, take))).await?;
        rows.sort_by_key(|row| row.id);
        Ok(rows)
    }

    /// Drops rows of tenants that have no partner, at most `limit`; how many. Nobody would ever take them.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn outbox_drop_unwanted(&self, limit: u32) -> Result<usize, StoreError> {
        let sql = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox o WHERE NOT EXISTS \
             (SELECT 1 FROM partners p WHERE p.tenant = o.tenant AND p.token_hash IS NOT NULL) ORDER BY id LIMIT $1) RETURNING id";
        Ok(self.engine().change_across(sql, params![limit.min(MAX_LIMIT)]).await?.len())
    }

    /// Drops rows that have arrived. Numbers that are not there any more do no harm.
    ///
    /// # Errors
    /// As [`StoreError`] says; the rows come again then.
    pub async fn outbox_done(&self, ids: &[i64]) -> Result<(), StoreError> {
        static DONE: Texts = Texts {
            one: "DELETE FROM outbox WHERE id = $1",
            all: "DELETE FROM outbox WHERE id = ANY($1::bigint[])",
        };
        let rows = ids.iter().map(|id| params![*id]).collect();
        self.engine().change_all(Statement::each(&DONE, rows).across()).await.map(drop)
    }
}

async fn take_rows(tx: &mut Tx, take: Statement) -> Result<Vec<OutboxRow>, StoreError> {
    let rows = tx.run(take).await?;
    let sessions = Statement::each(&SESSIONS, subjects(&rows, KIND_SESSION)?);
    let cdrs = Statement::each(&CDRS, subjects(&rows, KIND_CDR)?);
    let mut bodies = HashMap::new();
    for row in tx.run_all(vec![sessions, cdrs]).await?.iter().flatten() {
        bodies.insert(row.uuid("id")?.to_string(), row.text("document")?.to_owned());
    }
    rows.iter().map(|row| outbox_row(row, &mut bodies)).collect()
}

/// Keys of the documents that rows of a kind stand for.
fn subjects(rows: &[Row], kind: &str) -> Result<Vec<Vec<Param>>, StoreError> {
    let mut keys = Vec::new();
    for row in rows {
        if row.text("kind")? == kind {
            let id: Uuid = row.uuid("subject")?;
            keys.push(params![&row.named::<TenantId>("tenant")?, id]);
        }
    }
    Ok(keys)
}

fn outbox_row(row: &Row, bodies: &mut HashMap<String, String>) -> Result<OutboxRow, StoreError> {
    let subject = row.text("subject")?;
    let body = match row.text_or_null("body")? {
        Some(body) => body.to_owned(),
        None => bodies
            .remove(subject)
            .ok_or_else(|| StoreError::corrupt(format!("outbox names {subject}, which is not there")))?,
    };
    Ok(OutboxRow {
        id: row.int("id")?,
        tenant: row.named("tenant")?,
        kind: row.text("kind")?.into(),
        subject: subject.into(),
        body,
        created_at: row.at("created_at")?,
    })
}
