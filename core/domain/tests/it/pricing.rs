//! What sessions cost: amounts to the cent, with the line that makes each of them.

use ringmain_domain::id::{TariffId, TenantId};
use ringmain_domain::money::Currency;
use ringmain_domain::segment::{Activity, Segment};
use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use ringmain_domain::unit::WattHours;
use rust_decimal::Decimal;

use crate::make::{MORNING, minute};

fn tariff(components: &[(Dimension, &str, Option<&str>, u32)]) -> Tariff {
    let components = components.iter().map(|(dimension, price, tax, step_size)| PriceComponent {
        dimension: *dimension,
        price: price.parse().unwrap(),
        tax_percent: tax.map(|tax| tax.parse().unwrap()),
        step_size: *step_size,
    });
    Tariff {
        tenant: TenantId::default_tenant(),
        id: TariffId::new("t").unwrap(),
        name: "test".into(),
        currency: Currency::new("EUR").unwrap(),
        elements: vec![TariffElement { components: components.collect() }],
        updated_at: MORNING,
    }
}

/// 30 minutes of charging with so much energy, then so many minutes of parking.
fn stay(energy_wh: i64, parked_min: i64) -> Vec<Segment> {
    vec![
        Segment::new(minute(0), minute(30), WattHours(energy_wh), Activity::Charging),
        Segment::new(minute(30), minute(30 + parked_min), WattHours::ZERO, Activity::Idle),
    ]
}

fn check(tariff: &Tariff, segments: &[Segment], expect: &[&str]) {
    let breakdown = price(tariff, segments);
    let mut seen: Vec<_> = breakdown
        .lines
        .iter()
        .map(|l| {
            format!("{} {} x {} = {} + {}", l.dimension.as_str(), l.quantity, l.unit_price, l.excl_tax, l.tax)
        })
        .collect();
    seen.push(format!("total {} / {}", breakdown.total.excl_tax, breakdown.total.incl_tax));
    assert_eq!(seen, expect);
}

#[test]
fn energy_is_priced_by_the_watt_hour() {
    let tariff = tariff(&[(Dimension::Energy, "0.25", Some("10.0"), 1)]);
    check(&tariff, &stay(20_000, 0), &["energy 20 x 0.25 = 5 + 0.5", "total 5.00 / 5.50"]);
    check(&tariff, &stay(1, 0), &["energy 0.001 x 0.25 = 0.0003 + 0", "total 0.00 / 0.00"]);
}

#[test]
fn every_dimension_has_its_line() {
    let tariff = tariff(&[
        (Dimension::Energy, "0.39", Some("19"), 1),
        (Dimension::Time, "2.00", Some("19"), 1),
        (Dimension::ParkingTime, "6.00", Some("19"), 60),
        (Dimension::Flat, "0.50", None, 1),
    ]);
    check(
        &tariff,
        &stay(11_000, 10),
        &[
            "flat 1 x 0.50 = 0.5 + 0",
            "energy 11 x 0.39 = 4.29 + 0.8151",
            "time 0.5 x 2.00 = 1 + 0.19",
            "parking_time 0.1667 x 6.00 = 1 + 0.19",
            "total 6.79 / 7.99",
        ],
    );
}

#[test]
fn what_is_used_is_rounded_up_to_the_step() {
    let tariff =
        tariff(&[(Dimension::Energy, "0.30", None, 1_000), (Dimension::ParkingTime, "6.00", None, 900)]);
    check(
        &tariff,
        &stay(4_300, 1),
        &["energy 5 x 0.30 = 1.5 + 0", "parking_time 0.25 x 6.00 = 1.5 + 0", "total 3.00 / 3.00"],
    );
}

#[test]
fn an_hour_split_in_three_costs_what_one_hour_costs() {
    // A third of an hour has no finite decimal form: the amount is worked out before anything is rounded.
    let tariff = tariff(&[(Dimension::Time, "3.00", None, 1)]);
    let twenty = [Segment::new(minute(0), minute(20), WattHours(1), Activity::Charging)];
    check(&tariff, &twenty, &["time 0.3333 x 3.00 = 1 + 0", "total 1.00 / 1.00"]);
}

#[test]
fn a_session_of_nothing_costs_its_fee_only() {
    let tariff = tariff(&[(Dimension::Flat, "0.50", None, 1), (Dimension::Energy, "0.30", None, 1)]);
    check(&tariff, &[], &["flat 1 x 0.50 = 0.5 + 0", "total 0.50 / 0.50"]);
}

#[test]
fn the_first_element_that_prices_a_dimension_counts() {
    let mut tariff = tariff(&[(Dimension::Energy, "0.30", None, 1)]);
    let second =
        PriceComponent { dimension: Dimension::Energy, price: Decimal::ONE, tax_percent: None, step_size: 1 };
    tariff.elements.push(TariffElement { components: vec![second] });
    check(&tariff, &stay(1_000, 0), &["energy 1 x 0.30 = 0.3 + 0", "total 0.30 / 0.30"]);
}

#[test]
fn a_tariff_that_cannot_be_right_is_refused_with_its_place() {
    let refused = |components: &[_]| tariff(components).check().unwrap_err().to_string();
    assert_eq!(refused(&[]), "elements[0].components: an element needs at least one component");
    assert_eq!(
        refused(&[(Dimension::Energy, "0.3", None, 0)]),
        "elements[0].components[0].step_size: must be 1 or more"
    );
    assert_eq!(
        refused(&[(Dimension::Energy, "0.3", None, 1), (Dimension::Energy, "0.4", None, 1)]),
        "elements[0].components: energy is priced twice in one element"
    );
    assert_eq!(
        refused(&[(Dimension::Flat, "-1", None, 1)]),
        "elements[0].components[0].price: -1 is out of range"
    );
    assert_eq!(
        refused(&[(Dimension::Flat, "1", Some("101"), 1)]),
        "elements[0].components[0].tax_percent: 101 is out of range"
    );
}
