//! The schema: made once, by one node, and never by halves.

use ringmain_store::store::{Store, StoreError, StoreSettings};

use crate::make::{at, station, station_id};
use crate::months::release;
use crate::rig::{Rig, connect};

on_both_engines!(
    a_schema_is_made_once,
    an_edited_change_stops_the_start,
    a_newer_schema_does_not_stop_the_start,
    nodes_that_start_together_make_one_schema,
);

async fn a_schema_is_made_once(rig: &Rig) {
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    let again = rig.open_again(StoreSettings::default()).await;
    assert!(again.find_station(&station_id("CS-1")).await.unwrap().is_some());
    assert_eq!(rig.count("refinery_schema_history").await, changes());
}

async fn an_edited_change_stops_the_start(rig: &Rig) {
    rig.execute("UPDATE refinery_schema_history SET checksum = '1' WHERE version = 1").await;
    let error = Store::open(&rig.url, StoreSettings::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

async fn a_newer_schema_does_not_stop_the_start(rig: &Rig) {
    rig.execute(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
         VALUES (9999, 'tomorrow', '2030-01-01T00:00:00Z', '1')",
    )
    .await;
    let older = rig.open_again(StoreSettings::default()).await;
    older.canary(at(1)).await.unwrap();
}

async fn nodes_that_start_together_make_one_schema(rig: &Rig) {
    if rig.is_postgres() {
        rig.execute("DROP SCHEMA public, reporting, months CASCADE; CREATE SCHEMA public").await;
    }
    let nodes = (0..4).map(|_| {
        let url = rig.owner_url.clone();
        tokio::spawn(async move { Store::open(&url, StoreSettings::default()).await.unwrap() })
    });
    let nodes: Vec<_> = nodes.collect();
    for (number, node) in nodes.into_iter().enumerate() {
        let claimed = node.await.unwrap().claim_epochs(1).await.unwrap();
        assert_eq!(*claimed.start(), i64::try_from(number).unwrap() + 1);
    }
    assert_eq!(rig.count("refinery_schema_history").await, changes());
}

#[tokio::test]
async fn changes_wait_for_a_table_in_use_and_fill_what_is_there() {
    let Some(rig) = crate::rig::postgres("changes_wait_for_a_table_in_use_and_fill_what_is_there").await
    else {
        return;
    };
    release(&rig, 18).await;
    let party = r#"{"party": {"country_code": "DE", "party_id": "ABC"}}"#;
    let put = |uid: &str, document: &str| {
        format!(
            "INSERT INTO tokens (tenant, uid, updated_at, document) VALUES ('default', '{uid}', 0, '{document}')"
        )
    };
    rig.execute(&put("A", party)).await;
    rig.execute(&put("B", "{}")).await;
    let busy = connect(&rig.owner_url).await;
    busy.batch_execute("BEGIN; SELECT count(*) FROM tokens").await.unwrap();
    let url = rig.owner_url.clone();
    let migration = tokio::spawn(async move { Store::open(&url, StoreSettings::default()).await });
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    // Who came later was let through after the attempt.
    rig.execute(&put("C", party)).await;
    assert!(!migration.is_finished());
    busy.batch_execute("COMMIT").await.unwrap();
    migration.await.unwrap().unwrap();
    rig.execute(&put("D", party)).await;
    rig.execute("UPDATE tokens SET document = '{}' WHERE uid = 'C'").await;
    let known =
        "SELECT count(*) FROM tokens WHERE party_country = 'DE' AND party_id = 'ABC' AND uid IN ('A', 'D')";
    assert_eq!(rig.number(known).await, 2);
    assert_eq!(rig.number("SELECT count(*) FROM tokens WHERE party_country IS NULL").await, 2);
    let made = "SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid IN ('stations_by_node'::regclass, \
         'site_ledgers_by_node'::regclass, 'commands_unended_by_node'::regclass, 'tokens_of_party'::regclass)";
    assert_eq!(rig.number(made).await, 4);
}

/// Tables that a node locks several of in one commit, in the order in which it does.
const BUSY: [&str; 6] = ["sessions", "stations", "connectors", "locations", "outbox", "feed"];

/// Whom a change of the schema waits for, of these; `None`: for nobody.
async fn waits_for(watch: &tokio_postgres::Client, pids: &[i32]) -> Option<usize> {
    let sql = "SELECT unnest(pg_blocking_pids(pid)) FROM pg_stat_activity WHERE datname = current_database() \
         AND wait_event_type = 'Lock'";
    let blocking: Vec<i32> = watch.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    pids.iter().position(|pid| blocking.contains(pid))
}

#[tokio::test]
async fn a_change_that_waits_for_a_busy_table_holds_no_other() {
    let Some(rig) = crate::rig::postgres("a_change_that_waits_for_a_busy_table_holds_no_other").await else {
        return;
    };
    release(&rig, 28).await;
    let (mut nodes, mut pids) = (Vec::new(), Vec::new());
    for table in BUSY {
        let node = connect(&rig.owner_url).await;
        let begin = format!("SET lock_timeout = '1s'; BEGIN; LOCK TABLE {table} IN ROW EXCLUSIVE MODE");
        node.batch_execute(&begin).await.unwrap();
        pids.push(node.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0));
        nodes.push(node);
    }
    let url = rig.owner_url.clone();
    let migration = tokio::spawn(async move { Store::open(&url, StoreSettings::default()).await });
    let watch = connect(&rig.owner_url).await;
    let mut met = Vec::new();
    while !migration.is_finished() {
        let Some(node) = waits_for(&watch, &pids).await else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        for table in BUSY {
            let lock = format!("LOCK TABLE {table} IN ROW EXCLUSIVE MODE");
            nodes[node].batch_execute(&lock).await.unwrap_or_else(|error| {
                panic!("a node that has {} does not get {table}: {error}", BUSY[node]);
            });
        }
        nodes[node].batch_execute("COMMIT").await.unwrap();
        met.push(BUSY[node]);
    }
    migration.await.unwrap().unwrap();
    // An index waits for all who began before it, also for who has only the outbox, and keeps nobody waiting meanwhile.
    met.retain(|table| *table != "outbox");
    met.sort_unstable();
    assert_eq!(met, ["connectors", "feed", "locations", "sessions", "stations"]);
    let made = "SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid IN ('locations_by_any_case'::regclass, \
         'feed_by_age'::regclass)";
    assert_eq!(rig.number(made).await, 2);
}

/// How many changes there are by now.
fn changes() -> i64 {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
    i64::try_from(std::fs::read_dir(folder).unwrap().count()).unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn the_embedded_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let rig = crate::rig::sqlite().await;
    rig.store.canary(at(1)).await.unwrap();
    let path = rig.path().unwrap();
    for end in ["", "-wal"] {
        let file = format!("{}{end}", path.display());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_store_is_left_alone() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "these are notes, not a database, and they are long enough to be looked at".repeat(20);
    std::fs::write(&path, &text).unwrap();
    let error =
        Store::open(&format!("sqlite:{}", path.display()), StoreSettings::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}
