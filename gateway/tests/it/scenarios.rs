//! The conversation ring: every file of `tests/scenarios` against the real binary, on both stores.
//!
//! A file says what a station sends and what it must hear; `tests/scenarios/README.md` is the grammar. Runs share a node, each with
//! stations of its own, but for files that kill it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests fail by panicking"
)]

mod file;
mod pattern;
mod run;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use futures_util::stream::{self, StreamExt};
use tokio::task::LocalSet;

use crate::rig::node::Node;
use crate::rig::stores::TestStore;
use file::Scenario;
use run::{House, Run};

/// Files at a time. Most of a scenario is waiting for commits.
const AT_ONCE: usize = 6;
/// A bill waits a second for what is missing, not ten.
const SETTINGS: &[(&str, &str)] = &[("BILLING__GAP_GRACE_S", "1")];
/// Runs only files whose path holds this text.
const FILTER: &str = "RINGMAIN_SCENARIO";

#[tokio::test]
async fn scenarios_hold_on_sqlite() {
    LocalSet::new().run_until(all(|| async { Some(TestStore::sqlite()) })).await;
}

#[tokio::test]
async fn scenarios_hold_on_postgres() {
    let name = concat!(module_path!(), "::scenarios_hold_on_postgres");
    LocalSet::new().run_until(all(|| TestStore::postgres(name))).await;
}

/// One file for one of its protocols.
struct Case {
    scenario: Rc<Scenario>,
    protocol: Option<&'static str>,
    number: usize,
}

async fn all<F: Future<Output = Option<TestStore>>>(store: impl Fn() -> F) {
    let Some(shared) = store().await else { return };
    let mut shared = Node::start_with(shared, SETTINGS).await;
    shared.expect_complaint("a message came again with other content");
    shared.expect_complaint("a station names another station's transaction");
    shared.expect_complaint("a billing message cannot be read");
    let shared = Rc::new(shared);
    let failures: RefCell<Vec<String>> = RefCell::default();
    let cases = cases();
    assert!(!cases.is_empty(), "{FILTER} names no scenario");
    stream::iter(cases)
        .for_each_concurrent(AT_ONCE, async |case| {
            let house = if case.scenario.needs_own_node() {
                House::Own(Box::new(Node::start_with(store().await.unwrap(), SETTINGS).await))
            } else {
                House::Shared(Rc::clone(&shared))
            };
            if let Some(failure) = outcome(case, house).await {
                failures.borrow_mut().push(failure);
            }
        })
        .await;
    let failures = failures.into_inner();
    assert!(failures.is_empty(), "{} scenarios failed:\n{}", failures.len(), failures.join("\n"));
    Rc::into_inner(shared).unwrap().stop().await;
}

/// Runs one case on a task of its own, so that its panic tells its line and the others go on.
async fn outcome(case: Case, house: House) -> Option<String> {
    let run = Run::new(house, case.number, case.protocol);
    let line = run.line();
    let title = format!("{} {}", case.scenario.name, case.protocol.unwrap_or_default());
    let scenario = Rc::clone(&case.scenario);
    match tokio::task::spawn_local(run.through(scenario)).await {
        Ok(()) => None,
        Err(ended) => {
            let panic = ended.into_panic();
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text =
                text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
            Some(format!("{title}, line {}: {text}", line.get()))
        }
    }
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let wanted = std::env::var(FILTER).unwrap_or_default();
    let mut cases = Vec::new();
    for path in files(&root) {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        if !name.contains(&wanted) {
            continue;
        }
        let scenario = Rc::new(Scenario::parse(&name, &std::fs::read_to_string(&path).unwrap()));
        let protocols = scenario.protocols.iter().map(|protocol| Some(*protocol)).collect::<Vec<_>>();
        for protocol in if protocols.is_empty() { vec![None] } else { protocols } {
            cases.push(Case { scenario: Rc::clone(&scenario), protocol, number: cases.len() });
        }
    }
    // Those with a node of their own take longest.
    cases.sort_by_key(|case| !case.scenario.needs_own_node());
    cases
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "ocpp") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_scenario_has_a_number_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut numbers = std::collections::BTreeSet::new();
    for path in files(&root) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let number: String = name.chars().take_while(char::is_ascii_digit).collect();
        assert_eq!(number.len(), 4, "{name} begins with four digits");
        assert!(numbers.insert(number), "{name} has the number of another one");
    }
}
