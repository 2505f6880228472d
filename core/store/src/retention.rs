//! Facts by the month on PostgreSQL: made ready ahead of time, listed, and dropped once they are in an archive.
//!
//! `events`, `messages` and `audit_events` only grow, and a month of them leaves as one table. `transaction_events` is not cut: its key
//! is what makes a repeated message harmless, and a repeat may come in another month. The embedded store has no partitions.

use ringmain_domain::time::Timestamp;

use crate::engine::param::params;
use crate::engine::row::Row;
use crate::retention::archive::Archived;
use crate::store::{Store, StoreError};

pub mod archive;
mod file;
mod shape;

/// Part of a table of facts: a month, or all that was before months were cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The table: `events`, `messages` or `audit_events`.
    pub fact: Box<str>,
    /// Its own name, from which its months can be read.
    pub name: Box<str>,
    /// Its first instant; `None`: the beginning of time.
    pub from: Option<Timestamp>,
    /// The first instant after it.
    pub to: Timestamp,
    /// Does the table still show it? An archive that did not end leaves one that it does not.
    pub is_attached: bool,
    /// Its size on the disk with its indexes.
    pub bytes: u64,
    /// May this role read and drop it by itself?
    is_ours: bool,
}

/// A month has to be over for so long before it leaves: what comes late comes soon.
pub const OVER_MS: i64 = 24 * 3_600_000;

/// Counted in steps, each of which is answered in time.
const COUNT_AT_ONCE: u32 = 100_000;

impl Store {
    /// Makes the partitions of this month and the next three that are not there; how many were made. What came before its partition was
    /// there is moved into it. Often is fine, and from several nodes: one works, the others do nothing.
    ///
    /// # Errors
    /// As [`StoreError`] says; until it works again facts land in a default, and are not lost.
    pub async fn prepare_partitions(&self, now: Timestamp) -> Result<u64, StoreError> {
        if !self.engine().is_postgres() {
            return Ok(0);
        }
        let made = self.engine().change("SELECT prepare_partitions($1) AS made", params![now]).await?;
        made.first().ok_or_else(|| StoreError::corrupt("nothing was prepared"))?.number("made")
    }

    /// All partitions of all facts, the oldest of each first. None on the embedded store.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partitions(&self) -> Result<Vec<Partition>, StoreError> {
        if !self.engine().is_postgres() {
            return Ok(Vec::new());
        }
        let sql = "SELECT fact, name, from_ms, to_ms, is_attached, bytes, is_ours FROM fact_partitions \
             ORDER BY fact, to_ms, name";
        self.engine().rows(sql, params![]).await?.iter().map(partition).collect()
    }

    /// Takes a partition out of its table, by its owner: from here on nobody writes to it, and what comes late lands elsewhere. Gives it
    /// back as it is then; one that was taken out before is fine.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: the role does not own it, or it has not been over for a day. Else as [`StoreError`] says.
    pub async fn detach_partition(
        &self,
        partition: &Partition,
        now: Timestamp,
    ) -> Result<Partition, StoreError> {
        shape::of(&partition.fact)?;
        let (fact, name) = (&partition.fact, &partition.name);
        if !partition.is_ours {
            return Err(StoreError::conflict("only the role that owns the schema archives: use its URL"));
        }
        if partition.to.plus_millis(OVER_MS) > now {
            return Err(StoreError::conflict(format!("{name} has not been over for a day")));
        }
        if partition.is_attached {
            let detach = format!("ALTER TABLE {fact} DETACH PARTITION months.{name}");
            self.engine().change(detach, params![]).await?;
        }
        Ok(Partition { is_attached: false, ..partition.clone() })
    }

    /// Drops a detached partition that is in an archive, by its owner.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: it is still part of its table, or does not hold what the archive does. Else as [`StoreError`] says; the
    /// partition is still there then.
    pub async fn drop_partition(&self, partition: &Partition, archived: &Archived) -> Result<(), StoreError> {
        let shape = shape::of(&partition.fact)?;
        let name = &partition.name;
        if archived.name != *name {
            return Err(StoreError::conflict(format!("the archive is not one of {name}")));
        }
        if partition.is_attached {
            return Err(StoreError::conflict(format!("{name} is still part of its table")));
        }
        let rows = self.count(&format!("months.{name}"), shape.key, archived.rows).await?;
        if rows != archived.rows {
            return Err(StoreError::conflict(format!(
                "{name} has {rows} rows and its archive {}: move the file away and archive it again",
                archived.rows
            )));
        }
        self.engine().change(format!("DROP TABLE months.{name}"), params![]).await.map(drop)
    }

    /// How many rows a table has; more than `most` are not counted to the end.
    async fn count(&self, table: &str, key: &[&str], most: u64) -> Result<u64, StoreError> {
        let (mut rows, mut behind) = (0_u64, None::<Row>);
        loop {
            let step = shape::after(table, key, &key.join(", "), behind.as_ref())?;
            let step = step
                .tail(&format!("ORDER BY {} LIMIT 1 OFFSET ?", key.join(", ")), params![COUNT_AT_ONCE - 1]);
            let end = self.engine().read(vec![step]).await?.into_iter().flatten().next();
            if end.is_none() || rows > most {
                let rest = shape::after(table, key, "count(*) AS n", behind.as_ref())?.tail("", Vec::new());
                let counted = self.engine().read(vec![rest]).await?;
                let last = counted.iter().flatten().next().map_or(Ok(0), |row| row.number::<u64>("n"))?;
                return Ok(rows.saturating_add(last));
            }
            rows = rows.saturating_add(u64::from(COUNT_AT_ONCE));
            behind = end;
        }
    }
}

fn partition(row: &Row) -> Result<Partition, StoreError> {
    Ok(Partition {
        fact: row.text("fact")?.into(),
        name: row.text("name")?.into(),
        from: row.at_or_null("from_ms")?,
        to: row.at("to_ms")?,
        is_attached: row.boolean("is_attached")?,
        bytes: row.number("bytes")?,
        is_ours: row.boolean("is_ours")?,
    })
}
