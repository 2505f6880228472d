//! What partners heard and when: how late, how much, and when one that misbehaved had heard all that the others had.
//!
//! A push says when what it tells was changed (`last_updated`): when the node took the station's message in. From there to its arrival at the
//! partner is its lag. A state counts once, when it comes first: what is told again is late by nature.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::emsp::Emsp;
use crate::emsp::journal::{Arrival, Journal};

/// Modules that are measured.
const MODULES: [&str; 3] = ["locations", "sessions", "cdrs"];

/// So many of the last calls are looked at for whether a partner is in step; of one of them no more time may have gone by since, ms.
const LOOKED_AT: usize = 3;
const IN_STEP_MS: i64 = 1_500;

/// When it is measured, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

/// How late pushes of a module came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LagFigures {
    /// The module.
    pub module: String,
    /// How many states.
    pub count: usize,
    /// Half of them came earlier, ms.
    pub p50_ms: i64,
    /// All but one of a hundred came earlier, ms.
    pub p99_ms: i64,
    /// The latest, ms.
    pub max_ms: i64,
}

/// The lags of all partners, by module; of each partner alone those of its locations.
#[derive(Debug, Default)]
pub(super) struct Lags {
    all: BTreeMap<&'static str, Vec<i64>>,
    p99s: Vec<i64>,
}

// === impl Window ===

impl Window {
    pub(super) fn length_ms(&self) -> i64 {
        self.end_ms.saturating_sub(self.start_ms)
    }

    fn has(&self, at_ms: i64) -> bool {
        (self.start_ms..self.end_ms).contains(&at_ms)
    }

    /// How many calls came.
    pub(super) fn count(&self, journal: &Journal) -> usize {
        journal.arrivals.iter().filter(|one| is_told(one) && self.has(one.at_ms)).count()
    }

    /// How many different states of EVSEs and locations were told.
    pub(super) fn states(&self, journal: &Journal) -> usize {
        self.lags(journal, "locations").len()
    }

    fn lags(&self, journal: &Journal, module: &str) -> Vec<i64> {
        let mut seen = BTreeSet::new();
        let told = journal.arrivals.iter().filter(|one| one.module == module && is_told(one));
        let first = told.filter_map(|one| Some((one, one.last_updated_ms?)));
        let first = first.filter(|(one, updated)| seen.insert((one.object.as_str(), *updated)));
        first
            .filter(|(_, updated)| self.has(*updated))
            .map(|(one, updated)| one.at_ms.saturating_sub(updated))
            .collect()
    }
}

fn is_told(one: &Arrival) -> bool {
    MODULES.contains(&one.module.as_str()) && ["PUT", "PATCH", "POST"].contains(&one.method.as_str())
}

// === impl Lags ===

impl Lags {
    pub(super) fn of<'a>(partners: impl Iterator<Item = &'a Emsp>, window: &Window) -> Self {
        let mut lags = Self::default();
        partners.for_each(|emsp| emsp.look(|journal| lags.add(journal, window)));
        lags
    }

    fn add(&mut self, journal: &Journal, window: &Window) {
        for module in MODULES {
            let mut of_module = window.lags(journal, module);
            if module == "locations" {
                self.p99s.push(nearest(&mut of_module, 99));
            }
            self.all.entry(module).or_default().extend(of_module);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.get("locations").is_none_or(Vec::is_empty)
    }

    pub(super) fn figures(&self) -> Vec<LagFigures> {
        let of = |(module, lags): (&&str, &Vec<i64>)| {
            let mut lags = lags.clone();
            let [p50_ms, p99_ms, max_ms] = [50, 99, 100].map(|percent| nearest(&mut lags, percent));
            LagFigures { module: (*module).to_owned(), count: lags.len(), p50_ms, p99_ms, max_ms }
        };
        self.all.iter().map(of).collect()
    }

    /// The 99th percentile of the partner that hears latest of states.
    pub(super) fn slowest_p99_ms(&self) -> i64 {
        self.p99s.iter().copied().max().unwrap_or_default()
    }
}

/// The percentile of the nearest rank.
fn nearest(values: &mut [i64], percent: usize) -> i64 {
    values.sort_unstable();
    let place = values.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
    values.get(place).copied().unwrap_or_default()
}

/// Is what a partner heard last of what happens now?
pub(super) fn is_in_step(journal: &Journal) -> bool {
    let last = journal.arrivals.iter().rev().filter(|one| is_told(one)).take(LOOKED_AT);
    let mut lags = last.filter_map(|one| Some(one.at_ms.saturating_sub(one.last_updated_ms?)));
    lags.any(|lag| lag < IN_STEP_MS)
}

