//! The schema: numbered changes per engine, each of which works with the release before it.
//!
//! A change that was released is never edited: its checksum is kept, and a difference stops the start. A node of the release before
//! may start on a newer schema.

use std::collections::HashMap;
use std::time::Duration;

use refinery::{Migration, Runner, Target};
use tokio_postgres::error::SqlState;

use crate::engine::failure::Moment;
use crate::store::StoreError;

mod in_use;
mod months;

/// Name and text of each change, in order. A name is its file's.
const SQLITE: &[(&str, &str)] = &[
    ("V0001__store", include_str!("../migrations/sqlite/V0001__store.sql")),
    ("V0002__partners", include_str!("../migrations/sqlite/V0002__partners.sql")),
    ("V0003__access", include_str!("../migrations/sqlite/V0003__access.sql")),
    ("V0004__billing", include_str!("../migrations/sqlite/V0004__billing.sql")),
    ("V0005__review", include_str!("../migrations/sqlite/V0005__review.sql")),
    ("V0006__ratings", include_str!("../migrations/sqlite/V0006__ratings.sql")),
    ("V0007__overlaps", include_str!("../migrations/sqlite/V0007__overlaps.sql")),
    ("V0008__unreadable", include_str!("../migrations/sqlite/V0008__unreadable.sql")),
    ("V0009__circuits", include_str!("../migrations/sqlite/V0009__circuits.sql")),
    ("V0010__station_tariffs", include_str!("../migrations/sqlite/V0010__station_tariffs.sql")),
    ("V0011__ledgers", include_str!("../migrations/sqlite/V0011__ledgers.sql")),
    ("V0012__needs", include_str!("../migrations/sqlite/V0012__needs.sql")),
    ("V0013__vehicles", include_str!("../migrations/sqlite/V0013__vehicles.sql")),
    ("V0014__leavers", include_str!("../migrations/sqlite/V0014__leavers.sql")),
    ("V0015__building_loads", include_str!("../migrations/sqlite/V0015__building_loads.sql")),
    ("V0016__cluster", include_str!("../migrations/sqlite/V0016__cluster.sql")),
    ("V0017__reporting", include_str!("../migrations/sqlite/V0017__reporting.sql")),
    ("V0018__months", include_str!("../migrations/sqlite/V0018__months.sql")),
    ("V0019__walls", include_str!("../migrations/sqlite/V0019__walls.sql")),
    ("V0020__token_parties", include_str!("../migrations/sqlite/V0020__token_parties.sql")),
    ("V0021__indexes", include_str!("../migrations/sqlite/V0021__indexes.sql")),
    ("V0022__feed", include_str!("../migrations/sqlite/V0022__feed.sql")),
    ("V0023__partner_work", include_str!("../migrations/sqlite/V0023__partner_work.sql")),
    ("V0024__roaming_drivers", include_str!("../migrations/sqlite/V0024__roaming_drivers.sql")),
    ("V0025__party_indexes", include_str!("../migrations/sqlite/V0025__party_indexes.sql")),
    ("V0026__duplicates", include_str!("../migrations/sqlite/V0026__duplicates.sql")),
    ("V0027__back_offs", include_str!("../migrations/sqlite/V0027__back_offs.sql")),
    ("V0028__door", include_str!("../migrations/sqlite/V0028__door.sql")),
    ("V0029__retries", include_str!("../migrations/sqlite/V0029__retries.sql")),
    ("V0030__session_places", include_str!("../migrations/sqlite/V0030__session_places.sql")),
    ("V0031__station_news", include_str!("../migrations/sqlite/V0031__station_news.sql")),
    ("V0032__connector_news", include_str!("../migrations/sqlite/V0032__connector_news.sql")),
    ("V0033__location_news", include_str!("../migrations/sqlite/V0033__location_news.sql")),
    ("V0034__partner_views", include_str!("../migrations/sqlite/V0034__partner_views.sql")),
    ("V0035__waiting_stations", include_str!("../migrations/sqlite/V0035__waiting_stations.sql")),
];
const POSTGRES: &[(&str, &str)] = &[
    ("V0001__store", include_str!("../migrations/postgres/V0001__store.sql")),
    ("V0002__partners", include_str!("../migrations/postgres/V0002__partners.sql")),
    ("V0003__access", include_str!("../migrations/postgres/V0003__access.sql")),
    ("V0004__billing", include_str!("../migrations/postgres/V0004__billing.sql")),
    ("V0005__review", include_str!("../migrations/postgres/V0005__review.sql")),
    ("V0006__ratings", include_str!("../migrations/postgres/V0006__ratings.sql")),
    ("V0007__overlaps", include_str!("../migrations/postgres/V0007__overlaps.sql")),
    ("V0008__unreadable", include_str!("../migrations/postgres/V0008__unreadable.sql")),
    ("V0009__circuits", include_str!("../migrations/postgres/V0009__circuits.sql")),
    ("V0010__station_tariffs", include_str!("../migrations/postgres/V0010__station_tariffs.sql")),
    ("V0011__ledgers", include_str!("../migrations/postgres/V0011__ledgers.sql")),
    ("V0012__needs", include_str!("../migrations/postgres/V0012__needs.sql")),
    ("V0013__vehicles", include_str!("../migrations/postgres/V0013__vehicles.sql")),
    ("V0014__leavers", include_str!("../migrations/postgres/V0014__leavers.sql")),
    ("V0015__building_loads", include_str!("../migrations/postgres/V0015__building_loads.sql")),
    ("V0016__cluster", include_str!("../migrations/postgres/V0016__cluster.sql")),
    ("V0017__reporting", include_str!("../migrations/postgres/V0017__reporting.sql")),
    ("V0018__months", include_str!("../migrations/postgres/V0018__months.sql")),
    ("V0019__walls", include_str!("../migrations/postgres/V0019__walls.sql")),
    ("V0020__token_parties", include_str!("../migrations/postgres/V0020__token_parties.sql")),
    ("V0021__indexes", include_str!("../migrations/postgres/V0021__indexes.sql")),
    ("V0022__feed", include_str!("../migrations/postgres/V0022__feed.sql")),
    ("V0023__partner_work", include_str!("../migrations/postgres/V0023__partner_work.sql")),
    ("V0024__roaming_drivers", include_str!("../migrations/postgres/V0024__roaming_drivers.sql")),
    ("V0025__party_indexes", include_str!("../migrations/postgres/V0025__party_indexes.sql")),
    ("V0026__duplicates", include_str!("../migrations/postgres/V0026__duplicates.sql")),
    ("V0027__back_offs", include_str!("../migrations/postgres/V0027__back_offs.sql")),
    ("V0028__door", include_str!("../migrations/postgres/V0028__door.sql")),
    ("V0029__retries", include_str!("../migrations/postgres/V0029__retries.sql")),
    ("V0030__session_places", include_str!("../migrations/postgres/V0030__session_places.sql")),
    ("V0031__station_news", include_str!("../migrations/postgres/V0031__station_news.sql")),
    ("V0032__connector_news", include_str!("../migrations/postgres/V0032__connector_news.sql")),
    ("V0033__location_news", include_str!("../migrations/postgres/V0033__location_news.sql")),
    ("V0034__partner_views", include_str!("../migrations/postgres/V0034__partner_views.sql")),
    ("V0035__waiting_stations", include_str!("../migrations/postgres/V0035__waiting_stations.sql")),
];

