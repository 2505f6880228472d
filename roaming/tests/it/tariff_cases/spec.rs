//! The worked examples of the specification, in both versions that have them.

use std::collections::HashMap;

use rust_decimal::Decimal;

use super::{differs, price, read, root, settle};

/// What the text prints against its own rules: case, wrong amount without and with VAT, where and why. `cases.tsv` has the right ones.
const PRINTED_WRONG: [(&str, &str, Option<&str>, &str); 3] = [
    (
        "t04_complex_saturday",
        "12.28",
        Some("13.861"),
        "tariff example 4: the table bills 114 minutes at 1.20, the tariff says 1.25 an hour",
    ),
    (
        "t14_step_3",
        "0.80",
        None,
        "step_size example 3 of 2.2.1-d2: rounds 20 minutes of parking of which 12 have no price",
    ),
    (
        "t03_alt_url",
        "5.61",
        Some("6.22"),
        "the table of tariff example 3 in 2.3.0 edition 2 contradicts its text",
    ),
];
/// Cases that do not come out, with the reason. None.
const KNOWN: [(&str, &str); 0] = [];

fn cases() -> Vec<HashMap<String, String>> {
    let table = String::from_utf8(read(&root().join("spec/cases.tsv"))).unwrap();
    let mut lines = table.lines().map(|line| line.split('\t').map(str::to_owned));
    let names: Vec<String> = lines.next().unwrap().collect();
    lines.map(|values| names.iter().cloned().zip(values).collect()).collect()
}

fn total(case: &HashMap<String, String>, version: &str) -> Option<[Decimal; 2]> {
    let file = |column: &str| Some(&case[&format!("{column}_{version}")]).filter(|name| !name.is_empty());
    let folder = root().join("spec");
    let (cdr, tariff) = (read(&folder.join(file("cdr")?)), read(&folder.join(file("tariff")?)));
    let expired = case["case"].ends_with("_expired");
    let total = price(Some(&tariff), &cdr, &case["time_zone"], expired).breakdown.unrounded.unwrap();
    Some([total.excl_tax, total.incl_tax])
}

#[test]
fn worked_examples_come_to_what_the_text_means() {
    let within = Decimal::new(6, 3);
    let mut failed = Vec::new();
    let mut runs = 0;
    for case in cases() {
        for version in ["2.2.1", "2.3.0"] {
            let Some(seen) = total(&case, version) else { continue };
            runs += 1;
            let wrong: Vec<_> = ["expect_excl", "expect_incl"]
                .iter()
                .zip(seen)
                .filter(|(column, _)| !case[**column].is_empty())
                .filter_map(|(column, seen)| {
                    differs(column, Some(seen), case[*column].parse().unwrap(), within)
                })
                .collect();
            if !wrong.is_empty() {
                failed.push((format!("{} {version}", case["case"]), wrong));
            }
        }
    }
    settle(&failed, &KNOWN);
    assert_eq!(runs, 38);
}

#[test]
fn what_the_text_prints_wrongly_stays_wrong() {
    let cases = cases();
    let printed = |text: &str| text.parse::<Decimal>().unwrap();
    for (name, excl, incl, reason) in PRINTED_WRONG {
        let case = cases.iter().find(|case| case["case"] == name).unwrap();
        let seen = total(case, "2.2.1").unwrap();
        let within = Decimal::new(6, 3);
        assert!(differs("excl", Some(seen[0]), printed(excl), within).is_some(), "{name}: {reason}");
        if let Some(incl) = incl {
            assert!(differs("incl", Some(seen[1]), printed(incl), within).is_some(), "{name}: {reason}");
        }
    }
}
