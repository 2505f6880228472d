//! Stations as people keep them, and the snapshots they are born again from.

use ringmain_domain::cluster::duplicates::Duplicates;
use ringmain_domain::event::DomainEvent;
use ringmain_domain::id::{Epoch, SiteId};
use ringmain_domain::location::{ChargingStation, ConnectorStatus};
use ringmain_domain::reply::Registration;
use ringmain_domain::report::ChargingState;
use ringmain_store::back_offs::ToldBackOff;
use ringmain_store::page::PageRequest;
use ringmain_store::stations::{StationCredential, StationFilter};
use ringmain_store::store::StoreError;

use crate::make::{
    MINUTE, all_pages, at, fact, location_id, message, other_tenant, station, station_id, status, tariff_id,
    tenant, whole_transaction,
};
use crate::rig::Rig;

on_both_engines!(
    an_identity_is_given_once,
    people_change_only_what_is_theirs,
    a_station_goes_but_its_past_stays,
    stations_that_wait_are_counted,
    who_waits_and_comes_no_more_is_forgotten,
    who_was_told_how_to_wait_is_not_told_again,
    a_newcomer_is_admitted_by_its_address,
    a_station_with_open_sessions_stays,
    stations_are_filtered_and_come_in_pages,
    a_snapshot_holds_what_a_connection_needs,
    a_site_has_the_stations_of_its_location,
    a_row_shows_the_open_session_of_each_evse,
    a_password_is_found_by_identity,
);

async fn an_identity_is_given_once(rig: &Rig) {
    let store = &rig.store;
    let mut one = station("CS-1");
    one.name = Some("Gate".into());
    one.tariff_id = Some(tariff_id("T"));
    one.vendor = Some("Maker".into());
    one.booted_at = Some(at(5));
    assert_eq!(store.find_station(&one.id).await.unwrap(), None);
    assert!(store.insert_station(&one).await.unwrap());
    assert!(!store.insert_station(&one).await.unwrap(), "again");
    let mut foreign = station("CS-1");
    foreign.tenant = other_tenant();
    assert!(!store.insert_station(&foreign).await.unwrap(), "in another tenant");
    assert_eq!(store.find_station(&one.id).await.unwrap(), Some(one.clone()));
    assert_eq!(store.find_station(&station_id("cs-1")).await.unwrap(), None, "identities are exact");
    let row = store.station_row(&tenant(), &one.id).await.unwrap().unwrap();
    assert_eq!((row.station, row.online, row.connectors.len()), (one.clone(), false, 0));
    assert_eq!(store.station_row(&other_tenant(), &one.id).await.unwrap(), None);
}

async fn people_change_only_what_is_theirs(rig: &Rig) {
    let store = &rig.store;
    let mut one = station("CS-1");
    one.vendor = Some("Maker".into());
    one.last_seen_at = Some(at(3));
    store.insert_station(&one).await.unwrap();
    let mut wish = station("CS-1");
    wish.location_id = Some(location_id("L1"));
    wish.name = Some("Gate".into());
    wish.registration = Registration::Rejected;
    wish.tariff_id = Some(tariff_id("T"));
    wish.maintenance = true;
    wish.updated_at = at(9);
    wish.created_at = at(8);
    wish.vendor = Some("Nobody".into());
    let before = store.find_station(&one.id).await.unwrap().unwrap().updated_at;
    assert!(!store.update_station(&wish, before.plus_millis(-1)).await.unwrap(), "somebody was quicker");
    assert!(store.update_station(&wish, before).await.unwrap());
    let expect = ringmain_domain::location::ChargingStation {
        vendor: Some("Maker".into()),
        last_seen_at: Some(at(3)),
        created_at: at(0),
        ..wish
    };
    assert_eq!(store.find_station(&one.id).await.unwrap(), Some(expect));
    assert!(!store.update_station(&station("CS-2"), at(0)).await.unwrap());
}

