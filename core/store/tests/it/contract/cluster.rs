//! Nodes: who lives, what a lost one leaves, who may have a site.

use ringmain_domain::command::CommandOutcome;
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{Epoch, NodeId};
use ringmain_store::cluster::{NodeRecord, StationPlace};
use ringmain_store::commands::CommandRecord;

use super::commands::command;
use crate::make::{at, fact, node, station, station_id, tenant};
use crate::rig::Rig;

on_both_engines!(
    a_node_that_starts_again_buries_its_earlier_run,
    a_node_whose_lease_is_over_is_buried_once,
    a_node_that_was_buried_learns_so_and_takes_part_again,
    the_stations_of_lost_nodes_are_cleared_some_at_a_time,
    the_first_node_clears_what_an_earlier_release_left,
    a_node_that_leaves_leaves_nothing,
    the_newest_connection_says_where_a_station_is,
    connections_are_asserted_unless_newer_ones_are_known,
);

fn record(number: u128, address: &str) -> NodeRecord {
    NodeRecord {
        id: node(number),
        name: format!("node-{number}").into(),
        address: (!address.is_empty()).then(|| address.into()),
        release: "0.0.0".into(),
        started_at: at(i64::try_from(number).unwrap()),
    }
}

fn connected(name: &str, millis: i64, (epoch, at_node): (i64, u128)) -> Fact {
    let (epoch, node) = (Epoch(epoch), Some(node(at_node)));
    fact(name, millis, DomainEvent::StationConnected { ocpp_version: "ocpp2.0.1".into(), epoch, node })
}

fn disconnected(name: &str, millis: i64, epoch: i64) -> Fact {
    fact(name, millis, DomainEvent::StationDisconnected { exit: "closed".into(), epoch: Epoch(epoch) })
}

async fn is_online(rig: &Rig, name: &str) -> bool {
    rig.store.station_row(&tenant(), &station_id(name)).await.unwrap().unwrap().online
}

/// How many times there was something to clear.
async fn clear(rig: &Rig, limit: u32) -> usize {
    let mut steps = 0;
    while rig.store.clear_lost_stations(limit).await.unwrap() {
        steps += 1;
    }
    steps
}

async fn place(rig: &Rig, name: &str) -> (i64, Option<NodeId>) {
    let places = rig.store.station_places(&[station_id(name)]).await.unwrap();
    let [StationPlace { epoch, node, .. }] = &places[..] else { panic!("{places:?}") };
    (epoch.0, *node)
}

/// A station at this node and one command given to it, open.
async fn populate(rig: &Rig, number: u128) -> (String, CommandRecord) {
    let name = format!("CS-{number}");
    rig.store.insert_station(&station(&name)).await.unwrap();
    rig.store.append(&[connected(&name, 0, (1, number))]).await.unwrap();
    let given = CommandRecord { node: Some(node(number)), ..command(&name, 0) };
    assert!(rig.store.insert_command(&given).await.unwrap());
    (name, given)
}

async fn outcome(rig: &Rig, given: &CommandRecord) -> Option<CommandOutcome> {
    let record = rig.store.command(&given.tenant, given.id).await.unwrap().unwrap();
    record.result.map(|result| result.outcome)
}

async fn a_node_that_starts_again_buries_its_earlier_run(rig: &Rig) {
    for address in ["", "10.0.0.1:7443"] {
        let (one, two) = if address.is_empty() { (1, 2) } else { (3, 4) };
        rig.store.register_node(&record(9, "10.0.0.9:7443"), at(0)).await.unwrap();
        rig.store.register_node(&record(one, address), at(0)).await.unwrap();
        let (name, given) = populate(rig, one).await;
        assert!(is_online(rig, &name).await);
        let lost = rig.store.register_node(&record(two, address), at(1)).await.unwrap();
        assert_eq!(lost, [node(one)], "not the one at another address");
        let late = rig.store.register_node(&record(one, address), at(1)).await.unwrap();
        let buried = if rig.is_postgres() { Vec::new() } else { vec![node(two)] };
        assert_eq!(late, buried, "what a killed run left behind buries no later one where there are several");
        rig.store.remove_node(node(one), at(1)).await.unwrap();
        assert!(!is_online(rig, &name).await);
        assert_eq!(clear(rig, 10).await, 0);
        assert_eq!(outcome(rig, &given).await, Some(CommandOutcome::TimeoutUnknown));
    }
}

