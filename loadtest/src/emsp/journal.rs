//! What arrived when, and what follows from it: lag, loss and doubles.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Arrivals that are remembered; later ones are counted only, so that a long run does not eat the machine.
pub const ARRIVALS_MAX: usize = 1_000_000;

/// One request that arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// When, by this machine's clock: milliseconds since 1970.
    pub at_ms: i64,
    /// HTTP's method.
    pub method: String,
    /// The module.
    pub module: String,
    /// What it is about: owner and ids out of the path, or the id of a bill record; joined by slashes, in lower case.
    pub object: String,
    /// `last_updated` of its body, in the same milliseconds.
    pub last_updated_ms: Option<i64>,
    /// HTTP's status of the answer; `None`: there was none.
    pub status: Option<u16>,
    /// Was the sender told, whole, that it was done?
    pub is_acknowledged: bool,
    /// What the schemas say against its body.
    pub faults: Vec<String>,
    /// Its headers, where they are kept.
    pub headers: BTreeMap<String, String>,
    /// Its body, where it is kept.
    pub body: Value,
}

/// All that arrived.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// In their order.
    pub arrivals: Vec<Arrival>,
    /// How many came after there was no more room.
    pub forgotten: usize,
}

/// How late pushes came, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// How many there were.
    pub count: usize,
    /// Half of them came earlier.
    pub p50_ms: i64,
    /// All but one of a hundred came earlier.
    pub p99_ms: i64,
    /// The latest.
    pub max_ms: i64,
}

// === impl Journal ===

impl Journal {
    pub(super) fn add(&mut self, arrival: Arrival) {
        if self.arrivals.len() < ARRIVALS_MAX {
            self.arrivals.push(arrival);
        } else {
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// Those of a module by a method.
    pub fn of<'a>(&'a self, module: &'a str, method: &'a str) -> impl Iterator<Item = &'a Arrival> {
        self.arrivals.iter().filter(move |one| one.module == module && one.method == method)
    }

    /// From `last_updated` of what was pushed to its arrival, first arrivals of each state only: what is pushed again is late by nature.
    #[must_use]
    pub fn lag(&self, module: &str) -> Lag {
        let mut seen = BTreeSet::new();
        let mut lags: Vec<i64> = self
            .arrivals
            .iter()
            .filter(|one| one.module == module && ["PUT", "PATCH", "POST"].contains(&one.method.as_str()))
            .filter_map(|one| Some((one, one.last_updated_ms?)))
            .filter(|(one, updated)| seen.insert((one.object.clone(), *updated)))
            .map(|(one, updated)| one.at_ms.saturating_sub(updated))
            .collect();
        lags.sort_unstable();
        let at = |percent: usize| {
            let index = lags.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
            lags.get(index).copied().unwrap_or_default()
        };
        Lag { count: lags.len(), p50_ms: at(50), p99_ms: at(99), max_ms: at(100) }
    }

    /// Bill records that came again after they had been acknowledged: the sender forgot that it had sent them.
    #[must_use]
    pub fn doubles(&self) -> Vec<String> {
        let (mut acknowledged, mut doubles) = (BTreeSet::new(), BTreeSet::new());
        for one in self.of("cdrs", "POST") {
            if acknowledged.contains(&one.object) {
                doubles.insert(one.object.clone());
            }
            if one.is_acknowledged {
                acknowledged.insert(one.object.clone());
            }
        }
        doubles.into_iter().collect()
    }

    /// Of these bill records those that never came, or of which the sender was never told that they are here: by the answer, or when it asked.
    #[must_use]
    pub fn lost<'a>(&self, expected: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let told = ["POST", "GET"].map(|method| self.of("cdrs", method).filter(|one| one.is_acknowledged));
        let told: BTreeSet<_> = told.into_iter().flatten().map(|one| one.object.as_str()).collect();
        expected.into_iter().filter(|id| !told.contains(id.to_ascii_lowercase().as_str())).collect()
    }

    /// What the schemas say against anything that came.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let fault = |one: &Arrival| {
            let place = format!("{} {} {}", one.method, one.module, one.object);
            one.faults.iter().map(move |fault| format!("{place}: {fault}")).collect::<Vec<_>>()
        };
        self.arrivals.iter().flat_map(fault).collect()
    }
}
