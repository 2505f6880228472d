//! `charging-stations`: what is registered, what it told of itself, and what its EVSEs do.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{LocationId, NodeId, StationId, TariffId};
use ringmain_domain::reply::Registration;
use ringmain_store::stations::{StationFilter, StationRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Authorized;
use super::evses::{EvseBody, StateBody};
use super::extract::{Body, Path, Query};
use super::fields::{Instant, patch};
use super::idempotency::StoredInstead;
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::secret::Secret;
use crate::services::evses::{self, state_of_station};
use crate::services::nodes::{self, Place};
use crate::services::stations::{self as service, NewStation, StationChange};

const LIST: &str = "charging-stations";

/// May a station take part?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RegistrationBody {
    /// Takes part.
    Accepted,
    /// Waits for an operator.
    Pending,
    /// Refused.
    Rejected,
}

/// Which stations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StationsQuery {
    /// Items on the page, 1 to 1,000; 100 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// At this location.
    #[param(value_type = Option<String>)]
    location_id: Option<LocationId>,
    /// With this registration.
    #[param(inline)]
    registration: Option<RegistrationBody>,
    /// Connected or not.
    online: Option<bool>,
    /// Part of id or name.
    text: Option<String>,
}

/// Where a station's connection is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectionBody {
    /// The name of the node that has it.
    #[schema(example = "node-1")]
    node: String,
    /// The node's id, as in `nodes`.
    #[schema(value_type = String)]
    node_id: NodeId,
    /// A later connection of the station has a higher number.
    number: i64,
}

/// A charging station with its EVSEs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StationBody {
    /// Its OCPP identity.
    #[schema(value_type = String)]
    id: StationId,
    name: Option<String>,
    #[schema(value_type = Option<String>)]
    location_id: Option<LocationId>,
    #[schema(value_type = Option<String>)]
    tariff_id: Option<TariffId>,
    registration: RegistrationBody,
    maintenance: bool,
    /// The most one of its EVSEs can give, in W: a session that took more waits for a person.
    max_power_w: Option<u32>,
    /// Its local authorization list is kept up to date by itself.
    local_list_enabled: bool,
    online: bool,
    /// Null where it has none.
    connection: Option<ConnectionBody>,
    /// What an operator sees of the whole station.
    state: StateBody,
    vendor: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    firmware: Option<String>,
    /// The subprotocol of its last connection.
    #[schema(example = "ocpp2.0.1")]
    ocpp_version: Option<String>,
    last_seen_at: Option<Instant>,
    booted_at: Option<Instant>,
    created_at: Instant,
    updated_at: Instant,
    evses: Vec<EvseBody>,
    /// Only in the answer to its creation, and only when it was made up: shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Option<String>>,
}

/// A station to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateStationRequest {
    /// Its OCPP identity: at most 48 characters without colon and slash.
    #[schema(value_type = String, max_length = 48)]
    id: StationId,
    #[schema(value_type = Option<String>)]
    location_id: Option<LocationId>,
    #[schema(max_length = 100)]
    name: Option<String>,
    #[schema(value_type = Option<String>)]
    tariff_id: Option<TariffId>,
    /// 16 to 40 visible ASCII characters. Made up, and shown once in the answer, when absent.
    #[schema(min_length = 16, max_length = 40)]
    password: Option<String>,
    /// `accepted` when absent.
    registration: Option<RegistrationBody>,
    /// The most one of its EVSEs can give, in W.
    #[schema(minimum = 1_000, maximum = 20_000_000)]
    max_power_w: Option<u32>,
    /// Keep its local authorization list up to date by itself.
    #[serde(default)]
    local_list_enabled: bool,
}

/// What to change; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeStationRequest {
    #[serde(default, deserialize_with = "patch")]
    #[schema(value_type = Option<String>)]
    location_id: Option<Option<LocationId>>,
    #[serde(default, deserialize_with = "patch")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "patch")]
    #[schema(value_type = Option<String>)]
    tariff_id: Option<Option<TariffId>>,
    registration: Option<RegistrationBody>,
    maintenance: Option<bool>,
    #[serde(default, deserialize_with = "patch")]
    #[schema(value_type = Option<u32>)]
    max_power_w: Option<Option<u32>>,
    local_list_enabled: Option<bool>,
}

/// A password, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PasswordBody {
    #[schema(value_type = String)]
    id: StationId,
    /// Null in an answer that is given again for a repeated request.
    password: Option<String>,
}

/// All charging stations, by id.
#[utoipa::path(get, path = "/api/v1/charging-stations", tag = "charging-stations", params(StationsQuery),
    responses((status = 200, body = ListBody<StationBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<StationsQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let filter = StationFilter {
        location_id: query.location_id,
        registration: query.registration.map(Into::into),
        online: query.online,
        text: query.text.filter(|text| !text.is_empty()),
    };
    let page = house.store.stations(&caller.tenant, &filter, &request).await?;
    let ids: Vec<_> = page.items.iter().map(|row| row.station.id.clone()).collect();
    let mut places = nodes::places(&house, &ids).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, |row| {
        let connection = places.remove(&row.station.id).map(Into::into);
        StationBody { connection, ..StationBody::of(&row) }
    })))
}

