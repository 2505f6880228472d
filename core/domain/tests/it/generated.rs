//! Pages that are made from the code and compared with it. `make docs` writes them.

use std::fmt::Write as _;
use std::path::Path;

use ringmain_domain::telemetry::{Kind, METRICS, PLACES};

#[test]
fn generated_docs_metrics() {
    let mut page = String::from(
        "# Metrics\n\nMade from `core/domain/src/telemetry.rs` by `make docs`. Names begin with their place on the walk or their component; labels are closed\nlists, never a station's identity.\n\n| metric | kind | meaning |\n|---|---|---|\n",
    );
    for (name, kind, meaning) in METRICS {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        writeln!(page, "| `{name}` | {kind} | {meaning} |").unwrap();
    }
    compare("metrics.md", &page);
}

#[test]
fn every_metric_is_named_by_its_place() {
    let components = ["store", "command", "cluster", "process", "evses", "sessions", "partner", "public"];
    for (name, kind, _) in METRICS {
        let place = name.trim_start_matches("ringmain_").split('_').next().unwrap();
        assert!(PLACES.contains(&place) || components.contains(&place), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
    }
}

fn compare(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/generated").join(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, page, "docs/generated/{name} is out of date: run `make docs`");
}
