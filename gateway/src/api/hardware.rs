//! `charging-stations/{id}/hardware`: plugs, cables and ratings, and what is printed on EVSEs.

use actix_web::{HttpResponse, web};
use ringmain_domain::hardware::{ConnectorHardware, Current, EvseHardware, Plug, StationHardware};
use ringmain_domain::id::{ConnectorId, EvseId, StationId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Body, Path};
use super::fields::Instant;
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::{hardware as service, stations};

/// What a station is made of.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct HardwareBody {
    /// By number. Partners see the EVSEs and connectors that are described here, and no others.
    evses: Vec<EvseHardwareBody>,
    /// Null: it was never described.
    updated_at: Option<Instant>,
}

/// What a station is made of, in place of how it was described before.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HardwareRequest {
    #[schema(max_items = 64)]
    evses: Vec<EvseHardwareBody>,
}

/// An EVSE.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvseHardwareBody {
    #[schema(minimum = 1)]
    evse_id: u32,
    /// What is printed on it.
    #[serde(default)]
    #[schema(max_length = 48, example = "DE*RMN*E1234*1")]
    printed_id: Option<String>,
    #[schema(min_items = 1, max_items = 8)]
    connectors: Vec<ConnectorHardwareBody>,
}

/// A connector.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectorHardwareBody {
    #[schema(minimum = 1)]
    connector_id: u32,
    /// `type1`, `type2`, `ccs1`, `ccs2`, `chademo`, `nacs`, `gbt_ac`, `gbt_dc`, `mcs`, `schuko`, `cee_blue`, `cee_red16`, `cee_red32`,
    /// `pantograph_bottom_up` or `pantograph_top_down`.
    #[schema(value_type = String, example = "ccs2")]
    plug: Plug,
    /// The cable is part of it; otherwise the driver brings one.
    has_cable: bool,
    /// `ac1`, `ac2` or `ac3` by the phases, or `dc`.
    #[schema(value_type = String, example = "dc")]
    current: Current,
    /// Line to neutral for AC.
    #[schema(minimum = 1, maximum = 1500)]
    max_voltage_v: u32,
    /// Of each line for AC.
    #[schema(minimum = 1, maximum = 3000)]
    max_current_a: u32,
    /// Where that is less than volts and amperes make.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 4500000)]
    max_power_w: Option<u32>,
}

/// What a station is made of.
#[utoipa::path(get, path = "/api/v1/charging-stations/{id}/hardware", tag = "charging-stations",
    operation_id = "hardware_read", params(("id" = String, Path)),
    responses((status = 200, body = HardwareBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<StationId>,
) -> Result<HttpResponse, Problem> {
    stations::own(&house, &caller, &id).await?;
    let found = house.store.station_hardware(&caller.tenant, &id).await?;
    let body = found.map(|(hardware, at)| HardwareBody { updated_at: Some(at.into()), ..hardware.into() });
    Ok(HttpResponse::Ok().json(body.unwrap_or_default()))
}

/// Describes what a station is made of: what partners and maps show of it.
#[utoipa::path(put, path = "/api/v1/charging-stations/{id}/hardware", tag = "charging-stations",
    operation_id = "hardware_put", params(("id" = String, Path)), request_body = HardwareRequest,
    responses((status = 204), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<StationId>,
    Body(body): Body<HardwareRequest>,
) -> Result<HttpResponse, Problem> {
    let hardware = StationHardware { evses: body.evses.into_iter().map(Into::into).collect() };
    service::describe(&house, &caller, &id, &hardware).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<StationHardware> for HardwareBody {
    fn from(hardware: StationHardware) -> Self {
        Self { evses: hardware.evses.into_iter().map(Into::into).collect(), updated_at: None }
    }
}

impl From<EvseHardware> for EvseHardwareBody {
    fn from(evse: EvseHardware) -> Self {
        Self {
            evse_id: evse.evse.0,
            printed_id: evse.printed_id.map(Into::into),
            connectors: evse.connectors.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<EvseHardwareBody> for EvseHardware {
    fn from(body: EvseHardwareBody) -> Self {
        Self {
            evse: EvseId(body.evse_id),
            printed_id: body.printed_id.map(Into::into),
            connectors: body.connectors.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<ConnectorHardware> for ConnectorHardwareBody {
    fn from(connector: ConnectorHardware) -> Self {
        let ConnectorHardware {
            connector,
            plug,
            has_cable,
            current,
            max_voltage_v,
            max_current_a,
            max_power_w,
        } = connector;
        Self {
            connector_id: connector.0,
            plug,
            has_cable,
            current,
            max_voltage_v,
            max_current_a,
            max_power_w,
        }
    }
}

impl From<ConnectorHardwareBody> for ConnectorHardware {
    fn from(body: ConnectorHardwareBody) -> Self {
        let ConnectorHardwareBody {
            connector_id,
            plug,
            has_cable,
            current,
            max_voltage_v,
            max_current_a,
            max_power_w,
        } = body;
        Self {
            connector: ConnectorId(connector_id),
            plug,
            has_cable,
            current,
            max_voltage_v,
            max_current_a,
            max_power_w,
        }
    }
}
