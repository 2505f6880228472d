//! A whole transaction out of its signed records: what speaks against billing it, and its energy to the digit.
//!
//! Place on the walk: billing asks before it compares with the CDR. Source: OCMF 1.4.1, "Signing and Verification
//! Process", tables 2, 7, 10, 19 and 25. Signatures are another matter: verify each record first.
//! Never: a rounded number, a guess at a missing value, or the decision what to do about a problem.

use std::collections::BTreeMap;
use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::Record;
use super::payload::{Reading, ReadingReason, TimeSync};
use crate::time::Timestamp;

/// So many problems are told; one is enough to bill nothing.
const PROBLEMS_MAX: usize = 32;

/// What the signed records of one transaction say together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MeteredTransaction {
    /// All that is wrong, each once, in the order found; empty for a faultless transaction.
    pub problems: Vec<Problem>,
    /// Imported energy, end minus begin, in Wh, exactly. `None` when an end is missing or registers disagree. It may
    /// stand beside problems; billing takes [`Self::billable_energy_wh`].
    pub energy_wh: Option<Decimal>,
    /// The same at the meter where the energy is what reached the vehicle, cable losses taken off; `None` where one of the two is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mains_wh: Option<Decimal>,
    /// What the last digit of the coarsest reading of begin or end is worth, in Wh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_wh: Option<Decimal>,
    /// The earliest begin, by the meter's clock.
    pub begin_at: Option<Timestamp>,
    /// The latest end, by the meter's clock.
    pub end_at: Option<Timestamp>,
}

/// One thing that speaks against billing a transaction by its signed records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// There is no record.
    NoRecords,
    /// More records than are read of one transaction.
    TooManyRecords,
    /// No record names a meter or gateway.
    MeterUnnamed,
    /// The records name different meters or gateways.
    MeterChanged,
    /// PG is missing, unreadable, or of the fiscal context.
    PaginationUnreadable,
    /// Records are missing or out of order.
    PaginationGap {
        /// The page that should have come.
        expected: u64,
        /// The page that came.
        found: u64,
    },
    /// No import energy register was read.
    NoEnergyRegister,
    /// The register has no reading at the begin.
    BeginMissing,
    /// The register has two different readings at the begin.
    BeginRepeated,
    /// The register has no reading at the end.
    EndMissing,
    /// A reading before the begin or after the end.
    OutOfOrder,
    /// A begin or end has no value, or any energy reading one that is no exact number.
    ValueMissing,
    /// A register went down.
    RegisterRunsBackwards,
    /// Several import registers give different energies.
    RegistersDisagree,
    /// TX `X`: an error while charging, energy and time are not to be billed from there.
    Exception,
    /// ST is not `G`.
    MeterStatus {
        /// The letter as sent; empty when missing.
        status: Box<str>,
    },
    /// EF flags the energy.
    EnergyUnusable,
    /// EF flags the time.
    TimeUnusable,
    /// TM is missing or unreadable.
    TimeMissing,
    /// The clock went back within the transaction.
    TimeBackwards,
    /// TM's state is not `S`: the clock was not synchronised.
    TimeNotSynchronised,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRecords => "there is no record",
            Self::TooManyRecords => "there are more records than are read of one transaction",
            Self::MeterUnnamed => "no record names its meter",
            Self::MeterChanged => "the records are of different meters",
            Self::PaginationUnreadable => "a record has no page number of the transaction",
            Self::PaginationGap { expected, found } => {
                return write!(f, "page {expected} should have come, page {found} came");
            }
            Self::NoEnergyRegister => "no register of imported energy was read",
            Self::BeginMissing => "the reading at the begin is missing",
            Self::BeginRepeated => "there are two different readings at the begin",
            Self::EndMissing => "the reading at the end is missing",
            Self::OutOfOrder => "a reading is before the begin or after the end",
            Self::ValueMissing => "a reading has no exact value",
            Self::RegisterRunsBackwards => "a register went down",
            Self::RegistersDisagree => "registers give different energies",
            Self::Exception => "the meter reports an error while charging",
            Self::MeterStatus { status } => return write!(f, "the meter's state is {status:?}, not G"),
            Self::EnergyUnusable => "the meter says that the energy is not to be billed",
            Self::TimeUnusable => "the meter says that the time is not to be billed",
            Self::TimeMissing => "a reading has no time",
            Self::TimeBackwards => "the meter's clock went back",
            Self::TimeNotSynchronised => "the meter's clock was not synchronised",
        })
    }
}

impl Problem {
    /// Whether the problem leaves the energy usable: it is about the clock alone.
    #[must_use]
    pub const fn is_about_time_only(&self) -> bool {
        matches!(
            self,
            Self::TimeUnusable | Self::TimeMissing | Self::TimeBackwards | Self::TimeNotSynchronised
        )
    }
}