/// Any number, the same for all nodes and releases. It is asked for again and again: who waits for it holds a snapshot, and an index that is
/// made while nodes work waits for all snapshots.
const LOCK: &str = "SELECT pg_try_advisory_lock(8241922773)";
const LOCK_PAUSE: Duration = Duration::from_millis(250);
const LOCK_ATTEMPTS: u32 = 2_400;

/// Who waits for a table keeps all others waiting that come later: so not for long, and again after a pause in which they work.
const SETTINGS: &str = "SET lock_timeout = '2s'; SET statement_timeout = 0";
const PAUSE: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 40;

pub(crate) fn sqlite(connection: &mut rusqlite::Connection) -> Result<(), StoreError> {
    runner(SQLITE)?.run(connection).map(drop).map_err(|error| failed(&error))
}

/// Is there a schema, may this role see how far it is, and may it change it?
const STANDING: &str = "SELECT h.oid IS NOT NULL AS made, coalesce(has_table_privilege(h.oid, 'SELECT'), FALSE) AS seen, \
     coalesce(pg_has_role(c.relowner, 'USAGE'), has_schema_privilege(current_schema(), 'CREATE'), FALSE) AS ours \
     FROM (SELECT to_regclass('refinery_schema_history')::oid AS oid) h LEFT JOIN pg_class c ON c.oid = h.oid";

/// Brings the schema up to date while no other node does. The lock ends with the connection.
///
/// A schema that is up to date asks for no right but to read how far it is: a node runs as a role that cannot change it.
pub(crate) async fn postgres(mut client: tokio_postgres::Client) -> Result<(), StoreError> {
    let standing = client.query_one(STANDING, &[]).await.map_err(|error| unread(&error))?;
    let is = |column| standing.try_get::<_, bool>(column).map_err(|error| unread(&error));
    let missing_now = if is("made")? && is("seen")? { missing(&client).await?.len() } else { POSTGRES.len() };
    if missing_now == 0 {
        return Ok(());
    }
    if !is("ours")? {
        return Err(StoreError::unavailable(match (is("made")?, is("seen")?) {
            (true, false) => {
                "this role was not let in: run `ringmain migrate --grant-app ROLE` as the owner of the schema"
                    .to_owned()
            }
            _ => format!(
                "the schema lacks {missing_now} changes of this release, and this role may not make them: run `ringmain \
                 migrate` with the URL of the role that owns it"
            ),
        }));
    }
    lock(&client).await?;
    client.batch_execute(SETTINGS).await.map_err(|error| unread(&error))?;
    let made = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    let made = client.query_one(made, &[]).await.map_err(|error| unread(&error))?;
    let changes = if made.try_get(0).map_err(|error| unread(&error))? {
        missing(&client).await?
    } else {
        POSTGRES.iter().collect()
    };
    for change in changes {
        make(&mut client, change).await?;
    }
    Ok(())
}

