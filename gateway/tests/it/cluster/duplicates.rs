//! A second station under one identity, at any node: refused while the first one lives, told to operators, let in when one says so.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{booted, order, with_cluster};
use crate::rig::eventually;
use crate::rig::nodes::Nodes;
use crate::rig::station::{Introduction, Station, password_of};

const COMPLAINT: &str = "a second living socket of one station is refused";

/// Knocks at a node from elsewhere while the old one gives a sign of life.
async fn knock(cluster: &Nodes, node: usize, old: &mut Station) -> Result<Station, u16> {
    let password = password_of("CS-1");
    let elsewhere = Introduction {
        source: Ipv4Addr::new(127, 0, 0, 9),
        ..Introduction::of("CS-1", "ocpp2.0.1", &password)
    };
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
    assert_eq!(duplicate(&cluster, 0).await, Value::Null, "the matter is over");
    let late = json!({ "decision": "keep_old" });
    let late = cluster.api(0).send("POST", "/charging-stations/CS-1/duplicate", &[], Some(&late)).await;
    assert_eq!(late.status, 409, "nobody was refused: {}", late.body);
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
