//! The official schemas: everything a node sends in these tests is held to them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::Value;

type Known = Mutex<HashMap<String, Arc<Validator>>>;

static KNOWN: LazyLock<Known> = LazyLock::new(Known::default);

/// Fails the test when a payload is not what its official schema says. An action without one (a vendor's) is free.
pub(crate) fn check(protocol: &str, action: &str, is_request: bool, payload: &Value) {
    let suffix = match (protocol, is_request) {
        (_, false) => "Response",
        ("ocpp1.6", true) => "",
        (_, true) => "Request",
    };
    let version = protocol.strip_prefix("ocpp").unwrap();
    let file = format!("{version}/{action}{suffix}.json");
    let Some(validator) = validator(&file) else { return };
    let errors: Vec<String> =
        validator.iter_errors(payload).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{file}: {payload}: {errors:#?}");
}

fn validator(file: &str) -> Option<Arc<Validator>> {
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(validator) = known.get(file) {
        return Some(Arc::clone(validator));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/ocpp/tests/schemas").join(file);
    let document: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).unwrap();
    let validator = Arc::new(jsonschema::validator_for(&document).unwrap());
    known.insert(file.to_owned(), Arc::clone(&validator));
    Some(validator)
}
