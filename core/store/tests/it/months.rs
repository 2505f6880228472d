//! Facts by the month: where they land, how they leave, and how a database of before comes to it. PostgreSQL's alone.

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use refinery::{Migration, Runner};
use ringmain_domain::time::Timestamp;
use ringmain_store::audit::AuditEvent;
use ringmain_store::messages::RecordedMessage;
use ringmain_store::page::PageRequest;
use ringmain_store::retention::Partition;
use ringmain_store::retention::archive::ArchiveFolder;
use ringmain_store::store::{Store, StoreError, StoreSettings};
use tempfile::TempDir;
use uuid::Uuid;

use crate::make::{station_id, tenant, whole_transaction};
use crate::rig::{self, Rig};

fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn audit(at: &str) -> AuditEvent {
    AuditEvent {
        id: Uuid::new_v4(),
        tenant: tenant(),
        at: instant(at),
        actor: "somebody".into(),
        action: "did".into(),
        subject: "a thing".into(),
        detail: "{}".to_owned(),
    }
}

fn message(at: &str, action: Option<&str>) -> RecordedMessage {
    RecordedMessage {
        station: station_id("CS-1"),
        at: instant(at),
        inbound: action.is_some(),
        kind: "call".into(),
        action: action.map(Into::into),
        message_id: "1".into(),
        frame: "[2,\"1\",\"Réseau ⚡\",{}]".into(),
    }
}

pub(crate) async fn owner(rig: &Rig) -> Store {
    Store::open(&rig.owner_url, StoreSettings::default()).await.unwrap()
}

async fn partition(store: &Store, name: &str) -> Partition {
    let all = store.partitions().await.unwrap();
    all.into_iter().find(|one| &*one.name == name).unwrap_or_else(|| panic!("no partition {name}"))
}

#[tokio::test]
async fn months_are_made_ready_once_by_whoever_comes_first() {
    let Some(rig) = rig::postgres("months_are_made_ready_once_by_whoever_comes_first").await else { return };
    let now = instant("2041-11-29T23:59:59Z");
    let nodes: [_; 4] = std::array::from_fn(|_| rig.store.prepare_partitions(now));
    let made = futures_util::future::try_join_all(nodes).await.unwrap();
    assert_eq!(made.iter().sum::<u64>(), 3 * 4, "{made:?}");
    assert_eq!(rig.store.prepare_partitions(now).await.unwrap(), 0);
    assert_eq!(rig.store.prepare_partitions(instant("2041-12-01T00:00:00Z")).await.unwrap(), 3);
    let one = partition(&rig.store, "events_2042_02").await;
    assert_eq!((&*one.fact, one.is_attached), ("events", true));
    let range = (Some(instant("2042-02-01T00:00:00Z")), instant("2042-03-01T00:00:00Z"));
    assert_eq!((one.from, one.to), range);
    let sqlite = rig::sqlite().await;
    assert_eq!(sqlite.store.prepare_partitions(now).await.unwrap(), 0);
    assert_eq!(sqlite.store.partitions().await.unwrap(), []);
}

