//! Two sockets of one identity at two nodes: which stays, and that the end of the old one takes nothing from the new one.

use std::net::Ipv4Addr;

use serde_json::json;

use super::{booted, order, order_unheard, with_cluster};
use crate::rig::station::{Introduction, Station, password_of};
use crate::rig::{eventually, within};

/// The bug that well-known systems have: an old socket's close deletes the route of the new one (reliability.md 0.7).
#[tokio::test]
async fn old_socket_close_keeps_the_new_route() {
    let (cluster, redis) = with_cluster!(3, &[]);
    cluster.api(0).register("CS-1").await;
    let mut old = booted(&cluster.nodes[0], "CS-1").await;
    let old_route = redis.route("CS-1");
    // The station comes back from where it was, at another node, while its old socket still stands.
    let mut new = Station::connect(&cluster.nodes[1].addresses, "CS-1", "ocpp2.0.1").await;
    assert_eq!(old.closed().await, Some(1008), "superseded");
    let new_route = redis.route("CS-1");
    assert_ne!(old_route, new_route);
    assert_eq!(order(&cluster.api(2), &mut new, "CS-1").await["outcome"], "accepted");
    assert_eq!(redis.route("CS-1"), new_route, "the old socket's end kept it");
    let station = cluster.api(2).station("CS-1").await;
    assert_eq!(station["online"], true, "{station}");
    new.close().await;
    eventually!("the route to go with its own socket", redis.route("CS-1").is_empty().then_some(()));
    eventually!("the station to be offline", {
        (cluster.api(2).station("CS-1").await["online"] == false).then_some(())
    });
}

/// Each node numbers connections as they come, not out of a block it took earlier: the newest socket of a station has the highest number,
/// whichever way the station goes.
#[tokio::test]
async fn a_station_may_come_back_to_a_node_that_numbered_others_before() {
    let (cluster, redis) = with_cluster!(2, &[]);
    for identity in ["CS-1", "CS-2"] {
        cluster.api(0).register(identity).await;
    }
    let _first = booted(&cluster.nodes[0], "CS-1").await;
    let mut old = booted(&cluster.nodes[1], "CS-2").await;
    let route = redis.route("CS-2");
    let mut new = Station::connect(&cluster.nodes[0].addresses, "CS-2", "ocpp2.0.1").await;
    assert_eq!(old.closed().await, Some(1008), "superseded");
    assert_ne!(redis.route("CS-2"), route);
    assert_eq!(order(&cluster.api(1), &mut new, "CS-2").await["outcome"], "accepted");
}

#[tokio::test]
async fn a_living_socket_at_another_node_keeps_its_place() {
    let (mut cluster, _redis) = with_cluster!(2, &[]);
    for node in &mut cluster.nodes {
        node.expect_complaint("a second living socket of one station is refused");
    }
    cluster.api(0).register("CS-1").await;
    let mut old = booted(&cluster.nodes[0], "CS-1").await;
    let password = password_of("CS-1");
    let elsewhere = Introduction {
        source: Ipv4Addr::new(127, 0, 0, 9),
        ..Introduction::of("CS-1", "ocpp2.0.1", &password)
    };
    // The old one is asked for a sign of life and gives one.
    let (refused, ()) = tokio::join!(Station::introduce(&cluster.nodes[1].addresses, &elsewhere), async {
        old.pinged().await;
    });
    assert_eq!(refused.err(), Some(409));
    old.is_well().await;
    assert_eq!(order(&cluster.api(1), &mut old, "CS-1").await["outcome"], "accepted");
    // One that gives none loses it: nobody reads the old socket any more.
    let mut new = Station::introduce(&cluster.nodes[1].addresses, &elsewhere).await.unwrap();
    assert_eq!(order(&cluster.api(0), &mut new, "CS-1").await["outcome"], "accepted");
    drop(old);
    assert_eq!(order(&cluster.api(0), &mut new, "CS-1").await["outcome"], "accepted");
}

