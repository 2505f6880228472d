//! Several nodes over one PostgreSQL: a command given to any of them reaches its station, a newer socket wins wherever it is, and whoever is
//! lost is made good by the others.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod clocks;
mod duplicates;
mod latency;
mod losses;
mod routes;
mod secure_redis;
mod sites;
mod sockets;

use serde_json::{Value, json};

use crate::rig::api::Api;
use crate::rig::node::Node;
use crate::rig::nodes::Nodes;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;
use crate::rig::within;

/// A test over PostgreSQL with a Redis of its own; it says SKIPPED where there is none.
macro_rules! with_cluster {
    ($count:expr, $settings:expr) => {{
        let name = concat!(module_path!(), ":", line!());
        let Some(store) = crate::rig::stores::TestStore::postgres(name).await else { return };
        let Some(redis) = crate::rig::redis::Redis::start(name).await else { return };
        let nodes = crate::rig::nodes::Nodes::start(store, $count, Some(&redis.url()), $settings).await;
        (nodes, redis)
    }};
}
pub(super) use with_cluster;

/// A heartbeat out of turn, ordered through one node and answered by the station wherever it is.
async fn order(api: &Api, station: &mut Station, identity: &str) -> Value {
    let (api, identity) = (api.clone(), identity.to_owned());
    let order = tokio::spawn(async move {
        api.command(&identity, &json!({"command": "trigger", "message": "heartbeat"})).await
    });
    let (id, _) = station.ordered("TriggerMessage").await;
    station.answer(&id, &json!({"status": "Accepted"})).await;
    within("the end of the order", order).await.unwrap()
}

/// An order that must end by itself; nobody answers.
async fn order_unheard(api: &Api, identity: &str) -> Value {
    api.command_within(identity, &json!({"command": "trigger", "message": "heartbeat"}), 5).await
}

async fn booted(node: &Node, identity: &str) -> Station {
    Station::booted(&node.addresses, identity, "ocpp2.0.1").await
}

#[tokio::test]
async fn a_command_given_to_any_node_reaches_its_station() {
    let (mut cluster, redis) = with_cluster!(3, &[]);
    cluster.api(0).register("CS-1").await;
    let mut station = booted(&cluster.nodes[1], "CS-1").await;
    let row = cluster.seen_by(0).await;
    assert_eq!(row.len(), 3, "{row:?}");
    assert!(redis.route("CS-1").ends_with(row[1]["id"].as_str().unwrap()), "{}", redis.route("CS-1"));
    for node in 0..3 {
        let ended = order(&cluster.api(node), &mut station, "CS-1").await;
        assert_eq!(ended["outcome"], "accepted", "through node {node}: {ended}");
    }
    // A change of its record is heard at the other node: an operator blocks it.
    cluster.api(2).change("PATCH", "/charging-stations/CS-1", &json!({"registration": "rejected"})).await;
    assert_eq!(station.closed().await, Some(1008));
    assert_eq!(order_unheard(&cluster.api(2), "CS-1").await["outcome"], "offline");
    for node in &mut cluster.nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn without_redis_all_nodes_are_asked() {
    let name = concat!(module_path!(), "::without_redis_all_nodes_are_asked");
    let Some(store) = TestStore::postgres(name).await else { return };
    let cluster = Nodes::start(store, 3, None, &[]).await;
    cluster.api(0).register("CS-1").await;
    let mut station = booted(&cluster.nodes[2], "CS-1").await;
    for node in 0..3 {
        assert_eq!(order(&cluster.api(node), &mut station, "CS-1").await["outcome"], "accepted");
    }
    station.close().await;
    assert_eq!(order_unheard(&cluster.api(0), "CS-1").await["outcome"], "offline");
}

#[tokio::test]
async fn redis_may_go_and_come_back_empty() {
    let (cluster, mut redis) = with_cluster!(2, &[]);
    cluster.api(0).register("CS-1").await;
    let mut station = booted(&cluster.nodes[1], "CS-1").await;
    let route = redis.route("CS-1");
    redis.kill9();
    assert_eq!(order(&cluster.api(0), &mut station, "CS-1").await["outcome"], "accepted", "all were asked");
    // A station comes while it is away, too.
    cluster.api(0).register("CS-2").await;
    let mut other = booted(&cluster.nodes[0], "CS-2").await;
    redis.restart().await;
    crate::rig::eventually!("routes to be rebuilt", {
        (redis.route("CS-1") == route && !redis.route("CS-2").is_empty()).then_some(())
    });
    assert_eq!(order(&cluster.api(1), &mut other, "CS-2").await["outcome"], "accepted");
    redis.cli(&["FLUSHALL"]);
    crate::rig::eventually!("routes to be rebuilt once more", (redis.route("CS-1") == route).then_some(()));
    station.is_well().await;
}

#[tokio::test]
async fn a_stranger_is_not_heard_by_the_cluster() {
    let (cluster, _redis) = with_cluster!(1, &[]);
    let address = cluster.nodes[0].addresses.cluster.unwrap();
    let folder = cluster.folder();
    let ask = |identity: Option<&str>| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "10", "--insecure", "--request", "POST"]);
        if let Some(identity) = identity {
            curl.arg("--cert").arg(folder.join(identity).join("node.pem"));
            curl.arg("--key").arg(folder.join(identity).join("node.key"));
        }
        let url = format!("https://{address}/cluster/v1/find");
        curl.args(["--data", r#"{"v":1,"stations":[]}"#, &url]).output().unwrap()
    };
    assert!(!ask(None).status.success(), "no certificate");
    let known = ask(Some("node"));
    assert!(known.status.success(), "{}", String::from_utf8_lossy(&known.stderr));
    // A certificate of the same kind from another CA.
    let other = std::process::Command::new(env!("CARGO_BIN_EXE_ringmain"))
        .args(["pki", "node", "--ca"])
        .arg(folder.join("other-ca"))
        .arg("--out")
        .arg(folder.join("other"))
        .output()
        .unwrap();
    assert!(other.status.success());
    assert!(!ask(Some("other")).status.success(), "another cluster's");
}

