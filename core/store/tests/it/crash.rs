//! Acknowledged means stored: a process that appends is killed, and everything it was told is stored is there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use ringmain_domain::id::{SessionId, TransactionId};
use ringmain_domain::session::{SessionStatus, fold};
use ringmain_store::store::{Store, StoreError, StoreSettings};
use uuid::Uuid;

use crate::make::{all_pages, at, message, station_id, tenant, transaction_id, whole_transaction_apart};
use crate::rig::Rig;

/// Makes this binary the process that is killed, and names the store.
const VICTIM: &str = "RINGMAIN_STORE_CRASH_VICTIM";
const KILLS: u32 = 5;
/// Transactions a victim writes at the same time.
const LANES: usize = 4;

on_both_engines!(what_was_acknowledged_is_there_after_a_kill);

/// F33: connections break at any moment, also while they commit; what is appended until it is acknowledged is stored and billed
/// once. On PostgreSQL: an embedded store has no connection that could break.
#[tokio::test]
async fn f33_connections_that_break_in_a_commit_lose_and_double_nothing() {
    const TRANSACTIONS: u32 = 60;
    let name = concat!(module_path!(), "::f33_connections_that_break_in_a_commit_lose_and_double_nothing");
    let Some(rig) = crate::rig::postgres(name).await else { return };
    let (acknowledged, mut progress) = tokio::sync::watch::channel(0_u32);
    let append = async {
        let mut troubles = 0_u32;
        for number in 0..TRANSACTIONS {
            for fact in whole_transaction_apart("CS-1", &format!("t{number}")) {
                while let Err(error) = rig.store.append(std::slice::from_ref(&fact)).await {
                    assert!(
                        matches!(error, StoreError::Unavailable { .. } | StoreError::Unknown { .. }),
                        "{error}"
                    );
                    troubles += 1;
                }
                acknowledged.send_modify(|count| *count += 1);
            }
        }
        drop(acknowledged);
        troubles
    };
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";
    // A break for each acknowledgement, somewhere in the next append: without that bound nothing might ever be acknowledged.
    let trouble = async {
        while progress.changed().await.is_ok() {
            // As the role whose connections they are.
            crate::rig::connect(&rig.url).await.batch_execute(others).await.unwrap();
        }
    };
    let (troubles, ()) = tokio::join!(append, trouble);
    assert!(troubles > 0, "nothing broke, so nothing is proved");
    assert_eq!(rig.count("transaction_events").await, i64::from(4 * TRANSACTIONS));
    assert_eq!(rig.count("transaction_conflicts").await, 0);
    assert_eq!((rig.count("sessions").await, rig.count("cdrs").await), (60, 60));
}

