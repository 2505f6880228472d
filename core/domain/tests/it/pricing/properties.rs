//! What holds for every tariff and every session.

use proptest::prelude::*;
use ringmain_domain::segment::Segment;
use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::pricing::breakdown::CostBreakdown;
use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::local::Zone;
use ringmain_domain::unit::WattHours;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{stay, tariff, usage};

fn restrictions(all: bool) -> impl Strategy<Value = Value> {
    let maybe = |strategy: BoxedStrategy<Value>| proptest::option::weighted(0.3, strategy);
    let clock = (
        maybe((0..24, 0..60).prop_map(|(h, m)| json!(format!("{h:02}:{m:02}"))).boxed()),
        maybe((0..24, 0..60).prop_map(|(h, m)| json!(format!("{h:02}:{m:02}"))).boxed()),
        maybe(prop_oneof![Just(json!(["saturday", "sunday"])), Just(json!(["monday"]))].boxed()),
        maybe((25..32).prop_map(|day| json!(format!("2026-03-{day:02}"))).boxed()),
    );
    let amounts = (
        maybe((0..30_000_i64).prop_map(|wh| json!(Decimal::new(wh, 3).to_string())).boxed()),
        maybe((30_000..60_000_i64).prop_map(|wh| json!(Decimal::new(wh, 3).to_string())).boxed()),
        maybe((0..10_000).prop_map(|s| json!(s)).boxed()),
        maybe((0..22_i64).prop_map(|kw| json!(kw.to_string())).boxed()),
    );
    (clock, amounts).prop_map(move |((start, end, days, date), (min, max, age, power))| {
        let mut named =
            vec![("start_time", start), ("end_time", end), ("days_of_week", days), ("start_date", date)];
        if all {
            named.extend([
                ("min_kwh", min),
                ("max_kwh", max),
                ("min_duration_s", age),
                ("min_power_kw", power),
            ]);
        }
        let fields = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(fields.collect::<Map<_, _>>())
    })
}

fn tariffs(all: bool) -> impl Strategy<Value = Tariff> {
    let component = move |name: &'static str| {
        (0..900_i64, proptest::option::of(0..25), 1..if all { 900 } else { 2 }).prop_map(
            move |(price, tax, step)| {
                let tax = tax.map(|tax| format!(" tax {tax}")).unwrap_or_default();
                format!("{name} {}{tax} step {step}", Decimal::new(price, 2))
            },
        )
    };
    let names = proptest::sample::subsequence(vec!["flat", "energy", "time", "parking_time"], 1..=4);
    let components = names.prop_flat_map(move |names| names.into_iter().map(component).collect::<Vec<_>>());
    let element = (components, restrictions(all)).prop_map(|(components, of)| (components.join(", "), of));
    (proptest::collection::vec(element, 1..6), 0..1800_u32).prop_map(|(elements, grace)| {
        let elements: Vec<_> = elements.iter().map(|(text, of)| (text.as_str(), of.clone())).collect();
        let mut tariff = tariff(&elements);
        tariff.idle_grace_s = grace;
        tariff
    })
}

/// Stretches from the evening before the clock changes in Berlin, whole Wh in every minute.
fn sessions() -> impl Strategy<Value = Vec<Segment>> {
    let stretch = (prop_oneof![Just("charging"), Just("idle")], 1..300_i64, 0..200_i64);
    proptest::collection::vec(stretch, 1..8).prop_map(|stretches| {
        let mut segments: Vec<Segment> = Vec::new();
        for (activity, minutes, wh_per_minute) in stretches {
            let mut next = stay("2026-03-28", &[&format!("{activity} 18:00 18:00")]).remove(0);
            next.from = segments.last().map_or(next.from, |last| last.to);
            next.to = next.from.plus_secs(minutes * 60);
            let flows = i64::from(activity == "charging");
            next.energy = WattHours(flows * wh_per_minute * minutes);
            next.power_w = Some(ringmain_domain::segment::Span::steady(flows * wh_per_minute * 60));
            segments.push(next);
        }
        segments
    })
}

fn priced(tariff: &Tariff, segments: &[Segment]) -> CostBreakdown {
    price(&Timeline::single(tariff), &Zone::named("Europe/Berlin").unwrap(), &usage(segments))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_total_is_the_sum_of_the_lines(tariff in tariffs(true), session in sessions()) {
        let breakdown = priced(&tariff, &session);
        let unrounded = breakdown.unrounded.unwrap();
        let excl: Decimal = breakdown.lines.iter().map(|line| line.excl_tax).sum();
        let incl: Decimal = breakdown.lines.iter().map(|line| line.excl_tax + line.tax).sum();
        prop_assert!((excl - unrounded.excl_tax).abs() < Decimal::new(1, 8));
        prop_assert!((incl - unrounded.incl_tax).abs() < Decimal::new(1, 8));
        prop_assert_eq!(breakdown.total.excl_tax, breakdown.currency.round(unrounded.excl_tax));
        let energy: i64 = session.iter().map(|segment| segment.energy.0).sum();
        let used: Decimal = breakdown.lines.iter().filter(|l| l.kind.as_str() == "energy").map(|l| l.used).sum();
        prop_assert!(used <= Decimal::new(energy, 3));
    }

    #[test]
    fn a_stretch_cut_in_two_costs_the_same(tariff in tariffs(true), session in sessions(), at in any::<prop::sample::Index>(), part in any::<prop::sample::Index>()) {
        let whole = priced(&tariff, &session);
        let mut cut = session.clone();
        let place = at.index(cut.len());
        let minutes = cut[place].millis() / 60_000;
        let here = i64::try_from(part.index(usize::try_from(minutes).unwrap())).unwrap();
        let mut second = cut[place];
        let per_minute = second.energy.0 / minutes;
        cut[place].to = second.from.plus_secs(here * 60);
        cut[place].energy = WattHours(per_minute * here);
        second.from = cut[place].to;
        second.energy = WattHours(per_minute * (minutes - here));
        cut.insert(place + 1, second);
        prop_assert_eq!(priced(&tariff, &cut), whole);
    }

    #[test]
    fn more_energy_never_costs_less(tariff in tariffs(false), session in sessions(), more in 1..50_i64) {
        // Where only the clock decides: with thresholds of energy, more energy may well end a costly stretch earlier.
        let before = priced(&tariff, &session).unrounded.unwrap();
        let mut larger = session;
        for segment in larger.iter_mut().filter(|segment| segment.energy.0 > 0) {
            segment.energy = WattHours(segment.energy.0 + more * (segment.millis() / 60_000));
        }
        let after = priced(&tariff, &larger).unrounded.unwrap();
        prop_assert!(after.excl_tax >= before.excl_tax && after.incl_tax >= before.incl_tax);
    }
}
