//! What a tariff may not say, what it had better not say, and what old documents still say.

use ringmain_domain::tariff::pricing::breakdown::{CostBreakdown, LineKind};
use ringmain_domain::tariff::restriction::Restrictions;
use ringmain_domain::tariff::{Dimension, PriceLimit, Tariff, TaxIncluded};
use serde_json::{Value, json};

use super::{always, at, tariff};

fn refused(tariff: &Tariff) -> String {
    tariff.check().unwrap_err().to_string()
}

#[test]
fn components_that_cannot_be_right_are_refused_with_their_place() {
    for (components, expect) in [
        ("energy 0.3 step 0", "elements[0].components[0].step_size: must be 1 or more"),
        ("energy 0.3, energy 0.4", "elements[0].components: energy is priced twice in one element"),
        ("flat -1", "elements[0].components[0].price: -1 is out of range"),
        ("flat 1 tax 101", "elements[0].components[0].tax_percent: 101 is out of range"),
    ] {
        assert_eq!(refused(&tariff(&[(components, always())])), expect);
    }
    assert_eq!(refused(&tariff(&[])), "elements: a tariff needs 1 to 100 elements, this has 0");
    let mut empty = tariff(&[("flat 1", always())]);
    empty.elements[0].components.clear();
    assert_eq!(refused(&empty), "elements[0].components: an element needs at least one component");
}

#[test]
fn restrictions_that_nothing_meets_are_refused_with_their_place() {
    for (restrictions, field, reason) in [
        (json!({"min_kwh": "-1"}), "min_kwh", "must be from 0 to 1000000"),
        (json!({"min_kwh": "5", "max_kwh": "5"}), "max_kwh", "nothing is below it and above the minimum"),
        (json!({"max_kwh": "0"}), "max_kwh", "nothing is below it and above the minimum"),
        (
            json!({"min_duration_s": 9, "max_duration_s": 3}),
            "max_duration_s",
            "nothing is below it and above the minimum",
        ),
        (json!({"max_power_kw": "0"}), "max_power_kw", "nothing is below zero"),
        (json!({"max_current_a": "0"}), "max_current_a", "nothing is below zero"),
        (
            json!({"start_date": "2026-03-02", "end_date": "2026-03-02"}),
            "end_date",
            "must be after start_date: it no longer counts itself",
        ),
        (json!({"days_of_week": ["monday", "monday"]}), "days_of_week", "a day is named twice"),
    ] {
        let expect = format!("elements[0].restrictions.{field}: {reason}");
        assert_eq!(refused(&tariff(&[("flat 1", restrictions)])), expect);
    }
}

#[test]
fn fields_of_the_tariff_are_refused_with_their_name() {
    let limit = |excl: i64, incl: Option<i64>| {
        Some(PriceLimit { excl_tax: excl.into(), incl_tax: incl.map(Into::into) })
    };
    let with = |change: &dyn Fn(&mut Tariff)| {
        let mut changed = tariff(&[("flat 1", always())]);
        change(&mut changed);
        refused(&changed)
    };
    assert_eq!(with(&|t| t.min_price = limit(-1, None)), "min_price.excl_tax: must be from 0 to 1000000");
    assert_eq!(
        with(&|t| t.max_price = limit(5, Some(4))),
        "max_price.incl_tax: must not be below the amount without taxes"
    );
    assert_eq!(
        with(&|t| (t.min_price, t.max_price) = (limit(5, None), limit(4, None))),
        "max_price.excl_tax: must not be below the minimum price"
    );
    assert_eq!(
        with(&|t| {
            (t.valid_from, t.valid_until) = (Some(at("2026-03-02T00:00")), Some(at("2026-03-02T00:00")));
        }),
        "valid_until: must be after valid_from"
    );
    assert_eq!(with(&|t| t.idle_grace_s = 86_401), "idle_grace_s: must be 86400 or less");
}

#[test]
fn hints_say_what_is_probably_not_meant() {
    let mut odd = tariff(&[
        ("energy 0.30 tax 10 step 1000", always()),
        ("energy 0.40", json!({"start_time": "17:00", "end_time": "17:00"})),
        ("time 2, energy 1", json!({"reservation": "reservation"})),
        ("parking_time 6", json!({"min_power_kw": "20", "max_power_kw": "10"})),
    ]);
    odd.tax_included = TaxIncluded::NotApplicable;
    let hints: Vec<_> = odd
        .lint()
        .into_iter()
        .map(|hint| format!("{}: {}", hint.element.map_or("tariff".to_owned(), |e| e.to_string()), hint.kind))
        .collect();
    assert_eq!(
        hints,
        [
            "0: energy is rounded up to steps of 1000 Wh: 1 is advised, later versions of OCPI have no step",
            "0: the tax is ignored: the tariff says that there is none",
            "1: its price for energy is never used: elements[0] always applies",
            "1: the window ends where it begins: it never applies",
            "2: energy is never priced for a reservation",
            "3: max_power_kw is not above the minimum or the start: it hardly ever applies",
            "tariff: parking_time is free whenever no restriction holds: add an element without restrictions",
        ]
    );
    let plain = tariff(&[("energy 0.40", json!({"start_time": "17:00"})), ("energy 0.30, time 1", always())]);
    assert_eq!(plain.lint(), []);
}

#[test]
fn documents_of_before_restrictions_still_load() {
    let stored = json!({"tenant": "default", "id": "t1", "name": "old", "currency": "EUR",
        "elements": [{"components": [{"dimension": "energy", "price": "0.49", "step_size": 100}]}],
        "updated_at": 1_772_352_000_000_i64});
    let tariff: Tariff = serde_json::from_value(stored).unwrap();
    assert_eq!(tariff.elements[0].restrictions, Restrictions::default());
    assert_eq!((tariff.tax_included, tariff.idle_grace_s), (TaxIncluded::No, 0));
    assert_eq!(serde_json::from_value::<Tariff>(serde_json::to_value(&tariff).unwrap()).unwrap(), tariff);

    let stored = json!({"tariff_id": "t1", "currency": "EUR", "total": {"excl_tax": "1.00", "incl_tax": "1.10"},
        "lines": [{"element": 0, "dimension": "energy", "quantity": "4", "used": "4", "unit_price": "0.25",
            "tax_percent": "10", "excl_tax": "1", "tax": "0.1", "incl_tax": "1.1"}]});
    let breakdown: CostBreakdown = serde_json::from_value(stored).unwrap();
    assert_eq!(breakdown.lines[0].kind, LineKind::Usage(Dimension::Energy));
    assert_eq!((breakdown.lines[0].element, breakdown.lines[0].period), (Some(0), None));
    assert_eq!(breakdown.rounding, None);
}

#[test]
fn all_restrictions_are_kept_as_they_are() {
    let all: Value = json!({"start_time": "07:00", "end_time": "19:30", "start_date": "2026-03-01",
        "end_date": "2026-04-01", "days_of_week": ["monday", "sunday"], "min_kwh": "0.1", "max_kwh": "100",
        "min_current_a": "6", "max_current_a": "32", "min_power_kw": "1.4", "max_power_kw": "22",
        "min_duration_s": 60, "max_duration_s": 3600, "reservation": "reservation_expires"});
    let read: Restrictions = serde_json::from_value(all.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), all);
}
