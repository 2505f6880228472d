//! How far partners have read the feed, what reached them, what they refused for good, and how it goes with them.

use std::collections::BTreeMap;

use ringmain_domain::id::TenantId;
use ringmain_domain::time::Timestamp;
use uuid::Uuid;

use crate::engine::param::params;
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::engine::{Statement, Texts, Tx};
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

/// What a partner hears of, one after the other; each lane waits for itself alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Locations and the state of their EVSEs.
    Locations,
    /// Tariffs.
    Tariffs,
    /// Sessions of its drivers.
    Sessions,
    /// Bill records of its drivers.
    Cdrs,
}

/// How it goes with a partner, as last seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartnerStanding {
    /// When it called us last.
    pub called_at: Option<Timestamp>,
    /// When a call of ours was answered last.
    pub reached_at: Option<Timestamp>,
    /// When a call of ours failed last.
    pub failed_at: Option<Timestamp>,
    /// Why.
    pub failure: Option<Box<str>>,
}

/// What a partner refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// As in [`crate::feed::FeedRow`].
    pub kind: Box<str>,
    /// As in [`crate::feed::FeedRow`].
    pub subject: Box<str>,
    /// In the partner's words.
    pub reason: Box<str>,
    /// When, the last time.
    pub refused_at: Timestamp,
    /// How often it was tried again by itself.
    pub retries: u32,
    /// When that was, the last time.
    pub retried_at: Option<Timestamp>,
}

static ARRIVED: Texts = Texts {
    one: "SELECT cdr FROM partner_cdrs WHERE tenant = $1 AND partner = $2 AND cdr = $3",
    all: "SELECT a.cdr FROM unnest($1::text[], $2::uuid[], $3::uuid[]) AS k(tenant, partner, cdr) \
          JOIN partner_cdrs a ON a.tenant = k.tenant AND a.partner = k.partner AND a.cdr = k.cdr",
};

static ADVANCE: Texts = Texts {
    one: "UPDATE partner_cursors SET position = $4, updated_at = $5 \
          WHERE tenant = $1 AND partner = $2 AND lane = $3 AND position < $4",
    all: "UPDATE partner_cursors c SET position = k.position, updated_at = k.at \
          FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[]) AS k(tenant, partner, lane, position, at) \
          WHERE c.tenant = k.tenant AND c.partner = k.partner AND c.lane = k.lane AND c.position < k.position",
};

static STANDINGS: Texts = Texts {
    one: "SELECT partner, called_at, reached_at, failed_at, failure FROM partner_standings WHERE tenant = $1 AND partner = $2",
    all: "SELECT s.partner, s.called_at, s.reached_at, s.failed_at, s.failure \
          FROM unnest($1::text[], $2::uuid[]) AS k(tenant, partner) \
          JOIN partner_standings s ON s.tenant = k.tenant AND s.partner = k.partner",
};

// === impl Lane ===

impl Lane {
    /// All.
    pub const ALL: [Self; 4] = [Self::Locations, Self::Tariffs, Self::Sessions, Self::Cdrs];

    /// The name in the store, in metrics and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Locations => "locations",
            Self::Tariffs => "tariffs",
            Self::Sessions => "sessions",
            Self::Cdrs => "cdrs",
        }
    }
}

