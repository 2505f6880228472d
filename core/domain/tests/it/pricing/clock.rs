//! Times of day, dates and days of the week by the location's clock, also when it jumps.

use serde_json::{Value, json};

use super::{always, check, stay, tariff};

const BERLIN: &str = "Europe/Berlin";

/// Charging at 1 kW from one time to another (UTC), at 1.00 where the restriction holds and at 2.00 elsewhere.
#[track_caller]
fn kilowatt(zone: &str, day: &str, from: &str, to: &str, wh: i64, restriction: &Value, expect: &[&str]) {
    let tariff = tariff(&[("energy 1", restriction.clone()), ("energy 2", always())]);
    check(&tariff, zone, &stay(day, &[&format!("charging {from} {to} {wh}")]), expect);
}

#[test]
fn a_window_starts_inclusive_and_ends_exclusive_by_the_clock_on_the_wall() {
    // 17:00 in Berlin is 16:00 UTC in winter.
    kilowatt(
        BERLIN,
        "2026-03-02",
        "15:00",
        "20:00",
        5_000,
        &json!({"start_time": "17:00", "end_time": "20:00"}),
        &[
            "energy[1] 15:00-16:00: 1 x 2 = 2 + 0",
            "energy[0] 16:00-19:00: 3 x 1 = 3 + 0",
            "energy[1] 19:00-20:00: 1 x 2 = 2 + 0",
            "total 7.00 / 7.00",
        ],
    );
    // From exactly its start to exactly its end.
    kilowatt(
        "UTC",
        "2026-03-02",
        "17:00",
        "20:00",
        3_000,
        &json!({"start_time": "17:00", "end_time": "20:00"}),
        &["energy[0] 17:00-20:00: 3 x 1 = 3 + 0", "total 3.00 / 3.00"],
    );
}

#[test]
fn a_window_may_go_over_midnight_or_be_open() {
    let night = ["energy[1] 20:00-22:00: 2 x 2 = 4 + 0", "energy[0] 22:00-06:00: 8 x 1 = 8 + 0"];
    let expect = [night[0], night[1], "energy[1] 06:00-08:00: 2 x 2 = 4 + 0", "total 16.00 / 16.00"];
    kilowatt(
        "UTC",
        "2026-03-02",
        "20:00",
        "+08:00",
        12_000,
        &json!({"start_time": "22:00", "end_time": "06:00"}),
        &expect,
    );
    kilowatt(
        "UTC",
        "2026-03-02",
        "20:00",
        "+08:00",
        12_000,
        &json!({"start_time": "22:00"}),
        &[
            night[0],
            "energy[0] 22:00-00:00: 2 x 1 = 2 + 0",
            "energy[1] 00:00-08:00: 8 x 2 = 16 + 0",
            "total 22.00 / 22.00",
        ],
    );
    kilowatt(
        "UTC",
        "2026-03-02",
        "20:00",
        "+08:00",
        12_000,
        &json!({"end_time": "06:00"}),
        &[
            "energy[1] 20:00-00:00: 4 x 2 = 8 + 0",
            "energy[0] 00:00-06:00: 6 x 1 = 6 + 0",
            "energy[1] 06:00-08:00: 2 x 2 = 4 + 0",
            "total 18.00 / 18.00",
        ],
    );
    // 00:00 as an end is the end of the day; from and to it is all day; any other time to itself is never.
    for (window, expect) in [
        (json!({"start_time": "00:00", "end_time": "00:00"}), "energy[0] 20:00-08:00: 12 x 1 = 12 + 0"),
        (json!({"start_time": "17:00", "end_time": "17:00"}), "energy[1] 20:00-08:00: 12 x 2 = 24 + 0"),
    ] {
        let total = if expect.contains("[0]") { "total 12.00 / 12.00" } else { "total 24.00 / 24.00" };
        kilowatt("UTC", "2026-03-02", "20:00", "+08:00", 12_000, &window, &[expect, total]);
    }
}

