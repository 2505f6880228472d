//! A tariff that changes while a session goes on.

use ringmain_domain::money::Currency;
use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::pricing::usage::Usage;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::tariff::{PriceLimit, Tariff};
use ringmain_domain::time::local::Zone;

use super::{always, at, compare, stay, tariff, usage};

const DAY: &str = "2026-03-02";

fn old() -> Tariff {
    tariff(&[("flat 1, energy 0.40, parking_time 6", always())])
}

fn new() -> Tariff {
    tariff(&[("flat 2, energy 0.50, parking_time 12", always())])
}

#[track_caller]
fn day(versions: &[(&str, &Tariff)], expect: &[&str]) {
    let timeline = Timeline::new(versions.iter().map(|(from, tariff)| (at(from), *tariff))).unwrap();
    let session = stay(DAY, &["charging 08:00 09:00 10000", "idle 09:00 10:00"]);
    compare(&price(&timeline, &Zone::UTC, &usage(&session)), expect);
}

#[test]
fn energy_is_priced_by_the_version_in_force_when_it_flowed_and_fee_and_limits_by_the_first() {
    let mut old = old();
    let limit = |amount: &str| Some(PriceLimit { excl_tax: amount.parse().unwrap(), incl_tax: None });
    old.max_price = limit("15");
    let mut new = new();
    new.max_price = limit("3");
    day(
        &[("2026-03-02T08:30", &new), ("2026-01-01T00:00", &old)],
        &[
            "flat[0] 08:00: 1 x 1 = 1 + 0",
            "energy[0] 08:00-08:30: 5 x 0.40 = 2 + 0",
            "energy[0] 08:30-09:00: 5 x 0.50 = 2.5 + 0",
            "parking_time[0] 09:00-10:00: 1 x 12 = 12 + 0",
            "maximum_price: 1 x -2.5 = -2.5 + 0",
            "total 15.00 / 15.00",
        ],
    );
}

#[test]
fn each_line_names_its_version() {
    let (old, new) = (old(), new());
    let (first, second) = (at("2026-01-01T00:00"), at("2026-03-02T08:30"));
    let timeline = Timeline::new([(first, &old), (second, &new)]).unwrap();
    let session = stay(DAY, &["charging 08:00 09:00 10000"]);
    let breakdown = price(&timeline, &Zone::UTC, &usage(&session));
    let from: Vec<_> = breakdown.lines.iter().map(|line| line.tariff_from.unwrap()).collect();
    assert_eq!(from, [first, first, second]);
}

const OLD_ONLY: [&str; 4] = [
    "flat[0] 08:00: 1 x 1 = 1 + 0",
    "energy[0] 08:00-09:00: 10 x 0.40 = 4 + 0",
    "parking_time[0] 09:00-10:00: 1 x 6 = 6 + 0",
    "total 11.00 / 11.00",
];

#[test]
fn a_version_counts_from_its_start_and_no_session_is_free_for_want_of_one() {
    let (old, new) = (old(), new());
    day(&[("2026-03-02T10:00", &new), ("2026-01-01T00:00", &old)], &OLD_ONLY);
    day(&[("2026-03-02T12:00", &old)], &OLD_ONLY);
    let mut ended = old.clone();
    ended.valid_until = Some(at("2026-03-02T08:30"));
    day(&[("2026-01-01T00:00", &ended)], &OLD_ONLY);
    let mut late = new.clone();
    late.valid_from = Some(at("2026-03-03T00:00"));
    day(&[("2026-01-01T00:00", &old), ("2026-02-01T00:00", &late)], &OLD_ONLY);
}

#[test]
fn when_a_version_runs_out_the_one_before_counts_again() {
    let (old, mut new) = (old(), new());
    new.valid_until = Some(at("2026-03-02T08:30"));
    day(
        &[("2026-01-01T00:00", &old), ("2026-03-02T08:00", &new)],
        &[
            "flat[0] 08:00: 1 x 2 = 2 + 0",
            "energy[0] 08:00-08:30: 5 x 0.50 = 2.5 + 0",
            "energy[0] 08:30-09:00: 5 x 0.40 = 2 + 0",
            "parking_time[0] 09:00-10:00: 1 x 6 = 6 + 0",
            "total 12.50 / 12.50",
        ],
    );
}

#[test]
fn a_session_keeps_its_currency() {
    let (old, mut new) = (old(), new());
    new.currency = Currency::new("CHF").unwrap();
    day(&[("2026-01-01T00:00", &old), ("2026-03-02T08:30", &new)], &OLD_ONLY);
}

#[test]
fn where_nothing_was_used_the_version_of_the_start_counts() {
    let (mut old, mut new) = (old(), new());
    let limit = |amount: &str| Some(PriceLimit { excl_tax: amount.parse().unwrap(), incl_tax: None });
    (old.min_price, new.min_price) = (limit("5"), limit("7"));
    new.currency = Currency::new("CHF").unwrap();
    let night = tariff(&[("flat 9", serde_json::json!({"end_time": "06:00"})), ("flat 0", always())]);
    let timeline = Timeline::new([
        (at("2025-01-01T00:00"), &old),
        (at("2026-01-01T00:00"), &new),
        (at("2026-06-01T00:00"), &night),
    ]);
    for (start, expect) in [
        ("2024-12-31T08:00", "EUR 5.00"),
        ("2025-12-31T23:59", "EUR 5.00"),
        ("2026-01-01T00:00", "CHF 7.00"),
        ("2026-06-02T05:59", "EUR 9.00"),
        ("2026-06-02T06:00", "EUR 0.00"),
    ] {
        let nothing = Usage::of(at(start), &[]);
        let breakdown = price(timeline.as_ref().unwrap(), &Zone::UTC, &nothing);
        let seen = format!("{} {}", breakdown.currency.as_str(), breakdown.total.incl_tax);
        assert_eq!(seen, expect, "{start}");
    }
}
