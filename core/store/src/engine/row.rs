//! Values on their way out: rows with named columns, read with the type the caller needs.
//!
//! What does not have that type is [`StoreError::Corrupt`]: the database holds something we did not write.

use std::sync::Arc;

use serde::de::{DeserializeOwned, IntoDeserializer, value};
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use ringmain_domain::time::Timestamp;

use crate::engine::param::Param;
use crate::store::StoreError;

/// A value as an engine gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    Uuid(Uuid),
}

/// A row of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    columns: Arc<[Box<str>]>,
    values: Vec<Value>,
}

// === impl Row ===

impl Row {
    pub(crate) const fn new(columns: Arc<[Box<str>]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    fn value(&self, column: &str) -> Result<&Value, StoreError> {
        let place = self.columns.iter().position(|name| **name == *column);
        place
            .and_then(|place| self.values.get(place))
            .ok_or_else(|| StoreError::corrupt(format!("answer has no column {column}")))
    }

    fn wrong(column: &str, wanted: &str) -> StoreError {
        StoreError::corrupt(format!("column {column} holds no {wanted}"))
    }

    /// The number, or nothing.
    pub(crate) fn int_or_null(&self, column: &str) -> Result<Option<i64>, StoreError> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Int(number) => Ok(Some(*number)),
            Value::Text(_) | Value::Bytes(_) | Value::Uuid(_) => Err(Self::wrong(column, "number")),
        }
    }

    pub(crate) fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.int_or_null(column)?.ok_or_else(|| Self::wrong(column, "number"))
    }

    /// A number of another width, for example `u32`.
    pub(crate) fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, StoreError> {
        T::try_from(self.int(column)?).map_err(|_out_of_range| Self::wrong(column, "number of this size"))
    }

    /// The value as it is, on its way back into a statement.
    pub(crate) fn param(&self, column: &str) -> Result<Param, StoreError> {
        Ok(match self.value(column)?.clone() {
            Value::Null => Param::Null,
            Value::Int(number) => Param::Int(number),
            Value::Text(text) => Param::Text(text),
            Value::Bytes(bytes) => Param::Bytes(bytes),
            Value::Uuid(id) => Param::Uuid(id),
        })
    }

    pub(crate) fn boolean(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    pub(crate) fn at(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_millis)
    }

    /// A count that may be absent.
    pub(crate) fn count_or_null(&self, column: &str) -> Result<Option<u32>, StoreError> {
        let number = self.int_or_null(column)?;
        number
            .map(|number| u32::try_from(number).map_err(|_out_of_range| Self::wrong(column, "count")))
            .transpose()
    }

    pub(crate) fn at_or_null(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.int_or_null(column)?.map(Timestamp::from_millis))
    }

    pub(crate) fn text_or_null(&self, column: &str) -> Result<Option<&str>, StoreError> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            Value::Int(_) | Value::Bytes(_) | Value::Uuid(_) => Err(Self::wrong(column, "text")),
        }
    }

    pub(crate) fn text(&self, column: &str) -> Result<&str, StoreError> {
        self.text_or_null(column)?.ok_or_else(|| Self::wrong(column, "text"))
    }

    /// An owned text, or nothing.
    pub(crate) fn words(&self, column: &str) -> Result<Option<Box<str>>, StoreError> {
        Ok(self.text_or_null(column)?.map(Box::from))
    }

    pub(crate) fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        match self.value(column)? {
            Value::Bytes(bytes) => Ok(bytes.clone()),
            Value::Null | Value::Int(_) | Value::Text(_) | Value::Uuid(_) => {
                Err(Self::wrong(column, "bytes"))
            }
        }
    }

    pub(crate) fn uuid(&self, column: &str) -> Result<Uuid, StoreError> {
        self.uuid_or_null(column)?.ok_or_else(|| Self::wrong(column, "id"))
    }

    /// The id, or nothing.
    pub(crate) fn uuid_or_null(&self, column: &str) -> Result<Option<Uuid>, StoreError> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Uuid(id) => Ok(Some(*id)),
            Value::Text(text) => Uuid::parse_str(text).map(Some).map_err(|_no_id| Self::wrong(column, "id")),
            Value::Int(_) | Value::Bytes(_) => Err(Self::wrong(column, "id")),
        }
    }

    /// An id, or a variant of an enum, by its stored name.
    pub(crate) fn named<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        named(column, self.text(column)?)
    }

    /// As [`Row::named`], or nothing.
    pub(crate) fn named_or_null<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        self.text_or_null(column)?.map(|text| named(column, text)).transpose()
    }

    /// A JSON document.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        document(column, self.text(column)?)
    }

    /// A JSON document, or nothing.
    pub(crate) fn json_or_null<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        self.text_or_null(column)?.map(|text| document(column, text)).transpose()
    }
}

fn named<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, StoreError> {
    let name: value::StrDeserializer<'_, value::Error> = text.into_deserializer();
    T::deserialize(name)
        .map_err(|error| StoreError::corrupt(format!("column {column} holds no known name: {error}")))
}

fn document<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::corrupt(format!("column {column} holds no such document: {error}")))
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(Self::Int),
            Type::INT4 => i32::from_sql(ty, raw).map(|number| Self::Int(i64::from(number))),
            Type::BOOL => bool::from_sql(ty, raw).map(|truth| Self::Int(i64::from(truth))),
            Type::TEXT => String::from_sql(ty, raw).map(Self::Text),
            Type::BYTEA => Ok(Self::Bytes(raw.to_vec())),
            Type::UUID => Uuid::from_sql(ty, raw).map(Self::Uuid),
            Type::JSONB => match raw {
                [1, text @ ..] => Ok(Self::Text(std::str::from_utf8(text)?.to_owned())),
                _ => Err("unknown version of jsonb".into()),
            },
            _ => Err(format!("a column of type {ty}").into()),
        }
    }

    fn from_sql_null(_ty: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(_ty: &Type) -> bool {
        // Said by `from_sql`.
        true
    }
}
