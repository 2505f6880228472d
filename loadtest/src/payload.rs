//! Reading a payload of the CSMS field by field, with the right complaint for each thing that is wrong.
//!
//! Stands between `frame` and the commands of each version; never knows what a field means.

use serde_json::{Map, Value};

use crate::clock::Utc;
use crate::frame::{Fault, FaultCode};

/// A JSON object being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    members: Option<&'a Map<String, Value>>,
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// Reads `value`; what is no object has no members.
    pub(crate) fn of(value: &'a Value) -> Self {
        Self { members: value.as_object() }
    }

    fn member(self, name: &str) -> Option<&'a Value> {
        self.members?.get(name).filter(|value| !value.is_null())
    }

    fn required(self, name: &str) -> Result<&'a Value, Fault> {
        self.member(name).ok_or_else(|| Fault::new(FaultCode::Occurrence, format!("{name} is missing")))
    }

    pub(crate) fn text(self, name: &str) -> Result<&'a str, Fault> {
        self.required(name)?.as_str().ok_or_else(|| wrong_type(name, "string"))
    }

    pub(crate) fn maybe_text(self, name: &str) -> Result<Option<&'a str>, Fault> {
        self.member(name).map(|value| value.as_str().ok_or_else(|| wrong_type(name, "string"))).transpose()
    }

    pub(crate) fn integer(self, name: &str) -> Result<i64, Fault> {
        self.required(name)?.as_i64().ok_or_else(|| wrong_type(name, "integer"))
    }

    pub(crate) fn maybe_integer(self, name: &str) -> Result<Option<i64>, Fault> {
        self.member(name).map(|value| value.as_i64().ok_or_else(|| wrong_type(name, "integer"))).transpose()
    }

    /// A number in thousandths: limits have one decimal, floating point is left at the door.
    pub(crate) fn maybe_thousandths(self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(value) = self.member(name) else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| wrong_type(name, "number"))?;
        // A limit beyond a gigawatt is no limit; the bound keeps every later product far from overflow.
        let thousandths = (number * 1_000.0).round().clamp(-1e12, 1e12);
        Ok(Some(thousandths as i64))
    }

    /// An EVSE or connector id; negative ids and ids beyond 32 bits do not exist on any station.
    pub(crate) fn place(self, name: &str) -> Result<u32, Fault> {
        u32::try_from(self.integer(name)?).or(Err(out_of_range(name)))
    }

    pub(crate) fn maybe_place(self, name: &str) -> Result<Option<u32>, Fault> {
        if self.member(name).is_none() { Ok(None) } else { self.place(name).map(Some) }
    }

    pub(crate) fn maybe_time(self, name: &str) -> Result<Option<Utc>, Fault> {
        let Some(text) = self.maybe_text(name)? else { return Ok(None) };
        Utc::read(text).map(Some).ok_or_else(|| out_of_range(name))
    }

    pub(crate) fn object(self, name: &str) -> Result<Fields<'a>, Fault> {
        let value = self.required(name)?;
        value
            .as_object()
            .map(|members| Self { members: Some(members) })
            .ok_or_else(|| wrong_type(name, "object"))
    }

    pub(crate) fn maybe_object(self, name: &str) -> Result<Option<Fields<'a>>, Fault> {
        if self.member(name).is_none() { Ok(None) } else { self.object(name).map(Some) }
    }

    pub(crate) fn list(self, name: &str) -> Result<&'a [Value], Fault> {
        self.required(name)?.as_array().map(Vec::as_slice).ok_or_else(|| wrong_type(name, "list"))
    }

    pub(crate) fn maybe_list(self, name: &str) -> Result<&'a [Value], Fault> {
        if self.member(name).is_none() { Ok(&[]) } else { self.list(name) }
    }

    /// The member as it came, for what is sent back unchanged.
    pub(crate) fn raw(self, name: &str) -> Option<&'a Value> {
        self.member(name)
    }
}

/// The value of a member is of the right type but not one that can be.
pub(crate) fn out_of_range(name: &str) -> Fault {
    Fault::new(FaultCode::Property, format!("{name} has a value that is not allowed"))
}

fn wrong_type(name: &str, wanted: &str) -> Fault {
    Fault::new(FaultCode::Type, format!("{name} is no {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_fault_has_its_own_code() {
        let value = json!({"type": 5, "connectorId": -1, "at": "noon", "limit": 16.05, "gone": null});
        let fields = Fields::of(&value);
        let code = |fault: Fault| fault.code;
        assert_eq!(fields.text("kind").map_err(code), Err(FaultCode::Occurrence));
        assert_eq!(fields.text("type").map_err(code), Err(FaultCode::Type));
        assert_eq!(fields.place("connectorId").map_err(code), Err(FaultCode::Property));
        assert_eq!(fields.maybe_time("at").map_err(code), Err(FaultCode::Property));
        assert_eq!(fields.maybe_thousandths("limit"), Ok(Some(16_050)));
        assert_eq!(fields.maybe_text("gone"), Ok(None));
    }
}
