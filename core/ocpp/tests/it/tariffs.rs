//! What a station that prices by itself is told: the whole message held against its schema, what is not told, and what it says of itself.

use ringmain_domain::id::EvseId;
use ringmain_domain::tariff::Tariff;
use ringmain_ocpp::translate::tariff::{DefaultTariff, PricesItself, prices_itself, set_default};
use ringmain_ocpp::version::Version;
use serde_json::value::to_raw_value;
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
    let DefaultTariff { name, payload } = set_default(EvseId(1), &tariff(elements, more), true).unwrap();
    let payload: Value = serde_json::from_str(payload.get()).unwrap();
    assert!(validator(Version::V21, "SetDefaultTariff", true).is_valid(&payload), "{payload}");
    assert_eq!(payload["tariff"]["tariffId"], *name);
    payload
}

fn refusal(elements: &Value, more: &Value, clock_known: bool) -> String {
    set_default(EvseId(0), &tariff(elements, more), clock_known).unwrap_err().to_string()
}

fn price(dimension: &str, price: &str) -> Value {
    json!({"dimension": dimension, "price": price, "step_size": 1, "tax_percent": "19"})
}

/// A price of a dimension under these restrictions, before one without any.
fn restricted(dimension: &str, restrictions: &Value) -> Value {
    json!([
        {"components": [price(dimension, "0.30")], "restrictions": restrictions},
        {"components": [price(dimension, "0.40")]},
    ])
}

#[test]
fn every_part_of_a_tariff_is_told() {
    let night = json!({"start_time": "22:00", "end_time": "06:00", "days_of_week": ["monday", "sunday"]});
    let limits = json!({
        "min_kwh": "0.5", "max_kwh": "20", "min_duration_s": 60, "max_duration_s": 7200,
        "start_date": "2026-01-01", "end_date": "2027-01-01",
    });
    let elements = json!([
        {"components": [price("energy", "0.30")], "restrictions": night},
        {"components": [price("energy", "0.55"), price("time", "3")], "restrictions": limits},
        {"components": [price("flat", "1")], "restrictions": {"start_time": "08:00"}},
        {"components": [price("flat", "0.50"), price("energy", "0.40"), price("parking_time", "6")]},
    ]);
    let more =
        json!({"min_price": {"excl_tax": "0.50"}, "max_price": {"excl_tax": "100", "incl_tax": "119"}});
    let taxes = json!([{"type": "VAT", "tax": 19}]);
    let conditions = json!({
        "minEnergy": 500, "maxEnergy": 20000, "minTime": 60, "maxTime": 7200,
        "validFromDate": "2026-01-01", "validToDate": "2027-01-01",
    });
    let mut told = written(&elements, &more);
    told["tariff"].as_object_mut().unwrap().remove("tariffId");
    let expect = json!({"evseId": 1, "tariff": {
        "currency": "EUR",
        "energy": {"taxRates": taxes, "prices": [
            {"priceKwh": 0.3, "conditions": {"startTimeOfDay": "22:00", "endTimeOfDay": "06:00", "dayOfWeek": ["Monday", "Sunday"]}},
            {"priceKwh": 0.55, "conditions": conditions},
            {"priceKwh": 0.4},
        ]},
        "chargingTime": {"taxRates": taxes, "prices": [{"priceMinute": 0.05, "conditions": conditions}]},
        "idleTime": {"taxRates": taxes, "prices": [{"priceMinute": 0.1}]},
        "fixedFee": {"taxRates": taxes, "prices": [{"priceFixed": 1, "conditions": {"startTimeOfDay": "08:00"}}, {"priceFixed": 0.5}]},
        "minCost": {"exclTax": 0.5, "inclTax": 0.595, "taxRates": taxes},
        "maxCost": {"exclTax": 100, "inclTax": 119, "taxRates": taxes},
    }});
    assert_eq!(told, expect);
}

