//! A second station under one identity, at any node: refused while the first one lives, told to operators, let in when one says so.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{booted, order, with_cluster};
use crate::rig::eventually;
use crate::rig::nodes::Nodes;
use crate::rig::station::{Introduction, Station, password_of};

const COMPLAINT: &str = "a second living socket of one station is refused";

/// Where the newcomer comes from.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// Knocks at a node from elsewhere while the old one gives a sign of life.
async fn knock(cluster: &Nodes, node: usize, old: &mut Station) -> Result<Station, u16> {
    knock_from(ELSEWHERE, cluster, node, old).await
}

async fn knock_from(
    source: Ipv4Addr,
    cluster: &Nodes,
    node: usize,
    old: &mut Station,
) -> Result<Station, u16> {
    let password = password_of("CS-1");
    let elsewhere = Introduction { source, ..Introduction::of("CS-1", "ocpp2.0.1", &password) };
    let knocks = Station::introduce(&cluster.nodes[node].addresses, &elsewhere);
    let (came, ()) = tokio::join!(knocks, old.pinged());
    came
}

async fn duplicate(cluster: &Nodes, node: usize) -> Value {
    cluster.api(node).get("/charging-stations/CS-1/duplicate").await
}

async fn decide(cluster: &Nodes, node: usize, decision: &str) -> Value {
    let decision = json!({ "decision": decision });
    cluster.api(node).change("POST", "/charging-stations/CS-1/duplicate", &decision).await
}

#[tokio::test]
async fn an_operator_decides_between_two_stations_of_one_identity() {
    let (mut cluster, _redis) = with_cluster!(2, &[]);
    for node in &mut cluster.nodes {
        node.expect_complaint(COMPLAINT);
    }
    cluster.api(0).register("CS-1").await;
    let mut old = booted(&cluster.nodes[0], "CS-1").await;
    assert_eq!(duplicate(&cluster, 0).await, Value::Null);
    // Three times within five minutes, at whichever node.
    for (node, needs_a_person) in [(1, false), (0, false), (1, true)] {
        assert_eq!(knock(&cluster, node, &mut old).await.err(), Some(409));
        let known = duplicate(&cluster, 1 - node).await;
        assert_eq!(known["needs_a_person"], needs_a_person, "{known}");
        assert_eq!(known["source"], "127.0.0.9");
    }
    let told = eventually!("the facts", {
        let told = cluster.store.facts("duplicate_identity").await;
        (told.len() == 2).then_some(told)
    });
    let told: Vec<_> = told.iter().map(Value::to_string).collect();
    assert!(
        told[0].contains("\"needs_a_person\":false") && told[1].contains("\"needs_a_person\":true"),
        "{told:?}"
    );
    // Its connection goes on as if nothing had been.
    assert_eq!(order(&cluster.api(1), &mut old, "CS-1").await["outcome"], "accepted");

    let open = decide(&cluster, 0, "accept_new").await;
    assert!(open["admitted_until"].is_string(), "{open}");
    let mut new = knock(&cluster, 1, &mut old).await.expect("an operator let it in");
    assert_eq!(old.closed().await, Some(1008), "superseded");
    assert_eq!(order(&cluster.api(0), &mut new, "CS-1").await["outcome"], "accepted");
    eventually!("the matter to be over", duplicate(&cluster, 0).await.is_null().then_some(()));
    let late = json!({ "decision": "keep_old" });
    let late = cluster.api(0).send("POST", "/charging-stations/CS-1/duplicate", &[], Some(&late)).await;
    assert_eq!(late.status, 409, "nobody was refused: {}", late.body);
}

/// Redis is a hint: a place that the station has left says nothing of where it is.
#[tokio::test]
async fn a_living_socket_is_found_behind_a_stale_route() {
    let (mut cluster, redis) = with_cluster!(3, &[]);
    cluster.nodes[0].expect_complaint(COMPLAINT);
    for station in ["CS-1", "CS-2"] {
        cluster.api(0).register(station).await;
    }
    let mut old = booted(&cluster.nodes[1], "CS-1").await;
    let _other = booted(&cluster.nodes[2], "CS-2").await;
    let (place, elsewhere) = (redis.route("CS-1"), redis.route("CS-2"));
    let node = |route: &str| route.rsplit(' ').next().unwrap().to_owned();
    let stale = place.replace(&node(&place), &node(&elsewhere));
    assert_ne!(stale, place);
    assert_eq!(redis.cli(&["SET", "rm:route:CS-1", &stale]), "OK");
    assert_eq!(knock(&cluster, 0, &mut old).await.err(), Some(409));
}

