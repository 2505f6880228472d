//! The table of faults and targets (reliability.md 13): which of them this program runs, and why it does not run the others.

use serde::{Deserialize, Serialize};

/// A case that can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Case {
    /// `kill -9` of each node in turn.
    C1,
    /// A node is stopped and goes on.
    C2,
    /// Redis is killed, emptied, silent.
    C3,
    /// PostgreSQL is killed.
    C4,
    /// PostgreSQL stays away.
    C5,
    /// The synchronous standby of PostgreSQL takes over in the middle of a commit.
    C6,
    /// A node is cut off from PostgreSQL, Redis, its peers.
    C7,
    /// All stations come back at once.
    C8,
    /// Nodes leave and come back in order, one after the other.
    C9,
    /// Two sockets with one identity.
    C10,
    /// Sockets that fall silent.
    C11,
    /// A site with two owners.
    C17,
    /// A site is cut while some of its stations cannot be reached.
    C18,
    /// Stations that read a byte a second.
    C12,
    /// Sockets that never come to the point, frames that must not be.
    C13,
    /// Wrong passwords at known identities.
    C14,
    /// No space left, under PostgreSQL and under a node.
    C15,
    /// Clocks that jump, of a node and of stations.
    C16,
    /// Long queues come back at once.
    C21,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) id: &'static str,
    /// The fault and what is wanted of it, in short.
    pub(super) target: &'static str,
    /// Why it was not run, where it was not.
    pub(super) not_run: &'static str,
}

/// Where a case is not asked for.
const NOT_ASKED: &str = "not asked for";

const fn row(id: &'static str, target: &'static str, not_run: &'static str) -> Row {
    Row { id, target, not_run }
}

/// All rows.
pub(super) const TABLE: [Row; 21] = [
    row(
        "C1",
        "`kill -9` of each node in turn: nothing lost, nothing double; ≥ 99 % of stations back ≤ 30 s; command after it p99 ≤ 5 s",
        NOT_ASKED,
    ),
    row(
        "C2",
        "SIGSTOP of a node: superseded sockets closed ≤ 5 s after it goes on; no effect of a stale owner",
        NOT_ASKED,
    ),
    row(
        "C3",
        "Redis killed, emptied, black hole: 0 sockets dropped; ≥ 99 % of commands, p99 ≤ 2 s; routes again ≤ 10 s",
        NOT_ASKED,
    ),
    row(
        "C4",
        "`kill -9` of PostgreSQL: nothing lost, nothing double, nothing given up; ready ≤ 10 s after it accepts",
        NOT_ASKED,
    ),
    row("C5", "PostgreSQL away 10 min: 503 on upgrade; backlog drained ≤ 5 min, 0 lost", NOT_ASKED),
    row("C6", "failover to the synchronous standby in mid-commit: 0 lost, epochs monotone", NOT_ASKED),
    row("C7", "partitions from PostgreSQL, Redis, peers: right outcome for each command", NOT_ASKED),
    row("C8", "all stations at once: back ≤ 60 s, handshake p99 ≤ 10 s, RSS ≤ 1.5x", NOT_ASKED),
    row(
        "C9",
        "rolling restart: 0 lost, no failed API call but retriable ones, ≤ 1 reconnect a station, peak ≤ 50/s",
        NOT_ASKED,
    ),
    row(
        "C10",
        "second socket, old one alive and dead: as decided; takeover ≤ 4 s; stale close keeps the route",
        NOT_ASKED,
    ),
    row("C11", "sockets silently dropped: detected ≤ 75 s; accepted at once on reconnect (≤ 4 s)", NOT_ASKED),
    row(
        "C12",
        "stations that read 1 B/s while much is sent to them: closed ≤ 20 s, others unaffected",
        NOT_ASKED,
    ),
    row(
        "C13",
        "slow-loris, oversize, bad UTF-8, depth 10^5, fragments, deflate: RSS + ≤ 100 MB, CPU recovers ≤ 5 s, right code, others unaffected",
        NOT_ASKED,
    ),
    row(
        "C14",
        "brute force 500/s on known identities: its CPU is told; real stations log in < 5 s",
        NOT_ASKED,
    ),
    row(
        "C15",
        "disk full under PostgreSQL, and under a node: not ready, sockets closed as in C5, recovers by itself, 0 lost",
        NOT_ASKED,
    ),
    row(
        "C16",
        "clock -1 h, +1 day on a node; stations ± 10 min and 1970: leases, commands and bills unaffected",
        NOT_ASKED,
    ),
    row(
        "C17",
        "two owners of a site, its limit changes at random through both: never over it; all nodes tell one owner ≤ 15 s after",
        NOT_ASKED,
    ),
    row(
        "C18",
        "site limit cut from 100 to 30 % with 20 % of its stations unreachable: the others ≤ 10 s, all ≤ TTL + margin, the rest is listed",
        NOT_ASKED,
    ),
    row("C19", "24 h soak", "a day is longer than this run"),
    row(
        "C20",
        "10,000 simulation seeds: 0 violations, ≥ 95 % of labels happened",
        "`--simulations` names no file of theirs; `make cluster-chaos` runs them first",
    ),
    row(
        "C21",
        "offline queues: 500 stations x 200 events drained ≤ 60 s, acknowledged after the commit",
        NOT_ASKED,
    ),
];

