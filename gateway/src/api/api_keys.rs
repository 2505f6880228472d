//! `api-keys`: who may call. A token is shown once, when its key is made.

use actix_web::{HttpResponse, web};
use ringmain_domain::access::AccessRole;
use ringmain_store::access::ApiKey;
use ringmain_store::page::Page;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::auth::Authorized;
use super::charging_stations::show_once;
use super::extract::{Body, Path, Query};
use super::fields::Instant;
use super::locations::PageQuery;
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::keys::{self as service, NewKey};

const LIST: &str = "api-keys";

/// What a key may do.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleForm {
    /// Everything, keys included.
    Administrator,
    /// Reads, and works with stations, tokens and tariffs.
    Operator,
    /// Reads only.
    Viewer,
}

/// An API key.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ApiKeyBody {
    id: Uuid,
    name: String,
    role: RoleForm,
    created_at: Instant,
    expires_at: Option<Instant>,
    revoked_at: Option<Instant>,
    /// Only in the answer to its creation: shown once. Null in an answer that is given again for a repeated request.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Option<String>>,
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateApiKeyRequest {
    #[schema(max_length = 100)]
    name: String,
    role: RoleForm,
    /// For ever when absent.
    expires_at: Option<Instant>,
}

/// All API keys, oldest first, revoked ones too.
#[utoipa::path(get, path = "/api/v1/api-keys", tag = "api-keys", params(PageQuery),
    responses((status = 200, body = ListBody<ApiKeyBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let mut keys = house.store.api_keys(&caller.tenant).await?;
    // Ids are made in the order of time.
    keys.sort_by_key(|key| key.id);
    keys.retain(|key| request.after.as_ref().is_none_or(|after| key.id.to_string() > *after));
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|key| key.id.to_string());
    Ok(HttpResponse::Ok().json(paging::body(LIST, Page { items: keys, next }, ApiKeyBody::from)))
}

/// Makes an API key.
#[utoipa::path(post, path = "/api/v1/api-keys", tag = "api-keys", request_body = CreateApiKeyRequest,
    responses((status = 201, body = ApiKeyBody), (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Body(body): Body<CreateApiKeyRequest>,
) -> Result<HttpResponse, Problem> {
    let new =
        NewKey { name: body.name.into(), role: body.role.into(), expires_at: body.expires_at.map(|at| at.0) };
    let made = service::make(&house, &caller, new).await?;
    let key = ApiKeyBody::from(made.key);
    let unshown = ApiKeyBody { token: Some(None), ..key.clone() };
    let shown = ApiKeyBody { token: Some(Some(made.token.reveal().to_owned())), ..key };
    Ok(show_once(HttpResponse::Created().json(shown), &unshown))
}

/// Revokes an API key at once.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", tag = "api-keys", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn revoke(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    service::revoke(&house, &caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name.into(),
            role: key.role.into(),
            created_at: key.created_at.into(),
            expires_at: key.expires_at.map(Into::into),
            revoked_at: key.revoked_at.map(Into::into),
            token: None,
        }
    }
}

impl From<AccessRole> for RoleForm {
    fn from(role: AccessRole) -> Self {
        match role {
            AccessRole::Administrator => Self::Administrator,
            AccessRole::Operator => Self::Operator,
            AccessRole::Viewer => Self::Viewer,
        }
    }
}

impl From<RoleForm> for AccessRole {
    fn from(role: RoleForm) -> Self {
        match role {
            RoleForm::Administrator => Self::Administrator,
            RoleForm::Operator => Self::Operator,
            RoleForm::Viewer => Self::Viewer,
        }
    }
}
