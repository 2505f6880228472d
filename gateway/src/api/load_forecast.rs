//! `locations/{id}/load/forecast`: who will be ready when, as it is and as it might be.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{LocationId, TransactionId};
use ringmain_domain::load::forecast::what_if::WhatIf;
use ringmain_domain::load::forecast::{CarForecast, Forecast, Obstacle, RootPower};
use ringmain_domain::load::supply::HeldWhy;
use ringmain_domain::load::tree::EvseKey;
use ringmain_domain::unit::WattHours;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Body, Path};
use super::fields::Instant;
use super::problem::{Kind, Problem, ProblemBody};
use crate::house::House;
use crate::services::site_load::forecast::{self as service, Foreseen, Unforeseen};

/// What if: all of it together; what is absent stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WhatIfBody {
    /// So many vehicles more, one at each EVSE that is free and whose station is connected.
    #[schema(maximum = 200)]
    more_vehicles: u32,
    /// What each of them asks for, in Wh.
    #[schema(minimum = 0, maximum = 100_000_000)]
    energy_wh: Option<i64>,
    /// When all of them leave; as answered for by an operator.
    departs_at: Option<Instant>,
    /// All limits of the grid connection, those from outside too, in percent.
    #[schema(maximum = 200)]
    limit_percent: Option<u32>,
    /// The sun gives nothing.
    no_sun: bool,
}

/// A location played forward with its plan, for a day at most. Nobody else arrives, cars take what they asked for, readings last as they are.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct ForecastBody {
    /// Is the load managed by this node now? There is no forecast otherwise.
    managed: bool,
    from: Option<Instant>,
    until: Option<Instant>,
    as_is: Option<OutlookBody>,
    /// With the changes that were asked for.
    what_if: Option<OutlookBody>,
}

/// What becomes of a location's cars.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutlookBody {
    /// Cars that lack energy at their departure.
    red: usize,
    /// Cars that are ready with less than half an hour to spare, or that name no departure and take longer than 8 hours.
    amber: usize,
    /// Cars that are in time, or of which no energy is asked.
    green: usize,
    /// Cars of which nobody said anything, or that take nothing now.
    unknown: usize,
    /// So many of the vehicles asked for found no free EVSE.
    without_place: u32,
    cars: Vec<CarOutlookBody>,
    /// The grid connection's power.
    circuits: Vec<CircuitOutlookBody>,
}

/// What becomes of a car.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CarOutlookBody {
    charging_station_id: String,
    evse_id: u32,
    transaction_id: Option<String>,
    /// What was asked for, for the whole session.
    asked_wh: Option<i64>,
    /// What it has now.
    has_wh: i64,
    departs_at: Option<Instant>,
    /// What it will have at its departure, or at the end of the forecast.
    energy_wh: i64,
    /// When it has what was asked for; null: not before its departure or the end.
    ready_at: Option<Instant>,
    /// What it will lack at its departure.
    lacks_wh: i64,
    /// `red`, `amber`, `green` or `unknown`.
    state: &'static str,
    /// Why it may be otherwise: `takes_nothing`, or why nobody can steer it (`silent`, `overdrawing`, `refusing`).
    obstacle: Option<&'static str>,
    /// It is one of the vehicles asked for.
    added: bool,
}

/// The power of a circuit at the top.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CircuitOutlookBody {
    id: String,
    name: String,
    /// At most 96.
    steps: Vec<StepBody>,
}

/// Means of a step: it ends with each quarter of an hour.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StepBody {
    from: Instant,
    cars_w: i64,
    /// What nobody controls.
    reserved_w: i64,
    limit_w: Option<i64>,
}

/// Who will be ready when, if nothing changes.
#[utoipa::path(get, path = "/api/v1/locations/{id}/load/forecast", tag = "circuits", params(("id" = String, Path)),
    operation_id = "load_forecast",
    responses((status = 200, body = ForecastBody), (status = 404, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
) -> Result<HttpResponse, Problem> {
    let foreseen = service::foresee(&house, &caller, &id, None).await?;
    Ok(HttpResponse::Ok().json(foreseen.map(ForecastBody::from).unwrap_or_default()))
}

/// Who would be ready when, if: beside what becomes of it as it is. It changes nothing.
#[utoipa::path(post, path = "/api/v1/locations/{id}/load/forecast", tag = "circuits", params(("id" = String, Path)),
    operation_id = "load_forecast_if", request_body = WhatIfBody,
    responses((status = 200, body = ForecastBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody),
        (status = 503, body = ProblemBody)))]