async fn a_station_goes_but_its_past_stays(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), station_id("CS-1"));
    assert!(!store.delete_station(&tenant, &id).await.unwrap());
    store.insert_station(&station("CS-1")).await.unwrap();
    store.insert_station(&station("CS-2")).await.unwrap();
    store.append(&whole_transaction("CS-1", "tx")).await.unwrap();
    store.append(&[status("CS-1", 0, 1, 1, ConnectorStatus::Available)]).await.unwrap();
    store.append(&[status("CS-2", 0, 1, 1, ConnectorStatus::Available)]).await.unwrap();
    assert!(!store.delete_station(&other_tenant(), &id).await.unwrap());
    assert!(store.delete_station(&tenant, &id).await.unwrap());
    assert!(!store.delete_station(&tenant, &id).await.unwrap());
    assert_eq!(store.find_station(&id).await.unwrap(), None);
    assert_eq!(rig.count("connectors").await, 1, "the other station's");
    assert_eq!(rig.count("transaction_events").await, 4);
    assert_eq!(rig.count("sessions").await, 1);
    assert_eq!(rig.count("cdrs").await, 1);
    assert!(store.insert_station(&station("CS-1")).await.unwrap(), "the identity is free again");
}

async fn a_station_with_open_sessions_stays(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), station_id("CS-1"));
    store.insert_station(&station("CS-1")).await.unwrap();
    store.append(&[status("CS-1", 0, 1, 1, ConnectorStatus::Available)]).await.unwrap();
    let all = whole_transaction("CS-1", "tx");
    store.append(&all[..2]).await.unwrap();
    assert!(matches!(store.delete_station(&tenant, &id).await, Err(StoreError::Conflict { .. })));
    assert!(store.find_station(&id).await.unwrap().is_some());
    assert_eq!(rig.count("connectors").await, 1, "nothing went");
    store.append(&all[2..]).await.unwrap();
    assert!(store.delete_station(&tenant, &id).await.unwrap());
}

async fn stations_are_filtered_and_come_in_pages(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    for number in 0..12 {
        let mut one = station(&format!("CS-{number:02}"));
        one.location_id = (number % 2 == 0).then(|| location_id("L1"));
        one.registration = if number < 3 { Registration::Pending } else { Registration::Accepted };
        one.name = (number == 7).then(|| "Große 100%_Einfahrt!".into());
        store.insert_station(&one).await.unwrap();
    }
    let connected = |number: i64| {
        let event = ringmain_domain::event::DomainEvent::StationConnected {
            ocpp_version: "ocpp2.0.1".into(),
            epoch: Epoch(0),
            node: None,
        };
        fact(&format!("CS-{number:02}"), number, event)
    };
    store.append(&[connected(4), connected(5), connected(6)]).await.unwrap();
    let ids = async |filter: StationFilter| {
        let rows = all_pages(2, async |page| store.stations(&tenant, &filter, &page).await).await;
        rows.iter().map(|row| row.station.id.as_str().replace("CS-", "")).collect::<Vec<_>>().join(" ")
    };
    let all = StationFilter::default;
    assert_eq!(ids(all()).await, "00 01 02 03 04 05 06 07 08 09 10 11");
    let at_l1 = StationFilter { location_id: Some(location_id("L1")), ..all() };
    assert_eq!(ids(at_l1.clone()).await, "00 02 04 06 08 10");
    assert_eq!(ids(StationFilter { registration: Some(Registration::Pending), ..all() }).await, "00 01 02");
    assert_eq!(ids(StationFilter { online: Some(true), ..all() }).await, "04 05 06");
    assert_eq!(ids(StationFilter { online: Some(true), ..at_l1 }).await, "04 06");
    for (text, expect) in [
        ("GROSSE", ""),
        ("große", "07"),
        ("GROß", "07"),
        ("100%_e", "07"),
        ("%", "07"),
        ("cs-1", "10 11"),
        ("!", "07"),
    ] {
        assert_eq!(ids(StationFilter { text: Some(text.to_owned()), ..all() }).await, expect, "{text}");
    }
    let nowhere = StationFilter { location_id: Some(location_id("L9")), ..all() };
    assert_eq!(ids(nowhere).await, "");
}

