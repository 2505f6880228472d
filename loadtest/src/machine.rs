//! The machine a run was made on, and what the server's process used of it: what a figure is worth nothing without.
//!
//! Reads /proc; where there is none, what is not known stays empty. Never touches the other process.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// Clock ticks of `/proc/PID/stat` in a second: USER_HZ, 100 on every Linux architecture we run on.
const TICKS_PER_S: u64 = 100;

/// The machine and the commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Cores this process may use.
    pub cores: usize,
    /// Model of the first processor.
    pub cpu: String,
    /// Memory in all, MiB.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
    /// Commit of the folder the run was started in.
    pub commit: String,
}

/// What a process had used at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Resident memory, KiB.
    pub rss_kib: u64,
    /// Processor time since it started, user and system, ms.
    pub cpu_ms: u64,
}

// === impl Machine ===

impl Machine {
    /// Looks at the machine.
    #[must_use]
    pub fn look() -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            cpu: after(&cpuinfo, "model name").unwrap_or_default().to_owned(),
            memory_mib: after(&meminfo, "MemTotal").and_then(kib).unwrap_or(0) / 1_024,
            kernel: kernel.trim().to_owned(),
            commit: commit().unwrap_or_default(),
        }
    }

    /// How a section of a page begins: the command, what it ran on, and the head of a table of figures.
    #[must_use]
    pub fn section(&self, name: &str, arguments: &[String]) -> String {
        let Self { cores, cpu, commit, .. } = self;
        let command = arguments.join(" ");
        format!(
            "```console\n$ ringmain-loadtest {name} {command}\n```\n\n{cores} cores ({cpu}), commit {commit}.\n\n| what | figure |\n|---|---|\n"
        )
    }
}

// === impl Usage ===

impl Usage {
    /// Looks at a process; `None` when it is not there.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let folder = Path::new("/proc").join(pid.to_string());
        let status = std::fs::read_to_string(folder.join("status")).ok()?;
        let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
        Self::read(&status, &stat)
    }

    fn read(status: &str, stat: &str) -> Option<Self> {
        let rss_kib = after(status, "VmRSS").and_then(kib)?;
        // The name in brackets may hold anything, so fields count from its end: user and system time are the 12th and 13th.
        let (_, fields) = stat.rsplit_once(')')?;
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Self { rss_kib, cpu_ms: ticks * 1_000 / TICKS_PER_S })
    }
}

fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn kib(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn commit() -> Option<String> {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_whatever_the_process_is_called() {
        let status = "Name:\tx\nVmRSS:\t   2048 kB\n";
        let stat = "42 (a) b) S 1 1 1 0 -1 4194304 1 0 0 0 150 50 0 0 20 0 1 0 100 1 1";
        assert_eq!(Usage::read(status, stat), Some(Usage { rss_kib: 2_048, cpu_ms: 2_000 }));
        assert_eq!(Usage::read("Name:\tx\n", stat), None);
    }

    #[test]
    fn this_process_is_there_and_another_is_not() {
        assert!(Usage::of(std::process::id()).unwrap().rss_kib > 0);
        assert_eq!(Usage::of(u32::MAX), None);
        assert!(Machine::look().cores > 0);
    }
}
