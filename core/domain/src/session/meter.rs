//! The readings of a session: what was measured when, and whether it can be true.

use std::collections::BTreeMap;

use super::intervals::{Counted, Intervals};
use super::{Session, SessionFlag};
use crate::meter::{Measurand, MeterLocation, Phase, Sample};
use crate::segment::Span;
use crate::time::Timestamp;
use crate::transaction::TransactionFact;

/// More than any vehicle takes today, in W: a gap that needs more power is looked at before it is billed.
const IMPLAUSIBLE_W: i64 = 1_000_000;
/// Readings closer together than this are judged as if they were this far apart: clocks and meters tick coarsely.
const SHORTEST_GAP_MS: i64 = 60_000;
pub(super) const MS_PER_HOUR: i64 = 3_600_000;

/// A register that falls by no more than this trembles; it is neither energy nor a reason to look.
pub(super) const TREMBLE_WH: i64 = 10;

/// Energy between two readings: from, to, Wh.
pub(super) type Gain = (Timestamp, Timestamp, i64);

/// The meter's story in a set of facts.
pub(super) struct Readings {
    /// Readings of the import register by time: (when, Wh).
    registers: Vec<(Timestamp, i64)>,
    /// Energies of intervals; used only where there are no two readings of a register.
    intervals: Counted,
    /// The current of the most loaded phase by time: (when, mA).
    currents: Vec<(Timestamp, i64)>,
    power_w: Option<(Timestamp, i64)>,
    soc_permille: Option<(Timestamp, i64)>,
}

/// One quantity that some stations give as a whole, some by phase, some both ways: the whole counts where there is one anywhere, or it
/// would be counted twice (reliability F20).
#[derive(Default)]
pub(super) struct Whole {
    wholes: Vec<(Timestamp, i64)>,
    phases: BTreeMap<Timestamp, [Option<i64>; 3]>,
}

/// The place of a line of its own among three; the neutral and what is between two lines have none.
pub(super) const fn line_of(phase: Phase) -> Option<usize> {
    match phase {
        Phase::L1 | Phase::L1N => Some(0),
        Phase::L2 | Phase::L2N => Some(1),
        Phase::L3 | Phase::L3N => Some(2),
        Phase::N | Phase::L1L2 | Phase::L2L3 | Phase::L3L1 => None,
    }
}

// === impl Whole ===

impl Whole {
    pub(super) fn take(&mut self, sample: &Sample) {
        let Some(phase) = sample.phase else {
            return self.wholes.push((sample.observed_at, sample.value));
        };
        let Some(line) = line_of(phase) else { return };
        if let Some(slot) = self.phases.entry(sample.observed_at).or_default().get_mut(line) {
            *slot = Some(sample.value);
        }
    }

    /// By time; the same instant and value count once: a station may repeat a reading in its stop message.
    pub(super) fn readings(self) -> Vec<(Timestamp, i64)> {
        let mut readings = self.wholes;
        if readings.is_empty() {
            let all = self.phases.into_iter().filter_map(|(at, phases)| match phases {
                [Some(a), Some(b), Some(c)] => Some((at, a.saturating_add(b).saturating_add(c))),
                _ => None,
            });
            readings = all.collect();
        }
        readings.sort_unstable();
        readings.dedup();
        readings
    }
}

/// The least and the most current measured in a stretch, its end included.
pub(super) fn current_ma(currents: &[(Timestamp, i64)], from: Timestamp, to: Timestamp) -> Option<Span> {
    let within = currents.iter().filter(|(at, _)| *at > from && *at <= to).map(|(_, ma)| *ma);
    within.fold(None, |span: Option<Span>, ma| {
        Some(span.map_or(Span::steady(ma), |s| Span { min: s.min.min(ma), max: s.max.max(ma) }))
    })
}

/// What a register gained that stood so high, and how high it stands then. What only trembles keeps its height.
pub(super) fn climb(high: i64, register: i64) -> (i64, i64) {
    let trembles = (0..=TREMBLE_WH).contains(&high.saturating_sub(register));
    (register.saturating_sub(high).max(0), if trembles { high } else { register })
}

// === impl Readings ===

