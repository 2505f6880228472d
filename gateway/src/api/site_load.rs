//! `locations/{id}/load`, and readings and limits of its circuits.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{CircuitId, EvseId, LocationId, NodeId, StationId};
use ringmain_domain::load::allocation::standing::{CircuitStanding, RowStanding, Standing};
use ringmain_domain::load::capacity::CircuitNote;
use ringmain_domain::load::rows::RowKind;
use ringmain_domain::load::supply::{Battery, Reading, Signal};
use ringmain_domain::load::tree::EvseKey;
use ringmain_domain::unit::Milliamps;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::circuits::LimitBody;
use super::extract::{Body, Path};
use super::fields::Instant;
use super::problem::{Problem, ProblemBody};
use crate::actors::site::load::view::{LoadAlarm, LoadView};
use crate::clock;
use crate::house::House;
use crate::services::site_load as service;

/// How the load of a location stands.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct LoadBody {
    /// Is it managed now? False while it starts, while its owner cannot be asked, and where no station of the location is connected.
    managed: bool,
    /// The node that manages it.
    #[schema(value_type = Option<String>, format = Uuid)]
    node_id: Option<NodeId>,
    /// Rises with every owner.
    owner_epoch: Option<i64>,
    at: Option<Instant>,
    circuits: Vec<CircuitLoadBody>,
    evses: Vec<EvseLoadBody>,
    /// The newest first.
    alarms: Vec<AlarmBody>,
}

/// A circuit with its limits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CircuitLoadBody {
    id: String,
    name: String,
    limits: Vec<LimitLoadBody>,
    /// Its building load is missing, stale or impossible: what it was designed for counts.
    meter_stale: bool,
    /// What its battery is asked to give so that the plan holds, in mA on L1, L2, L3.
    #[schema(value_type = [i64; 3])]
    battery_ma: [Milliamps; 3],
    /// A price window does not count now, because a departure would be missed.
    price_windows_lifted: bool,
}

/// How full one limit is: in mA on a line or in a sum of arrows, in mW in power.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LimitLoadBody {
    /// `L1`, `L2`, `L3`, `power`, or the name of a sum of arrows.
    of: String,
    /// What it may carry now.
    limit: i64,
    /// What nobody controls.
    reserved: i64,
    /// That, and the most that all EVSEs may have in force.
    promised: i64,
    /// That, and what was last measured.
    drawn: i64,
}

/// An EVSE with its share.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EvseLoadBody {
    charging_station_id: String,
    evse_id: u32,
    connected: bool,
    transaction_id: Option<String>,
    /// When its car goes, as far as an operator, its fleet or the car said so.
    departs_at: Option<Instant>,
    /// Is that a deadline?
    deadline: bool,
    /// The energy asked for, for the whole session, in Wh.
    asked_wh: Option<i64>,
    /// What the plan gives it, per line.
    planned_ma: Option<i64>,
    /// Why so much.
    #[schema(example = "panel B phase L2 full")]
    reason: String,
    /// Its last grant, per line; null: none is open.
    granted_ma: Option<i64>,
    /// The most it may have in force, per line.
    ceiling_ma: i64,
    /// What it drew last, per line.
    drawn_ma: Option<i64>,
    /// It drew more than it was allowed, and counts with all it can draw.
    deaf: bool,
}

/// Something a person should know.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlarmBody {
    at: Instant,
    /// `unreachable`, `refusing`, `deaf`, `fallback_lost` or `deposed`.
    alarm: String,
    detail: String,
}

/// Readings of a circuit's meters. What is older than a minute counts as missing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadingsRequest {
    /// Now when absent.
    measured_at: Option<Instant>,
    /// The load that nobody controls, in mA on L1, L2, L3.
    #[schema(value_type = Option<[i64; 3]>)]
    building_ma: Option<[Milliamps; 3]>,
    /// What the sun gives, positive, in mA on L1, L2, L3.
    #[schema(value_type = Option<[i64; 3]>)]
    solar_ma: Option<[Milliamps; 3]>,
    /// What a battery's controller tells. It counts where the settings of the load name a battery.
    battery: Option<BatteryBody>,
}

