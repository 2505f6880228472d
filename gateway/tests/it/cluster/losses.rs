//! A node is lost, or only seems to be: the others bury it, and when it comes back it takes nothing from them.

use serde_json::json;

use super::{booted, order, order_unheard, with_cluster};
use crate::rig::station::Station;
use crate::rig::{eventually, within};

#[tokio::test]
async fn a_killed_node_is_buried_and_its_stations_come_to_others() {
    let (mut cluster, _redis) = with_cluster!(3, &[]);
    for identity in ["CS-1", "CS-2"] {
        cluster.api(0).register(identity).await;
    }
    let _lost = booted(&cluster.nodes[2], "CS-1").await;
    let _never_back = booted(&cluster.nodes[2], "CS-2").await;
    // A command that the lost node was given and will never end.
    let (api, trigger) = (cluster.api(2), json!({"command": "trigger", "message": "heartbeat"}));
    let path = "/charging-stations/CS-2/commands?deadline_s=600&wait_s=0";
    let given = api.change("POST", path, &trigger).await;
    cluster.nodes[2].kill9();
    // Nobody waits for the burial: the station is taken in at once, and found at once.
    let mut station = Station::connect(&cluster.nodes[1].addresses, "CS-1", "ocpp2.0.1").await;
    assert_eq!(order(&cluster.api(0), &mut station, "CS-1").await["outcome"], "accepted");
    let unreached = order_unheard(&cluster.api(0), "CS-2").await;
    assert_eq!(unreached["outcome"], "node_unreachable_not_sent", "{unreached}");
    eventually!("the node to be buried", (cluster.seen_by(0).await.len() == 2).then_some(()));
    cluster.is_known_by(0, 2).await;
    assert_eq!(cluster.api(0).station("CS-1").await["online"], true);
    eventually!("its station to be offline", {
        (cluster.api(0).station("CS-2").await["online"] == false).then_some(())
    });
    assert_eq!(order_unheard(&cluster.api(0), "CS-2").await["outcome"], "offline");
    let id = given["id"].as_str().unwrap();
    assert_eq!(cluster.api(0).get(&format!("/commands/{id}")).await["outcome"], "timeout_unknown");
}

/// It wakes up after the others have taken what it had: it sees so before it acts, and closes what is superseded.
#[tokio::test]
async fn a_node_that_slept_takes_nothing_back() {
    let (mut cluster, _redis) = with_cluster!(2, &[]);
    cluster.may_sleep();
    cluster.api(0).register("CS-1").await;
    cluster.api(0).register("CS-2").await;
    let mut old = booted(&cluster.nodes[1], "CS-1").await;
    let mut loyal = booted(&cluster.nodes[1], "CS-2").await;
    cluster.nodes[1].signal("STOP");
    let mut new = Station::connect(&cluster.nodes[0].addresses, "CS-1", "ocpp2.0.1").await;
    eventually!("the sleeping node to be buried", (cluster.seen_by(0).await.len() == 1).then_some(()));
    eventually!("its stations to be offline", {
        (cluster.api(0).station("CS-2").await["online"] == false).then_some(())
    });
    cluster.nodes[1].signal("CONT");
    assert_eq!(old.closed().await, Some(1008), "superseded");
    eventually!("it to take part again", (cluster.seen_by(0).await.len() == 2).then_some(()));
    eventually!("its other station to be online again", {
        (cluster.api(0).station("CS-2").await["online"] == true).then_some(())
    });
    cluster.is_known_by(0, 2).await;
    assert_eq!(order(&cluster.api(1), &mut new, "CS-1").await["outcome"], "accepted");
    assert_eq!(order(&cluster.api(0), &mut loyal, "CS-2").await["outcome"], "accepted");
}

#[tokio::test]
async fn a_command_whose_node_falls_silent_ends_and_says_what_is_known() {
    let (mut cluster, _redis) = with_cluster!(2, &[]);
    cluster.may_sleep();
    cluster.api(0).register("CS-1").await;
    let _station = booted(&cluster.nodes[1], "CS-1").await;
    cluster.nodes[1].signal("STOP");
    let ended = within("the end of the command", order_unheard(&cluster.api(0), "CS-1")).await;
    let outcome = ended["outcome"].as_str().unwrap();
    assert!(matches!(outcome, "node_unreachable_unknown" | "node_unreachable_not_sent"), "{ended}");
    cluster.nodes[1].signal("CONT");
}