async fn a_node_whose_lease_is_over_is_buried_once(rig: &Rig) {
    let store = &rig.store;
    store.register_node(&record(1, "a:1"), at(0)).await.unwrap();
    store.register_node(&record(2, "b:1"), at(0)).await.unwrap();
    let (one, of_one) = populate(rig, 1).await;
    let (two, of_two) = populate(rig, 2).await;
    assert!(store.renew_lease(node(1), 7, true).await.unwrap().is_some());
    let nodes = store.nodes().await.unwrap();
    let [first, second] = &nodes[..] else { panic!("{nodes:?}") };
    assert_eq!((&first.node, first.connections, first.draining), (&record(1, "a:1"), 7, true));
    assert!((9_000..=10_000).contains(&first.lease_left_ms) && !second.draining);
    rig.execute("UPDATE nodes SET lease_until = lease_until - 11900 WHERE name = 'node-1'").await;
    assert!(store.bury_lost_nodes(node(9), at(5)).await.unwrap().is_empty(), "the margin is not over yet");
    rig.execute("UPDATE nodes SET lease_until = lease_until - 100 WHERE name = 'node-1'").await;
    assert_eq!(store.bury_lost_nodes(node(9), at(5)).await.unwrap(), [node(1)]);
    assert!(store.bury_lost_nodes(node(9), at(6)).await.unwrap().is_empty());
    assert_eq!(clear(rig, 10).await, 1);
    assert_eq!((is_online(rig, &one).await, is_online(rig, &two).await), (false, true));
    assert_eq!(outcome(rig, &of_one).await, Some(CommandOutcome::TimeoutUnknown));
    assert_eq!(outcome(rig, &of_two).await, None);
}

async fn a_node_that_was_buried_learns_so_and_takes_part_again(rig: &Rig) {
    let store = &rig.store;
    assert_eq!(store.renew_lease(node(1), 0, false).await.unwrap(), None, "it never registered");
    store.register_node(&record(1, "a:1"), at(0)).await.unwrap();
    let (name, _) = populate(rig, 1).await;
    rig.execute("UPDATE nodes SET lease_until = 0").await;
    assert_eq!(
        store.renew_lease(node(1), 0, false).await.unwrap(),
        None,
        "others may have taken what it had"
    );
    assert_eq!(store.bury_lost_nodes(node(9), at(5)).await.unwrap(), [node(1)]);
    assert_eq!(store.renew_lease(node(1), 0, false).await.unwrap(), None);
    assert!(store.register_node(&record(1, "a:1"), at(6)).await.unwrap().is_empty());
    assert_eq!(clear(rig, 10).await, 0, "it lives: what it has is its own to say");
    store.remove_node(node(1), at(6)).await.unwrap();
    store.register_node(&record(1, "a:1"), at(6)).await.unwrap();
    let before = store.now().await.unwrap();
    assert!(store.renew_lease(node(1), 0, false).await.unwrap().unwrap() >= before);
    assert!(!is_online(rig, &name).await);
    store.assert_places(node(1), &[(station_id(&name), Epoch(1))]).await.unwrap();
    assert!(is_online(rig, &name).await);
}

