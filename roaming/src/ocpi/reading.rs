//! What partners send, read with its place: every fault names the field, so that the answer 2001 does.
//!
//! **Tolerated**, each with a test: fields we do not know, `null` for what may be missing ([`crate::ocpi::grammar`]); identifiers in another
//! case, instants without a `Z`, numbers in quotes, printed texts as numbers ([`crate::ocpi::values`]); words that are not in an open list;
//! one object wrapped in an array ([`Answer::one`]); a trailing slash too much or too little ([`same_url`]); texts longer than their field.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::ocpi::grammar::object;
use crate::ocpi::status::Refusal;
use crate::ocpi::values::DateTime;

/// Why something cannot be read, and where: `/evses/0/status: unknown variant …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {detail}")]
pub struct Fault {
    /// A JSON pointer; `/` is the whole.
    pub place: Box<str>,
    /// What is wrong there.
    pub detail: Box<str>,
    /// It is no JSON at all.
    pub is_malformed: bool,
}

/// The most faults of one list that are told; more are counted only.
pub const FAULTS_MAX: usize = 20;

/// The items of a list that could be read. One that could not does not take the others with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items<T> {
    /// In the order they came.
    pub items: Vec<T>,
    /// The first of those that could not be read, at most [`FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// How many could not be read.
    pub unread: usize,
}

object! {
    /// The frame of a partner's answer (OCPI 2.2.1, response format). Its data is read later, as what it should be.
    Answer {
        ? #[doc = "What was asked for."] data: Value,
        1 #[doc = "1000 is success."] status_code: u16,
        ? #[doc = "For people."] status_message: String,
        ? #[doc = "When it was made. Required, and left out by some."] timestamp: DateTime,
    }
}

// === reading ===

/// Reads a request's body.
///
/// # Errors
/// The first [`Fault`], with its place.
pub fn body<T: DeserializeOwned>(text: &[u8]) -> Result<T, Fault> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(Fault::of)?;
    deserializer.end().map_err(|error| Fault { is_malformed: true, ..Fault::new("/", plain(&error)) })?;
    Ok(read)
}

/// Reads an object that is JSON already.
///
/// # Errors
/// The first [`Fault`], with its place.
pub fn value<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(Fault::of)
}

/// Reads a partner's answer.
///
/// # Errors
/// It is no JSON, or not in OCPI's frame.
pub fn answer(text: &[u8]) -> Result<Answer, Fault> {
    body(text)
}

/// Do two addresses lead to the same? A slash at the end makes no difference, nor does the case of the host.
#[must_use]
pub fn same_url(one: &str, other: &str) -> bool {
    let parsed = |text: &str| url::Url::parse(text.trim()).ok();
    let bare = |text: &str| text.trim().trim_end_matches('/').to_owned();
    match (parsed(one), parsed(other)) {
        (Some(one), Some(other)) => bare(one.as_str()) == bare(other.as_str()),
        _ => bare(one) == bare(other),
    }
}

/// The address of something below another one, whether or not that ends with a slash.
#[must_use]
pub fn below(url: &str, segments: &[&str]) -> String {
    let mut joined = url.trim_end_matches('/').to_owned();
    for segment in segments {
        joined.push('/');
        joined.extend(url::form_urlencoded::byte_serialize(segment.as_bytes()).map(|part| {
            // A blank in a path is no plus.
            if part == "+" { "%20" } else { part }
        }));
    }
    joined
}

// === impl Answer ===

impl Answer {
    /// Does OCPI say that it was done?
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status_code == 1000
    }

    /// The data as one object. Some peers wrap a single object in an array.
    ///
    /// # Errors
    /// There is none, there are several, or it cannot be read.
    pub fn one<T: DeserializeOwned>(self) -> Result<T, Fault> {
        match self.data {
            None => Err(Fault::new("/data", "is missing")),
            Some(Value::Array(mut list)) => match (list.pop(), list.is_empty()) {
                (Some(only), true) => value(only).map_err(|fault| fault.below("/data/0")),
                _ => Err(Fault::new("/data", "must be one object")),
            },
            Some(data) => value(data).map_err(|fault| fault.below("/data")),
        }
    }

    /// The data as a list: what can be read of it. No data is an empty list.
    ///
    /// # Errors
    /// It is no list.
    pub fn list<T: DeserializeOwned>(self) -> Result<Items<T>, Fault> {
        let list = match self.data {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(Fault::new("/data", "must be a list")),
        };
        let mut read = Items { items: Vec::with_capacity(list.len()), faults: Vec::new(), unread: 0 };
        for (index, item) in list.into_iter().enumerate() {
            match value(item) {
                Ok(item) => read.items.push(item),
                Err(fault) => {
                    read.unread = read.unread.saturating_add(1);
                    if read.faults.len() < FAULTS_MAX {
                        read.faults.push(fault.below(&format!("/data/{index}")));
                    }
                }
            }
        }
        Ok(read)
    }
}

// === impl Fault ===

impl Fault {
    /// A fault at a place.
    #[must_use]
    pub fn new(place: &str, detail: impl Into<Box<str>>) -> Self {
        Self { place: place.into(), detail: detail.into(), is_malformed: false }
    }

    /// The same, seen from further up.
    #[must_use]
    pub fn below(self, place: &str) -> Self {
        let own = if &*self.place == "/" { "" } else { &*self.place };
        Self { place: format!("{place}{own}").into(), ..self }
    }

    fn of(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let place = pointer(error.path());
        let cause = error.into_inner();
        let is_malformed = cause.is_syntax() || cause.is_eof();
        Self { place: place.into(), detail: plain(&cause).into(), is_malformed }
    }
}

