//! What facts change beside sessions: stations, connectors, variables.

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{ConnectorId, Epoch, EvseId};
use ringmain_domain::location::{ConnectorStatus, OperatorState};
use ringmain_domain::report::{Boot, StationFault, Variable};

use crate::make::{MINUTE, all_pages, at, fact, message, other_tenant, station, station_id, status, tenant};
use crate::rig::Rig;

on_both_engines!(
    a_boot_says_what_the_station_is,
    a_connection_is_seen_to_come_and_go,
    a_replaced_connection_leaves_the_station_connected,
    the_last_word_of_a_batch_counts,
    a_status_is_kept_with_its_instant,
    the_status_of_an_evse_leaves_its_connectors_alone,
    an_older_status_does_not_undo_a_newer_one,
    a_connector_is_learned_from_its_transaction,
    variables_are_kept_by_name,
    very_long_names_of_variables_are_cut,
    a_foreign_station_is_left_alone,
);

fn boot(station: &str, millis: i64, firmware: Option<&str>) -> Fact {
    let boot = Boot {
        vendor: "Maker".into(),
        model: "M1".into(),
        serial: Some("S/N 1".into()),
        firmware: firmware.map(Box::from),
        ..Boot::default()
    };
    fact(station, millis, DomainEvent::StationBooted(boot))
}

fn connected(station: &str, millis: i64) -> Fact {
    fact(
        station,
        millis,
        DomainEvent::StationConnected { ocpp_version: "ocpp2.0.1".into(), epoch: Epoch(0), node: None },
    )
}

fn disconnected(station: &str, millis: i64, exit: &str) -> Fact {
    fact(station, millis, DomainEvent::StationDisconnected { exit: exit.into(), epoch: Epoch(0) })
}

async fn online(rig: &Rig, id: &str) -> bool {
    rig.store.station_row(&tenant(), &station_id(id)).await.unwrap().unwrap().online
}

async fn a_boot_says_what_the_station_is(rig: &Rig) {
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    rig.store.append(&[boot("CS-1", 10, Some("1.0"))]).await.unwrap();
    let found = rig.store.find_station(&station_id("CS-1")).await.unwrap().unwrap();
    assert_eq!((found.vendor.as_deref(), found.model.as_deref()), (Some("Maker"), Some("M1")));
    assert_eq!((found.serial.as_deref(), found.firmware.as_deref()), (Some("S/N 1"), Some("1.0")));
    assert_eq!((found.booted_at, found.last_seen_at, found.updated_at), (Some(at(10)), Some(at(10)), at(10)));
    assert_eq!(found.created_at, at(0));
    rig.store.append(&[boot("CS-1", 20, None)]).await.unwrap();
    let found = rig.store.find_station(&station_id("CS-1")).await.unwrap().unwrap();
    assert_eq!((found.firmware, found.booted_at), (None, Some(at(20))), "a boot says all it has to say");
}

async fn a_connection_is_seen_to_come_and_go(rig: &Rig) {
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    rig.store.append(&[connected("CS-1", 10)]).await.unwrap();
    assert!(online(rig, "CS-1").await);
    let seen = fact("CS-1", MINUTE, DomainEvent::StationSeen);
    rig.store.append(&[seen]).await.unwrap();
    let found = rig.store.find_station(&station_id("CS-1")).await.unwrap().unwrap();
    assert_eq!(found.ocpp_version.as_deref(), Some("ocpp2.0.1"));
    assert_eq!((found.last_seen_at, found.updated_at), (Some(at(MINUTE)), at(10)));
    rig.store.append(&[disconnected("CS-1", 2 * MINUTE, "silent")]).await.unwrap();
    assert!(!online(rig, "CS-1").await);
    let found = rig.store.find_station(&station_id("CS-1")).await.unwrap().unwrap();
    assert_eq!(found.last_seen_at, Some(at(MINUTE)), "its end is not its last word");
    assert_eq!(found.vendor, None);
}

async fn a_replaced_connection_leaves_the_station_connected(rig: &Rig) {
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    rig.store.append(&[connected("CS-1", 10), connected("CS-1", 20)]).await.unwrap();
    rig.store.append(&[disconnected("CS-1", 30, "replaced")]).await.unwrap();
    assert!(online(rig, "CS-1").await);
}