pub(super) async fn ask(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
    Body(body): Body<WhatIfBody>,
) -> Result<HttpResponse, Problem> {
    let foreseen = service::foresee(&house, &caller, &id, Some(body.into())).await?;
    Ok(HttpResponse::Ok().json(foreseen.map(ForecastBody::from).unwrap_or_default()))
}

/// Why somebody may not be ready besides a lack of current, in one word.
const fn obstacle(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::TakesNothing => "takes_nothing",
        Obstacle::NotSteered(why) => match why {
            HeldWhy::Silent => "silent",
            HeldWhy::Closing => "closing",
            HeldWhy::Refusing => "refusing",
            HeldWhy::Overdrawing => "overdrawing",
            HeldWhy::Unconfirmed => "unconfirmed",
        },
    }
}

impl From<Unforeseen> for Problem {
    fn from(unforeseen: Unforeseen) -> Self {
        match unforeseen {
            Unforeseen::Busy => Self::new(Kind::Unavailable, unforeseen.to_string()),
            Unforeseen::Broken => Self::new(Kind::Internal, unforeseen.to_string()),
            Unforeseen::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<WhatIfBody> for WhatIf {
    fn from(body: WhatIfBody) -> Self {
        Self {
            more_vehicles: body.more_vehicles,
            energy_wh: body.energy_wh.map(WattHours),
            departs_at: body.departs_at.map(|at| at.0),
            limit_percent: body.limit_percent,
            no_sun: body.no_sun,
        }
    }
}

impl From<Foreseen> for ForecastBody {
    fn from(foreseen: Foreseen) -> Self {
        let Foreseen { as_is, what_if, transactions } = foreseen;
        Self {
            managed: true,
            from: Some(as_is.from.into()),
            until: Some(as_is.until.into()),
            as_is: Some(OutlookBody::of(as_is, &transactions)),
            what_if: what_if.map(|what_if| OutlookBody::of(what_if, &transactions)),
        }
    }
}

impl OutlookBody {
    fn of(forecast: Forecast, transactions: &BTreeMap<EvseKey, TransactionId>) -> Self {
        let [red, amber, green, unknown] = forecast.totals();
        let car = |car| CarOutlookBody::of(car, transactions);
        Self {
            red,
            amber,
            green,
            unknown,
            without_place: forecast.without_place,
            cars: forecast.cars.into_iter().map(car).collect(),
            circuits: forecast.roots.into_iter().map(CircuitOutlookBody::from).collect(),
        }
    }
}

impl CarOutlookBody {
    fn of(car: CarForecast, transactions: &BTreeMap<EvseKey, TransactionId>) -> Self {
        Self {
            charging_station_id: car.evse.station.as_str().to_owned(),
            evse_id: car.evse.evse.0,
            transaction_id: transactions.get(&car.evse).map(|id| id.as_str().to_owned()),
            asked_wh: car.asked.map(|energy| energy.0),
            has_wh: car.has.0,
            departs_at: car.departs_at.map(Into::into),
            energy_wh: car.energy.0,
            ready_at: car.ready_at.map(Into::into),
            lacks_wh: car.lacks.0,
            state: car.state.as_str(),
            obstacle: car.obstacle.map(obstacle),
            added: car.is_added,
        }
    }
}

impl From<RootPower> for CircuitOutlookBody {
    fn from(root: RootPower) -> Self {
        let steps = root.steps.into_iter().map(|step| StepBody {
            from: step.from.into(),
            cars_w: step.cars.0,
            reserved_w: step.reserved.0,
            limit_w: step.limit.map(|limit| limit.0),
        });
        Self { id: root.circuit.as_str().to_owned(), name: root.name.into(), steps: steps.collect() }
    }
}
