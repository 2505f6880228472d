//! OCPI status codes, and refusals that carry one (OCPI 2.2.1, status codes).
//!
//! HTTP tells how the transport went; what OCPI thinks of a request stands in the body, mostly under HTTP 200.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use ringmain_store::store::StoreError;

use crate::handshake::LearnError;
use crate::ocpi::envelope;

/// What OCPI thinks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Success,
    /// The caller's fault, in no closer way.
    ClientError,
    /// A parameter or a field is missing or wrong.
    InvalidParameter,
    /// There is no such location, EVSE or connector.
    UnknownLocation,
    /// There is no such token.
    UnknownToken,
    /// Our fault.
    ServerError,
    /// The caller's own API cannot be used.
    ClientApi,
    /// There is no version that both speak.
    NoVersion,
    /// There are no endpoints that fit.
    NoEndpoints,
}

/// A request that was not done, as the caller hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    http: StatusCode,
    status: Status,
    message: Box<str>,
    retry_after_s: Option<u32>,
}

// === impl Status ===

impl Status {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Success => 1000,
            Self::ClientError => 2000,
            Self::InvalidParameter => 2001,
            Self::UnknownLocation => 2003,
            Self::UnknownToken => 2004,
            Self::ServerError => 3000,
            Self::ClientApi => 3001,
            Self::NoVersion => 3002,
            Self::NoEndpoints => 3003,
        }
    }
}

// === impl Refusal ===

impl Refusal {
    fn new(http: StatusCode, status: Status, message: impl Into<Box<str>>) -> Self {
        Self { http, status, message: message.into(), retry_after_s: None }
    }

    /// HTTP 401: no token, an unknown or dead one, or token A where token C is needed.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Status::ClientError, "no valid token")
    }

    /// HTTP 405: the wrong time for this method, or no such method here.
    #[must_use]
    pub fn not_allowed(message: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Status::ClientError, message)
    }

    /// HTTP 400: the body is too large, or no JSON of this kind.
    #[must_use]
    pub fn malformed(message: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Status::InvalidParameter, message)
    }

    /// HTTP 200: a parameter or field that can be read, but not used.
    #[must_use]
    pub fn invalid(message: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::OK, Status::InvalidParameter, message)
    }

    /// HTTP 404: no such location, EVSE or connector.
    #[must_use]
    pub fn unknown_location() -> Self {
        Self::new(StatusCode::NOT_FOUND, Status::UnknownLocation, "no such location, EVSE or connector")
    }

    /// HTTP 404 with 2004: no such token.
    #[must_use]
    pub fn unknown_token() -> Self {
        Self::new(StatusCode::NOT_FOUND, Status::UnknownToken, "no such token")
    }

    /// HTTP 404: an object of somebody the caller does not act for.
    #[must_use]
    pub fn foreign() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Status::InvalidParameter,
            "you do not act for this party in this role",
        )
    }

    /// HTTP 429: too many calls.
    #[must_use]
    pub fn busy(retry_after_s: u32) -> Self {
        let busy =
            Self::new(StatusCode::TOO_MANY_REQUESTS, Status::ClientError, "too many calls, come back later");
        Self { retry_after_s: Some(retry_after_s), ..busy }
    }

    /// HTTP 200: the caller's own API does not do what the handshake needs.
    #[must_use]
    pub fn handshake(error: &LearnError) -> Self {
        let status = match error {
            LearnError::Call(_) | LearnError::Unreadable(_) => Status::ClientApi,
            LearnError::NoVersion => Status::NoVersion,
            LearnError::NoModules(_) => Status::NoEndpoints,
        };
        Self::new(StatusCode::OK, status, error.to_string())
    }

    /// HTTP 200 with 3002: a version that is not spoken with this caller.
    #[must_use]
    pub fn version() -> Self {
        Self::new(
            StatusCode::OK,
            Status::NoVersion,
            "this version was not settled with you: look at our versions",
        )
    }

    /// HTTP 404: no such path.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, Status::ClientError, "no such path")
    }

    /// HTTP 200 with 3000: we cannot do it now. Why, only the log says.
    #[must_use]
    pub fn ours() -> Self {
        Self::new(StatusCode::OK, Status::ServerError, "not possible now, try again later")
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if let StoreError::Corrupt { .. } = error {
            tracing::error!(%error, "partner's request meets a corrupt store");
        } else {
            tracing::warn!(%error, "partner's request meets a store in trouble");
        }
        Self::ours()
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.http.as_u16(), self.status.code(), self.message)
    }
}

impl std::error::Error for Refusal {}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.http
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = envelope::refusal(self.http, self.status, &self.message);
        if let Some(after) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(after));
        }
        response
    }
}
