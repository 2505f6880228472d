//! What flowed last on each phase of an EVSE, as its station told it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::meter::line_of;
use crate::meter::{Measurand, MeterLocation, Sample};
use crate::time::Timestamp;

/// A station that reads its phases one after another is done within so long, in milliseconds.
const ROUND_MS: i64 = 5_000;

/// One quantity at one instant: by the station's own phases, and as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Phased {
    /// On the station's L1, L2, L3.
    #[serde(default, skip_serializing_if = "is_none")]
    pub phases: [Option<i64>; 3],
    /// Without a phase; of voltages also one between two phases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<i64>,
}

/// What was measured at one instant, where more than the power of all phases together was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flow {
    /// When, by the station's clock.
    pub at: Timestamp,
    /// Currents, in mA.
    #[serde(default, skip_serializing_if = "Phased::is_empty")]
    pub current_ma: Phased,
    /// Powers, in W.
    #[serde(default, skip_serializing_if = "Phased::is_empty")]
    pub power_w: Phased,
    /// Voltages, in mV.
    #[serde(default, skip_serializing_if = "Phased::is_empty")]
    pub voltage_mv: Phased,
}

const fn is_none(phases: &[Option<i64>; 3]) -> bool {
    matches!(phases, [None, None, None])
}

// === impl Phased ===

impl Phased {
    /// Was nothing told?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        is_none(&self.phases) && self.whole.is_none()
    }

    fn or(self, before: Self) -> Self {
        if is_none(&self.phases) {
            return self;
        }
        let [a, b, c] = self.phases;
        let [x, y, z] = before.phases;
        Self { phases: [a.or(x), b.or(y), c.or(z)], ..self }
    }

    fn take(&mut self, sample: &Sample) {
        let slot = match sample.phase {
            None => Some(&mut self.whole),
            Some(phase) => line_of(phase).and_then(|line| self.phases.get_mut(line)),
        };
        if let Some(slot) = slot {
            *slot = Some(sample.value);
        } else if sample.measurand == Measurand::Voltage {
            self.whole = self.whole.or(Some(sample.value));
        }
    }
}

// === impl Flow ===

impl Flow {
    /// The latest instant of these samples at which a current or a power was measured, if it tells more than one power. A station may read
    /// its phases one after another, each with its own time: those of the seconds before are of the same round.
    pub(super) fn of(samples: &[Sample]) -> Option<Self> {
        let mut instants: BTreeMap<Timestamp, Self> = BTreeMap::new();
        for sample in samples.iter().filter(|sample| sample.location == MeterLocation::Outlet) {
            let quantity = |flow: &mut Self| match sample.measurand {
                Measurand::CurrentImport => flow.current_ma.take(sample),
                Measurand::PowerImport => flow.power_w.take(sample),
                Measurand::Voltage => flow.voltage_mv.take(sample),
                Measurand::EnergyImportRegister
                | Measurand::EnergyExportRegister
                | Measurand::EnergyImportInterval
                | Measurand::PowerExport
                | Measurand::PowerOffered
                | Measurand::CurrentOffered
                | Measurand::StateOfCharge
                | Measurand::Other(_) => {}
            };
            quantity(instants.entry(sample.observed_at).or_default());
        }
        let mut latest = instants.into_iter().rev().skip_while(|(_, flow)| !flow.tells_more_than_power());
        let (at, flow) = latest.next()?;
        let of_round = latest.take_while(|(before, _)| at.millis_since(*before) <= ROUND_MS);
        Some(of_round.fold(Self { at, ..flow }, |flow, (_, before)| flow.or(before)))
    }

    /// The phases that are missing of what was read by phase, as they were before.
    fn or(self, before: Self) -> Self {
        Self {
            at: self.at,
            current_ma: self.current_ma.or(before.current_ma),
            power_w: self.power_w.or(before.power_w),
            voltage_mv: self.voltage_mv.or(before.voltage_mv),
        }
    }

    const fn tells_more_than_power(&self) -> bool {
        let by_phase = !self.current_ma.is_empty() || !is_none(&self.power_w.phases);
        by_phase || (self.power_w.whole.is_some() && !self.voltage_mv.is_empty())
    }
}