/// Who watches at one node sees what happens at another, from soon after they began to watch.
#[tokio::test]
async fn what_happens_at_one_node_is_seen_at_the_other() {
    let (cluster, _redis) = with_cluster!(2, &[]);
    cluster.api(0).register("CS-1").await;
    let mut feed = Feed::open(cluster.nodes[0].addresses.http).await;
    let mut station = booted(&cluster.nodes[1], "CS-1").await;
    let mut statuses = ["Occupied", "Available"].into_iter().cycle();
    crate::rig::eventually!("a change at the other node to be seen", {
        let status = statuses.next().unwrap();
        let changed = json!({"timestamp": "2026-03-01T08:00:00Z", "connectorStatus": status, "evseId": 1, "connectorId": 1});
        station.call("StatusNotification", &changed).await;
        feed.hears(r#""event":"connector_state""#).await.then_some(())
    });
}

/// How long the feed is listened to before the next try.
const SOON: std::time::Duration = std::time::Duration::from_millis(500);

/// The live feed of a node, as it comes.
struct Feed {
    socket: tokio::net::TcpStream,
    heard: String,
}

// === impl Feed ===

impl Feed {
    async fn open(address: std::net::SocketAddr) -> Self {
        use tokio::io::AsyncWriteExt as _;
        let mut socket = within("a connection", tokio::net::TcpStream::connect(address)).await.unwrap();
        let token = crate::rig::node::TOKEN;
        let head = format!("GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        within("room to send", socket.write_all(head.as_bytes())).await.unwrap();
        let mut feed = Self { socket, heard: String::new() };
        feed.tells("200 OK").await;
        feed
    }

    /// Does the feed tell this soon?
    async fn hears(&mut self, text: &str) -> bool {
        tokio::time::timeout(SOON, self.tells(text)).await.is_ok()
    }

    async fn tells(&mut self, text: &str) {
        use tokio::io::AsyncReadExt as _;
        while !self.heard.contains(text) {
            let mut chunk = [0; 4096];
            let count = within("the feed", self.socket.read(&mut chunk)).await.unwrap();
            assert!(count > 0, "the feed ended without {text}: {}", self.heard);
            self.heard.push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
    }
}
