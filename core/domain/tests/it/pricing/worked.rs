//! The worked example of docs/billing.md: the page shows what this test computes. `make docs` writes it.

use std::fmt::Write as _;
use std::path::Path;

use ringmain_domain::tariff::PriceLimit;
use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::Zone;
use serde_json::json;

use super::{always, stay, tariff, usage};

const BEGIN: &str =
    "<!-- worked example: made by core/domain/tests/it/pricing/worked.rs, `make docs` writes it -->\n";
const END: &str = "<!-- end of the worked example -->\n";

#[test]
fn generated_docs_billing_example() {
    let mut tariff = tariff(&[
        ("flat 1.00 tax 19", always()),
        ("energy 0.59 tax 19", json!({"start_time": "17:00", "end_time": "20:00"})),
        ("energy 0.39 tax 19", always()),
        ("parking_time 6.00 tax 19 step 300", json!({"start_time": "08:00", "end_time": "22:00"})),
    ]);
    tariff.idle_grace_s = 900;
    tariff.max_price = Some(PriceLimit { excl_tax: "25.00".parse().unwrap(), incl_tax: None });
    // 16:00 to 19:10 by the clock in Berlin, where the price of energy changes at 17:00.
    let session = stay("2026-03-02", &["charging 15:00 17:30 27500", "idle 17:30 18:10"]);
    let zone = Zone::named("Europe/Berlin").unwrap();
    let breakdown = price(&Timeline::single(&tariff), &zone, &usage(&session));

    let clock = |at: Timestamp| zone.local(at).unwrap().time.to_string();
    let mut table = String::from(
        "\n| line | element | when | quantity | used | price | without tax | tax | with tax |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for line in &breakdown.lines {
        let element = line.element.map(|element| element.to_string()).unwrap_or_default();
        let when = line.period.map_or_else(String::new, |p| {
            if p.from == p.to { clock(p.from) } else { format!("{} to {}", clock(p.from), clock(p.to)) }
        });
        let amounts = [line.excl_tax, line.tax, line.incl_tax].map(|amount| format!("{amount:.6}"));
        let [quantity, used] = [line.quantity, line.used].map(|n| n.round_dp(4));
        let (kind, unit_price) = (line.kind.as_str(), line.unit_price.round_dp(6));
        let [excl, tax, incl] = amounts;
        writeln!(
            table,
            "| `{kind}` | {element} | {when} | {quantity} | {used} | {unit_price} | {excl} | {tax} | {incl} |"
        )
        .unwrap();
    }
    let unrounded = breakdown.unrounded.unwrap();
    writeln!(
        table,
        "| sum | | | | | | {} | | {} |\n| **total** | | | | | | **{}** | | **{}** |\n",
        unrounded.excl_tax, unrounded.incl_tax, breakdown.total.excl_tax, breakdown.total.incl_tax
    )
    .unwrap();
    compare(&table);
}

fn compare(example: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/billing.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (kept, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{example}{END}{after}")).unwrap();
    } else {
        assert_eq!(kept, example, "the example in docs/billing.md is out of date: run `make docs`");
    }
}
