//! The full case of every bound: what is read at once, and what is left out then.

use futures_util::future::join_all;
use ringmain_domain::access::AccessRole;
use ringmain_domain::command::{CommandOutcome, CommandResult};
use ringmain_domain::id::SiteId;
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::report::TransactionPhase;
use ringmain_domain::session::SessionStatus;
use ringmain_domain::station::{MAX_CONNECTORS, MAX_OPEN};
use ringmain_store::access::ApiKey;
use ringmain_store::batch::MAX_BATCH;
use ringmain_store::page::MAX_LIMIT;
use ringmain_store::stations::MAX_SITE_STATIONS;
use ringmain_store::transactions::MAX_FACTS;
use uuid::Uuid;

use crate::make::{MINUTE, at, location, message, station, station_id, status, tenant, transaction_id};
use crate::rig::Rig;

on_both_engines!(
    a_transaction_of_too_many_facts_keeps_its_ends,
    a_site_has_at_most_so_many_stations,
    a_snapshot_has_at_most_so_many_connectors_and_sessions,
    lists_without_pages_end,
);

async fn a_transaction_of_too_many_facts_keeps_its_ends(rig: &Rig) {
    let facts =
        [message("CS-1", "tx", 0, 0).register(0).fact(), message("CS-1", "tx", 1, MINUTE).register(5).fact()];
    rig.store.append(&facts).await.unwrap();
    // As many copies of the second as are read at once, under keys that come after it.
    let copies = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MAX_FACTS}) \
         INSERT INTO transaction_events (tenant, station, transaction_id, message_key, phase, content, received_at, \
         document) SELECT tenant, station, transaction_id, 'q' || CAST(1000000000 + i AS TEXT), phase, content, \
         received_at, document FROM transaction_events, n WHERE message_key = 'q0000000001'"
    );
    rig.execute(&copies).await;
    let end = message("CS-1", "tx", 4_000_000_000, 2 * MINUTE).register(100).ended().fact();
    let result = rig.store.append(&[end]).await.unwrap().remove(0);
    let session = result.session.unwrap();
    assert_eq!((session.status, session.energy.0), (SessionStatus::Completed, 100), "billed to its end");
    let read =
        rig.store.transaction_facts(&tenant(), &station_id("CS-1"), &transaction_id("tx")).await.unwrap();
    assert_eq!(read.len(), MAX_FACTS as usize);
    assert_eq!(read.first().unwrap().phase, TransactionPhase::Started);
    assert_eq!(read.last().unwrap().phase, TransactionPhase::Ended);
}

async fn a_site_has_at_most_so_many_stations(rig: &Rig) {
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    let more = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MAX_SITE_STATIONS}) \
         INSERT INTO stations (tenant, id, registration, maintenance, created_at, updated_at, search) \
         SELECT tenant, id || '-' || CAST(10000 + i AS TEXT), registration, maintenance, created_at, updated_at, '' \
         FROM stations, n"
    );
    rig.execute(&more).await;
    assert_eq!(rig.count("stations").await, i64::from(MAX_SITE_STATIONS) + 1);
    let found = rig.store.site_snapshots(&tenant(), &SiteId::unassigned()).await.unwrap();
    assert_eq!(found.len(), MAX_SITE_STATIONS as usize);
    assert_eq!(found.last().unwrap().id().as_str(), "CS-1-11999", "the last one by identity is left out");
}

async fn a_snapshot_has_at_most_so_many_connectors_and_sessions(rig: &Rig) {
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    let mut facts: Vec<_> = (0..=u32::try_from(MAX_CONNECTORS).unwrap())
        .map(|evse| status("CS-1", i64::from(evse), evse, 1, ConnectorStatus::Available))
        .collect();
    facts.extend(
        (0..=MAX_OPEN)
            .map(|n| message("CS-1", &format!("t{n:03}"), 0, i64::try_from(n).unwrap()).evse(None).fact()),
    );
    for batch in facts.chunks(MAX_BATCH) {
        rig.store.append(batch).await.unwrap();
    }
    assert_eq!(rig.count("connectors").await, i64::try_from(MAX_CONNECTORS).unwrap() + 1);
    let snapshot = rig.store.station_snapshot(&station_id("CS-1")).await.unwrap().unwrap();
    assert_eq!((snapshot.connectors.len(), snapshot.open.len()), (MAX_CONNECTORS, MAX_OPEN));
    assert_eq!(snapshot.open[0].transaction.as_str(), "t256", "the ones that started last are kept");
    assert!(snapshot.open.iter().all(|session| session.transaction.as_str() != "t000"));
}

async fn lists_without_pages_end(rig: &Rig) {
    let count = i64::from(MAX_LIMIT) + 1;
    let key = |number: i64| ApiKey {
        id: Uuid::from_u128(u128::try_from(number).unwrap()),
        tenant: tenant(),
        name: "key".into(),
        role: AccessRole::Viewer,
        hash: number.to_be_bytes().to_vec(),
        created_at: at(number),
        expires_at: None,
        revoked_at: None,
    };
    join_all((0..count).map(async |number| {
        assert!(rig.store.insert_api_key(&key(number)).await.unwrap());
        assert!(rig.store.insert_command(&super::commands::command("CS-1", number)).await.unwrap());
        rig.store.put_location(&location(&format!("L{number:05}"))).await.unwrap();
    }))
    .await;
    let limit = MAX_LIMIT as usize;
    let keys = rig.store.api_keys(&tenant()).await.unwrap();
    assert_eq!((keys.len(), keys.last().unwrap().created_at), (limit, at(count - 2)));
    let unknown = CommandResult::bare(CommandOutcome::TimeoutUnknown);
    let overdue = async || rig.store.end_overdue_commands(0, &unknown, at(0)).await.unwrap();
    assert_eq!((overdue().await, overdue().await), (limit, 1), "the earliest deadlines, then the rest");
    assert_eq!(rig.store.overview(&tenant(), at(1), at(0)).await.unwrap().locations.len(), limit);
    let facts: Vec<_> =
        (0..count).map(|n| message("CS-1", &format!("t{n}"), 0, n).evse(None).fact()).collect();
    for batch in facts.chunks(MAX_BATCH) {
        let results = rig.store.append(batch).await.unwrap();
        assert!(results.iter().all(|result| result.fresh));
    }
    while rig.store.outbox_len().await.unwrap() > limit as u64 + 1 {
        assert_eq!(rig.store.feed_take_in(1).await.unwrap(), 1, "locations and all else wait too");
    }
    assert_eq!(rig.store.feed_take_in(u32::MAX).await.unwrap(), limit);
    assert_eq!(rig.store.feed_take_in(u32::MAX).await.unwrap(), 1);
}
