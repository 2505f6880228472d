//! Problem details (RFC 9457): how every refusal of the API looks.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use ringmain_store::store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::services::refusal::{Flaw, Refusal};

/// The media type of problem details.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The kinds of problems: each has its own `type`, which never changes, and one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A query parameter, header or cursor makes no sense.
    BadRequest,
    /// The body is no JSON.
    NotJson,
    /// No valid key was presented.
    Unauthorized,
    /// The key may not do that.
    Forbidden,
    /// No such thing, or another tenant's.
    NotFound,
    /// The path has no such method.
    MethodNotAllowed,
    /// It contradicts what is stored.
    Conflict,
    /// The first request with this idempotency key is still being answered.
    InProgress,
    /// The body is too large.
    TooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body is JSON and wrong.
    Invalid,
    /// The idempotency key was used for another request.
    KeyReused,
    /// Too many requests.
    TooManyRequests,
    /// A fault of ours.
    Internal,
    /// The store is away, or too many streams are open.
    Unavailable,
}

/// A problem, to be told to the caller.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<Flaw>,
    /// Boxed, so that a result that is usually fine stays small.
    header: Option<Box<(header::HeaderName, HeaderValue)>>,
}

/// A problem as JSON.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Names the kind of problem: `urn:ringmain:problem:` and a word.
    #[serde(rename = "type")]
    #[schema(example = "urn:ringmain:problem:invalid")]
    kind: String,
    /// The kind in words, always the same.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// What is wrong with which field, when fields are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// What is wrong with one field.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// Where: a JSON pointer (RFC 6901) into the body; empty for the whole of it.
    pointer: String,
    /// What is wrong.
    detail: String,
}

// === impl Kind ===

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 15] = [
        Self::BadRequest,
        Self::NotJson,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::InProgress,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::KeyReused,
        Self::TooManyRequests,
        Self::Internal,
        Self::Unavailable,
    ];

    /// Its word, title and status.
    const fn row(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::BadRequest => ("bad-request", "The request makes no sense", StatusCode::BAD_REQUEST),
            Self::NotJson => ("not-json", "The body is not JSON", StatusCode::BAD_REQUEST),
            Self::Unauthorized => ("unauthorized", "A valid API key is needed", StatusCode::UNAUTHORIZED),
            Self::Forbidden => ("forbidden", "This API key may not do that", StatusCode::FORBIDDEN),
            Self::NotFound => ("not-found", "There is no such thing", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => {
                ("method-not-allowed", "There is no such method here", StatusCode::METHOD_NOT_ALLOWED)
            }
            Self::Conflict => ("conflict", "Something stands in the way", StatusCode::CONFLICT),
            Self::InProgress => {
                ("in-progress", "The first request is still being answered", StatusCode::CONFLICT)
            }
            Self::TooLarge => ("too-large", "The body is too large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", "The body must be JSON", StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            Self::Invalid => ("invalid", "Fields are wrong", StatusCode::UNPROCESSABLE_ENTITY),
            Self::KeyReused => (
                "key-reused",
                "The idempotency key belongs to another request",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            Self::TooManyRequests => {
                ("too-many-requests", "Too many requests", StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Internal => ("internal", "A fault of the server", StatusCode::INTERNAL_SERVER_ERROR),
            Self::Unavailable => ("unavailable", "Try again soon", StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().2
    }
}

// === impl Problem ===

impl Problem {
    /// A problem in words.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let header = match kind {
            Kind::Unauthorized => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ringmain\"")))
            }
            Kind::TooManyRequests | Kind::Unavailable => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("1")))
            }
            _ => None,
        };
        Self { kind, detail: detail.into(), errors: Vec::new(), header: header.map(Box::new) }
    }

    /// Fields are wrong.
    #[must_use]
    pub fn invalid(errors: Vec<Flaw>) -> Self {
        Self { errors, ..Self::new(Kind::Invalid, "see errors") }
    }

    /// One field is wrong.
    #[must_use]
    pub fn flaw(pointer: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::invalid(vec![Flaw::new(pointer, detail)])
    }

    /// No such thing.
    #[must_use]
    pub fn absent(what: &'static str, id: impl ToString) -> Self {
        Refusal::absent(what, id).into()
    }

    /// The path has no such method; `allowed` goes into the header `Allow`.
    #[must_use]
    pub fn method_not_allowed(allowed: &str) -> Self {
        let problem = Self::new(Kind::MethodNotAllowed, format!("allowed here: {allowed}"));
        let header = HeaderValue::from_str(allowed).ok().map(|value| Box::new((header::ALLOW, value)));
        Self { header, ..problem }
    }

    /// What is wrong with which field; where none is to blame, the problem in words for the whole.
    pub(crate) fn into_flaws(self) -> Vec<Flaw> {
        if self.errors.is_empty() {
            let detail = format!("{}: {}", self.kind.row().1, self.detail);
            return vec![Flaw::new("", detail)];
        }
        self.errors
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let (word, title, status) = self.kind.row();
        let field =
            |flaw: &Flaw| FieldError { pointer: flaw.pointer.to_string(), detail: flaw.detail.clone() };
        let body = ProblemBody {
            kind: format!("urn:ringmain:problem:{word}"),
            title,
            status: status.as_u16(),
            detail: self.detail.to_string(),
            errors: self.errors.iter().map(field).collect(),
        };
        let mut response = HttpResponse::build(status);
        if let Some(pair) = self.header.clone() {
            response.insert_header(*pair);
        }
        let text = serde_json::to_string(&body).unwrap_or_default();
        response.content_type(MEDIA_TYPE).body(text)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Absent { .. } => Self::new(Kind::NotFound, refusal.to_string()),
            Refusal::Conflict { reason } => Self::new(Kind::Conflict, String::from(reason)),
            Refusal::Invalid(flaws) => Self::invalid(flaws),
            Refusal::Store(cause) => cause.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable { .. } => {
                tracing::warn!(cause = %error, "API request not answered");
                Self::new(Kind::Unavailable, "the store cannot be reached; nothing was changed")
            }
            StoreError::Unknown { .. } => {
                tracing::warn!(cause = %error, "API request with unknown outcome");
                Self::new(
                    Kind::Unavailable,
                    "it is not known whether the change was made: look, or send the same again",
                )
            }
            StoreError::Conflict { .. } => {
                tracing::debug!(cause = %error, "API request in conflict");
                Self::new(Kind::Conflict, "something stored stands in the way")
            }
            StoreError::Corrupt { .. } => {
                tracing::error!(cause = %error, "stored data is not what it must be");
                Self::new(Kind::Internal, "stored data is not what it must be; the log says more")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: BTreeSet<_> = Kind::ALL.into_iter().map(|kind| kind.row().0).collect();
        assert_eq!(words.len(), Kind::ALL.len());
    }

    #[test]
    fn an_engine_s_words_do_not_reach_the_caller() {
        for error in [
            StoreError::Unavailable { reason: "password of db".into() },
            StoreError::Unknown { reason: "password of db".into() },
            StoreError::Conflict { reason: "password of db".into() },
            StoreError::Corrupt { reason: "password of db".into() },
        ] {
            assert!(!Problem::from(error).to_string().contains("password"));
        }
    }
}