#[tokio::test]
async fn a_fact_lands_in_its_month_and_one_without_a_month_is_not_lost() {
    let name = "a_fact_lands_in_its_month_and_one_without_a_month_is_not_lost";
    let Some(rig) = rig::postgres(name).await else { return };
    rig.store.prepare_partitions(instant("2041-05-10T00:00:00Z")).await.unwrap();
    let told =
        [audit("2041-05-31T23:59:59.999Z"), audit("2041-06-01T00:00:00Z"), audit("2044-01-15T00:00:00Z")];
    for event in &told {
        rig.store.audit(event).await.unwrap();
        rig.store.audit(event).await.unwrap();
    }
    assert_eq!(rig.count("months.audit_events_2041_05").await, 1);
    assert_eq!(rig.count("months.audit_events_2041_06").await, 1);
    assert_eq!(rig.count("months.audit_events_default").await, 1);
    assert_eq!(rig.store.prepare_partitions(instant("2044-01-20T00:00:00Z")).await.unwrap(), 3 * 4);
    assert_eq!(rig.count("months.audit_events_default").await, 0);
    assert_eq!(rig.count("months.audit_events_2044_01").await, 1);
    // Pages go on over the months, the newest first.
    let first = rig.store.audits(&tenant(), &PageRequest::first(2)).await.unwrap();
    let rest = PageRequest { after: first.next, limit: 2 };
    let rest = rig.store.audits(&tenant(), &rest).await.unwrap();
    let all: Vec<_> = first.items.into_iter().chain(rest.items).rev().collect();
    assert_eq!(all, told);
    // Numbers of frames go on over the months, and so does what is kept of each station.
    let settings = StoreSettings { message_retention_per_station: 2, ..StoreSettings::default() };
    let store = rig.open_again(settings).await;
    let frames = ["2041-05-01T00:00:00Z", "2041-06-01T00:00:00Z", "2050-01-01T00:00:00Z"];
    store.record_messages(&frames.map(|at| message(at, None))).await.unwrap();
    assert_eq!(store.trim_messages().await.unwrap(), 1);
    let kept = store.messages(&station_id("CS-1"), &PageRequest::first(9)).await.unwrap().items;
    assert_eq!(kept.iter().map(|one| one.at).collect::<Vec<_>>(), [instant(frames[2]), instant(frames[1])]);
}

fn rows(path: &Path) -> Vec<parquet::record::Row> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_month_is_dropped_once_its_archive_holds_it() {
    let Some(rig) = rig::postgres("a_month_is_dropped_once_its_archive_holds_it").await else { return };
    let folder = TempDir::new().unwrap();
    let now = instant("2041-05-10T00:00:00Z");
    rig.store.prepare_partitions(now).await.unwrap();
    rig.store.audit(&audit("2041-05-10T00:00:00Z")).await.unwrap();
    rig.store
        .record_messages(&[
            message("2041-05-10T00:00:00Z", Some("Heartbeat")),
            message("2041-05-10T00:00:01Z", None),
            message("2041-06-10T00:00:00Z", None),
        ])
        .await
        .unwrap();
    rig.store.append(&whole_transaction("CS-1", "tx")).await.unwrap();
    let owner = owner(&rig).await;
    let taken = ArchiveFolder::open(folder.path()).unwrap();
    let refused = partition(&rig.store, "messages_2041_05").await;
    let refused = rig.store.archive_partition(&refused, &taken).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "the app role archives nothing: {refused}");
    for (name, count) in [("messages_2041_05", 2), ("audit_events_2041_05", 1), ("events_2041_06", 0)] {
        let one = partition(&owner, name).await;
        let one = owner.detach_partition(&one, instant("2041-07-02T00:00:00Z")).await.unwrap();
        let archived = owner.archive_partition(&one, &taken).await.unwrap();
        // A run that was ended before it dropped is done again, with the same result.
        assert_eq!(owner.archive_partition(&one, &taken).await.unwrap(), archived);
        assert_eq!(archived.rows, count);
        assert_eq!(rows(&archived.path).len(), usize::try_from(count).unwrap());
        owner.drop_partition(&one, &archived).await.unwrap();
        assert!(owner.partitions().await.unwrap().iter().all(|left| *left.name != *name));
    }
    let frames = rows(&folder.path().join("messages_2041_05.parquet"));
    assert_eq!(frames[0].get_string(5).unwrap(), "Heartbeat");
    assert!(frames[1].get_string(5).is_err(), "it has no action");
    assert_eq!(frames[1].get_timestamp_millis(2).unwrap(), instant("2041-05-10T00:00:01Z").as_millis());
    assert_eq!(frames[1].get_string(7).unwrap(), "[2,\"1\",\"Réseau ⚡\",{}]");
    let left = rig.store.messages(&station_id("CS-1"), &PageRequest::first(9)).await.unwrap().items;
    assert_eq!(left.len(), 1);
    // All there was before months were cut is archived like a month.
    let all = owner.partitions().await.unwrap();
    let before = all.iter().find(|one| &*one.fact == "events" && one.from.is_none()).unwrap();
    let archived = owner.archive_partition(before, &taken).await.unwrap();
    assert_eq!(i64::try_from(archived.rows).unwrap(), rig.count("events").await);
    assert!(archived.rows > 0);
}

