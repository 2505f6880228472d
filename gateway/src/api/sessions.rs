//! `sessions`: drivers' stays, as partners and operators see them.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{
    ConnectorId, EvseId, LocationId, SessionId, StationId, TariffId, TokenUid, TransactionId,
};
use ringmain_domain::session::{Session, SessionStatus};
use ringmain_store::sessions::SessionFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Authorized;
use super::extract::{Path, Query};
use super::fields::{CostBody, Instant};
use super::metered::MeteredBody;
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::sessions::flag_name;
use crate::services::tokens::kind_name;

const LIST: &str = "sessions";
const MS_PER_SECOND: i64 = 1000;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StatusBody {
    /// Going on.
    Active,
    /// Over and billed, or free.
    Completed,
    /// Over, and nobody is to pay.
    Invalid,
    /// Over, but a person must look before it is billed.
    UnderReview,
}

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionsQuery {
    /// Items on the page, 1 to 1,000; 100 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// At this station.
    #[param(value_type = Option<String>)]
    charging_station_id: Option<StationId>,
    /// At this location.
    #[param(value_type = Option<String>)]
    location_id: Option<LocationId>,
    /// In this status.
    #[param(inline)]
    status: Option<StatusBody>,
    /// Of this token.
    #[param(value_type = Option<String>)]
    token_uid: Option<TokenUid>,
    /// Started at this instant or later.
    started_at_from: Option<Instant>,
    /// Started before this instant.
    started_at_to: Option<Instant>,
}

/// A driver's stay at one EVSE.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionBody {
    #[schema(value_type = String, format = Uuid)]
    id: SessionId,
    /// The OCPP identity.
    #[schema(value_type = String)]
    charging_station_id: StationId,
    #[schema(value_type = Option<u32>)]
    evse_id: Option<EvseId>,
    #[schema(value_type = Option<u32>)]
    connector_id: Option<ConnectorId>,
    /// The station's transaction.
    #[schema(value_type = String)]
    transaction_id: TransactionId,
    #[schema(value_type = Option<String>)]
    token_uid: Option<TokenUid>,
    token_kind: Option<String>,
    /// What we said to the token.
    #[schema(example = "accepted")]
    authorization: Option<&'static str>,
    status: StatusBody,
    /// By the station's clock unless that is impossible.
    started_at: Instant,
    ended_at: Option<Instant>,
    energy_wh: i64,
    /// Time in which energy flowed.
    charging_s: i64,
    /// Time in which none did.
    parked_s: i64,
    meter_first_wh: Option<i64>,
    meter_last_wh: Option<i64>,
    meter_last_at: Option<Instant>,
    power_w: Option<i64>,
    /// State of charge, in thousandths.
    soc_permille: Option<i64>,
    energy_flows: bool,
    /// Why it ended, in the standard's word.
    stop_reason: Option<String>,
    remote_start_id: Option<i32>,
    /// What is unusual.
    #[schema(example = json!(["offline"]))]
    flags: Vec<&'static str>,
    /// The tariff that applies, chosen by what was known at its start.
    #[schema(value_type = Option<String>)]
    tariff_id: Option<TariffId>,
    /// Over, but something is missing that may still come: it is billed then at the latest.
    settles_at: Option<Instant>,
    /// How many messages and rulings it is made of: a ruling may say which it is about.
    facts: u32,
    /// What its signed values say together, once it is over; null without any that can be read.
    metered: Option<MeteredBody>,
    /// So far, or in the end; null when no tariff applies.
    cost: Option<CostBody>,
}

/// Sessions, newest start first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", params(SessionsQuery),
    responses((status = 200, body = ListBody<SessionBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<SessionsQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let filter = SessionFilter {
        station: query.charging_station_id,
        location_id: query.location_id,
        status: query.status.map(Into::into),
        token: query.token_uid,
        from: query.started_at_from.map(|at| at.0),
        to: query.started_at_to.map(|at| at.0),
    };
    let page = house.store.sessions(&caller.tenant, &filter, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, SessionBody::from)))
}

/// One session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = SessionBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<SessionId>,
) -> Result<HttpResponse, Problem> {
    let found = house.store.session(&caller.tenant, id).await?;
    let session = found.ok_or_else(|| Problem::absent("session", id))?;
    Ok(HttpResponse::Ok().json(SessionBody::from(session)))
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        let (token_uid, token_kind) =
            session.token.map(|token| (token.uid, kind_name(&token.kind).to_owned())).unzip();
        Self {
            id: session.id,
            charging_station_id: session.station,
            evse_id: session.evse,
            connector_id: session.connector,
            transaction_id: session.transaction,
            token_uid,
            token_kind,
            authorization: session.authorization.map(|authorization| authorization.as_str()),
            status: session.status.into(),
            started_at: session.started_at.into(),
            ended_at: session.ended_at.map(Into::into),
            energy_wh: session.energy.0,
            charging_s: session.charging_ms / MS_PER_SECOND,
            parked_s: session.parked_ms / MS_PER_SECOND,
            meter_first_wh: session.meter_first_wh,
            meter_last_wh: session.meter_last_wh,
            meter_last_at: session.meter_last_at.map(Into::into),
            power_w: session.power_w,
            soc_permille: session.soc_permille,
            energy_flows: session.energy_flows,
            stop_reason: session.stop_reason.map(Into::into),
            remote_start_id: session.remote_start_id,
            flags: session.flags.into_iter().map(flag_name).collect(),
            tariff_id: session.tariff,
            settles_at: session.settles_at.map(Into::into),
            facts: session.facts,
            metered: session.metered.map(MeteredBody::from),
            cost: session.currency.zip(session.cost).map(|(currency, cost)| CostBody::new(currency, cost)),
        }
    }
}

impl From<SessionStatus> for StatusBody {
    fn from(status: SessionStatus) -> Self {
        match status {
            SessionStatus::Active => Self::Active,
            SessionStatus::Completed => Self::Completed,
            SessionStatus::Invalid => Self::Invalid,
            SessionStatus::UnderReview => Self::UnderReview,
        }
    }
}

impl From<StatusBody> for SessionStatus {
    fn from(status: StatusBody) -> Self {
        match status {
            StatusBody::Active => Self::Active,
            StatusBody::Completed => Self::Completed,
            StatusBody::Invalid => Self::Invalid,
            StatusBody::UnderReview => Self::UnderReview,
        }
    }
}
