//! What a station that prices by itself is told: the whole message held against its schema, and what cannot be said.

use ringmain_domain::id::EvseId;
use ringmain_domain::tariff::Tariff;
use ringmain_ocpp::translate::tariff::set_default;
use ringmain_ocpp::version::Version;
use serde_json::{Value, json};

use crate::schema::validator;

fn tariff(elements: &Value, more: &Value) -> Tariff {
    let mut tariff = json!({
        "tenant": "default", "id": "ac", "name": "AC", "currency": "EUR", "elements": elements, "updated_at": 0,
    });
    for (name, value) in more.as_object().unwrap() {
        tariff[name] = value.clone();
    }
    serde_json::from_value(tariff).unwrap()
}

fn written(elements: &Value, more: &Value) -> Value {
    let payload = set_default(EvseId(1), "ac.1", &tariff(elements, more)).unwrap();
    let payload: Value = serde_json::from_str(payload.get()).unwrap();
    assert!(validator(Version::V21, "SetDefaultTariff", true).is_valid(&payload), "{payload}");
    payload
}

fn price(dimension: &str, price: &str) -> Value {
    json!({"dimension": dimension, "price": price, "step_size": 1, "tax_percent": "19"})
}

#[test]
fn every_part_of_a_tariff_is_told() {
    let night = json!({"start_time": "22:00", "end_time": "06:00", "days_of_week": ["monday", "sunday"]});
    let limits = json!({
        "min_kwh": "0.5", "max_kwh": "20", "min_current_a": "6", "max_current_a": "32", "min_power_kw": "3.7",
        "max_power_kw": "11", "min_duration_s": 60, "max_duration_s": 7200, "start_date": "2026-01-01", "end_date": "2027-01-01",
    });
    let elements = json!([
        {"components": [price("energy", "0.30")], "restrictions": night},
        {"components": [price("energy", "0.55"), price("time", "3")], "restrictions": limits},
        {"components": [price("flat", "1")], "restrictions": {"start_time": "08:00"}},
        {"components": [price("flat", "0.50"), price("energy", "0.40"), price("parking_time", "6")]},
        {"components": [price("time", "1.20"), price("flat", "2")], "restrictions": {"reservation": "reservation"}},
    ]);
    let more = json!({"min_price": {"excl_tax": "0.50"}, "max_price": {"excl_tax": "100", "incl_tax": "119"}, "idle_grace_s": 600});
    let taxes = json!([{"type": "VAT", "tax": 19}]);
    let conditions = json!({
        "minEnergy": 500, "maxEnergy": 20000, "minCurrent": 6, "maxCurrent": 32, "minPower": 3700, "maxPower": 11000,
        "minTime": 60, "maxTime": 7200, "validFromDate": "2026-01-01", "validToDate": "2027-01-01",
    });
    let expect = json!({"evseId": 1, "tariff": {
        "tariffId": "ac.1", "currency": "EUR",
        "energy": {"taxRates": taxes, "prices": [
            {"priceKwh": 0.3, "conditions": {"startTimeOfDay": "22:00", "endTimeOfDay": "06:00", "dayOfWeek": ["Monday", "Sunday"]}},
            {"priceKwh": 0.55, "conditions": conditions},
            {"priceKwh": 0.4},
        ]},
        "chargingTime": {"taxRates": taxes, "prices": [{"priceMinute": 0.05, "conditions": conditions}]},
        "idleTime": {"taxRates": taxes, "prices": [{"priceMinute": 0.1, "conditions": {"minIdleTime": 600}}]},
        "fixedFee": {"taxRates": taxes, "prices": [{"priceFixed": 1, "conditions": {"startTimeOfDay": "08:00"}}, {"priceFixed": 0.5}]},
        "reservationTime": {"taxRates": taxes, "prices": [{"priceMinute": 0.02}]},
        "reservationFixed": {"taxRates": taxes, "prices": [{"priceFixed": 2}]},
        "minCost": {"exclTax": 0.5}, "maxCost": {"exclTax": 100, "inclTax": 119},
    }});
    assert_eq!(written(&elements, &more), expect);
}

#[test]
fn prices_are_told_without_their_taxes() {
    let told = |tax_included: &str| {
        let elements = json!([{"components": [price("energy", "0.595")]}]);
        written(&elements, &json!({"tax_included": tax_included}))["tariff"]["energy"].clone()
    };
    assert_eq!(told("yes"), json!({"taxRates": [{"type": "VAT", "tax": 19}], "prices": [{"priceKwh": 0.5}]}));
    assert_eq!(
        told("no"),
        json!({"taxRates": [{"type": "VAT", "tax": 19}], "prices": [{"priceKwh": 0.595}]})
    );
    assert_eq!(told("not_applicable"), json!({"prices": [{"priceKwh": 0.595}]}));
}

#[test]
fn what_a_station_cannot_price_is_refused_with_its_place() {
    let stepped = json!({"dimension": "energy", "price": "0.3", "step_size": 1000});
    let other_tax = json!({"dimension": "energy", "price": "0.3", "step_size": 1, "tax_percent": "7"});
    let expires = json!({"reservation": "reservation_expires"});
    for (elements, reason) in [
        (json!([{"components": [stepped]}]), "a step_size above 1"),
        (
            json!([{"components": [price("energy", "1")], "restrictions": {"max_kwh": "5"}}, {"components": [other_tax]}]),
            "more than one tax",
        ),
        (
            json!([{"components": [price("flat", "1")], "restrictions": {"min_kwh": "5"}}]),
            "a fee that hangs on energy",
        ),
        (
            json!([{"components": [price("flat", "1")], "restrictions": expires}]),
            "reservations that nobody came for",
        ),
    ] {
        let refusal = set_default(EvseId(0), "x", &tariff(&elements, &json!({}))).unwrap_err().to_string();
        assert!(refusal.starts_with("tariff.elements") && refusal.contains(reason), "{elements}: {refusal}");
    }
    let long = set_default(
        EvseId(0),
        &"x".repeat(61),
        &tariff(&json!([{"components": [price("flat", "1")]}]), &json!({})),
    );
    assert!(long.unwrap_err().to_string().starts_with("/tariff/tariffId"));
}
