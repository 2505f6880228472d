//! The fence around the message types: valid samples are made from every official schema, our types read them, write them back equal in
//! value, and what they write validates against the same schema.
//!
//! The generator is deterministic: sample `n` of a schema takes the `n`-th choice wherever there is one, so that as many samples as the
//! longest list of words has cover every word, and the bounds of every number and text besides.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use ringmain_ocpp::translate::check;
use ringmain_ocpp::version::Version;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::tree::Tree;

/// One official schema.
pub(crate) struct Schema {
    pub(crate) version: Version,
    pub(crate) action: String,
    pub(crate) is_request: bool,
    pub(crate) document: Value,
}

/// The folder of a version's schemas.
fn folder(version: Version) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas").join(version.as_str())
}

/// All schemas of a version, by file name.
pub(crate) fn schemas(version: Version) -> Vec<Schema> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder(version)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let response = stem.strip_suffix("Response");
            let action = response.unwrap_or_else(|| stem.strip_suffix("Request").unwrap_or(stem));
            let document = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            Schema { version, action: action.to_owned(), is_request: response.is_none(), document }
        })
        .collect()
}

/// The validator of one message, for other tests.
pub(crate) fn validator(version: Version, action: &str, is_request: bool) -> Validator {
    let suffix = match (version, is_request) {
        (_, false) => "Response",
        (Version::V16, true) => "",
        (Version::V201 | Version::V21, true) => "Request",
    };
    let named = folder(version).join(format!("{action}{suffix}.json"));
    // The one SEND has neither request nor response in its name.
    let path = if named.exists() { named } else { folder(version).join(format!("{action}.json")) };
    let document: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validator_for(&document).unwrap()
}

/// What is wrong with a payload, by its schema.
pub(crate) fn errors(validator: &Validator, payload: &str) -> Vec<String> {
    let payload: Value = serde_json::from_str(payload).unwrap();
    validator.iter_errors(&payload).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// How a sample is made.
#[derive(Clone, Copy)]
struct Recipe {
    /// Which of several choices is taken.
    choice: usize,
    /// Members that may be absent are there.
    optional: bool,
}

impl Schema {
    /// The sample of a recipe, as JSON text.
    fn sample(&self, recipe: Recipe) -> String {
        self.make(&self.document, recipe, 0)
    }

    fn make(&self, node: &Value, recipe: Recipe, depth: usize) -> String {
        assert!(depth < 24, "{} has no bottom", self.action);
        if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next().unwrap();
            return self.make(&self.document["definitions"][name], recipe, depth + 1);
        }
        if let Some(words) = node.get("enum").and_then(Value::as_array) {
            return words[recipe.choice % words.len()].to_string();
        }
        match node.get("type").and_then(Value::as_str) {
            Some("object") => self.object(node, recipe, depth),
            Some("array") => self.list(node, recipe, depth),
            Some("string") => text(node, recipe),
            Some("integer") => integer(node, recipe),
            Some("number") => number(node, recipe),
            Some("boolean") => recipe.choice.is_multiple_of(2).to_string(),
            None => r#"{"any":["thing",{"goes":[1,2.5,null]}]}"#.to_owned(),
            Some(other) => panic!("{}: type {other}", self.action),
        }
    }

    fn object(&self, node: &Value, recipe: Recipe, depth: usize) -> String {
        let required: Vec<&str> = node
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|name| name.as_str().unwrap())
            .collect();
        let mut members = Vec::new();
        for (name, member) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if recipe.optional || required.contains(&name.as_str()) {
                members.push(format!(
                    "{}:{}",
                    Value::from(name.as_str()),
                    self.make(member, recipe, depth + 1)
                ));
            }
        }
        let closed = node.get("additionalProperties") == Some(&Value::Bool(false));
        if !closed && recipe.optional {
            members.push(r#""ofTheVendor":{"deep":[1,2.5,"x"]}"#.to_owned());
        }
        format!("{{{}}}", members.join(","))
    }

    fn list(&self, node: &Value, recipe: Recipe, depth: usize) -> String {
        let bound = |name: &str| node.get(name).and_then(Value::as_u64);
        let least = bound("minItems").unwrap_or(0);
        let most = bound("maxItems").unwrap_or(least.max(2)).min(least.max(2));
        let count =
            if recipe.optional && recipe.choice.is_multiple_of(2) { most.max(1) } else { least.max(1) };
        let items: Vec<String> = (0..count).map(|_| self.make(&node["items"], recipe, depth + 1)).collect();
        format!("[{}]", items.join(","))
    }

    /// As many samples as cover every word: the longest list decides.
    pub(crate) fn samples(&self) -> Vec<String> {
        let words = longest_list(&self.document).max(6);
        let full = (0..words).map(|choice| Recipe { choice, optional: true });
        let least = (0..2).map(|choice| Recipe { choice, optional: false });
        full.chain(least).map(|recipe| self.sample(recipe)).collect()
    }
}