#[test]
fn prices_are_told_without_their_taxes_and_with_six_decimals() {
    let told = |tax_included: &str| {
        let elements = json!([{"components": [price("energy", "0.595"), price("time", "5")]}]);
        written(&elements, &json!({"tax_included": tax_included}))["tariff"].clone()
    };
    let taxes = json!([{"type": "VAT", "tax": 19}]);
    assert_eq!(told("yes")["energy"], json!({"taxRates": taxes, "prices": [{"priceKwh": 0.5}]}));
    assert_eq!(told("yes")["chargingTime"]["prices"], json!([{"priceMinute": 0.070028}]));
    assert_eq!(told("no")["energy"], json!({"taxRates": taxes, "prices": [{"priceKwh": 0.595}]}));
    assert_eq!(told("no")["chargingTime"]["prices"], json!([{"priceMinute": 0.083333}]));
    assert_eq!(told("not_applicable")["energy"], json!({"prices": [{"priceKwh": 0.595}]}));
}

#[test]
fn limits_are_told_with_and_without_taxes_or_not_at_all() {
    let limits =
        json!({"min_price": {"excl_tax": "0.50"}, "max_price": {"excl_tax": "10", "incl_tax": "10"}});
    let untaxed = json!([{"components": [{"dimension": "energy", "price": "0.3", "step_size": 1}]}]);
    let told = written(&untaxed, &limits);
    assert_eq!(told["tariff"]["minCost"], json!({"exclTax": 0.5, "inclTax": 0.5}));
    assert_eq!(told["tariff"]["maxCost"], json!({"exclTax": 10, "inclTax": 10}));

    let other = json!({"dimension": "flat", "price": "1", "step_size": 1, "tax_percent": "7"});
    let mixed = json!([{"components": [price("energy", "1"), other]}]);
    let told = written(&mixed, &json!({}));
    assert_eq!(
        told["tariff"]["fixedFee"]["taxRates"],
        json!([{"type": "VAT", "tax": 7}]),
        "well without a limit"
    );
    let reason = refusal(&mixed, &limits, true);
    assert!(reason.starts_with("tariff.min_price: ") && reason.contains("more than one tax"), "{reason}");
    let more = json!({"max_price": {"excl_tax": "10", "incl_tax": "11.9"}});
    let reason = refusal(&untaxed, &more, true);
    assert!(reason.starts_with("tariff.max_price: ") && reason.contains("without any"), "{reason}");
}

#[test]
fn what_a_station_prices_otherwise_than_the_bill_is_refused_with_its_place() {
    let stepped = json!({"dimension": "energy", "price": "0.3", "step_size": 1000});
    let other_tax = json!({"dimension": "energy", "price": "0.3", "step_size": 1, "tax_percent": "7"});
    let parking = json!([{"components": [price("parking_time", "6")]}]);
    let graceful = json!({"idle_grace_s": 600});
    let late_fee = json!([{"components": [price("flat", "1")], "restrictions": {"start_time": "08:00"}}]);
    let other = json!({"components": [other_tax]});
    let none = json!({});
    for (elements, more, reason) in [
        (json!([{"components": [stepped]}]), &none, "a step_size above 1"),
        (json!([{"components": [price("energy", "1")]}, other]), &none, "more than one tax"),
        (restricted("flat", &json!({"min_kwh": "5"})), &none, "a fee that hangs on energy"),
        (restricted("flat", &json!({"max_duration_s": 60})), &none, "a fee that hangs on energy"),
        (late_fee, &none, "the last fee must have no restrictions"),
        (restricted("energy", &json!({"min_current_a": "6"})), &none, "hangs on current"),
        (restricted("energy", &json!({"max_current_a": "6"})), &none, "hangs on current"),
        (restricted("time", &json!({"min_power_kw": "11"})), &none, "hangs on power"),
        (restricted("time", &json!({"max_power_kw": "11"})), &none, "hangs on power"),
        (
            restricted("energy", &json!({"start_time": "08:00", "end_time": "08:00"})),
            &none,
            "ends when it begins",
        ),
        (restricted("flat", &json!({"reservation": "reservation"})), &none, "a price for reservations"),
        (
            restricted("flat", &json!({"reservation": "reservation_expires"})),
            &none,
            "a price for reservations",
        ),
        (parking.clone(), &graceful, "idle_grace_s"),
    ] {
        let refusal = refusal(&elements, more, true);
        assert!(refusal.starts_with("tariff.elements.") && refusal.contains(reason), "{elements}: {refusal}");
    }
    // A grace that graces nothing, and parking without one, are told.
    written(&json!([{"components": [price("energy", "1")]}]), &graceful);
    written(&parking, &none);
}

