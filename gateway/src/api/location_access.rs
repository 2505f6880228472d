//! `locations/{id}/access`: who may charge at a location, and when.

use actix_web::{HttpResponse, web};
use ringmain_domain::authorize::rule::{AccessRule, AccessWindow, Admitted};
use ringmain_domain::id::{LocationId, TokenUid};
use ringmain_domain::time::local::{TimeOfDay, Weekday};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Body, Path};
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::location_access as service;
use crate::services::tokens::stored_uid;

/// Who may charge at a location.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessBody {
    /// Whoever one of these lets in may charge; without any rule everyone may. At most 50.
    #[schema(max_items = 50)]
    rules: Vec<AccessRuleBody>,
}

/// Lets somebody charge.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessRuleBody {
    /// Whom.
    #[schema(inline)]
    who: WhoBody,
    /// With `groups`: these groups' ids, at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    group_ids: Vec<TokenUid>,
    /// With `tokens`: these tokens' uids, at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    token_uids: Vec<TokenUid>,
    /// When, by the location's clock; always when empty. At most 20.
    #[serde(default)]
    #[schema(max_items = 20)]
    windows: Vec<AccessWindowBody>,
}

/// Whom a rule lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhoBody {
    /// Everyone whose token is in order.
    Everyone,
    /// Members of the groups in `group_ids`.
    Groups,
    /// The tokens in `token_uids`.
    Tokens,
}

/// A stretch of the day.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessWindowBody {
    /// `monday` to `sunday`; every day when empty. A window past midnight belongs to the day on which it begins.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["monday"]))]
    weekdays: Vec<Weekday>,
    /// `HH:MM`.
    #[schema(value_type = String, example = "06:00")]
    from: TimeOfDay,
    /// `HH:MM`; at or before `from`: of the next day.
    #[schema(value_type = String, example = "22:00")]
    to: TimeOfDay,
}

/// Who may charge at a location.
#[utoipa::path(get, path = "/api/v1/locations/{id}/access", tag = "locations", params(("id" = String, Path)),
    operation_id = "access_read",
    responses((status = 200, body = AccessBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
) -> Result<HttpResponse, Problem> {
    let rules = service::read(&house, &caller, &id).await?;
    Ok(HttpResponse::Ok().json(AccessBody::of(&rules)))
}

/// Says who may charge at a location. It counts from the next presented token on; what charges already goes on.
#[utoipa::path(put, path = "/api/v1/locations/{id}/access", tag = "locations", params(("id" = String, Path)),
    operation_id = "access_put", request_body = AccessBody,
    responses((status = 200, body = AccessBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
    Body(body): Body<AccessBody>,
) -> Result<HttpResponse, Problem> {
    let rules: Result<Vec<_>, _> =
        body.rules.into_iter().enumerate().map(|(index, rule)| rule.into_rule(index)).collect();
    let rules = rules?;
    service::put(&house, &caller, &id, &rules).await?;
    Ok(HttpResponse::Ok().json(AccessBody::of(&rules)))
}

impl AccessBody {
    fn of(rules: &[AccessRule]) -> Self {
        Self { rules: rules.iter().map(AccessRuleBody::of).collect() }
    }
}

impl AccessRuleBody {
    fn into_rule(self, index: usize) -> Result<AccessRule, Problem> {
        let superfluous = |field: &str, names: &[TokenUid]| match names {
            [] => Ok(()),
            _ => Err(Problem::flaw(format!("/rules/{index}/{field}"), "does not go with this `who`")),
        };
        let stored = |names: &[TokenUid]| names.iter().map(stored_uid).collect();
        let who = match self.who {
            WhoBody::Everyone => {
                superfluous("group_ids", &self.group_ids)?;
                superfluous("token_uids", &self.token_uids)?;
                Admitted::Everyone
            }
            WhoBody::Groups => {
                superfluous("token_uids", &self.token_uids)?;
                Admitted::Groups(stored(&self.group_ids))
            }
            WhoBody::Tokens => {
                superfluous("group_ids", &self.group_ids)?;
                Admitted::Tokens(stored(&self.token_uids))
            }
        };
        let window =
            |form: AccessWindowBody| AccessWindow { weekdays: form.weekdays, from: form.from, to: form.to };
        Ok(AccessRule { who, windows: self.windows.into_iter().map(window).collect() })
    }

    fn of(rule: &AccessRule) -> Self {
        let (who, group_ids, token_uids) = match &rule.who {
            Admitted::Everyone => (WhoBody::Everyone, Vec::new(), Vec::new()),
            Admitted::Groups(names) => (WhoBody::Groups, names.clone(), Vec::new()),
            Admitted::Tokens(names) => (WhoBody::Tokens, Vec::new(), names.clone()),
        };
        let window = |window: &AccessWindow| AccessWindowBody {
            weekdays: window.weekdays.clone(),
            from: window.from,
            to: window.to,
        };
        Self { who, group_ids, token_uids, windows: rule.windows.iter().map(window).collect() }
    }
}