async fn a_snapshot_holds_what_a_connection_needs(rig: &Rig) {
    let (store, id) = (&rig.store, station_id("CS-1"));
    assert_eq!(store.station_snapshot(&id).await.unwrap(), None);
    store.insert_station(&station("CS-1")).await.unwrap();
    let mut facts = whole_transaction("CS-1", "over");
    facts.push(message("CS-1", "open", 0, 90 * MINUTE).fact());
    facts.push(status("CS-1", 1, 0, 0, ConnectorStatus::Available));
    facts.push(status("CS-1", 2, 1, 1, ConnectorStatus::Occupied));
    store.append(&facts).await.unwrap();
    let snapshot = store.station_snapshot(&id).await.unwrap().unwrap();
    assert_eq!(snapshot.station, station("CS-1"));
    assert_eq!(snapshot.open.iter().map(|s| s.transaction.as_str()).collect::<Vec<_>>(), ["open"]);
    let places: Vec<_> = snapshot.connectors.iter().map(|c| (c.evse.0, c.connector.0, c.status)).collect();
    assert_eq!(places, [(0, 0, ConnectorStatus::Available), (1, 1, ConnectorStatus::Occupied)]);
}

async fn a_site_has_the_stations_of_its_location(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    for (id, place) in [("CS-3", Some("L1")), ("CS-1", Some("L1")), ("CS-2", Some("L2")), ("CS-0", None)] {
        let mut one = station(id);
        one.location_id = place.map(location_id);
        store.insert_station(&one).await.unwrap();
    }
    store
        .append(&[message("CS-1", "a", 0, 0).fact(), status("CS-3", 0, 2, 1, ConnectorStatus::Faulted)])
        .await
        .unwrap();
    let site = |id: &str| SiteId::of(&location_id(id));
    let found = store.site_snapshots(&tenant, &site("L1")).await.unwrap();
    assert_eq!(found.iter().map(|s| s.id().as_str()).collect::<Vec<_>>(), ["CS-1", "CS-3"]);
    assert_eq!((found[0].open.len(), found[1].connectors[0].evse.0), (1, 2));
    let loose = store.site_snapshots(&tenant, &SiteId::unassigned()).await.unwrap();
    assert_eq!(loose.iter().map(|s| s.id().as_str()).collect::<Vec<_>>(), ["CS-0"]);
    assert!(store.site_snapshots(&tenant, &site("L3")).await.unwrap().is_empty());
    assert!(store.site_snapshots(&other_tenant(), &site("L1")).await.unwrap().is_empty());
}

async fn a_row_shows_the_open_session_of_each_evse(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), station_id("CS-1"));
    store.insert_station(&station("CS-1")).await.unwrap();
    let facts = [
        status("CS-1", 0, 0, 0, ConnectorStatus::Available),
        status("CS-1", 0, 1, 0, ConnectorStatus::Available),
        status("CS-1", 0, 1, 1, ConnectorStatus::Occupied),
        status("CS-1", 0, 1, 2, ConnectorStatus::Available),
        status("CS-1", 0, 2, 1, ConnectorStatus::Available),
        message("CS-1", "older", 0, 0).state(ChargingState::Idle).fact(),
        message("CS-1", "newer", 0, 1).state(ChargingState::Charging).fact(),
    ];
    let appended = store.append(&facts).await.unwrap();
    let newer = appended[6].session.as_ref().unwrap().id;
    let row = store.station_row(&tenant, &id).await.unwrap().unwrap();
    let shown: Vec<_> = row
        .connectors
        .iter()
        .map(|c| (c.connector.evse.0, c.connector.connector.0, c.session, c.energy_flows))
        .collect();
    let expect = [(1, 1, Some(newer), Some(true)), (1, 2, Some(newer), Some(true)), (2, 1, None, None)];
    assert_eq!(shown, expect);
    let page = store.stations(&tenant, &StationFilter::default(), &PageRequest::first(5)).await.unwrap();
    assert_eq!(page.items, [row]);
}

