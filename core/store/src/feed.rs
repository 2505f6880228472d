//! What partners must hear of: one row for each object, at the place of its newest change. Partners read it behind cursors of their own.
//!
//! Changes stand in the outbox, written with the fact. Whoever leads takes them in: transactions that do so follow one another (each
//! holds the tenant's row of places), so a reader that is at place 7 has seen everything up to 7. However often an object changes, it
//! has one row; only bill records never change, so each of them has its own. The size follows the number of objects, never that of
//! partners.

use std::collections::BTreeMap;

use ringmain_domain::id::TenantId;
use ringmain_domain::party::{Party, Role};
use ringmain_domain::time::Timestamp;
use uuid::Uuid;

use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::{Statement, Texts, Tx};
use crate::outbox::{KIND_CDR, KIND_SESSION};
use crate::page::MAX_LIMIT;
use crate::store::{Store, StoreError};

/// A station came, went, moved, or is worked on: all its EVSEs may look different.
pub const KIND_STATION: &str = "station";
/// An EVSE stands there no more; the subject is `LOCATION/STATION/EVSE`.
pub const KIND_EVSE_REMOVED: &str = "evse_removed";
/// A location's record changed, or it is gone.
pub const KIND_LOCATION: &str = "location";
/// A tariff changed, or it is gone.
pub const KIND_TARIFF: &str = "tariff";
/// Who may pay a tariff changed: perhaps partners see it only now, or no more.
pub const KIND_TARIFF_REACH: &str = "tariff_reach";

/// An object that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Where its newest change stands.
    pub position: i64,
    /// One of the kinds here or of [`crate::outbox`].
    pub kind: Box<str>,
    /// The id of what changed; of a status `STATION/EVSE`.
    pub subject: Box<str>,
    /// When it changed, by our clock; of several changes that were taken in together, the first.
    pub changed_at: Timestamp,
    /// Whose driver it is about: nobody else may hear of it. `None`: everybody may.
    pub party: Option<Party>,
}

/// How far a feed goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedEnds {
    /// The place that was given last; 0 in the beginning.
    pub newest: i64,
    /// Who stands before this place has missed objects that changed, bill records excepted.
    pub forgotten: i64,
}

const TAKE_SQLITE: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT $1) \
     RETURNING tenant, kind, subject, created_at";
const TAKE_POSTGRES: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT $1 \
     FOR UPDATE SKIP LOCKED) RETURNING tenant, kind, subject, created_at";

static SESSION_PARTIES: Texts = Texts {
    one: "SELECT id, party_country, party_id FROM sessions WHERE tenant = $1 AND id = $2 AND party_country IS NOT NULL",
    all: "SELECT d.id, d.party_country, d.party_id FROM unnest($1::text[], $2::uuid[]) AS k(tenant, id) \
          JOIN sessions d ON d.tenant = k.tenant AND d.id = k.id WHERE d.party_country IS NOT NULL",
};
static CDR_PARTIES: Texts = Texts {
    one: "SELECT id, party_country, party_id FROM cdrs WHERE tenant = $1 AND id = $2 AND party_country IS NOT NULL",
    all: "SELECT d.id, d.party_country, d.party_id FROM unnest($1::text[], $2::uuid[]) AS k(tenant, id) \
          JOIN cdrs d ON d.tenant = k.tenant AND d.id = k.id WHERE d.party_country IS NOT NULL",
};

const PLACES: &str = "INSERT INTO feed_positions (tenant, position) VALUES ($1, $2) ON CONFLICT (tenant) \
     DO UPDATE SET position = feed_positions.position + excluded.position RETURNING position";

static KEEP: Texts = Texts {
    one: "INSERT INTO feed (tenant, kind, subject, position, changed_at, party_country, party_id) \
          VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, kind, subject) DO UPDATE SET \
          position = excluded.position, changed_at = excluded.changed_at, party_country = excluded.party_country, \
          party_id = excluded.party_id",
    all: "INSERT INTO feed (tenant, kind, subject, position, changed_at, party_country, party_id) SELECT * FROM \
          unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[]) \
          ON CONFLICT (tenant, kind, subject) DO UPDATE SET position = excluded.position, \
          changed_at = excluded.changed_at, party_country = excluded.party_country, party_id = excluded.party_id",
};

