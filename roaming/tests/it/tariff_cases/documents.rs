//! How partners' documents are read: what is forgiven, what is refused and where, which tariff counts.

use ringmain_domain::tariff::pricer::{CdrPricer as _, CdrPricing};
use ringmain_roaming::ocpi::billing::OcpiPricer;
use serde_json::{Value, json};

use super::price;

fn cdr() -> Value {
    json!({"start_date_time": "2026-03-02T08:00:00Z", "end_date_time": "2026-03-02T09:00:00Z",
        "charging_periods": [{"start_date_time": "2026-03-02T08:00:00Z",
            "dimensions": [{"type": "ENERGY", "volume": 10}, {"type": "TIME", "volume": 1}]}]})
}

fn tariff() -> Value {
    json!({"id": "T", "currency": "EUR", "elements": [
        {"price_components": [{"type": "ENERGY", "price": 0.25, "vat": 10, "step_size": 1}]}]})
}

fn refused(tariff: Option<&Value>, cdr: &Value) -> String {
    let (tariff, cdr) = (tariff.map(|json| json.to_string().into_bytes()), cdr.to_string());
    let order = CdrPricing {
        tariff: tariff.as_deref(),
        cdr: cdr.as_bytes(),
        zone: Some(&ringmain_domain::time::local::Zone::UTC),
        reservation_expired: false,
    };
    OcpiPricer.price(&order).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let with = |mut document: Value, pointer: &str, value: Value| {
        *document.pointer_mut(pointer).unwrap() = value;
        document
    };
    for (tariff, cdr, expect) in [
        (
            Some(with(tariff(), "/elements/0/price_components/0/price", json!("cheap"))),
            cdr(),
            r#"tariff/elements/0/price_components/0/price: "cheap" is no number"#,
        ),
        (
            Some(with(
                tariff(),
                "/elements/0",
                json!({"price_components": [], "restrictions": {"start_time": "25:00"}}),
            )),
            cdr(),
            r#"tariff/elements/0/restrictions/start_time: "25:00" is no time of day such as 17:00"#,
        ),
        (
            Some(with(tariff(), "/currency", json!("Euro"))),
            cdr(),
            r#"tariff/currency: "Euro" is no currency: three letters of ISO 4217 are needed, such as EUR"#,
        ),
        (
            Some(tariff()),
            with(cdr(), "/charging_periods/0/start_date_time", json!("yesterday")),
            r#"cdr/charging_periods/0/start_date_time: "yesterday" is no instant such as 2026-03-01T08:00:00Z"#,
        ),
        (
            Some(tariff()),
            with(cdr(), "/charging_periods/0/dimensions/0/volume", json!(1e12)),
            "cdr/charging_periods/0/dimensions/0/volume: 1000000000000 is out of range",
        ),
        (
            Some(tariff()),
            with(cdr(), "/end_date_time", json!("2099-01-01T00:00:00Z")),
            "cdr/end_date_time: is more than a year after the first period",
        ),
        (None, cdr(), "cdr/tariffs: has no tariff, and none was given"),
    ] {
        assert_eq!(refused(tariff.as_ref(), &cdr), expect);
    }
}

#[test]
fn careless_writing_is_forgiven_and_what_is_left_out_is_noted() {
    let mut tariff = tariff();
    tariff["elements"][0] = json!({"restrictions": {"start_time": "07:00:00", "end_time": "24:00",
        "start_date": "2026-3-1", "day_of_week": ["monday"]},
        "price_components": [{"type": "ENERGY", "price": "0.25", "step_size": 0}, {"type": "MAGIC", "price": 1}]});
    let mut cdr = cdr();
    cdr["start_date_time"] = json!("2026-3-2 08:00:00");
    cdr["charging_periods"][0]["start_date_time"] = json!("2026-03-02T08:00:00");
    let priced = price(Some(tariff.to_string().as_bytes()), cdr.to_string().as_bytes(), "UTC", false);
    assert_eq!(priced.breakdown.total.excl_tax.to_string(), "2.50");
    assert_eq!(
        priced.notes,
        [r#"/elements/0/price_components/1/type: "MAGIC" is unknown and not priced"#.into()]
    );
    assert_eq!(priced.hints.len(), 1, "a gap: energy has no price at other times");
}

#[test]
fn a_record_names_the_tariff_of_each_period() {
    let mut cdr = cdr();
    let period = |at: &str, tariff: &str| json!({"start_date_time": at, "tariff_id": tariff, "dimensions": [{"type": "ENERGY", "volume": 5}]});
    cdr["charging_periods"] =
        json!([period("2026-03-02T08:30:00Z", "B"), period("2026-03-02T08:00:00Z", "A")]);
    let mut other = tariff();
    other["id"] = json!("B");
    other["elements"][0]["price_components"][0]["price"] = json!(0.5);
    let mut first = tariff();
    first["id"] = json!("A");
    cdr["tariffs"] = json!([other, first]);
    let priced = price(None, cdr.to_string().as_bytes(), "UTC", false);
    let lines: Vec<_> = priced
        .breakdown
        .lines
        .iter()
        .map(|line| format!("{} {}", line.tariff_id.as_ref().unwrap(), line.excl_tax))
        .collect();
    assert_eq!(lines, ["A 1.25", "B 2.5"]);
}

#[test]
fn a_period_with_both_kinds_of_time_charges_first() {
    let mut cdr = cdr();
    cdr["charging_periods"][0]["dimensions"] =
        json!([{"type": "TIME", "volume": 0.25}, {"type": "PARKING_TIME", "volume": 0.75}]);
    let tariff = json!({"id": "T", "currency": "EUR", "elements": [{"price_components": [
        {"type": "TIME", "price": 4, "step_size": 1}, {"type": "PARKING_TIME", "price": 8, "step_size": 1}]}]});
    let priced = price(Some(tariff.to_string().as_bytes()), cdr.to_string().as_bytes(), "UTC", false);
    let costs: Vec<_> = priced.breakdown.lines.iter().map(|line| line.excl_tax.to_string()).collect();
    assert_eq!(costs, ["1", "6"]);
}
