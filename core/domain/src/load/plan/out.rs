//! P9: shares with their reasons, what each session remembers, and when to plan again.

use crate::load::capacity::next_change;
use crate::load::demand::Memory;
use crate::load::reason::{FullRow, Reason};
use crate::load::rows::MICRO;
use crate::time::Timestamp;
use crate::unit::Milliamps;
use crate::unit::WattHours;

use super::car::{Bound, Car, probe_at};
use super::{LoadPlan, Making, Missed, Share, wired};

// === impl Making ===

impl Making<'_> {
    pub(super) fn finish(mut self) -> LoadPlan {
        let sums = &self.sums;
        self.capacity.ask_batteries(self.tree, self.supply, |row| sums.of(row).div_euclid(MICRO), self.now);
        let mut cars = self.cars.iter().peekable();
        let mut shares = Vec::with_capacity(self.tree.evses().len());
        for (place, evse) in self.tree.evses().iter().enumerate() {
            let share = if let Some(car) = cars.next_if(|car| car.place == place) {
                self.share(car)
            } else if let Some(held) = self.supply.held.get(&evse.key) {
                let reserved = held.ceiling_ma.max(evse.fallback_ma);
                Share {
                    evse: evse.key.clone(),
                    current: reserved,
                    lines: wired(evse),
                    reason: Reason::Held { why: held.why, reserved },
                    memory: None,
                }
            } else {
                Share {
                    evse: evse.key.clone(),
                    current: Milliamps::ZERO,
                    lines: wired(evse),
                    reason: Reason::Idle { fallback: evse.fallback_ma },
                    memory: None,
                }
            };
            shares.push(share);
        }
        let missed = self.cars.iter().filter_map(|car| self.missed(car)).collect();
        let next_at = self.next_at(&shares);
        LoadPlan { shares, notes: std::mem::take(&mut self.capacity.notes), missed, next_at }
    }

    /// What a session remembers of this plan.
    pub(super) fn remembered(&self, car: &Car<'_>) -> Memory {
        let mut memory = car.memory;
        if car.share_ua > 0 {
            memory.on_since = memory.on_since.or(Some(self.now));
            memory.off_since = None;
        } else {
            memory.on_since = None;
            memory.off_since = memory.off_since.or(Some(self.now));
        }
        let is_on_one_line = car.evse.can_switch_phases && car.lines != car.memory.lines(car.evse);
        if car.is_in && is_on_one_line != memory.on_one_line {
            memory.on_one_line = is_on_one_line;
            memory.switched_at = Some(self.now);
        }
        memory
    }

    fn share(&self, car: &Car<'_>) -> Share {
        Share {
            evse: car.evse.key.clone(),
            current: Milliamps(car.share_ua.div_euclid(MICRO)),
            lines: car.lines,
            reason: self.reason(car),
            memory: Some(self.remembered(car)),
        }
    }

    fn reason(&self, car: &Car<'_>) -> Reason {
        if car.is_quiet {
            let waits = || {
                probe_at(&car.memory, &self.supply.policy)
                    .unwrap_or_else(|| self.now.plus_millis(self.supply.policy.probe_ms))
            };
            return Reason::Quiet { probe_at: (!car.is_in).then(waits) };
        }
        if !car.is_in {
            let since = car.waits_since(self.now);
            let row = self.blocking_row(car, car.min_ua).and_then(|row| self.full_row(row));
            if car.fallback_ua > 0 && row.is_none() {
                return Reason::Fallback { fallback: car.evse.fallback_ma };
            }
            return Reason::Waits { since, due_at: since.plus_millis(self.supply.policy.hold_ms), row };
        }
        if car.is_probing {
            return Reason::Probing;
        }
        let next = car.share_ua.saturating_add(car.step_ua());
        if next > car.cap_ua {
            return match car.bound {
                Bound::Evse => Reason::AtMaximum,
                Bound::Car => Reason::CarTakes { current: Milliamps(car.cap_ua.div_euclid(MICRO)) },
                Bound::Energy => Reason::NearlyDone { energy: car.remaining },
            };
        }
        if let Some(at) = car.departs_at.filter(|_| car.is_trusted) {
            return Reason::Departs { at, energy: car.remaining, short: self.short(car, at) };
        }
        let row = self.blocking_row(car, next).and_then(|row| self.full_row(row));
        row.map_or(Reason::Fallback { fallback: car.evse.fallback_ma }, Reason::RowFull)
    }

    fn full_row(&self, number: usize) -> Option<FullRow> {
        let row = self.capacity.rows.row(number)?;
        let circuit = self.tree.circuits().get(row.place)?;
        let cause = self.capacity.causes.get(&number).cloned();
        Some(FullRow { circuit: circuit.label().into(), kind: row.kind.clone(), cause })
    }

    /// What a car will lack when it leaves with this share.
    fn short(&self, car: &Car<'_>, departs_at: Timestamp) -> WattHours {
        let comes = car.energy(car.share_ua, departs_at.millis_since(self.now));
        // A watt-hour is rounding.
        let short = car.remaining.minus(comes);
        if short.0 > 1 { short } else { WattHours::ZERO }
    }

    fn missed(&self, car: &Car<'_>) -> Option<Missed> {
        let departs_at = car.departs_at.filter(|_| car.is_trusted)?;
        let short = self.short(car, departs_at);
        (short.0 > 0).then(|| Missed { evse: car.evse.key.clone(), departs_at, short })
    }

    /// The next moment at which a hold ends, a place is due, a car becomes urgent, leaves or is asked again, or what is given
    /// changes. With trusted energies or departures ahead the plan moves all the time: then after a period.
    fn next_at(&self, shares: &[Share]) -> Option<Timestamp> {
        let policy = &self.supply.policy;
        let moments = self.cars.iter().flat_map(|car| {
            let memory = shares.get(car.place).and_then(|share| share.memory);
            let hold = |since: Option<Timestamp>| since.map(|since| since.plus_millis(policy.hold_ms));
            let urgent = (!car.is_in && car.laxity_ms != i64::MAX)
                .then(|| self.now.plus_millis(car.laxity_ms.saturating_sub(policy.urgent_ms)));
            let probe = memory.filter(|_| car.is_quiet).and_then(|memory| probe_at(&memory, policy));
            let moves = car.is_in && !car.is_quiet && car.departs_at.is_some() && car.need_ua > car.min_ua;
            let period = moves.then(|| self.now.plus_millis(policy.period_ms));
            [
                hold(memory.and_then(|memory| memory.on_since)),
                hold(memory.and_then(|memory| memory.off_since)),
                urgent,
                probe,
                car.departs_at,
                period,
            ]
        });
        let given = next_change(self.tree, self.supply, self.now);
        moments.chain([given]).flatten().filter(|at| *at > self.now).min()
    }
}
