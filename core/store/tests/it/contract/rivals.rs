//! Several nodes on one database at the same time: what they store together is what one would have stored.

use std::collections::HashSet;

use ringmain_domain::event::Fact;
use ringmain_domain::session::{SessionStatus, fold};
use ringmain_store::store::{Store, StoreError, StoreSettings};

use crate::make::{MINUTE, message, station, station_id, status, tenant, transaction_id, whole_transaction};
use crate::rig::Rig;

on_both_engines!(
    two_nodes_store_one_session,
    two_nodes_number_one_start_alike,
    batches_that_cross_do_not_block_each_other,
    one_command_ends_once_whoever_ends_it,
    writers_in_a_crowd_all_get_their_answer,
);

/// Appends until it is done, as a caller does to whom the store was not available.
async fn append(store: &Store, facts: &[Fact]) -> Vec<ringmain_store::batch::Appended> {
    for _ in 0..20 {
        match store.append(facts).await {
            Ok(results) => return results,
            Err(StoreError::Unavailable { .. } | StoreError::Unknown { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("never available")
}

async fn two_nodes_store_one_session(rig: &Rig) {
    let nodes = [
        rig.store.clone(),
        rig.open_again(StoreSettings::default()).await,
        rig.open_again(StoreSettings::default()).await,
    ];
    for round in 0..6 {
        let name: &'static str = Box::leak(format!("CS-{round}").into_boxed_str());
        let mut tasks = Vec::new();
        // Every fact goes to two of three nodes, at the same time as all the others.
        for (index, fact) in whole_transaction(name, "tx").into_iter().enumerate() {
            for node in [index % 3, (index + 1) % 3] {
                let (store, fact) = (nodes[node].clone(), fact.clone());
                tasks.push(tokio::spawn(async move { append(&store, &[fact]).await.remove(0) }));
            }
        }
        let (mut fresh, mut bills) = (0, HashSet::new());
        for task in tasks {
            let result = task.await.unwrap();
            assert!(!result.conflict);
            fresh += u32::from(result.fresh);
            bills.extend(result.cdr);
        }
        assert_eq!(fresh, 4, "each fact is new once");
        assert!(bills.len() <= 1);
        let facts =
            nodes[0].transaction_facts(&tenant(), &station_id(name), &transaction_id("tx")).await.unwrap();
        let truth = fold(&tenant(), &station_id(name), &facts).unwrap().session;
        let stored = nodes[1].session(&tenant(), truth.id).await.unwrap().unwrap();
        assert_eq!((stored.facts, stored.energy, stored.ended_at), (4, truth.energy, truth.ended_at));
        assert_ne!(stored.status, SessionStatus::Active);
        let count = format!("SELECT count(*) FROM cdrs WHERE station = '{name}'");
        assert_eq!(rig.number(&count).await, i64::try_from(bills.len()).unwrap());
    }
}

async fn two_nodes_number_one_start_alike(rig: &Rig) {
    let other = rig.open_again(StoreSettings::default()).await;
    for round in 0..10_i32 {
        let candidates = [100 + round, 200 + round, 300 + round, 400 + round];
        let start = |key: &str| vec![message("CS-1", "x", 0, 0).numbered(key, candidates).fact()];
        let (same, rival) = (format!("k{round}"), format!("r{round}"));
        let (same_here, same_there, rival_there) = (start(&same), start(&same), start(&rival));
        let (a, b, c) = tokio::join!(
            append(&rig.store, &same_here),
            append(&other, &same_there),
            append(&other, &rival_there),
        );
        assert_eq!(a[0].transaction, b[0].transaction);
        assert_ne!(a[0].transaction, c[0].transaction);
        assert!(a[0].fresh ^ b[0].fresh);
    }
    assert_eq!(rig.count("transaction_numbers").await, 20);
    assert_eq!(rig.count("sessions").await, 20);
}

async fn batches_that_cross_do_not_block_each_other(rig: &Rig) {
    let names: Vec<&'static str> =
        (0..12).map(|n| -> &'static str { Box::leak(format!("CS-{n:02}").into_boxed_str()) }).collect();
    for name in &names {
        rig.store.insert_station(&station(name)).await.unwrap();
    }
    let nodes = [rig.store.clone(), rig.open_again(StoreSettings::default()).await];
    let mut tasks = Vec::new();
    for round in 0..10_u32 {
        for (node, store) in nodes.iter().enumerate() {
            // One node goes up the street while the other comes down.
            let mut facts: Vec<Fact> = names
                .iter()
                .flat_map(|name| {
                    let sequence = round * 2 + u32::try_from(node).unwrap();
                    let millis = i64::from(sequence) * MINUTE;
                    let boot = ringmain_domain::event::DomainEvent::StationSeen;
                    [
                        message(name, "tx", sequence, millis).register(i64::from(sequence)).fact(),
                        status(name, millis, 1, 1, ringmain_domain::location::ConnectorStatus::Occupied),
                        crate::make::fact(name, millis, boot),
                    ]
                })
                .collect();
            if node == 1 {
                facts.reverse();
            }
            let store = store.clone();
            tasks.push(tokio::spawn(async move { store.append(&facts).await }));
        }
    }
    for task in tasks {
        task.await.unwrap().expect("rivals wait for each other in one order");
    }
    for name in names {
        let facts =
            rig.store.transaction_facts(&tenant(), &station_id(name), &transaction_id("tx")).await.unwrap();
        assert_eq!(facts.len(), 20);
        let id = fold(&tenant(), &station_id(name), &facts).unwrap().session.id;
        assert_eq!(rig.store.session(&tenant(), id).await.unwrap().unwrap().facts, 20);
    }
}

async fn one_command_ends_once_whoever_ends_it(rig: &Rig) {
    use ringmain_domain::command::{CommandOutcome, CommandResult};
    let other = rig.open_again(StoreSettings::default()).await;
    for _ in 0..5 {
        let command = super::commands::command("CS-1", 0);
        assert!(rig.store.insert_command(&command).await.unwrap());
        let (here, there) =
            (CommandResult::bare(CommandOutcome::Accepted), CommandResult::bare(CommandOutcome::Offline));
        let (a, b) = tokio::join!(
            rig.store.end_command(command.id, &here, crate::make::at(1)),
            other.end_command(command.id, &there, crate::make::at(2)),
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(a ^ b, "exactly one end counts");
        let ended = other.command(&tenant(), command.id).await.unwrap().unwrap();
        assert_eq!(ended.result, Some(if a { here } else { there }));
    }
}

async fn writers_in_a_crowd_all_get_their_answer(rig: &Rig) {
    let mut tasks = Vec::new();
    for number in 0..300_u32 {
        let store = rig.store.clone();
        tasks.push(tokio::spawn(async move { store.claim_epochs(number + 1).await.unwrap() }));
    }
    let mut given = HashSet::new();
    for task in tasks {
        for number in task.await.unwrap() {
            assert!(given.insert(number), "{number} was given twice");
        }
    }
    let next = rig.store.claim_epochs(1).await.unwrap();
    assert!(given.iter().all(|number| number < next.start()));
}
