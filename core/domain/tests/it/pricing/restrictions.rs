//! Each restriction: where it starts to hold, where it ends, and what the session costs on both sides.

use serde_json::json;

use super::{always, check, stay, tariff};

const DAY: &str = "2026-03-02";

/// An hour of 12 kWh at 12 kW by an element with this restriction at 1.00 and, where it does not hold, at 2.00.
#[track_caller]
fn hour(restriction: &serde_json::Value, expect: &[&str]) {
    let tariff = tariff(&[("energy 1", restriction.clone()), ("energy 2", always())]);
    check(&tariff, "UTC", &stay(DAY, &["charging 08:00 09:00 12000 12000W 17A"]), expect);
}

#[test]
fn energy_thresholds_split_where_they_are_reached() {
    hour(
        &json!({"min_kwh": "3"}),
        &[
            "energy[1] 08:00-08:15: 3 x 2 = 6 + 0",
            "energy[0] 08:15-09:00: 9 x 1 = 9 + 0",
            "total 15.00 / 15.00",
        ],
    );
    hour(
        &json!({"max_kwh": "3"}),
        &[
            "energy[0] 08:00-08:15: 3 x 1 = 3 + 0",
            "energy[1] 08:15-09:00: 9 x 2 = 18 + 0",
            "total 21.00 / 21.00",
        ],
    );
    hour(
        &json!({"min_kwh": "3", "max_kwh": "6"}),
        &[
            "energy[1] 08:00-08:15: 3 x 2 = 6 + 0",
            "energy[0] 08:15-08:30: 3 x 1 = 3 + 0",
            "energy[1] 08:30-09:00: 6 x 2 = 12 + 0",
            "total 21.00 / 21.00",
        ],
    );
    // Reached exactly at the end: it no longer matters.
    hour(&json!({"min_kwh": "12"}), &["energy[1] 08:00-09:00: 12 x 2 = 24 + 0", "total 24.00 / 24.00"]);
    hour(&json!({"min_kwh": "0"}), &["energy[0] 08:00-09:00: 12 x 1 = 12 + 0", "total 12.00 / 12.00"]);
}

#[test]
fn an_odd_threshold_loses_no_watt_hour() {
    let tariff = tariff(&[("energy 1", json!({"max_kwh": "3.3333"})), ("energy 1", always())]);
    check(
        &tariff,
        "UTC",
        &stay(DAY, &["charging 08:00 09:00 10001"]),
        &[
            "energy[0] 08:00-08:19: 3.3333 x 1 = 3.3333 + 0",
            "energy[1] 08:19-09:00: 6.6677 x 1 = 6.6677 + 0",
            "total 10.00 / 10.00",
        ],
    );
}

#[test]
fn durations_count_from_the_session_and_go_on_while_parking() {
    hour(
        &json!({"min_duration_s": 900}),
        &[
            "energy[1] 08:00-08:15: 3 x 2 = 6 + 0",
            "energy[0] 08:15-09:00: 9 x 1 = 9 + 0",
            "total 15.00 / 15.00",
        ],
    );
    hour(
        &json!({"max_duration_s": 900}),
        &[
            "energy[0] 08:00-08:15: 3 x 1 = 3 + 0",
            "energy[1] 08:15-09:00: 9 x 2 = 18 + 0",
            "total 21.00 / 21.00",
        ],
    );
    let parking = tariff(&[("parking_time 6", json!({"min_duration_s": 7200}))]);
    check(
        &parking,
        "UTC",
        &stay(DAY, &["charging 08:00 09:00 12000", "idle 09:00 11:00"]),
        &["parking_time[0] 10:00-11:00: 1 x 6 = 6 + 0", "total 6.00 / 6.00"],
    );
}

#[test]
fn power_and_current_are_those_of_the_stretch() {
    let all = ["energy[0] 08:00-09:00: 12 x 1 = 12 + 0", "total 12.00 / 12.00"];
    let none = ["energy[1] 08:00-09:00: 12 x 2 = 24 + 0", "total 24.00 / 24.00"];
    for (restriction, holds) in [
        (json!({"min_power_kw": "12"}), true),
        (json!({"min_power_kw": "12.0001"}), false),
        (json!({"max_power_kw": "12"}), false),
        (json!({"max_power_kw": "12.0001"}), true),
        (json!({"min_current_a": "17"}), true),
        (json!({"min_current_a": "17.1"}), false),
        (json!({"max_current_a": "17"}), false),
        (json!({"max_current_a": "32"}), true),
        (json!({"min_power_kw": "11", "max_power_kw": "22", "min_current_a": "18"}), false),
    ] {
        hour(&restriction, if holds { &all } else { &none });
    }
}

#[test]
fn what_nobody_measured_restricts_nothing() {
    let tariff = tariff(&[("energy 1", json!({"min_power_kw": "50", "max_current_a": "1"}))]);
    check(
        &tariff,
        "UTC",
        &stay(DAY, &["charging 08:00 09:00 1000"]),
        &["energy[0] 08:00-09:00: 1 x 1 = 1 + 0", "total 1.00 / 1.00"],
    );
}

#[test]
fn a_change_of_power_changes_the_price() {
    let tariff = tariff(&[
        ("energy 0.20", json!({"max_power_kw": "16"})),
        ("energy 0.35", json!({"max_power_kw": "32"})),
        ("energy 0.50", always()),
    ]);
    let session = [
        "charging 08:00 08:10 1000 6000W",
        "charging 08:10 09:00 40000 48000W",
        "charging 09:00 09:08 500 4000W",
    ];
    check(
        &tariff,
        "UTC",
        &stay(DAY, &session),
        &[
            "energy[0] 08:00-08:10: 1 x 0.20 = 0.2 + 0",
            "energy[2] 08:10-09:00: 40 x 0.50 = 20 + 0",
            "energy[0] 09:00-09:08: 0.5 x 0.20 = 0.1 + 0",
            "total 20.30 / 20.30",
        ],
    );
}

#[test]
fn without_a_match_a_dimension_is_free() {
    let tariff = tariff(&[("energy 1, time 1", json!({"min_kwh": "50"}))]);
    check(&tariff, "UTC", &stay(DAY, &["charging 08:00 09:00 12000"]), &["total 0.00 / 0.00"]);
}

#[test]
fn a_fee_is_due_once_when_its_element_first_holds() {
    let tariff = tariff(&[("flat 3", json!({"min_kwh": "6"})), ("energy 1", always())]);
    check(
        &tariff,
        "UTC",
        &stay(DAY, &["charging 08:00 09:00 12000", "charging 09:00 10:00 12000"]),
        &["flat[0] 08:30: 1 x 3 = 3 + 0", "energy[1] 08:00-10:00: 24 x 1 = 24 + 0", "total 27.00 / 27.00"],
    );
}
