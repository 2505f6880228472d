//! What a run has come to is kept after every case: one that is broken off goes on from there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::cases::Case;
use super::report::{CaseReport, ClusterReport};

/// Arguments that need not be the same: which cases are asked for, and what is drawn in them.
const FREE: [&str; 2] = ["--case ", "--seed "];

/// Where a run keeps its report, and what it takes over from the one before.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    file: Option<PathBuf>,
    earlier: Option<ClusterReport>,
}

// === impl Kept ===

impl Kept {
    /// Of a run that begins; without a file nothing is kept.
    #[must_use]
    pub fn begin(file: Option<PathBuf>) -> Self {
        Self { file, earlier: None }
    }

    /// Of a run that goes on where the one that wrote the file ended.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn resume(file: &Path) -> anyhow::Result<Self> {
        Ok(Self { file: Some(file.to_owned()), earlier: Some(Self::read(file)?) })
    }

    /// What a run came to, whole or broken off.
    ///
    /// # Errors
    /// The file cannot be read, or is no report of this program.
    pub fn read(file: &Path) -> anyhow::Result<ClusterReport> {
        let text = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{}: no report", file.display()))
    }

    /// What the run before drew from.
    #[must_use]
    pub fn seed(&self) -> Option<u64> {
        self.earlier.as_ref().map(|earlier| earlier.seed)
    }

    /// A run goes on with what it began with.
    ///
    /// # Errors
    /// It was another run.
    pub fn ensure_same(&self, command: &[String]) -> anyhow::Result<()> {
        let fixed = |arguments: &[String]| -> Vec<String> {
            let bound = arguments.iter().filter(|one| !FREE.iter().any(|free| one.starts_with(free)));
            bound.cloned().collect()
        };
        if let Some(earlier) = &self.earlier {
            let (before, now) = (fixed(&earlier.command), fixed(command));
            ensure!(before == now, "the run to go on with was: {}", before.join(" "));
        }
        Ok(())
    }

    /// What a case came to in the run before. One in which something was wrong is played again.
    pub(super) fn of(&self, case: Case) -> Option<&CaseReport> {
        let cases = &self.earlier.as_ref()?.cases;
        cases.iter().find(|kept| kept.case == case && kept.is_clean() && kept.proves_nothing().is_none())
    }

    /// Keeps what a run has come to, and what it has not taken over yet.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, report: &ClusterReport) -> anyhow::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut report = report.clone();
        let ran: Vec<_> = report.cases.iter().map(|case| case.case).collect();
        let earlier = self.earlier.iter().flat_map(|earlier| &earlier.cases);
        report.cases.extend(earlier.filter(|kept| !ran.contains(&kept.case)).cloned());
        let json = serde_json::to_string_pretty(&report).context("write report as JSON")?;
        // Whole or not at all: what is kept is for runs that are broken off, at any moment.
        let partial = file.with_extension("partial");
        std::fs::write(&partial, json).with_context(|| format!("write {}", partial.display()))?;
        std::fs::rename(&partial, file).with_context(|| format!("write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    fn resumed(report: &ClusterReport) -> Kept {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cluster.json");
        Kept::begin(Some(file.clone())).keep(report).unwrap();
        Kept::resume(&file).unwrap()
    }

    #[test]
    fn a_run_goes_on_with_what_the_one_before_came_to() {
        let before = report();
        let kept = resumed(&before);
        assert_eq!(kept.of(Case::C1), before.cases.first());
        assert_eq!(kept.of(Case::C2), None);
        assert_eq!(kept.seed(), Some(7));
    }

    #[test]
    fn what_was_wrong_or_proves_nothing_is_played_again() {
        let spoilt = |spoil: fn(&mut CaseReport)| {
            let mut before = report();
            before.cases.iter_mut().for_each(spoil);
            resumed(&before).of(Case::C1).is_none()
        };
        assert!(spoilt(|case| case.verdict.violations_count = 1));
        assert!(spoilt(|case| case.verdict.ended = 0));
        assert!(!spoilt(|case| case.duration_ms = 9));
    }

    #[test]
    fn what_is_not_taken_over_yet_stays_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cluster.json");
        Kept::begin(Some(file.clone())).keep(&report()).unwrap();
        let other = |case: CaseReport| CaseReport { case: Case::C2, ..case };
        let now = ClusterReport { cases: report().cases.into_iter().map(other).collect(), ..report() };
        Kept::resume(&file).unwrap().keep(&now).unwrap();
        let kept = Kept::resume(&file).unwrap();
        assert!(kept.of(Case::C1).is_some() && kept.of(Case::C2).is_some());
    }

    #[test]
    fn another_run_is_not_gone_on_with() {
        let kept = resumed(&ClusterReport { command: vec!["--stations 200".to_owned()], ..report() });
        let asked = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|&one| one.to_owned()).collect();
            kept.ensure_same(&arguments)
        };
        assert!(asked(&["--stations 200", "--seed 9", "--case C3"]).is_ok());
        let error = asked(&["--stations 300"]).unwrap_err();
        assert_eq!(error.to_string(), "the run to go on with was: --stations 200");
    }
}
