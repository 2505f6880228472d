//! What stations are made of, as operators describe them: what partners see of it, and what bills keep of it.

use ringmain_domain::hardware::{ConnectorHardware, Current, EvseHardware, Plug, StationHardware};
use ringmain_domain::id::{ConnectorId, EvseId, StationId};
use ringmain_domain::time::Timestamp;
use ringmain_store::feed::{KIND_EVSE_REMOVED, KIND_LOCATION, KIND_TARIFF_REACH};
use ringmain_store::page::PageRequest;
use ringmain_store::partners::lists::Window;
use ringmain_store::store::StoreError;

use crate::make::{
    MINUTE, T0, assignment, at, driven_by, location_id, other_tenant, station, tariff, tenant,
    whole_transaction,
};
use crate::partners::{place, registered, role};
use crate::rig::Rig;

on_both_engines!(
    what_connectors_are_made_of_is_published,
    an_evse_goes_with_the_last_connector_that_is_described_and_there,
    what_nobody_described_is_told_as_gone_once,
    a_bill_tells_the_evse_as_it_was_described_at_the_start,
    what_cannot_be_read_leaves_the_rest_readable,
);

/// When partners look.
const NOW: Timestamp = Timestamp::from_millis(T0 + 60 * MINUTE);

/// EVSEs that others must hear are gone.
async fn removed(rig: &Rig) -> Vec<String> {
    while rig.store.feed_take_in(1_000).await.unwrap() > 0 {}
    let rows = rig.store.feed_after(&tenant(), 0, 1_000).await.unwrap();
    let gone = rows.into_iter().filter(|row| *row.kind == *KIND_EVSE_REMOVED);
    gone.map(|row| row.subject.into()).collect()
}

async fn what_connectors_are_made_of_is_published(rig: &Rig) {
    place(rig, "L1", "CS-1", &[(1, 1), (1, 2)]).await;
    place(rig, "L2", "CS-2", &[(1, 1)]).await;
    let made = ConnectorHardware {
        connector: ConnectorId(2),
        plug: Plug::Chademo,
        has_cable: true,
        current: Current::Dc,
        max_voltage_v: 500,
        max_current_a: 125,
        max_power_w: Some(50_000),
    };
    let evse = EvseHardware { evse: EvseId(1), printed_id: Some("DE*RMN*E1".into()), connectors: vec![made] };
    let hardware = StationHardware { evses: vec![evse] };
    let of = |id: &str| StationId::new(id).unwrap();
    assert!(rig.store.put_station_hardware(&tenant(), &of("CS-1"), &hardware, at(50)).await.unwrap());
    assert_eq!(removed(rig).await, Vec::<String>::new());
    assert!(!rig.store.put_station_hardware(&tenant(), &of("CS-9"), &hardware, at(50)).await.unwrap());
    assert!(!rig.store.put_station_hardware(&other_tenant(), &of("CS-1"), &hardware, at(50)).await.unwrap());
    let found = rig.store.station_hardware(&tenant(), &of("CS-1")).await.unwrap();
    assert_eq!(found, Some((hardware, at(50))));
    assert_eq!(rig.store.station_hardware(&other_tenant(), &of("CS-1")).await.unwrap(), None);
    let told = rig.store.published_location(&tenant(), NOW, &location_id("L1")).await.unwrap().unwrap();
    let told: Vec<_> = told.connectors.into_iter().map(|c| (c.hardware, c.changed_at)).collect();
    assert_eq!(told, [(None, at(50)), (Some((made, Some("DE*RMN*E1".into()))), at(50))]);
    let since = Window { from: Some(at(50)), to: None, skip: 0 };
    let changed =
        rig.store.published_locations(&tenant(), NOW, &since, &PageRequest::first(9)).await.unwrap();
    assert_eq!(changed.items.iter().map(|l| l.location.id.as_str()).collect::<Vec<_>>(), ["L1"]);
    let nothing = StationHardware::default();
    assert!(rig.store.put_station_hardware(&tenant(), &of("CS-1"), &nothing, at(51)).await.unwrap());
    assert_eq!(removed(rig).await, ["L1/CS-1/1"]);
    let bare = rig.store.published_location(&tenant(), NOW, &location_id("L1")).await.unwrap().unwrap();
    assert!(bare.location.updated_at > at(51) && bare.connectors.iter().all(|c| c.hardware.is_none()));
    rig.store.delete_station(&tenant(), &of("CS-1")).await.unwrap();
    assert_eq!(rig.store.station_hardware(&tenant(), &of("CS-1")).await.unwrap(), None);
}

