//! Trees of circuits: kept whole, gone with their location.

use ringmain_domain::id::{CircuitId, EvseId};
use ringmain_domain::load::tree::{Circuit, Connection, Evse, EvseKey, Line, Output, SiteTree};
use ringmain_domain::unit::Milliamps;

use crate::make::{at, location, location_id, other_tenant, station_id, tenant};
use crate::rig::Rig;

on_both_engines!(a_tree_is_kept_replaced_and_removed, a_tree_needs_its_location_and_goes_with_it);

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
