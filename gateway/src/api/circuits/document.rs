//! The JSON of a tree as people type it on the console's page: the same form as a request's body, and a tree written in it.

use std::fmt::Write;

use ringmain_domain::load::tree::{Circuit, Evse, SiteTree};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{CircuitBody, CircuitEvseBody};
use crate::api::extract::parse;
use crate::services::refusal::Flaw;

/// What a reader looks for stands first, the rest follows by its name.
const FIRST: [&str; 6] = ["circuits", "id", "parent", "name", "charging_station_id", "evse_id"];

/// A request's body, or an answer that somebody kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    circuits: Vec<CircuitBody>,
    evses: Vec<CircuitEvseBody>,
    #[serde(default, rename = "updated_at")]
    _updated_at: Option<IgnoredAny>,
}

/// Reads a tree; whether it holds together is not looked at here.
///
/// # Errors
/// What is wrong, with its place.
pub(crate) fn read(text: &str) -> Result<(Vec<Circuit>, Vec<Evse>), Vec<Flaw>> {
    let document: Document = parse(text.as_bytes()).map_err(|problem| problem.into_flaws())?;
    let circuits = document.circuits.into_iter().map(Circuit::from).collect();
    Ok((circuits, document.evses.into_iter().map(Evse::from).collect()))
}

/// Writes a tree so that [`read`] gives it back.
pub(crate) fn write(tree: &SiteTree) -> String {
    let circuits = tree.circuits().iter().cloned().map(CircuitBody::from);
    let evses = tree.evses().iter().cloned().map(CircuitEvseBody::from);
    let mut document = Map::new();
    document.insert("circuits".to_owned(), circuits.map(|circuit| said(&circuit)).collect());
    document.insert("evses".to_owned(), evses.map(|evse| said(&evse)).collect());
    let mut text = String::new();
    write_value(&mut text, &Value::Object(document), 0);
    text
}

/// What is not said counts as not there: it need not be read.
fn said(body: &impl serde::Serialize) -> Value {
    let mut value = serde_json::to_value(body).unwrap_or_default();
    drop_unsaid(&mut value);
    value
}

fn drop_unsaid(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_unsaid);
            fields.retain(|_, field| match field {
                Value::Null => false,
                Value::Array(items) => !items.is_empty(),
                Value::Object(fields) => !fields.is_empty(),
                Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(drop_unsaid),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Indented, but three currents on one line.
fn write_value(text: &mut String, value: &Value, level: usize) {
    let inner = "  ".repeat(level + 1);
    let is_list = |item: &Value| item.is_object() || item.is_array();
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
            fields.sort_by_key(|(name, _)| rank(name));
            for (place, (name, field)) in fields.iter().enumerate() {
                let joint = if place == 0 { "{" } else { "," };
                // Writing to a text cannot fail.
                let _infallible = write!(text, "{joint}\n{inner}{}: ", Value::from(name.as_str()));
                write_value(text, field, level + 1);
            }
            text.push_str(&format!("\n{}}}", "  ".repeat(level)));
        }
        Value::Array(items) if items.iter().any(is_list) => {
            for (place, item) in items.iter().enumerate() {
                text.push_str(if place == 0 { "[\n" } else { ",\n" });
                text.push_str(&inner);
                write_value(text, item, level + 1);
            }
            text.push_str(&format!("\n{}]", "  ".repeat(level)));
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(Value::to_string).collect();
            text.push_str(&format!("[{}]", items.join(", ")));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = r#"{"circuits": [
        {"id": "grid", "limit": {"line_ma": [63000, 63000, 63000]}, "design_load_ma": [1, 2, 3],
         "changes": [{"from": "2027-01-01T00:00:00Z", "limit": {"power_w": 90000}}]},
        {"id": "dc", "parent": "grid", "name": "DC \"north\"", "firmness": "soft",
         "phasors": [{"name": "A", "limit_ma": 5000, "factors": [
            {"charging_station_id": "CS-1", "evse_id": 1, "ratio_millionths": -250000, "angle_mdeg": 30000}]}]}],
        "evses": [{"charging_station_id": "CS-1", "evse_id": 1, "circuit_id": "dc", "voltage_v": 230,
         "lines": ["L2", "L3", "L1"], "dc_efficiency_permille": 950, "min_ma": 6000, "max_ma": 32000, "step_ma": 1000,
         "rated_ma": 32000, "fallback_ma": 0}], "updated_at": "2026-01-01T00:00:00Z"}"#;

    fn tree(text: &str) -> SiteTree {
        let (circuits, evses) = read(text).unwrap();
        SiteTree::new(circuits, evses).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let drawn = tree(TREE);
        let written = write(&drawn);
        assert_eq!(tree(&written), drawn, "{written}");
        for line in [
            "{\n  \"circuits\": [\n    {\n      \"id\": \"grid\",",
            "\n      \"design_load_ma\": [1, 2, 3],\n",
            "\n      \"lines\": [\"L2\", \"L3\", \"L1\"],\n",
            "\n      \"name\": \"DC \\\"north\\\"\",\n",
        ] {
            assert!(written.contains(line), "{line} in {written}");
        }
        assert!(!written.contains("null") && !written.contains("[]"), "{written}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let places = |text: &str| {
            let flaws = read(text).unwrap_err();
            flaws.iter().map(|flaw| flaw.pointer.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(places("{"), [""]);
        assert_eq!(places("{\"circuits\": [{\"id\": \"\"}], \"evses\": []}"), ["/circuits/0/id"]);
        assert_eq!(
            places("{\"circuits\": [{\"id\": \"a\", \"amps\": 3}], \"evses\": []}"),
            ["/circuits/0/amps"]
        );
    }
}
