//! Commands and how they ended: each exactly once (invariant `CommandEndsOnce`).

use ringmain_domain::command::{CommandResult, StationCommand};
use ringmain_domain::id::{CommandId, NodeId, StationId, TenantId};
use ringmain_domain::time::Timestamp;
use uuid::Uuid;

use crate::cluster::clock;
use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::page::{MAX_LIMIT, Page, PageRequest};
use crate::store::{Store, StoreError};

/// A command and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRecord {
    /// Its id, unique in the installation.
    pub id: CommandId,
    /// Whose station.
    pub tenant: TenantId,
    /// Which station.
    pub station: StationId,
    /// The node it was given to.
    pub node: Option<NodeId>,
    /// What to do.
    pub command: StationCommand,
    /// By when it must have ended, by the database's clock.
    pub deadline: Timestamp,
    /// When it was given.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Box<str>,
    /// How it ended; `None` until then.
    pub result: Option<CommandResult>,
    /// When it ended; `None` until then.
    pub ended_at: Option<Timestamp>,
}

const COLUMNS: &str = "SELECT id, tenant, station, node, command, deadline, created_at, created_by, result, ended_at FROM commands";
const SIZES: &str =
    "SELECT LENGTH(CAST(command AS TEXT)) + COALESCE(LENGTH(CAST(result AS TEXT)), 0) AS size FROM commands";

/// How much a page of commands holds, characters of what was ordered and answered, before it ends; one command has 256 KiB at most.
pub const PAGE_CHARS_MAX: i64 = 8 << 20;

impl Store {
    /// Keeps a new command; `false`: there is one of this id, in this tenant or another.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn insert_command(&self, record: &CommandRecord) -> Result<bool, StoreError> {
        let sql = "INSERT INTO commands (tenant, id, station, command, deadline, created_at, created_by, result, \
             ended_at, node) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING id";
        let params = vec![
            Param::from(&record.tenant),
            Param::from(record.id),
            Param::from(&record.station),
            Param::json(&record.command)?,
            Param::from(record.deadline),
            Param::from(record.created_at),
            Param::from(&*record.created_by),
            Param::json_or_null(record.result.as_ref())?,
            Param::from(record.ended_at),
            Param::from(record.node),
        ];
        Ok(!self.engine().change(sql, params).await?.is_empty())
    }

    /// Ends a command; `false`: it had ended already, or is not known. The first end counts.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn end_command(
        &self,
        id: CommandId,
        result: &CommandResult,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql =
            "UPDATE commands SET result = $2, ended_at = $3 WHERE id = $1 AND result IS NULL RETURNING id";
        let params = vec![Param::from(id), Param::json(result)?, Param::from(now)];
        Ok(!self.engine().change_across(sql, params).await?.is_empty())
    }

    /// The command, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn command(
        &self,
        tenant: &TenantId,
        id: CommandId,
    ) -> Result<Option<CommandRecord>, StoreError> {
        let select = Select::new(COLUMNS).filter("tenant = ?", params![tenant]).filter("id = ?", params![id]);
        let rows = self.engine().read(vec![select.tail("LIMIT 1", Vec::new())]).await?;
        rows.iter().flatten().next().map(record).transpose()
    }

    /// A tenant's commands, of one station or all, the newest first. A page ends early where commands are large: behind the one with which it has
    /// [`PAGE_CHARS_MAX`] characters.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn commands(
        &self,
        tenant: &TenantId,
        station: Option<&StationId>,
        page: &PageRequest,
    ) -> Result<Page<CommandRecord>, StoreError> {
        let key = page.key::<(i64, Uuid)>()?;
        let read = async |head: &str, page: &PageRequest| {
            let mut select =
                Select::new(head).filter("tenant = ?", params![tenant]).filter_some("station = ?", station);
            if let Some((created_at, id)) = key {
                select = select.filter("(created_at, id) < (?, ?)", params![created_at, id]);
            }
            let select = select.tail("ORDER BY created_at DESC, id DESC LIMIT ?", params![page.probe()]);
            Ok::<_, StoreError>(self.engine().read(vec![select]).await?.pop().unwrap_or_default())
        };
        let sizes = read(SIZES, page).await?;
        let sizes: Vec<i64> = sizes.iter().map(|row| row.int("size")).collect::<Result<_, _>>()?;
        let page = page.within(&sizes, PAGE_CHARS_MAX);
        let rows = read(COLUMNS, &page).await?;
        page.page(&rows, record, |row| Ok((row.int("created_at")?, row.uuid("id")?)))
    }

    /// Commands to a station that were given in a time, both ends included: the latest, so many at most, newest first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn commands_between(
        &self,
        (tenant, station): (&TenantId, &StationId),
        (from, to): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<CommandRecord>, StoreError> {
        let select = Select::new(COLUMNS)
            .filter("tenant = ?", params![tenant])
            .filter("station = ?", params![station])
            .filter("created_at >= ?", params![from])
            .filter("created_at <= ?", params![to])
            .tail("ORDER BY created_at DESC, id DESC LIMIT ?", params![limit.min(MAX_LIMIT)]);
        self.engine().read(vec![select]).await?.iter().flatten().map(record).collect()
    }

    /// Ends the commands of all tenants whose deadline was over so long ago, by the database's clock in which deadlines are; how many there were, at most
    /// [`MAX_LIMIT`].
    /// Somebody must: whoever was given them may be gone.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn end_overdue_commands(
        &self,
        over_ms: i64,
        result: &CommandResult,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let overdue = format!("result IS NULL AND deadline + $1 < {}", clock(self.engine()));
        // Most of the time there are none: nothing is written then.
        let find = format!("SELECT id FROM commands WHERE {overdue} LIMIT 1");
        if self.engine().rows_across(find, params![over_ms]).await?.is_empty() {
            return Ok(0);
        }
        let end = format!(
            "UPDATE commands SET result = $2, ended_at = $3 WHERE result IS NULL \
             AND id IN (SELECT id FROM commands WHERE {overdue} ORDER BY deadline, id LIMIT $4) RETURNING id"
        );
        let params =
            vec![Param::from(over_ms), Param::json(result)?, Param::from(now), Param::from(MAX_LIMIT)];
        Ok(self.engine().change_across(end, params).await?.len())
    }
}

fn record(row: &Row) -> Result<CommandRecord, StoreError> {
    Ok(CommandRecord {
        id: CommandId(row.uuid("id")?),
        tenant: row.named("tenant")?,
        station: row.named("station")?,
        node: row.uuid_or_null("node")?.map(NodeId),
        command: row.json("command")?,
        deadline: row.at("deadline")?,
        created_at: row.at("created_at")?,
        created_by: row.text("created_by")?.into(),
        result: row.json_or_null("result")?,
        ended_at: row.at_or_null("ended_at")?,
    })
}
