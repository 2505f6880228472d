//! Meter samples of both families, in whole units; place: report.
//!
//! Names, units and their multiples are the same in all versions. A sample whose unit, phase or location is not clear is kept under its
//! own name ([`Measurand::Other`]) and is so never billed. Never: a register's arithmetic, a plausibility (domain).

use ringmain_domain::meter::{
    MAX_SAMPLES, Measurand, MeterLocation, Phase, Sample, SampleContext, SignedValue,
};
use ringmain_domain::time::Timestamp;
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::quirk::{QuirkKind, Quirks};

/// What a sample measures when the station does not say (1.6 section 7.43; 2.0.1 SampledValueType).
const MEASURAND_DEFAULT: &str = "Energy.Active.Import.Register";

/// A sample in the words of the wire; what is absent has the standard's default.
#[derive(Debug, Default)]
pub(super) struct WireSample<'a> {
    pub(super) observed_at: Timestamp,
    pub(super) value: Decimal,
    pub(super) measurand: Option<&'a str>,
    pub(super) unit: Option<&'a str>,
    /// The power of ten by which the unit is multiplied.
    pub(super) multiplier: i32,
    pub(super) phase: Option<&'a str>,
    pub(super) location: Option<&'a str>,
    pub(super) context: Option<&'a str>,
    pub(super) signed: Option<SignedValue>,
    /// The value is only in the signed form: there is no number to count.
    pub(super) only_signed: bool,
}

/// Samples of one message, at most [`MAX_SAMPLES`].
#[derive(Debug, Default)]
pub(super) struct Samples {
    kept: Vec<Sample>,
}

// === impl Samples ===

impl Samples {
    /// Adds a sample; `path` leads to it in its message.
    pub(super) fn add(&mut self, sample: WireSample<'_>, path: &str, quirks: &mut Quirks) {
        match domain_sample(sample, path, quirks) {
            Some(sample) => self.kept.push(sample),
            None => quirks.add(QuirkKind::ValueUnreadable, path),
        }
    }

    /// Adds a sample that is one already.
    pub(super) fn push(&mut self, sample: Sample) {
        self.kept.push(sample);
    }

    /// The samples. Of more than [`MAX_SAMPLES`] the first and the last half of that number stay: a bill needs both ends.
    pub(super) fn finish(mut self, quirks: &mut Quirks) -> Vec<Sample> {
        if self.kept.len() > MAX_SAMPLES {
            quirks.add(QuirkKind::TooManySamples, "");
            let half = MAX_SAMPLES / 2;
            self.kept.drain(half..self.kept.len() - half);
        }
        self.kept
    }
}

/// A reading of the text of a value; exponents are read too.
pub(super) fn number(text: &str) -> Option<Decimal> {
    let text = text.trim();
    Decimal::from_str_exact(text).or_else(|_exponent| Decimal::from_scientific(text)).ok()
}

fn domain_sample(wire: WireSample<'_>, path: &str, quirks: &mut Quirks) -> Option<Sample> {
    let name = wire.measurand.unwrap_or(MEASURAND_DEFAULT);
    let phase = wire.phase.map(phase_of);
    let location = wire.location.map_or(Some(MeterLocation::Outlet), location_of);
    // A phase or location nobody knows must not look like the sum or like the outlet.
    let clear = phase.is_none_or(|phase| phase.is_some()) && location.is_some() && !wire.only_signed;
    let (measurand, exponent) = match measurand_of(name) {
        Some(known) if clear => match exponent_of(&known, wire.unit) {
            Unit::Fits(exponent) => (known, exponent),
            Unit::Likely(exponent) => {
                quirks.add(QuirkKind::UnitMismatch, path);
                (known, exponent)
            }
            Unit::Unclear => {
                quirks.add(QuirkKind::UnitMismatch, path);
                (Measurand::Other(name.into()), 3)
            }
        },
        Some(_) | None => (Measurand::Other(name.into()), 3),
    };
    Some(Sample {
        observed_at: wire.observed_at,
        measurand,
        value: whole(wire.value, exponent.checked_add(wire.multiplier)?)?,
        phase: phase.flatten(),
        location: location.unwrap_or_default(),
        context: wire.context.map_or(SampleContext::Periodic, context_of),
        signed: wire.signed.map(Box::new),
    })
}