impl MeteredTransaction {
    /// The energy to bill in Wh; `None` when any problem touches more than the clock.
    #[must_use]
    pub fn billable_energy_wh(&self) -> Option<Decimal> {
        self.energy_wh.filter(|_| self.problems.iter().all(Problem::is_about_time_only))
    }

    /// The energy between two sound readings in Wh, also when pages between them are missing or the meter is not named: too little to bill
    /// by, enough to contradict. `None` when there is no such pair.
    #[must_use]
    pub fn measured_energy_wh(&self) -> Option<Decimal> {
        let leaves_ends = |problem: &Problem| {
            let about_pages = matches!(
                problem,
                Problem::MeterUnnamed | Problem::PaginationUnreadable | Problem::PaginationGap { .. }
            );
            about_pages || problem.is_about_time_only()
        };
        self.energy_wh.filter(|_| self.problems.iter().all(leaves_ends))
    }

    /// Whether begin and end may be billed by time: no problem at all, and both instants known.
    #[must_use]
    pub const fn is_time_billable(&self) -> bool {
        self.problems.is_empty() && self.begin_at.is_some() && self.end_at.is_some()
    }
}

/// Checks the records of one transaction in their order: one with begin and end, or begin, any between, and end.
///
/// A record that repeats the one before it byte for byte is a resend and counts once. Energy is read from import
/// registers; those that count what reaches the vehicle (cable losses taken off) go before those at the meter.
#[must_use]
pub fn check(records: &[&Record]) -> MeteredTransaction {
    let mut records = records.to_vec();
    records.dedup_by(|later, earlier| later.signed() == earlier.signed());
    let mut checker = Checker::default();
    checker.identity(&records);
    checker.pagination(&records);
    for reading in records.iter().flat_map(|record| &record.payload().readings) {
        checker.reading(reading);
    }
    checker.finish()
}

/// Where a register counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// What reaches the vehicle: cable losses are taken off.
    Device,
    /// At the meter.
    Mains,
}

/// The readings of one register so far.
#[derive(Default)]
struct Register {
    begin: Option<Decimal>,
    end: Option<Decimal>,
    last: Option<Decimal>,
    last_at: Option<Timestamp>,
}

#[derive(Default)]
struct Checker {
    found: MeteredTransaction,
    registers: BTreeMap<(Place, Box<str>), Register>,
}

impl Checker {
    fn add(&mut self, problem: Problem) {
        if self.found.problems.len() < PROBLEMS_MAX && !self.found.problems.contains(&problem) {
            self.found.problems.push(problem);
        }
    }

    fn identity(&mut self, records: &[&Record]) {
        let Some(first) = records.first().map(|record| record.payload()) else {
            return self.add(Problem::NoRecords);
        };
        if first.serial().is_empty() {
            self.add(Problem::MeterUnnamed);
        }
        let same = |record: &&Record| {
            let payload = record.payload();
            payload.meter_serial == first.meter_serial && payload.gateway_serial == first.gateway_serial
        };
        if !records.iter().all(same) {
            self.add(Problem::MeterChanged);
        }
    }

