//! What a partner keeps of what is pushed to it: PUT replaces, PATCH changes the fields it names, DELETE removes. Parts of a location are
//! kept in it. By the specification's words, as plain JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Objects of a module under their path in lower case.
pub(super) type Kept = BTreeMap<String, Value>;

/// Why something was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is nothing to change.
    Unknown,
    /// A PATCH that does not say when, or no object.
    Invalid(&'static str),
}

/// What was done, and the object as it is now with the name of its schema.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) is_new: bool,
    pub(super) kind: &'static str,
    pub(super) object: Value,
}

/// The members under which parts of a location stand, with their ids.
const PARTS: [(&str, &str, &str); 2] = [("evses", "uid", "evse"), ("connectors", "id", "connector")];

/// Puts or patches an object. `path` is owner and ids.
pub(super) fn put(
    kept: &mut Kept,
    module: &str,
    path: &[String],
    body: &Value,
    is_patch: bool,
) -> Result<Done, Refused> {
    let Some(fields) = body.as_object() else { return Err(Refused::Invalid("the body is no object")) };
    if is_patch && !fields.contains_key("last_updated") {
        return Err(Refused::Invalid("last_updated is missing"));
    }
    let (root, parts) = path.split_at(path.len().min(3));
    let key = root.join("/").to_ascii_lowercase();
    if parts.is_empty() {
        let is_new = !kept.contains_key(&key);
        if is_patch {
            let known = kept.get_mut(&key).and_then(Value::as_object_mut).ok_or(Refused::Unknown)?;
            merge(known, fields);
        } else {
            kept.insert(key.clone(), body.clone());
        }
        let object = kept.get(&key).cloned().unwrap_or_default();
        return Ok(Done { is_new, kind: kind(module), object });
    }
    let location = kept.get_mut(&key).ok_or(Refused::Unknown)?;
    let done = put_part(location, parts, fields, is_patch)?;
    if let (Some(location), Some(at)) = (location.as_object_mut(), fields.get("last_updated")) {
        location.insert("last_updated".to_owned(), at.clone());
    }
    Ok(done)
}

/// The kind of a module's objects.
pub(super) fn kind(module: &str) -> &'static str {
    match module {
        "locations" => "location",
        "sessions" => "session",
        "tariffs" => "tariff",
        "tokens" => "token",
        _ => "cdr",
    }
}

fn put_part(
    whole: &mut Value,
    path: &[String],
    fields: &Map<String, Value>,
    is_patch: bool,
) -> Result<Done, Refused> {
    let mut whole = whole;
    let mut parts = path.iter().zip(PARTS).peekable();
    while let Some((id, (list, name, kind))) = parts.next() {
        let members = whole.as_object_mut().ok_or(Refused::Unknown)?;
        let list = members.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        let list = list.as_array_mut().ok_or(Refused::Unknown)?;
        let same = |one: &Value| {
            one.get(name).and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(id))
        };
        let place = list.iter().position(same);
        if parts.peek().is_some() {
            whole = place.and_then(|place| list.get_mut(place)).ok_or(Refused::Unknown)?;
            continue;
        }
        let object = match place.and_then(|place| list.get_mut(place)) {
            Some(known) if is_patch => {
                merge(known.as_object_mut().ok_or(Refused::Unknown)?, fields);
                known.clone()
            }
            Some(known) => {
                *known = Value::Object(fields.clone());
                known.clone()
            }
            None if is_patch => return Err(Refused::Unknown),
            None => {
                list.push(Value::Object(fields.clone()));
                Value::Object(fields.clone())
            }
        };
        return Ok(Done { is_new: place.is_none(), kind, object });
    }
    Err(Refused::Unknown)
}

/// Charging periods are added, all else is replaced.
fn merge(known: &mut Map<String, Value>, fields: &Map<String, Value>) {
    for (name, new) in fields {
        match (name.as_str(), known.get_mut(name), new) {
            ("charging_periods", Some(Value::Array(periods)), Value::Array(added)) => {
                periods.extend(added.iter().cloned());
            }
            _ => drop(known.insert(name.clone(), new.clone())),
        }
    }
}
