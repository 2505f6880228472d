//! A station that accepts limits and draws what it likes: it is seen, the rest of the site gives way, and a person says when it is mended.

use serde_json::{Value, json};

use super::node;
use super::obedient::Obedient;
use crate::rig::eventually;

/// 32 A on three lines.
const ALL_W: u32 = 22_080;
/// 16 A.
const HALF_W: u32 = 11_040;

#[tokio::test]
async fn a_deaf_station_counts_with_all_it_can_draw_until_it_is_mended() {
    // All that the EVSE can draw fits; the operator allows half of it.
    let mut node = node(1, 63_000).await;
    node.expect_complaint("load");
    let api = node.api();
    let limit = json!({"source": "contract", "line_ma": [16_000, 16_000, 16_000]});
    api.change("PUT", "/locations/depot/circuits/grid/limits", &json!({"limits": [limit]})).await;

    let mut station = Obedient::booted(&node, "CS-00").await;
    station.start().await;
    assert!((station.next_limit().await - 16.0).abs() < 0.01);
    assert_eq!(station.how, "Absolute", "2.0.1 has no dynamic profiles");
    let stands = async || node.api().get("/locations/depot/load").await["evses"][0].clone();
    eventually!("its ceiling is what it was told", {
        // It obeys while it waits for an answer.
        station.call("Heartbeat", &json!({})).await;
        (stands().await["ceiling_ma"] == 16_000).then_some(())
    });
    // What it keeps to is no reason to doubt it.
    station.draws(1, (1_000, HALF_W)).await;
    station.draws(2, (1_100, HALF_W)).await;
    assert_eq!(stands().await["deaf"], false);
    let (mut seq, mut register) = (2, 1_100);
    let seen: Value = eventually!("it is seen", {
        (seq, register) = (seq + 1, register + 100);
        station.draws(seq, (register, ALL_W)).await;
        let seen = stands().await;
        (seen["deaf"] == true).then_some(seen)
    });
    assert_eq!(seen["ceiling_ma"], 32_000);
    let load = api.get("/locations/depot/load").await;
    assert_eq!(load["alarms"][0]["alarm"], "deaf", "{load}");
    eventually!("SREs see it", {
        let page = node.metrics().await;
        (page.sum("ringmain_site_evses_deaf", &[]) > 0.5).then_some(())
    });
    // It stays so however little it draws, until a person has looked at it.
    station.draws(seq + 1, (register + 100, HALF_W)).await;
    assert_eq!(stands().await["deaf"], true);
    let mended = json!({"charging_station_id": "CS-00", "evse_id": 1, "note": "new firmware"});
    assert_eq!(api.send("POST", "/locations/depot/load/mendings", &[], Some(&mended)).await.status, 202);
    eventually!("it is believed again", {
        station.call("Heartbeat", &json!({})).await;
        let stands = stands().await;
        (stands["deaf"] == false && stands["ceiling_ma"] == 16_000).then_some(())
    });
    station.station.close().await;
    node.stop().await;
}
