//! Does a payload hold more than its type does? Counted, not compared: the usual answer is no, and costs one pass over the text.
//!
//! Never: a judgement whether that is allowed (wire).

use serde::Serialize;
use serde::de::value::Error;
use serde::ser::{self, Impossible, Serializer};
use serde_json::Value;

use crate::fault::{CallFault, FaultCode};
use crate::quirk::{QUIRKS_MAX, QuirkKind};
use crate::version::Version;

/// The name under which serde_json and the decimal type hand over text that is JSON already.
pub(super) const RAW: &str = "$serde_json::private::RawValue";

/// Something in the text that the type did not take as it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extra {
    /// JSON pointer.
    pub(super) pointer: String,
    kind: ExtraKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExtraKind {
    /// A member the type does not have.
    Unknown,
    /// `null`, where a member should be absent; its name may be known.
    Null,
    /// A list where an object is due: the parser takes its items for members, in order.
    List,
}

impl Extra {
    /// The quirk as which it may pass; None: it has no clear meaning.
    pub(super) fn quirk(&self) -> Option<QuirkKind> {
        match self.kind {
            ExtraKind::Unknown => Some(QuirkKind::UnknownMember),
            ExtraKind::Null => Some(QuirkKind::NullMember),
            ExtraKind::List => None,
        }
    }

    /// What strict reading says about it.
    pub(super) fn fault(&self, version: Version) -> CallFault {
        let (code, what) = match self.kind {
            ExtraKind::Unknown => (FaultCode::of_unknown_member(version), "member does not belong here"),
            ExtraKind::Null => (FaultCode::TypeConstraint, "null stands where nothing should"),
            ExtraKind::List => (FaultCode::TypeConstraint, "a list stands where an object is due"),
        };
        CallFault::new(code, what).at(&self.pointer)
    }
}

/// The number of objects and of their members in a JSON text: the braces and colons outside strings.
pub(super) fn of_text(text: &str) -> usize {
    let mut members = 0;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b':' | b'{' => members += 1,
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    members
}

/// The number of objects and members a value is written with; 0 when it cannot be written.
pub(super) fn of_value<T: Serialize>(value: &T) -> usize {
    value.serialize(Count { raw: false }).unwrap_or(0)
}

/// What a text has that its value is written without, at most [`QUIRKS_MAX`] members and every misplaced list.
pub(super) fn extras<T: Serialize>(text: &str, value: &T) -> Vec<Extra> {
    let mut found = Vec::new();
    if let (Ok(theirs), Ok(ours)) = (serde_json::from_str(text), serde_json::to_value(value)) {
        compare(&theirs, &ours, &mut String::new(), &mut found);
    }
    found
}

fn compare(theirs: &Value, ours: &Value, pointer: &mut String, found: &mut Vec<Extra>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (name, value) in theirs {
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                match ours.get(name) {
                    Some(mine) => compare(value, mine, pointer, found),
                    None if found.len() >= QUIRKS_MAX => {}
                    None => {
                        let kind = if value.is_null() { ExtraKind::Null } else { ExtraKind::Unknown };
                        found.push(Extra { pointer: pointer.clone(), kind });
                    }
                }
                pointer.truncate(length);
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            for (position, (value, mine)) in theirs.iter().zip(ours).enumerate() {
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(&position.to_string());
                compare(value, mine, pointer, found);
                pointer.truncate(length);
            }
        }
        (Value::Array(_), Value::Object(_)) => {
            found.push(Extra { pointer: pointer.clone(), kind: ExtraKind::List })
        }
        _ => {}
    }
}

/// A serializer that writes nothing and counts members.
#[derive(Clone, Copy)]
struct Count {
    /// A text handed over now is JSON already.
    raw: bool,
}

/// A list or object being counted.
struct Counting {
    members: usize,
    raw: bool,
}

impl Counting {
    const fn of_list() -> Result<Self, Error> {
        Ok(Self { members: 0, raw: false })
    }

    /// What is handed over as text already is no object of its own.
    fn of_object(raw: bool) -> Result<Self, Error> {
        Ok(Self { members: usize::from(!raw), raw })
    }

    fn add<T: Serialize + ?Sized>(&mut self, own: usize, value: &T) -> Result<(), Error> {
        self.members += own + value.serialize(Count { raw: self.raw })?;
        Ok(())
    }
}

