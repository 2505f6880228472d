//! Public data through the whole node: off unless it is switched on, and then what a station says is read by anyone.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use serde_json::{Value, json};

use crate::rig::eventually;
use crate::rig::http;
use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;

const STATUS: &str = "/public/datex2/v3.7/energy-infrastructure-status";
const SETTINGS: [(&str, &str); 8] = [
    ("ROAMING__COUNTRY_CODE", "NL"),
    ("ROAMING__PARTY_ID", "RMN"),
    ("ROAMING__COMPANY", "Ringmain Test"),
    ("ROAMING__VERSIONS_URL", "https://cpo.example.com/ocpi/versions"),
    ("ROAMING__PUBLIC_DATA__ENABLED", "true"),
    ("ROAMING__PUBLIC_DATA__LICENCE", "CC0"),
    ("ROAMING__PUBLIC_DATA__CACHE_S", "1"),
    ("ROAMING__PUBLIC_DATA__REQUESTS_PER_MIN", "60000"),
];

async fn get(node: &Node, path: &str) -> (u16, String) {
    let answer = http::request(node.addresses.http, "GET", path, &[], None).await.unwrap();
    (answer.status, answer.body)
}

#[actix_web::test]
async fn public_data_is_off_unless_it_is_switched_on() {
    let node = Node::start_with(TestStore::sqlite(), &[]).await;
    for path in ["/public", "/public/ocpi/2.2.1/locations", STATUS] {
        assert_eq!(get(&node, path).await.0, 404, "{path}");
    }
}

#[actix_web::test]
async fn what_a_station_says_is_read_by_anyone() {
    let node = Node::start_with(TestStore::sqlite(), &SETTINGS).await;
    let api = node.api();
    let made = json!({"connector_id": 1, "plug": "ccs2", "has_cable": true, "current": "dc", "max_voltage_v": 920,
        "max_current_a": 500});
    api.publish("CS-1", made).await;
    let (_, index) = get(&node, "/public").await;
    let index: Value = serde_json::from_str(&index).unwrap();
    assert_eq!(
        (&index["licence"]["text"], &index["publisher"]["name"]),
        (&json!("CC0"), &json!("Ringmain Test"))
    );
    assert_eq!(index["feeds"][0]["url"], "https://cpo.example.com/public/ocpi/2.2.1/locations");
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    for state in ["Available", "Occupied"] {
        let status = json!({
            "timestamp": "2026-03-01T08:00:00Z", "connectorStatus": state, "evseId": 1, "connectorId": 1,
        });
        station.call("StatusNotification", &status).await;
        let word = format!("\"{}\"", state.to_lowercase());
        eventually!("the state is public", get(&node, STATUS).await.1.contains(&word).then_some(()));
    }
    let (http, table) = get(&node, "/public/datex2/v3.7/energy-infrastructure-table").await;
    assert!(http == 200 && table.contains("NL*RMN*E1") && !table.contains("CS-1"), "{table}");
}