/// `value` times ten to the `exponent`, rounded half away from zero; None beyond 64 bits or 28 digits.
pub(super) fn whole(value: Decimal, exponent: i32) -> Option<i64> {
    let mut scaled = value;
    let tenth = Decimal::new(1, 1);
    for _power in 0..exponent.unsigned_abs().min(40) {
        scaled = if exponent > 0 { scaled.checked_mul(Decimal::TEN)? } else { scaled.checked_mul(tenth)? };
    }
    scaled.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero).to_i64()
}

fn measurand_of(name: &str) -> Option<Measurand> {
    Some(match name {
        "Energy.Active.Import.Register" => Measurand::EnergyImportRegister,
        "Energy.Active.Export.Register" => Measurand::EnergyExportRegister,
        "Energy.Active.Import.Interval" => Measurand::EnergyImportInterval,
        "Power.Active.Import" => Measurand::PowerImport,
        "Power.Active.Export" => Measurand::PowerExport,
        "Power.Offered" => Measurand::PowerOffered,
        "Current.Import" => Measurand::CurrentImport,
        "Current.Offered" => Measurand::CurrentOffered,
        "Voltage" => Measurand::Voltage,
        "SoC" => Measurand::StateOfCharge,
        _ => return None,
    })
}

/// How well a unit goes with what is measured; the number is the power of ten that leads to domain's unit.
enum Unit {
    Fits(i32),
    /// Not the right unit, but only one can be meant: power labelled with the unit of energy.
    Likely(i32),
    Unclear,
}

fn exponent_of(measurand: &Measurand, unit: Option<&str>) -> Unit {
    let is = |name: &str| unit.is_some_and(|unit| unit.eq_ignore_ascii_case(name));
    let absent = unit.is_none_or(str::is_empty);
    match measurand {
        Measurand::EnergyImportRegister
        | Measurand::EnergyExportRegister
        | Measurand::EnergyImportInterval => match () {
            () if absent || is("Wh") => Unit::Fits(0),
            () if is("kWh") => Unit::Fits(3),
            () => Unit::Unclear,
        },
        Measurand::PowerImport | Measurand::PowerExport | Measurand::PowerOffered => match () {
            () if absent || is("W") => Unit::Fits(0),
            () if is("kW") => Unit::Fits(3),
            () if is("Wh") => Unit::Likely(0),
            () if is("kWh") => Unit::Likely(3),
            () => Unit::Unclear,
        },
        Measurand::CurrentImport | Measurand::CurrentOffered => match () {
            () if absent || is("A") => Unit::Fits(3),
            () if is("mA") => Unit::Fits(0),
            () => Unit::Unclear,
        },
        Measurand::Voltage => match () {
            () if absent || is("V") => Unit::Fits(3),
            () if is("mV") => Unit::Fits(0),
            () => Unit::Unclear,
        },
        // Thousandths of a full battery, from percent.
        Measurand::StateOfCharge => match () {
            () if absent || is("Percent") || is("%") => Unit::Fits(1),
            () => Unit::Unclear,
        },
        Measurand::Other(_) => Unit::Fits(3),
    }
}

fn phase_of(name: &str) -> Option<Phase> {
    Some(match name {
        "L1" => Phase::L1,
        "L2" => Phase::L2,
        "L3" => Phase::L3,
        "N" => Phase::N,
        "L1-N" => Phase::L1N,
        "L2-N" => Phase::L2N,
        "L3-N" => Phase::L3N,
        "L1-L2" => Phase::L1L2,
        "L2-L3" => Phase::L2L3,
        "L3-L1" => Phase::L3L1,
        _ => return None,
    })
}

fn location_of(name: &str) -> Option<MeterLocation> {
    Some(match name {
        "Outlet" => MeterLocation::Outlet,
        "Inlet" => MeterLocation::Inlet,
        "Body" => MeterLocation::Body,
        "Cable" => MeterLocation::Cable,
        "EV" => MeterLocation::Vehicle,
        "Upstream" => MeterLocation::Upstream,
        _ => return None,
    })
}

