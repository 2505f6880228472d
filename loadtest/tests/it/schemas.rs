//! The official schemas: every message of every test is checked against them, in both directions.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use jsonschema::Validator;
use ringmain_loadtest::station::Version;
use serde_json::Value;

/// Which half of an exchange a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Half {
    Request,
    Response,
}

type Cache = Mutex<HashMap<PathBuf, &'static Validator>>;

/// Fails the test when a payload is not what the schema of its action says.
pub(crate) fn check(version: Version, action: &str, half: Half, payload: &Value) {
    let validator = validator(&file(version, action, half));
    let faults: Vec<String> =
        validator.iter_errors(payload).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{version:?} {action} {half:?} {payload:#}\n{}", faults.join("\n"));
}

fn file(version: Version, action: &str, half: Half) -> PathBuf {
    let (folder, suffix) = match (version, half) {
        (Version::V16, Half::Request) => ("1.6", ""),
        (Version::V16, Half::Response) => ("1.6", "Response"),
        (Version::V201, Half::Request) => ("2.0.1", "Request"),
        (Version::V201, Half::Response) => ("2.0.1", "Response"),
        (Version::V21, Half::Request) => ("2.1", "Request"),
        (Version::V21, Half::Response) => ("2.1", "Response"),
    };
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/ocpp/tests/schemas");
    schemas.join(folder).join(format!("{action}{suffix}.json"))
}

fn validator(file: &Path) -> &'static Validator {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    let mut cache = CACHE.get_or_init(Cache::default).lock().unwrap();
    cache.entry(file.to_owned()).or_insert_with(|| {
        let text =
            std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let schema: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
        Box::leak(Box::new(jsonschema::validator_for(&schema).unwrap()))
    })
}

#[test]
fn the_check_can_fail() {
    let wrong = serde_json::json!({ "status": "Perhaps" });
    let failed = std::panic::catch_unwind(|| check(Version::V16, "Reset", Half::Response, &wrong));
    assert!(failed.is_err());
    check(Version::V21, "Heartbeat", Half::Request, &serde_json::json!({}));
}