fn text(node: &Value, recipe: Recipe) -> String {
    match node.get("format").and_then(Value::as_str) {
        Some("date-time") => {
            let instants =
                ["2026-03-01T08:00:00Z", "2026-03-01T08:00:00.125Z", "1999-12-31T23:59:59.999999999Z"];
            Value::from(instants[recipe.choice % instants.len()]).to_string()
        }
        Some("uri") => r#""https://example.org/firmware?a=1""#.to_owned(),
        Some(other) => panic!("format {other}"),
        None => {
            let most = node.get("maxLength").and_then(Value::as_u64).unwrap_or(40);
            let length = match recipe.choice % 3 {
                0 => most.min(4),
                1 => most,
                _ => 1,
            };
            // Two bytes and an escape: characters count, not bytes.
            let alphabet = ['a', 'ü', '"', '7'];
            let text: String = alphabet.iter().cycle().take(usize::try_from(length).unwrap()).collect();
            Value::from(text).to_string()
        }
    }
}

fn integer(node: &Value, recipe: Recipe) -> String {
    let bound = |name: &str| node.get(name).and_then(Value::as_f64);
    let least = bound("minimum").unwrap_or(0.0);
    let most = bound("maximum").unwrap_or(f64::from(i32::MAX));
    match recipe.choice % 3 {
        0 => format!("{:.0}", (least + 1.0).min(most)),
        1 => format!("{most:.0}"),
        _ => format!("{least:.0}"),
    }
}

fn number(node: &Value, recipe: Recipe) -> String {
    let bound = |name: &str| node.get(name).and_then(Value::as_f64);
    // One decimal where the schema wants multiples of a tenth; else digits that a float would lose.
    let plain = if node.get("multipleOf").is_some() {
        ["2935.6", "16.0", "0.5"]
    } else {
        ["2935.600", "0.0010", "12345678.90"]
    };
    let candidate = plain[recipe.choice % plain.len()];
    let value: f64 = candidate.parse().unwrap();
    let bounded = bound("minimum").is_some_and(|least| value < least)
        || bound("maximum").is_some_and(|most| value > most);
    if bounded {
        format!("{:.1}", bound("maximum").or(bound("minimum")).unwrap())
    } else {
        candidate.to_owned()
    }
}

fn longest_list(node: &Value) -> usize {
    match node {
        Value::Object(members) => {
            let own = members.get("enum").and_then(Value::as_array).map_or(0, Vec::len);
            members.values().map(longest_list).max().unwrap_or(0).max(own)
        }
        Value::Array(items) => items.iter().map(longest_list).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn check_version(version: Version, schemas_expected: usize) {
    let schemas = schemas(version);
    assert_eq!(schemas.len(), schemas_expected);
    let mut faults = Vec::new();
    let mut samples = 0;
    for schema in &schemas {
        let validator = jsonschema::validator_for(&schema.document).unwrap();
        for sample in schema.samples() {
            samples += 1;
            let own = errors(&validator, &sample);
            assert!(
                own.is_empty(),
                "{} {}: the sample itself is wrong: {own:?}\n{sample}",
                version.as_str(),
                schema.action
            );
            if let Err(fault) = check_sample(schema, &validator, &sample) {
                faults.push(format!(
                    "{} {} request={}: {fault}",
                    version.as_str(),
                    schema.action,
                    schema.is_request
                ));
            }
        }
    }
    faults.dedup();
    assert!(faults.is_empty(), "{} of {samples} samples:\n{}", faults.len(), faults.join("\n"));
    assert!(samples > 6 * schemas_expected, "only {samples} samples");
}

fn check_sample(schema: &Schema, validator: &Validator, sample: &str) -> Result<(), String> {
    let payload = RawValue::from_string(sample.to_owned()).unwrap();
    let rewrite = if schema.is_request { check::request } else { check::response };
    let written = rewrite(schema.version, &schema.action, &payload)
        .map_err(|fault| format!("{fault} at {:?}", fault.path()))?;
    if Tree::parse(sample) != Tree::parse(written.get()) {
        return Err(format!("differs\n read    {sample}\n written {written}"));
    }
    let wrong = errors(validator, written.get());
    if wrong.is_empty() { Ok(()) } else { Err(format!("written wrong: {wrong:?}")) }
}

#[test]
fn every_message_of_1_6_is_read_and_written_without_loss() {
    check_version(Version::V16, 78);
}

#[test]
fn every_message_of_2_0_1_is_read_and_written_without_loss() {
    check_version(Version::V201, 128);
}

#[test]
fn every_message_of_2_1_is_read_and_written_without_loss() {
    check_version(Version::V21, 181);
}

/// The fence would be of no use if it let a wrong sample through.
#[test]
fn a_wrong_sample_is_caught() {
    let validator = validator(Version::V201, "Reset", true);
    assert!(errors(&validator, r#"{"type":"OnIdle"}"#).is_empty());
    assert_eq!(errors(&validator, r#"{"type":"Later"}"#).len(), 1);
    let schema = Schema {
        version: Version::V201,
        action: "Reset".to_owned(),
        is_request: true,
        document: Value::Null,
    };
    assert!(check_sample(&schema, &validator, r#"{"type":"Later"}"#).is_err());
    assert!(check_sample(&schema, &validator, r#"{"type":"OnIdle","more":1}"#).is_err());
    assert!(check_sample(&schema, &validator, r#"{"type":"OnIdle","evseId":null}"#).is_err());
}