fn socket(number: u32) -> ConnectorHardware {
    ConnectorHardware {
        connector: ConnectorId(number),
        plug: Plug::Type2,
        has_cable: false,
        current: Current::Ac3,
        max_voltage_v: 230,
        max_current_a: 16,
        max_power_w: None,
    }
}

fn with_connectors(evses: &[(u32, &[u32])]) -> StationHardware {
    let evse = |(number, connectors): &(u32, &[u32])| EvseHardware {
        evse: EvseId(*number),
        printed_id: None,
        connectors: connectors.iter().copied().map(socket).collect(),
    };
    StationHardware { evses: evses.iter().map(evse).collect() }
}

async fn an_evse_goes_with_the_last_connector_that_is_described_and_there(rig: &Rig) {
    place(rig, "L1", "CS-1", &[(1, 1), (2, 1), (2, 2)]).await;
    let describe = async |evses: &[(u32, &[u32])]| {
        let hardware = with_connectors(evses);
        assert!(
            rig.store.put_station_hardware(&tenant(), &station("CS-1").id, &hardware, at(0)).await.unwrap()
        );
        removed(rig).await
    };
    assert_eq!(describe(&[(1, &[1]), (2, &[1, 2]), (3, &[1])]).await, Vec::<String>::new());
    // The station has another connector, and has never had a third EVSE.
    assert_eq!(describe(&[(1, &[1]), (2, &[2, 3])]).await, Vec::<String>::new());
    assert_eq!(describe(&[(1, &[2]), (2, &[2])]).await, ["L1/CS-1/1"]);
}

async fn what_nobody_described_is_told_as_gone_once(rig: &Rig) {
    place(rig, "L1", "CS-1", &[(0, 0), (1, 1), (1, 2), (2, 1)]).await;
    place(rig, "L2", "CS-2", &[(1, 1)]).await;
    rig.store.put_tariff(&tariff("T1", &[])).await.unwrap();
    while rig.store.feed_take_in(1_000).await.unwrap() > 0 {}
    let before = rig.store.feed_ends(&tenant()).await.unwrap().newest;
    assert!(rig.store.retell_places(&tenant(), at(70)).await.unwrap(), "nobody has asked for it");
    rig.execute("INSERT INTO retellings (tenant) VALUES ('default'), ('other')").await;
    assert!(!rig.store.retell_places(&tenant(), at(70)).await.unwrap());
    assert!(rig.store.retell_places(&tenant(), at(70)).await.unwrap());
    assert!(rig.store.retell_places(&tenant(), at(70)).await.unwrap());
    assert_eq!(rig.count("retellings").await, 1);
    while rig.store.feed_take_in(1_000).await.unwrap() > 0 {}
    let told = rig.store.feed_after(&tenant(), before, 1_000).await.unwrap();
    let mut told: Vec<_> = told.iter().map(|row| (&*row.kind, &*row.subject)).collect();
    told.sort_unstable();
    let expected = [
        (KIND_EVSE_REMOVED, "L1/CS-1/1"),
        (KIND_EVSE_REMOVED, "L1/CS-1/2"),
        (KIND_EVSE_REMOVED, "L2/CS-2/1"),
        (KIND_LOCATION, "L1"),
        (KIND_LOCATION, "L2"),
        (KIND_TARIFF_REACH, "T1"),
    ];
    assert_eq!(told, expected);
    let one = rig.store.location(&tenant(), &location_id("L1")).await.unwrap().unwrap();
    assert_eq!(one.updated_at, at(70));
}