/// HTTP 200 with 2001 where JSON came that cannot be used, HTTP 400 where it was none (OCPI 2.2.1, status codes).
impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        if fault.is_malformed { Self::malformed(fault.to_string()) } else { Self::invalid(fault.to_string()) }
    }
}

fn pointer(path: &Path) -> String {
    let mut place = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => place.push_str(&format!("/{index}")),
            Segment::Map { key } => place.push_str(&format!("/{key}")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    if place.is_empty() { "/".to_owned() } else { place }
}

/// The reader adds a line and a column of the text; the place says more.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(detail, _)| detail).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ocpi::v221::types::location::{Evse, Location};
    use crate::ocpi::v221::types::token::Token;
    use crate::ocpi::values::Number;
    use serde_json::json;

    #[test]
    fn a_fault_names_its_place() {
        let check = |text: &str, expect: &str| {
            let fault = body::<Token>(text.as_bytes()).unwrap_err();
            assert_eq!(fault.to_string(), expect, "{text}");
        };
        check("{", "/: EOF while parsing an object");
        check("[]", "/: invalid length 0, expected struct Token with 14 elements");
        check("{}", "/: missing field `country_code`");
        check(r#"{"valid": 1}"#, "/valid: invalid type: integer `1`, expected a boolean");
        check(
            r#"{"uid": "a\nb"}"#,
            "/uid: is no identifier: at most 255 printable ASCII characters are allowed",
        );
        check(
            r#"{"whitelist": "SOMETIMES"}"#,
            "/whitelist: unknown variant `SOMETIMES`, expected one of `ALWAYS`, `ALLOWED`, `ALLOWED_OFFLINE`, `NEVER`",
        );
        check(
            r#"{"last_updated": "yesterday"}"#,
            r#"/last_updated: "yesterday" is no instant such as 2026-03-01T08:00:00Z"#,
        );
        let deep = json!({"evses": [{"uid": "1", "status": "OPEN"}]});
        let fault = value::<Location>(deep).unwrap_err();
        assert_eq!(&*fault.place, "/evses/0/status");
        let bare = json!({"uid": "1", "status": "AVAILABLE", "connectors": [], "last_updated": "2026-03-01T08:00:00Z"});
        let fault = value::<Evse>(bare).unwrap_err();
        assert_eq!(fault.to_string(), "/connectors: must have one item at least");
        for (text, expect) in
            [("{\"uid\"", "400 2001: /"), ("{}", "200 2001: /: missing"), ("<html>", "400 2001: /")]
        {
            let refusal = Refusal::from(body::<Token>(text.as_bytes()).unwrap_err()).to_string();
            assert!(refusal.starts_with(expect), "{text}: {refusal}");
        }
        assert!(body::<Number>(b"1 2").unwrap_err().is_malformed);
    }

    #[test]
    fn one_object_may_come_in_an_array() {
        let one = |data: Value| {
            let text = json!({"data": data, "status_code": 1000, "timestamp": "2026-03-01T08:00:00"});
            answer(text.to_string().as_bytes()).unwrap().one::<u32>()
        };
        assert_eq!(one(json!(7)), Ok(7));
        assert_eq!(one(json!([7])), Ok(7));
        assert_eq!(one(json!([7, 8])).unwrap_err().to_string(), "/data: must be one object");
        assert_eq!(one(json!([])).unwrap_err().to_string(), "/data: must be one object");
        assert_eq!(one(json!(["x"])).unwrap_err().place.as_ref(), "/data/0");
        assert_eq!(one(Value::Null).unwrap_err().to_string(), "/data: is missing");
    }

    #[test]
    fn a_bad_item_does_not_take_its_page_with_it() {
        let list = |data: Value| {
            let text = json!({"data": data, "status_code": 1000});
            answer(text.to_string().as_bytes()).unwrap().list::<u32>()
        };
        let read = list(json!([1, "x", 3])).unwrap();
        assert_eq!((read.items, read.unread), (vec![1, 3], 1));
        assert_eq!(&*read.faults[0].place, "/data/1");
        assert_eq!(list(Value::Null).unwrap().items, Vec::<u32>::new());
        assert!(list(json!({})).is_err());
        let many = list(json!(vec!["x"; FAULTS_MAX + 5])).unwrap();
        assert_eq!((many.faults.len(), many.unread), (FAULTS_MAX, FAULTS_MAX + 5));
        for broken in ["", "{\"data\": [1", "<html>", "{}", "{\"status_code\": \"1000\"}"] {
            assert!(answer(broken.as_bytes()).is_err(), "{broken}");
        }
        assert!(!answer(br#"{"status_code": 2001, "status_message": "no"}"#).unwrap().is_success());
    }

    #[test]
    fn a_slash_at_the_end_makes_no_difference() {
        for (one, other, same) in [
            ("https://a.example/ocpi/", "https://a.example/ocpi", true),
            ("https://A.example/ocpi", "https://a.example/ocpi", true),
            ("https://a.example", "https://a.example/", true),
            ("https://a.example/ocpi", "https://a.example/OCPI", false),
            ("https://a.example/1", "https://b.example/1", false),
            ("not an address/", "not an address", true),
        ] {
            assert_eq!(same_url(one, other), same, "{one} {other}");
        }
        for base in ["https://a.example/tokens", "https://a.example/tokens/"] {
            assert_eq!(below(base, &["NL", "TNM", "a b/c"]), "https://a.example/tokens/NL/TNM/a%20b%2Fc");
        }
    }
}
