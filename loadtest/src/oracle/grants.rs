//! Whether a site was ever over its limit (L1): what its stations drew and were allowed, summed up at every change, beside what its circuits
//! may carry.
//!
//! What is promised (reliability.md 8, docs/charging.md): all that stations below a circuit are allowed, together, never exceeds its limit. Where
//! the limit itself falls, stations have to be told first; what cannot be told ends with its grant. So for [`Judgement::grace`] after a
//! lower limit was taken in, the one before it still counts, and never more than that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::draws::{Change, Draw, Lines};

/// Times over a limit that are kept; more are counted.
const EXCESSES_MAX: usize = 50;

/// A limit of a circuit as somebody ordered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// On each line, in microamperes.
    pub line_ua: u64,
    /// From then on it may be known.
    pub sent: Instant,
    /// From then on it is; `None` where nobody knows whether it was taken in.
    pub answered: Option<Instant>,
}

/// A circuit with the stations below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// For people.
    pub name: String,
    /// Who draws through it.
    pub stations: BTreeSet<Arc<str>>,
    /// Its limits, in the order they were sent, one after the answer to the other.
    pub limits: Vec<Ordered>,
}

/// What is judged, and how strictly.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// From then on: every station has its fallback.
    pub from: Instant,
    /// Until then.
    pub until: Instant,
    /// How long after a lower limit the one before it may still be drawn.
    pub grace: Duration,
}

/// Which of the two sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// What flowed.
    Drawn,
    /// What the accepted profiles allow.
    Allowed,
}

/// A circuit was over its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Which circuit.
    pub circuit: String,
    /// Which sum.
    pub of: Of,
    /// The highest sum of a line, in microamperes.
    pub highest_ua: u64,
    /// What was allowed then.
    pub limit_ua: u64,
    /// How long after the beginning.
    pub after: Duration,
    /// How long it lasted.
    pub lasted: Duration,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Times over a limit, the first of them.
    pub excesses: Vec<Excess>,
    /// All of them.
    pub excesses_count: usize,
    /// What flowed, of the limit that held, at the highest of all circuits, per mille.
    pub highest_permille: u64,
    /// The longest that more flowed than the newest limit lets, after it was taken in.
    pub over_newest: Duration,
    /// The longest that a station drew more than what it had accepted.
    pub obeyed_after: Duration,
}

/// A span in which a sum is over something.
#[derive(Default)]
struct Over {
    open: Option<Excess>,
}

// === impl Circuit ===

impl Circuit {
    /// The highest limit that may count at an instant.
    fn bound(&self, at: Instant, grace: Duration) -> Option<u64> {
        let counts = |(place, limit): (usize, &Ordered)| {
            let later = self.limits.iter().skip(place + 1);
            let replaced = later.filter_map(|later| later.answered).min();
            let is_sent = limit.sent <= at || place == 0;
            (is_sent && replaced.is_none_or(|replaced| at < replaced + grace)).then_some(limit.line_ua)
        };
        self.limits.iter().enumerate().filter_map(counts).max()
    }

    /// The highest limit that the operator may think of as the present one.
    fn newest(&self, at: Instant) -> Option<u64> {
        self.bound(at, Duration::ZERO)
    }

    /// When what counts may change.
    fn turns(&self, grace: Duration) -> impl Iterator<Item = Instant> {
        let sent = self.limits.iter().map(|limit| limit.sent);
        let over = self.limits.iter().filter_map(|limit| limit.answered).flat_map(move |at| [at, at + grace]);
        sent.chain(over)
    }

