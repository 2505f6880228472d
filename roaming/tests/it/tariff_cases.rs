//! Every tariff case through the product's own way: documents in, price out. A case that fails is listed with its reason or mended; the
//! lists may only shrink, an idle entry fails.

use std::path::{Path, PathBuf};

use ringmain_domain::money::Price;
use ringmain_domain::tariff::pricer::{CdrPrice, CdrPricer as _, CdrPricing};
use ringmain_domain::time::local::Zone;
use ringmain_roaming::ocpi::billing::OcpiPricer;
use rust_decimal::Decimal;
use serde_json::Value;

mod differential;
mod documents;
mod popular;
mod priced;
mod spec;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tariff-cases")
}

/// A file without its comment lines.
fn read(path: &Path) -> Vec<u8> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    let plain: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    plain.join("\n").into_bytes()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&read(path)).unwrap()
}

fn price(tariff: Option<&[u8]>, cdr: &[u8], zone: &str, reservation_expired: bool) -> CdrPrice {
    let zone = Zone::named(zone).unwrap();
    let order = CdrPricing { tariff, cdr, zone: Some(&zone), reservation_expired };
    OcpiPricer.price(&order).unwrap()
}

/// A decimal out of a JSON number or text; `None` for null and nothing.
fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Some(number.to_string().parse().unwrap()),
        Value::String(text) => Some(text.parse().unwrap()),
        _ => None,
    }
}

/// Compares one amount; `None` where it fits.
fn differs(name: &str, seen: Option<Decimal>, expect: Decimal, tolerance: Decimal) -> Option<String> {
    // A line of nothing is left out of a bill, so no line is what nothing looks like.
    let seen_or_nothing = seen.or_else(|| expect.is_zero().then_some(Decimal::ZERO));
    let near = seen_or_nothing.is_some_and(|seen| (seen - expect).abs() <= tolerance);
    (!near).then(|| format!("{name}: {seen:?}, expected {expect} within {tolerance}"))
}

/// Compares a price with what is expected of both of its amounts, as far as anything is.
fn price_differs(name: &str, seen: Option<Price>, expect: &Value, tolerance: Decimal) -> Vec<String> {
    let amount = |field: &str, seen: fn(&Price) -> Decimal, of: Option<Price>| {
        let expect = decimal(&expect[field])?;
        differs(&format!("{name}.{field}"), of.as_ref().map(seen), expect, tolerance)
    };
    let both =
        [amount("excl_vat", |price| price.excl_tax, seen), amount("incl_vat", |price| price.incl_tax, seen)];
    both.into_iter().flatten().collect()
}

/// Holds what failed against what is known to: `known` are names of cases with the reason.
fn settle(failed: &[(String, Vec<String>)], known: &[(&str, &str)]) {
    let unknown: Vec<_> =
        failed.iter().filter(|(name, _)| known.iter().all(|(known, _)| known != name)).collect();
    let idle: Vec<_> =
        known.iter().filter(|(known, _)| failed.iter().all(|(name, _)| name != known)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(idle.is_empty(), "listed and right: {idle:?}");
}
