//! A station of 2.1 that takes updates of its profile, over a real socket.

use serde_json::json;

use super::node;
use super::obedient::Obedient;

#[tokio::test]
async fn a_station_that_takes_updates_gets_a_new_limit_for_the_profile_it_has() {
    let mut node = node(1, 63_000).await;
    let api = node.api();

    let mut station = Obedient::booted_as(&node, "CS-00", "ocpp2.1").await;
    station.start().await;
    assert!((station.next_limit().await - 32.0).abs() < 0.01);
    let limited = |line_ma: u32| {
        let limit = json!({"source": "contract", "line_ma": [line_ma, line_ma, line_ma]});
        json!({ "limits": [limit] })
    };
    // The first profile may have gone before the station said that it takes updates: the next change at the latest makes it a dynamic one.
    for (line_ma, amperes) in [(24_000, 24.0), (20_000, 20.0), (16_500, 16.5)] {
        api.change("PUT", "/locations/depot/circuits/grid/limits", &limited(line_ma)).await;
        while (station.next_limit().await - amperes).abs() > 0.01 {}
    }
    let update = json!({"chargingProfileId": 20_000_001, "scheduleUpdate": {"limit": 16.5, "limit_L2": 16.5, "limit_L3": 16.5}});
    assert_eq!(station.how, update);
    // It leaves with a grant above what the circuit has left for it: that is told.
    node.expect_complaint("load");
    station.station.close().await;
    node.stop().await;
}