async fn a_bill_tells_the_evse_as_it_was_described_at_the_start(rig: &Rig) {
    place(rig, "L1", "CS-1", &[(1, 1)]).await;
    let partner = registered(rig, 1, &[role("ABC", "EMSP")]).await;
    let described = |number: u32, printed_id: &str| {
        let connectors = vec![socket(1)];
        EvseHardware { evse: EvseId(number), printed_id: Some(printed_id.into()), connectors }
    };
    let describe = async |printed: [&str; 2]| {
        let evses = (1..).zip(printed).map(|(number, id)| described(number, id)).collect();
        let hardware = StationHardware { evses };
        assert!(
            rig.store.put_station_hardware(&tenant(), &station("CS-1").id, &hardware, at(0)).await.unwrap()
        );
    };
    let facts = driven_by(whole_transaction("CS-1", "tx"), "ABC");
    describe(["DE*RMN*E1", "DE*RMN*E2"]).await;
    rig.store.append(&facts[..2]).await.unwrap();
    describe(["DE*RMN*E3", "DE*RMN*E4"]).await;
    let bill = rig.store.append(&facts[2..]).await.unwrap()[1].cdr.unwrap().0;
    let mut read = rig.store.cdrs_for_partners(&tenant(), &[bill]).await.unwrap();
    let (window, page) = (Window::default(), PageRequest::first(9));
    read.extend(rig.store.partner_cdrs(&tenant(), partner, &window, &page).await.unwrap().items);
    let told: Vec<_> = read.into_iter().map(|cdr| cdr.hardware).collect();
    let first = Some(described(1, "DE*RMN*E1"));
    assert_eq!(told, [first.clone(), first]);
    // A session of a release that kept none, or where nobody had described anything.
    rig.execute("UPDATE sessions SET hardware = NULL").await;
    let bare = rig.store.cdrs_for_partners(&tenant(), &[bill]).await.unwrap();
    assert_eq!(bare.into_iter().map(|cdr| cdr.hardware).collect::<Vec<_>>(), [None]);
}

async fn what_cannot_be_read_leaves_the_rest_readable(rig: &Rig) {
    place(rig, "L1", "CS-1", &[(1, 1)]).await;
    place(rig, "L2", "CS-2", &[(1, 1)]).await;
    place(rig, "L3", "CS-3", &[(1, 1)]).await;
    let made = ConnectorHardware {
        connector: ConnectorId(1),
        plug: Plug::Type2,
        has_cable: false,
        current: Current::Ac3,
        max_voltage_v: 230,
        max_current_a: 32,
        max_power_w: None,
    };
    let evse = EvseHardware { evse: EvseId(1), printed_id: None, connectors: vec![made] };
    let hardware = StationHardware { evses: vec![evse] };
    for id in ["CS-1", "CS-2"] {
        let station = StationId::new(id).unwrap();
        assert!(rig.store.put_station_hardware(&tenant(), &station, &hardware, at(50)).await.unwrap());
    }
    for id in ["T1", "T2", "T3"] {
        rig.store.put_tariff(&tariff(id, &[])).await.unwrap();
        rig.store.put_tariff_assignment(&assignment(id, |_| {})).await.unwrap();
    }
    rig.execute(
        "UPDATE station_hardware SET document = '{\"evses\": [{\"evse\": 1, \"connectors\": [{\"connector\": 1}]}]}' WHERE station = 'CS-1';
         UPDATE locations SET document = '{\"strange\": 1}' WHERE id = 'L3';
         UPDATE tariffs SET document = '{\"strange\": 1}';
         UPDATE tariff_versions SET document = '{\"strange\": 1}' WHERE id IN ('T1', 'T2');",
    )
    .await;
    let (whole, page) = (Window::default(), PageRequest::first(9));
    let locations = rig.store.published_locations(&tenant(), NOW, &whole, &page).await.unwrap().items;
    let seen: Vec<_> = locations
        .iter()
        .map(|one| (one.location.id.as_str(), one.connectors[0].hardware.is_some(), one.unreadable.len()))
        .collect();
    assert_eq!(seen, [("L1", false, 1), ("L2", true, 0)]);
    let reason = locations[0].unreadable.values().next().unwrap();
    assert!(reason.contains("hardware"), "{reason}");
    let around = rig.store.published_around(&tenant(), NOW, &[], &[location_id("L3")]).await;
    assert!(matches!(around, Err(StoreError::Corrupt { .. })), "who asks for it is told: {around:?}");
    let tariffs = rig.store.published_tariffs(&tenant(), NOW, &whole, &page).await.unwrap().items;
    assert_eq!(tariffs.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["T3"]);
    let each = rig.store.each_published_tariff(&tenant(), NOW, &whole, &page).await.unwrap().items;
    let each: Vec<_> = each.iter().map(|(id, read)| (id.as_str(), read.is_ok())).collect();
    assert_eq!(each, [("T1", false), ("T2", false), ("T3", true)]);
}
