//! The schemas of OCPI's objects: kept byte for byte with their licence, see `tests/schemas/LICENCE.txt`.

use jsonschema::Validator;
use serde_json::Value;

/// Judges objects of one kind.
pub(crate) struct Schema {
    name: &'static str,
    validator: Validator,
}

macro_rules! schema {
    ($name:literal) => {
        crate::schema::schema!("2.2.1", $name)
    };
    ($version:literal, $name:literal) => {
        crate::schema::Schema::new(
            concat!($version, " ", $name),
            include_str!(concat!("../schemas/", $version, "/", $name, ".json")),
        )
    };
}
pub(crate) use schema;

impl Schema {
    pub(crate) fn new(name: &'static str, text: &str) -> Self {
        let document: Value = serde_json::from_str(text).unwrap();
        Self { name, validator: jsonschema::validator_for(&document).unwrap() }
    }

    /// Is there nothing wrong?
    pub(crate) fn is_valid(&self, object: &Value) -> bool {
        self.validator.is_valid(object)
    }

    /// Fails with all that is wrong.
    pub(crate) fn check(&self, object: &Value) {
        let faults: Vec<_> = self
            .validator
            .iter_errors(object)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{}: {faults:#?} in {object:#}", self.name);
    }
}

/// The schema of an object in a version.
pub(crate) fn schema_of(version: &str, object: &str) -> Schema {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas").join(version);
    Schema::new("of a version", &std::fs::read_to_string(folder.join(format!("{object}.json"))).unwrap())
}

#[test]
fn a_schema_finds_what_is_wrong() {
    let schema = schema!("connector");
    assert!(!schema.is_valid(&serde_json::json!({"id": "1"})));
}