#[test]
fn clock_and_calendar_need_a_location() {
    let conditions = [
        json!({"start_time": "08:00"}),
        json!({"end_time": "08:00"}),
        json!({"start_date": "2026-01-01"}),
        json!({"days_of_week": ["monday"]}),
    ];
    for condition in conditions {
        let elements = restricted("energy", &condition);
        let refusal = refusal(&elements, &json!({}), false);
        assert!(refusal.contains("stands at no location"), "{condition}: {refusal}");
        written(&elements, &json!({}));
    }
    let elements = restricted("energy", &json!({"max_kwh": "5"}));
    set_default(EvseId(0), &tariff(&elements, &json!({})), false).unwrap();
}

#[test]
fn a_name_belongs_to_one_place_and_one_message() {
    let name = |evse: u32, tariff: &Tariff| set_default(EvseId(evse), tariff, true).unwrap().name;
    let energy = |value: &str, more: &Value| tariff(&json!([{"components": [price("energy", value)]}]), more);
    let first = energy("0.5", &json!({}));
    assert!(name(1, &first).starts_with("ac.1."));
    assert_ne!(name(1, &first), name(2, &first));
    assert_ne!(name(1, &first), name(1, &energy("0.6", &json!({}))));
    // What the station is not told does not make another tariff of it.
    for same in [json!({"name": "other"}), json!({"updated_at": 9}), json!({"idle_grace_s": 60})] {
        assert_eq!(name(1, &first), name(1, &energy("0.5", &same)), "{same}");
    }
    let long = energy("0.5", &json!({"id": "x".repeat(36)}));
    assert_eq!(name(123, &long).len(), 57);
}

#[test]
fn only_what_a_station_knows_and_says_is_a_no() {
    let answer = |[available, enabled]: [(&str, Option<&str>); 2]| {
        let result = |name: &str, (status, value): (&str, Option<&str>)| {
            let mut result = json!({
                "attributeStatus": status, "component": {"name": "TariffCostCtrlr"},
                "variable": {"name": name, "instance": "Tariff"},
            });
            if let Some(value) = value {
                result["attributeValue"] = json!(value);
            }
            result
        };
        json!({"getVariableResult": [result("Available", available), result("Enabled", enabled)]})
    };
    let read = |answer: &Value| prices_itself(&to_raw_value(answer).unwrap());
    let yes = ("Accepted", Some("true"));
    assert_eq!(read(&answer([yes, ("Accepted", Some("True"))])), PricesItself::Yes);
    for (no, reason) in [
        (("Accepted", Some("false")), "TariffCostCtrlr.Enabled[Tariff] is not true"),
        (("Accepted", None), "TariffCostCtrlr.Enabled[Tariff] is not true"),
        (("UnknownComponent", None), "TariffCostCtrlr.Enabled[Tariff]: UnknownComponent"),
        (("UnknownVariable", None), "TariffCostCtrlr.Enabled[Tariff]: UnknownVariable"),
        (("NotSupportedAttributeType", None), "TariffCostCtrlr.Enabled[Tariff]: NotSupportedAttributeType"),
    ] {
        assert_eq!(read(&answer([yes, no])), PricesItself::No(reason.into()));
        assert_eq!(read(&answer([("Rejected", None), no])), PricesItself::No(reason.into()), "a no is a no");
    }
    for (unclear, reason) in [
        (("Rejected", None), "TariffCostCtrlr.Available[Tariff]: Rejected"),
        (("Accepted", Some("perhaps")), "TariffCostCtrlr.Available[Tariff]: Accepted perhaps"),
    ] {
        assert_eq!(read(&answer([unclear, yes])), PricesItself::Unknown(reason.into()));
    }
    let mut half = answer([yes, yes]);
    half["getVariableResult"].as_array_mut().unwrap().pop();
    let missing = "TariffCostCtrlr.Enabled[Tariff] is not in the answer";
    assert_eq!(read(&half), PricesItself::Unknown(missing.into()));
    assert_eq!(read(&json!({"status": "?"})), PricesItself::Unknown("the answer is unreadable".into()));
}
