//! The schema: numbered changes per engine, each of which works with the release before it.
//!
//! A change that was released is never edited: its checksum is kept, and a difference stops the start. A node of the release before
//! may start on a newer schema.

use refinery::{Migration, Runner};

use crate::store::StoreError;

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
];

/// Any number, the same for all nodes and releases.
const LOCK: &str = "SET lock_timeout = 600000; SELECT pg_advisory_lock(8241922773)";

pub(crate) fn sqlite(connection: &mut rusqlite::Connection) -> Result<(), StoreError> {
    runner(SQLITE)?.run(connection).map(drop).map_err(|error| failed(&error))
}

/// Brings the schema up to date while no other node does. The lock ends with the connection.
pub(crate) async fn postgres(mut client: tokio_postgres::Client) -> Result<(), StoreError> {
    client
        .batch_execute(LOCK)
        .await
        .map_err(|error| StoreError::unavailable(format!("no lock on the schema: {error}")))?;
    runner(POSTGRES)?.run_async(&mut client).await.map(drop).map_err(|error| failed(&error))
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
