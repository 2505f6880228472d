//! Reads the tree and holds it to the style. A rule with exceptions names them; the list may only shrink.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [(&str, &[&str]); 7] = [
    ("core/domain", &[]),
    ("core/ocpp", &["ringmain-domain"]),
    ("core/store", &["ringmain-domain"]),
    ("certs", &["ringmain-domain"]),
    (
        "gateway",
        &["ringmain-certs", "ringmain-domain", "ringmain-ocpp", "ringmain-roaming", "ringmain-store"],
    ),
    ("roaming", &["ringmain-certs", "ringmain-domain", "ringmain-store"]),
    ("loadtest", &["ringmain-certs", "ringmain-ocpp"]),
];

/// Files of more than 500 lines, with their reason.
const LONG_FILES: [(&str, &str); 0] = [];
const LINES_MAX: usize = 500;
const FILE_BYTES_MAX: u64 = 200 * 1024;
/// Larger files, with their reason.
const LARGE_FILES: [(&str, &str); 2] = [
    ("core/domain/tests/data/charging/snapshots.json", "problems with known answers, kept byte for byte"),
    ("docs/generated/openapi.json", "the description of the whole operator API, made from the code"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// All files of the tree with this ending, by their path from the root.
fn files(ending: &str) -> Vec<(String, PathBuf)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let skipped = matches!(name.as_str(), "target" | ".git" | "ringmain-data" | "node_modules");
            if path.is_dir() && !skipped {
                walk(&path, found);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root, &mut found);
    let named = |path: PathBuf| (path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), path);
    let mut all: Vec<_> = found.into_iter().map(named).filter(|(name, _)| name.ends_with(ending)).collect();
    all.sort();
    all
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// F01 to F42 of the reliability table: each has a test or a conversation that bears its name.
#[test]
fn every_fault_case_has_its_test() {
    let conversations = files(".ocpp").into_iter().map(|(_, path)| {
        let story = text(&path);
        story.lines().next().unwrap_or_default().to_lowercase()
    });
    let tests = files(".rs")
        .into_iter()
        .filter(|(name, _)| name.contains("/tests/") || name.ends_with("tests.rs"))
        .flat_map(|(_, path)| {
            let names = text(&path).lines().filter(|line| line.contains("fn f")).map(str::to_owned).collect();
            let names: Vec<String> = names;
            names
        });
    let all: Vec<String> = conversations.chain(tests).collect();
    let is_told = |number: &u32| {
        let (word, name) = (format!("f{number:02} "), format!("fn f{number:02}_"));
        all.iter().any(|line| (line.starts_with('#') && line.contains(&word)) || line.contains(&name))
    };
    let missing: Vec<_> = (1..=42).filter(|number| !is_told(number)).collect();
    assert!(missing.is_empty(), "fault cases without a test of their name: {missing:?}");
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    let mut idle: BTreeSet<&str> = LONG_FILES.iter().map(|(name, _)| *name).collect();
    for (name, path) in files(".rs") {
        let text = text(&path);
        let lines = text.lines().count();
        if !text.starts_with("//!") {
            wrong.push(format!("{name}: opens without //!"));
        }
        if name.ends_with("/mod.rs") {
            wrong.push(format!("{name}: x.rs gets a folder x/, there is no mod.rs"));
        }
        if lines > LINES_MAX && !idle.remove(name.as_str()) {
            wrong.push(format!("{name}: {lines} lines, at most {LINES_MAX}"));
        }
    }
    wrong.extend(idle.into_iter().map(|name| format!("{name}: listed as long and is not")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crates_see_only_what_the_design_allows() {
    for (folder, allowed) in CRATES {
        let manifest = text(&root().join(folder).join("Cargo.toml"));
        let normal = manifest.split("[dev-dependencies]").next().unwrap();
        let seen: BTreeSet<&str> = normal
            .lines()
            .filter(|line| line.starts_with("ringmain-"))
            .map(|line| line.split([' ', '=', '.']).next().unwrap())
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert!(seen.is_subset(&allowed), "{folder} sees {:?}", seen.difference(&allowed));
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{folder} does not take the workspace's lints"
        );
    }
}

#[test]
fn words_stay_where_they_belong() {
    let mut wrong = Vec::new();
    let mut forbid = |name: &str, text: &str, words: &[&str], why: &str| {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                wrong.push(format!("{name}:{}: {word:?} {why}", number + 1));
            }
        }
    };
    for (name, path) in files(".rs") {
        let source = name.contains("/src/");
        let text = text(&path);
        // A standby is made and watched as an administrator does it, and epochs are read past the product.
        if source && !name.starts_with("core/store/") && !name.ends_with("/standby.rs") {
            forbid(
                &name,
                &text,
                &["SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE stations"],
                "is SQL: it lives in core/store",
            );
        }
        if source && name != "gateway/src/main.rs" {
            forbid(&name, &text, &["ringmain_roaming"], "is seen by the composition root only");
        }
        if source
            && (name.starts_with("gateway/")
                || name.starts_with("core/domain")
                || name.starts_with("core/store"))
        {
            forbid(
                &name,
                &text,
                &["Version::V", "Dialect::V"],
                "is a version test: it lives in the translation",
            );
        }
        if name.starts_with("core/domain/src") || name.starts_with("core/ocpp/src") {
            forbid(
                &name,
                &text,
                &["SystemTime::now", "Instant::now", "std::env", "tokio", "actix"],
                "is no value",
            );
        }
        if source && name.starts_with("loadtest/") {
            forbid(
                &name,
                &text,
                &["ringmain_domain", "ringmain_store", "ringmain_gateway", "translate::"],
                "is known to no stranger",
            );
        }
        if source
            && !name.contains("v16")
            && !name.starts_with("loadtest/")
            && !name.starts_with("core/ocpp/src/wire")
        {
            forbid(
                &name,
                &text,
                &["idTag\"", "charge point", "central system"],
                "is a word of 1.6: it lives in v16",
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn lists_of_banned_methods_repeat_the_root_list() {
    let root_list = text(&root().join("clippy.toml"));
    let own = text(&root().join("core/domain/clippy.toml"));
    // domain has no actix and no tokio to ban; all else is repeated, because a crate's own file replaces the root's.
    for line in root_list.lines().filter(|line| !line.contains("actix") && !line.contains("tokio")) {
        let key = line.split(", reason").next().unwrap();
        assert!(own.contains(key), "core/domain/clippy.toml lacks {key}");
    }
}

#[test]
fn nothing_large_and_no_leftovers() {
    let mut wrong = Vec::new();
    for (name, path) in files("") {
        let size = fs::metadata(&path).unwrap().len();
        let listed = LARGE_FILES.iter().any(|(large, _)| *large == name);
        let data = name.contains("/tests/schemas/") || name == "Cargo.lock" || listed;
        if listed && size <= FILE_BYTES_MAX {
            wrong.push(format!("{name}: listed as large and is not"));
        }
        if size > FILE_BYTES_MAX && !data {
            wrong.push(format!("{name}: {size} bytes"));
        }
        if name.ends_with(".rs") && !name.ends_with("tidy.rs") {
            let text = text(&path);
            for word in ["FIXME", "XXX:", "todo!(", "unimplemented!("] {
                if text.contains(word) {
                    wrong.push(format!("{name}: {word}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn links_in_the_docs_lead_somewhere() {
    let mut wrong = Vec::new();
    for (name, path) in files(".md") {
        let text = text(&path);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !path.parent().unwrap().join(target).exists() {
                wrong.push(format!("{name}: {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
