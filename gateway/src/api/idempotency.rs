//! A POST with an `Idempotency-Key` happens once: its answer is stored and given again to whoever repeats the request.
//!
//! The request is carried out even if its caller goes away meanwhile, so that the repeat finds an answer. What is shown only once (a
//! token, a password) is not in the stored answer. An answer of 5xx means that nothing was settled: the repeat is carried out again.

use actix_web::body::{BoxBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, HttpResponseBuilder, web};
use ringmain_domain::id::TenantId;
use ringmain_store::idempotency::IdempotentAnswer;
use sha2::{Digest, Sha256};

use super::auth::{answer, refuse};
use super::extract::read_body;
use super::problem::{self, Kind, Problem};
use crate::clock;
use crate::house::House;
use crate::services::doorway::{AnswerSlot, Doorway};
use crate::services::keys::Caller;

/// The request header.
const HEADER: &str = "idempotency-key";
/// Tells that an answer is a stored one.
pub const REPLAYED_HEADER: &str = "idempotency-replayed";
/// The longest key.
const KEY_MAX_CHARS: usize = 255;
/// First status of answers that settle nothing.
const UNSETTLED: u16 = 500;

/// In a response's extensions: the body to store instead of the one that is sent, because that one shows a secret.
#[derive(Debug, Clone)]
pub struct StoredInstead(pub String);

/// What is to be done with a request that carries a key.
enum Verdict {
    CarryOut,
    Replay(IdempotentAnswer),
    Refuse(Problem),
}

/// Answers a POST, once for each key.
pub(super) async fn answer_once(
    caller: &Caller,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(header) = request.headers().get(HEADER) else { return answer(request, next).await };
    let Some(key) = header.to_str().ok().filter(|key| is_key(key)).map(str::to_owned) else {
        let detail = format!("Idempotency-Key must have 1 to {KEY_MAX_CHARS} visible ASCII characters");
        return Ok(refuse(request, &Problem::new(Kind::BadRequest, detail)));
    };
    let (Some(house), Some(doorway)) =
        (request.app_data::<web::Data<House>>().cloned(), request.app_data::<web::Data<Doorway>>().cloned())
    else {
        return Ok(refuse(request, &Problem::new(Kind::Internal, "this node was put together wrongly")));
    };
    let body = match read_body(request.parts_mut().1.take()).await {
        Ok(body) => body,
        Err(problem) => return Ok(refuse(request, &problem)),
    };
    let hash = request_hash(caller, &request, &body);
    request.set_payload(Payload::from(body));
    let Some(slot) = doorway.begin_answer(&caller.tenant, &key) else {
        return Ok(refuse(request, &in_progress()));
    };
    answer_in(slot, house, hash, request, next).await
}

/// Looks the key up and carries the request out in a task of its own: a caller that goes away does not stop it half way.
async fn answer_in(
    slot: AnswerSlot,
    house: web::Data<House>,
    hash: Vec<u8>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let kept = request.request().clone();
    let task = actix_web::rt::spawn(async move {
        match judge(&house, slot.tenant(), slot.key(), &hash).await {
            Ok(Verdict::CarryOut) => {
                let response = answer(request, next).await?;
                store_answer(&house, &slot, response).await
            }
            Ok(Verdict::Replay(stored)) => Ok(request.into_response(replay(stored))),
            Ok(Verdict::Refuse(problem)) | Err(problem) => Ok(refuse(request, &problem)),
        }
    });
    match task.await {
        Ok(answered) => answered,
        Err(_panicked) => {
            let problem = Problem::new(Kind::Internal, "the request was not carried out to its end");
            Ok(ServiceResponse::new(kept, actix_web::ResponseError::error_response(&problem)))
        }
    }
}

async fn judge(house: &House, tenant: &TenantId, key: &str, hash: &[u8]) -> Result<Verdict, Problem> {
    if house.store.claim_idempotent(tenant, key, hash, clock::now()).await? {
        return Ok(Verdict::CarryOut);
    }
    Ok(match house.store.find_idempotent(tenant, key).await? {
        // Dropped between the two look-ups, because it had become too old.
        None => Verdict::Refuse(in_progress()),
        Some(stored) if stored.request_hash != hash => Verdict::Refuse(Problem::new(
            Kind::KeyReused,
            "take another key: this one was sent with another request",
        )),
        Some(stored) if stored.status == 0 => Verdict::Refuse(in_progress()),
        Some(stored) if stored.status >= UNSETTLED => Verdict::CarryOut,
        Some(stored) => Verdict::Replay(stored),
    })
}

async fn store_answer(
    house: &House,
    slot: &AnswerSlot,
    response: ServiceResponse<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let instead = response.response().extensions().get::<StoredInstead>().cloned();
    let (request, response) = response.into_parts();
    let (head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body).await else {
        let problem = Problem::new(Kind::Internal, "the answer could not be written");
        return Ok(ServiceResponse::new(request, actix_web::ResponseError::error_response(&problem)));
    };
    let text =
        instead.map_or_else(|| String::from_utf8_lossy(&bytes).into_owned(), |StoredInstead(text)| text);
    let status = head.status().as_u16();
    if let Err(cause) = house.store.finish_idempotent(slot.tenant(), slot.key(), status, &text).await {
        // The change is made and the caller learns it; only a repeat of it would be told "in progress".
        tracing::warn!(cause = %cause, "answer to a request with an idempotency key not stored");
    }
    Ok(ServiceResponse::new(request, head.set_body(bytes).map_into_boxed_body()))
}

fn replay(stored: IdempotentAnswer) -> HttpResponse {
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
    let media_type = if status.is_success() { "application/json" } else { problem::MEDIA_TYPE };
    let mut response = HttpResponseBuilder::new(status);
    response.insert_header((REPLAYED_HEADER, "true"));
    if stored.body.is_empty() {
        return response.finish();
    }
    response.content_type(media_type).body(stored.body)
}

fn in_progress() -> Problem {
    let detail = "the first request with this key is still being answered, or this node was stopped while it was: \
                  look whether it was carried out before you send it with another key";
    Problem::new(Kind::InProgress, detail)
}

fn is_key(key: &str) -> bool {
    (1..=KEY_MAX_CHARS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Equal for a repeat: the same key's caller, the same path and query, the same bytes.
fn request_hash(caller: &Caller, request: &ServiceRequest, body: &[u8]) -> Vec<u8> {
    let hash = Sha256::new()
        .chain_update(caller.key_id.as_bytes())
        .chain_update(request.path())
        .chain_update([0])
        .chain_update(request.query_string())
        .chain_update([0])
        .chain_update(body);
    hash.finalize().to_vec()
}
