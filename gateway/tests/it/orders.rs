//! Orders of operators: they reach stations of every version in its own words, and each ends exactly once, with an outcome that says
//! whether the station can have seen it.
//!
//! Every call that a station gets here is held to the official schema by the rig.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod outcomes;
mod typed;

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::rig::api::Api;
use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::within;

const PROTOCOLS: [&str; 3] = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"];

/// A registered and booted station of each protocol.
async fn stations(node: &Node) -> Vec<(String, Station)> {
    let mut stations = Vec::new();
    for protocol in PROTOCOLS {
        let identity = format!("CS-{protocol}");
        node.api().register(&identity).await;
        let station = Station::booted(&node.addresses, &identity, protocol).await;
        stations.push((identity, station));
    }
    stations
}

/// Gives an order on a task of its own: the station must answer while the API waits.
fn give(api: &Api, station: &str, command: &Value) -> JoinHandle<Value> {
    give_within(api, station, command, 30)
}

fn give_within(api: &Api, station: &str, command: &Value, deadline_s: u32) -> JoinHandle<Value> {
    let (api, station, command) = (api.clone(), station.to_owned(), command.clone());
    tokio::spawn(async move { api.command_within(&station, &command, deadline_s).await })
}

async fn ended(order: JoinHandle<Value>) -> Value {
    within("the end of an order", order).await.unwrap()
}
