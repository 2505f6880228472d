//! A short round of the cluster's chaos on every change: nodes, Redis and PostgreSQL are killed under a crowd, and stations come twice. The
//! oracle of `loadtest` judges; figures that depend on the machine are only printed.
//!
//! The long run is `make cluster-chaos`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use ringmain_loadtest::chaos::cluster::cases::Case;
use ringmain_loadtest::chaos::cluster::kept::Kept;
use ringmain_loadtest::chaos::cluster::report::CaseReport;
use ringmain_loadtest::chaos::cluster::{ClusterCourse, Lineup, run};
use ringmain_loadtest::chaos::{postgres, redis};
use ringmain_loadtest::plan::Plan;

const STATIONS: usize = 200;
const NODES: u8 = 3;

/// One case, as short as it can be: every node is killed once, PostgreSQL twice.
async fn a_case(case: Case) -> Option<CaseReport> {
    if !postgres::is_installed() || !redis::is_installed() {
        println!("SKIPPED {}: there is no PostgreSQL or no Redis to start", case.id());
        return None;
    }
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/plans");
    let mut plan = Plan::read(&plans.join("cluster.toml")).unwrap();
    plan.scale_to(STATIONS).unwrap();
    let course = ClusterCourse {
        plan,
        lineup: Lineup {
            program: PathBuf::from(env!("CARGO_BIN_EXE_ringmain")),
            older: None,
            nodes: NODES,
            tls: false,
        },
        cases: vec![case],
        length: Duration::ZERO,
        kill_every: Duration::from_secs(4),
        span: Duration::from_secs(3),
        orders_per_s: 10,
        duels: 30,
        flood: 70,
        simulations: Vec::new(),
        drain: Duration::from_secs(60),
        seed: u64::from(std::process::id()),
        command: Vec::new(),
        kept: Kept::default(),
    };
    let mut report = run(&course).await.unwrap();
    let case = report.cases.pop().unwrap();
    println!("{}", case.text());
    assert_eq!(case.verdict.violations_count, 0, "seed {}\n{}", course.seed, case.text());
    assert_eq!(case.proves_nothing(), None, "{}", case.text());
    let limits = case.figures.iter().find(|figure| figure.what == "site over its limit");
    assert_eq!(limits.and_then(|figure| figure.met), Some(true), "limits were not judged: {}", case.text());
    Some(case)
}

#[tokio::test]
async fn killed_nodes_lose_nothing_and_every_command_ends_once() {
    let Some(report) = a_case(Case::C1).await else { return };
    assert!(report.connections_lost > 0, "nobody lost a connection: {}", report.text());
}

#[tokio::test]
async fn redis_killed_emptied_or_silent_costs_no_socket_and_no_command() {
    let Some(report) = a_case(Case::C3).await else { return };
    assert_eq!(report.connections_lost, 0, "{}", report.text());
}

#[tokio::test]
async fn a_killed_postgresql_loses_nothing() {
    a_case(Case::C4).await;
}

#[tokio::test]
async fn of_two_sockets_of_one_station_the_right_one_stays_and_is_reached() {
    let Some(report) = a_case(Case::C10).await else { return };
    let duels = report.figures.iter().filter(|figure| figure.target == "all");
    assert!(
        duels.clone().count() == 3 && duels.clone().all(|figure| figure.met == Some(true)),
        "{}",
        report.text()
    );
}
