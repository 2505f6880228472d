//! Journal and sites on a real store: tickets, a poison fact, full queues, deaths and rebirths.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext};
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{
    ConnectorId, Epoch, EvseId, LocationId, SiteId, StationId, TenantId, TransactionId,
};
use ringmain_domain::location::{ChargingStation, ConnectorStatus};
use ringmain_domain::reply::Registration;
use ringmain_domain::report::{MessageKey, TransactionPhase};
use ringmain_domain::site;
use ringmain_domain::snapshot::StationSnapshot;
use ringmain_domain::time::Timestamp;
use ringmain_domain::transaction::{Numbering, TransactionFact};
use ringmain_gateway::actors::connection::Connection;
use ringmain_gateway::actors::journal::{self, Append, COALESCED_ROWS, Flush, Journal, NotCommitted, Note};
use ringmain_gateway::actors::site::{Crash, Observe, SiteHandle, SiteParts};
use ringmain_gateway::actors::site_directory::{DEATHS_MAX, Locate, NoSite, SiteDirectory};
use ringmain_gateway::canary::Canary;
use ringmain_gateway::cluster::Cluster;
use ringmain_gateway::cluster::memory::{MemoryRouting, Route};
use ringmain_gateway::config::Config;
use ringmain_gateway::live::LiveFeed;
use ringmain_store::store::{Store, StoreSettings};

const NOW: Timestamp = Timestamp::from_millis(1_772_352_000_000);
const PATIENCE: Duration = Duration::from_secs(20);

async fn store(folder: &tempfile::TempDir) -> Store {
    let url = format!("sqlite:{}", folder.path().join("test.sqlite").display());
    Store::open(&url, StoreSettings::default()).await.unwrap()
}

fn start(station: &str, key: &str, number: i32) -> Fact {
    let fact = TransactionFact {
        transaction: TransactionId::new(&number.to_string()).unwrap(),
        key: MessageKey::Start,
        phase: TransactionPhase::Started,
        numbering: Some(Numbering { start_key: key.into(), candidates: [number; 4] }),
        evse: Some(EvseId(1)),
        connector: Some(ConnectorId(1)),
        token: None,
        authorization: None,
        contract: None,
        observed_at: NOW,
        received_at: NOW,
        trigger: "StartTransaction".into(),
        charging_state: None,
        stop_reason: None,
        offline: false,
        remote_start_id: None,
        time_repaired: false,
        adopted: false,
        aside: false,
        samples: Vec::new(),
        ruling: None,
        content: key.into(),
    };
    fact_of(station, DomainEvent::Transaction(fact))
}

fn fact_of(station: &str, event: DomainEvent) -> Fact {
    let station = StationId::new(station).unwrap();
    Fact { tenant: TenantId::default_tenant(), station, received_at: NOW, event }
}

fn status(station: &str, status: ConnectorStatus) -> Fact {
    let event =
        DomainEvent::StatusChanged { evse: EvseId(1), connector: ConnectorId(1), status, fault: None };
    fact_of(station, event)
}

/// Waits until a condition holds, or fails at a deadline.
async fn until<F: AsyncFnMut() -> bool>(what: &str, mut holds: F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::task::yield_now().await;
    }
}

#[actix_rt::test]
async fn many_at_once_each_get_their_own_ticket() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::new(store(&folder).await, Canary::fixed_ready()).start();
    // More than fit into one batch.
    let sent = (0..600).map(|n| {
        let facts = vec![start(&format!("CS-{n}"), "k", 1000 + n)];
        journal.send(Append { facts, site: None })
    });
    for (n, ticket) in futures_util::future::join_all(sent).await.into_iter().enumerate() {
        let appended = ticket.unwrap().unwrap();
        assert_eq!(appended.len(), 1);
        let number = appended[0].transaction.as_ref().unwrap().as_str().to_owned();
        assert_eq!(number, (1000 + n).to_string(), "each ticket is for its own fact");
    }
}

#[actix_rt::test]
async fn poison_fact_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::new(store(&folder).await, Canary::fixed_ready()).start();
    // Holds the writer, so that the next ones share a batch.
    let first = journal.send(Append { facts: vec![start("CS-1", "a", 7)], site: None });
    // Another start of the same station finds all its numbers taken: the store refuses it, and would refuse the batch.
    let poison = journal.send(Append { facts: vec![start("CS-1", "b", 7)], site: None });
    let healthy = journal.send(Append { facts: vec![start("CS-2", "c", 7)], site: None });
    let (first, poison, healthy) = futures_util::future::join3(first, poison, healthy).await;
    assert!(first.unwrap().is_ok());
    assert_eq!(poison.unwrap(), Err(NotCommitted::Refused));
    assert!(healthy.unwrap().is_ok());
}

#[actix_rt::test]
async fn repeat_is_acknowledged_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::new(store(&folder).await, Canary::fixed_ready()).start();
    let append = || journal.send(Append { facts: vec![start("CS-1", "a", 7)], site: None });
    assert!(append().await.unwrap().unwrap()[0].fresh);
    assert!(!append().await.unwrap().unwrap()[0].fresh);
}

#[actix_rt::test]
async fn full_queue_of_facts_nobody_waits_for_drops_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let journal = Journal::new(store.clone(), Canary::fixed_ready()).start();
    // Given before the journal can run: one commit takes 256 of them, the rest must find room or go.
    let given = (0..COALESCED_ROWS * 2).map(|n| {
        let facts = vec![status(&format!("CS-{n}"), ConnectorStatus::Available)];
        journal.send(Note { facts, site: None })
    });
    futures_util::future::join_all(given).await;
    let seen = journal.send(journal::Observe).await.unwrap();
    assert!(seen.coalesced <= COALESCED_ROWS, "{seen:?}");
    assert!(seen.lost > 0, "{seen:?}");
}