fn context_of(name: &str) -> SampleContext {
    match name {
        "Transaction.Begin" => SampleContext::TransactionBegin,
        "Transaction.End" => SampleContext::TransactionEnd,
        "Sample.Periodic" => SampleContext::Periodic,
        "Sample.Clock" => SampleContext::ClockAligned,
        "Trigger" => SampleContext::Triggered,
        "Interruption.Begin" | "Interruption.End" => SampleContext::Interruption,
        _ => SampleContext::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        measurand: &str,
        unit: Option<&str>,
        multiplier: i32,
        value: &str,
        expect: (Measurand, i64, usize),
    ) {
        let mut quirks = Quirks::default();
        let mut samples = Samples::default();
        let wire = WireSample {
            value: number(value).unwrap(),
            measurand: Some(measurand),
            unit,
            multiplier,
            ..WireSample::default()
        };
        samples.add(wire, "/x", &mut quirks);
        let samples = samples.finish(&mut quirks);
        let got = (samples[0].measurand.clone(), samples[0].value, quirks.into_vec().len());
        assert_eq!(got, expect, "{measurand} {value} {unit:?} e{multiplier}");
    }

    #[test]
    fn every_unit_leads_to_whole_numbers_of_one_unit() {
        use Measurand::{CurrentImport, EnergyImportRegister, Other, PowerImport, StateOfCharge, Voltage};
        let energy = "Energy.Active.Import.Register";
        check(energy, None, 0, "1234.5", (EnergyImportRegister, 1235, 0));
        check(energy, Some("Wh"), 0, "-0.5", (EnergyImportRegister, -1, 0));
        check(energy, Some("kWh"), 0, "2935.600", (EnergyImportRegister, 2_935_600, 0));
        check(energy, Some("kWh"), 0, "0.0005", (EnergyImportRegister, 1, 0));
        check(energy, Some("Wh"), 3, "1.2345", (EnergyImportRegister, 1235, 0));
        check(energy, Some("kWh"), -3, "1500", (EnergyImportRegister, 1500, 0));
        check(energy, Some("W"), 0, "7", (Other(energy.into()), 7000, 1));
        check("Power.Active.Import", Some("kW"), 0, "11.04", (PowerImport, 11_040, 0));
        check("Power.Active.Import", None, 0, "11040", (PowerImport, 11_040, 0));
        check("Power.Active.Import", Some("Wh"), 0, "7360", (PowerImport, 7360, 1));
        check("Power.Active.Import", Some("A"), 0, "1", (Other("Power.Active.Import".into()), 1000, 1));
        check("Current.Import", Some("A"), 0, "15.987", (CurrentImport, 15_987, 0));
        check("Voltage", Some("V"), 0, "229.4", (Voltage, 229_400, 0));
        check("SoC", Some("Percent"), 0, "80.5", (StateOfCharge, 805, 0));
        check("Temperature", Some("Celcius"), 0, "21.5", (Other("Temperature".into()), 21_500, 0));
    }

    #[test]
    fn a_sample_of_an_unknown_phase_or_place_is_never_billed() {
        for (phase, location) in [(Some("L9"), None), (None, Some("Roof"))] {
            let mut quirks = Quirks::default();
            let wire = WireSample { value: Decimal::ONE, phase, location, ..WireSample::default() };
            let sample = domain_sample(wire, "", &mut quirks).unwrap();
            assert_eq!(sample.billed_register_wh(), None);
        }
    }

    #[test]
    fn a_value_beyond_all_bounds_is_left_out_and_told() {
        for (value, multiplier) in [("79228162514264337593543950335", 0), ("1", 400), ("1", i32::MAX)] {
            let mut quirks = Quirks::default();
            let mut samples = Samples::default();
            let wire = WireSample {
                value: number(value).unwrap(),
                multiplier,
                unit: Some("kWh"),
                ..WireSample::default()
            };
            samples.add(wire, "/v", &mut quirks);
            assert!(samples.finish(&mut quirks).is_empty());
            assert_eq!(quirks.into_vec()[0].kind, QuirkKind::ValueUnreadable);
        }
    }

    #[test]
    fn of_too_many_samples_both_ends_stay() {
        let mut quirks = Quirks::default();
        let mut samples = Samples::default();
        for value in 0..=10_000 {
            samples.push(Sample::import_register(Timestamp::default(), value, SampleContext::Periodic));
        }
        let kept = samples.finish(&mut quirks);
        assert_eq!((kept.len(), kept[0].value, kept[4_999].value), (MAX_SAMPLES, 0, 4_999));
        assert_eq!((kept[5_000].value, kept[9_999].value), (5_001, 10_000));
        assert_eq!(quirks.into_vec()[0].kind, QuirkKind::TooManySamples);
    }
}
