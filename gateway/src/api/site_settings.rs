//! `locations/{id}/load/settings`: how a location shares its load.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{CircuitId, LocationId, TokenUid};
use ringmain_domain::load::settings::{CircuitSettings, SiteSettings};
use ringmain_domain::load::supply::PriceWindow;
use ringmain_domain::unit::{Milliamps, Watts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Body, Path};
use super::fields::Instant;
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::site_settings as service;

/// How a location shares. What is absent is off.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SiteSettingsBody {
    /// The least time a car charges before it gives way to one that waits, in minutes; half an hour when absent.
    #[schema(minimum = 1, maximum = 1440)]
    hold_min: Option<u32>,
    /// Is a departure that a car states itself a deadline? Otherwise it only raises its share a little.
    #[serde(default)]
    trusts_cars: bool,
    /// The weight of the drivers of a token group, in thousandths; others have 1000.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, u32>, example = json!({"TAXIS": 2000}))]
    class_permille: BTreeMap<TokenUid, u32>,
    /// By circuit.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, CircuitSettingsBody>)]
    circuits: BTreeMap<CircuitId, CircuitSettingsBody>,
}

/// What is decided about one circuit. What is absent is off.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CircuitSettingsBody {
    /// Something behind its meter generates, so that its building load may be negative.
    #[serde(default)]
    may_export: bool,
    /// Readings above this are no readings, in mA per line.
    #[schema(value_type = Option<i64>)]
    breaker_ma: Option<Milliamps>,
    /// It has a battery that takes at most so much, in mA on L1, L2, L3: what counts while nothing is heard of it.
    #[schema(value_type = Option<[i64; 3]>)]
    battery_charging_max_ma: Option<[Milliamps; 3]>,
    /// The highest mean power of a quarter of an hour that is wanted, in W.
    peak_w: Option<i64>,
    /// Times in which charging is to take less because it costs more.
    #[serde(default)]
    #[schema(max_items = 192)]
    price_windows: Vec<PriceWindowBody>,
    /// Charging takes what the sun gives, and nothing else.
    #[serde(default)]
    solar_only: bool,
}

/// A time in which charging takes less. A trusted departure that would be missed goes before it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceWindowBody {
    from: Instant,
    until: Instant,
    /// What the cars below may take together, in W.
    charging_w: i64,
}

/// How a location shares its load.
#[utoipa::path(get, path = "/api/v1/locations/{id}/load/settings", tag = "circuits", params(("id" = String, Path)),
    operation_id = "load_settings_read",
    responses((status = 200, body = SiteSettingsBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
) -> Result<HttpResponse, Problem> {
    let settings = service::read(&house, &caller, &id).await?;
    Ok(HttpResponse::Ok().json(SiteSettingsBody::from(settings)))
}

/// Replaces the settings of a location. They count at once.
#[utoipa::path(put, path = "/api/v1/locations/{id}/load/settings", tag = "circuits", params(("id" = String, Path)),
    operation_id = "load_settings_put", request_body = SiteSettingsBody,
    responses((status = 200, body = SiteSettingsBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
    Body(body): Body<SiteSettingsBody>,
) -> Result<HttpResponse, Problem> {
    let settings = SiteSettings::from(body);
    service::put(&house, &caller, &id, settings.clone()).await?;
    Ok(HttpResponse::Ok().json(SiteSettingsBody::from(settings)))
}

impl From<SiteSettingsBody> for SiteSettings {
    fn from(body: SiteSettingsBody) -> Self {
        Self {
            hold_min: body.hold_min,
            trusts_cars: body.trusts_cars,
            class_permille: body.class_permille,
            circuits: body.circuits.into_iter().map(|(id, circuit)| (id, circuit.into())).collect(),
        }
    }
}

impl From<SiteSettings> for SiteSettingsBody {
    fn from(settings: SiteSettings) -> Self {
        Self {
            hold_min: settings.hold_min,
            trusts_cars: settings.trusts_cars,
            class_permille: settings.class_permille,
            circuits: settings.circuits.into_iter().map(|(id, circuit)| (id, circuit.into())).collect(),
        }
    }
}

impl From<CircuitSettingsBody> for CircuitSettings {
    fn from(body: CircuitSettingsBody) -> Self {
        Self {
            may_export: body.may_export,
            breaker_ma: body.breaker_ma,
            battery_charging_max_ma: body.battery_charging_max_ma,
            peak_w: body.peak_w.map(Watts),
            price_windows: body.price_windows.into_iter().map(PriceWindow::from).collect(),
            solar_only: body.solar_only,
        }
    }
}

impl From<CircuitSettings> for CircuitSettingsBody {
    fn from(settings: CircuitSettings) -> Self {
        Self {
            may_export: settings.may_export,
            breaker_ma: settings.breaker_ma,
            battery_charging_max_ma: settings.battery_charging_max_ma,
            peak_w: settings.peak_w.map(|peak| peak.0),
            price_windows: settings.price_windows.into_iter().map(PriceWindowBody::from).collect(),
            solar_only: settings.solar_only,
        }
    }
}

impl From<PriceWindowBody> for PriceWindow {
    fn from(body: PriceWindowBody) -> Self {
        Self { from: body.from.0, until: body.until.0, charging_w: Watts(body.charging_w) }
    }
}

impl From<PriceWindow> for PriceWindowBody {
    fn from(window: PriceWindow) -> Self {
        Self { from: window.from.into(), until: window.until.into(), charging_w: window.charging_w.0 }
    }
}
