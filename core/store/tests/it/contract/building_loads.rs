//! Highest loads of buildings: never lowered, a day of them, gone with their location.

use ringmain_domain::id::CircuitId;
use ringmain_domain::load::highs::Highs;
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

use crate::make::{T0, at, location, location_id, other_tenant, tenant};
use crate::rig::Rig;

on_both_engines!(
    a_high_is_raised_by_line_and_never_lowered,
    two_writers_keep_the_larger_of_both,
    a_circuit_keeps_the_day_up_to_its_newest_hour,
    highs_need_their_location_and_go_with_it,
);

const HOUR_MS: i64 = 3_600_000;

fn hour(hours: i64) -> Timestamp {
    at(hours * HOUR_MS)
}

/// Highs by circuit and hour, in mA.
fn highs(told: &[(&str, i64, [i64; 3])]) -> Highs {
    let mut highs = Highs::default();
    for (circuit, hours, line_ma) in told {
        highs.add(CircuitId::new(circuit).unwrap(), hour(*hours), line_ma.map(Milliamps));
    }
    highs
}

async fn depot(rig: &Rig) {
    assert_eq!(T0 % HOUR_MS, 0, "an hour begins");
    rig.store.put_location(&location("depot")).await.unwrap();
}

async fn raise(rig: &Rig, told: &[(&str, i64, [i64; 3])]) -> bool {
    rig.store.raise_building_loads(&tenant(), &location_id("depot"), &highs(told)).await.unwrap()
}

async fn kept(rig: &Rig) -> Highs {
    rig.store.building_loads(&tenant(), &location_id("depot")).await.unwrap()
}

async fn a_high_is_raised_by_line_and_never_lowered(rig: &Rig) {
    depot(rig).await;
    assert_eq!(kept(rig).await, Highs::default());
    assert!(raise(rig, &[]).await);
    assert!(raise(rig, &[("grid", 0, [30_000, 5_000, 7_000]), ("panel", 0, [1_000, 0, 0])]).await);
    assert!(raise(rig, &[("grid", 0, [20_000, 9_000, 7_000]), ("grid", 1, [2_000, 2_000, 2_000])]).await);
    // Again, as after a commit of which nobody knows.
    assert!(raise(rig, &[("grid", 0, [20_000, 9_000, 7_000])]).await);
    let all = [
        ("grid", 0, [30_000, 9_000, 7_000]),
        ("grid", 1, [2_000, 2_000, 2_000]),
        ("panel", 0, [1_000, 0, 0]),
    ];
    assert_eq!(kept(rig).await, highs(&all));
    let theirs = rig.store.building_loads(&other_tenant(), &location_id("depot")).await.unwrap();
    assert!(theirs.is_empty(), "another tenant's");
    let elsewhere = rig.store.building_loads(&tenant(), &location_id("yard")).await.unwrap();
    assert!(elsewhere.is_empty(), "another location's");
}

async fn two_writers_keep_the_larger_of_both(rig: &Rig) {
    depot(rig).await;
    let rivals = (0..8_i64).map(|number| {
        let store = rig.store.clone();
        let told = [("grid", 0, [number * 1_000, 7_000 - number * 1_000, 0]), ("panel", number, [1, 2, 3])];
        let told = highs(&told);
        tokio::spawn(async move {
            store.raise_building_loads(&tenant(), &location_id("depot"), &told).await.unwrap()
        })
    });
    for rival in rivals.collect::<Vec<_>>() {
        assert!(rival.await.unwrap());
    }
    let mut all = highs(&[("grid", 0, [7_000, 7_000, 0])]);
    (0..8).for_each(|number| all.merge(highs(&[("panel", number, [1, 2, 3])])));
    assert_eq!(kept(rig).await, all);
}

async fn a_circuit_keeps_the_day_up_to_its_newest_hour(rig: &Rig) {
    depot(rig).await;
    let line_ma = [1_000; 3];
    let day: Vec<_> = (0..24).map(|hours| ("grid", hours, line_ma)).collect();
    // The panel's meter falls silent with the first hour.
    assert!(raise(rig, &[("panel", 0, line_ma)]).await);
    assert!(raise(rig, &day).await);
    assert_eq!(rig.count("building_loads").await, 25);
    assert!(raise(rig, &[("grid", 24, line_ma)]).await);
    let mut rest = highs(&day[1..]);
    rest.merge(highs(&[("grid", 24, line_ma), ("panel", 0, line_ma)]));
    assert_eq!(kept(rig).await, rest, "hour 0 of the grid is over, the last of the panel is not");
    // A late one drops nothing that is newer.
    assert!(raise(rig, &[("grid", 2, [2_000; 3])]).await);
    rest.merge(highs(&[("grid", 2, [2_000; 3])]));
    assert_eq!(kept(rig).await, rest);
    assert!(raise(rig, &[("grid", 100, line_ma)]).await);
    assert_eq!(kept(rig).await, highs(&[("grid", 100, line_ma), ("panel", 0, line_ma)]));
    assert_eq!(rig.count("building_loads").await, 2);
}

async fn highs_need_their_location_and_go_with_it(rig: &Rig) {
    let told = [("grid", 0, [30_000; 3])];
    assert!(!raise(rig, &told).await, "there is no such location");
    assert_eq!(rig.count("building_loads").await, 0);
    depot(rig).await;
    assert!(raise(rig, &told).await);
    assert!(rig.store.delete_location(&tenant(), &location_id("depot")).await.unwrap());
    assert_eq!(rig.count("building_loads").await, 0);
}
