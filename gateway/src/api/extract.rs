//! Extractors of bodies, queries and paths whose refusals are problem details.

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::BytesMut;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::problem::{Kind, Problem};
use crate::services::refusal::Flaw;

/// The largest body of a request, in bytes.
pub const BODY_MAX_BYTES: usize = 256 * 1024;

/// The largest body where whole drawings are sent, in bytes.
pub const LARGE_BODY_MAX_BYTES: usize = 1024 * 1024;

/// A JSON body. Unknown fields, wrong types and missing fields are told with their place.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// The same of at most [`LARGE_BODY_MAX_BYTES`].
#[derive(Debug)]
pub struct LargeBody<T>(pub T);

/// The query's parameters.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// The path's parameters. One that cannot be an id of its kind names nothing that exists: 404.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json_body(request, payload, BODY_MAX_BYTES);
        Box::pin(async move { body.await.map(Self) })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for LargeBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json_body(request, payload, LARGE_BODY_MAX_BYTES);
        Box::pin(async move { body.await.map(Self) })
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let read = web::Query::<T>::from_query(request.query_string());
        std::future::ready(match read {
            Ok(query) => Ok(Self(query.into_inner())),
            Err(cause) => Err(Problem::new(Kind::BadRequest, query_error_in_words(&cause))),
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Path<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = web::Path::<T>::from_request(request, payload).into_inner();
        std::future::ready(match read {
            Ok(path) => Ok(Self(path.into_inner())),
            Err(cause) => Err(Problem::new(Kind::NotFound, format!("nothing has such an id: {cause}"))),
        })
    }
}

fn json_body<T: DeserializeOwned + 'static>(
    request: &HttpRequest,
    payload: &mut Payload,
    max_bytes: usize,
) -> impl Future<Output = Result<T, Problem>> + use<T> {
    let declared = declares_json(request);
    let payload = payload.take();
    async move {
        let bytes = read_at_most(payload, max_bytes).await?;
        if !declared {
            let detail = "set the header Content-Type: application/json";
            return Err(Problem::new(Kind::UnsupportedMediaType, detail));
        }
        parse(&bytes)
    }
}

/// Reads a whole body, at most [`BODY_MAX_BYTES`].
///
/// # Errors
/// Too large, or the client went away.
pub async fn read_body(payload: Payload) -> Result<web::Bytes, Problem> {
    read_at_most(payload, BODY_MAX_BYTES).await
}

async fn read_at_most(mut payload: Payload, max_bytes: usize) -> Result<web::Bytes, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|cause| Problem::new(Kind::BadRequest, format!("the body broke off: {cause}")))?;
        if bytes.len().saturating_add(chunk.len()) > max_bytes {
            return Err(Problem::new(Kind::TooLarge, format!("a body may have {max_bytes} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Reads a JSON object into a type.
///
/// # Errors
/// No JSON at all, no object, or a field that is wrong, with its place.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list would be taken for an object's fields in their order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::flaw("", "must be an object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json);
    match read {
        Ok(value) => match json.end() {
            Ok(()) => Ok(value),
            Err(cause) => Err(Problem::new(Kind::NotJson, cause.to_string())),
        },
        Err(error) => {
            let cause = error.inner();
            if cause.is_data() {
                let pointer = pointer(error.path());
                return Err(Problem::flaw(pointer, without_place(&cause.to_string())));
            }
            Err(Problem::new(Kind::NotJson, cause.to_string()))
        }
    }
}

/// A JSON value into a type, with `base` before the place of what is wrong.
///
/// # Errors
/// A field that is wrong, with its place.
pub fn convert<T: DeserializeOwned>(base: &str, value: serde_json::Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let detail = without_place(&error.inner().to_string());
        Problem::invalid(vec![Flaw::new(format!("{base}{}", pointer(error.path())), detail)])
    })
}

fn declares_json(request: &HttpRequest) -> bool {
    let named = request.headers().contains_key(header::CONTENT_TYPE);
    named
        && matches!(request.mime_type(), Ok(Some(mime)) if is_json(mime.type_().as_str(), mime.subtype().as_str(), mime.suffix().map(|name| name.as_str())))
}

fn is_json(kind: &str, subtype: &str, suffix: Option<&str>) -> bool {
    kind == "application" && (subtype == "json" || suffix == Some("json"))
}

/// A place as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")))
            }
            // A variant is written as a value, not as a place; an unknown place is named by the message.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// The message without serde's "at line 1 column 7": the pointer says it better.
fn without_place(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(message, _)| message).to_owned()
}

/// The framework's words are for programmers.
fn query_error_in_words(cause: &impl std::fmt::Display) -> String {
    let text = cause.to_string();
    format!("query: {}", text.strip_prefix("Query deserialize error: ").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "a/b")]
        _number: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        _items: Vec<Inner>,
    }

    #[test]
    fn a_wrong_field_is_told_with_its_place() {
        for (json, kind, pointer) in [
            (r#"{"_items":[{"a/b":1},{"a/b":"x"}]}"#, Kind::Invalid, "/_items/1/a~1b"),
            (r#"{"_items":[],"more":1}"#, Kind::Invalid, "/more"),
            ("{}", Kind::Invalid, ""),
            ("{", Kind::NotJson, ""),
            (r#"{"_items":[]} x"#, Kind::NotJson, ""),
            ("[[]]", Kind::Invalid, ""),
        ] {
            let problem = parse::<Outer>(json.as_bytes()).unwrap_err();
            assert_eq!(problem.kind(), kind, "{json}");
            if kind == Kind::Invalid {
                let shown = format!("{problem:?}");
                assert!(shown.contains(&format!("pointer: {pointer:?}")), "{shown}");
            }
        }
    }
}