#[tokio::test]
async fn what_comes_late_has_its_month_again() {
    let Some(rig) = rig::postgres("what_comes_late_has_its_month_again").await else { return };
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    rig.store.prepare_partitions(instant("2041-05-10T00:00:00Z")).await.unwrap();
    rig.store.audit(&audit("2041-05-10T00:00:00Z")).await.unwrap();
    let owner = owner(&rig).await;
    let one = partition(&owner, "audit_events_2041_05").await;
    let conflict = |done: Result<(), StoreError>| assert!(matches!(done, Err(StoreError::Conflict { .. })));
    let over = instant("2041-06-02T00:00:00Z");
    conflict(owner.detach_partition(&one, over.plus_millis(-1)).await.map(drop));
    let theirs = partition(&rig.store, "audit_events_2041_05").await;
    conflict(rig.store.detach_partition(&theirs, over).await.map(drop));
    let taken = ArchiveFolder::open(folder.path()).unwrap();
    conflict(ArchiveFolder::open(folder.path()).map(drop));
    let archived = owner.archive_partition(&one, &taken).await.unwrap();
    conflict(owner.drop_partition(&one, &archived).await);
    // It is out of its table now; what comes later is not lost, and the month is not made a second time.
    let one = owner.detach_partition(&one, over).await.unwrap();
    assert!(!one.is_attached && one == partition(&owner, "audit_events_2041_05").await);
    assert_eq!(owner.detach_partition(&one, over).await.unwrap(), one, "a run that was ended is done again");
    rig.store.audit(&audit("2041-05-12T00:00:00Z")).await.unwrap();
    rig.store.prepare_partitions(instant("2041-05-10T00:00:00Z")).await.unwrap();
    assert_eq!(rig.count("audit_events").await, 1);
    assert_eq!(owner.archive_partition(&one, &taken).await.unwrap(), archived);
    // Somebody's hand in the table: neither more nor fewer rows than the archive are dropped.
    rig.execute("INSERT INTO months.audit_events_2041_05 SELECT * FROM audit_events").await;
    conflict(owner.drop_partition(&one, &archived).await);
    conflict(owner.archive_partition(&one, &taken).await.map(drop));
    let again = owner.archive_partition(&one, &ArchiveFolder::open(other.path()).unwrap()).await.unwrap();
    assert_eq!(again.rows, 2);
    rig.execute("DELETE FROM months.audit_events_2041_05").await;
    conflict(owner.drop_partition(&one, &again).await);
    rig.execute("INSERT INTO months.audit_events_2041_05 SELECT * FROM audit_events").await;
    conflict(owner.drop_partition(&partition(&owner, "events_2041_05").await, &archived).await);
    owner.drop_partition(&one, &archived).await.unwrap();
    assert_eq!(rig.store.prepare_partitions(instant("2041-05-10T00:00:00Z")).await.unwrap(), 1);
    assert_eq!(rig.count("months.audit_events_2041_05").await, 1, "what came late has its month again");
    let left = |folder: &TempDir| std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!((left(&folder), left(&other)), (2, 2), "an archive and the lock: nothing that was begun");
}

/// Makes the schema of an earlier release.
pub(crate) async fn release(rig: &Rig, last: i32) {
    rig.execute("DROP SCHEMA public, reporting, months CASCADE; CREATE SCHEMA public").await;
    let folder = format!("{}/migrations/postgres", env!("CARGO_MANIFEST_DIR"));
    let mut changes: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    changes.sort();
    let changes: Vec<_> = changes
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            Migration::unapplied(name, &std::fs::read_to_string(path).unwrap()).unwrap()
        })
        .filter(|change| change.version() <= last)
        .collect();
    let mut client = rig::connect(&rig.owner_url).await;
    Runner::new(&changes).run_async(&mut client).await.unwrap();
}

