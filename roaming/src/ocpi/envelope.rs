//! The frame around every answer (OCPI 2.2.1, response format), and the one place here that asks what time it is.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use ringmain_domain::time::Timestamp;
use serde::Serialize;

use crate::ocpi::status::Status;
use crate::ocpi::values::DateTime;

#[derive(Debug, Serialize)]
struct Envelope<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    status_code: u16,
    status_message: &'a str,
    timestamp: DateTime,
}

/// Now, by this machine's clock.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// HTTP 200 with data.
pub fn success<T: Serialize>(data: T) -> HttpResponse {
    respond(StatusCode::OK, Status::Success, "Success", Some(data))
}

/// HTTP 200 without data.
#[must_use]
pub fn done() -> HttpResponse {
    respond::<()>(StatusCode::OK, Status::Success, "Success", None)
}

/// HTTP 201 without data: something new was kept.
#[must_use]
pub fn created() -> HttpResponse {
    respond::<()>(StatusCode::CREATED, Status::Success, "Success", None)
}

/// Anything but success.
#[must_use]
pub fn refusal(http: StatusCode, status: Status, message: &str) -> HttpResponse {
    let mut response = respond::<()>(http, status, message, None);
    if http == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Token"));
    }
    response
}

fn respond<T: Serialize>(http: StatusCode, status: Status, message: &str, data: Option<T>) -> HttpResponse {
    let timestamp = DateTime(now());
    HttpResponse::build(http).json(Envelope {
        data,
        status_code: status.code(),
        status_message: message,
        timestamp,
    })
}
