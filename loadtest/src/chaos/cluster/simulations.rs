//! C20: what the simulations said, read from the lines that `make cluster-simulation` and `make load-simulation` end with.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

/// Seeds that are wanted of each.
const SEEDS: u64 = 10_000;
/// Of the labels, so many of a hundred must have happened.
const LABELS_PERCENT: u64 = 95;
/// Both that must have run.
const NAMES: [&str; 2] = ["cluster", "load"];

/// One run of a simulation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulation {
    /// `cluster` or `load`.
    pub name: String,
    /// Seeds that were played.
    pub seeds: u64,
    /// Seeds in which a promise was broken.
    pub broken: u64,
    /// Labelled faults and branches that happened, of how many; where they are counted. The load's must all have happened, or it fails.
    pub labels: Option<(u64, u64)>,
}

/// Reads a file with what both printed.
///
/// # Errors
/// The file cannot be read, or a summary is missing.
pub fn read(file: &Path) -> anyhow::Result<Vec<Simulation>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let found: Vec<_> = text.lines().filter_map(Simulation::read).collect();
    for name in NAMES {
        let is_there = found.iter().any(|one| one.name == name);
        ensure!(is_there, "{}: no summary of the {name} simulation", file.display());
    }
    Ok(found)
}

/// What was measured, and whether it is enough.
pub(super) fn told(simulations: &[Simulation]) -> (String, String) {
    let texts: Vec<_> = simulations.iter().map(Simulation::text).collect();
    let word = if simulations.iter().any(|one| one.broken > 0) {
        let broken: u64 = simulations.iter().map(|one| one.broken).sum();
        format!("**violated** ({broken} times)")
    } else if simulations.iter().all(|one| one.seeds >= SEEDS && one.has_happened()) {
        "met".to_owned()
    } else {
        let missed = simulations.iter().filter(|one| one.seeds < SEEDS || !one.has_happened()).count();
        format!("{missed} missed")
    };
    (texts.join("; "), word)
}

// === impl Simulation ===

impl Simulation {
    /// `cluster simulation: 10000 seeds from 1, 0 with a broken promise {}, 61 of 61 labels, {..}`; the lines of progress are none.
    fn read(line: &str) -> Option<Self> {
        let (name, rest) = line.trim().split_once(" simulation: ")?;
        let (seeds, rest) = rest.split_once(" seeds from ")?;
        let (_first, rest) = rest.split_once(", ")?;
        let (broken, rest) = rest.split_once(" with a broken promise")?;
        let labels = rest.split_once(" labels").and_then(|(labels, _)| {
            let (happened, all) = labels.rsplit_once(" of ")?;
            let happened = happened.rsplit(' ').next()?;
            Some((happened.parse().ok()?, all.parse().ok()?))
        });
        Some(Self { name: name.to_owned(), seeds: seeds.parse().ok()?, broken: broken.parse().ok()?, labels })
    }

    fn has_happened(&self) -> bool {
        self.labels.is_none_or(|(happened, all)| happened * 100 >= all * LABELS_PERCENT)
    }

    fn text(&self) -> String {
        let labels = match self.labels {
            Some((happened, all)) => format!(", {happened} of {all} labels happened"),
            None => String::new(),
        };
        format!("{}: {} seeds, {} with a broken promise{labels}", self.name, self.seeds, self.broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str =
        "cluster simulation: 10000 seeds from 1, 0 with a broken promise {}, 61 of 63 labels, {\"x\": 1}";
    const LOAD: &str = "load simulation: 10000 seeds from 1, 0 with a broken promise {}, {\"EVSEs\": 9}";

    #[test]
    fn summaries_are_read_and_progress_is_not() {
        let cluster = Simulation::read(CLUSTER).unwrap();
        assert_eq!((cluster.seeds, cluster.broken, cluster.labels), (10_000, 0, Some((61, 63))));
        let load = Simulation::read(LOAD).unwrap();
        assert_eq!((load.name.as_str(), load.labels), ("load", None));
        assert_eq!(Simulation::read("cluster simulation: 1000 of 10000 seeds"), None);
        let (text, word) = told(&[cluster, load]);
        assert_eq!(word, "met");
        assert!(
            text.contains("cluster: 10000 seeds, 0 with a broken promise, 61 of 63 labels happened; load:"),
            "{text}"
        );
    }

    #[test]
    fn what_is_broken_or_too_little_is_said() {
        let of = |line: &str| told(&[Simulation::read(line).unwrap()]).1;
        assert_eq!(of(&CLUSTER.replace("0 with", "2 with")), "**violated** (2 times)");
        assert_eq!(of(&CLUSTER.replace("10000 seeds", "200 seeds")), "1 missed");
        assert_eq!(of(&CLUSTER.replace("61 of", "59 of")), "1 missed");
    }

    #[test]
    fn both_must_have_run() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("simulations.log");
        std::fs::write(&file, format!("running 1 test\n{CLUSTER}\n{LOAD}\ntest ... ok\n")).unwrap();
        assert_eq!(read(&file).unwrap().len(), 2);
        std::fs::write(&file, LOAD).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("cluster"));
    }
}
