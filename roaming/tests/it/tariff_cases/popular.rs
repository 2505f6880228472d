//! 27 tariff shapes of the Dutch market, 73 runs. A session is modelled: constant power until the energy is reached, then idle.

use std::path::{Path, PathBuf};

use ringmain_domain::segment::{Activity, Segment, Span};
use ringmain_domain::tariff::Dimension;
use ringmain_domain::tariff::pricing::breakdown::LineKind;
use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::pricing::usage::Usage;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::Zone;
use ringmain_domain::unit::WattHours;
use ringmain_roaming::ocpi::billing::read_tariff;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::Value;

use super::{decimal, differs, json as read_json, price_differs, read, root, settle};

const MS_PER_HOUR: i64 = 3_600_000;
/// Runs that do not come out, with the reason.
const KNOWN: [(&str, &str); 0] = [];

struct Model {
    usage: Usage,
    charging_ms: i64,
    idle_ms: i64,
    kwh: Decimal,
}

impl Model {
    fn of(input: &Value) -> Self {
        let at = |field: &str| Timestamp::parse(&input[field].as_str().unwrap().replace(' ', "T")).unwrap();
        let (start, end) = (at("start_date_time"), at("end_date_time"));
        let number = |field: &str| decimal(&input[field]).unwrap();
        let (kw, wanted) = (number("max_power_supply_kw"), number("requested_kwh"));
        let whole = |number: Decimal| number.round().to_i64().unwrap();
        let thousandths = |number: Decimal| whole(number * Decimal::ONE_THOUSAND);
        let length = end.millis_since(start);
        let needed = whole(wanted / kw * Decimal::from(MS_PER_HOUR));
        let charging_ms = needed.min(length);
        let given = kw * Decimal::from(length) / Decimal::from(MS_PER_HOUR);
        let kwh = if needed <= length { wanted } else { given };
        let turn = start.plus_millis(charging_ms);
        let mut charging = Segment::new(start, turn, WattHours(thousandths(kwh)), Activity::Charging);
        charging.power_w = Some(Span::steady(thousandths(kw)));
        charging.current_ma = Some(Span::steady(thousandths(number("max_current_supply_amp"))));
        let mut idle = Segment::new(turn, end, WattHours::ZERO, Activity::Idle);
        (idle.power_w, idle.current_ma) = (Some(Span::steady(0)), Some(Span::steady(0)));
        let usage = Usage::of(start, &[charging, idle]);
        Self { usage, charging_ms, idle_ms: length - charging_ms, kwh }
    }
}

fn runs() -> Vec<PathBuf> {
    let mut runs = Vec::new();
    for folder in std::fs::read_dir(root().join("popular")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("test_run") {
                runs.push(path);
            }
        }
    }
    runs.sort();
    runs
}

fn wrong(run: &Path) -> Vec<String> {
    let (run_json, tariff) = (read_json(run), read(&run.parent().unwrap().join("tariff.json")));
    let tariff = read_tariff(&tariff).unwrap();
    let (input, expect) = (&run_json["input"], &run_json["expect"]);
    let model = Model::of(input);
    let zone = Zone::named(input["timezone"].as_str().unwrap()).unwrap();
    let breakdown = price(&Timeline::single(&tariff), &zone, &model.usage);
    let mut wrong = Vec::new();
    let cost = |dimension| breakdown.cost_of(LineKind::Usage(dimension));
    for (field, seen) in [
        ("total_cost", Some(breakdown.total)),
        ("total_energy_cost", cost(Dimension::Energy)),
        ("total_idle_cost", cost(Dimension::ParkingTime)),
    ] {
        let Some(of) = expect.get(field) else { continue };
        if of.is_null() {
            let nothing = seen.is_none_or(|seen| field == "total_cost" && seen.excl_tax.is_zero());
            if !nothing {
                wrong.push(format!("{field}: {seen:?}, expected nothing"));
            }
            continue;
        }
        let tolerance = decimal(&of["tolerance"]).unwrap();
        wrong.extend(price_differs(field, seen, &of["value"], tolerance));
    }
    for (field, ms) in [("total_charging_time", model.charging_ms), ("total_idle_time", model.idle_ms)] {
        let of = &expect[field];
        if let Some(text) = of["value"].as_str() {
            let tolerance = decimal(&of["tolerance_sec"]).unwrap();
            let parts = text.split(':').map(|part| part.parse::<i64>().unwrap());
            let seconds = parts.fold(0, |sum, part| sum * 60 + part);
            wrong.extend(differs(field, Some(Decimal::new(ms, 3)), seconds.into(), tolerance));
        }
    }
    let energy = &expect["total_energy"];
    if let Some(kwh) = decimal(&energy["value"]) {
        let tolerance = decimal(&energy["tolerance_kwh"]).unwrap();
        wrong.extend(differs("total_energy", Some(model.kwh), kwh, tolerance));
    }
    wrong
}

#[test]
fn popular_tariffs_come_to_the_expected_price() {
    let runs = runs();
    assert_eq!(runs.len(), 73);
    let name = |run: &Path| run.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    let failed: Vec<_> =
        runs.iter().map(|run| (name(run), wrong(run))).filter(|(_, wrong)| !wrong.is_empty()).collect();
    settle(&failed, &KNOWN);
}
