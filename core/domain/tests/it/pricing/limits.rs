//! Limits, taxes in the price, reservations.

use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::tariff::{PriceLimit, Tariff, TaxIncluded};
use ringmain_domain::time::local::Zone;
use serde_json::json;

use super::{always, check, compare, stay, tariff, usage};

const DAY: &str = "2026-03-02";

fn limit(excl_tax: &str, incl_tax: Option<&str>) -> Option<PriceLimit> {
    let amount = |text: &str| text.parse().unwrap();
    Some(PriceLimit { excl_tax: amount(excl_tax), incl_tax: incl_tax.map(amount) })
}

fn by_energy() -> Tariff {
    tariff(&[("energy 0.25 tax 10", always())])
}

#[test]
fn a_limit_is_a_line_of_its_own() {
    let session = stay(DAY, &["charging 08:00 09:00 4000"]);
    let energy = "energy[0] 08:00-09:00: 4 x 0.25 = 1 + 0.1";
    for (min, max, expect) in [
        (limit("1.00", Some("1.10")), limit("1.00", Some("1.10")), vec![energy, "total 1.00 / 1.10"]),
        (
            limit("3.00", Some("3.60")),
            None,
            vec![energy, "minimum_price: 1 x 2 = 2 + 0.5", "total 3.00 / 3.60"],
        ),
        (
            None,
            limit("0.50", Some("0.55")),
            vec![energy, "maximum_price: 1 x -0.5 = -0.5 + -0.05", "total 0.50 / 0.55"],
        ),
        // Each side is held on its own: only the amount with taxes is below its minimum here.
        (
            limit("1.00", Some("1.20")),
            None,
            vec![energy, "minimum_price: 1 x 0 = 0 + 0.1", "total 1.00 / 1.20"],
        ),
        // Without a limit with taxes, the taxes keep their proportion.
        (limit("3.00", None), None, vec![energy, "minimum_price: 1 x 2 = 2 + 0.2", "total 3.00 / 3.30"]),
        (
            None,
            limit("0.50", None),
            vec![energy, "maximum_price: 1 x -0.5 = -0.5 + -0.05", "total 0.50 / 0.55"],
        ),
    ] {
        let mut tariff = by_energy();
        (tariff.min_price, tariff.max_price) = (min, max);
        check(&tariff, "UTC", &session, &expect);
    }
}

#[test]
fn a_minimum_holds_for_a_session_of_nothing() {
    let mut tariff = by_energy();
    tariff.min_price = limit("0.50", None);
    check(&tariff, "UTC", &[], &["minimum_price: 1 x 0.5 = 0.5 + 0", "total 0.50 / 0.50"]);
}

#[test]
fn the_tariff_says_what_a_price_means() {
    let session = stay(DAY, &["charging 08:00 09:00 10000"]);
    for (tax_included, expect) in [
        (TaxIncluded::No, ["energy[0] 08:00-09:00: 10 x 0.25 = 2.5 + 0.25", "total 2.50 / 2.75"]),
        (
            TaxIncluded::Yes,
            ["energy[0] 08:00-09:00: 10 x 0.25 = 2.2727272727 + 0.2272727273", "total 2.27 / 2.50"],
        ),
        (TaxIncluded::NotApplicable, ["energy[0] 08:00-09:00: 10 x 0.25 = 2.5 + 0", "total 2.50 / 2.50"]),
    ] {
        let mut tariff = by_energy();
        tariff.tax_included = tax_included;
        check(&tariff, "UTC", &session, &expect);
    }
}

fn bookable() -> Tariff {
    tariff(&[
        ("flat 4.00 tax 20", json!({"reservation": "reservation_expires"})),
        ("time 2.00 tax 20 step 600", json!({"reservation": "reservation"})),
        ("flat 0.50 tax 20, energy 0.25 tax 10", always()),
    ])
}

#[test]
fn a_reservation_that_is_used_costs_its_time_and_then_the_session() {
    check(
        &bookable(),
        "UTC",
        &stay(DAY, &["reserved 09:00 09:22", "charging 09:22 10:22 20000"]),
        &[
            "reservation_time[1] 09:00-09:22: 0.5 x 2.00 (used 0.3666666667) = 1 + 0.2",
            "flat[2] 09:22: 1 x 0.50 = 0.5 + 0.1",
            "energy[2] 09:22-10:22: 20 x 0.25 = 5 + 0.5",
            "total 6.50 / 7.30",
        ],
    );
}

#[track_caller]
fn expired(tariff: &Tariff, stretch: &str, expect: &[&str]) {
    let usage = usage(&stay(DAY, &[stretch])).expired();
    compare(&price(&Timeline::single(tariff), &Zone::UTC, &usage), expect);
}

#[test]
fn a_reservation_nobody_came_for_costs_its_fee_and_its_time_and_no_start_fee() {
    let mut tariff = bookable();
    tariff.min_price = limit("50.00", None);
    expired(
        &tariff,
        "reserved 09:00 10:00",
        &[
            "reservation_flat[0] 09:00: 1 x 4.00 = 4 + 0.8",
            "reservation_time[1] 09:00-10:00: 1 x 2.00 = 2 + 0.4",
            "total 6.00 / 7.20",
        ],
    );
}

#[test]
fn its_own_price_for_time_comes_before_that_of_reservations() {
    let tariff = tariff(&[
        ("time 3.00 step 600", json!({"reservation": "reservation"})),
        ("time 6.00 step 600", json!({"reservation": "reservation_expires"})),
        ("energy 0.25", always()),
    ]);
    expired(
        &tariff,
        "reserved 09:00 10:30",
        &["reservation_time[1] 09:00-10:30: 1.5 x 6.00 = 9 + 0", "total 9.00 / 9.00"],
    );
}

#[test]
fn ordinary_elements_never_price_reserved_time() {
    let tariff = tariff(&[("time 5.00, flat 1.00", always())]);
    check(
        &tariff,
        "UTC",
        &stay(DAY, &["reserved 09:00 10:00", "charging 10:00 11:00 1"]),
        &["flat[0] 10:00: 1 x 1.00 = 1 + 0", "time[0] 10:00-11:00: 1 x 5.00 = 5 + 0", "total 6.00 / 6.00"],
    );
}

#[test]
fn durations_of_a_session_do_not_count_its_reservation() {
    let tariff = tariff(&[
        ("time 1.00", json!({"reservation": "reservation", "min_duration_s": 1800})),
        ("time 6.00", json!({"min_duration_s": 1800})),
    ]);
    check(
        &tariff,
        "UTC",
        &stay(DAY, &["reserved 09:00 10:00", "charging 10:00 11:00 1"]),
        &[
            "reservation_time[0] 09:30-10:00: 0.5 x 1.00 = 0.5 + 0",
            "time[1] 10:30-11:00: 0.5 x 6.00 = 3 + 0",
            "total 3.50 / 3.50",
        ],
    );
}