impl Readings {
    pub(super) fn of(facts: &[&TransactionFact]) -> Self {
        let (mut registers, mut intervals, mut powers) =
            (Whole::default(), Intervals::default(), Whole::default());
        let mut currents: BTreeMap<Timestamp, i64> = BTreeMap::new();
        let mut soc_permille = None;
        for sample in facts.iter().flat_map(|fact| &fact.samples) {
            if sample.location != MeterLocation::Outlet && sample.measurand != Measurand::StateOfCharge {
                continue;
            }
            match sample.measurand {
                Measurand::EnergyImportRegister => registers.take(sample),
                Measurand::EnergyImportInterval => intervals.take(sample),
                Measurand::PowerImport => powers.take(sample),
                Measurand::CurrentImport if sample.phase != Some(Phase::N) => {
                    let most = currents.entry(sample.observed_at).or_insert(sample.value);
                    *most = sample.value.max(*most);
                }
                Measurand::StateOfCharge => {
                    soc_permille = soc_permille.max(Some((sample.observed_at, sample.value)));
                }
                Measurand::EnergyExportRegister
                | Measurand::PowerExport
                | Measurand::PowerOffered
                | Measurand::CurrentImport
                | Measurand::CurrentOffered
                | Measurand::Voltage
                | Measurand::Other(_) => {}
            }
        }
        Self {
            registers: registers.readings(),
            intervals: intervals.counted(),
            currents: currents.into_iter().collect(),
            power_w: powers.readings().last().copied(),
            soc_permille,
        }
    }

    /// When the meter was read last.
    pub(super) fn last_at(&self) -> Option<Timestamp> {
        let read = if self.by_intervals() { &self.intervals.series } else { &self.registers };
        read.last().map(|(at, _)| *at)
    }

    /// The least and the most current measured in a stretch, its end included.
    pub(super) fn current_ma(&self, from: Timestamp, to: Timestamp) -> Option<Span> {
        current_ma(&self.currents, from, to)
    }

    /// The readings of the register, by time.
    pub(super) fn registers(&self) -> &[(Timestamp, i64)] {
        &self.registers
    }

    /// The energies of intervals, by time.
    pub(super) fn intervals(&self) -> &[(Timestamp, i64)] {
        &self.intervals.series
    }

    /// Are these told on a timer?
    pub(super) const fn is_by_timer(&self) -> bool {
        self.intervals.is_by_timer
    }

    /// The current of the most loaded phase, by time.
    pub(super) fn currents(&self) -> &[(Timestamp, i64)] {
        &self.currents
    }

    pub(super) fn last_register(&self) -> Option<(Timestamp, i64)> {
        self.registers.last().copied()
    }

    pub(super) fn power_w(&self) -> Option<i64> {
        self.power_w.map(|(_, watts)| watts)
    }

    /// The last reading of power, and when it was taken.
    pub(super) const fn power(&self) -> Option<(Timestamp, i64)> {
        self.power_w
    }

    pub(super) fn soc_permille(&self) -> Option<i64> {
        self.soc_permille.map(|(_, permille)| permille)
    }

    /// Energy gained between neighbouring readings: (from, to, Wh), by time. A register that falls gains nothing (reliability F18); where it
    /// only trembled, what it regains afterwards is no energy either. One reading of a register tells nothing beside intervals.
    pub(super) fn gains(&self, started_at: Timestamp) -> Vec<Gain> {
        if self.by_intervals() {
            let mut from = started_at;
            return self
                .intervals
                .series
                .iter()
                .map(|(to, wh)| {
                    let gain = (from.min(*to), *to, (*wh).max(0));
                    from = *to;
                    gain
                })
                .collect();
        }
        let mut high = self.registers.first().map_or(0, |(_, wh)| *wh);
        self.registers
            .iter()
            .zip(self.registers.iter().skip(1))
            .map(|((from, _), (to, register))| {
                let (gained, now_high) = climb(high, *register);
                high = now_high;
                (*from, *to, gained)
            })
            .collect()
    }

    fn by_intervals(&self) -> bool {
        self.registers.len() < 2 && !self.intervals.series.is_empty()
    }

    /// Are there readings to tell the energy of a stay from?
    fn cover(&self, from: Timestamp, to: Timestamp) -> bool {
        match self.registers.as_slice() {
            _ if self.by_intervals() => true,
            [] => false,
            // The reading of the end was that of the start, and counted once: nothing flowed in no time.
            [(at, _)] => *at == from && *at == to,
            [_, _, ..] => true,
        }
    }

    /// Tells the session what the meter says of it, and what cannot be true.
    pub(super) fn describe(&self, session: &mut Session) {
        session.meter_first_wh = self.registers.first().map(|(_, wh)| *wh);
        session.meter_last_wh = self.registers.last().map(|(_, wh)| *wh);
        session.meter_last_at = self.last_at();
        if session.ended_at.is_some_and(|ended_at| !self.cover(session.started_at, ended_at)) {
            session.flag(SessionFlag::NoMeterReading);
        }
        if session.ended_at.is_some() && self.by_intervals() && self.intervals.disputed {
            session.flag(SessionFlag::EnergiesDiffer);
        }
        let falls = self
            .registers
            .iter()
            .zip(self.registers.iter().skip(1))
            .any(|(before, after)| before.1.saturating_sub(after.1) > TREMBLE_WH);
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
