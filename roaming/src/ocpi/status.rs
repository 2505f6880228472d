//! OCPI status codes, and refusals that carry one (OCPI 2.2.1, status codes).
//!
//! HTTP tells how the transport went; what OCPI thinks of a request stands in the body, mostly under HTTP 200.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use ringmain_store::store::StoreError;

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
    /// Our fault.
    ServerError,
}

/// A request that was not done, as the caller hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    http: StatusCode,
    status: Status,
    message: Box<str>,
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
            Self::ServerError => 3000,
        }
    }
}

// === impl Refusal ===

impl Refusal {
    fn new(http: StatusCode, status: Status, message: impl Into<Box<str>>) -> Self {
        Self { http, status, message: message.into() }
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
        envelope::refusal(self.http, self.status, &self.message)
    }
}