/// The newest state of each EVSE that a partner had heard of by then.
pub(super) fn needed(journal: &Journal, by_ms: i64) -> BTreeMap<String, i64> {
    let mut needed = BTreeMap::new();
    for one in journal.arrivals.iter().filter(|one| one.module == "locations" && one.is_acknowledged) {
        let (Some(updated), true) = (one.last_updated_ms, one.at_ms < by_ms && is_told(one)) else {
            continue;
        };
        // Only what is told of an EVSE alone: the whole location comes with any of them.
        if one.object.split('/').count() == 4 {
            let newest = needed.entry(one.object.clone()).or_insert(updated);
            *newest = updated.max(*newest);
        }
    }
    needed
}

/// How long after an instant a partner had been told as much, ms; `None`: never. What it knew before counts as well.
pub(super) fn caught_up(journal: &Journal, needed: &BTreeMap<String, i64>, since_ms: i64) -> Option<i64> {
    let mut lacking = needed.clone();
    let mut last = since_ms;
    for one in journal.arrivals.iter().filter(|one| one.module == "locations" && one.is_acknowledged) {
        let Some(updated) = one.last_updated_ms.filter(|_| is_told(one)) else { continue };
        let before = lacking.len();
        let is_whole = one.object.split('/').count() == 3;
        lacking.retain(|evse, wanted| {
            let is_told = *evse == one.object || (is_whole && evse.starts_with(&format!("{}/", one.object)));
            !is_told || updated < *wanted
        });
        if lacking.len() < before {
            last = last.max(one.at_ms);
        }
        if lacking.is_empty() {
            return Some(last - since_ms);
        }
    }
    lacking.is_empty().then_some(last - since_ms)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::Value;

    use super::*;

    pub(in super::super) fn arrival(
        method: &str,
        module: &str,
        object: &str,
        updated_ms: i64,
        at_ms: i64,
    ) -> Arrival {
        Arrival {
            at_ms,
            method: method.to_owned(),
            module: module.to_owned(),
            object: object.to_owned(),
            last_updated_ms: Some(updated_ms),
            status: Some(200),
            is_acknowledged: true,
            faults: Vec::new(),
            headers: BTreeMap::new(),
            body: Value::Null,
        }
    }

    fn journal(arrivals: Vec<Arrival>) -> Journal {
        Journal { arrivals, forgotten: 0 }
    }

    #[test]
    fn a_state_counts_once_and_within_the_window_alone() {
        let window = Window { start_ms: 1_000, end_ms: 2_000 };
        let patch = |updated, at| arrival("PATCH", "locations", "nl/rmn/l1/e1", updated, at);
        let heard = journal(vec![
            patch(900, 950),
            patch(900, 1_500),
            patch(1_100, 1_150),
            patch(1_100, 1_900),
            patch(1_300, 1_500),
            patch(1_990, 2_010),
            arrival("GET", "locations", "", 1_100, 1_200),
            arrival("POST", "cdrs", "a", 1_200, 1_700),
        ]);
        let mut lags = Lags::default();
        lags.add(&heard, &window);
        let figures = lags.figures();
        let of = |module: &str| figures.iter().find(|figures| figures.module == module).cloned().unwrap();
        assert_eq!((of("locations").count, of("locations").p50_ms, of("locations").max_ms), (3, 50, 200));
        assert_eq!((of("cdrs").p99_ms, of("sessions").count), (500, 0));
        assert_eq!((window.count(&heard), window.states(&heard), lags.slowest_p99_ms()), (5, 3, 200));
        assert!(!lags.is_empty() && Lags::default().is_empty());
    }

    #[test]
    fn who_hears_of_what_happens_now_is_in_step() {
        let heard = |lags: &[i64]| {
            let one = |lag| arrival("PUT", "locations", "nl/rmn/l1/e1", 1_000, 1_000 + lag);
            journal(lags.iter().copied().map(one).collect())
        };
        assert!(is_in_step(&heard(&[9_000, 1_400, 9_000, 9_000])));
        assert!(!is_in_step(&heard(&[1_400, 9_000, 9_000, 9_000])) && !is_in_step(&heard(&[])));
    }

    #[test]
    fn who_was_away_has_caught_up_when_it_knows_what_the_others_knew() {
        let evse =
            |number, updated, at| arrival("PATCH", "locations", &format!("nl/rmn/l1/e{number}"), updated, at);
        let others =
            journal(vec![evse(1, 100, 110), evse(1, 200, 210), evse(2, 150, 160), evse(2, 900, 1_100)]);
        let needed = needed(&others, 1_000);
        assert_eq!(needed.len(), 2);
        let mut own = journal(vec![evse(1, 100, 110), evse(2, 150, 1_400)]);
        assert_eq!(caught_up(&own, &needed, 1_000), None);
        let mut refused = evse(1, 200, 1_450);
        refused.is_acknowledged = false;
        own.arrivals.push(refused);
        assert_eq!(caught_up(&own, &needed, 1_000), None);
        own.arrivals.push(arrival("PUT", "locations", "nl/rmn/l1", 200, 1_500));
        assert_eq!(caught_up(&own, &needed, 1_000), Some(500));
        assert_eq!(caught_up(&others, &needed, 1_000), Some(0));
    }
}
