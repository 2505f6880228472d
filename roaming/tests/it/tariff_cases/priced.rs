//! Bill records of 2.1.1 and 2.2.1 that are messy on purpose, with the price they must come to.

use std::path::{Path, PathBuf};

use ringmain_domain::money::Price;
use ringmain_domain::segment::Activity;
use ringmain_domain::tariff::Dimension;
use ringmain_domain::tariff::pricer::CdrPrice;
use ringmain_domain::tariff::pricing::breakdown::LineKind;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{decimal, differs, json as read_json, price, price_differs, read, root, settle};

/// They are all of the Netherlands.
const ZONE: &str = "Europe/Amsterdam";
/// Records that do not come out, with the reason.
const KNOWN: [(&str, &str); 0] = [];

fn folders() -> Vec<PathBuf> {
    let list = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut folders: Vec<_> = list(&root().join("priced")).iter().flat_map(|version| list(version)).collect();
    folders.sort();
    folders
}

/// What is expected of a field: what the output says; where it says nothing, what the record itself says. `None`: nothing is.
fn expected<'a>(output: &'a Value, cdr: &'a Value, names: [&str; 2]) -> Option<&'a Value> {
    let said = names.iter().find_map(|name| output["cdr_price"].get(*name));
    said.or_else(|| names.iter().find_map(|name| cdr.get(*name)))
}

fn wrong(folder: &Path) -> Vec<String> {
    let file = |start: &str| {
        let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(start)).min()
    };
    let (cdr_file, output) = (file("cdr").unwrap(), read_json(&file("output_price").unwrap()));
    let (cdr, tariff) = (read_json(&cdr_file), file("tariff").map(|path| read(&path)));
    let priced = price(tariff.as_deref(), &read(&cdr_file), ZONE, false);
    let cost = |dimension| priced.breakdown.cost_of(LineKind::Usage(dimension));
    let mut wrong = Vec::new();
    for (names, seen) in [
        (["total_cost", "total_cost"], Some(priced.total())),
        (["total_fixed_cost", "total_fixed_cost"], cost(Dimension::Flat)),
        (["total_energy_cost", "total_energy_cost"], cost(Dimension::Energy)),
        (["total_charging_time_cost", "total_time_cost"], cost(Dimension::Time)),
        (["total_idle_time_cost", "total_parking_cost"], cost(Dimension::ParkingTime)),
    ] {
        if let Some(expect) = expected(&output, &cdr, names) {
            wrong.extend(cost_differs(names[0], seen, expect));
        }
    }
    for (names, seen, tolerance) in amounts(&priced) {
        let Some(expect) = expected(&output, &cdr, names) else { continue };
        let expect = decimal(expect).unwrap_or_default();
        wrong.extend(differs(names[0], Some(seen), expect, tolerance));
    }
    wrong
}

fn cost_differs(name: &str, seen: Option<Price>, expect: &Value) -> Vec<String> {
    if expect.is_null() {
        let nothing = seen.is_none_or(|seen| name == "total_cost" && seen.excl_tax.is_zero());
        return if nothing { Vec::new() } else { vec![format!("{name}: {seen:?}, expected nothing")] };
    }
    // 2.1.1 has bare numbers.
    let both = if expect.is_object() { expect.clone() } else { json!({"excl_vat": expect}) };
    price_differs(name, seen, &both, Decimal::new(1, 2))
}

/// Energy in kWh and parking in hours, which may be off by ten seconds. The whole time is only the distance of the record's own instants.
fn amounts(priced: &CdrPrice) -> Vec<([&'static str; 2], Decimal, Decimal)> {
    let periods = &priced.usage.periods;
    let energy: i64 = periods.iter().map(|period| period.energy.0).sum();
    let parked = periods.iter().filter(|period| period.activity == Some(Activity::Idle));
    let parked_ms: i64 = parked.map(|period| period.to.millis_since(period.from)).sum();
    let ten_seconds = Decimal::new(28, 4);
    vec![
        (["total_energy", "total_energy"], Decimal::new(energy, 6), Decimal::new(1, 3)),
        (
            ["total_idle_time", "total_parking_time"],
            Decimal::from(parked_ms) / Decimal::from(3_600_000),
            ten_seconds,
        ),
    ]
}

#[test]
fn messy_records_come_to_the_expected_price() {
    let folders = folders();
    assert_eq!(folders.len(), 11);
    let name =
        |folder: &Path| folder.strip_prefix(root().join("priced")).unwrap().to_string_lossy().into_owned();
    let failed: Vec<_> = folders
        .iter()
        .map(|folder| (name(folder), wrong(folder)))
        .filter(|(_, wrong)| !wrong.is_empty())
        .collect();
    settle(&failed, &KNOWN);
}
