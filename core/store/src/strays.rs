//! What stations said that counts for nothing: messages about transactions that are not theirs or not known, repeats that contradict
//! what is stored, and billing messages that cannot be read. Kept by `append`, read here, for a person to look at.

use ringmain_domain::id::{StationId, TenantId, TransactionId};
use ringmain_domain::time::Timestamp;
use ringmain_domain::transaction::TransactionFact;

use crate::engine::Statement;
use crate::engine::param::params;
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

/// The characters shown of a message that cannot be read: it may be as large as a frame, and a page has many.
const PAYLOAD_MAX: u32 = 4_096;
/// Which facts are such messages.
const UNREADABLE: &str = "name = 'unreadable_kept'";

/// The most contradictions of one transaction that are read.
const MAX_CONFLICTS: u32 = 200;

/// A message about a transaction that is not its station's, or is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Who said it.
    pub station: StationId,
    /// The id it named, when it named one.
    pub named: Option<Box<str>>,
    /// When it came, by our clock.
    pub received_at: Timestamp,
    /// What it said.
    pub fact: TransactionFact,
}

/// A repeat of a stored message that says something else. The stored one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Who said it.
    pub station: StationId,
    /// About which transaction.
    pub transaction: TransactionId,
    /// When it came, by our clock.
    pub received_at: Timestamp,
    /// What it said.
    pub fact: TransactionFact,
}

/// A message about a transaction that cannot be read. It was answered, so the station has forgotten it: this is all there is of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Who said it.
    pub station: StationId,
    /// When it came, by our clock.
    pub received_at: Timestamp,
    /// The action's name.
    pub action: Box<str>,
    /// The payload as it came, its first 4,096 characters.
    pub payload: Box<str>,
    /// The payload goes on.
    pub is_cut: bool,
}

/// How many messages count for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StrayCounts {
    /// Messages without a transaction.
    pub orphans: u64,
    /// Repeats that contradict.
    pub contradictions: u64,
    /// Billing messages that cannot be read.
    pub unreadable: u64,
}