/// A battery as its controller tells of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatteryBody {
    /// What it will give when it is asked, for at least some minutes, in mA on L1, L2, L3.
    #[schema(value_type = [i64; 3])]
    promised_ma: [Milliamps; 3],
    /// What it takes now, in mA on L1, L2, L3.
    #[schema(value_type = [i64; 3])]
    charging_ma: [Milliamps; 3],
}

/// An EVSE that was mended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MendingRequest {
    #[schema(value_type = String)]
    charging_station_id: StationId,
    #[schema(value_type = u32)]
    evse_id: EvseId,
    /// What was found and done, for people; kept with the name of the API key.
    #[schema(max_length = 500)]
    note: Option<String>,
}

/// Limits of a circuit from outside, all of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsBody {
    #[schema(max_items = 32)]
    limits: Vec<SignalBody>,
}

/// A limit from outside, for a time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignalBody {
    /// Who wants it, for people.
    #[schema(max_length = 100, example = "grid operator")]
    source: String,
    /// At once when absent.
    from: Option<Instant>,
    /// Until it is taken back when absent.
    until: Option<Instant>,
    #[serde(flatten)]
    limit: LimitBody,
}

/// How the load of a location stands: limits, promises and shares, each with its reason.
#[utoipa::path(get, path = "/api/v1/locations/{id}/load", tag = "circuits", params(("id" = String, Path)),
    operation_id = "load_read",
    responses((status = 200, body = LoadBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
) -> Result<HttpResponse, Problem> {
    let view = service::observe(&house, &caller, &id).await?;
    Ok(HttpResponse::Ok().json(view.map(LoadBody::from).unwrap_or_default()))
}

/// Takes readings of a circuit in.
#[utoipa::path(post, path = "/api/v1/locations/{id}/circuits/{circuit_id}/readings", tag = "circuits",
    params(("id" = String, Path), ("circuit_id" = String, Path)), operation_id = "readings_post",
    request_body = ReadingsRequest,
    responses((status = 204), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn post_readings(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path((id, circuit)): Path<(LocationId, CircuitId)>,
    Body(body): Body<ReadingsRequest>,
) -> Result<HttpResponse, Problem> {
    service::read_meters(&house, &caller, (&id, &circuit), body.into_metered()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Says that an EVSE obeys its limits again, after somebody looked at it. The site is told; the load shows `deaf` until it counts.
#[utoipa::path(post, path = "/api/v1/locations/{id}/load/mendings", tag = "circuits", params(("id" = String, Path)),
    operation_id = "load_mend", request_body = MendingRequest,
    responses((status = 202), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn mend(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
    Body(body): Body<MendingRequest>,
) -> Result<HttpResponse, Problem> {
    let evse = EvseKey { station: body.charging_station_id, evse: body.evse_id };
    service::mend(&house, &caller, &id, (evse, body.note.as_deref())).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// The limits of a circuit from outside.
#[utoipa::path(get, path = "/api/v1/locations/{id}/circuits/{circuit_id}/limits", tag = "circuits",
    params(("id" = String, Path), ("circuit_id" = String, Path)), operation_id = "limits_read",
    responses((status = 200, body = LimitsBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read_limits(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path((id, circuit)): Path<(LocationId, CircuitId)>,
) -> Result<HttpResponse, Problem> {
    let signals = service::limits(&house, &caller, &id, &circuit).await?;
    Ok(HttpResponse::Ok().json(LimitsBody { limits: signals.into_iter().map(SignalBody::from).collect() }))
}

/// Replaces the limits of a circuit from outside; an empty list takes all of them back.
#[utoipa::path(put, path = "/api/v1/locations/{id}/circuits/{circuit_id}/limits", tag = "circuits",
    params(("id" = String, Path), ("circuit_id" = String, Path)), operation_id = "limits_put",
    request_body = LimitsBody,
    responses((status = 200, body = LimitsBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn put_limits(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path((id, circuit)): Path<(LocationId, CircuitId)>,
    Body(body): Body<LimitsBody>,
) -> Result<HttpResponse, Problem> {
    let signals = body.into_signals();
    service::put_limits(&house, &caller, (&id, &circuit), signals.clone()).await?;
    Ok(HttpResponse::Ok().json(LimitsBody { limits: signals.into_iter().map(SignalBody::from).collect() }))
}

impl ReadingsRequest {
    /// Does it say when it was measured?
    pub(crate) const fn says_when(&self) -> bool {
        self.measured_at.is_some()
    }

    pub(crate) fn into_metered(self) -> service::Metered {
        let at = self.measured_at.map_or_else(clock::now, |at| at.0);
        let reading = |lines: Option<[Milliamps; 3]>| lines.map(|line_ma| Reading { at, line_ma });
        let battery = self.battery.map(|BatteryBody { promised_ma, charging_ma }| Battery {
            at,
            promised_ma,
            charging_ma,
            charging_max_ma: charging_ma,
        });
        service::Metered { building: reading(self.building_ma), solar: reading(self.solar_ma), battery }
    }
}

impl LimitsBody {
    pub(crate) fn into_signals(self) -> Vec<Signal> {
        self.limits.into_iter().map(Signal::from).collect()
    }
}

impl From<SignalBody> for Signal {
    fn from(body: SignalBody) -> Self {
        Self {
            source: body.source.into(),
            from: body.from.map_or_else(clock::now, |at| at.0),
            until: body.until.map(|at| at.0),
            limit: body.limit.into(),
        }
    }
}

impl From<Signal> for SignalBody {
    fn from(signal: Signal) -> Self {
        Self {
            source: signal.source.into(),
            from: Some(signal.from.into()),
            until: signal.until.map(Into::into),
            limit: signal.limit.into(),
        }
    }
}

impl From<LoadView> for LoadBody {
    fn from(view: LoadView) -> Self {
        let circuits = view.circuits.into_iter().map(|circuit| {
            let setpoint = view.setpoints.get(&circuit.circuit).copied();
            CircuitLoadBody::of(circuit, &view.notes, setpoint)
        });
        Self {
            managed: true,
            node_id: Some(view.node),
            owner_epoch: Some(view.owner.0),
            at: Some(view.at.into()),
            circuits: circuits.collect(),
            evses: view.evses.into_iter().map(EvseLoadBody::from).collect(),
            alarms: view.alarms.into_iter().map(AlarmBody::from).collect(),
        }
    }
}

impl CircuitLoadBody {
    fn of(circuit: CircuitStanding, notes: &[CircuitNote], setpoint: Option<[Milliamps; 3]>) -> Self {
        let note = notes.iter().find(|note| note.circuit == circuit.circuit);
        Self {
            meter_stale: note.is_some_and(|note| note.meter_stale),
            battery_ma: setpoint.unwrap_or_default(),
            price_windows_lifted: note.is_some_and(|note| note.windows_lifted),
            id: circuit.circuit.as_str().to_owned(),
            name: circuit.name.into(),
            limits: circuit.rows.into_iter().map(LimitLoadBody::from).collect(),
        }
    }
}

impl From<RowStanding> for LimitLoadBody {
    fn from(row: RowStanding) -> Self {
        let of = match row.kind {
            RowKind::Line(line) => line.to_string(),
            RowKind::Power => "power".to_owned(),
            RowKind::Phasor(name) => name.into(),
        };
        let RowStanding { limit, reserved, promised, drawn, .. } = row;
        Self { of, limit, reserved, promised, drawn }
    }
}

impl From<Standing> for EvseLoadBody {
    fn from(standing: Standing) -> Self {
        Self {
            charging_station_id: standing.evse.station.as_str().to_owned(),
            evse_id: standing.evse.evse.0,
            connected: standing.is_connected,
            transaction_id: standing.transaction.map(|id| id.as_str().to_owned()),
            departs_at: standing.departs_at.map(Into::into),
            deadline: standing.is_deadline,
            asked_wh: standing.asked.map(|energy| energy.0),
            planned_ma: standing.planned.map(|current| current.0),
            reason: standing.reason.into(),
            granted_ma: standing.granted.map(|current| current.0),
            ceiling_ma: standing.ceiling.0,
            drawn_ma: standing.drawn.map(|current| current.0),
            deaf: standing.is_deaf,
        }
    }
}

impl From<LoadAlarm> for AlarmBody {
    fn from(alarm: LoadAlarm) -> Self {
        Self { at: alarm.at.into(), alarm: alarm.kind.into(), detail: alarm.detail }
    }
}
