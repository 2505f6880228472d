//! EVSEs that leave the tree of their location: their stations lose our profiles, and get them again when the EVSEs come back.

use serde_json::json;

use super::obedient::Obedient;
use super::{evse, node};
use crate::rig::eventually;

const FALLBACK: i64 = 10_000_001;
const GRANT: i64 = 20_000_001;

#[tokio::test]
async fn a_station_is_cleared_when_its_evse_leaves_and_is_told_anew_when_it_comes_back() {
    let mut node = node(1, 20_000).await;
    node.expect_complaint("load");
    let api = node.api();
    let mut station = Obedient::booted(&node, "CS-00").await;
    station.start().await;
    station.until_it_has(&[FALLBACK, GRANT]).await;

    assert_eq!(api.send("DELETE", "/locations/depot/circuits", &[], None).await.status, 204);
    station.until_it_has(&[]).await;

    // What it gets now is newer than all it had, or its connection would hold it back.
    let grid = json!({"id": "grid", "limit": {"line_ma": [16_000, 16_000, 16_000]}});
    let tree = json!({"circuits": [grid], "evses": [evse(0)]});
    api.change("PUT", "/locations/depot/circuits", &tree).await;
    while (station.next_limit().await - 16.0).abs() > 0.01 {}
    station.until_it_has(&[FALLBACK, GRANT]).await;
    station.station.close().await;

    // Offline it keeps them, until it is there again.
    assert_eq!(api.send("DELETE", "/locations/depot/circuits", &[], None).await.status, 204);
    let profiles = station.profiles;
    let mut station = Obedient::booted(&node, "CS-00").await;
    station.profiles = profiles;
    station.until_it_has(&[]).await;
    station.station.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_station_that_moves_is_managed_where_it_stands_without_connecting_again() {
    let mut node = node(1, 20_000).await;
    node.expect_complaint("load");
    let api = node.api();
    let place = json!({"name": "Yard", "address": "1", "city": "B", "country": "DEU", "latitude": "52.5", "longitude": "13.4",
        "time_zone": "Europe/Berlin"});
    api.change("PUT", "/locations/yard", &place).await;
    let mut station = Obedient::booted(&node, "CS-00").await;
    station.start().await;
    while (station.next_limit().await - 20.0).abs() > 0.01 {}

    let tree = |line_ma: u32, evses: &[serde_json::Value]| {
        let grid = json!({"id": "grid", "limit": {"line_ma": [line_ma, line_ma, line_ma]}});
        json!({"circuits": [grid], "evses": evses})
    };
    api.change("PUT", "/locations/depot/circuits", &tree(20_000, &[])).await;
    api.change("PATCH", "/charging-stations/CS-00", &json!({"location_id": "yard"})).await;
    api.change("PUT", "/locations/yard/circuits", &tree(12_000, &[evse(0)])).await;
    while (station.next_limit().await - 12.0).abs() > 0.01 {}
    station.until_it_has(&[FALLBACK, GRANT]).await;
    eventually!("one site alone has its EVSE", {
        let evses = node.metrics().await.sum("ringmain_evses", &[]);
        ((evses - 1.0).abs() < 0.5).then_some(())
    });
    station.station.close().await;
    node.stop().await;
}
