//! `token-groups`: what holds for all tokens of a group.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::TokenUid;
use ringmain_domain::token::TokenGroup;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Body, Path, Query};
use super::fields::Instant;
use super::locations::{PageQuery, answer_put};
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::clock;
use crate::house::House;
use crate::services::keys::Caller;
use crate::services::token_groups as service;
use crate::services::tokens::stored_uid;

const LIST: &str = "token-groups";

/// A group of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenGroupBody {
    /// In ASCII upper case; tokens name it as `group_uid`.
    #[schema(value_type = String)]
    id: TokenUid,
    name: String,
    /// All its tokens are refused when set.
    blocked: bool,
    /// All its tokens are refused from this instant on.
    expires_at: Option<Instant>,
    /// How many transactions each of its tokens may have at once; 0 is no limit. Null: `tokens.concurrent_max` of the configuration.
    concurrent_max: Option<u32>,
    updated_at: Instant,
}

/// A group to create or to replace another with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenGroupRequest {
    /// Kept in ASCII upper case. With PUT the path's.
    #[schema(value_type = Option<String>, max_length = 255)]
    id: Option<TokenUid>,
    #[schema(max_length = 100)]
    name: String,
    #[serde(default)]
    blocked: bool,
    expires_at: Option<Instant>,
    #[schema(maximum = 1000)]
    concurrent_max: Option<u32>,
}

/// All token groups that have a record, by id.
#[utoipa::path(get, path = "/api/v1/token-groups", tag = "token-groups", params(PageQuery),
    responses((status = 200, body = ListBody<TokenGroupBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let page = house.store.token_groups(&caller.tenant, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, TokenGroupBody::from)))
}

/// Creates a token group.
#[utoipa::path(post, path = "/api/v1/token-groups", tag = "token-groups", request_body = TokenGroupRequest,
    responses((status = 201, body = TokenGroupBody), (status = 409, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Body(body): Body<TokenGroupRequest>,
) -> Result<HttpResponse, Problem> {
    let Some(id) = body.id.clone() else { return Err(Problem::flaw("/id", "is missing")) };
    let group = body.into_group(&caller, &id);
    service::create(&house, &caller, &group).await?;
    Ok(HttpResponse::Created().json(TokenGroupBody::from(group)))
}

/// One token group, whatever the case of its letters.
#[utoipa::path(get, path = "/api/v1/token-groups/{id}", tag = "token-groups", params(("id" = String, Path)),
    responses((status = 200, body = TokenGroupBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<TokenUid>,
) -> Result<HttpResponse, Problem> {
    let group = service::own(&house, &caller, &id).await?;
    Ok(HttpResponse::Ok().json(TokenGroupBody::from(group)))
}

/// Creates a token group or replaces it.
#[utoipa::path(put, path = "/api/v1/token-groups/{id}", tag = "token-groups", params(("id" = String, Path)),
    request_body = TokenGroupRequest,
    responses((status = 200, body = TokenGroupBody, description = "replaced"),
        (status = 201, body = TokenGroupBody, description = "created"), (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<TokenUid>,
    Body(body): Body<TokenGroupRequest>,
) -> Result<HttpResponse, Problem> {
    if body.id.as_ref().is_some_and(|named| stored_uid(named) != stored_uid(&id)) {
        return Err(Problem::flaw("/id", "differs from the path: leave it out"));
    }
    let group = body.into_group(&caller, &id);
    let put = service::put(&house, &caller, &group).await?;
    Ok(answer_put(put, &TokenGroupBody::from(group)))
}

/// Removes a token group that no token names.
#[utoipa::path(delete, path = "/api/v1/token-groups/{id}", tag = "token-groups", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn delete(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<TokenUid>,
) -> Result<HttpResponse, Problem> {
    service::remove(&house, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl TokenGroupRequest {
    fn into_group(self, caller: &Caller, id: &TokenUid) -> TokenGroup {
        TokenGroup {
            tenant: caller.tenant.clone(),
            id: stored_uid(id),
            name: self.name.into(),
            blocked: self.blocked,
            expires_at: self.expires_at.map(|at| at.0),
            concurrent_max: self.concurrent_max,
            updated_at: clock::now(),
        }
    }
}

impl From<TokenGroup> for TokenGroupBody {
    fn from(group: TokenGroup) -> Self {
        Self {
            id: group.id,
            name: group.name.into(),
            blocked: group.blocked,
            expires_at: group.expires_at.map(Into::into),
            concurrent_max: group.concurrent_max,
            updated_at: group.updated_at.into(),
        }
    }
}
