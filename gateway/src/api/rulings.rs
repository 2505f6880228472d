//! `sessions/{id}/rulings`: a person's word about a session that is held for review, or was billed and should not have been.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::SessionId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Body, Path};
use super::problem::{Problem, ProblemBody};
use super::sessions::SessionBody;
use crate::house::House;
use crate::services::rulings::{self as service, Word};

/// A ruling about a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RulingRequest {
    ruling: RulingForm,
    /// Why; kept with the session and shown on its page.
    #[schema(max_length = 500)]
    note: String,
    /// The `facts` of the session as it was looked at. When it is made of another number by now the answer is 409 and nothing is decided.
    #[serde(default)]
    facts: Option<u32>,
}

/// What a person decides.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RulingForm {
    /// Bill it as it stands.
    Approved,
    /// Nobody pays; a bill that was made is taken back by a credit.
    Voided,
}

/// Rules about a session that is over.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/rulings", tag = "sessions", params(("id" = String, Path)),
    request_body = RulingRequest,
    responses((status = 201, body = SessionBody), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn rule(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<SessionId>,
    Body(body): Body<RulingRequest>,
) -> Result<HttpResponse, Problem> {
    let word = match body.ruling {
        RulingForm::Approved => Word::Approve,
        RulingForm::Voided => Word::Void,
    };
    let session = service::give(&house, &caller, id, (word, &body.note), body.facts).await?;
    Ok(HttpResponse::Created().json(SessionBody::from(session)))
}
