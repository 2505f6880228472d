//! `locations/{id}/circuits`: the tree of circuits that feeds a location's EVSEs, drawn and checked as a whole.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{CircuitId, EvseId, LocationId, StationId};
use ringmain_domain::load::tree::{
    Circuit, Connection, Evse, EvseKey, Firmness, Limit, LimitChange, Line, Output, PhasorFactor, PhasorRow,
};
use ringmain_domain::unit::{Milliamps, Watts};
use ringmain_store::circuits::StoredTree;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{LargeBody, Path};
use super::fields::Instant;
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::circuits as service;

pub(crate) mod document;

/// A tree of circuits as it is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CircuitsBody {
    circuits: Vec<CircuitBody>,
    /// By station and number.
    evses: Vec<CircuitEvseBody>,
    updated_at: Instant,
}

/// A tree to draw.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CircuitsRequest {
    /// One of them has no parent: the grid connection. At most 1,000, 8 levels deep.
    #[schema(max_items = 1000)]
    circuits: Vec<CircuitBody>,
    /// At most 2,000, each of a station that stands at the location.
    #[schema(max_items = 2000)]
    evses: Vec<CircuitEvseBody>,
}

/// A grid connection, transformer, feeder, panel or cabinet.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CircuitBody {
    /// Unique in the tree.
    #[schema(value_type = String, example = "panel-b")]
    id: CircuitId,
    /// The circuit that feeds it; absent for the grid connection.
    #[schema(value_type = Option<String>)]
    parent: Option<CircuitId>,
    /// For people; the id when absent.
    name: Option<Box<str>>,
    /// What it may carry until the first change.
    #[serde(default)]
    limit: LimitBody,
    /// Later limits, in the order of their dates.
    #[serde(default)]
    changes: Vec<LimitChangeBody>,
    /// The highest load that nobody controls, here and below, in mA on L1, L2, L3: counts while its meter is silent.
    #[serde(default)]
    #[schema(value_type = [i64; 3])]
    design_load_ma: [Milliamps; 3],
    /// Kept free in any case, in mA on L1, L2, L3.
    #[serde(default)]
    #[schema(value_type = [i64; 3])]
    margin_ma: [Milliamps; 3],
    /// `hard`: never exceeded by our doing. `soft`: a wish, missing it is reported.
    #[serde(default)]
    #[schema(value_type = String, example = "hard")]
    firmness: Firmness,
    /// The meter that measures it.
    meter_id: Option<Box<str>>,
    /// Limits on sums of currents of different angles, as behind a delta-wye transformer.
    #[serde(default)]
    phasors: Vec<PhasorRowBody>,
}

/// What a circuit may carry; an absent part is no limit.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitBody {
    /// In mA on L1, L2, L3.
    #[schema(value_type = Option<[i64; 3]>, example = json!([63000, 63000, 63000]))]
    line_ma: Option<[Milliamps; 3]>,
    /// All lines together, in W.
    #[schema(value_type = Option<i64>)]
    power_w: Option<Watts>,
}

/// A limit that takes over on a date.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitChangeBody {
    from: Instant,
    limit: LimitBody,
}

/// A limit on a sum of arrows: |sum of ratio x current x e^(i angle)|.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PhasorRowBody {
    /// For people.
    name: Box<str>,
    #[schema(value_type = i64)]
    limit_ma: Milliamps,
    factors: Vec<PhasorFactorBody>,
}

/// An EVSE's share in such a sum.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PhasorFactorBody {
    #[schema(value_type = String)]
    charging_station_id: StationId,
    #[schema(value_type = u32)]
    evse_id: EvseId,
    /// How much of its current flows here, in millionths; negative for the opposite direction.
    ratio_millionths: i64,
    /// The angle of its current, in thousandths of a degree.
    angle_mdeg: i64,
}

/// An EVSE as its circuit sees it. All currents are per line, seen from the grid.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CircuitEvseBody {
    #[schema(value_type = String)]
    charging_station_id: StationId,
    #[schema(value_type = u32)]
    evse_id: EvseId,
    /// The circuit that feeds it.
    #[schema(value_type = String)]
    circuit_id: CircuitId,
    /// Line to neutral, or line to line as its connection is.
    voltage_v: u32,
    /// The site's lines in the order of its own phases: `["L2", "L3", "L1"]` for a rotated one.
    #[schema(value_type = Vec<String>, example = json!(["L1", "L2", "L3"]))]
    lines: Vec<Line>,
    /// `neutral` or `line_to_line`.
    #[serde(default)]
    #[schema(value_type = String, example = "neutral")]
    connection: Connection,
    /// What comes out of the DC cabinet for 1,000 of what goes in; absent for AC.
    dc_efficiency_permille: Option<u16>,
    /// The least current a vehicle charges with.
    #[schema(value_type = i64)]
    min_ma: Milliamps,
    /// The most it may be told to allow.
    #[schema(value_type = i64)]
    max_ma: Milliamps,
    /// Limits are multiples of this.
    #[schema(value_type = i64)]
    step_ma: Milliamps,
    /// Can it change between three lines and its first alone?
    #[serde(default)]
    can_switch_phases: bool,
    /// What it can draw when nobody limits it.
    #[schema(value_type = i64)]
    rated_ma: Milliamps,
    /// What it may draw without a word from us.
    #[schema(value_type = i64)]
    fallback_ma: Milliamps,
}

