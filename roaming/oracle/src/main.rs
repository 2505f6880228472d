//! Somebody else's prices: reads one JSON object a line (`tariff`, `cdr`, both OCPI 2.2.1 as text, and `time_zone`) and answers one
//! line each: the amount without VAT and, where there is one, the amount with it; `nothing` where it has no price; or `error` and why. Nothing of Ringmain is in here.

use std::io::BufRead as _;

use ocpi_tariffs::{Version, cdr, price, tariff};
use rust_decimal::Decimal;
use serde_json::Value;

fn main() {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match answer(&line) {
            Ok(text) => println!("{text}"),
            Err(cause) => println!("error {}", cause.replace('\n', " ")),
        }
    }
}

fn answer(line: &str) -> Result<String, String> {
    let case: Value = serde_json::from_str(line).map_err(|cause| cause.to_string())?;
    let text = |field: &str| case[field].as_str().ok_or_else(|| format!("no {field}"));
    let zone: chrono_tz::Tz = text("time_zone")?.parse().map_err(|_| "no such time zone".to_owned())?;
    let cdr = cdr::parse_with_version(text("cdr")?, Version::V221).map_err(|cause| cause.to_string())?.cdr;
    let tariff =
        tariff::parse_with_version(text("tariff")?, Version::V221).map_err(|cause| cause.to_string())?.tariff;
    let verdict = cdr::price(&cdr, price::TariffSource::single(tariff), zone);
    let report = verdict.map_err(|set| set.into_parts().0.warning().to_string())?.into_parts().0;
    let Some(total) = report.total_cost.calculated else { return Ok("nothing".to_owned()) };
    let excl = Decimal::from(total.excl_vat);
    Ok(total.incl_vat.map_or_else(|| excl.to_string(), |incl| format!("{excl} {}", Decimal::from(incl))))
}