async fn the_last_word_of_a_batch_counts(rig: &Rig) {
    for id in ["CS-1", "CS-2"] {
        rig.store.insert_station(&station(id)).await.unwrap();
    }
    let facts = [
        connected("CS-1", 10),
        disconnected("CS-2", 11, "closed"),
        boot("CS-1", 12, Some("1.0")),
        disconnected("CS-1", 13, "closed"),
        connected("CS-2", 14),
        boot("CS-1", 15, Some("2.0")),
        fact("CS-1", 5, DomainEvent::StationSeen),
    ];
    rig.store.append(&facts).await.unwrap();
    assert!(!online(rig, "CS-1").await);
    assert!(online(rig, "CS-2").await);
    let found = rig.store.find_station(&station_id("CS-1")).await.unwrap().unwrap();
    assert_eq!(found.firmware.as_deref(), Some("2.0"));
    assert_eq!((found.last_seen_at, found.updated_at), (Some(at(15)), at(15)));
}

async fn connectors(rig: &Rig, id: &str) -> Vec<(u32, u32, ConnectorStatus, i64)> {
    let snapshot = rig.store.station_snapshot(&station_id(id)).await.unwrap().unwrap();
    let place = |c: &ringmain_domain::location::Connector| {
        (c.evse.0, c.connector.0, c.status, c.since.millis_since(at(0)))
    };
    snapshot.connectors.iter().map(place).collect()
}

async fn a_status_is_kept_with_its_instant(rig: &Rig) {
    use ConnectorStatus::{Available, Faulted, Occupied};
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    rig.store.append(&[status("CS-1", 10, 1, 1, Available)]).await.unwrap();
    rig.store.append(&[status("CS-1", 20, 1, 1, Available)]).await.unwrap();
    assert_eq!(connectors(rig, "CS-1").await, [(1, 1, Available, 10)], "since it became so");
    rig.store
        .append(&[status("CS-1", 30, 1, 1, Occupied), status("CS-1", 40, 1, 1, Available)])
        .await
        .unwrap();
    assert_eq!(connectors(rig, "CS-1").await, [(1, 1, Available, 40)], "it was something else in between");
    let fault =
        StationFault { code: "GroundFailure".into(), text: Some("wet\u{0}".into()), vendor_code: None };
    let event = DomainEvent::StatusChanged {
        evse: EvseId(1),
        connector: ConnectorId(1),
        status: Faulted,
        fault: Some(fault),
    };
    rig.store.append(&[fact("CS-1", 50, event)]).await.unwrap();
    let snapshot = rig.store.station_snapshot(&station_id("CS-1")).await.unwrap().unwrap();
    let fault = snapshot.connectors[0].fault.clone().unwrap();
    assert_eq!((&*fault.code, fault.text.as_deref()), ("GroundFailure", Some("wet")));
    rig.store
        .append(&[status("CS-1", 60, 1, 1, Available), status("CS-1", 61, 1, 1, Available)])
        .await
        .unwrap();
    let snapshot = rig.store.station_snapshot(&station_id("CS-1")).await.unwrap().unwrap();
    assert_eq!(snapshot.connectors[0].fault, None);
    assert_eq!(connectors(rig, "CS-1").await, [(1, 1, Available, 60)]);
}

async fn the_status_of_an_evse_leaves_its_connectors_alone(rig: &Rig) {
    use ConnectorStatus::{Available, Unavailable};
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    let facts = [
        status("CS-1", 1, 1, 1, Available),
        status("CS-1", 2, 1, 0, Unavailable),
        status("CS-1", 3, 0, 0, Unavailable),
    ];
    rig.store.append(&facts).await.unwrap();
    let expect = [(0, 0, Unavailable, 3), (1, 0, Unavailable, 2), (1, 1, Available, 1)];
    assert_eq!(connectors(rig, "CS-1").await, expect);
    let row = rig.store.station_row(&tenant(), &station_id("CS-1")).await.unwrap().unwrap();
    assert_eq!(row.connectors.len(), 1, "only what is one connector is shown as one");
}

async fn an_older_status_does_not_undo_a_newer_one(rig: &Rig) {
    use ConnectorStatus::{Available, Occupied};
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    rig.store.append(&[status("CS-1", 20, 1, 1, Occupied)]).await.unwrap();
    rig.store.append(&[status("CS-1", 10, 1, 1, Available)]).await.unwrap();
    assert_eq!(connectors(rig, "CS-1").await, [(1, 1, Occupied, 20)]);
}

