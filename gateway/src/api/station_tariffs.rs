//! `charging-stations/{id}/tariffs`: what a station that prices by itself was told.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{StationId, TariffId};
use ringmain_store::station_tariffs::{Places, StationTariffs, Told};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::Path;
use super::fields::Instant;
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::stations;

/// The tariffs of a station.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct StationTariffsBody {
    /// Does it price by itself? Null: it has not said.
    prices_itself: Option<bool>,
    /// Is this all that it has? False while a message may have been lost, or it started anew: all is told again then.
    certain: bool,
    /// What it has.
    has: Vec<PlacedTariffBody>,
    /// What it should have: nothing where it would show another price than ours.
    wanted: Vec<PlacedTariffBody>,
    /// Why it has not what it should have.
    #[schema(example = "tariff ac-standard: ConditionNotSupported")]
    trouble: Option<String>,
    /// When it was last asked or told, or that was tried; null: never.
    looked_at: Option<Instant>,
}

/// A tariff of a station.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlacedTariffBody {
    /// 0: all EVSEs.
    evse_id: u32,
    #[schema(value_type = String)]
    tariff_id: TariffId,
    /// What the station knows it by; another place or content has another one.
    #[schema(example = "ac-standard.1.93ab0f4a11d0c7e2")]
    name: String,
}

/// What a station that prices by itself (OCPP 2.1) was told, and why not more.
#[utoipa::path(get, path = "/api/v1/charging-stations/{id}/tariffs", tag = "charging-stations",
    operation_id = "tariffs_read", params(("id" = String, Path)),
    responses((status = 200, body = StationTariffsBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<StationId>,
) -> Result<HttpResponse, Problem> {
    stations::own(&house, &caller, &id).await?;
    let found = house.store.station_tariffs(&caller.tenant, &id).await?;
    Ok(HttpResponse::Ok().json(found.map(StationTariffsBody::from).unwrap_or_default()))
}

fn placed(places: Places) -> Vec<PlacedTariffBody> {
    let places = places.into_iter();
    let place = places.map(|(evse, placed)| PlacedTariffBody {
        evse_id: evse.0,
        tariff_id: placed.tariff,
        name: placed.name.into(),
    });
    place.collect()
}

impl From<StationTariffs> for StationTariffsBody {
    fn from(tariffs: StationTariffs) -> Self {
        let Told { prices, certain, wanted, has, trouble } = tariffs.told;
        Self {
            prices_itself: prices,
            certain,
            has: placed(has),
            wanted: placed(wanted),
            trouble: trouble.map(Into::into),
            looked_at: Some(tariffs.updated_at.into()),
        }
    }
}
