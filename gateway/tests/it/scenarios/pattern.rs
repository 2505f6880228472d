//! JSON with holes: `_` fits anything, `$name` keeps what it meets first and must meet the same again.

use std::collections::BTreeMap;

use serde_json::Value;

/// Marks a hole inside parsed JSON; a character no frame has.
const HOLE: char = '\u{e000}';

/// Values kept under their names.
pub(super) type Kept = BTreeMap<String, Value>;

/// Must an object hold just these members, or at least these?
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Members {
    Exactly,
    AtLeast,
}

/// Reads JSON with holes; `None` when it is none.
pub(super) fn try_parse(text: &str) -> Option<Value> {
    let mut json = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    let mut in_text = false;
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                in_text = !in_text;
                json.push(c);
            }
            '\\' if in_text => {
                json.push(c);
                json.extend(chars.next());
            }
            '_' | '$' if !in_text => {
                json.extend(['"', HOLE, c]);
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric()) {
                    json.push(c);
                }
                json.push('"');
            }
            c => json.push(c),
        }
    }
    serde_json::from_str(&json).ok()
}

/// The JSON with kept values in its holes.
pub(super) fn fill(pattern: &Value, kept: &Kept) -> Value {
    match pattern {
        Value::String(text) => match hole(text) {
            Some("_") => panic!("`_` cannot be sent"),
            Some(name) => {
                kept.get(&name[1..]).unwrap_or_else(|| panic!("nothing is kept under {name}")).clone()
            }
            None => pattern.clone(),
        },
        Value::Array(items) => items.iter().map(|item| fill(item, kept)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), fill(value, kept))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => pattern.clone(),
    }
}

/// Compares; what `$name` meets first is kept.
pub(super) fn check(pattern: &Value, found: &Value, members: Members, kept: &mut Kept) -> Result<(), String> {
    let differs = || Err(format!("{} instead of {}", found, shown(pattern)));
    match (pattern, found) {
        (Value::String(text), found) if hole(text).is_some() => {
            let name = &hole(text).unwrap_or_default()[1..];
            if name.is_empty() {
                return Ok(());
            }
            let known = kept.entry(name.to_owned()).or_insert_with(|| found.clone());
            if known == found { Ok(()) } else { Err(format!("{found} instead of ${name}, which is {known}")) }
        }
        (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => {
            wanted.iter().zip(items).try_for_each(|(wanted, item)| check(wanted, item, members, kept))
        }
        (Value::Object(wanted), Value::Object(found_members)) => {
            if members == Members::Exactly
                && let Some(extra) = found_members.keys().find(|name| !wanted.contains_key(*name))
            {
                return Err(format!("{extra:?} in {found} instead of {}", shown(pattern)));
            }
            for (name, wanted) in wanted {
                let Some(member) = found_members.get(name) else {
                    return Err(format!("no {name:?} in {found}"));
                };
                check(wanted, member, members, kept).map_err(|why| format!("{name}: {why}"))?;
            }
            Ok(())
        }
        _ if pattern == found => Ok(()),
        _ => differs(),
    }
}

/// The name of a hole with its first character.
fn hole(text: &str) -> Option<&str> {
    text.strip_prefix(HOLE)
}

fn shown(pattern: &Value) -> String {
    pattern.to_string().replace(HOLE, "")
}

#[test]
fn a_hole_keeps_what_it_meets_and_fits_the_same_again() {
    let mut kept = Kept::new();
    let pattern = try_parse(r#"[3,"1_$",{"id":$n,"at":_}]"#).unwrap();
    let good = serde_json::json!([3, "1_$", {"id": 7, "at": "now"}]);
    assert_eq!(check(&pattern, &good, Members::Exactly, &mut kept), Ok(()));
    assert_eq!(kept["n"], 7);
    let other = serde_json::json!([3, "1_$", {"id": 8, "at": "now"}]);
    assert!(check(&pattern, &other, Members::Exactly, &mut kept).is_err());
    let more = serde_json::json!([3, "1_$", {"id": 7, "at": "now", "more": 1}]);
    assert!(check(&pattern, &more, Members::Exactly, &mut kept).is_err());
    assert_eq!(check(&pattern, &more, Members::AtLeast, &mut kept), Ok(()));
    assert_eq!(fill(&try_parse(r#"{"of":$n}"#).unwrap(), &kept), serde_json::json!({"of": 7}));
}
