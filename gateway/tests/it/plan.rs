//! `ringmain plan` as a process: the one-shot problems, input that cannot be answered, and a replay judged by the benchmark's own script.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::python::python;

const RINGMAIN: &str = env!("CARGO_BIN_EXE_ringmain");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn plan(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(RINGMAIN)
        .arg("plan")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn all_one_shot_problems_are_answered_exactly() {
    let file = root().join("core/domain/tests/data/charging/snapshots.json");
    let done = plan(&["--snapshot", file.to_str().unwrap()], "");
    assert!(done.status.success(), "{}", text(&done.stderr));
    let answers: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&answers["expected"], &answers["exact"]), (&34.into(), &34.into()));
}

#[test]
fn a_wrong_answer_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("problem.json");
    let car = r#"{"id": "A", "node": "grid", "lines": [1], "max_A": 32, "weight": 1}"#;
    let node = r#"{"id": "grid", "parent": null, "limit_A": [12, 12, 12]}"#;
    let problem = format!(r#"{{"cases": [{{"nodes": [{node}], "evs": [{car}], "expect_A": [13]}}]}}"#);
    std::fs::write(&file, problem).unwrap();
    let done = plan(&["--snapshot", file.to_str().unwrap()], "");
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(text(&done.stderr), "ringmain: 1 of 1 answers are not the expected ones\n");
    assert_eq!(
        text(&done.stdout),
        "{\"cases\":[{\"A\":[12.0],\"worst_A\":1.0}],\"expected\":1,\"exact\":0}\n"
    );
}

#[test]
fn input_that_cannot_be_answered_ends_the_process_with_its_place() {
    for (arguments, input, words) in [
        (&[][..], "", "ringmain: the input ends before the hello\n"),
        (&[], "{\"hello\": 7}\n", "ringmain: line 1: hello: invalid type: integer `7`"),
        (&["--snapshot", "nowhere.json"], "", "ringmain: read nowhere.json: No such file or directory"),
    ] {
        let done = plan(arguments, input);
        assert_eq!(done.status.code(), Some(1));
        assert!(text(&done.stderr).starts_with(words), "{}", text(&done.stderr));
    }
}

/// The floors stand in the script. The sets that may not be published are judged by `make bench-plan`.
#[tokio::test]
async fn a_replay_of_five_days_keeps_every_limit_and_every_floor() {
    let done = Command::new(python().await)
        .arg("-B")
        .arg(root().join("loadtest/charging/bench.py"))
        .args(["--ringmain", RINGMAIN, "--only", "syn60", "--no-references"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
}
