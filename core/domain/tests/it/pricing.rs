//! What sessions cost: amounts to the cent, with the line that makes each of them. Tables through one [`check`].

use ringmain_domain::id::{TariffId, TenantId};
use ringmain_domain::money::Currency;
use ringmain_domain::segment::{Activity, Segment, Span};
use ringmain_domain::tariff::pricing::breakdown::{CostBreakdown, CostLine};
use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::pricing::usage::Usage;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::Zone;
use ringmain_domain::unit::WattHours;
use serde_json::Value;

mod clock;
mod limits;
mod lines;
mod properties;
mod refusals;
mod restrictions;
mod steps;
mod versions;
mod worked;

/// A tariff of elements like `("energy 0.25 tax 10 step 900, flat 1", json!({"min_kwh": "20"}))`.
pub(crate) fn tariff(elements: &[(&str, Value)]) -> Tariff {
    let element = |(components, restrictions): &(&str, Value)| TariffElement {
        components: components.split(", ").map(component).collect(),
        restrictions: serde_json::from_value(restrictions.clone()).unwrap(),
    };
    Tariff::new(
        TenantId::default_tenant(),
        TariffId::new("t").unwrap(),
        "test",
        Currency::new("EUR").unwrap(),
        elements.iter().map(element).collect(),
        at("2026-01-01T00:00"),
    )
}

/// `restrictions` of an element without any.
pub(crate) fn always() -> Value {
    serde_json::json!({})
}

fn component(text: &str) -> PriceComponent {
    let words: Vec<_> = text.split(' ').collect();
    let after = |name: &str| words.iter().position(|word| *word == name).map(|place| words[place + 1]);
    PriceComponent {
        dimension: Dimension::ALL.into_iter().find(|d| d.as_str() == words[0]).unwrap(),
        price: words[1].parse().unwrap(),
        tax_percent: after("tax").map(|tax| tax.parse().unwrap()),
        step_size: after("step").map_or(1, |step| step.parse().unwrap()),
    }
}

/// An instant in UTC without its seconds.
pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(&format!("{text}:00Z")).unwrap()
}

/// Stretches like `charging 08:00 09:30 20000 11000W 16A` in UTC: with a `+` the time is on the day after, energy is in Wh.
pub(crate) fn stay(day: &str, stretches: &[&str]) -> Vec<Segment> {
    let first = at(&format!("{day}T00:00"));
    let time = |text: &str| {
        let (text, days) = text.strip_prefix('+').map_or((text, 0), |text| (text, 1));
        let (hour, minute) = text.split_once(':').unwrap();
        let minutes: i64 = hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap();
        first.plus_secs(days * 86_400 + minutes * 60)
    };
    let segment = |text: &&str| {
        let words: Vec<_> = text.split(' ').collect();
        let activity = serde_json::from_value::<Activity>(words[0].into()).unwrap();
        let energy = words.get(3).map_or(0, |wh| wh.parse().unwrap());
        let with = |unit| words.iter().find_map(|word| word.strip_suffix(unit)).map(|n| n.parse().unwrap());
        let mut segment = Segment::new(time(words[1]), time(words[2]), WattHours(energy), activity);
        segment.power_w = with('W').map(Span::steady);
        segment.current_ma = with('A').map(|amps: i64| Span::steady(amps * 1000));
        segment
    };
    stretches.iter().map(segment).collect()
}

fn written(line: &CostLine) -> String {
    let clock = |at: Timestamp| Zone::UTC.local(at).unwrap().time.to_string();
    let period = line.period.map_or_else(String::new, |p| match (clock(p.from), clock(p.to)) {
        (from, _) if p.from == p.to => format!(" {from}"),
        (from, to) => format!(" {from}-{to}"),
    });
    let element = line.element.map(|element| format!("[{element}]")).unwrap_or_default();
    let used = if line.used == line.quantity { String::new() } else { format!(" (used {})", line.used) };
    format!(
        "{}{element}{period}: {} x {}{used} = {} + {}",
        line.kind.as_str(),
        line.quantity.round_dp(6),
        line.unit_price,
        line.excl_tax,
        line.tax
    )
}

/// Compares the lines and the total of a session with what is expected.
#[track_caller]
pub(crate) fn check(tariff: &Tariff, zone: &str, segments: &[Segment], expect: &[&str]) {
    compare(&price(&Timeline::single(tariff), &Zone::named(zone).unwrap(), &usage(segments)), expect);
}

/// What was used in these stretches; of none, at eight.
pub(crate) fn usage(segments: &[Segment]) -> Usage {
    let started_at = segments.first().map_or_else(|| at("2026-03-02T08:00"), |first| first.from);
    Usage::of(started_at, segments)
}

