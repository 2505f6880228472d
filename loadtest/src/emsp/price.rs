//! What a session costs by the tariff that was pulled: a second opinion on a bill record, in integers, of nobody else's making.
//!
//! For tariffs without restrictions and steps, which say all that is to be known of their price: a fee, so much for a kWh, so much for an
//! hour. Anything else is refused, not guessed.

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// Parts of one that numbers are kept in.
const ONE: i128 = 1_000_000_000;
/// Halves of a cent are rounded either way; taxes are rounded by themselves.
const TOLERANCE: (i128, i128) = (ONE / 200, ONE / 100);

/// Everything a bill record says of energy and costs that its own periods and the tariff do not.
///
/// # Errors
/// A field is missing or no number, or the tariff is none that is understood here.
pub fn faults(tariff: &Value, cdr: &Value) -> anyhow::Result<Vec<String>> {
    let (mut energy, mut time, mut parking) = (0, 0, 0);
    for period in list(cdr, "charging_periods")? {
        for dimension in list(period, "dimensions")? {
            let volume = number(dimension, "volume")?;
            match text(dimension, "type")? {
                "ENERGY" => energy += volume,
                "TIME" => time += volume,
                "PARKING_TIME" => parking += volume,
                _ => {}
            }
        }
    }
    let (excl, incl) = cost(tariff, [energy, time, parking])?;
    let total = cdr.get("total_cost").context("no total_cost")?;
    let mut faults = Vec::new();
    for (what, said, own, tolerance) in [
        ("total_energy", number(cdr, "total_energy")?, energy, 0),
        ("total_cost.excl_vat", number(total, "excl_vat")?, excl, TOLERANCE.0),
        ("total_cost.incl_vat", number(total, "incl_vat")?, incl, TOLERANCE.1),
    ] {
        if (said - own).abs() > tolerance {
            faults.push(format!("{what} is {}, and should be {}", shown(said), shown(own)));
        }
    }
    Ok(faults)
}

/// Without and with taxes.
fn cost(tariff: &Value, [energy, time, parking]: [i128; 3]) -> anyhow::Result<(i128, i128)> {
    for limit in ["min_price", "max_price"] {
        ensure!(tariff.get(limit).is_none_or(Value::is_null), "the tariff has a {limit}");
    }
    let (mut excl, mut incl) = (0, 0);
    for element in list(tariff, "elements")? {
        ensure!(element.get("restrictions").is_none_or(Value::is_null), "the tariff has restrictions");
        for component in list(element, "price_components")? {
            let volume = match text(component, "type")? {
                "FLAT" => ONE,
                "ENERGY" => energy,
                "TIME" => time,
                "PARKING_TIME" => parking,
                other => bail!("no kind of price: {other}"),
            };
            ensure!(component.get("step_size").and_then(Value::as_u64) <= Some(1), "the tariff has steps");
            let vat =
                if component.get("vat").is_none_or(Value::is_null) { 0 } else { number(component, "vat")? };
            let price = number(component, "price")? * volume / ONE;
            excl += price;
            incl += price + price * vat / (100 * ONE);
        }
    }
    Ok((excl, incl))
}

fn list<'a>(of: &'a Value, name: &str) -> anyhow::Result<&'a Vec<Value>> {
    of.get(name).and_then(Value::as_array).with_context(|| format!("no list {name} in {of}"))
}

fn text<'a>(of: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    of.get(name).and_then(Value::as_str).with_context(|| format!("no {name} in {of}"))
}

fn number(of: &Value, name: &str) -> anyhow::Result<i128> {
    let value = of.get(name).with_context(|| format!("no {name} in {of}"))?;
    parts(&value.to_string()).with_context(|| format!("{name} is no number: {value}"))
}

/// A decimal number in parts of one; what is smaller is left out.
fn parts(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    if !rest.bytes().chain(whole.bytes()).all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let rest: i128 = format!("{rest:0<9}").get(..9)?.parse().ok()?;
    Some(sign * (whole * ONE + rest))
}

fn shown(parts: i128) -> String {
    let sign = if parts < 0 { "-" } else { "" };
    format!("{sign}{}.{:06}", parts.abs() / ONE, parts.abs() % ONE / 1_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tariff() -> Value {
        let component =
            |kind: &str, price: f64| json!({"type": kind, "price": price, "vat": 19, "step_size": 1});
        json!({"elements": [{"price_components": [component("FLAT", 1.0), component("ENERGY", 0.5)]}]})
    }

    fn cdr(energy: f64, excl: f64, incl: f64) -> Value {
        let period = |kind: &str, volume: f64| json!({"dimensions": [{"type": kind, "volume": volume}]});
        json!({"total_energy": energy, "total_cost": {"excl_vat": excl, "incl_vat": incl},
            "charging_periods": [period("ENERGY", 3.0), period("ENERGY", 2.0), period("TIME", 0.5)]})
    }

    #[test]
    fn a_right_bill_is_right_and_a_wrong_one_is_not() {
        assert_eq!(faults(&tariff(), &cdr(5.0, 3.5, 4.17)).unwrap(), Vec::<String>::new());
        for (wrong, what) in [
            (cdr(5.001, 3.5, 4.17), "total_energy"),
            (cdr(5.0, 3.51, 4.17), "excl_vat is 3.510000, and should be 3.500000"),
            (cdr(5.0, 3.5, 4.19), "incl_vat"),
        ] {
            let found = faults(&tariff(), &wrong).unwrap();
            assert!(found.len() == 1 && found[0].contains(what), "{found:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let mut restricted = tariff();
        restricted["elements"][0]["restrictions"] = json!({"max_kwh": 3});
        let mut stepped = tariff();
        stepped["elements"][0]["price_components"][1]["step_size"] = json!(1_000);
        for strange in [restricted, stepped, json!({"elements": [], "min_price": {"excl_vat": 1}}), json!({})]
        {
            assert!(faults(&strange, &cdr(5.0, 3.5, 4.17)).is_err(), "{strange}");
        }
        assert!(faults(&tariff(), &json!({"charging_periods": []})).is_err());
    }

    #[test]
    fn numbers_are_read_to_their_ninth_decimal() {
        assert_eq!(parts("-0.000000001"), Some(-1));
        assert_eq!((parts("12.5"), parts("7")), (Some(12 * ONE + ONE / 2), Some(7 * ONE)));
        assert_eq!((parts("0.0000000019"), parts("0.12345678901")), (Some(1), Some(123_456_789)));
        assert_eq!([parts("1e3"), parts("1.x"), parts("")], [None; 3]);
    }
}
