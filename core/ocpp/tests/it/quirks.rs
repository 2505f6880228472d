//! Rows 11 to 16 of the table of field quirks (reference/ocpp, section 8): what comes in, what it means, and how it is counted.

use ringmain_domain::meter::{Measurand, Sample};
use ringmain_domain::report::{MeteringReport, StationReport, TransactionReport};
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::action::Action;
use ringmain_ocpp::translate::{Dialect, Reading};
use ringmain_ocpp::version::Version;
use serde_json::value::RawValue;

const NOW: Timestamp = Timestamp::from_millis(1_772_352_000_000);

fn reading(version: Version, action: Action, payload: &str) -> Reading {
    let payload = RawValue::from_string(payload.to_owned()).unwrap();
    Dialect::of(version)
        .read_report(action, &payload, NOW, false)
        .unwrap_or_else(|fault| panic!("{fault} at {:?}: {payload}", fault.path()))
}

fn kinds(reading: &Reading) -> String {
    reading.quirks.iter().map(|quirk| quirk.kind.as_str()).collect::<Vec<_>>().join(" ")
}

fn samples(reading: &Reading) -> &[Sample] {
    match &reading.report {
        StationReport::Transaction(TransactionReport { samples, .. })
        | StationReport::Metering(MeteringReport { samples, .. }) => samples,
        other => panic!("{other:?} has no samples"),
    }
}

#[test]
fn row_11_instants_are_read_in_every_spelling_of_the_field() {
    for (sent, read, quirks) in [
        ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00.000Z", ""),
        ("2026-03-01T08:00:00.1Z", "2026-03-01T08:00:00.100Z", ""),
        ("2026-03-01T08:00:00.123456789Z", "2026-03-01T08:00:00.123Z", ""),
        ("2026-03-01T10:00:00+02:00", "2026-03-01T08:00:00.000Z", ""),
        ("2026-03-01T10:00:00+02", "2026-03-01T08:00:00.000Z", ""),
        ("2026-12-31T23:59:60Z", "2026-12-31T23:59:59.000Z", ""),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z", ""),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z", ""),
        ("2026-03-01T08:00:00", "2026-03-01T08:00:00.000Z", "time_without_zone"),
        ("2026-03-01 08:00:00.5", "2026-03-01T08:00:00.500Z", "time_without_zone"),
        ("2026-03-01T08:00:00.1234567890Z", "2026-03-01T08:00:00.123Z", "time_spelling"),
        ("2026-03-01T10:00:00 +02:00", "2026-03-01T08:00:00.000Z", "time_spelling"),
        ("222222017-03-01T08:00:00Z", "2026-03-01T08:00:00.000Z", "time_unreadable"),
        ("2026-00-01T08:00:00Z", "2026-03-01T08:00:00.000Z", "time_unreadable"),
        ("", "2026-03-01T08:00:00.000Z", "time_unreadable"),
    ] {
        for version in Version::ALL {
            let payload = format!(r#"{{"type":"A","timestamp":"{sent}"}}"#);
            let reading = reading(version, Action::SecurityEventNotification, &payload);
            let StationReport::SecurityEvent(event) = &reading.report else { panic!("{reading:?}") };
            assert_eq!(
                (event.observed_at.to_string().as_str(), kinds(&reading).as_str()),
                (read, quirks),
                "{version:?} {sent}"
            );
        }
    }
}

