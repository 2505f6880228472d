//! Values on their way into a statement. Texts lose what PostgreSQL cannot hold: U+0000, and halves of surrogate pairs in JSON.

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use ringmain_domain::id::{
    AssignmentId, CdrId, CommandId, ConnectorId, Epoch, EvseId, LocationId, NodeId, SessionId, SiteId,
    StationId, TariffId, TenantId, TokenUid, TransactionId,
};
use ringmain_domain::time::Timestamp;

use crate::store::StoreError;

/// A value bound to a `$n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Param {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
    /// A text that says whose rows are reached.
    Tenant(String),
    Bytes(Vec<u8>),
    Uuid(Uuid),
}

/// Parameters in the order of their numbers.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::engine::param::Param::from($value)),*] };
}
pub(crate) use params;

// === impl Param ===

impl Param {
    /// A value as a JSON document.
    pub(crate) fn json<T: Serialize>(value: &T) -> Result<Self, StoreError> {
        let text = serde_json::to_string(value)
            .map_err(|error| StoreError::corrupt(format!("value has no JSON form: {error}")))?;
        Ok(Self::Text(storable_json(text)))
    }

    /// A value as a JSON document, or nothing.
    pub(crate) fn json_or_null<T: Serialize>(value: Option<&T>) -> Result<Self, StoreError> {
        value.map_or(Ok(Self::Null), Self::json)
    }

