//! Steps, once per session, and the grace of parking.

use serde_json::json;

use super::{always, check, stay, tariff};

const DAY: &str = "2026-03-02";

/// OCPI's own step_size example, tariff 22.
fn evening() -> ringmain_domain::tariff::Tariff {
    tariff(&[
        (
            "time 1.20 step 1800, parking_time 1.00 step 900",
            json!({"start_time": "00:00", "end_time": "17:00"}),
        ),
        (
            "time 2.40 step 900, parking_time 1.00 step 900",
            json!({"start_time": "17:00", "end_time": "20:00"}),
        ),
        ("time 2.40 step 900", json!({"start_time": "20:00", "end_time": "00:00"})),
    ])
}

#[test]
fn what_is_used_is_rounded_up_to_the_step_once() {
    let tariff = tariff(&[("energy 0.30 step 1000, parking_time 6.00 step 900", always())]);
    check(
        &tariff,
        "UTC",
        &stay(DAY, &["charging 08:00 08:30 2100", "charging 08:30 09:00 2200", "idle 09:00 09:01"]),
        &[
            "energy[0] 08:00-09:00: 5 x 0.30 (used 4.3) = 1.5 + 0",
            "parking_time[0] 09:00-09:01: 0.25 x 6.00 (used 0.0166666667) = 1.5 + 0",
            "total 3.00 / 3.00",
        ],
    );
}

#[test]
fn with_priced_parking_only_parking_is_rounded() {
    check(
        &evening(),
        "UTC",
        &stay(DAY, &["charging 16:55 17:05 1000", "idle 17:05 17:07"]),
        &[
            "time[0] 16:55-17:00: 0.083333 x 1.20 = 0.1 + 0",
            "time[1] 17:00-17:05: 0.083333 x 2.40 = 0.2 + 0",
            "parking_time[1] 17:05-17:07: 0.25 x 1.00 (used 0.0333333333) = 0.25 + 0",
            "total 0.55 / 0.55",
        ],
    );
}

#[test]
fn only_priced_parking_counts_for_the_step() {
    // 8 priced minutes become 15; the 12 after 20:00 have no price. The text once printed 0.80.
    check(
        &evening(),
        "UTC",
        &stay(DAY, &["charging 19:40 19:52 1000", "idle 19:52 20:12"]),
        &[
            "time[1] 19:40-19:52: 0.2 x 2.40 = 0.48 + 0",
            "parking_time[1] 19:52-20:00: 0.25 x 1.00 (used 0.1333333333) = 0.25 + 0",
            "total 0.73 / 0.73",
        ],
    );
}

#[test]
fn the_last_element_rounds_the_sum_of_the_session() {
    // 28 minutes become 30: the last component's step, at the last component's price.
    check(
        &evening(),
        "UTC",
        &stay(DAY, &["charging 16:54 17:22 2000"]),
        &[
            "time[0] 16:54-17:00: 0.1 x 1.20 = 0.12 + 0",
            "time[1] 17:00-17:22: 0.4 x 2.40 (used 0.3666666667) = 0.96 + 0",
            "total 1.08 / 1.08",
        ],
    );
}

#[test]
fn a_step_of_one_makes_whole_seconds_and_watt_hours() {
    let tariff = tariff(&[("time 36.00", always())]);
    let mut session = stay(DAY, &["charging 08:00 08:01 1"]);
    session[0].to = session[0].from.plus_millis(1_001);
    check(
        &tariff,
        "UTC",
        &session,
        &["time[0] 08:00-08:00: 0.000556 x 36.00 (used 0.0002780556) = 0.02 + 0", "total 0.02 / 0.02"],
    );
}

#[test]
fn grace_is_free_and_does_not_count_for_the_step() {
    let mut tariff = tariff(&[("energy 1, parking_time 6.00 step 600", always())]);
    tariff.idle_grace_s = 900;
    let session = |until: &str| stay(DAY, &["charging 08:00 09:00 1000", &format!("idle 09:00 {until}")]);
    let energy = "energy[0] 08:00-09:00: 1 x 1 = 1 + 0";
    check(&tariff, "UTC", &session("09:15"), &[energy, "total 1.00 / 1.00"]);
    check(
        &tariff,
        "UTC",
        &session("09:20"),
        &[
            energy,
            "parking_time[0] 09:15-09:20: 0.166667 x 6.00 (used 0.0833333333) = 1 + 0",
            "total 2.00 / 2.00",
        ],
    );
}

#[test]
fn grace_begins_anew_after_charging_and_goes_on_over_a_cut() {
    let mut tariff = tariff(&[("parking_time 6.00", always())]);
    tariff.idle_grace_s = 900;
    check(
        &tariff,
        "UTC",
        &stay(
            DAY,
            &[
                "charging 08:00 09:00 1000",
                "idle 09:00 09:10",
                "charging 09:10 09:20 100",
                "idle 09:20 09:30",
                "idle 09:30 09:45",
            ],
        ),
        &["parking_time[0] 09:35-09:45: 0.166667 x 6.00 = 1 + 0", "total 1.00 / 1.00"],
    );
}