async fn a_connector_is_learned_from_its_transaction(rig: &Rig) {
    use ConnectorStatus::{Available, Occupied};
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    rig.store.append(&[message("CS-1", "a", 0, 5).evse(Some(2)).fact()]).await.unwrap();
    assert_eq!(connectors(rig, "CS-1").await, [(2, 1, Available, 5)]);
    let row = rig.store.station_row(&tenant(), &station_id("CS-1")).await.unwrap().unwrap();
    let one = &row.connectors[0];
    let state = OperatorState::of(false, true, one.connector.status, one.energy_flows);
    assert_eq!(state, OperatorState::Occupied, "its session says so");
    // What the station reports goes before, also in the same batch.
    rig.store
        .append(&[message("CS-1", "b", 0, 6).evse(Some(3)).fact(), status("CS-1", 7, 3, 2, Occupied)])
        .await
        .unwrap();
    assert_eq!(connectors(rig, "CS-1").await, [(2, 1, Available, 5), (3, 2, Occupied, 7)]);
    // A station's clock that is ahead does not outdate what it reports next.
    let mut ahead = message("CS-1", "d", 0, 9).evse(Some(4)).fact();
    ahead.received_at = at(8);
    rig.store.append(&[ahead]).await.unwrap();
    rig.store.append(&[status("CS-1", 8, 4, 1, Occupied)]).await.unwrap();
    assert_eq!(connectors(rig, "CS-1").await.last(), Some(&(4, 1, Occupied, 8)));
    rig.store.append(&[message("CS-1", "c", 0, 8).evse(None).fact()]).await.unwrap();
    assert_eq!(connectors(rig, "CS-1").await.len(), 3);
}

fn variable(component: &str, evse: Option<u32>, name: &str, value: Option<&str>) -> Variable {
    Variable {
        component: component.into(),
        instance: None,
        evse: evse.map(EvseId),
        name: name.into(),
        value: value.map(Box::from),
        readonly: value.is_none(),
    }
}

async fn variables(rig: &Rig, id: &str) -> Vec<Variable> {
    all_pages(2, async |page| rig.store.station_variables(&tenant(), &station_id(id), &page).await).await
}

async fn variables_are_kept_by_name(rig: &Rig) {
    let mut named = variable("Meter", Some(1), "Energy", Some("1"));
    named.instance = Some("main".into());
    let first = vec![
        variable("EVSE", Some(1), "Power", Some("11000")),
        variable("EVSE", Some(0), "Power", Some("0")),
        variable("EVSE", None, "Power", Some("22000")),
        variable("", None, "HeartbeatInterval", Some("300")),
        named.clone(),
    ];
    let report = |variables, millis| fact("CS-1", millis, DomainEvent::VariablesReported { variables });
    rig.store.append(&[report(first, 1)]).await.unwrap();
    let second =
        vec![variable("EVSE", Some(1), "Power", Some("7400")), variable("", None, "Secret\u{0}", None)];
    let third = vec![variable("EVSE", Some(1), "Power", Some("3700"))];
    rig.store.append(&[report(second, 2), report(third, 3)]).await.unwrap();
    let expect = [
        variable("", None, "HeartbeatInterval", Some("300")),
        variable("", None, "Secret", None),
        variable("EVSE", None, "Power", Some("22000")),
        variable("EVSE", Some(0), "Power", Some("0")),
        variable("EVSE", Some(1), "Power", Some("3700")),
        named,
    ];
    assert_eq!(variables(rig, "CS-1").await, expect);
    assert!(variables(rig, "CS-2").await.is_empty());
    let foreign = rig
        .store
        .station_variables(&other_tenant(), &station_id("CS-1"), &ringmain_store::page::PageRequest::first(9))
        .await
        .unwrap();
    assert!(foreign.items.is_empty());
}

async fn very_long_names_of_variables_are_cut(rig: &Rig) {
    let long = "ü".repeat(5_000);
    let report = vec![variable(&long, None, &long, Some(&long))];
    rig.store.append(&[fact("CS-1", 1, DomainEvent::VariablesReported { variables: report })]).await.unwrap();
    let found = variables(rig, "CS-1").await;
    assert_eq!(*found[0].name, *"ü".repeat(127));
    assert_eq!(found[0].value.as_deref(), Some(long.as_str()));
}

async fn a_foreign_station_is_left_alone(rig: &Rig) {
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    let mut foreign = [boot("CS-1", 10, Some("1.0")), connected("CS-1", 11)];
    for fact in &mut foreign {
        fact.tenant = other_tenant();
    }
    rig.store.append(&foreign).await.unwrap();
    assert_eq!(rig.store.find_station(&station_id("CS-1")).await.unwrap(), Some(station("CS-1")));
    assert!(!online(rig, "CS-1").await);
}