#[test]
fn row_11_a_message_about_a_transaction_with_an_unreadable_instant_is_the_same_when_it_comes_again() {
    let read = |version: Version, action: Action, payload: &str, now: Timestamp| {
        let payload = RawValue::from_string(payload.to_owned()).unwrap();
        let reading = Dialect::of(version).read_report(action, &payload, now, false).unwrap();
        let StationReport::Transaction(report) = reading.report else { panic!("{payload}") };
        report
    };
    let later = NOW.plus_secs(60);
    for (version, action, payload) in [
        (
            Version::V16,
            Action::StartTransaction,
            r#"{"connectorId":1,"idTag":"A","meterStart":0,"timestamp":"T"}"#,
        ),
        (Version::V16, Action::StopTransaction, r#"{"transactionId":5,"meterStop":9,"timestamp":"T"}"#),
        (
            Version::V16,
            Action::MeterValues,
            r#"{"connectorId":1,"transactionId":5,"meterValue":[{"timestamp":"T","sampledValue":[{"value":"5"}]}]}"#,
        ),
        (
            Version::V201,
            Action::TransactionEvent,
            r#"{"eventType":"Updated","timestamp":"T","triggerReason":"Trigger","seqNo":1,"transactionInfo":{"transactionId":"T"}}"#,
        ),
    ] {
        let sent =
            |time: &str| payload.replacen(r#""timestamp":"T""#, &format!(r#""timestamp":"{time}""#), 1);
        let first = read(version, action, &sent("222222017-01-01T00:00:00Z"), NOW);
        assert_eq!(first, read(version, action, &sent("222222017-01-01T00:00:00Z"), later), "{action:?}");
        let told =
            |report: &TransactionReport| report.samples.first().map_or(report.observed_at, |s| s.observed_at);
        assert!(told(&first) < Timestamp::CLOCKS_SET, "{action:?}: it is repaired where it has a key");
        let other = read(version, action, &sent("222222017-01-01T00:00:01Z"), NOW);
        assert_ne!(
            told(&first),
            told(&other),
            "{action:?}: another instant, however unreadable, is another message"
        );
    }
}

#[test]
fn row_12_texts_too_long_are_kept_up_to_255_characters() {
    let long = "s".repeat(400);
    let payload =
        format!(r#"{{"chargePointVendor":"V","chargePointModel":"M","chargePointSerialNumber":"{long}"}}"#);
    let reading_first = reading(Version::V16, Action::BootNotification, &payload);
    let payload = format!(
        r#"{{"reason":"PowerUp","chargingStation":{{"vendorName":"V","model":"M","serialNumber":"{long}"}}}}"#
    );
    let reading_second = reading(Version::V201, Action::BootNotification, &payload);
    for reading in [reading_first, reading_second] {
        let StationReport::Boot(boot) = &reading.report else { panic!("{reading:?}") };
        assert_eq!(boot.serial.as_deref().map(str::len), Some(255));
        assert_eq!(kinds(&reading), "text_too_long");
    }
}

#[test]
fn row_13_unknown_words_extra_members_and_empty_lists_pass() {
    let reading_status = reading(
        Version::V16,
        Action::StatusNotification,
        r#"{"connectorId":1,"errorCode":"Error","status":"Faulted","cpSerial":"x"}"#,
    );
    let StationReport::Status(status) = &reading_status.report else { panic!() };
    assert_eq!(&*status.error.as_ref().unwrap().code, "Error");
    assert_eq!(kinds(&reading_status), "unknown_word unknown_member");
    for (version, payload) in [
        (
            Version::V16,
            r#"{"connectorId":1,"meterValue":[{"timestamp":"2026-03-01T08:00:00Z","sampledValue":[]}]}"#,
        ),
        (
            Version::V201,
            r#"{"evseId":1,"meterValue":[{"timestamp":"2026-03-01T08:00:00Z","sampledValue":[]}]}"#,
        ),
    ] {
        let reading = reading(version, Action::MeterValues, payload);
        assert!(samples(&reading).is_empty());
        assert_eq!(kinds(&reading), "empty_list");
    }
}

#[test]
fn row_14_numbers_and_texts_stand_for_each_other_without_losing_a_digit() {
    let reading_first = reading(
        Version::V16,
        Action::MeterValues,
        r#"{"connectorId":"1","meterValue":[{"timestamp":"2026-03-01T08:00:00Z","sampledValue":[{"value":2935600.123,"unit":"Wh"},{"value":604.213,"unit":"kWh"}]}]}"#,
    );
    let values: Vec<i64> = samples(&reading_first).iter().map(|sample| sample.value).collect();
    assert_eq!(
        (values, kinds(&reading_first).as_str()),
        (vec![2_935_600, 604_213], "text_for_number number_for_text")
    );
    // 16777217.5 kWh is beyond what a 32-bit float holds, and 0.1 is beyond what any float holds.
    let reading_second = reading(
        Version::V21,
        Action::MeterValues,
        r#"{"evseId":"1","meterValue":[{"timestamp":"2026-03-01T08:00:00Z","sampledValue":[{"value":"16777217.0005","unitOfMeasure":{"unit":"kWh"}},{"value":"0.1","unitOfMeasure":{"unit":"kWh","multiplier":"1"}}]}]}"#,
    );
    let values: Vec<i64> = samples(&reading_second).iter().map(|sample| sample.value).collect();
    assert_eq!(
        (values, kinds(&reading_second).as_str()),
        (vec![16_777_217_001, 1000], "text_for_number text_for_number text_for_number")
    );
}

/// One sample per line: measurand and unit as sent, and what it counts as.
#[test]
fn row_15_units_are_the_standards_unless_they_cannot_be() {
    use Measurand::{EnergyImportRegister, Other, PowerImport};
    let energy = "Energy.Active.Import.Register";
    for (measurand, unit, value, expect, quirks) in [
        (None, None, "7", (EnergyImportRegister, 7), ""),
        (Some(energy), None, "7", (EnergyImportRegister, 7), ""),
        (Some(energy), Some("kWh"), "7.001", (EnergyImportRegister, 7001), ""),
        (None, Some("kWh"), "7", (EnergyImportRegister, 7000), ""),
        (Some("Power.Active.Import"), None, "7360", (PowerImport, 7360), ""),
        (Some("Power.Active.Import"), Some("Wh"), "7360", (PowerImport, 7360), "unit_mismatch"),
        (Some("Power.Active.Import"), Some("kWh"), "7.36", (PowerImport, 7360), "unit_mismatch"),
        (Some(energy), Some("W"), "7", (Other(energy.into()), 7000), "unit_mismatch"),
    ] {
        let member = |name: &str, text: Option<&str>| {
            text.map_or(String::new(), |text| format!(r#","{name}":"{text}""#))
        };
        let first =
            format!(r#"{{"value":"{value}"{}{}}}"#, member("measurand", measurand), member("unit", unit));
        let unit_of = unit.map_or(String::new(), |unit| format!(r#","unitOfMeasure":{{"unit":"{unit}"}}"#));
        let second = format!(r#"{{"value":{value}{}{unit_of}}}"#, member("measurand", measurand));
        for (version, place, sample) in [
            (Version::V16, "connectorId", &first),
            (Version::V201, "evseId", &second),
            (Version::V21, "evseId", &second),
        ] {
            let payload = format!(
                r#"{{"{place}":1,"meterValue":[{{"timestamp":"2026-03-01T08:00:00Z","sampledValue":[{sample}]}}]}}"#
            );
            let reading = reading(version, Action::MeterValues, &payload);
            let got = (samples(&reading)[0].measurand.clone(), samples(&reading)[0].value);
            assert_eq!((got, kinds(&reading).as_str()), (expect.clone(), quirks), "{version:?} {sample}");
        }
    }
}

/// Registers that fall, jump or are absent are facts here: domain decides what they are worth.
#[test]
fn row_16_registers_are_passed_on_as_they_are() {
    let reading = reading(
        Version::V201,
        Action::TransactionEvent,
        r#"{"eventType":"Updated","timestamp":"2026-03-01T08:00:00Z","triggerReason":"MeterValuePeriodic","seqNo":3,"transactionInfo":{"transactionId":"T"},"meterValue":[
            {"timestamp":"2026-03-01T08:00:00Z","sampledValue":[{"value":0,"context":"Transaction.Begin"}]},
            {"timestamp":"2026-03-01T08:01:00Z","sampledValue":[{"value":910000}]},
            {"timestamp":"2026-03-01T08:02:00Z","sampledValue":[{"value":12}]},
            {"timestamp":"2026-03-01T08:03:00Z","sampledValue":[{"value":11,"measurand":"Power.Active.Import","unitOfMeasure":{"unit":"kW"}}]}]}"#,
    );
    let registers: Vec<_> = samples(&reading).iter().map(Sample::billed_register_wh).collect();
    assert_eq!(registers, [Some(0), Some(910_000), Some(12), None]);
    assert_eq!(kinds(&reading), "");
}

/// A message as large as a socket lets through is read within its bounds.
#[test]
fn ten_thousand_samples_are_read_and_the_rest_is_left_out() {
    let samples_json = vec![r#"{"value":"1"}"#; 9_000].join(",");
    let value = format!(r#"{{"timestamp":"2026-03-01T08:00:00Z","sampledValue":[{samples_json}]}}"#);
    let payload = format!(r#"{{"connectorId":1,"transactionId":5,"meterValue":[{value},{value}]}}"#);
    let reading = reading(Version::V16, Action::MeterValues, &payload);
    assert_eq!((samples(&reading).len(), kinds(&reading).as_str()), (10_000, "too_many_samples"));
}
