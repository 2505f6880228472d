//! Trees of circuits: kept whole, gone with their location.

use ringmain_domain::id::{CircuitId, EvseId};
use ringmain_domain::load::supply::Signal;
use ringmain_domain::load::tree::{Circuit, Connection, Evse, EvseKey, Limit, Line, Output, SiteTree};
use ringmain_domain::unit::{Milliamps, Watts};

use crate::make::{at, location, location_id, other_tenant, station_id, tenant};
use crate::rig::Rig;

on_both_engines!(
    a_tree_is_kept_replaced_and_removed,
    a_tree_needs_its_location_and_goes_with_it,
    limits_from_outside_are_kept_by_circuit_and_go_with_their_location,
);

/// A grid connection of so many amperes with one EVSE.
fn tree(amps: i64) -> SiteTree {
    let grid = CircuitId::new("grid").unwrap();
    let evse = Evse {
        key: EvseKey { station: station_id("CS-1"), evse: EvseId(1) },
        circuit: grid.clone(),
        voltage_v: 230,
        lines: vec![Line::L2, Line::L3, Line::L1],
        connection: Connection::Neutral,
        output: Output::Dc { efficiency_permille: 950 },
        min_ma: Milliamps(6_000),
        max_ma: Milliamps(16_000),
        step_ma: Milliamps(100),
        can_switch_phases: false,
        rated_ma: Milliamps(32_000),
        fallback_ma: Milliamps(6_000),
    };
    SiteTree::new(vec![Circuit::new(grid, None, [Milliamps(amps * 1_000); 3])], vec![evse]).unwrap()
}

async fn a_tree_is_kept_replaced_and_removed(rig: &Rig) {
    let (store, place) = (&rig.store, location_id("depot"));
    store.put_location(&location("depot")).await.unwrap();
    assert_eq!(store.site_tree(&tenant(), &place).await.unwrap(), None);
    for (amps, millis) in [(63, 1), (32, 2)] {
        assert!(store.put_site_tree(&tenant(), &place, &tree(amps), at(millis)).await.unwrap());
        let kept = store.site_tree(&tenant(), &place).await.unwrap().unwrap();
        assert_eq!((kept.tree, kept.updated_at), (tree(amps), at(millis)));
    }
    assert_eq!(store.site_tree(&other_tenant(), &place).await.unwrap(), None);
    assert!(!store.delete_site_tree(&other_tenant(), &place).await.unwrap());
    assert!(store.delete_site_tree(&tenant(), &place).await.unwrap());
    assert!(!store.delete_site_tree(&tenant(), &place).await.unwrap());
}

async fn a_tree_needs_its_location_and_goes_with_it(rig: &Rig) {
    let (store, place) = (&rig.store, location_id("depot"));
    assert!(!store.put_site_tree(&tenant(), &place, &tree(63), at(0)).await.unwrap());
    store.put_location(&location("depot")).await.unwrap();
    assert!(store.put_site_tree(&tenant(), &place, &tree(63), at(0)).await.unwrap());
    assert!(store.delete_location(&tenant(), &place).await.unwrap());
    assert_eq!(store.site_tree(&tenant(), &place).await.unwrap(), None);
    store.put_location(&location("depot")).await.unwrap();
    assert_eq!(store.site_tree(&tenant(), &place).await.unwrap(), None, "another one under its id has none");
}

async fn limits_from_outside_are_kept_by_circuit_and_go_with_their_location(rig: &Rig) {
    let (store, tenant, place) = (&rig.store, tenant(), location_id("depot"));
    let circuit = |id: &str| CircuitId::new(id).unwrap();
    let signal = |source: &str| Signal {
        source: source.into(),
        from: at(1),
        until: Some(at(2)),
        limit: Limit { line_ma: None, power_w: Some(Watts(1_000)) },
    };
    let put = async |id: &str, signals: &[Signal]| {
        store.put_site_signals(&tenant, &place, &circuit(id), signals).await.unwrap()
    };
    assert!(!put("grid", &[signal("grid operator")]).await, "there is no such location");
    store.put_location(&location("depot")).await.unwrap();
    assert!(put("grid", &[signal("grid operator"), signal("contract")]).await);
    assert!(put("panel", &[signal("operator")]).await);
    assert!(put("panel", &[]).await);
    let kept = store.site_signals(&tenant, &place).await.unwrap();
    assert_eq!(kept[&circuit("grid")], [signal("grid operator"), signal("contract")]);
    assert_eq!(kept[&circuit("panel")], []);
    assert!(store.site_signals(&other_tenant(), &place).await.unwrap().is_empty());
    assert!(store.delete_location(&tenant, &place).await.unwrap());
    assert!(store.site_signals(&tenant, &place).await.unwrap().is_empty());
}
