//! How many sessions a core prices in a second: a plain tariff, and a usual one over a session of many stretches.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringmain_domain::id::{TariffId, TenantId};
use ringmain_domain::money::Currency;
use ringmain_domain::segment::{Activity, Segment, Span};
use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::pricing::usage::Usage;
use ringmain_domain::tariff::restriction::Restrictions;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::{TimeOfDay, Zone};
use ringmain_domain::unit::WattHours;

/// 2026-03-02T15:00:00Z: 16:00 in Berlin.
const START: Timestamp = Timestamp::from_millis(1_772_463_600_000);
const STRETCH_S: i64 = 900;

fn component(dimension: Dimension, price: &str) -> PriceComponent {
    PriceComponent {
        dimension,
        price: price.parse().unwrap(),
        tax_percent: Some("19".parse().unwrap()),
        step_size: 1,
    }
}

fn tariff(elements: Vec<TariffElement>) -> Tariff {
    let id = TariffId::new("bench").unwrap();
    Tariff::new(TenantId::default_tenant(), id, "bench", Currency::new("EUR").unwrap(), elements, START)
}

/// A fee, energy in two windows of the day, parking with grace, taxes.
fn usual() -> Tariff {
    let window = |from: &str, to: &str| Restrictions {
        start_time: Some(TimeOfDay::parse(from).unwrap()),
        end_time: Some(TimeOfDay::parse(to).unwrap()),
        ..Restrictions::default()
    };
    let mut tariff = tariff(vec![
        TariffElement::new(vec![component(Dimension::Flat, "0.50")]),
        TariffElement {
            components: vec![component(Dimension::Energy, "0.59")],
            restrictions: window("06:00", "20:00"),
        },
        TariffElement {
            components: vec![component(Dimension::Energy, "0.39")],
            restrictions: window("20:00", "06:00"),
        },
        TariffElement::new(vec![component(Dimension::ParkingTime, "6.00")]),
    ]);
    tariff.idle_grace_s = 900;
    tariff
}

/// 16 stretches of charging and 4 of standing there, from the afternoon into the night.
fn session() -> Vec<Segment> {
    (0..20_i64)
        .map(|index| {
            let from = START.plus_secs(index * STRETCH_S);
            let charges = index < 16;
            let (energy, activity) = if charges { (2_750, Activity::Charging) } else { (0, Activity::Idle) };
            let mut segment = Segment::new(from, from.plus_secs(STRETCH_S), WattHours(energy), activity);
            segment.power_w = Some(Span::steady(energy * 4));
            segment
        })
        .collect()
}

fn prices(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("price");
    group.throughput(Throughput::Elements(1));
    let zone = Zone::named("Europe/Berlin").unwrap();
    let plain = tariff(vec![TariffElement::new(vec![component(Dimension::Energy, "0.39")])]);
    let two = [
        Segment::new(START, START.plus_secs(3600), WattHours(11_000), Activity::Charging),
        Segment::new(START.plus_secs(3600), START.plus_secs(7200), WattHours(0), Activity::Idle),
    ];
    for (name, tariff, segments) in [("plain", plain, two.to_vec()), ("usual", usual(), session())] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let usage = Usage::of(START, black_box(&segments));
                price(&Timeline::single(black_box(&tariff)), &zone, &usage)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, prices);
criterion_main!(benches);
