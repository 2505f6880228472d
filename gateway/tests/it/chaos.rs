//! A short money run on every change: a crowd of all versions, kills of the node and of its PostgreSQL, and the oracle of `loadtest`.
//!
//! The long run is `make chaos`. A run in which nothing was killed, or in which no transaction ended, proves nothing and fails.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use ringmain_loadtest::chaos::postgres::is_installed;
use ringmain_loadtest::chaos::report::ChaosReport;
use ringmain_loadtest::chaos::{Course, StoreChoice, run};
use ringmain_loadtest::plan::Plan;

const STATIONS: usize = 24;

/// One round of so many seconds with a kill every three in the mean: four to ten of the node, two to five of PostgreSQL.
async fn a_round(store: StoreChoice, round_s: u64) -> ChaosReport {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/plans");
    let mut plan = Plan::read(&plans.join("money.toml")).unwrap();
    plan.scale_to(STATIONS).unwrap();
    let course = Course {
        plan,
        node: PathBuf::from(env!("CARGO_BIN_EXE_ringmain")),
        store,
        rounds: 1,
        round: Duration::from_secs(round_s),
        kill_every: Duration::from_secs(3),
        drain: Duration::from_secs(90),
        seed: u64::from(std::process::id()),
        command: Vec::new(),
    };
    run(&course).await.unwrap()
}

/// Everything acknowledged is stored and billed once; and the faults have happened.
fn assert_clean(report: &ChaosReport) {
    let total = report.total();
    assert_eq!(report.violations_count(), 0, "{}", report.text());
    assert_eq!(report.proves_nothing(), None, "{}", report.text());
    assert!(total.node.kills() >= 2, "{}", report.text());
    assert!(total.discarded == 0 && total.verdict.messages > 0, "{}", report.text());
    assert_eq!(total.verdict.cdrs - 2 * total.verdict.credits, total.verdict.ended, "{}", report.text());
}

#[tokio::test]
async fn kills_lose_no_money_on_sqlite() {
    assert_clean(&a_round(StoreChoice::Sqlite, 12).await);
}

#[tokio::test]
async fn kills_of_node_and_server_lose_no_money_on_postgres() {
    if !is_installed() {
        println!(
            "SKIPPED kills_of_node_and_server_lose_no_money_on_postgres: there is no PostgreSQL to start"
        );
        return;
    }
    let report = a_round(StoreChoice::PrivatePostgres, 15).await;
    assert_clean(&report);
    assert!(report.total().postgres.is_some_and(|fate| fate.kills() >= 1), "{}", report.text());
}