#[actix_rt::test]
async fn heavy_report_does_not_cost_a_ticket_its_commit() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::new(store(&folder).await, Canary::fixed_ready()).start();
    let variable = |n: usize| ringmain_domain::report::Variable {
        component: "C".into(),
        instance: None,
        evse: None,
        name: format!("v{n}").into(),
        value: Some("1".into()),
        readonly: false,
    };
    let report = |station: usize| {
        let variables = (0..3_000).map(variable).collect();
        fact_of(&format!("CS-{station}"), DomainEvent::VariablesReported { variables })
    };
    for station in 0..20 {
        journal.send(Note { facts: vec![report(station)], site: None }).await.unwrap();
    }
    let seen = journal.send(journal::Observe).await.unwrap();
    assert!(seen.coalesced * 3_000 <= COALESCED_ROWS + 3_000, "bounded by rows: {seen:?}");
    let ticket = journal.send(Append { facts: vec![start("CS-1", "a", 7)], site: None }).await;
    assert!(ticket.unwrap().is_ok());
}

#[actix_rt::test]
async fn facts_nobody_waits_for_are_there_after_a_flush() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let tenant = TenantId::default_tenant();
    let id = StationId::new("CS-1").unwrap();
    let station = ChargingStation::unknown(tenant.clone(), id.clone(), Registration::Accepted, NOW);
    assert!(store.insert_station(&station).await.unwrap());
    let journal = Journal::new(store.clone(), Canary::fixed_ready()).start();
    let facts = vec![status("CS-1", ConnectorStatus::Faulted)];
    journal.send(Note { facts, site: None }).await.unwrap();
    journal.send(Flush).await.unwrap();
    let row = store.station_row(&tenant, &id).await.unwrap().unwrap();
    assert_eq!(row.connectors[0].connector.status, ConnectorStatus::Faulted);
}

fn parts(store: Store, live: LiveFeed) -> SiteParts {
    let conduct = Config::default().load.conduct();
    let setpoints = tokio::sync::mpsc::channel(1).0;
    SiteParts { live, store, cluster: Cluster::alone(MemoryRouting::default()), conduct, setpoints }
}

async fn locate(directory: &actix::Addr<SiteDirectory>) -> Result<SiteHandle, NoSite> {
    let site = SiteId::of(&LocationId::new("harbour").unwrap());
    directory.send(Locate { tenant: TenantId::default_tenant(), site }).await.unwrap()
}

#[actix_rt::test]
async fn site_that_dies_is_built_again_and_too_many_deaths_are_quarantine() {
    let folder = tempfile::tempdir().unwrap();
    let live = LiveFeed::new(NOW);
    let directory = SiteDirectory::new(parts(store(&folder).await, live), 2).start();
    for death in 1..=DEATHS_MAX {
        let site = locate(&directory).await.unwrap();
        assert_eq!(site.addr().send(Observe).await.unwrap().online, 0, "alive before death {death}");
        assert!(site.addr().send(Crash).await.is_err());
        until("the site is dead", async || !site.is_alive()).await;
    }
    until("the directory knows", async || matches!(locate(&directory).await, Err(NoSite::Quarantined))).await;
}

#[actix_rt::test]
async fn what_a_full_mailbox_did_not_take_the_sweep_reads() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let tenant = TenantId::default_tenant();
    let place = ringmain_domain::location::Location {
        tenant: tenant.clone(),
        id: LocationId::new("harbour").unwrap(),
        name: "Harbour".into(),
        address: "1".into(),
        city: "H".into(),
        postal_code: None,
        country: "DEU".into(),
        latitude: "0".into(),
        longitude: "0".into(),
        time_zone: "UTC".into(),
        updated_at: NOW,
    };
    store.put_location(&place).await.unwrap();
    let id = StationId::new("CS-1").unwrap();
    let mut station = ChargingStation::unknown(tenant, id, Registration::Accepted, NOW);
    station.location_id = Some(place.id);
    assert!(store.insert_station(&station).await.unwrap());
    let parts = parts(store.clone(), LiveFeed::new(NOW));
    let routing = parts.cluster.routing().clone();
    let directory = SiteDirectory::new(parts, 1).start();
    let site = locate(&directory).await.unwrap();
    assert_eq!(site.addr().send(Observe).await.unwrap().connectors, [0; 6]);
    // The store learns of a connector and the routing of a connection; the site is told of neither once its mailbox has overflowed.
    let connection = actix::Context::<Connection>::new().address();
    let route = Route { epoch: Epoch(7), connection, source: Ipv4Addr::LOCALHOST.into(), certificate: None };
    assert!(routing.claim(&station.id, route).is_ok());
    store.append(&[status("CS-1", ConnectorStatus::Faulted)]).await.unwrap();
    let snapshot = StationSnapshot { station, connectors: Vec::new(), open: Vec::new() };
    let snapshot = Arc::new(snapshot);
    for _ in 0..20_000 {
        // A clone each time: each has a place of its own even in a full mailbox, and the bound must hold all the same.
        site.clone().tell(site::Input::Changed(Box::new((*snapshot).clone())));
    }
    until("the sweep", async || {
        let seen = site.addr().send(Observe).await.unwrap();
        (seen.connectors.iter().sum::<u32>(), seen.online) == (1, 1)
    })
    .await;
}
