//! Frames as text; place: frame, on the way out.
//!
//! Payloads come as checked JSON and are copied as they are; only ids, names and descriptions are escaped here. Nothing can fail.

use serde_json::value::RawValue;

use crate::fault::CallFault;
use crate::message_id::MessageId;
use crate::version::Version;

/// `[2,"id","Action",{payload}]`
#[must_use]
pub fn call(id: &MessageId, action: &str, payload: &RawValue) -> String {
    request('2', id, action, payload)
}

/// `[6,"id","Action",{payload}]`; only where the version has it ([`crate::version::RpcRules::has_result_errors_and_sends`]).
#[must_use]
pub fn send(id: &MessageId, action: &str, payload: &RawValue) -> String {
    request('6', id, action, payload)
}

/// `[3,"id",{payload}]`
#[must_use]
pub fn result(id: &MessageId, payload: &RawValue) -> String {
    let mut out = head('3', id, payload.get().len());
    out.push_str(payload.get());
    out.push(']');
    out
}

/// `[4,"id","Code","description",{details}]`, spelled as `version` has it.
#[must_use]
pub fn error(id: &MessageId, fault: &CallFault, version: Version) -> String {
    failure('4', id, fault, version)
}

/// `[5,"id","Code","description",{details}]`: a CALLRESULT of the station cannot be used. Only where the version has it.
#[must_use]
pub fn result_error(id: &MessageId, fault: &CallFault, version: Version) -> String {
    failure('5', id, fault, version)
}

fn request(kind: char, id: &MessageId, action: &str, payload: &RawValue) -> String {
    let mut out = head(kind, id, action.len() + payload.get().len());
    push_text(&mut out, action);
    out.push(',');
    out.push_str(payload.get());
    out.push(']');
    out
}

fn failure(kind: char, id: &MessageId, fault: &CallFault, version: Version) -> String {
    let mut out = head(kind, id, fault.description().len() + 64);
    push_text(&mut out, fault.code().as_wire(version));
    out.push(',');
    push_text(&mut out, fault.description());
    out.push_str(",{");
    if let Some(path) = fault.path() {
        out.push_str("\"path\":");
        push_text(&mut out, path);
    }
    out.push_str("}]");
    out
}

/// Opens the list: type number and id, with room for what follows.
fn head(kind: char, id: &MessageId, rest: usize) -> String {
    let mut out = String::with_capacity(id.as_str().len() + rest + 16);
    out.push('[');
    out.push(kind);
    out.push(',');
    push_text(&mut out, id.as_str());
    out.push(',');
    out
}

/// A JSON string. Written here because serde_json's writer can fail, and an answer must not.
pub(crate) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0}'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultCode;

    #[test]
    fn frames_are_written_as_the_standard_prints_them() {
        let id = MessageId::new("1").unwrap();
        let payload = RawValue::from_string("{\"a\":1.50}".to_owned()).unwrap();
        let [oldest, middle, newest] = Version::ALL;
        let fault = CallFault::new(FaultCode::Format, "not \"so\"").at("/a");
        let bare = CallFault::new(FaultCode::Internal, "");
        for (frame, expect) in [
            (call(&id, "Reset", &payload), r#"[2,"1","Reset",{"a":1.50}]"#),
            (
                send(&id, "NotifyPeriodicEventStream", &payload),
                r#"[6,"1","NotifyPeriodicEventStream",{"a":1.50}]"#,
            ),
            (result(&id, &payload), r#"[3,"1",{"a":1.50}]"#),
            (error(&id, &fault, oldest), r#"[4,"1","FormationViolation","not \"so\"",{"path":"/a"}]"#),
            (error(&id, &fault, middle), r#"[4,"1","FormatViolation","not \"so\"",{"path":"/a"}]"#),
            (result_error(&id, &bare, newest), r#"[5,"1","InternalError","",{}]"#),
        ] {
            assert_eq!(frame, expect);
        }
    }

    #[test]
    fn any_text_becomes_a_json_string() {
        for text in ["", "\u{0}\u{1}\u{1f} \u{7f}", "\"\\/\n\r\t", "ü😀\u{2028}"] {
            let mut out = String::new();
            push_text(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