#[tokio::test]
async fn a_database_of_before_is_carried_over_under_a_node_that_works() {
    let Some(rig) = rig::postgres("a_database_of_before_is_carried_over_under_a_node_that_works").await
    else {
        return;
    };
    release(&rig, 17).await;
    let node = rig::connect(&rig.owner_url).await;
    let frame = "INSERT INTO messages (station, at, inbound, kind, action, message_id, frame) \
         VALUES ('CS-1', $1, TRUE, 'call', NULL, '1', '[]') RETURNING id";
    let event = "INSERT INTO events (tenant, station, name, received_at, body) VALUES ('default', 'CS-1', 'x', $1, '{}') \
         RETURNING position";
    let audit = "INSERT INTO audit_events (tenant, id, at, actor, action, subject, detail) \
         VALUES ('default', $2, $1, 'a', 'b', 'c', '{}') ON CONFLICT DO NOTHING";
    let (frame, event, audit) = (
        node.prepare(frame).await.unwrap(),
        node.prepare(event).await.unwrap(),
        node.prepare(audit).await.unwrap(),
    );
    let (then, later) =
        (instant("2020-02-29T12:00:00Z").as_millis(), instant("2077-01-01T00:00:00Z").as_millis());
    let id = Uuid::new_v4();
    let tell = async |at: i64| {
        let frame: i64 = node.query_one(&frame, &[&at]).await.unwrap().get(0);
        let event: i64 = node.query_one(&event, &[&at]).await.unwrap().get(0);
        node.execute(&audit, &[&at, &id]).await.unwrap();
        (frame, event)
    };
    assert_eq!(tell(then).await, (1, 1));
    assert_eq!(tell(then).await, (2, 2));
    // Younger than the month that is cut by: a clock that was wrong.
    node.query_one(&event, &[&later]).await.unwrap();
    let migrated = owner(&rig).await;
    // The node of the release before goes on with the statements it has.
    assert_eq!(tell(then).await, (3, 4));
    assert_eq!(tell(later).await, (4, 5));
    let all = migrated.partitions().await.unwrap();
    let before = |fact: &str| {
        let found = all.iter().find(|one| &*one.fact == fact && one.from.is_none()).unwrap();
        format!("months.{}", found.name)
    };
    assert_eq!(rig.count(&before("events")).await, 3);
    assert_eq!(rig.count(&before("messages")).await, 3);
    assert_eq!(rig.count(&before("audit_events")).await, 1);
    assert_eq!(rig.count("months.events_default").await, 2);
    assert_eq!(rig.count("reporting.audit_events").await, rig.count("audit_events").await);
    let left = "SELECT count(*) FROM pg_constraint WHERE conname = 'months_before'";
    assert_eq!(rig.number(left).await, 0, "nothing stands in the way of next month");
}

#[tokio::test]
async fn a_change_that_was_killed_is_taken_up_where_it_was() {
    let Some(rig) = rig::postgres("a_change_that_was_killed_is_taken_up_where_it_was").await else { return };
    release(&rig, 17).await;
    // Verified for an earlier month, and said but not verified.
    rig.execute("ALTER TABLE events ADD CONSTRAINT months_before CHECK (received_at < 1000)").await;
    rig.execute("ALTER TABLE messages ADD CONSTRAINT months_before CHECK (at < 1000) NOT VALID").await;
    let migrated = owner(&rig).await;
    assert!(!migrated.partitions().await.unwrap().is_empty());
    let left = "SELECT count(*) FROM pg_constraint WHERE conname = 'months_before'";
    assert_eq!(rig.number(left).await, 0);
    migrated.append(&whole_transaction("CS-1", "tx")).await.unwrap();
}
