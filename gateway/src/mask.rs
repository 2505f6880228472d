//! Values of secret settings are not kept: not in recorded frames, not in stored commands, whoever may read those.

use std::borrow::Cow;

use serde_json::Value;

/// Names of settings whose values nobody may read back, in lower case: OCPP compares names without regard to case.
const SECRET_SETTINGS: [&str; 2] = ["authorizationkey", "basicauthpassword"];
/// Members that hold a setting's value.
const VALUES: [&str; 3] = ["value", "attributeValue", "data"];

/// A JSON text without the values of secret settings. A text that is no JSON and names one is not kept at all.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if !may_hold_secret(text) {
        return Cow::Borrowed(text);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut json) => {
            value(&mut json);
            Cow::Owned(json.to_string())
        }
        Err(_unreadable) => Cow::Borrowed("(not kept: it may hold a password)"),
    }
}

/// Replaces the values next to the name of a secret setting, and members that are secret by their own name.
pub fn value(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(value),
        Value::Object(members) => {
            let names_secret = |value: &Value| value.as_str().is_some_and(is_secret);
            let secret = members
                .values()
                .any(|value| names_secret(value) || value.get("name").is_some_and(names_secret));
            for (name, member) in members {
                if member.is_string() && (is_secret(name) || (secret && VALUES.contains(&name.as_str()))) {
                    *member = Value::String("***".to_owned());
                } else {
                    value(member);
                }
            }
        }
        Value::String(inner) if may_hold_secret(inner) => *inner = text(inner).into_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_secret(name: &str) -> bool {
    SECRET_SETTINGS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// An escape may hide a name, so a text with one is looked at too.
fn may_hold_secret(text: &str) -> bool {
    // A name alone is no secret, only JSON has a value beside it.
    if !text.contains('{') {
        return false;
    }
    let lower = text.to_ascii_lowercase();
    lower.contains("\\u") || SECRET_SETTINGS.iter().any(|secret| lower.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_kept() {
        for hidden in [
            r#"[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"hunter2"}]"#,
            r#"[2,"1","ChangeConfiguration",{"key":"authorizationkey","value":"hunter2"}]"#,
            r#"[2,"1","ChangeConfiguration",{"key":"Authorization\u004bey","value":"hunter2"}]"#,
            r#"[3,"1",{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"hunter2"}]}]"#,
            r#"[2,"1","SetVariables",{"setVariableData":[{"attributeValue":"hunter2","component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"}}]}]"#,
            r#"[2,"1","SetNetworkProfile",{"connectionData":{"basicAuthPassword":"hunter2"}}]"#,
            r#"[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"hunter2""#,
            r#"{"command":"set_variables","variables":[{"component":"","name":"AuthorizationKey","value":"hunter2"}]}"#,
            r#"{"command":"raw","action":"ChangeConfiguration","payload":"{\"key\":\"AuthorizationKey\",\"value\":\"hunter2\"}"}"#,
        ] {
            assert!(!text(hidden).contains("hunter2"), "{hidden}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_letter_by_letter() {
        for plain in [
            r#"[2,"1","ChangeConfiguration",{"key":"HeartbeatInterval","value":"300"}]"#,
            "authorizationkey",
            r#"[3,"1",{"unknownKey":["X"]}]"#,
        ] {
            assert_eq!(text(plain), plain);
        }
    }
}