async fn lock(client: &tokio_postgres::Client) -> Result<(), StoreError> {
    for _ in 0..LOCK_ATTEMPTS {
        let is_ours = client.query_one(LOCK, &[]).await.and_then(|row| row.try_get(0));
        if is_ours.map_err(|error| unread(&error))? {
            return Ok(());
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(StoreError::unavailable("another node or `ringmain migrate` changes the schema, and does not end"))
}

/// Makes one change, with what goes before it, as often as it needs to get its locks.
async fn make(
    client: &mut tokio_postgres::Client,
    change: &(&'static str, &'static str),
) -> Result<(), StoreError> {
    let name = change.0;
    let mut attempt = 1;
    let halt = loop {
        match attempt_at(client, change).await {
            Ok(()) => return Ok(()),
            Err(Halt::Busy(reason)) if attempt < ATTEMPTS => {
                tracing::warn!(change = name, attempt, %reason, "the schema is in use: the change is tried again");
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(halt) => break halt,
        }
    };
    if name == months::CHANGE {
        months::forget(client).await;
    }
    Err(match halt {
        Halt::Failed(error) => error,
        Halt::Busy(reason) => StoreError::unavailable(format!(
            "migrate: {name} did not get its locks in {ATTEMPTS} attempts ({reason}): look in pg_stat_activity for transactions \
             that do not end, and start again"
        )),
    })
}

async fn attempt_at(
    client: &mut tokio_postgres::Client,
    change: &(&'static str, &'static str),
) -> Result<(), Halt> {
    match change.0 {
        months::CHANGE => months::before(client).await?,
        change => in_use::before(client, change).await?,
    }
    let version = Migration::unapplied(change.0, change.1).map_err(|error| halted(&error))?.version();
    let runner = runner(POSTGRES)?.set_target(Target::Version(version));
    runner.run_async(client).await.map(drop).map_err(|error| halted(&error))
}

/// Why a change was not made.
enum Halt {
    /// Somebody else had what it needs.
    Busy(String),
    Failed(StoreError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<tokio_postgres::Error> for Halt {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) if is_busy(code) => Self::Busy(error.to_string()),
            _ => Self::Failed(unread(&error)),
        }
    }
}

fn is_busy(code: &SqlState) -> bool {
    [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(code)
}

fn halted(error: &refinery::Error) -> Halt {
    let code = match error.kind() {
        refinery::error::Kind::Connection(_, cause) => {
            cause.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code)
        }
        _ => None,
    };
    if code.is_some_and(is_busy) { Halt::Busy(error.to_string()) } else { Halt::Failed(failed(error)) }
}

/// Which changes of this release were not made yet, in order. One that was made in other words is an error.
async fn missing(
    client: &tokio_postgres::Client,
) -> Result<Vec<&'static (&'static str, &'static str)>, StoreError> {
    let sql = "SELECT version, checksum FROM refinery_schema_history";
    let mut made = HashMap::new();
    for row in client.query(sql, &[]).await.map_err(|error| unread(&error))? {
        let read = row.try_get::<_, i32>(0).and_then(|version| Ok((version, row.try_get::<_, String>(1)?)));
        made.extend([read.map_err(|error| unread(&error))?]);
    }
    let mut missing = Vec::new();
    for named in POSTGRES {
        let change = Migration::unapplied(named.0, named.1).map_err(|error| failed(&error))?;
        match made.get(&change.version()) {
            Some(checksum) if *checksum == change.checksum().to_string() => {}
            Some(_) => {
                return Err(StoreError::corrupt(format!("migrate: {} was made in other words", named.0)));
            }
            None => missing.push(named),
        }
    }
    Ok(missing)
}

fn unread(error: &tokio_postgres::Error) -> StoreError {
    StoreError::of_postgres(error, Moment::Before)
}

fn runner(changes: &[(&str, &str)]) -> Result<Runner, StoreError> {
    let changes: Result<Vec<_>, _> =
        changes.iter().map(|(name, sql)| Migration::unapplied(name, sql)).collect();
    let changes = changes.map_err(|error| failed(&error))?;
    Ok(Runner::new(&changes).set_abort_divergent(true).set_abort_missing(false))
}

fn failed(error: &refinery::Error) -> StoreError {
    use refinery::error::Kind;
    match error.kind() {
        Kind::Connection(text, cause) => StoreError::unavailable(format!("migrate: {text}: {cause}")),
        _ => StoreError::corrupt(format!("migrate: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_listed_for_both_engines_under_the_name_of_its_file() {
        for (engine, changes) in [("sqlite", SQLITE), ("postgres", POSTGRES)] {
            let folder = format!("{}/migrations/{engine}", env!("CARGO_MANIFEST_DIR"));
            let mut files: Vec<_> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
            files.sort();
            assert_eq!(files, changes.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{engine}");
        }
        let names = |changes: &[(&'static str, &str)]| changes.iter().map(|c| c.0).collect::<Vec<_>>();
        assert_eq!(names(SQLITE), names(POSTGRES));
    }
}
