//! The readings of a session: what was measured when, and whether it can be true.

use super::{Session, SessionFlag};
use crate::meter::Measurand;
use crate::time::Timestamp;
use crate::transaction::TransactionFact;

/// More than any vehicle takes today, in W: a gap that needs more power is looked at before it is billed.
const IMPLAUSIBLE_W: i64 = 1_000_000;
/// Readings closer together than this are judged as if they were this far apart: clocks and meters tick coarsely.
const SHORTEST_GAP_MS: i64 = 60_000;
const MS_PER_HOUR: i64 = 3_600_000;

/// The meter's story in a set of facts.
pub(super) struct Readings {
    /// Readings of the import register by time: (when, Wh).
    registers: Vec<(Timestamp, i64)>,
    /// Energies of intervals by their end: (when, Wh); used only where there is no register.
    intervals: Vec<(Timestamp, i64)>,
    power_w: Option<(Timestamp, i64)>,
    soc_permille: Option<(Timestamp, i64)>,
}

// === impl Readings ===

impl Readings {
    pub(super) fn of(facts: &[&TransactionFact]) -> Self {
        let mut readings =
            Self { registers: Vec::new(), intervals: Vec::new(), power_w: None, soc_permille: None };
        for sample in facts.iter().flat_map(|fact| &fact.samples) {
            if let Some(wh) = sample.billed_register_wh() {
                readings.registers.push((sample.observed_at, wh));
            }
            let point = (sample.observed_at, sample.value);
            match sample.measurand {
                Measurand::EnergyImportInterval if sample.phase.is_none() => readings.intervals.push(point),
                Measurand::PowerImport if sample.phase.is_none() => {
                    readings.power_w = readings.power_w.max(Some(point))
                }
                Measurand::StateOfCharge => readings.soc_permille = readings.soc_permille.max(Some(point)),
                Measurand::EnergyImportRegister
                | Measurand::EnergyExportRegister
                | Measurand::EnergyImportInterval
                | Measurand::PowerImport
                | Measurand::PowerExport
                | Measurand::PowerOffered
                | Measurand::CurrentImport
                | Measurand::CurrentOffered
                | Measurand::Voltage
                | Measurand::Other(_) => {}
            }
        }
        // A station may repeat a reading in its stop message: the same instant and value count once.
        readings.registers.sort_unstable();
        readings.registers.dedup();
        readings.intervals.sort_unstable();
        readings.intervals.dedup();
        readings
    }

    pub(super) fn last_register(&self) -> Option<(Timestamp, i64)> {
        self.registers.last().copied()
    }

    pub(super) fn power_w(&self) -> Option<i64> {
        self.power_w.map(|(_, watts)| watts)
    }

    pub(super) fn soc_permille(&self) -> Option<i64> {
        self.soc_permille.map(|(_, permille)| permille)
    }

    /// Energy gained between neighbouring readings: (from, to, Wh), by time. A register that falls gains nothing (reliability F18).
    pub(super) fn gains(&self, started_at: Timestamp) -> Vec<(Timestamp, Timestamp, i64)> {
        if self.registers.is_empty() {
            let mut from = started_at;
            return self
                .intervals
                .iter()
                .map(|(to, wh)| {
                    let gain = (from.min(*to), *to, (*wh).max(0));
                    from = *to;
                    gain
                })
                .collect();
        }
        self.registers
            .iter()
            .zip(self.registers.iter().skip(1))
            .map(|((from, before), (to, after))| (*from, *to, after.saturating_sub(*before).max(0)))
            .collect()
    }

    /// Tells the session what the meter says of it, and what cannot be true.
    pub(super) fn describe(&self, session: &mut Session) {
        session.meter_first_wh = self.registers.first().map(|(_, wh)| *wh);
        session.meter_last_wh = self.registers.last().map(|(_, wh)| *wh);
        session.meter_last_at = self.registers.last().or(self.intervals.last()).map(|(at, _)| *at);
        if session.ended_at.is_some() && self.registers.len() < 2 && self.intervals.is_empty() {
            session.flag(SessionFlag::NoMeterReading);
        }
        let falls = self
            .registers
            .iter()
            .zip(self.registers.iter().skip(1))
            .any(|(before, after)| after.1 < before.1);
        if falls {
            session.flag(SessionFlag::MeterWentBackwards);
        }
        let implausible = self.gains(session.started_at).iter().any(|(from, to, wh)| {
            let gap_ms = to.millis_since(*from).max(SHORTEST_GAP_MS);
            wh.saturating_mul(MS_PER_HOUR) / gap_ms > IMPLAUSIBLE_W
        });
        if implausible {
            session.flag(SessionFlag::ImplausibleEnergy);
        }
    }
}