    fn judge(&self, changes: &[Change], judgement: &Judgement, found: &mut Found) {
        let changes: Vec<_> =
            changes.iter().filter(|change| self.stations.contains(&change.station)).collect();
        let mut times: BTreeSet<_> = changes.iter().map(|change| change.at).collect();
        times.extend(self.turns(judgement.grace));
        times.extend([judgement.from, judgement.until]);
        let mut coming = changes.into_iter().peekable();
        let mut latest: BTreeMap<(&str, u32), Draw> = BTreeMap::new();
        let mut sum = Draw::default();
        let (mut drawn, mut allowed, mut newest) = (Over::default(), Over::default(), Over::default());
        for at in times.into_iter().take_while(|at| *at <= judgement.until) {
            while let Some(change) = coming.next_if(|change| change.at <= at) {
                let before = latest.insert((&change.station, change.evse), change.draw).unwrap_or_default();
                sum = Draw {
                    drawn: moved(sum.drawn, before.drawn, change.draw.drawn),
                    allowed: moved(sum.allowed, before.allowed, change.draw.allowed),
                };
            }
            let (Some(bound), Some(now)) = (self.bound(at, judgement.grace), self.newest(at)) else {
                continue;
            };
            // At the last instant everything that is open ends.
            let is_judged = at >= judgement.from && at < judgement.until;
            let look = |of, lines: Lines, limit_ua| {
                let highest_ua = lines.into_iter().max().unwrap_or_default();
                (is_judged && highest_ua > limit_ua).then(|| Excess {
                    circuit: self.name.clone(),
                    of,
                    highest_ua,
                    limit_ua,
                    after: at.duration_since(judgement.from),
                    lasted: Duration::ZERO,
                })
            };
            if is_judged {
                let highest = sum.drawn.into_iter().max().unwrap_or_default();
                found.highest_permille = found.highest_permille.max(highest * 1_000 / bound.max(1));
            }
            let since = at.saturating_duration_since(judgement.from);
            for (over, of, lines) in
                [(&mut drawn, Of::Drawn, sum.drawn), (&mut allowed, Of::Allowed, sum.allowed)]
            {
                if let Some(excess) = over.turn(look(of, lines, bound), since) {
                    found.accuse(excess);
                }
            }
            if let Some(excess) = newest.turn(look(Of::Drawn, sum.drawn, now), since) {
                found.over_newest = found.over_newest.max(excess.lasted);
            }
        }
    }
}

// === impl Over ===

impl Over {
    /// The sum is over, or not, from now on; gives a span that is over.
    fn turn(&mut self, now: Option<Excess>, since: Duration) -> Option<Excess> {
        match (self.open.as_mut(), now) {
            (None, now) => {
                self.open = now;
                None
            }
            (Some(open), Some(now)) => {
                if now.highest_ua > open.highest_ua {
                    (open.highest_ua, open.limit_ua) = (now.highest_ua, now.limit_ua);
                }
                None
            }
            (Some(_), None) => {
                let open = self.open.take()?;
                Some(Excess { lasted: since.saturating_sub(open.after), ..open })
            }
        }
    }
}

// === impl Found ===

impl Found {
    fn accuse(&mut self, excess: Excess) {
        self.excesses_count += 1;
        if self.excesses.len() < EXCESSES_MAX {
            self.excesses.push(excess);
        }
    }
}

/// Judges all circuits. The changes are in the order of their instants.
#[must_use]
pub fn judge(circuits: &[Circuit], changes: &[Change], judgement: &Judgement) -> Found {
    let mut found = Found { obeyed_after: obeyed_after(changes, judgement), ..Found::default() };
    for circuit in circuits {
        circuit.judge(changes, judgement, &mut found);
    }
    found
}

/// The longest that an EVSE drew more than it was allowed.
fn obeyed_after(changes: &[Change], judgement: &Judgement) -> Duration {
    let mut since: BTreeMap<(&str, u32), Instant> = BTreeMap::new();
    let mut longest = Duration::ZERO;
    for change in changes.iter().filter(|change| change.at >= judgement.from && change.at < judgement.until) {
        let evse = (&*change.station, change.evse);
        let is_over =
            change.draw.drawn.iter().zip(change.draw.allowed).any(|(drawn, allowed)| *drawn > allowed);
        match (is_over, since.get(&evse)) {
            (true, None) => drop(since.insert(evse, change.at)),
            (false, Some(begun)) => {
                longest = longest.max(change.at.duration_since(*begun));
                since.remove(&evse);
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    let still = since.into_values().map(|begun| judgement.until.saturating_duration_since(begun));
    still.fold(longest, Duration::max)
}

/// A sum in which one part has changed.
fn moved(sum: Lines, before: Lines, after: Lines) -> Lines {
    let mut moved = sum;
    for ((line, before), after) in moved.iter_mut().zip(before).zip(after) {
        *line = line.saturating_sub(before).saturating_add(after);
    }
    moved
}

#[cfg(test)]
mod tests;