/// By the primary key.
static OF_OBJECTS: Texts = Texts {
    one: "SELECT position, kind, subject, changed_at, party_country, party_id FROM feed \
          WHERE tenant = $1 AND kind = $2 AND subject = $3",
    all: "SELECT f.position, f.kind, f.subject, f.changed_at, f.party_country, f.party_id \
          FROM unnest($1::text[], $2::text[], $3::text[]) AS k(tenant, kind, subject) \
          JOIN feed f ON f.tenant = k.tenant AND f.kind = k.kind AND f.subject = k.subject",
};

/// What has been read by all: bill records behind the cursor of whoever they are for, everything else by its age. By `feed_by_age`.
const FORGET: &str = "DELETE FROM feed WHERE tenant = $1 AND position IN (SELECT f.position FROM feed f \
     WHERE f.tenant = $1 AND f.changed_at < $2 AND (f.kind <> 'cdr' OR NOT EXISTS \
     (SELECT 1 FROM partner_parties p CROSS JOIN partner_cursors c WHERE p.tenant = f.tenant \
     AND p.country_code = f.party_country AND p.party_id = f.party_id AND c.tenant = p.tenant \
     AND c.partner = p.partner AND c.lane = 'cdrs' AND c.position < f.position)) ORDER BY f.changed_at LIMIT $3) \
     RETURNING kind, position";

/// How many rows are forgotten in one commit: whoever takes changes in waits for it.
const FORGET_STEP: u32 = 1_000;
/// The most commits of one call; what is left then is forgotten by the next.
const FORGET_STEPS: u32 = 100;

impl Store {
    /// Takes changes of all tenants in, at most `limit`, at most [`MAX_LIMIT`]; how many changes were looked at. Sessions and bills of our
    /// own drivers are nobody's business and end here.
    ///
    /// # Errors
    /// As [`StoreError`] says; to do it again does no harm.
    pub async fn feed_take_in(&self, limit: u32) -> Result<usize, StoreError> {
        // Most of the time there is nothing, and then nothing is written.
        let waiting = self.engine().rows_across("SELECT id FROM outbox LIMIT 1", Vec::new()).await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let sql = if self.engine().is_postgres() { TAKE_POSTGRES } else { TAKE_SQLITE };
        let take = Statement::once(sql, params![limit.min(MAX_LIMIT)]).across();
        self.engine().write(move |tx| Box::pin(take_in(tx, take))).await
    }

    /// What changed behind a place, in order, at most `limit`, at most [`MAX_LIMIT`]. By `feed_by_position`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn feed_after(
        &self,
        tenant: &TenantId,
        position: i64,
        limit: u32,
    ) -> Result<Vec<FeedRow>, StoreError> {
        let sql = "SELECT position, kind, subject, changed_at, party_country, party_id FROM feed \
             WHERE tenant = $1 AND position > $2 ORDER BY position LIMIT $3";
        let rows = self.engine().rows(sql, params![tenant, position, limit.min(MAX_LIMIT)]).await?;
        rows.iter().map(feed_row).collect()
    }

    /// Where these objects stand by now, by kind and subject, in no order; absent those that were forgotten.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn feed_rows(
        &self,
        tenant: &TenantId,
        objects: &[(&str, &str)],
    ) -> Result<Vec<FeedRow>, StoreError> {
        let keys = objects.iter().map(|(kind, subject)| params![tenant, *kind, *subject]).collect();
        let rows = self.engine().read(vec![Statement::each(&OF_OBJECTS, keys)]).await?;
        rows.iter().flatten().map(feed_row).collect()
    }

    /// How far a tenant's feed goes.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn feed_ends(&self, tenant: &TenantId) -> Result<FeedEnds, StoreError> {
        let sql = "SELECT position, forgotten FROM feed_positions WHERE tenant = $1";
        let rows = self.engine().rows(sql, params![tenant]).await?;
        rows.first().map_or(Ok(FeedEnds::default()), |row| {
            Ok(FeedEnds { newest: row.int("position")?, forgotten: row.int("forgotten")? })
        })
    }

    /// Forgets what changed before an instant, at most 100,000 rows; how many. A bill record stays until the partner it is for has passed
    /// it.
    ///
    /// # Errors
    /// As [`StoreError`] says; what was forgotten before stays so.
    pub async fn feed_forget(&self, tenant: &TenantId, before: Timestamp) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        for _ in 0..FORGET_STEPS {
            let tenant = tenant.clone();
            let gone = self.engine().write(move |tx| Box::pin(forget(tx, tenant, before))).await?;
            forgotten += gone;
            if gone < usize::try_from(FORGET_STEP).unwrap_or(usize::MAX) {
                break;
            }
        }
        Ok(forgotten)
    }
}