/// Registers a charging station.
#[utoipa::path(post, path = "/api/v1/charging-stations", tag = "charging-stations", request_body = CreateStationRequest,
    responses((status = 201, body = StationBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Body(body): Body<CreateStationRequest>,
) -> Result<HttpResponse, Problem> {
    let new = NewStation {
        id: body.id,
        location_id: body.location_id,
        name: body.name.map(Into::into),
        tariff_id: body.tariff_id,
        registration: body.registration.unwrap_or(RegistrationBody::Accepted).into(),
        max_power_w: body.max_power_w,
        local_list_enabled: body.local_list_enabled,
        password: body.password.map(|password| Secret::new(&password)),
    };
    let registered = service::register(&house, &caller, new).await?;
    let row = StationRow { station: registered.station, online: false, connectors: Vec::new() };
    let unshown = StationBody { password: Some(None), ..StationBody::of(&row) };
    let shown = StationBody {
        password: Some(registered.password.map(|password| password.reveal().to_owned())),
        ..StationBody::of(&row)
    };
    Ok(show_once(HttpResponse::Created().json(shown), &unshown))
}

/// One charging station.
#[utoipa::path(get, path = "/api/v1/charging-stations/{id}", tag = "charging-stations", params(("id" = String, Path)),
    responses((status = 200, body = StationBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<StationId>,
) -> Result<HttpResponse, Problem> {
    let row = service::row(&house, &caller, &id).await?;
    Ok(HttpResponse::Ok().json(StationBody::now(&house, &row).await?))
}

/// Changes a charging station's record.
#[utoipa::path(patch, path = "/api/v1/charging-stations/{id}", tag = "charging-stations", params(("id" = String, Path)),
    request_body = ChangeStationRequest,
    responses((status = 200, body = StationBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(super) async fn change(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<StationId>,
    Body(body): Body<ChangeStationRequest>,
) -> Result<HttpResponse, Problem> {
    let change = StationChange {
        location_id: body.location_id,
        name: body.name.map(|name| name.map(Into::into)),
        tariff_id: body.tariff_id,
        registration: body.registration.map(Into::into),
        maintenance: body.maintenance,
        max_power_w: body.max_power_w,
        local_list_enabled: body.local_list_enabled,
    };
    let row = service::change(&house, &caller, &id, change).await?;
    Ok(HttpResponse::Ok().json(StationBody::now(&house, &row).await?))
}

/// Removes a charging station. Its sessions and bill records stay.
#[utoipa::path(delete, path = "/api/v1/charging-stations/{id}", tag = "charging-stations", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn delete(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<StationId>,
) -> Result<HttpResponse, Problem> {
    service::remove(&house, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives a charging station a new password, shown once. Its present connection goes on.
#[utoipa::path(post, path = "/api/v1/charging-stations/{id}/password", tag = "charging-stations",
    params(("id" = String, Path)),
    responses((status = 200, body = PasswordBody), (status = 404, body = ProblemBody)))]
pub(super) async fn rotate_password(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<StationId>,
) -> Result<HttpResponse, Problem> {
    let password = service::rotate_password(&house, &caller, &id).await?;
    let unshown = PasswordBody { id: id.clone(), password: None };
    let shown = PasswordBody { id, password: Some(password.reveal().to_owned()) };
    Ok(show_once(HttpResponse::Ok().json(shown), &unshown))
}

/// Marks an answer with a secret, so that only `unshown` is stored for repeats.
pub(super) fn show_once(mut response: HttpResponse, unshown: &impl Serialize) -> HttpResponse {
    let stored = serde_json::to_string(unshown).unwrap_or_default();
    response.extensions_mut().insert(StoredInstead(stored));
    response
}

impl StationBody {
    /// A row with the connection it has now.
    async fn now(house: &House, row: &StationRow) -> Result<Self, Problem> {
        let place =
            nodes::places(house, std::slice::from_ref(&row.station.id)).await?.remove(&row.station.id);
        Ok(Self { connection: place.map(Into::into), ..Self::of(row) })
    }

    fn of(row: &StationRow) -> Self {
        let station = row.station.clone();
        Self {
            id: station.id,
            name: station.name.map(Into::into),
            location_id: station.location_id,
            tariff_id: station.tariff_id,
            registration: station.registration.into(),
            maintenance: station.maintenance,
            max_power_w: station.max_power_w,
            local_list_enabled: station.local_list_enabled,
            online: row.online,
            connection: None,
            state: state_of_station(row).into(),
            vendor: station.vendor.map(Into::into),
            model: station.model.map(Into::into),
            serial: station.serial.map(Into::into),
            firmware: station.firmware.map(Into::into),
            ocpp_version: station.ocpp_version.map(Into::into),
            last_seen_at: station.last_seen_at.map(Into::into),
            booted_at: station.booted_at.map(Into::into),
            created_at: station.created_at.into(),
            updated_at: station.updated_at.into(),
            evses: evses::of(row).into_iter().map(EvseBody::from).collect(),
            password: None,
        }
    }
}

impl From<Place> for ConnectionBody {
    fn from(place: Place) -> Self {
        Self { node: place.name, node_id: place.node, number: place.epoch.0 }
    }
}

impl From<Registration> for RegistrationBody {
    fn from(registration: Registration) -> Self {
        match registration {
            Registration::Accepted => Self::Accepted,
            Registration::Pending => Self::Pending,
            Registration::Rejected => Self::Rejected,
        }
    }
}

impl From<RegistrationBody> for Registration {
    fn from(registration: RegistrationBody) -> Self {
        match registration {
            RegistrationBody::Accepted => Self::Accepted,
            RegistrationBody::Pending => Self::Pending,
            RegistrationBody::Rejected => Self::Rejected,
        }
    }
}