#[tokio::test]
async fn who_keeps_the_first_one_hears_of_the_next_newcomer() {
    let (mut cluster, _redis) = with_cluster!(1, &[]);
    cluster.nodes[0].expect_complaint(COMPLAINT);
    cluster.api(0).register("CS-1").await;
    let mut old = booted(&cluster.nodes[0], "CS-1").await;
    assert_eq!(knock(&cluster, 0, &mut old).await.err(), Some(409));
    assert_eq!(decide(&cluster, 0, "keep_old").await, Value::Null);
    assert_eq!(duplicate(&cluster, 0).await, Value::Null);
    assert_eq!(knock(&cluster, 0, &mut old).await.err(), Some(409), "it was not let in");
    let known = duplicate(&cluster, 0).await;
    assert_eq!(known["needs_a_person"], false, "{known}");
    assert_eq!(known["admitted_until"], Value::Null);
}

/// The word of an operator is for the one that was refused, and lasts until that one is in.
#[tokio::test]
async fn nobody_else_is_let_in_and_a_failure_takes_nothing() {
    let (mut cluster, _redis) = with_cluster!(1, &[]);
    cluster.nodes[0].expect_complaint(COMPLAINT);
    for complaint in
        ["the store cannot be asked at the door", "EVSEs that left their trees are cleared later"]
    {
        cluster.nodes[0].expect_complaint(complaint);
    }
    cluster.api(0).register("CS-1").await;
    let mut old = booted(&cluster.nodes[0], "CS-1").await;
    assert_eq!(knock(&cluster, 0, &mut old).await.err(), Some(409));
    let open = decide(&cluster, 0, "accept_new").await;
    assert_eq!(open["admitted_source"], "127.0.0.9", "{open}");
    let impostor = Ipv4Addr::new(127, 0, 0, 10);
    assert_eq!(knock_from(impostor, &cluster, 0, &mut old).await.err(), Some(409));
    let known = duplicate(&cluster, 0).await;
    assert_eq!((&known["source"], &known["admitted_source"]), (&json!("127.0.0.10"), &json!("127.0.0.9")));
    // The store fails after the decision was looked up and before the newcomer is in.
    let held = cluster.store.hold_table("site_accounts", "ACCESS EXCLUSIVE").await;
    assert_eq!(knock(&cluster, 0, &mut old).await.err(), Some(503));
    held.end().await;
    let mut new = knock(&cluster, 0, &mut old).await.expect("an operator let it in");
    assert_eq!(old.closed().await, Some(1008), "superseded");
    new.is_well().await;
    eventually!("the matter to be over", duplicate(&cluster, 0).await.is_null().then_some(()));
}

/// The one that an operator means need not be the one that came last.
#[tokio::test]
async fn an_operator_says_which_newcomer_is_right() {
    let (mut cluster, _redis) = with_cluster!(1, &[]);
    cluster.nodes[0].expect_complaint(COMPLAINT);
    cluster.api(0).register("CS-1").await;
    let mut old = booted(&cluster.nodes[0], "CS-1").await;
    let right = Ipv4Addr::new(127, 0, 0, 10);
    for source in [right, ELSEWHERE] {
        assert_eq!(knock_from(source, &cluster, 0, &mut old).await.err(), Some(409));
    }
    let (api, path) = (cluster.api(0), "/charging-stations/CS-1/duplicate");
    for (nonsense, status) in [
        (json!({"decision": "keep_old", "source": "127.0.0.10"}), 422),
        (json!({"decision": "accept_new", "source": "somewhere"}), 422),
    ] {
        let refused = api.send("POST", path, &[], Some(&nonsense)).await;
        assert_eq!(refused.status, status, "{}", refused.body);
    }
    let open = api.change("POST", path, &json!({"decision": "accept_new", "source": "127.0.0.10"})).await;
    assert_eq!(open["admitted_source"], "127.0.0.10", "{open}");
    assert_eq!(knock(&cluster, 0, &mut old).await.err(), Some(409));
    knock_from(right, &cluster, 0, &mut old).await.expect("an operator let it in").is_well().await;
}