async fn forget(tx: &mut Tx, tenant: TenantId, before: Timestamp) -> Result<usize, StoreError> {
    let gone = tx.run(Statement::once(FORGET, params![&tenant, before, FORGET_STEP])).await?;
    let mut last = 0;
    for row in &gone {
        if row.text("kind")? != KIND_CDR {
            last = last.max(row.int("position")?);
        }
    }
    let sql = "UPDATE feed_positions SET forgotten = $2 WHERE tenant = $1 AND forgotten < $2";
    tx.run(Statement::once(sql, params![&tenant, last])).await?;
    Ok(gone.len())
}

/// A change that was taken out of the outbox.
struct Change {
    tenant: TenantId,
    kind: Box<str>,
    subject: Box<str>,
    changed_at: Timestamp,
}

async fn take_in(tx: &mut Tx, take: Statement) -> Result<usize, StoreError> {
    let rows = tx.run(take).await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        changes.push(Change {
            tenant: row.named("tenant")?,
            kind: row.text("kind")?.into(),
            subject: row.text("subject")?.into(),
            changed_at: row.at("created_at")?,
        });
    }
    changes.sort_by(|a, b| (&a.tenant, a.changed_at).cmp(&(&b.tenant, b.changed_at)));
    let parties = parties(tx, &changes).await?;
    let is_private = |change: &Change| matches!(&*change.kind, KIND_SESSION | KIND_CDR);
    changes.retain(|change| !is_private(change) || parties.contains_key(&*change.subject));
    let mut kept = Vec::with_capacity(changes.len());
    for of_tenant in changes.chunk_by(|a, b| a.tenant == b.tenant) {
        let Some(Change { tenant, .. }) = of_tenant.first() else { continue };
        let count = i64::try_from(of_tenant.len()).unwrap_or(i64::MAX);
        let given = tx.run(Statement::once(PLACES, params![tenant, count])).await?;
        let last = given.first().map_or(Ok(count), |row| row.int("position"))?;
        for (place, change) in (last - count + 1..).zip(of_tenant) {
            let party = parties.get(&*change.subject);
            kept.push(params![
                tenant,
                &*change.kind,
                &*change.subject,
                place,
                change.changed_at,
                party.map(|(country, _)| &**country),
                party.map(|(_, id)| &**id),
            ]);
        }
    }
    tx.run(Statement::each(&KEEP, kept)).await?;
    Ok(rows.len())
}

type Parties = BTreeMap<String, (Box<str>, Box<str>)>;

/// Whose drivers sessions and bill records are about, by their id.
async fn parties(tx: &mut Tx, changes: &[Change]) -> Result<Parties, StoreError> {
    let mut keys: [Vec<Vec<Param>>; 2] = [Vec::new(), Vec::new()];
    let [sessions, cdrs] = &mut keys;
    for change in changes {
        let into = match &*change.kind {
            KIND_SESSION => &mut *sessions,
            KIND_CDR => &mut *cdrs,
            _ => continue,
        };
        if let Ok(id) = Uuid::parse_str(&change.subject) {
            into.push(params![&change.tenant, id]);
        }
    }
    let [sessions, cdrs] = keys;
    let statements = vec![Statement::each(&SESSION_PARTIES, sessions), Statement::each(&CDR_PARTIES, cdrs)];
    let mut parties = Parties::new();
    for row in tx.run_all(statements).await?.iter().flatten() {
        let party = (row.text("party_country")?.into(), row.text("party_id")?.into());
        parties.insert(row.uuid("id")?.to_string(), party);
    }
    Ok(parties)
}

fn feed_row(row: &Row) -> Result<FeedRow, StoreError> {
    let party = match (row.words("party_country")?, row.words("party_id")?) {
        (Some(country_code), Some(party_id)) => Some(Party { country_code, party_id, role: Role::Emsp }),
        _ => None,
    };
    Ok(FeedRow {
        position: row.int("position")?,
        kind: row.text("kind")?.into(),
        subject: row.text("subject")?.into(),
        changed_at: row.at("changed_at")?,
        party,
    })
}
