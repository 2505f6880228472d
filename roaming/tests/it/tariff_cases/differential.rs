//! Random tariffs and records against somebody else's engine. `roaming/oracle` is a program of its own; `make test` builds it and says
//! where it is in `RINGMAIN_PRICING_ORACLE`.
//!
//! **Known to differ**, and so not drawn: reservations (the oracle prices none); steps above 1 where a part of the session has no price (it
//! counts that part too, as the wrong print of step_size example 3 does); a window that ends at 00:00 without a start, or spans 00:00 to
//! 00:00 (it never applies there); energy stated as zero (its step is taken there); durations that hours with four decimals
//! cannot say (it takes the hours, we take the instants), so all are multiples of 36 seconds. Where no element
//! ever applies it has no price, not even the minimum. With a limit only the amounts without VAT are compared: it replaces both amounts by
//! the limit's when that one is beyond, we hold each on its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use ringmain_domain::tariff::pricing::breakdown::LineKind;
use ringmain_domain::time::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::price;

const CASES: usize = 2_000;
const ZONE: &str = "Europe/Amsterdam";
/// 2026-03-27T17:00:00Z: the clock jumps on the 29th.
const START: Timestamp = Timestamp::from_millis(1_774_630_800_000);

fn number(range: std::ops::Range<i64>, digits: u32) -> impl Strategy<Value = Value> {
    // Whole text into a JSON number: what both sides read is what was drawn.
    range.prop_map(move |n| serde_json::from_str(&Decimal::new(n, digits).to_string()).unwrap())
}

fn restrictions() -> impl Strategy<Value = Value> {
    let time = |first: u32| (first..24, 0..60_u32).prop_map(|(h, m)| json!(format!("{h:02}:{m:02}")));
    let day = (27..31).prop_map(|day| json!(format!("2026-03-{day:02}")));
    let week = ["MONDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
    let days = proptest::sample::subsequence(week.to_vec(), 1..4).prop_map(|days| json!(days));
    let maybe = |strategy: BoxedStrategy<Value>| proptest::option::weighted(0.2, strategy);
    let clock = (
        maybe(time(0).boxed()),
        maybe(time(1).boxed()),
        maybe(day.clone().boxed()),
        maybe(day.boxed()),
        maybe(days.boxed()),
    );
    let amounts = (
        maybe(number(0..30_000, 3).boxed()),
        maybe(number(30_000..60_000, 3).boxed()),
        maybe(number(0..16, 0).boxed()),
        maybe(number(16..50, 0).boxed()),
        maybe(number(0..16, 0).boxed()),
        maybe(number(16..50, 0).boxed()),
        maybe((0..20_000).prop_map(|s| json!(s)).boxed()),
        maybe((20_000..90_000).prop_map(|s| json!(s)).boxed()),
    );
    let clock = clock.prop_map(|(a, b, c, d, e)| vec![a, b, c, d, e]);
    let amounts = amounts.prop_map(|(a, b, c, d, e, f, g, h)| vec![a, b, c, d, e, f, g, h]);
    (clock, amounts).prop_map(|(clock, amounts)| {
        let names = [
            "start_time",
            "end_time",
            "start_date",
            "end_date",
            "day_of_week",
            "min_kwh",
            "max_kwh",
            "min_current",
            "max_current",
            "min_power",
            "max_power",
            "min_duration",
            "max_duration",
        ];
        let values = clock.into_iter().chain(amounts);
        let fields = names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Value::Object(fields.collect::<Map<_, _>>())
    })
}

/// With steps above 1 there is a last element that prices everything, so that nothing is free.
fn tariffs() -> impl Strategy<Value = Value> {
    let kinds = || vec!["FLAT", "ENERGY", "TIME", "PARKING_TIME"];
    let component = |kind: &'static str, step: u32| {
        let values = (number(0..9_000, 3), proptest::option::of(number(0..250, 1)), 1..=step);
        values.prop_map(move |(price, vat, step)| {
            json!({"type": kind, "price": price, "vat": vat.unwrap_or(json!(0)), "step_size": step})
        })
    };
    let element = move |step: u32| {
        let some = proptest::sample::subsequence(kinds(), 1..=4);
        let components = some.prop_flat_map(move |some| {
            some.into_iter().map(|kind| component(kind, step)).collect::<Vec<_>>()
        });
        (components, restrictions())
            .prop_map(|(components, of)| json!({"price_components": components, "restrictions": of}))
    };
    let elements = (any::<bool>(), 0..2_000_i64).prop_flat_map(move |(stepped, limit)| {
        let step = if stepped { 900 } else { 1 };
        let last: Vec<_> = kinds().into_iter().map(|kind| component(kind, step)).collect();
        (proptest::collection::vec(element(step), 1..5), last, Just(stepped), Just(limit))
    });
    elements.prop_map(|(mut elements, last, stepped, limit)| {
        if stepped {
            elements.push(json!({"price_components": last}));
        }
        let mut tariff = json!({"id": "T", "country_code": "NL", "party_id": "TST", "currency": "EUR",
            "elements": elements, "last_updated": "2026-01-01T00:00:00Z"});
        if limit < 1_000 {
            let excl: Value = serde_json::from_str(&Decimal::new(limit, 2).to_string()).unwrap();
            let incl: Value = serde_json::from_str(&Decimal::new(limit * 12, 3).to_string()).unwrap();
            let name = if limit % 2 == 0 { "min_price" } else { "max_price" };
            tariff[name] = json!({"excl_vat": excl, "incl_vat": incl});
        }
        tariff
    })
}

