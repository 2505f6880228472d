//! Figures at a glance.

use ringmain_domain::event::DomainEvent;
use ringmain_domain::id::Epoch;
use ringmain_domain::location::{ConnectorStatus, OperatorState};
use ringmain_domain::reply::Registration;
use ringmain_domain::report::ChargingState;
use ringmain_store::overview::Overview;

use crate::make::{
    MINUTE, at, fact, location, location_id, message, other_tenant, station, status, tenant,
    whole_transaction,
};
use crate::rig::Rig;

on_both_engines!(nothing_is_counted_as_nothing, everything_is_counted_once);

async fn nothing_is_counted_as_nothing(rig: &Rig) {
    let overview = rig.store.overview(&tenant(), at(1), at(0)).await.unwrap();
    assert_eq!(overview, Overview::default());
}

fn connected(station: &str) -> ringmain_domain::event::Fact {
    fact(
        station,
        0,
        DomainEvent::StationConnected { ocpp_version: "ocpp2.0.1".into(), epoch: Epoch(0), node: None },
    )
}

/// The count of a state.
fn count(connectors: [u64; 6], state: OperatorState) -> u64 {
    connectors[OperatorState::ALL.iter().position(|s| *s == state).unwrap()]
}

async fn everything_is_counted_once(rig: &Rig) {
    use ConnectorStatus::{Available, Faulted, Occupied};
    let store = &rig.store;
    store.put_location(&location("L1")).await.unwrap();
    store.put_location(&location("L2")).await.unwrap();
    for (id, place, registration, maintenance) in [
        ("CS-1", Some("L1"), Registration::Accepted, false),
        ("CS-2", Some("L1"), Registration::Accepted, false),
        ("CS-3", None, Registration::Pending, false),
        ("CS-4", None, Registration::Accepted, true),
    ] {
        let mut one = station(id);
        one.location_id = place.map(location_id);
        one.registration = registration;
        one.maintenance = maintenance;
        store.insert_station(&one).await.unwrap();
    }
    let mut foreign = station("CS-9");
    foreign.tenant = other_tenant();
    store.insert_station(&foreign).await.unwrap();
    let mut facts = vec![connected("CS-1"), connected("CS-3"), connected("CS-4")];
    for (id, evse, connector, now) in [
        ("CS-1", 0, 0, Available),
        ("CS-1", 1, 0, Available),
        ("CS-1", 1, 1, Occupied),
        ("CS-1", 2, 1, Available),
        ("CS-1", 3, 1, Faulted),
        ("CS-2", 1, 1, Available),
        ("CS-3", 1, 1, Occupied),
        ("CS-4", 1, 1, Available),
    ] {
        facts.push(status(id, 0, evse, connector, now));
    }
    facts.push(message("CS-1", "now", 0, 70 * MINUTE).state(ChargingState::Charging).fact());
    facts.push(message("CS-3", "too", 0, 70 * MINUTE).state(ChargingState::EvConnected).fact());
    facts.extend(whole_transaction("CS-2", "done"));
    store.append(&facts).await.unwrap();

    let all = store.overview(&tenant(), at(100 * MINUTE), at(0)).await.unwrap();
    assert_eq!((all.stations, all.online, all.quarantined), (4, 3, 1));
    assert_eq!((all.sessions_active, all.sessions_today, all.energy_today_wh), (2, 3, 10_000));
    let expect = [
        (OperatorState::Available, 1),
        (OperatorState::Occupied, 1),
        (OperatorState::Charging, 1),
        (OperatorState::Offline, 1),
        (OperatorState::Faulted, 1),
        (OperatorState::Maintenance, 1),
    ];
    for (state, number) in expect {
        assert_eq!(count(all.connectors, state), number, "{state:?}");
    }
    assert_eq!(all.locations.len(), 2);
    let here = &all.locations[0];
    assert_eq!(
        (&here.location, here.stations, here.online, here.sessions_active),
        (&location("L1"), 2, 1, 1)
    );
    assert_eq!(here.connectors.iter().sum::<u64>(), 4);
    let empty = &all.locations[1];
    assert_eq!((empty.stations, empty.connectors), (0, [0; 6]));
    // The day ends before some of it, or begins after.
    let evening = store.overview(&tenant(), at(100 * MINUTE), at(MINUTE)).await.unwrap();
    assert_eq!((evening.sessions_today, evening.energy_today_wh), (2, 0));
    let morning = store.overview(&tenant(), at(MINUTE), at(0)).await.unwrap();
    assert_eq!((morning.sessions_today, morning.energy_today_wh, morning.sessions_active), (1, 10_000, 2));
    let theirs = store.overview(&other_tenant(), at(100 * MINUTE), at(0)).await.unwrap();
    assert_eq!(theirs, Overview { stations: 1, ..Overview::default() });
}