impl Store {
    /// How far a partner has read the feed in a lane; `None`: it is not registered.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_cursor(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        lane: Lane,
    ) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT position FROM partner_cursors WHERE tenant = $1 AND partner = $2 AND lane = $3";
        let rows = self.engine().rows(sql, params![tenant, partner, lane.as_str()]).await?;
        rows.first().map(|row| row.int("position")).transpose()
    }

    /// Partners have read the feed so far, each in a lane. A cursor never goes back, and who is not registered has none.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn advance_partner_cursors(
        &self,
        tenant: &TenantId,
        cursors: &[(Uuid, Lane, i64)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = |(partner, lane, position): &(Uuid, Lane, i64)| {
            params![tenant, *partner, lane.as_str(), *position, now]
        };
        let work = vec![Statement::each(&ADVANCE, cursors.iter().map(row).collect())];
        self.engine().write(move |tx| Box::pin(async move { tx.run_all(work).await.map(drop) })).await
    }

    /// How far partners have read: lane, place and when it was reached.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_cursors(
        &self,
        tenant: &TenantId,
        partner: Uuid,
    ) -> Result<Vec<(Lane, i64, Timestamp)>, StoreError> {
        let sql = "SELECT lane, position, updated_at FROM partner_cursors WHERE tenant = $1 AND partner = $2";
        let rows = self.engine().rows(sql, params![tenant, partner]).await?;
        let mut cursors = Vec::with_capacity(Lane::ALL.len());
        // Marks of other work stand beside the lanes.
        for lane in Lane::ALL {
            for row in &rows {
                if row.text("lane")? == lane.as_str() {
                    cursors.push((lane, row.int("position")?, row.at("updated_at")?));
                }
            }
        }
        Ok(cursors)
    }

    /// When something was last done for a partner, by the name of what it is; `None`: never.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_mark(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        name: &str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT position FROM partner_cursors WHERE tenant = $1 AND partner = $2 AND lane = $3";
        let rows = self.engine().rows(sql, params![tenant, partner, name]).await?;
        rows.first().map(|row| row.at("position")).transpose()
    }

    /// Notes that something was done for a partner.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_partner_mark(
        &self,
        (tenant, partner, name): (&TenantId, Uuid, &str),
        done: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO partner_cursors (tenant, partner, lane, position, updated_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant, partner, lane) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at";
        self.engine().change(sql, params![tenant, partner, name, done, now]).await.map(drop)
    }

    /// At which page a long list of a partner is read on, and since when it is read; `None`: it is read from its beginning.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_page(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        name: &str,
    ) -> Result<Option<(Timestamp, Box<str>)>, StoreError> {
        let sql = "SELECT position, page FROM partner_cursors WHERE tenant = $1 AND partner = $2 AND lane = $3 AND page IS NOT NULL";
        let rows = self.engine().rows(sql, params![tenant, partner, name]).await?;
        rows.first().map(|row| Ok((row.at("position")?, row.text("page")?.into()))).transpose()
    }

    /// Notes at which page a long list is read on; `None`: at its beginning.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_partner_page(
        &self,
        (tenant, partner, name): (&TenantId, Uuid, &str),
        (since, page): (Timestamp, Option<&str>),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO partner_cursors (tenant, partner, lane, position, updated_at, page) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (tenant, partner, lane) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at, \
             page = excluded.page";
        self.engine().change(sql, params![tenant, partner, name, since, now, page]).await.map(drop)
    }

    /// Which of these bill records have reached a partner.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn arrived_cdrs(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        cdrs: &[Uuid],
    ) -> Result<Vec<Uuid>, StoreError> {
        let keys = cdrs.iter().map(|cdr| params![tenant, partner, *cdr]).collect();
        let rows = self.engine().read(vec![Statement::each(&ARRIVED, keys)]).await?;
        rows.iter().flatten().map(|row| row.uuid("cdr")).collect()
    }

    /// A bill record has reached a partner, which keeps it there. Whatever it refused of it before is settled.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn cdr_arrived(
        &self,
        (tenant, partner, cdr): (&TenantId, Uuid, Uuid),
        url: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO partner_cdrs (tenant, partner, cdr, url, arrived_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT DO NOTHING";
        let arrived = Statement::once(sql, params![tenant, partner, cdr, url, now]);
        let subject = cdr.to_string();
        let settled = Statement::once(SETTLE, params![tenant, partner, crate::outbox::KIND_CDR, &*subject]);
        let work = vec![arrived, settled];
        self.engine().write(move |tx| Box::pin(async move { tx.run_all(work).await.map(drop) })).await
    }

    /// What a partner refused before it has taken now, in a newer state: there is nothing to send again.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn settle_dead_letter(
        &self,
        (tenant, partner): (&TenantId, Uuid),
        (kind, subject): (&str, &str),
    ) -> Result<(), StoreError> {
        self.engine().change(SETTLE, params![tenant, partner, kind, subject]).await.map(drop)
    }

    /// Up to which place of the feed bill records may have been sent to a partner, and when one was last; `None`: none was.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn bills_posted(
        &self,
        tenant: &TenantId,
        partner: Uuid,
    ) -> Result<Option<(i64, Timestamp)>, StoreError> {
        let sql = "SELECT position, updated_at FROM partner_cursors WHERE tenant = $1 AND partner = $2 AND lane = $3";
        let rows = self.engine().rows(sql, params![tenant, partner, POSTED]).await?;
        rows.first().map(|row| Ok((row.int("position")?, row.at("updated_at")?))).transpose()
    }

    /// A bill record at this place is about to be sent to a partner; the place that is kept is the furthest.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn note_bill_posting(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        position: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO partner_cursors (tenant, partner, lane, position, updated_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant, partner, lane) DO UPDATE SET updated_at = excluded.updated_at, position = CASE \
             WHEN partner_cursors.position < excluded.position THEN excluded.position ELSE partner_cursors.position END";
        self.engine().change(sql, params![tenant, partner, POSTED, position, now]).await.map(drop)
    }

    /// Keeps what a partner refused for good; how often it was tried again stays as it was.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_dead_letter(
        &self,
        (tenant, partner): (&TenantId, Uuid),
        (kind, subject): (&str, &str),
        reason: &str,
        refused_at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO partner_dead_letters (tenant, partner, kind, subject, reason, refused_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, partner, kind, subject) \
             DO UPDATE SET reason = excluded.reason, refused_at = excluded.refused_at";
        let params = params![tenant, partner, kind, subject, reason, refused_at];
        self.engine().change(sql, params).await.map(drop)
    }

    /// What a partner refused for good, by kind and subject.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn dead_letters(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        page: &PageRequest,
    ) -> Result<Page<DeadLetter>, StoreError> {
        let mut select = Select::new(
            "SELECT kind, subject, reason, refused_at, retries, retried_at FROM partner_dead_letters",
        )
        .filter("tenant = ?", params![tenant])
        .filter("partner = ?", params![partner]);
        if let Some((kind, subject)) = page.key::<(String, String)>()? {
            select = select.filter("(kind, subject) > (?, ?)", params![kind, subject]);
        }
        let select = select.tail("ORDER BY kind, subject LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, letter, |row| Ok((row.text("kind")?.to_owned(), row.text("subject")?.to_owned())))
    }

    /// Takes what a partner refused back into the feed, to be sent again to it, and to whoever else it is for; `false`: there is no
    /// such letter.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn replay_dead_letter(
        &self,
        (tenant, partner): (&TenantId, Uuid),
        (kind, subject): (&str, &str),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let take = Statement::once(
            "DELETE FROM partner_dead_letters WHERE tenant = $1 AND partner = $2 AND kind = $3 AND subject = $4 RETURNING kind",
            params![tenant, partner, kind, subject],
        );
        let again = Statement::once(AGAIN, params![tenant, kind, subject, now]);
        self.engine().write(move |tx| Box::pin(replay(tx, take, again))).await
    }

    /// As [`Store::replay_dead_letter`], and the letter stays until the partner takes what it is about.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn retry_dead_letter(
        &self,
        (tenant, partner): (&TenantId, Uuid),
        (kind, subject): (&str, &str),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let note = Statement::once(
            "UPDATE partner_dead_letters SET retries = retries + 1, retried_at = $5 \
             WHERE tenant = $1 AND partner = $2 AND kind = $3 AND subject = $4 RETURNING kind",
            params![tenant, partner, kind, subject, now],
        );
        let again = Statement::once(AGAIN, params![tenant, kind, subject, now]);
        self.engine().write(move |tx| Box::pin(replay(tx, note, again))).await
    }

    /// How it goes with a partner.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_standing(
        &self,
        tenant: &TenantId,
        partner: Uuid,
    ) -> Result<PartnerStanding, StoreError> {
        let mut standings = self.partner_standings(tenant, &[partner]).await?;
        Ok(standings.remove(&partner).unwrap_or_default())
    }

    /// How it goes with each of these partners; absent those of which nothing is known yet.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_standings(
        &self,
        tenant: &TenantId,
        partners: &[Uuid],
    ) -> Result<BTreeMap<Uuid, PartnerStanding>, StoreError> {
        let keys = partners.iter().map(|partner| params![tenant, *partner]).collect();
        let rows = self.engine().read(vec![Statement::each(&STANDINGS, keys)]).await?;
        rows.iter().flatten().map(|row| Ok((row.uuid("partner")?, standing(row)?))).collect()
    }

    /// Notes how it goes with a partner; what is absent stays as it was.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn note_partner_standing(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        standing: &PartnerStanding,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO partner_standings (tenant, partner, called_at, reached_at, failed_at, failure) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, partner) DO UPDATE SET \
             called_at = coalesce(excluded.called_at, partner_standings.called_at), \
             reached_at = coalesce(excluded.reached_at, partner_standings.reached_at), \
             failed_at = coalesce(excluded.failed_at, partner_standings.failed_at), \
             failure = coalesce(excluded.failure, partner_standings.failure)";
        let PartnerStanding { called_at, reached_at, failed_at, failure } = standing;
        let params = params![tenant, partner, *called_at, *reached_at, *failed_at, failure.as_deref()];
        self.engine().change(sql, params).await.map(drop)
    }
}