    fn pagination(&mut self, records: &[&Record]) {
        let mut expected: Option<u64> = None;
        for record in records {
            let Some(found) = record.payload().transaction_page() else {
                expected = None;
                self.add(Problem::PaginationUnreadable);
                continue;
            };
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                self.add(Problem::PaginationGap { expected, found });
            }
            expected = found.checked_add(1);
        }
    }

    fn reading(&mut self, reading: &Reading) {
        if reading.reason == Some(ReadingReason::Exception) {
            self.add(Problem::Exception);
        }
        let is_event = reading.value_text.is_none();
        let register = energy_register(reading);
        if register.is_none() && !is_event {
            // Another quantity: durations, export, currents. Their faults are not those of the energy.
            return;
        }
        if &*reading.status != "G" {
            self.add(Problem::MeterStatus { status: reading.status.clone() });
        }
        if reading.error_flags.contains('E') {
            self.add(Problem::EnergyUnusable);
        }
        if reading.error_flags.contains('t') {
            self.add(Problem::TimeUnusable);
        }
        if reading.observed_at.is_none() {
            self.add(Problem::TimeMissing);
        }
        if reading.sync != TimeSync::Synchronised {
            self.add(Problem::TimeNotSynchronised);
        }
        if let Some(key) = register {
            for problem in self.count(key, reading) {
                self.add(problem);
            }
        }
    }

    /// The reading into its register, and what is wrong about it.
    fn count(&mut self, key: (Place, Box<str>), reading: &Reading) -> Vec<Problem> {
        let mut problems = Vec::new();
        let register = self.registers.entry(key).or_default();
        let Some(value) = reading.energy_wh() else {
            // An event between the ends needs no value; one that is there must be a number.
            let is_end = matches!(reading.reason, Some(ReadingReason::Begin | ReadingReason::End));
            let is_missed = is_end || reading.value_text.is_some();
            return if is_missed { vec![Problem::ValueMissing] } else { Vec::new() };
        };
        if matches!(reading.reason, Some(ReadingReason::Begin | ReadingReason::End)) {
            self.found.step_wh = self.found.step_wh.max(reading.step_wh());
        }
        match (reading.reason, register.begin, register.end) {
            (_, _, Some(_)) => problems.push(Problem::OutOfOrder),
            (Some(ReadingReason::Begin), None, None) => {
                register.begin = Some(value);
                self.found.begin_at = earlier(self.found.begin_at, reading.observed_at);
            }
            // The end record may tell the begin once more, with the begin's time; then the value is the begin's too.
            (Some(ReadingReason::Begin), Some(begin), None) if begin == value => return problems,
            (Some(ReadingReason::Begin), Some(_), None) => problems.push(Problem::BeginRepeated),
            (Some(ReadingReason::End), _, None) => {
                register.end = Some(value);
                self.found.end_at = self.found.end_at.max(reading.observed_at);
            }
            (_, None, None) => problems.push(Problem::OutOfOrder),
            (_, Some(_), None) => {}
        }
        if register.last.is_some_and(|last| value < last) {
            problems.push(Problem::RegisterRunsBackwards);
        }
        if reading.observed_at.is_some_and(|at| register.last_at.is_some_and(|last| at < last)) {
            problems.push(Problem::TimeBackwards);
        }
        register.last = Some(value);
        register.last_at = reading.observed_at.or(register.last_at);
        problems
    }

    fn finish(mut self) -> MeteredTransaction {
        let registers = std::mem::take(&mut self.registers);
        let Some(place) = registers.keys().map(|(place, _)| *place).min() else {
            if !self.found.problems.contains(&Problem::NoRecords) {
                self.add(Problem::NoEnergyRegister);
            }
            return self.found;
        };
        if place == Place::Device {
            self.found.mains_wh = energy_at(&registers, Place::Mains);
        }
        for (_, register) in registers.iter().filter(|((at, _), _)| *at == place) {
            if register.begin.is_none() {
                self.add(Problem::BeginMissing);
            }
            if register.end.is_none() {
                self.add(Problem::EndMissing);
            }
        }
        let mut energies: Vec<_> = energies(&registers, place).collect();
        energies.dedup();
        match energies.as_slice() {
            [energy] => self.found.energy_wh = *energy,
            _ => self.add(Problem::RegistersDisagree),
        }
        self.found
    }
}

/// End minus begin of each register at a place.
fn energies(
    registers: &BTreeMap<(Place, Box<str>), Register>,
    place: Place,
) -> impl Iterator<Item = Option<Decimal>> {
    registers.iter().filter(move |((at, _), _)| *at == place).map(|(_, register)| {
        let (begin, end) = register.begin.zip(register.end)?;
        end.checked_sub(begin).map(|energy| energy.normalize())
    })
}

/// The energy at a place, when its registers agree.
fn energy_at(registers: &BTreeMap<(Place, Box<str>), Register>, place: Place) -> Option<Decimal> {
    let mut energies = energies(registers, place);
    let first = energies.next()??;
    energies.all(|energy| energy == Some(first)).then_some(first)
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The place of group F in an OBIS code.
const LAST_GROUP: usize = 5;

/// The import energy register that a reading is of, by its OBIS code: `1-x:C.8.x`, C being 1, or one of those that OCMF
/// reserves (table 25), or 98, which DC meters used for compensated import before. Without a code the unit decides.
fn energy_register(reading: &Reading) -> Option<(Place, Box<str>)> {
    let Some(obis) = reading.obis.as_deref().map(str::trim).filter(|obis| !obis.is_empty()) else {
        let energy =
            reading.unit.as_deref().is_some_and(|unit| unit.trim().to_ascii_lowercase().ends_with("wh"));
        return energy.then(|| (Place::Mains, "".into()));
    };
    let mut groups = [None::<u8>; 6];
    for (place, (group, text)) in groups.iter_mut().zip(obis.split(['-', ':', '.', '*'])).enumerate() {
        *group = u8::from_str_radix(text, 16).ok();
        // The last group, a storage number, is decimal with some meters; nothing hangs on it.
        if group.is_none() && place < LAST_GROUP {
            return None;
        }
    }
    let place = match groups {
        [Some(1), _, Some(0x01 | 0xB0 | 0xB2), Some(8), ..] => Place::Mains,
        [Some(1), _, Some(0x98 | 0xB1 | 0xB3), Some(8), ..] => Place::Device,
        _ => return None,
    };
    Some((
        place,
        groups.map(|group| group.map_or_else(String::new, |byte| format!("{byte:02X}"))).join(".").into(),
    ))
}