/// Not a test of its own: the process that is killed. Without its variable it has nothing to do.
#[tokio::test]
async fn victim() {
    let Ok(url) = std::env::var(VICTIM) else { return };
    let store = Store::open(&url, StoreSettings::default()).await.unwrap();
    // Short enough for an id, and another one in each run.
    let run = format!("{:08x}", Uuid::new_v4().as_fields().0);
    let lanes = (0..LANES).map(|lane| {
        let (store, run) = (store.clone(), run.clone());
        tokio::spawn(async move {
            for number in 0_u32.. {
                append_one(&store, &format!("{run}-{lane}-{number}")).await;
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
}

/// Tells each acknowledgement: the transaction, how many of its facts are stored, and its bill at the end.
async fn append_one(store: &Store, transaction: &str) {
    for (index, fact) in whole_transaction_apart("CS-1", transaction).into_iter().enumerate() {
        let result = store.append(&[fact]).await.unwrap().remove(0);
        assert!(result.fresh);
        let bill = result.cdr.map_or_else(|| "-".to_owned(), |cdr| cdr.to_string());
        // One write for each line: a kill leaves whole lines.
        let line = format!("acked {transaction} {} {bill}\n", index + 1);
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

fn start_victim(url: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::victim", "--nocapture"])
        .env(VICTIM, url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

/// Takes lines until one in so many by chance says kill, then the rest that was written before the kill.
fn kill_at_a_random_moment(url: &str) -> BTreeMap<String, (usize, Option<Uuid>)> {
    let (mut child, mut output) = start_victim(url);
    let lines = 5 + Uuid::new_v4().as_u128() % 60;
    let mut acked = BTreeMap::new();
    let mut seen = 0;
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        if line.ends_with('\n')
            && let Some(told) = line.trim().strip_prefix("acked ")
        {
            let words: Vec<_> = told.split(' ').collect();
            let bill = words[2].parse().ok();
            acked.insert(words[0].to_owned(), (words[1].parse().unwrap(), bill));
            seen += 1;
            if seen == lines {
                child.kill().unwrap();
            }
        }
        line.clear();
    }
    assert!(!child.wait().unwrap().success(), "it was killed");
    assert!(seen >= lines, "it lived long enough to be killed: {seen} of {lines}");
    acked
}

async fn what_was_acknowledged_is_there_after_a_kill(rig: &Rig) {
    let mut acked = BTreeMap::new();
    for _ in 0..KILLS {
        let url = rig.url.clone();
        acked.extend(tokio::task::spawn_blocking(move || kill_at_a_random_moment(&url)).await.unwrap());
        // The store opens again at once, and a node that carries on finds everything.
        let store = rig.open_again(StoreSettings::default()).await;
        store.canary(at(1)).await.unwrap();
        for (transaction, (facts, bill)) in &acked {
            is_there(&store, &transaction_id(transaction), *facts, *bill).await;
        }
    }
    assert!(acked.len() >= KILLS as usize, "the kills hit something");
    everything_fits_together(&rig.open_again(StoreSettings::default()).await).await;
    the_interrupted_go_on(&rig.open_again(StoreSettings::default()).await, acked.keys()).await;
}

async fn is_there(store: &Store, transaction: &TransactionId, facts: usize, bill: Option<Uuid>) {
    let stored = store.transaction_facts(&tenant(), &station_id("CS-1"), transaction).await.unwrap();
    assert!(stored.len() >= facts, "{transaction}: {facts} acknowledged, {} stored", stored.len());
    let id = SessionId::derive(&tenant(), &station_id("CS-1"), transaction);
    let session = store.session(&tenant(), id).await.unwrap().unwrap();
    assert_eq!(session.facts as usize, stored.len(), "{transaction}");
    if let Some(bill) = bill {
        assert_eq!(store.cdr_of(&tenant(), id).await.unwrap().unwrap().id.0, bill, "{transaction}");
    }
}

/// Whatever is stored, acknowledged or not, is whole: each session is its facts, each completed one has one bill.
async fn everything_fits_together(store: &Store) {
    let filter = ringmain_store::sessions::SessionFilter::default();
    let sessions = all_pages(100, async |page| store.sessions(&tenant(), &filter, &page).await).await;
    let bills = ringmain_store::cdrs::CdrFilter::default();
    let bills = all_pages(100, async |page| store.cdrs(&tenant(), &bills, &page).await).await;
    let completed = sessions.iter().filter(|s| s.status == SessionStatus::Completed).count();
    assert_eq!(bills.len(), completed);
    for session in sessions {
        let facts = store.transaction_facts(&tenant(), &session.station, &session.transaction).await.unwrap();
        let truth = fold(&tenant(), &session.station, &facts).unwrap().session;
        assert_eq!((session.facts, session.energy), (truth.facts, truth.energy));
        assert_eq!((session.status, session.ended_at), (truth.status, truth.ended_at));
    }
}

/// Stations repeat what was not acknowledged; at the end every transaction is billed once.
async fn the_interrupted_go_on(store: &Store, transactions: impl Iterator<Item = &String>) {
    for transaction in transactions {
        store.append(&whole_transaction_apart("CS-1", transaction)).await.unwrap();
        let id = SessionId::derive(&tenant(), &station_id("CS-1"), &transaction_id(transaction));
        let session = store.session(&tenant(), id).await.unwrap().unwrap();
        assert_eq!((session.status, session.energy.0), (SessionStatus::Completed, 10_000));
        assert!(store.cdr_of(&tenant(), id).await.unwrap().is_some());
    }
    let late = message("CS-1", "late", 0, 0).fact();
    assert!(store.append(&[late]).await.unwrap()[0].fresh);
}