#[tokio::test]
async fn a_node_that_leaves_hands_its_stations_on() {
    let (mut cluster, redis) = with_cluster!(2, &[]);
    cluster.api(0).register("CS-1").await;
    let mut station = booted(&cluster.nodes[0], "CS-1").await;
    let leaving = cluster.nodes[0].stop();
    let (closed, ()) = tokio::join!(station.closed(), leaving);
    assert_eq!(closed, Some(1012));
    assert_eq!(redis.route("CS-1"), "");
    let seen = cluster.seen_by(1).await;
    assert_eq!(seen.len(), 1, "it said that it left: {seen:?}");
    assert_eq!(order_unheard(&cluster.api(1), "CS-1").await["outcome"], "offline", "it said goodbye");
    let mut station = Station::connect(&cluster.nodes[1].addresses, "CS-1", "ocpp2.0.1").await;
    station.call("Heartbeat", &json!({})).await;
    assert_eq!(order(&cluster.api(1), &mut station, "CS-1").await["outcome"], "accepted");
}

/// A call that the station is about to answer is waited for; one that was not written yet comes back as not delivered.
#[tokio::test]
async fn a_node_that_leaves_lets_calls_under_way_end() {
    let (mut cluster, _redis) = with_cluster!(2, &[]);
    cluster.api(0).register("CS-1").await;
    let mut station = booted(&cluster.nodes[0], "CS-1").await;
    let api = cluster.api(1);
    let heartbeat = json!({"command": "trigger", "message": "heartbeat"});
    let give = || {
        let (api, heartbeat) = (api.clone(), heartbeat.clone());
        tokio::spawn(async move { api.command("CS-1", &heartbeat).await })
    };
    let first = give();
    let (id, _) = station.ordered("TriggerMessage").await;
    let second = give();
    let leaving = cluster.nodes[0].stop();
    let answering = async {
        // One call at a time is written, so this one ends without an answer: when the node has begun to leave.
        let second = second.await.unwrap();
        assert!(matches!(second["outcome"].as_str(), Some("draining" | "offline")), "{second}");
        station.answer(&id, &json!({"status": "Accepted"})).await;
        let first = first.await.unwrap();
        assert_eq!(first["outcome"], "accepted", "{first}");
        assert_eq!(station.closed().await, Some(1012));
    };
    tokio::join!(leaving, answering);
}

/// It had passed the door when the node began to leave, and came in when all that were there had been told.
#[tokio::test]
async fn a_station_that_comes_in_while_its_node_leaves_is_told_to_go() {
    let (mut cluster, _redis) = with_cluster!(2, &[]);
    for identity in ["CS-1", "CS-2"] {
        cluster.api(0).register(identity).await;
    }
    let mut first = booted(&cluster.nodes[0], "CS-1").await;
    let (addresses, api) = (cluster.nodes[0].addresses.clone(), cluster.api(1));
    let trigger = json!({"command": "trigger", "message": "heartbeat"});
    let under_way = {
        let (api, trigger) = (api.clone(), trigger.clone());
        tokio::spawn(async move { api.command("CS-1", &trigger).await })
    };
    let (id, _) = first.ordered("TriggerMessage").await;
    // Answered as soon as its connection has it.
    let path = "/charging-stations/CS-1/commands?deadline_s=60&wait_s=0";
    let waiting = cluster.api(0).change("POST", path, &trigger).await;
    let waiting = format!("/commands/{}", waiting["id"].as_str().unwrap());
    // The last thing that is read for a connection.
    let held = cluster.store.hold_table("site_accounts", "ACCESS EXCLUSIVE").await;
    let second = tokio::spawn(async move { Station::connect(&addresses, "CS-2", "ocpp2.0.1").await });
    held.is_waited_for("max(seq)").await;
    let leaving = cluster.nodes[0].stop();
    let meanwhile = async {
        // This one comes back when its connection was told to go: so was everybody who was there.
        let outcome = eventually!("the order to be given back", {
            api.get(&waiting).await["outcome"].as_str().map(str::to_owned)
        });
        assert_eq!(outcome, "draining");
        held.end().await;
        let mut second = within("the second one", second).await.unwrap();
        assert_eq!(second.closed().await, Some(1012), "it goes while the first one is still waited for");
        first.answer(&id, &json!({"status": "Accepted"})).await;
        assert_eq!(under_way.await.unwrap()["outcome"], "accepted");
        assert_eq!(first.closed().await, Some(1012));
    };
    tokio::join!(leaving, meanwhile);
}