// === impl Case ===

impl Case {
    /// All that can be run, the most important first.
    pub const ALL: [Self; 19] = [
        Self::C1,
        Self::C3,
        Self::C4,
        Self::C10,
        Self::C17,
        Self::C18,
        Self::C2,
        Self::C7,
        Self::C9,
        Self::C8,
        Self::C11,
        Self::C5,
        Self::C6,
        Self::C12,
        Self::C13,
        Self::C14,
        Self::C15,
        Self::C16,
        Self::C21,
    ];

    /// As in the table.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::C1 => "C1",
            Self::C2 => "C2",
            Self::C3 => "C3",
            Self::C4 => "C4",
            Self::C5 => "C5",
            Self::C6 => "C6",
            Self::C7 => "C7",
            Self::C8 => "C8",
            Self::C9 => "C9",
            Self::C10 => "C10",
            Self::C11 => "C11",
            Self::C17 => "C17",
            Self::C18 => "C18",
            Self::C12 => "C12",
            Self::C13 => "C13",
            Self::C14 => "C14",
            Self::C15 => "C15",
            Self::C16 => "C16",
            Self::C21 => "C21",
        }
    }

    /// Reads one; a row that is not run is refused with the reason.
    ///
    /// # Errors
    /// No such case, or why it is not run.
    pub fn read(text: &str) -> Result<Self, String> {
        if let Some(case) = Self::ALL.into_iter().find(|case| case.id().eq_ignore_ascii_case(text)) {
            return Ok(case);
        }
        let known = TABLE.iter().find(|row| row.id.eq_ignore_ascii_case(text));
        Err(known.map_or_else(
            || format!("{text} is no case of the table"),
            |row| format!("SKIPPED {}: {}", row.id, row.not_run),
        ))
    }

    /// A cluster without anything of a case's own.
    pub(super) const PLAIN: Self = Self::C1;

    /// A rolling update: from the release before, where there is one, and with a node more than the others have, which joins before the first leaves.
    pub(super) const fn is_update(self) -> bool {
        matches!(self, Self::C9)
    }

    /// Links of nodes go through proxies.
    pub(super) const fn needs_proxies(self) -> bool {
        matches!(self, Self::C3 | Self::C7 | Self::C8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_run_or_says_why_not() {
        for row in TABLE {
            match Case::read(row.id) {
                Ok(case) => assert_eq!((case.id(), row.not_run), (row.id, NOT_ASKED)),
                Err(why) => assert!(why.starts_with("SKIPPED") && row.not_run != NOT_ASKED, "{why}"),
            }
        }
        assert!(Case::read("C99").is_err());
    }
}