#[test]
fn f40_an_hour_that_the_clock_skips_is_not_billed_and_one_shown_twice_is_billed_twice() {
    // 29 March, Berlin: 02:00 becomes 03:00 at 01:00 UTC. From 00:30 to 04:30 by the clock are three hours.
    kilowatt(
        BERLIN,
        "2026-03-28",
        "23:30",
        "+02:30",
        3_000,
        &json!({"start_time": "02:30", "end_time": "04:00"}),
        &[
            "energy[1] 23:30-01:00: 1.5 x 2 = 3 + 0",
            "energy[0] 01:00-02:00: 1 x 1 = 1 + 0",
            "energy[1] 02:00-02:30: 0.5 x 2 = 1 + 0",
            "total 5.00 / 5.00",
        ],
    );
    // 25 October: 03:00 becomes 02:00 at 01:00 UTC, so the window is entered twice.
    kilowatt(
        BERLIN,
        "2026-10-24",
        "23:30",
        "+03:30",
        4_000,
        &json!({"start_time": "02:00", "end_time": "02:30"}),
        &[
            "energy[1] 23:30-00:00: 0.5 x 2 = 1 + 0",
            "energy[0] 00:00-00:30: 0.5 x 1 = 0.5 + 0",
            "energy[1] 00:30-01:00: 0.5 x 2 = 1 + 0",
            "energy[0] 01:00-01:30: 0.5 x 1 = 0.5 + 0",
            "energy[1] 01:30-03:30: 2 x 2 = 4 + 0",
            "total 7.00 / 7.00",
        ],
    );
}

#[test]
fn dates_begin_and_end_at_local_midnight() {
    kilowatt(
        BERLIN,
        "2026-12-31",
        "22:00",
        "+01:00",
        3_000,
        &json!({"start_date": "2027-01-01", "end_date": "2027-01-02"}),
        &[
            "energy[1] 22:00-23:00: 1 x 2 = 2 + 0",
            "energy[0] 23:00-01:00: 2 x 1 = 2 + 0",
            "total 4.00 / 4.00",
        ],
    );
    kilowatt(
        "UTC",
        "2028-02-28",
        "23:00",
        "+01:00",
        2_000,
        &json!({"start_date": "2028-02-29", "end_date": "2028-03-01"}),
        &[
            "energy[1] 23:00-00:00: 1 x 2 = 2 + 0",
            "energy[0] 00:00-01:00: 1 x 1 = 1 + 0",
            "total 3.00 / 3.00",
        ],
    );
    kilowatt(
        "UTC",
        "2028-02-29",
        "23:00",
        "+01:00",
        2_000,
        &json!({"end_date": "2028-03-01"}),
        &[
            "energy[0] 23:00-00:00: 1 x 1 = 1 + 0",
            "energy[1] 00:00-01:00: 1 x 2 = 2 + 0",
            "total 3.00 / 3.00",
        ],
    );
}

#[test]
fn days_of_the_week_change_at_local_midnight() {
    // Sunday 1 March 2026 to Monday: in Tokyo Monday begins at 15:00 UTC.
    kilowatt(
        "Asia/Tokyo",
        "2026-03-01",
        "14:00",
        "16:00",
        2_000,
        &json!({"days_of_week": ["monday", "tuesday"]}),
        &[
            "energy[1] 14:00-15:00: 1 x 2 = 2 + 0",
            "energy[0] 15:00-16:00: 1 x 1 = 1 + 0",
            "total 3.00 / 3.00",
        ],
    );
    // A window over midnight with a day: the day is that of the moment, not that of the window's start.
    kilowatt(
        "UTC",
        "2026-03-02",
        "21:00",
        "+07:00",
        10_000,
        &json!({"start_time": "22:00", "end_time": "06:00", "days_of_week": ["monday"]}),
        &[
            "energy[1] 21:00-22:00: 1 x 2 = 2 + 0",
            "energy[0] 22:00-00:00: 2 x 1 = 2 + 0",
            "energy[1] 00:00-07:00: 7 x 2 = 14 + 0",
            "total 18.00 / 18.00",
        ],
    );
}
