//! `tokens`: who may charge.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::TokenUid;
use ringmain_domain::token::{Token, TokenKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Body, Path, Query};
use super::fields::{Instant, patch};
use super::locations::{PageQuery, answer_put};
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::clock;
use crate::house::House;
use crate::services::keys::Caller;
use crate::services::tokens::{self as service, kind_name, kind_named, stored_uid};

const LIST: &str = "tokens";

/// A token: a card, an app account, a contract.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenBody {
    /// In ASCII upper case.
    #[schema(value_type = String)]
    uid: TokenUid,
    /// `rfid`, `central`, `e_maid`, `key_code`, `local`, `mac_address`, `no_authorization`, `direct_payment`, or another name.
    #[schema(example = "rfid")]
    kind: String,
    /// Members of a group may stop each other's transactions.
    #[schema(value_type = Option<String>)]
    group_uid: Option<TokenUid>,
    /// For people; never sent to a station.
    label: Option<String>,
    /// Refused everywhere when set.
    blocked: bool,
    /// Refused from this instant on.
    expires_at: Option<Instant>,
    /// How many transactions it may have at once; 0 is no limit. Null: its group's number, or `tokens.concurrent_max` of the
    /// configuration.
    concurrent_max: Option<u32>,
    updated_at: Instant,
}

/// A token to create or to replace another with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRequest {
    /// Kept in ASCII upper case. With PUT the path's.
    #[schema(value_type = Option<String>, max_length = 255)]
    uid: Option<TokenUid>,
    /// `rfid` when absent.
    kind: Option<String>,
    #[schema(value_type = Option<String>)]
    group_uid: Option<TokenUid>,
    #[schema(max_length = 100)]
    label: Option<String>,
    #[serde(default)]
    blocked: bool,
    expires_at: Option<Instant>,
    /// 0 is no limit.
    #[schema(maximum = 1000)]
    concurrent_max: Option<u32>,
}

/// What to change; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeTokenRequest {
    #[serde(default, deserialize_with = "patch")]
    #[schema(value_type = Option<String>)]
    group_uid: Option<Option<TokenUid>>,
    #[serde(default, deserialize_with = "patch")]
    #[schema(value_type = Option<String>)]
    label: Option<Option<String>>,
    blocked: Option<bool>,
    #[serde(default, deserialize_with = "patch")]
    #[schema(value_type = Option<Instant>)]
    expires_at: Option<Option<Instant>>,
    #[serde(default, deserialize_with = "patch")]
    #[schema(value_type = Option<u32>, maximum = 1000)]
    concurrent_max: Option<Option<u32>>,
}

/// All tokens, by uid.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", params(PageQuery),
    responses((status = 200, body = ListBody<TokenBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let page = house.store.tokens(&caller.tenant, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, TokenBody::from)))
}

/// Creates a token.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = TokenRequest,
    responses((status = 201, body = TokenBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Body(body): Body<TokenRequest>,
) -> Result<HttpResponse, Problem> {
    let Some(uid) = body.uid.clone() else { return Err(Problem::flaw("/uid", "is missing")) };
    let token = body.into_token(&caller, &uid);
    service::create(&house, &caller, &token).await?;
    Ok(HttpResponse::Created().json(TokenBody::from(token)))
}

/// One token, whatever the case of its letters.
#[utoipa::path(get, path = "/api/v1/tokens/{uid}", tag = "tokens", params(("uid" = String, Path)),
    responses((status = 200, body = TokenBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(uid): Path<TokenUid>,
) -> Result<HttpResponse, Problem> {
    let token = service::own(&house, &caller, &uid).await?;
    Ok(HttpResponse::Ok().json(TokenBody::from(token)))
}

/// Creates a token or replaces it.
#[utoipa::path(put, path = "/api/v1/tokens/{uid}", tag = "tokens", params(("uid" = String, Path)),
    request_body = TokenRequest,
    responses((status = 200, body = TokenBody, description = "replaced"),
        (status = 201, body = TokenBody, description = "created"), (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(uid): Path<TokenUid>,
    Body(body): Body<TokenRequest>,
) -> Result<HttpResponse, Problem> {
    if body.uid.as_ref().is_some_and(|named| stored_uid(named) != stored_uid(&uid)) {
        return Err(Problem::flaw("/uid", "differs from the path: leave it out"));
    }
    let token = body.into_token(&caller, &uid);
    let put = service::put(&house, &caller, &token).await?;
    Ok(answer_put(put, &TokenBody::from(token)))
}

/// Changes a token, for example to block it.
#[utoipa::path(patch, path = "/api/v1/tokens/{uid}", tag = "tokens", params(("uid" = String, Path)),
    request_body = ChangeTokenRequest,
    responses((status = 200, body = TokenBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn change(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(uid): Path<TokenUid>,
    Body(body): Body<ChangeTokenRequest>,
) -> Result<HttpResponse, Problem> {
    let mut token = service::own(&house, &caller, &uid).await?;
    token.updated_at = clock::now();
    token.blocked = body.blocked.unwrap_or(token.blocked);
    if let Some(group) = body.group_uid {
        token.group = group;
    }
    if let Some(label) = body.label {
        token.label = label.map(Into::into);
    }
    if let Some(expires_at) = body.expires_at {
        token.expires_at = expires_at.map(|at| at.0);
    }
    if let Some(max) = body.concurrent_max {
        token.concurrent_max = max;
    }
    service::put(&house, &caller, &token).await?;
    Ok(HttpResponse::Ok().json(TokenBody::from(token)))
}

/// Removes a token.
#[utoipa::path(delete, path = "/api/v1/tokens/{uid}", tag = "tokens", params(("uid" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(super) async fn delete(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(uid): Path<TokenUid>,
) -> Result<HttpResponse, Problem> {
    service::remove(&house, &caller, &uid).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl TokenRequest {
    fn into_token(self, caller: &Caller, uid: &TokenUid) -> Token {
        Token {
            tenant: caller.tenant.clone(),
            uid: stored_uid(uid),
            kind: self.kind.map_or_else(TokenKind::default, |name| kind_named(&name)),
            group: self.group_uid,
            label: self.label.map(Into::into),
            blocked: self.blocked,
            expires_at: self.expires_at.map(|at| at.0),
            concurrent_max: self.concurrent_max,
            updated_at: clock::now(),
        }
    }
}

impl From<Token> for TokenBody {
    fn from(token: Token) -> Self {
        Self {
            kind: kind_name(&token.kind).to_owned(),
            uid: token.uid,
            group_uid: token.group,
            label: token.label.map(Into::into),
            blocked: token.blocked,
            expires_at: token.expires_at.map(Into::into),
            concurrent_max: token.concurrent_max,
            updated_at: token.updated_at.into(),
        }
    }
}