async fn stations_that_wait_are_counted(rig: &Rig) {
    let store = &rig.store;
    let pending = |id| ChargingStation { registration: Registration::Pending, ..station(id) };
    let elsewhere = ChargingStation { tenant: other_tenant(), ..pending("CS-9") };
    for one in [pending("CS-1"), pending("CS-2"), pending("CS-3"), station("CS-4"), elsewhere] {
        assert!(store.insert_station(&one).await.unwrap());
    }
    for (most, expect) in [(10, 3), (3, 3), (2, 2)] {
        assert_eq!(store.pending_stations_count(&tenant(), most).await.unwrap(), expect);
    }
}

async fn who_waits_and_comes_no_more_is_forgotten(rig: &Rig) {
    let store = &rig.store;
    let stranger = |id| ChargingStation { registration: Registration::Pending, ..station(id) };
    let elsewhere = ChargingStation { tenant: other_tenant(), ..stranger("CS-9") };
    let named = ChargingStation { name: Some("Gate".into()), ..stranger("CS-3") };
    let late = ChargingStation { last_seen_at: Some(at(MINUTE)), ..stranger("CS-4") };
    let before = at(MINUTE);
    for one in [stranger("CS-1"), stranger("CS-2"), named, late, station("CS-5"), stranger("CS-6"), elsewhere]
    {
        assert!(store.insert_station(&one).await.unwrap());
    }
    // It is connected, though nothing has been heard of it for long.
    let (ocpp_version, epoch) = ("ocpp2.0.1".into(), Epoch(1));
    let connected = DomainEvent::StationConnected { ocpp_version, epoch, node: None };
    store.append(&[fact("CS-6", 1, connected)]).await.unwrap();
    assert_eq!(store.forget_strangers(at(0), 10).await.unwrap(), []);
    assert_eq!(store.forget_strangers(before, 1).await.unwrap().len(), 1, "so many at a time");
    store.forget_strangers(before, 10).await.unwrap();
    let mut left = Vec::new();
    for id in ["CS-1", "CS-2", "CS-3", "CS-4", "CS-5", "CS-6", "CS-9"] {
        left.extend(store.find_station(&station_id(id)).await.unwrap().map(|_| id));
    }
    assert_eq!(left, ["CS-3", "CS-4", "CS-5", "CS-6"], "described, heard of, approved, connected");
    assert!(store.insert_station(&stranger("CS-1")).await.unwrap(), "who comes again is new");
}

async fn who_was_told_how_to_wait_is_not_told_again(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), station_id("CS-1"));
    store.insert_station(&station("CS-1")).await.unwrap();
    let is_due = async |told: &str| {
        let due = store.due_back_offs(&tenant, std::slice::from_ref(&id), told).await.unwrap();
        !due.is_empty()
    };
    let said = |told: &str, firmware: Option<&str>, answer: &str| ToldBackOff {
        told: told.into(),
        firmware: firmware.map(Into::into),
        answer: answer.into(),
        told_at: at(1),
    };
    assert!(is_due("10 s").await);
    // Three times it may say nothing; other settings or another firmware count anew.
    for (told, firmware, due) in [
        ("10 s", None, true),
        ("10 s", None, true),
        ("20 s", None, true),
        ("20 s", None, true),
        ("20 s", None, false),
        ("20 s", Some("2.0.0"), true),
        ("20 s", None, true),
    ] {
        store.put_unanswered_back_off(&tenant, &id, &said(told, firmware, "silence")).await.unwrap();
        assert_eq!(is_due(told).await, due, "{told} {firmware:?}");
    }
    assert_eq!(store.back_off(&tenant, &id).await.unwrap(), Some(said("20 s", None, "silence")));
    store.put_back_off(&tenant, &id, &said("20 s", None, "accepted")).await.unwrap();
    assert!(!is_due("20 s").await && is_due("30 s").await, "it answered");
}