fn records() -> impl Strategy<Value = Value> {
    let period =
        (any::<bool>(), (1..550_i64).prop_map(|steps| steps * 36), 1..25_000_i64, 1..40_i64, 0..10_i64);
    (0..80_000_i64, proptest::collection::vec(period, 1..12)).prop_map(|(late_s, periods)| {
        let mut at = START.plus_secs(late_s);
        let start = at;
        let mut written = Vec::new();
        for (charges, seconds, wh, least, more) in periods {
            let of = |kind: &str, volume: Value| json!({"type": kind, "volume": volume});
            let hours = (Decimal::from(seconds) / Decimal::from(3600)).round_dp(4).to_string();
            let hours: Value = serde_json::from_str(&hours).unwrap();
            let dimensions = if charges {
                let kwh: Value = serde_json::from_str(&Decimal::new(wh, 3).to_string()).unwrap();
                json!([
                    of("ENERGY", kwh),
                    of("TIME", hours),
                    of("MIN_POWER", json!(least)),
                    of("MAX_POWER", json!(least + more)),
                    of("MIN_CURRENT", json!(least)),
                    of("MAX_CURRENT", json!(least + more))
                ])
            } else {
                json!([
                    of("PARKING_TIME", hours),
                    of("MIN_POWER", json!(0)),
                    of("MAX_POWER", json!(0)),
                    of("MIN_CURRENT", json!(0)),
                    of("MAX_CURRENT", json!(0))
                ])
            };
            written.push(json!({"start_date_time": at.to_string(), "dimensions": dimensions}));
            at = at.plus_secs(seconds);
        }
        json!({"start_date_time": start.to_string(), "end_date_time": at.to_string(), "currency": "EUR",
            "country_code": "NL", "party_id": "TST", "cdr_location": {"country": "NLD"}, "tariffs": [],
            "charging_periods": written, "total_cost": {"excl_vat": 0}, "total_energy": 0, "total_time": 0,
            "last_updated": "2026-01-01T00:00:00Z"})
    })
}

fn ask(oracle: &str, cases: &[(Value, Value)]) -> Vec<String> {
    let mut input = String::new();
    for (tariff, cdr) in cases {
        let line = json!({"tariff": tariff.to_string(), "cdr": cdr.to_string(), "time_zone": ZONE});
        writeln!(input, "{line}").unwrap();
    }
    let mut child = Command::new(oracle).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Written beside the reading: an answer comes before the last question is asked.
    let asking = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    asking.join().unwrap().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn random_tariffs_cost_what_somebody_else_says() {
    let Some(oracle) = std::env::var_os("RINGMAIN_PRICING_ORACLE") else {
        println!("SKIPPED: RINGMAIN_PRICING_ORACLE names no program; `make test` builds roaming/oracle");
        return;
    };
    let mut runner = TestRunner::deterministic();
    let strategy = (tariffs(), records());
    let cases: Vec<_> = (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let answers = ask(oracle.to_str().unwrap(), &cases);
    assert_eq!(answers.len(), CASES);
    let mut different = Vec::new();
    for ((tariff, cdr), answer) in cases.iter().zip(&answers) {
        let priced = price(Some(tariff.to_string().as_bytes()), cdr.to_string().as_bytes(), ZONE, false);
        let unrounded = priced.breakdown.unrounded.unwrap();
        if answer == "nothing" {
            // No element applied at all: it says nothing then, we hold the minimum.
            let kinds: Vec<_> = priced.breakdown.lines.iter().map(|line| line.kind).collect();
            if !(kinds.is_empty() || kinds == [LineKind::MinimumPrice]) {
                different.push(format!("ours {kinds:?}, theirs nothing\n{tariff}\n{cdr}"));
            }
            continue;
        }
        let mut said = answer.split(' ').map(|number| number.parse::<Decimal>());
        let within = |said: Option<Result<Decimal, _>>, ours: Decimal| {
            said.is_none_or(|said| said.is_ok_and(|said| (said - ours).abs() < Decimal::new(2, 4)))
        };
        let is_limited = tariff.get("min_price").or(tariff.get("max_price")).is_some();
        let excl_fits = within(said.next(), unrounded.excl_tax);
        if !(excl_fits && (is_limited || within(said.next(), unrounded.incl_tax))) {
            different.push(format!(
                "ours {} {}, theirs {answer}\n{tariff}\n{cdr}",
                unrounded.excl_tax, unrounded.incl_tax
            ));
        }
    }
    let shown = different.iter().take(3).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(different.is_empty(), "{} of {CASES} differ:\n{shown}", different.len());
}
