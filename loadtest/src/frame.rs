//! The OCPP-J array around a payload: reading any of the five message types, writing the three a station sends.
//!
//! Works on whole texts and owned values: a simulated station has time. Never looks into a payload.

use serde_json::{Value, json};

use crate::station::Family;

/// One frame as it came from the CSMS.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    /// Type 2: the CSMS asks.
    Call { id: String, action: String, payload: Value },
    /// Type 3: the CSMS answers.
    Result { id: String, payload: Value },
    /// Type 4: the CSMS could not process what was asked.
    Error { id: String, code: String },
    /// Type 5, 2.1 only: the CSMS could not process our answer.
    ResultError { id: String, code: String },
    /// Type 6 or a number nobody knows: not answered (OCPP 2.1 part 4, 4.2).
    Unanswered,
}

/// Why a frame was refused; the id is known when at least that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) id: Option<String>,
}

/// The error codes a station answers with; the spelling depends on the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultCode {
    NotImplemented,
    NotSupported,
    Security,
    Property,
    Occurrence,
    Type,
    RpcFramework,
}

/// What a station says instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: FaultCode,
    pub(crate) description: String,
}

/// Reads one text frame.
///
/// # Errors
/// [`Unreadable`] when it is no JSON array of a known shape; the station answers with a CALLERROR.
pub(crate) fn read(text: &str) -> Result<Frame, Unreadable> {
    let Ok(Value::Array(parts)) = serde_json::from_str::<Value>(text) else {
        return Err(Unreadable { id: None });
    };
    let mut parts = parts.into_iter();
    let kind = parts.next().and_then(|part| part.as_u64());
    let id = parts.next().and_then(owned_text);
    let unreadable = || Unreadable { id: id.clone() };
    let (Some(kind), Some(known_id)) = (kind, id.clone()) else { return Err(unreadable()) };
    match kind {
        2 => {
            let action = parts.next().and_then(owned_text).ok_or_else(unreadable)?;
            let payload = parts.next().filter(Value::is_object).ok_or_else(unreadable)?;
            Ok(Frame::Call { id: known_id, action, payload })
        }
        3 => {
            let payload = parts.next().filter(Value::is_object).ok_or_else(unreadable)?;
            Ok(Frame::Result { id: known_id, payload })
        }
        4 | 5 => {
            let code = parts.next().and_then(owned_text).ok_or_else(unreadable)?;
            Ok(if kind == 4 {
                Frame::Error { id: known_id, code }
            } else {
                Frame::ResultError { id: known_id, code }
            })
        }
        _ => Ok(Frame::Unanswered),
    }
}

/// A CALL as text.
pub(crate) fn call(id: &str, action: &str, payload: &Value) -> String {
    json!([2, id, action, payload]).to_string()
}

/// A CALLRESULT as text.
pub(crate) fn result(id: &str, payload: &Value) -> String {
    json!([3, id, payload]).to_string()
}

/// A CALLERROR as text. The id is `-1` where the CALL's own could not be read (OCPP 2.1 part 4, 4.2.3).
pub(crate) fn error(id: Option<&str>, fault: &Fault, family: Family) -> String {
    json!([4, id.unwrap_or("-1"), fault.code.spelled(family), fault.description, {}]).to_string()
}

fn owned_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

// === impl FaultCode ===

impl FaultCode {
    /// The code as the family writes it; the two odd spellings of 1.6 are official (OCPP-J 1.6 errata 5).
    pub(crate) fn spelled(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::NotImplemented, _) => "NotImplemented",
            (Self::NotSupported, _) => "NotSupported",
            (Self::Security, _) => "SecurityError",
            (Self::RpcFramework, Family::V16) => "FormationViolation",
            (Self::Property, _) => "PropertyConstraintViolation",
            (Self::Occurrence, Family::V16) => "OccurenceConstraintViolation",
            (Self::Occurrence, Family::V2) => "OccurrenceConstraintViolation",
            (Self::Type, _) => "TypeConstraintViolation",
            (Self::RpcFramework, Family::V2) => "RpcFrameworkError",
        }
    }
}

// === impl Fault ===

impl Fault {
    pub(crate) fn new(code: FaultCode, description: impl Into<String>) -> Self {
        Self { code, description: description.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_types_are_read() {
        let cases = [
            (
                r#"[2,"a","Reset",{"type":"Hard"}]"#,
                Ok(Frame::Call { id: "a".into(), action: "Reset".into(), payload: json!({"type": "Hard"}) }),
            ),
            (r#"[3,"a",{}]"#, Ok(Frame::Result { id: "a".into(), payload: json!({}) })),
            (
                r#"[4,"a","GenericError","",{}]"#,
                Ok(Frame::Error { id: "a".into(), code: "GenericError".into() }),
            ),
            (
                r#"[5,"a","GenericError","",{}]"#,
                Ok(Frame::ResultError { id: "a".into(), code: "GenericError".into() }),
            ),
            (r#"[6,"a","NotifyPeriodicEventStream",{}]"#, Ok(Frame::Unanswered)),
            (r#"[2,"a","Reset",[]]"#, Err(Unreadable { id: Some("a".into()) })),
            (r#"[2,7,"Reset",{}]"#, Err(Unreadable { id: None })),
            ("{}", Err(Unreadable { id: None })),
            ("nonsense", Err(Unreadable { id: None })),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn errors_are_spelled_as_each_family_wants() {
        let fault = Fault::new(FaultCode::Occurrence, "no \"type\"");
        assert_eq!(
            error(Some("a"), &fault, Family::V16),
            r#"[4,"a","OccurenceConstraintViolation","no \"type\"",{}]"#
        );
        assert_eq!(
            error(None, &fault, Family::V2),
            r#"[4,"-1","OccurrenceConstraintViolation","no \"type\"",{}]"#
        );
    }
}
