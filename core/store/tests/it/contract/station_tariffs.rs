//! Tariffs of stations that price by themselves: what each was told, and who is due.

use ringmain_domain::event::DomainEvent;
use ringmain_domain::id::{Epoch, EvseId, TariffId};
use ringmain_domain::report::Boot;
use ringmain_domain::time::Timestamp;
use ringmain_store::station_tariffs::{PlacedTariff, Places, StationTariffs, Told};

use crate::make::{at, fact, other_tenant, station, station_id, tenant};
use crate::rig::Rig;

on_both_engines!(
    tariffs_of_a_station_are_found_replaced_and_go_with_it,
    a_station_is_due_when_its_time_has_come_or_it_started_anew,
);

fn told(id: &str, due_at: i64, booted_at: i64) -> StationTariffs {
    let tariff = PlacedTariff { tariff: TariffId::new("ac").unwrap(), name: "ac.1".into() };
    let has = Places::from([(EvseId(0), tariff)]);
    StationTariffs {
        tenant: tenant(),
        station: station_id(id),
        told: Told { prices: Some(true), certain: true, wanted: has.clone(), has, trouble: None },
        due_at: at(due_at),
        booted_at: Some(at(booted_at)),
        updated_at: at(90),
    }
}

async fn tariffs_of_a_station_are_found_replaced_and_go_with_it(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), station_id("CS-1"));
    store.insert_station(&station("CS-1")).await.unwrap();
    assert_eq!(store.station_tariffs(&tenant, &id).await.unwrap(), None);
    store.put_off_station_tariffs(&tenant, &id, at(5)).await.unwrap();
    assert_eq!(store.station_tariffs(&tenant, &id).await.unwrap(), None);
    let nothing = StationTariffs { told: Told::default(), booted_at: None, ..told("CS-1", 2, 1) };
    for kept in [nothing, told("CS-1", 1, 0)] {
        store.put_station_tariffs(&kept).await.unwrap();
        assert_eq!(store.station_tariffs(&tenant, &id).await.unwrap(), Some(kept));
    }
    store.put_off_station_tariffs(&tenant, &id, at(5)).await.unwrap();
    assert_eq!(
        store.station_tariffs(&tenant, &id).await.unwrap(),
        Some(told("CS-1", 5, 0)),
        "only due_at moves"
    );
    assert_eq!(store.station_tariffs(&other_tenant(), &id).await.unwrap(), None);
    assert!(store.delete_station(&tenant, &id).await.unwrap());
    assert_eq!(store.station_tariffs(&tenant, &id).await.unwrap(), None);
}

async fn a_station_is_due_when_its_time_has_come_or_it_started_anew(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    let due = async |now: Timestamp, most: u32| {
        let due = store.due_station_tariffs(&tenant, now, most).await.unwrap();
        due.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let boot = async |id: &str, millis: i64| {
        store.append(&[fact(id, millis, DomainEvent::StationBooted(Boot::default()))]).await.unwrap();
    };
    for (id, version) in [("CS-1", "ocpp2.1"), ("CS-2", "ocpp2.1"), ("CS-3", "ocpp2.0.1")] {
        store.insert_station(&station(id)).await.unwrap();
        let connected =
            DomainEvent::StationConnected { ocpp_version: version.into(), epoch: Epoch(0), node: None };
        store.append(&[fact(id, 0, connected)]).await.unwrap();
        assert!(!due(at(100), 10).await.contains(&id.to_owned()), "not booted");
        boot(id, 1).await;
    }
    assert_eq!(due(at(100), 10).await, ["CS-1", "CS-2"]);
    assert_eq!(due(at(100), 1).await, ["CS-1"]);
    store.put_station_tariffs(&told("CS-1", 50, 1)).await.unwrap();
    assert_eq!(due(at(49), 10).await, ["CS-2"]);
    assert_eq!(due(at(50), 10).await, ["CS-2", "CS-1"], "never looked at comes first");
    store.put_station_tariffs(&told("CS-2", 40, 1)).await.unwrap();
    assert_eq!(due(at(50), 10).await, ["CS-2", "CS-1"], "the one that waits longest first");
    store.put_station_tariffs(&told("CS-2", 90, 1)).await.unwrap();
    assert_eq!(due(at(49), 10).await, Vec::<String>::new());
    boot("CS-2", 3).await;
    assert_eq!(due(at(49), 10).await, ["CS-2"], "started anew, though it was looked at later");
    assert_eq!(due(at(50), 10).await, ["CS-2", "CS-1"], "started anew comes first");
    store.put_station_tariffs(&StationTariffs { booted_at: None, ..told("CS-2", 90, 1) }).await.unwrap();
    assert_eq!(due(at(49), 10).await, ["CS-2"], "looked at before it started");
}