async fn a_newcomer_is_admitted_by_its_address(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), station_id("CS-1"));
    let admits = async |source: &str, minute: i64| {
        store.admits_newcomer(&tenant, &id, (source, at(minute * MINUTE))).await.unwrap()
    };
    assert!(
        !store.admit_newcomer(&tenant, &id, ("192.0.2.1", at(10 * MINUTE))).await.unwrap(),
        "nobody came"
    );
    let (refused, _) = Duplicates::fought(None, at(0), "192.0.2.1");
    store.put_duplicates(&tenant, &id, &refused).await.unwrap();
    assert!(!admits("192.0.2.1", 1).await, "nobody decided");
    assert!(store.admit_newcomer(&tenant, &id, ("192.0.2.1", at(10 * MINUTE))).await.unwrap());
    // A later refusal of somebody else changes nothing about whom it was decided for.
    let (refused, _) = Duplicates::fought(Some(refused), at(1), "192.0.2.2");
    store.put_duplicates(&tenant, &id, &refused).await.unwrap();
    assert!(admits("192.0.2.1", 10).await && admits("192.0.2.1", 1).await, "as often as it is asked");
    assert!(!admits("192.0.2.1", 11).await && !admits("192.0.2.2", 1).await);
    let row = store.duplicates(&tenant, &id).await.unwrap().unwrap();
    assert_eq!((row.admit_source.as_deref(), &*row.duplicates.source), (Some("192.0.2.1"), "192.0.2.2"));
    assert!(!store.take_newcomer(&tenant, &id, "192.0.2.2").await.unwrap());
    assert!(store.take_newcomer(&tenant, &id, "192.0.2.1").await.unwrap());
    assert_eq!(store.duplicates(&tenant, &id).await.unwrap(), None);
}

async fn a_password_is_found_by_identity(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), station_id("CS-1"));
    let credential =
        |salt: &[u8]| StationCredential { salt: salt.to_vec(), hash: vec![0, 255, 7], updated_at: at(1) };
    store.insert_station(&station("CS-1")).await.unwrap();
    assert_eq!(store.station_credential(&id).await.unwrap(), None);
    store.put_station_credential(&tenant, &id, &credential(b"a\0")).await.unwrap();
    assert_eq!(store.station_credential(&id).await.unwrap(), Some(credential(b"a\0")));
    store.put_station_credential(&tenant, &id, &credential(b"b")).await.unwrap();
    assert_eq!(store.station_credential(&id).await.unwrap(), Some(credential(b"b")));
    // Another tenant's wish for the same identity changes nothing.
    store.put_station_credential(&other_tenant(), &id, &credential(b"c")).await.unwrap();
    assert_eq!(store.station_credential(&id).await.unwrap(), Some(credential(b"b")));
    // Neither does one that comes with a password of its own, and the first to come keeps its own.
    for taken in [station("CS-1"), ChargingStation { tenant: other_tenant(), ..station("CS-1") }] {
        assert!(!store.insert_station_with(&taken, &credential(b"d")).await.unwrap());
        assert_eq!(store.station_credential(&id).await.unwrap(), Some(credential(b"b")));
    }
    store.delete_station(&tenant, &id).await.unwrap();
    assert_eq!(store.station_credential(&id).await.unwrap(), None);
    assert!(store.insert_station_with(&station("CS-1"), &credential(b"d")).await.unwrap());
    assert_eq!(store.station_credential(&id).await.unwrap(), Some(credential(b"d")));
    assert!(!format!("{:?}", credential(b"b")).contains("255"), "never in a log");
}