/// The tree of a location.
#[utoipa::path(get, path = "/api/v1/locations/{id}/circuits", tag = "circuits", params(("id" = String, Path)),
    operation_id = "circuits_read",
    responses((status = 200, body = CircuitsBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
) -> Result<HttpResponse, Problem> {
    let stored = service::read(&house, &caller, &id).await?;
    Ok(HttpResponse::Ok().json(CircuitsBody::from(stored)))
}

/// Draws the tree of a location, in the place of the one before. It is checked whole: rings, missing parents, fallbacks that do not fit.
/// The body may have 1 MiB.
#[utoipa::path(put, path = "/api/v1/locations/{id}/circuits", tag = "circuits", params(("id" = String, Path)),
    operation_id = "circuits_put", request_body = CircuitsRequest,
    responses((status = 200, body = CircuitsBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
    LargeBody(body): LargeBody<CircuitsRequest>,
) -> Result<HttpResponse, Problem> {
    let circuits = body.circuits.into_iter().map(Circuit::from).collect();
    let evses = body.evses.into_iter().map(Evse::from).collect();
    let stored = service::put(&house, &caller, &id, (circuits, evses)).await?;
    Ok(HttpResponse::Ok().json(CircuitsBody::from(stored)))
}

/// Removes the tree of a location.
#[utoipa::path(delete, path = "/api/v1/locations/{id}/circuits", tag = "circuits", params(("id" = String, Path)),
    operation_id = "circuits_delete",
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(super) async fn delete(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
) -> Result<HttpResponse, Problem> {
    service::remove(&house, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<StoredTree> for CircuitsBody {
    fn from(stored: StoredTree) -> Self {
        Self {
            circuits: stored.tree.circuits().iter().cloned().map(CircuitBody::from).collect(),
            evses: stored.tree.evses().iter().cloned().map(CircuitEvseBody::from).collect(),
            updated_at: stored.updated_at.into(),
        }
    }
}

impl From<Circuit> for CircuitBody {
    fn from(circuit: Circuit) -> Self {
        let change =
            |change: LimitChange| LimitChangeBody { from: change.from.into(), limit: change.limit.into() };
        Self {
            id: circuit.id,
            parent: circuit.parent,
            name: circuit.name,
            limit: circuit.limit.into(),
            changes: circuit.changes.into_iter().map(change).collect(),
            design_load_ma: circuit.design_load_ma,
            margin_ma: circuit.margin_ma,
            firmness: circuit.firmness,
            meter_id: circuit.meter_id,
            phasors: circuit.phasors.into_iter().map(PhasorRowBody::from).collect(),
        }
    }
}

impl From<CircuitBody> for Circuit {
    fn from(body: CircuitBody) -> Self {
        let change =
            |change: LimitChangeBody| LimitChange { from: change.from.0, limit: change.limit.into() };
        Self {
            id: body.id,
            parent: body.parent,
            name: body.name,
            limit: body.limit.into(),
            changes: body.changes.into_iter().map(change).collect(),
            design_load_ma: body.design_load_ma,
            margin_ma: body.margin_ma,
            firmness: body.firmness,
            meter_id: body.meter_id,
            phasors: body.phasors.into_iter().map(PhasorRow::from).collect(),
        }
    }
}

impl From<Limit> for LimitBody {
    fn from(Limit { line_ma, power_w }: Limit) -> Self {
        Self { line_ma, power_w }
    }
}

impl From<LimitBody> for Limit {
    fn from(LimitBody { line_ma, power_w }: LimitBody) -> Self {
        Self { line_ma, power_w }
    }
}

impl From<PhasorRow> for PhasorRowBody {
    fn from(row: PhasorRow) -> Self {
        let factor = |factor: PhasorFactor| PhasorFactorBody {
            charging_station_id: factor.evse.station,
            evse_id: factor.evse.evse,
            ratio_millionths: factor.ratio_millionths,
            angle_mdeg: factor.angle_mdeg,
        };
        Self {
            name: row.name,
            limit_ma: row.limit_ma,
            factors: row.factors.into_iter().map(factor).collect(),
        }
    }
}

impl From<PhasorRowBody> for PhasorRow {
    fn from(body: PhasorRowBody) -> Self {
        let factor = |factor: PhasorFactorBody| PhasorFactor {
            evse: EvseKey { station: factor.charging_station_id, evse: factor.evse_id },
            ratio_millionths: factor.ratio_millionths,
            angle_mdeg: factor.angle_mdeg,
        };
        Self {
            name: body.name,
            limit_ma: body.limit_ma,
            factors: body.factors.into_iter().map(factor).collect(),
        }
    }
}

impl From<Evse> for CircuitEvseBody {
    fn from(evse: Evse) -> Self {
        Self {
            charging_station_id: evse.key.station,
            evse_id: evse.key.evse,
            circuit_id: evse.circuit,
            voltage_v: evse.voltage_v,
            lines: evse.lines,
            connection: evse.connection,
            dc_efficiency_permille: match evse.output {
                Output::Ac => None,
                Output::Dc { efficiency_permille } => Some(efficiency_permille),
            },
            min_ma: evse.min_ma,
            max_ma: evse.max_ma,
            step_ma: evse.step_ma,
            can_switch_phases: evse.can_switch_phases,
            rated_ma: evse.rated_ma,
            fallback_ma: evse.fallback_ma,
        }
    }
}

impl From<CircuitEvseBody> for Evse {
    fn from(body: CircuitEvseBody) -> Self {
        Self {
            key: EvseKey { station: body.charging_station_id, evse: body.evse_id },
            circuit: body.circuit_id,
            voltage_v: body.voltage_v,
            lines: body.lines,
            connection: body.connection,
            output: body
                .dc_efficiency_permille
                .map_or(Output::Ac, |efficiency_permille| Output::Dc { efficiency_permille }),
            min_ma: body.min_ma,
            max_ma: body.max_ma,
            step_ma: body.step_ma,
            can_switch_phases: body.can_switch_phases,
            rated_ma: body.rated_ma,
            fallback_ma: body.fallback_ma,
        }
    }
}