impl Store {
    /// A tenant's messages that belong to no transaction, the latest first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn orphans(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<Orphan>, StoreError> {
        let mut select = Select::new("SELECT station, content, named, received_at, document FROM orphans")
            .filter("tenant = ?", params![tenant]);
        if let Some((at, station, content)) = page.key::<(i64, String, String)>()? {
            select = select
                .filter("(received_at, station, content) < (?, ?, ?)", params![at, &*station, &*content]);
        }
        let order = "ORDER BY received_at DESC, station DESC, content DESC LIMIT ?";
        let rows = self.engine().read(vec![select.tail(order, params![page.probe()])]).await?;
        let key = |row: &Row| {
            let text = |column| row.text(column).map(str::to_owned);
            Ok((row.int("received_at")?, text("station")?, text("content")?))
        };
        page.page(&rows.into_iter().next().unwrap_or_default(), orphan, key)
    }

    /// A tenant's contradicting repeats, the latest first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn contradictions(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Page<Contradiction>, StoreError> {
        let mut select = Select::new(
            "SELECT station, transaction_id, message_key, content, received_at, document FROM transaction_conflicts",
        )
        .filter("tenant = ?", params![tenant]);
        if let Some((at, [station, transaction, key, content])) = page.key::<(i64, [String; 4])>()? {
            select = select.filter(
                "(received_at, station, transaction_id, message_key, content) < (?, ?, ?, ?, ?)",
                params![at, &*station, &*transaction, &*key, &*content],
            );
        }
        let order = "ORDER BY received_at DESC, station DESC, transaction_id DESC, message_key DESC, content DESC LIMIT ?";
        let rows = self.engine().read(vec![select.tail(order, params![page.probe()])]).await?;
        let key = |row: &Row| {
            let text = |column| row.text(column).map(str::to_owned);
            let names = [text("station")?, text("transaction_id")?, text("message_key")?, text("content")?];
            Ok((row.int("received_at")?, names))
        };
        page.page(&rows.into_iter().next().unwrap_or_default(), contradiction, key)
    }

    /// A tenant's messages about transactions that cannot be read, the latest first. By `events_unreadable`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn unreadable(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Page<Unreadable>, StoreError> {
        let head = format!(
            "SELECT station, position, received_at, body ->> 'action' AS action, \
             substr(body ->> 'payload', 1, {PAYLOAD_MAX}) AS payload, \
             CASE WHEN length(body ->> 'payload') > {PAYLOAD_MAX} THEN 1 ELSE 0 END AS is_cut FROM events"
        );
        let mut select =
            Select::new(&head).filter("tenant = ?", params![tenant]).filter(UNREADABLE, params![]);
        if let Some((at, station, position)) = page.key::<(i64, String, i64)>()? {
            select = select
                .filter("(received_at, station, position) < (?, ?, ?)", params![at, &*station, position]);
        }
        let order = "ORDER BY received_at DESC, station DESC, position DESC LIMIT ?";
        let rows = self.engine().read(vec![select.tail(order, params![page.probe()])]).await?;
        let key =
            |row: &Row| Ok((row.int("received_at")?, row.text("station")?.to_owned(), row.int("position")?));
        page.page(&rows.into_iter().next().unwrap_or_default(), unreadable, key)
    }

    /// The contradicting repeats of one transaction, the first to come first; at most 200.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn contradictions_of(
        &self,
        tenant: &TenantId,
        station: &StationId,
        transaction: &TransactionId,
    ) -> Result<Vec<Contradiction>, StoreError> {
        let sql = "SELECT station, transaction_id, received_at, document FROM transaction_conflicts \
             WHERE tenant = $1 AND station = $2 AND transaction_id = $3 \
             ORDER BY received_at, message_key, content LIMIT $4";
        let rows = self.engine().rows(sql, params![tenant, station, transaction, MAX_CONFLICTS]).await?;
        rows.iter().map(contradiction).collect()
    }

    /// How many messages of a tenant count for nothing; each counted up to `most`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn count_strays(&self, tenant: &TenantId, most: u32) -> Result<StrayCounts, StoreError> {
        let count = |kept: &str| {
            let sql = format!("SELECT count(*) AS n FROM (SELECT 1 AS one FROM {kept} LIMIT $2) AS kept");
            Statement::once(sql, params![tenant, most])
        };
        let statements = vec![
            count("orphans WHERE tenant = $1"),
            count("transaction_conflicts WHERE tenant = $1"),
            count(&format!("events WHERE tenant = $1 AND {UNREADABLE}")),
        ];
        let answers = self.engine().read(statements).await?;
        let mut counts = answers.iter().map(|rows| rows.first().map_or(Ok(0), |row| row.number("n")));
        let mut next = || counts.next().unwrap_or(Ok(0));
        Ok(StrayCounts { orphans: next()?, contradictions: next()?, unreadable: next()? })
    }
}

fn orphan(row: &Row) -> Result<Orphan, StoreError> {
    Ok(Orphan {
        station: row.named("station")?,
        named: row.words("named")?,
        received_at: row.at("received_at")?,
        fact: row.json("document")?,
    })
}

fn contradiction(row: &Row) -> Result<Contradiction, StoreError> {
    Ok(Contradiction {
        station: row.named("station")?,
        transaction: row.named("transaction_id")?,
        received_at: row.at("received_at")?,
        fact: row.json("document")?,
    })
}

fn unreadable(row: &Row) -> Result<Unreadable, StoreError> {
    Ok(Unreadable {
        station: row.named("station")?,
        received_at: row.at("received_at")?,
        action: row.text("action")?.into(),
        payload: row.text("payload")?.into(),
        is_cut: row.int("is_cut")? != 0,
    })
}
