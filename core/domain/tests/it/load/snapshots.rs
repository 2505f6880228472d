//! One-shot problems whose only weighted max-min answer is known; their origin is told beside them.

use ringmain_domain::load::share_out::{Claim, share_out};
use ringmain_domain::load::tree::{Circuit, Evse, Line, SiteTree};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;
use serde_json::Value;

use super::site::{circuit_id, key, socket};

fn milliamps(value: &Value) -> Milliamps {
    // Figures have at most one decimal.
    let tenths = (value.as_f64().unwrap() * 10.0).round();
    Milliamps(format!("{tenths}").parse::<i64>().unwrap() * 100)
}

fn lines(value: &Value) -> Vec<Line> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|number| Line::ALL[usize::try_from(number.as_u64().unwrap()).unwrap() - 1]).collect()
}

fn problem(case: &Value) -> (SiteTree, Vec<Claim>) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let circuits = case["nodes"].as_array().unwrap().iter().map(|node| {
        let limit: Vec<Milliamps> = node["limit_A"].as_array().unwrap().iter().map(milliamps).collect();
        Circuit::new(
            circuit_id(&text(&node["id"])),
            node["parent"].as_str().map(circuit_id),
            limit.try_into().unwrap(),
        )
    });
    let cars = case["evs"].as_array().unwrap();
    let evses = cars.iter().map(|car| Evse {
        max_ma: milliamps(&car["max_A"]),
        min_ma: Milliamps::ZERO,
        ..socket(&text(&car["id"]), &text(&car["node"]), &lines(&car["lines"]))
    });
    let claims = cars.iter().map(|car| Claim {
        evse: key(&text(&car["id"])),
        max_ma: milliamps(&car["max_A"]),
        weight_permille: u32::try_from(milliamps(&car["weight"]).0).unwrap(),
    });
    (SiteTree::new(circuits.collect(), evses.collect()).unwrap(), claims.collect())
}

#[test]
fn all_snapshots_have_their_only_answer() {
    let text = std::fs::read("tests/data/charging/snapshots.json").unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 34);
    for (number, case) in cases.iter().enumerate() {
        let (tree, claims) = problem(case);
        let answer = share_out(&tree, &claims, Timestamp::from_millis(0));
        let expected = case["expect_A"].as_array().unwrap();
        assert_eq!(answer.len(), expected.len());
        for (place, (share, expected)) in answer.iter().zip(expected).enumerate() {
            let expected_ua = expected.as_f64().unwrap() * 1e6;
            let share_ua: f64 = share.to_string().parse().unwrap();
            // Rounded down to a whole microampere; the bar is a thousand of them.
            assert!(
                (share_ua - expected_ua).abs() < 2.0,
                "case {number}, car {place}: {share_ua} {expected_ua}"
            );
        }
    }
}
