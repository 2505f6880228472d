//! The schema: numbered changes per engine, each of which works with the release before it.
//!
//! A change that was released is never edited: its checksum is kept, and a difference stops the start. A node of the release before
//! may start on a newer schema.

use std::collections::HashMap;

use refinery::{Migration, Runner};

use crate::engine::failure::Moment;
use crate::store::StoreError;

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
];

/// Any number, the same for all nodes and releases.
const LOCK: &str = "SET lock_timeout = 600000; SELECT pg_advisory_lock(8241922773)";

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
    let missing = if is("made")? && is("seen")? { missing(&client).await? } else { POSTGRES.len() };
    if missing == 0 {
        return Ok(());
    }
    if !is("ours")? {
        return Err(StoreError::unavailable(match (is("made")?, is("seen")?) {
            (true, false) => {
                "this role was not let in: run `ringmain migrate --grant-app ROLE` as the owner of the schema"
                    .to_owned()
            }
            _ => format!(
                "the schema lacks {missing} changes of this release, and this role may not make them: run `ringmain migrate` \
                 with the URL of the role that owns it"
            ),
        }));
    }
    client
        .batch_execute(LOCK)
        .await
        .map_err(|error| StoreError::unavailable(format!("no lock on the schema: {error}")))?;
    months::before(&client).await?;
    let made = runner(POSTGRES)?.run_async(&mut client).await.map(drop).map_err(|error| failed(&error));
    if made.is_err() {
        months::forget(&client).await;
    }
    made
}

/// How many changes of this release were not made yet. One that was made in other words is an error.
async fn missing(client: &tokio_postgres::Client) -> Result<usize, StoreError> {
    let sql = "SELECT version, checksum FROM refinery_schema_history";
    let mut made = HashMap::new();
    for row in client.query(sql, &[]).await.map_err(|error| unread(&error))? {
        let read = row.try_get::<_, i32>(0).and_then(|version| Ok((version, row.try_get::<_, String>(1)?)));
        made.extend([read.map_err(|error| unread(&error))?]);
    }
    let mut missing = 0;
    for (name, sql) in POSTGRES {
        let change = Migration::unapplied(name, sql).map_err(|error| failed(&error))?;
        match made.get(&change.version()) {
            Some(checksum) if *checksum == change.checksum().to_string() => {}
            Some(_) => return Err(StoreError::corrupt(format!("migrate: {name} was made in other words"))),
            None => missing += 1,
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