macro_rules! nothing {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _value: $type) -> Result<usize, Error> {
            Ok(0)
        })*
    };
}

impl Serializer for Count {
    type Ok = usize;
    type Error = Error;
    type SerializeSeq = Counting;
    type SerializeTuple = Counting;
    type SerializeTupleStruct = Impossible<usize, Error>;
    type SerializeTupleVariant = Impossible<usize, Error>;
    type SerializeMap = Counting;
    type SerializeStruct = Counting;
    type SerializeStructVariant = Impossible<usize, Error>;

    nothing! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_f32: f32, serialize_f64: f64, serialize_char: char, serialize_bytes: &[u8],
        serialize_unit_struct: &'static str
    }

    fn serialize_str(self, text: &str) -> Result<usize, Error> {
        Ok(if self.raw { of_text(text) } else { 0 })
    }

    fn serialize_none(self) -> Result<usize, Error> {
        Ok(0)
    }

    fn serialize_unit(self) -> Result<usize, Error> {
        Ok(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<usize, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<usize, Error> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<usize, Error> {
        Ok(0)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<usize, Error> {
        Ok(2 + value.serialize(self)?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Counting, Error> {
        Counting::of_list()
    }

    fn serialize_tuple(self, _: usize) -> Result<Counting, Error> {
        Counting::of_list()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Counting, Error> {
        Counting::of_object(false)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Counting, Error> {
        Counting::of_object(name == RAW)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Err(ser::Error::custom("no payload has tuple structs"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(ser::Error::custom("no payload has tuple variants"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(ser::Error::custom("no payload has struct variants"))
    }
}

impl ser::SerializeSeq for Counting {
    type Ok = usize;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(0, value)
    }

    fn end(self) -> Result<usize, Error> {
        Ok(self.members)
    }
}

impl ser::SerializeTuple for Counting {
    type Ok = usize;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(0, value)
    }

    fn end(self) -> Result<usize, Error> {
        Ok(self.members)
    }
}

impl ser::SerializeMap for Counting {
    type Ok = usize;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _key: &T) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(1, value)
    }

    fn end(self) -> Result<usize, Error> {
        Ok(self.members)
    }
}

impl ser::SerializeStruct for Counting {
    type Ok = usize;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Error> {
        // What is handed over as text already is no member of its own.
        self.add(usize::from(!self.raw), value)
    }

    fn end(self) -> Result<usize, Error> {
        Ok(self.members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::value::RawValue;

    #[derive(Serialize, Deserialize)]
    struct Sample {
        a: i32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        b: Option<Vec<Sample>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<Box<RawValue>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        open: Option<Value>,
    }

    fn check(text: &str, expect: &[(&str, ExtraKind)]) {
        let value: Sample = serde_json::from_str(text).unwrap();
        assert_eq!(of_text(text) == of_value(&value), expect.is_empty(), "{text}");
        let found = extras(text, &value);
        let found: Vec<_> = found.iter().map(|extra| (extra.pointer.as_str(), extra.kind)).collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn what_the_type_does_not_take_is_found() {
        use ExtraKind::{List, Null, Unknown};
        check(r#"{"a":1}"#, &[]);
        check(r#"{"a":1,"b":[{"a":2},{"a":3,"b":[]}]}"#, &[]);
        check(r#"{"a":1,"raw":{"x":{"y":":\":{"}},"open":{"p":[1,{"q":null}]}}"#, &[]);
        check(r#"{"a":1,"b":null}"#, &[("/b", Null)]);
        check(r#"{"a":1,"c":{"d":1}}"#, &[("/c", Unknown)]);
        check(
            r#"{"a":1,"b":[{"a":2},{"a":3,"x/y":1,"z":null}]}"#,
            &[("/b/1/x~1y", Unknown), ("/b/1/z", Null)],
        );
        check(r#"{"a":1,"b":[[2],{"a":3}]}"#, &[("/b/0", List)]);
    }

    #[test]
    fn signs_in_strings_are_no_members() {
        assert_eq!(of_text(r#"{"a:b":"::\":{","c\\":2}"#), 3);
        assert_eq!(of_text("[]"), 0);
    }
}
