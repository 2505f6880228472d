//! Pages that are made from the code and compared with it. `make docs` writes them.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use ringmain_gateway::config::Config;
use ringmain_gateway::config::keys::KEYS;
use serde_json::Value;

/// Every key of the configuration with its default.
fn defaults() -> BTreeMap<String, String> {
    fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
        if let Value::Object(members) = value {
            for (name, value) in members {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&key, value, into);
            }
            return;
        }
        let text = match value {
            Value::Null => "–".to_owned(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        into.insert(prefix.to_owned(), text);
    }
    let mut all = BTreeMap::new();
    flatten("", &serde_json::to_value(Config::default()).unwrap(), &mut all);
    all
}

#[test]
fn generated_docs_configuration() {
    let mut defaults = defaults();
    let mut page = String::from(
        "# Configuration\n\nMade from `gateway/src/config.rs` by `make docs`. File `ringmain.toml`, then `RINGMAIN_*` variables (`RINGMAIN_STORE__URL`: two underscores between\nsection and key), then flags. A secret may be `file:PATH`. Unknown keys are errors.\n\n| key | values | default | meaning |\n|---|---|---|---|\n",
    );
    for (key, values, meaning) in KEYS {
        let default =
            defaults.remove(*key).unwrap_or_else(|| panic!("{key} is described and does not exist"));
        writeln!(page, "| `{key}` | {values} | {default} | {meaning} |").unwrap();
    }
    assert!(defaults.is_empty(), "not described in KEYS: {defaults:?}");
    compare("configuration.md", &page);
}

#[test]
fn generated_docs_openapi() {
    let document = ringmain_gateway::api::openapi::description();
    compare("openapi.json", &(document.to_json().unwrap() + "\n"));
}

fn compare(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/generated").join(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, page, "docs/generated/{name} is out of date: run `make docs`");
}