/// The name of the mark beside the lanes' cursors.
const POSTED: &str = "cdrs_posted";

const AGAIN: &str = "INSERT INTO outbox (tenant, kind, subject, created_at, leased_until) VALUES ($1, $2, $3, $4, 0) \
     ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0";

const SETTLE: &str =
    "DELETE FROM partner_dead_letters WHERE tenant = $1 AND partner = $2 AND kind = $3 AND subject = $4";

async fn replay(tx: &mut Tx, take: Statement, again: Statement) -> Result<bool, StoreError> {
    if tx.run(take).await?.is_empty() {
        return Ok(false);
    }
    tx.run(again).await?;
    Ok(true)
}

fn standing(row: &Row) -> Result<PartnerStanding, StoreError> {
    Ok(PartnerStanding {
        called_at: row.at_or_null("called_at")?,
        reached_at: row.at_or_null("reached_at")?,
        failed_at: row.at_or_null("failed_at")?,
        failure: row.words("failure")?,
    })
}

fn letter(row: &Row) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        kind: row.text("kind")?.into(),
        subject: row.text("subject")?.into(),
        reason: row.text("reason")?.into(),
        refused_at: row.at("refused_at")?,
        retries: row.number("retries")?,
        retried_at: row.at_or_null("retried_at")?,
    })
}
