//! A transaction out of its records: what speaks against billing it, and its energy.

use ringmain_domain::ocmf::payload::{Reading, ReadingReason, TimeSync};
use ringmain_domain::ocmf::transaction::{MeteredTransaction, Problem, check};
use ringmain_domain::ocmf::{FIELD_BYTES_MAX, READINGS_MAX, ReadError, Record};
use ringmain_domain::time::Timestamp;

/// A begin and an end in one record; the end leaves out what is as above.
const PAYLOAD: &str = concat!(
    r#"{"FV":"1.4","GI":"Ringmain Bench","GS":"RB-GW-1","PG":"T41","MV":"Bench","MM":"EM-3","#,
    r#""MS":"RB-M-7","IS":false,"IT":"NONE","RD":[{"TM":"2026-03-01T08:00:00,000+0100 S","TX":"B","#,
    r#""RV":2935.600,"RI":"01-00:01.08.00*FF","RU":"kWh","RT":"AC","EF":"","ST":"G"},"#,
    r#"{"TM":"2026-03-01T09:30:00,000+0100 S","TX":"E","RV":2965.101}]}"#,
);

/// A record with this payload and a signature that fits nothing.
fn unsigned(payload: &str) -> String {
    format!(r#"OCMF|{payload}|{{"SD":"00"}}"#)
}

/// A record of meter M-1 with these readings.
fn page(page: &str, readings: &str) -> String {
    format!(r#"{{"GS":"G-1","MS":"M-1","PG":"{page}","RD":[{readings}]}}"#)
}

/// A good reading of the usual register at this minute.
fn at(minute: u32, reason: &str, value: &str) -> String {
    format!(
        r#"{{"TM":"2026-03-01T08:{minute:02}:00,000+0100 S","TX":"{reason}","RV":{value},"RI":"1-b:1.8.0","RU":"kWh","EF":"","ST":"G"}}"#
    )
}

fn checked(payloads: &[String]) -> MeteredTransaction {
    let records: Vec<Record> =
        payloads.iter().map(|payload| Record::read(&unsigned(payload)).unwrap()).collect();
    check(&records.iter().collect::<Vec<_>>())
}

/// The records give this energy, `-` for none, and these problems.
fn check_case(name: &str, payloads: &[String], energy_wh: &str, problems: &[Problem]) {
    let found = checked(payloads);
    assert_eq!(found.problems, problems, "{name}");
    assert_eq!(found.energy_wh.map_or_else(|| "-".to_owned(), |wh| wh.to_string()), energy_wh, "{name}");
    let spoilt = problems.iter().any(|problem| !problem.is_about_time_only());
    assert_eq!(found.billable_energy_wh(), found.energy_wh.filter(|_| !spoilt), "{name}");
    assert_eq!(found.is_time_billable(), problems.is_empty(), "{name}");
}

fn readings(payload: &str) -> Vec<Reading> {
    Record::read(&unsigned(payload)).unwrap().payload().readings.clone()
}

#[test]
fn later_readings_inherit_what_they_leave_out() {
    let found = readings(PAYLOAD);
    let [begin, end] = found.as_slice() else { panic!("two readings") };
    assert_eq!(begin.observed_at, Timestamp::parse("2026-03-01T07:00:00Z").ok());
    assert_eq!(end.observed_at, Timestamp::parse("2026-03-01T08:30:00Z").ok());
    assert_eq!((begin.reason, end.reason), (Some(ReadingReason::Begin), Some(ReadingReason::End)));
    assert_eq!(begin.value_text.as_deref(), Some("2935.600"));
    assert_eq!(end.energy_wh().map(|wh| wh.to_string()).as_deref(), Some("2965101"));
    for reading in &found {
        assert_eq!(reading.obis.as_deref(), Some("01-00:01.08.00*FF"));
        assert_eq!(reading.unit.as_deref(), Some("kWh"));
        assert_eq!((&*reading.status, &*reading.error_flags), ("G", ""));
        assert_eq!(reading.sync, TimeSync::Synchronised);
    }
    // All but the value: a reading without one tells of an event.
    let found = readings(&page(
        "T1",
        &format!(r#"{},{{"TX":"C"}},{{"TX":"X","ST":"T"}},{{"ST":"G"}}"#, at(0, "B", "7.5")),
    ));
    let values: Vec<_> = found.iter().map(|reading| reading.value_text.as_deref()).collect();
    assert_eq!(values, [Some("7.5"), None, None, None]);
    assert_eq!(found[3].reason, Some(ReadingReason::Exception));
}

#[test]
fn a_value_is_read_to_the_digit() {
    let check = |value: &str, unit: &str, wh: Option<&str>| {
        let reading = at(0, "B", value).replace("kWh", unit);
        let found = readings(&page("T1", &reading))[0].energy_wh().map(|wh| wh.to_string());
        assert_eq!(found.as_deref(), wh, "{value}");
    };
    check("2935.600", "kWh", Some("2935600"));
    check("0.2596", "kWh", Some("259.6"));
    check("1833", "Wh", Some("1833"));
    check("\"       9.038\"", "kWh", Some("9038"));
    check("\"00000000.000\"", "kWh", Some("0"));
    check("-1.5", "kWh", Some("-1500"));
    check("12.5e3", "Wh", Some("12500"));
    check("12.5E-3", "kWh", Some("12.5"));
    check("999999999999.999999999999", "kWh", Some("999999999999999.999999999"));
    check("1000000000000", "kWh", None);
    check("0.0000000000001", "kWh", None);
    check("1e999999999", "kWh", None);
    check("1e-999999999", "kWh", None);
    check("\"1_000\"", "kWh", None);
    check("\"full\"", "kWh", None);
    check("true", "kWh", None);
    check("19", "sec", None);
}

#[test]
fn times_are_read_as_meters_write_them() {
    let check = |text: &str, at: Option<&str>, sync: TimeSync| {
        let reading = format!(r#"{{"TM":"{text}","TX":"B"}}"#);
        let found = &readings(&page("T1", &reading))[0];
        assert_eq!(
            (found.observed_at, found.sync),
            (at.and_then(|at| Timestamp::parse(at).ok()), sync),
            "{text}"
        );
    };
    check("2018-07-24T13:22:04,000+0200 S", Some("2018-07-24T11:22:04Z"), TimeSync::Synchronised);
    check("2018-07-24T13:22:04,250-0130 I", Some("2018-07-24T14:52:04.250Z"), TimeSync::Informative);
    check("2018-07-24T13:22:04.000+02:00 R", Some("2018-07-24T11:22:04Z"), TimeSync::Relative);
    check("2018-07-24T13:22:04Z U", Some("2018-07-24T13:22:04Z"), TimeSync::Unknown);
    check("2018-07-24T13:22:04,000+0200", Some("2018-07-24T11:22:04Z"), TimeSync::Unknown);
    check("2018-07-24T13:22:04,000+0200 s", Some("2018-07-24T11:22:04Z"), TimeSync::Unknown);
    check("yesterday S", None, TimeSync::Synchronised);
    check("+12ä4 S", None, TimeSync::Synchronised);
    check("", None, TimeSync::Unknown);
}

#[test]
fn a_faultless_transaction_gives_its_energy() {
    let begin = page("T9", &at(0, "B", "2935.600"));
    let middle = page("T10", &at(15, "T", "2940.0"));
    let end = page("T11", &at(30, "E", "2965.1014"));
    check_case("three pages", &[begin.clone(), middle.clone(), end.clone()], "29501.4", &[]);
    check_case("a resend counts once", &[begin.clone(), begin.clone(), middle, end], "29501.4", &[]);
    let both =
        |page_number| page(page_number, &format!("{},{}", at(0, "B", "2935.600"), at(30, "P", "2935.6")));
    check_case("one record with both ends", &[both("T7")], "0", &[]);
    check_case("the end record tells the begin again", &[begin, both("T10")], "0", &[]);
    check_case("the example of both ends", &[PAYLOAD.to_owned()], "29501", &[]);
    let found = checked(&[PAYLOAD.to_owned()]);
    assert_eq!(found.begin_at, Timestamp::parse("2026-03-01T07:00:00Z").ok());
    assert_eq!(found.end_at, Timestamp::parse("2026-03-01T08:30:00Z").ok());
}

#[test]
fn the_register_at_the_vehicle_goes_before_the_meter() {
    let pair = |obis: &str, begin: &str, end: &str| {
        format!("{},{}", at(0, "B", begin), at(30, "E", end)).replace("1-b:1.8.0", obis)
    };
    let mains = pair("01-0B:01.08.00*FF", "2935.6", "2965.1");
    let device = pair("01-0B:B1.08.00*FF", "2905.6", "2934.6");
    let transaction = pair("01-0B:B3.08.00*FF", "0.000", "29.000");
    let all = [mains.clone(), device, transaction.clone()].join(",");
    check_case("mains, device and transaction", &[page("T1", &all)], "29000", &[]);
    let other = transaction.replace("29.000", "29.001");
    check_case("transaction over mains", &[page("T1", &format!("{mains},{other}"))], "29001", &[]);
    let torn = all.replace("29.000", "29.001");
    check_case("two at the vehicle", &[page("T1", &torn)], "-", &[Problem::RegistersDisagree]);
    // Export, intervals and durations are not energy to bill, and their faults are their own.
    let others = ["1-0:2.8.0", "1-b:1.9.0", "01-00:C1.08.00*FF", "what", "2-0:1.8.0"]
        .map(|obis| pair(obis, "9", "1").replace("\"ST\":\"G\"", "\"ST\":\"T\""))
        .join(",");
    check_case("others beside", &[page("T1", &format!("{mains},{others}"))], "29500", &[]);
    check_case("others alone", &[page("T1", &others)], "-", &[Problem::NoEnergyRegister]);
    let mixed = format!("{},{}", at(0, "B", "1"), at(30, "E", "2")).replace("1-b:1.8.0", "1-b:01.08.0");
    check_case(
        "one code in two spellings",
        &[page("T1", &at(0, "B", "1")), page("T2", &at(30, "E", "2"))],
        "1000",
        &[],
    );
    check_case("no leading zeros needed", &[page("T1", &mixed)], "1000", &[]);
}

fn begin() -> String {
    page("T1", &at(0, "B", "10"))
}

fn end() -> String {
    page("T2", &at(30, "E", "12"))
}

/// Begin, and an end of 2 kWh more in which one text stands for another.
fn end_with(from: &str, to: &str) -> Vec<String> {
    vec![begin(), end().replace(from, to)]
}

#[test]
fn records_that_do_not_belong_together_are_told() {
    let two_kwh = |name: &str, payloads: Vec<String>, problem: Problem| {
        check_case(name, &payloads, "2000", &[problem]);
    };
    let gap = |found: u64| Problem::PaginationGap { expected: 2, found };
    check_case("nothing", &[], "-", &[Problem::NoRecords]);
    two_kwh("another meter", end_with("M-1", "M-2"), Problem::MeterChanged);
    two_kwh("another gateway", end_with("G-1", "G-2"), Problem::MeterChanged);
    let unnamed = [begin(), end()].map(|page| page.replace("M-1", "").replace("G-1", ""));
    two_kwh("no name", unnamed.into(), Problem::MeterUnnamed);
    two_kwh("a page lost", end_with("T2", "T3"), gap(3));
    two_kwh("a page twice", end_with("T2", "T1"), gap(1));
    two_kwh("fiscal page", end_with("T2", "F2"), Problem::PaginationUnreadable);
    two_kwh("padded page", end_with("T2", "T02"), Problem::PaginationUnreadable);
    two_kwh("no page", end_with("\"PG\":\"T2\",", ""), Problem::PaginationUnreadable);
}

#[test]
fn readings_that_do_not_make_a_transaction_are_told() {
    let check = |name: &str, payloads: &[String], energy_wh: &str, problems: &[Problem]| {
        check_case(name, payloads, energy_wh, problems);
    };
    let [both, again] =
        ["T1", "T2"].map(|number| page(number, &[at(0, "B", "10"), at(30, "E", "12")].join(",")));
    let torn = page("T2", &[at(1, "B", "10.1"), at(30, "E", "12")].join(","));
    let reversed = [page("T1", &at(0, "E", "12")), page("T2", &at(30, "B", "12"))];
    let value = |to: &str| end_with("\"RV\":12", to);
    check("no end", &[begin()], "-", &[Problem::EndMissing]);
    check("no begin", &[end()], "-", &[Problem::BeginMissing]);
    check("end first", &reversed, "-", &[Problem::OutOfOrder, Problem::BeginMissing]);
    check("two begins", &[begin(), torn], "2000", &[Problem::BeginRepeated]);
    check(
        "all of it twice",
        &[both, again],
        "2000",
        &[Problem::OutOfOrder, Problem::RegisterRunsBackwards, Problem::TimeBackwards],
    );
    check("after the end", &[begin(), end(), page("T3", &at(31, "C", "12"))], "2000", &[Problem::OutOfOrder]);
    check("backwards", &value("\"RV\":9.5"), "-500", &[Problem::RegisterRunsBackwards]);
    check("no number", &value("\"RV\":\"?\""), "-", &[Problem::ValueMissing, Problem::EndMissing]);
    check("no value", &value("\"RV\":null"), "-", &[Problem::ValueMissing, Problem::EndMissing]);
    let event = r#"[{"TM":"2026-03-01T08:10:00,000+0100 S","TX":"S","EF":"","ST":"G"},{"#;
    check("an event without a value", &end_with("[{", event), "2000", &[]);
}

#[test]
fn faults_of_meter_and_clock_are_told() {
    let two_kwh = |name: &str, payloads: &[String], problems: &[Problem]| {
        check_case(name, payloads, "2000", problems);
    };
    let status = |status: &str| Problem::MeterStatus { status: status.into() };
    let flags = |flags: &str| end_with("\"EF\":\"\"", &format!("\"EF\":\"{flags}\""));
    two_kwh("manipulated", &end_with("\"ST\":\"G\"", "\"ST\":\"M\""), &[status("M")]);
    two_kwh("no status", &end_with(",\"ST\":\"G\"", ""), &[status("")]);
    two_kwh("energy flag", &flags("E"), &[Problem::EnergyUnusable]);
    two_kwh("time flag", &flags("t"), &[Problem::TimeUnusable]);
    two_kwh("both flags", &flags("Et"), &[Problem::EnergyUnusable, Problem::TimeUnusable]);
    for state in ["R", "I", "U", ""] {
        two_kwh(state, &end_with("+0100 S", &format!("+0100 {state}")), &[Problem::TimeNotSynchronised]);
    }
    two_kwh("clock set back", &end_with("T08:30", "T07:30"), &[Problem::TimeBackwards]);
    two_kwh("no time", &end_with("2026-03-01T08:30:00,000", "soon"), &[Problem::TimeMissing]);
    let fault = page("T1", &format!(r#"{},{{"TX":"X","ST":"T","EF":"E"}}"#, at(0, "B", "10")));
    two_kwh("a fault between", &[fault, end()], &[Problem::Exception, status("T"), Problem::EnergyUnusable]);
}

#[test]
fn a_problem_is_stored_under_its_name() {
    let problems = [Problem::PaginationGap { expected: 1, found: 3 }, Problem::TimeUnusable];
    let stored = serde_json::to_string(&problems).unwrap();
    assert_eq!(stored, r#"[{"pagination_gap":{"expected":1,"found":3}},"time_unusable"]"#);
    assert_eq!(serde_json::from_str::<Vec<Problem>>(&stored).unwrap(), problems);
}

#[test]
fn what_a_record_may_hold_is_bounded() {
    let read = |payload: &str| Record::read(&unsigned(payload)).map(drop);
    let many = |count: usize| page("T1", &vec!["{}"; count].join(","));
    assert_eq!(read(&many(READINGS_MAX)), Ok(()));
    assert_eq!(read(&many(READINGS_MAX + 1)), Err(ReadError::TooManyReadings));
    let status = |length: usize| page("T1", &format!(r#"{{"ST":"{}"}},{{}}"#, "G".repeat(length)));
    assert_eq!(read(&status(FIELD_BYTES_MAX)), Ok(()));
    assert_eq!(read(&status(FIELD_BYTES_MAX + 1)), Err(ReadError::FieldTooLong));
    assert_eq!(read(&page(&"T".repeat(FIELD_BYTES_MAX + 1), "{}")), Err(ReadError::FieldTooLong));
    // Of very many things that are wrong some are told.
    let odd: Vec<_> = (0..READINGS_MAX).map(|number| format!(r#"{{"ST":"x{number}"}}"#)).collect();
    assert_eq!(checked(&[page("T1", &odd.join(","))]).problems.len(), 32);
}
