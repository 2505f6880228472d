//! Headers of OCPI: whose token, which message, from whom to whom (OCPI 2.2.1, transport and format).

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_domain::time::Timestamp;
use ringmain_store::partners::calls::{PartnerCall, Said};
use ringmain_store::partners::lanes::PartnerStanding;
use std::time::Instant;
use uuid::Uuid;

use crate::client::log::cut;
use crate::hub::Hub;
use crate::ocpi::caller::Known;
use crate::ocpi::envelope::now;

/// Longer values are not looked at, and not sent back.
const VALUE_MAX_BYTES: usize = 256;

/// What an answer takes from its request, and under which name: messages keep their ids, sender and receiver change places.
const ANSWERED: [(&str, &str); 6] = [
    ("x-request-id", "x-request-id"),
    ("x-correlation-id", "x-correlation-id"),
    ("ocpi-from-country-code", "ocpi-to-country-code"),
    ("ocpi-from-party-id", "ocpi-to-party-id"),
    ("ocpi-to-country-code", "ocpi-from-country-code"),
    ("ocpi-to-party-id", "ocpi-from-party-id"),
];

/// The texts the token in `Authorization: Token …` may stand for, most likely first: decoded from base64, and as it is, because many
/// peers of 2.2.1 still send it raw.
#[must_use]
pub fn tokens(headers: &HeaderMap) -> Vec<String> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, text)) = value.and_then(|value| value.split_once(' ')) else { return Vec::new() };
    let text = text.trim();
    if !scheme.eq_ignore_ascii_case("token") || text.is_empty() || text.len() > VALUE_MAX_BYTES {
        return Vec::new();
    }
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    // The specification's own examples encode a line end too.
    let decoded = decoded.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
    decoded.into_iter().chain([text.to_owned()]).collect()
}

/// Writes the headers of an answer that follow from those of its request.
///
/// # Errors
/// Only what the inner service fails with.
pub async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let take = |(asked, answered): (&str, &'static str)| {
        let value = request.headers().get(asked).filter(|value| value.len() <= VALUE_MAX_BYTES)?;
        Some((HeaderName::from_static(answered), value.clone()))
    };
    let headers: Vec<_> = ANSWERED.into_iter().filter_map(take).collect();
    let (at, began) = (now(), Instant::now());
    let mut response = next.call(request).await?;
    note(&response, at, began);
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// Writes a partner's call down; of strangers there is nobody to write it to.
fn note(response: &ServiceResponse<impl MessageBody>, at: Timestamp, began: Instant) {
    let request = response.request();
    let Some(hub) = request.app_data::<web::Data<Hub>>() else { return };
    let Some(Known(partner)) = request.extensions().get::<Known>().copied() else { return };
    let request_id = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
    let said = Said {
        method: request.method().as_str().into(),
        url: cut(&request.uri().to_string()).into(),
        request_id: request_id.map(|id| id.chars().take(64).collect::<String>().into()),
        http: Some(response.status().as_u16()),
        took_ms: u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX),
        ..Said::default()
    };
    if hub.limits.is_worth_a_note(partner, began) {
        let standing = PartnerStanding { called_at: Some(at), ..PartnerStanding::default() };
        let (store, tenant) = (hub.store.clone(), hub.tenant.clone());
        hub.client.runtime().spawn(async move {
            // Told again in a minute.
            store.note_partner_standing(&tenant, partner, &standing).await.ok();
        });
    }
    let (tenant, id) = (hub.tenant.clone(), Uuid::now_v7());
    hub.client.log().note(PartnerCall { tenant, partner, id, at, inbound: true, said });
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn a_token_is_read_from_base64_and_raw() {
        let check = |value: &str, expect: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            assert_eq!(tokens(&headers), expect, "{value}");
        };
        check(
            "Token ZWJmM2IzOTktNzc5Zi00NDk3LTliOWQtYWM2YWQzY2M0NGQyCg==",
            &["ebf3b399-779f-4497-9b9d-ac6ad3cc44d2", "ZWJmM2IzOTktNzc5Zi00NDk3LTliOWQtYWM2YWQzY2M0NGQyCg=="],
        );
        check("token ebf3b399-779f-4497-9b9d-ac6ad3cc44d2", &["ebf3b399-779f-4497-9b9d-ac6ad3cc44d2"]);
        check("Token  a", &["a"]);
        check("Bearer abc", &[]);
        check("Token", &[]);
        check("Token ", &[]);
        check(&format!("Token {}", "x".repeat(VALUE_MAX_BYTES + 1)), &[]);
        assert!(tokens(&HeaderMap::new()).is_empty());
    }
}
