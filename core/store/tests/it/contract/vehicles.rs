//! Vehicles: found by their tokens, each of which is one vehicle's.

use ringmain_domain::id::{TokenUid, VehicleId};
use ringmain_domain::vehicle::Vehicle;
use ringmain_store::page::PageRequest;
use ringmain_store::store::StoreError;

use crate::make::{at, other_tenant, tenant};
use crate::rig::Rig;

on_both_engines!(a_vehicle_is_found_by_any_of_its_tokens, a_token_is_one_vehicles, vehicles_are_listed_by_id);

fn uid(text: &str) -> TokenUid {
    TokenUid::new(text).unwrap()
}

fn vehicle(id: &str, tokens: &[&str]) -> Vehicle {
    Vehicle {
        tenant: tenant(),
        id: VehicleId::new(id).unwrap(),
        name: id.into(),
        fleet: None,
        tokens: tokens.iter().map(|token| uid(token)).collect(),
        weight_permille: None,
        schedule: Vec::new(),
        updated_at: at(1),
    }
}

async fn a_vehicle_is_found_by_any_of_its_tokens(rig: &Rig) {
    let (store, bus) = (&rig.store, vehicle("bus", &["CARD", "MAC1"]));
    store.put_vehicle(&bus).await.unwrap();
    for token in ["CARD", "mac1"] {
        assert_eq!(store.vehicle_of(&tenant(), &uid(token)).await.unwrap().as_ref(), Some(&bus));
    }
    assert_eq!(store.vehicle_of(&other_tenant(), &uid("CARD")).await.unwrap(), None);
    let changed = vehicle("bus", &["CARD"]);
    store.put_vehicle(&changed).await.unwrap();
    assert_eq!(store.vehicle_of(&tenant(), &uid("MAC1")).await.unwrap(), None, "it is known by it no more");
    assert_eq!(store.vehicle(&tenant(), &bus.id).await.unwrap(), Some(changed));
    assert!(!store.delete_vehicle(&other_tenant(), &bus.id).await.unwrap());
    assert!(store.delete_vehicle(&tenant(), &bus.id).await.unwrap());
    assert!(!store.delete_vehicle(&tenant(), &bus.id).await.unwrap());
    assert_eq!(store.vehicle_of(&tenant(), &uid("CARD")).await.unwrap(), None);
}

async fn a_token_is_one_vehicles(rig: &Rig) {
    let store = &rig.store;
    store.put_vehicle(&vehicle("bus", &["CARD"])).await.unwrap();
    let thief = vehicle("van", &["OTHER", "CARD"]);
    let refused = store.put_vehicle(&thief).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(store.vehicle(&tenant(), &thief.id).await.unwrap(), None, "nothing of it is kept");
    assert_eq!(store.vehicle_of(&tenant(), &uid("OTHER")).await.unwrap(), None);
}

async fn vehicles_are_listed_by_id(rig: &Rig) {
    let store = &rig.store;
    for id in ["c", "a", "b"] {
        store.put_vehicle(&vehicle(id, &[])).await.unwrap();
    }
    let first = store.vehicles(&tenant(), &PageRequest::first(2)).await.unwrap();
    let ids: Vec<_> = first.items.iter().map(|vehicle| vehicle.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(first.next.is_some());
    assert_eq!(store.vehicles(&other_tenant(), &PageRequest::first(2)).await.unwrap().items, []);
}