async fn the_stations_of_lost_nodes_are_cleared_some_at_a_time(rig: &Rig) {
    let store = &rig.store;
    for (number, address) in [(1, "a:1"), (2, "b:1"), (3, "c:1")] {
        store.register_node(&record(number, address), at(0)).await.unwrap();
    }
    for number in 0..12 {
        let name = format!("CS-{number}");
        store.insert_station(&station(&name)).await.unwrap();
        store.append(&[connected(&name, 0, (1, 1 + number % 3))]).await.unwrap();
    }
    rig.execute("UPDATE nodes SET lease_until = 0 WHERE name <> 'node-3'").await;
    assert_eq!(store.bury_lost_nodes(node(2), at(5)).await.unwrap(), [node(1)], "nobody buries itself");
    assert_eq!(store.bury_lost_nodes(node(3), at(5)).await.unwrap(), [node(2)]);
    assert_eq!(rig.number("SELECT count(*) FROM stations WHERE online").await, 12, "for later");
    let (mine, others) = tokio::join!(clear(rig, 3), clear(rig, 3));
    assert!(mine + others >= 4, "{mine} and {others}");
    assert_eq!(rig.number("SELECT count(*) FROM stations WHERE online AND node IS NOT NULL").await, 4);
    assert_eq!(rig.number("SELECT count(*) FROM stations WHERE node IS NULL").await, 8);
    assert!(is_online(rig, "CS-2").await);
}

async fn the_first_node_clears_what_an_earlier_release_left(rig: &Rig) {
    for name in ["CS-1", "CS-2"] {
        rig.store.insert_station(&station(name)).await.unwrap();
    }
    rig.execute("UPDATE stations SET online = TRUE").await;
    rig.store.register_node(&record(1, "a:1"), at(0)).await.unwrap();
    assert_eq!(rig.number("SELECT count(*) FROM stations WHERE online").await, 0);
    rig.execute("UPDATE stations SET online = TRUE").await;
    rig.store.register_node(&record(2, "b:1"), at(0)).await.unwrap();
    assert_eq!(rig.number("SELECT count(*) FROM stations WHERE online").await, 2, "it is not the first");
}

async fn a_node_that_leaves_leaves_nothing(rig: &Rig) {
    rig.store.register_node(&record(1, "a:1"), at(0)).await.unwrap();
    let (name, given) = populate(rig, 1).await;
    rig.store.remove_node(node(1), at(1)).await.unwrap();
    assert!(rig.store.nodes().await.unwrap().is_empty());
    assert!(!is_online(rig, &name).await);
    assert_eq!(outcome(rig, &given).await, Some(CommandOutcome::TimeoutUnknown));
}

async fn the_newest_connection_says_where_a_station_is(rig: &Rig) {
    let store = &rig.store;
    store.insert_station(&station("CS-1")).await.unwrap();
    store.append(&[connected("CS-1", 0, (5, 1))]).await.unwrap();
    assert_eq!(place(rig, "CS-1").await, (5, Some(node(1))));
    store.append(&[connected("CS-1", 1, (6, 2)), disconnected("CS-1", 2, 5)]).await.unwrap();
    assert_eq!(place(rig, "CS-1").await, (6, Some(node(2))));
    assert!(is_online(rig, "CS-1").await, "the end of an old socket");
    store.append(&[disconnected("CS-1", 3, 5)]).await.unwrap();
    assert!(is_online(rig, "CS-1").await, "and once more, alone");
    store.append(&[connected("CS-1", 4, (4, 3))]).await.unwrap();
    assert_eq!(place(rig, "CS-1").await, (6, Some(node(2))), "a beginning that is late");
    store.append(&[disconnected("CS-1", 5, 6)]).await.unwrap();
    assert_eq!(place(rig, "CS-1").await, (6, None));
    assert!(!is_online(rig, "CS-1").await);
}

async fn connections_are_asserted_unless_newer_ones_are_known(rig: &Rig) {
    let store = &rig.store;
    for name in ["CS-1", "CS-2"] {
        store.insert_station(&station(name)).await.unwrap();
    }
    store.append(&[connected("CS-1", 0, (5, 1)), connected("CS-2", 0, (7, 1))]).await.unwrap();
    let mine =
        [(station_id("CS-1"), Epoch(5)), (station_id("CS-2"), Epoch(6)), (station_id("CS-3"), Epoch(1))];
    store.assert_places(node(2), &mine).await.unwrap();
    assert_eq!(place(rig, "CS-1").await, (5, Some(node(2))));
    assert_eq!(place(rig, "CS-2").await, (7, Some(node(1))));
    assert!(store.station_places(&[station_id("CS-3")]).await.unwrap().is_empty());
}