#[track_caller]
pub(crate) fn compare(breakdown: &CostBreakdown, expect: &[&str]) {
    let mut seen: Vec<_> = breakdown.lines.iter().map(written).collect();
    seen.push(format!("total {} / {}", breakdown.total.excl_tax, breakdown.total.incl_tax));
    assert_eq!(seen, expect);
}

#[test]
fn every_dimension_has_its_line() {
    let tariff = tariff(&[(
        "energy 0.39 tax 19, time 2.00 tax 19, parking_time 6.00 tax 19 step 60, flat 0.50",
        always(),
    )]);
    check(
        &tariff,
        "UTC",
        &stay("2026-03-02", &["charging 08:00 08:30 11000", "idle 08:30 08:40"]),
        &[
            "flat[0] 08:00: 1 x 0.50 = 0.5 + 0",
            "energy[0] 08:00-08:30: 11 x 0.39 = 4.29 + 0.8151",
            "time[0] 08:00-08:30: 0.5 x 2.00 = 1 + 0.19",
            "parking_time[0] 08:30-08:40: 0.166667 x 6.00 = 1 + 0.19",
            "total 6.79 / 7.99",
        ],
    );
}

#[test]
fn energy_is_priced_by_the_watt_hour() {
    let tariff = tariff(&[("energy 0.25 tax 10.0", always())]);
    let of = |wh: &str| stay("2026-03-02", &[&format!("charging 08:00 08:30 {wh}")]);
    check(&tariff, "UTC", &of("20000"), &["energy[0] 08:00-08:30: 20 x 0.25 = 5 + 0.5", "total 5.00 / 5.50"]);
    check(
        &tariff,
        "UTC",
        &of("1"),
        &["energy[0] 08:00-08:30: 0.001 x 0.25 = 0.00025 + 0.000025", "total 0.00 / 0.00"],
    );
}

#[test]
fn thirds_of_an_hour_add_up_to_whole_amounts() {
    let windows: Vec<_> = [("08:00", "08:20"), ("08:20", "08:40"), ("08:40", "09:00")]
        .map(|(from, to)| ("time 1.00", serde_json::json!({"start_time": from, "end_time": to})))
        .to_vec();
    let mut elements = windows;
    elements.push(("flat 0.005", always()));
    let breakdown = price(
        &Timeline::single(&tariff(&elements)),
        &Zone::UTC,
        &usage(&stay("2026-03-02", &["charging 08:00 09:00 1"])),
    );
    assert_eq!(breakdown.lines.len(), 4);
    assert_eq!(breakdown.unrounded.unwrap().excl_tax.to_string(), "1.005");
    assert_eq!(breakdown.total.excl_tax.to_string(), "1.01");
}

#[test]
fn a_session_of_nothing_costs_its_fee_only() {
    let tariff =
        tariff(&[("flat 9", serde_json::json!({"min_kwh": "1"})), ("flat 0.50, energy 0.30", always())]);
    check(&tariff, "UTC", &[], &["flat[1] 08:00: 1 x 0.50 = 0.5 + 0", "total 0.50 / 0.50"]);
}

#[test]
fn the_first_element_that_prices_a_dimension_counts() {
    let tariff = tariff(&[("energy 0.30", always()), ("energy 1, flat 2", always())]);
    check(
        &tariff,
        "UTC",
        &stay("2026-03-02", &["charging 08:00 09:00 1000"]),
        &["flat[1] 08:00: 1 x 2 = 2 + 0", "energy[0] 08:00-09:00: 1 x 0.30 = 0.3 + 0", "total 2.30 / 2.30"],
    );
}

#[test]
fn amounts_have_the_digits_of_their_currency() {
    let session = stay("2026-03-02", &["charging 08:00 09:00 12345"]);
    for (currency, price, total) in [
        ("JPY", "31.5", "total 389 / 428"),
        ("KWD", "0.0455", "total 0.562 / 0.618"),
        ("EUR", "0.455", "total 5.62 / 6.18"),
    ] {
        let mut tariff = tariff(&[(&format!("energy {price} tax 10"), always())]);
        tariff.currency = Currency::new(currency).unwrap();
        let breakdown = super::pricing::price(&Timeline::single(&tariff), &Zone::UTC, &usage(&session));
        assert_eq!(format!("total {} / {}", breakdown.total.excl_tax, breakdown.total.incl_tax), total);
        assert_eq!(breakdown.rounding.unwrap().digits, tariff.currency.minor_digits());
    }
}