    /// Half of a name with wildcards: what `LIKE ... ESCAPE '!'` must find somewhere inside.
    pub(crate) fn part_of(text: &str) -> Self {
        let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        Self::from(format!("%{escaped}%"))
    }
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for Param {
    fn from(mut text: String) -> Self {
        text.retain(|c| c != '\0');
        Self::Text(text)
    }
}

impl From<i64> for Param {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Param {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<bool> for Param {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<&[u8]> for Param {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<Uuid> for Param {
    fn from(id: Uuid) -> Self {
        Self::Uuid(id)
    }
}

impl From<Epoch> for Param {
    fn from(epoch: Epoch) -> Self {
        Self::Int(epoch.0)
    }
}

impl From<Timestamp> for Param {
    fn from(at: Timestamp) -> Self {
        Self::Int(at.as_millis())
    }
}

impl<T> From<Option<T>> for Param
where
    Self: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::from)
    }
}

macro_rules! from_ids {
    ($($text:ty),*; $($uuid:ty),*; $($number:ty),*) => {
        $(impl From<&$text> for Param { fn from(id: &$text) -> Self { Self::Text(id.as_str().to_owned()) } })*
        $(impl From<$uuid> for Param { fn from(id: $uuid) -> Self { Self::Uuid(id.0) } })*
        $(impl From<$number> for Param { fn from(id: $number) -> Self { Self::Int(i64::from(id.0)) } })*
    };
}
from_ids!(
    SiteId, LocationId, StationId, TransactionId, TokenUid, TariffId, AssignmentId;
    SessionId, CdrId, CommandId, NodeId;
    EvseId, ConnectorId
);

impl From<&TenantId> for Param {
    fn from(tenant: &TenantId) -> Self {
        Self::Tenant(tenant.as_str().to_owned())
    }
}

impl ToSql for Param {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, ty) {
            (Self::Null, _) => return Ok(IsNull::Yes),
            (Self::Int(number), &Type::INT8) => out.put_i64(*number),
            (Self::Int(number), &Type::INT4) => out.put_i32(i32::try_from(*number)?),
            (Self::Bool(truth), &Type::BOOL) => out.put_u8(u8::from(*truth)),
            (Self::Bytes(bytes), &Type::BYTEA) => out.put_slice(bytes),
            (Self::Uuid(id), &Type::UUID) => out.put_slice(id.as_bytes()),
            (Self::Uuid(id), &Type::TEXT) => out.put_slice(id.to_string().as_bytes()),
            (Self::Text(text) | Self::Tenant(text), &Type::TEXT) => out.put_slice(text.as_bytes()),
            (Self::Text(text), &Type::JSONB) => {
                // The version of jsonb's binary form.
                out.put_u8(1);
                out.put_slice(text.as_bytes());
            }
            (value, ty) => return Err(format!("{value:?} does not fit a parameter of type {ty}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_ty: &Type) -> bool {
        // Said by `to_sql`, which knows the value too.
        true
    }

    to_sql_checked!();
}

/// JSON text without `\u0000`, and with U+FFFD in the place of lone surrogates: legal JSON that PostgreSQL's jsonb refuses.
pub(crate) fn storable_json(json: String) -> String {
    let suspicious = json.contains("\\u0000") || json.contains("\\ud") || json.contains("\\uD");
    if !suspicious && !json.contains('\0') {
        return json;
    }
    let mut clean = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some((before, after)) = rest.split_once('\\') {
        clean.push_str(before);
        rest = escape(&mut clean, after);
    }
    clean.push_str(rest);
    clean.retain(|c| c != '\0');
    clean
}

/// Copies one escape whose backslash is behind us, mended where it must be; returns what follows it.
fn escape<'a>(clean: &mut String, after: &'a str) -> &'a str {
    let Some(unit) = utf16_unit(after) else {
        // A simple escape of one character, kept with its backslash.
        clean.push('\\');
        let mut chars = after.chars();
        clean.extend(chars.next());
        return chars.as_str();
    };
    let (this, rest) = after.split_at_checked(5).unwrap_or((after, ""));
    let keep = |clean: &mut String, digits: &str| {
        clean.push('\\');
        clean.push_str(digits);
    };
    match unit {
        0 => rest,
        0xd800..=0xdbff => {
            let low = rest.strip_prefix('\\').filter(|low| matches!(utf16_unit(low), Some(0xdc00..=0xdfff)));
            let Some((low, rest)) = low.and_then(|low| low.split_at_checked(5)) else {
                clean.push('\u{fffd}');
                return rest;
            };
            keep(clean, this);
            keep(clean, low);
            rest
        }
        0xdc00..=0xdfff => {
            clean.push('\u{fffd}');
            rest
        }
        _ => {
            keep(clean, this);
            rest
        }
    }
}

/// The number in `uXXXX` at the start of a text.
fn utf16_unit(text: &str) -> Option<u16> {
    text.get(..5)?.strip_prefix('u').and_then(|digits| u16::from_str_radix(digits, 16).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_everything_but_what_postgres_cannot_hold() {
        let check = |json: &str, expect: &str| assert_eq!(storable_json(json.to_owned()), expect, "{json}");
        check(r#"{"a":"b"}"#, r#"{"a":"b"}"#);
        check(r#"{"a":"x\u0000y"}"#, r#"{"a":"xy"}"#);
        check(r#"{"a\u0000":"\n\u0000\""}"#, r#"{"a":"\n\""}"#);
        check(r#"["\\u0000"]"#, r#"["\\u0000"]"#);
        check(r#"["\\\u0000"]"#, r#"["\\"]"#);
        check(r#"["\ud83d\ude00"]"#, r#"["\ud83d\ude00"]"#);
        check(r#"["\ud83d"]"#, "[\"\u{fffd}\"]");
        check(r#"["\ud83dx"]"#, "[\"\u{fffd}x\"]");
        check(r#"["\ud83d\u0041"]"#, "[\"\u{fffd}\\u0041\"]");
        check(r#"["\uDE00é\u00e9"]"#, "[\"\u{fffd}é\\u00e9\"]");
        check("\"\\ud83d\\", "\"\u{fffd}\\");
    }

    #[test]
    fn texts_lose_their_nul() {
        assert_eq!(Param::from("a\0b"), Param::Text("ab".to_owned()));
        assert_eq!(Param::json(&"a\0b").unwrap(), Param::Text("\"ab\"".to_owned()));
        assert_eq!(Param::part_of("50%_!"), Param::Text("%50!%!_!!%".to_owned()));
    }
}
