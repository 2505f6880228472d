//! What buildings took at most in their last hours: what is to be remembered of it, and what was.

use std::collections::{BTreeMap, BTreeSet};

use crate::load::highs::{HOUR_MS, Highs, hour_of, larger, over_at};
use crate::load::ledger::steering::input::Effect;
use crate::load::supply::Reading;
use crate::time::Timestamp;
use crate::unit::Milliamps;

use super::AllocationState;

const NOTHING: [Milliamps; 3] = [Milliamps::ZERO; 3];
/// What is remembered is rounded up to this, mA: it is never less than what was, and a load that creeps up is not written over and over.
const STEP_MA: i64 = 1_000;
/// So far ahead of our clock an hour still counts, milliseconds: a node that starts after a power cut may be late by as much.
const AHEAD_MS: i64 = 30 * 24 * HOUR_MS;

/// The highest building load of each of the last hours, by its beginning.
#[derive(Debug, Default)]
pub(super) struct Hours(BTreeMap<Timestamp, Hour>);

#[derive(Debug, Clone, Copy, Default)]
struct Hour {
    highest_ma: [Milliamps; 3],
    /// What whoever remembers has of it, if anything.
    told_ma: Option<[Milliamps; 3]>,
}

// === impl AllocationState ===

impl AllocationState {
    /// Highs of an earlier life. What is above the breaker was never there.
    pub(super) fn on_remembered(&mut self, now: Timestamp, highs: &Highs) -> Vec<Effect> {
        let circuits: BTreeSet<_> = self.tree.circuits().iter().map(|circuit| &circuit.id).collect();
        for (circuit, hour, line_ma) in highs.iter().filter(|(circuit, ..)| circuits.contains(circuit)) {
            let known = self.supply.circuits.entry(circuit.clone()).or_default();
            let possible_ma = line_ma.map(|line| known.breaker_ma.map_or(line, |breaker| line.min(breaker)));
            let hours = &mut self.past.entry(circuit.clone()).or_default().hours;
            hours.remember(now, hour, (possible_ma, line_ma));
            known.highest_24h_ma = hours.highest();
        }
        self.on_supply(now)
    }

    /// What is to be remembered since this was last asked: the highs of hours that are new or rose. They are what
    /// [`super::Input::Remembered`] takes after a restart.
    pub fn take_highs(&mut self) -> Highs {
        std::mem::take(&mut self.new_highs)
    }
}

// === impl Hours ===

impl Hours {
    /// Takes a reading in. What is to be remembered of its hour, if whoever remembers does not have it yet.
    pub(super) fn see(&mut self, now: Timestamp, reading: &Reading) -> Option<(Timestamp, [Milliamps; 3])> {
        self.0.retain(|hour, _| is_credible(now, *hour));
        let own = hour_of(reading.at);
        // One that comes late counts with the newest.
        let at = self.0.last_key_value().map_or(own, |(newest, _)| own.max(*newest));
        let hour = self.0.entry(at).or_default();
        hour.highest_ma = larger(hour.highest_ma, reading.line_ma);
        let rounded_ma = hour.highest_ma.map(rounded_up);
        let told_ma = hour.told_ma.map_or(rounded_ma, |told| larger(told, rounded_ma));
        let is_news = hour.told_ma.replace(told_ma) != Some(told_ma);
        self.trim();
        is_news.then_some((at, told_ma))
    }

    fn remember(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        (possible_ma, told_ma): ([Milliamps; 3], [Milliamps; 3]),
    ) {
        if !is_credible(now, at) {
            return;
        }
        let hour = self.0.entry(at).or_default();
        hour.highest_ma = larger(hour.highest_ma, possible_ma);
        hour.told_ma = Some(hour.told_ma.map_or(told_ma, |told| larger(told, told_ma)));
        self.trim();
    }

    fn trim(&mut self) {
        if let Some((newest, _)) = self.0.last_key_value() {
            let over_at = over_at(*newest);
            self.0.retain(|hour, _| *hour > over_at);
        }
    }

    pub(super) fn highest(&self) -> [Milliamps; 3] {
        self.0.values().fold(NOTHING, |highest, hour| larger(highest, hour.highest_ma))
    }
}

/// Where our clock was years ahead and was put right, an hour of then would be the newest for ever. One that was never set knows nothing of hours.
fn is_credible(now: Timestamp, hour: Timestamp) -> bool {
    now < Timestamp::CLOCKS_SET || hour <= now.plus_millis(AHEAD_MS)
}

fn rounded_up(line: Milliamps) -> Milliamps {
    Milliamps(line.0.saturating_add(STEP_MA - 1).div_euclid(STEP_MA).saturating_mul(STEP_MA))
}
