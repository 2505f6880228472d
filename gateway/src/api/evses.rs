//! `evses`: every EVSE with the state an operator sees, read from the stations.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{ConnectorId, EvseId, LocationId, SessionId, StationId};
use ringmain_domain::location::OperatorState;
use ringmain_domain::report::StationFault;
use ringmain_store::stations::StationFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Authorized;
use super::extract::Query;
use super::fields::Instant;
use super::paging::{self, ListBody};
use super::problem::{Kind, Problem};
use crate::house::House;
use crate::services::evses::{self as service, ConnectorView, EvseFilter, EvsePlace, EvseView};

const LIST: &str = "evses";
/// Parts of a place in the list; a station's identity has no control characters.
const SEPARATOR: char = '\u{1f}';

/// The six states an operator sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StateBody {
    /// A driver could start now.
    Available,
    /// In use, but no energy flows; or reserved.
    Occupied,
    /// Energy flows.
    Charging,
    /// No connection.
    Offline,
    /// The station reports a fault.
    Faulted,
    /// Out of service on purpose.
    Maintenance,
}

/// An EVSE: it serves one vehicle at a time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EvseBody {
    #[schema(value_type = String)]
    charging_station_id: StationId,
    /// Its number at the station, from 1.
    #[schema(value_type = u32)]
    evse_id: EvseId,
    #[schema(value_type = Option<String>)]
    location_id: Option<LocationId>,
    state: StateBody,
    /// The open session.
    #[schema(value_type = Option<String>, format = Uuid)]
    session_id: Option<SessionId>,
    connectors: Vec<ConnectorBody>,
}

/// A connector.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectorBody {
    /// Its number at the EVSE, from 1.
    #[schema(value_type = u32)]
    connector_id: ConnectorId,
    state: StateBody,
    /// What it says itself.
    #[schema(example = "suspended_ev")]
    status: &'static str,
    fault: Option<FaultBody>,
    /// Since when, by our clock.
    since_at: Instant,
}

/// A fault a station names, in its own words.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FaultBody {
    code: String,
    text: Option<String>,
    vendor_code: Option<String>,
}

/// Which EVSEs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EvsesQuery {
    /// Items on the page, 1 to 1,000; 100 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// At this location.
    #[param(value_type = Option<String>)]
    location_id: Option<LocationId>,
    /// In this state. A page of a rare state may have few items and still a next page.
    #[param(inline)]
    state: Option<StateBody>,
}

/// All EVSEs, by station and number.
#[utoipa::path(get, path = "/api/v1/evses", tag = "evses", params(EvsesQuery),
    responses((status = 200, body = ListBody<EvseBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<EvsesQuery>,
) -> Result<HttpResponse, Problem> {
    let limit = paging::limit(query.limit)?;
    let place = match &query.cursor {
        Some(cursor) => place_from(&paging::open(LIST, cursor)?)?,
        None => EvsePlace::default(),
    };
    let filter = EvseFilter {
        stations: StationFilter { location_id: query.location_id, ..StationFilter::default() },
        state: query.state.map(Into::into),
    };
    let (evses, next) = service::page(&house, &caller.tenant, &filter, place, limit).await?;
    let body = ListBody {
        items: evses.into_iter().map(EvseBody::from).collect::<Vec<_>>(),
        next_cursor: next.map(|place| paging::seal(LIST, &text_of(&place))),
    };
    Ok(HttpResponse::Ok().json(body))
}

fn text_of(place: &EvsePlace) -> String {
    let (station, evse) = match &place.after {
        Some((station, evse)) => (station.as_str(), evse.to_string()),
        None => ("", String::new()),
    };
    let stations = place.stations.as_deref().unwrap_or_default();
    format!("{station}{SEPARATOR}{evse}{SEPARATOR}{stations}")
}

fn place_from(text: &str) -> Result<EvsePlace, Problem> {
    let read = || {
        let mut parts = text.splitn(3, SEPARATOR);
        let (station, evse, stations) = (parts.next()?, parts.next()?, parts.next()?);
        let after = match (station, evse) {
            ("", "") => None,
            (station, evse) => Some((StationId::new(station).ok()?, EvseId(evse.parse().ok()?))),
        };
        Some(EvsePlace { stations: Some(stations.to_owned()).filter(|text| !text.is_empty()), after })
    };
    read().ok_or_else(|| Problem::new(Kind::BadRequest, "cursor is not one of this list: start without one"))
}

impl From<EvseView> for EvseBody {
    fn from(view: EvseView) -> Self {
        Self {
            charging_station_id: view.station,
            evse_id: view.evse,
            location_id: view.location_id,
            state: view.state.into(),
            session_id: view.session,
            connectors: view.connectors.into_iter().map(ConnectorBody::from).collect(),
        }
    }
}

impl From<ConnectorView> for ConnectorBody {
    fn from(view: ConnectorView) -> Self {
        Self {
            connector_id: view.connector,
            state: view.state.into(),
            status: view.status.as_str(),
            fault: view.fault.map(FaultBody::from),
            since_at: view.since.into(),
        }
    }
}

impl From<StationFault> for FaultBody {
    fn from(fault: StationFault) -> Self {
        Self {
            code: fault.code.into(),
            text: fault.text.map(Into::into),
            vendor_code: fault.vendor_code.map(Into::into),
        }
    }
}

impl From<OperatorState> for StateBody {
    fn from(state: OperatorState) -> Self {
        match state {
            OperatorState::Available => Self::Available,
            OperatorState::Occupied => Self::Occupied,
            OperatorState::Charging => Self::Charging,
            OperatorState::Offline => Self::Offline,
            OperatorState::Faulted => Self::Faulted,
            OperatorState::Maintenance => Self::Maintenance,
        }
    }
}

impl From<StateBody> for OperatorState {
    fn from(state: StateBody) -> Self {
        match state {
            StateBody::Available => Self::Available,
            StateBody::Occupied => Self::Occupied,
            StateBody::Charging => Self::Charging,
            StateBody::Offline => Self::Offline,
            StateBody::Faulted => Self::Faulted,
            StateBody::Maintenance => Self::Maintenance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_comes_back() {
        let station = StationId::new("RDAM|123 ü").unwrap();
        for place in [
            EvsePlace::default(),
            EvsePlace { stations: Some("c".into()), after: None },
            EvsePlace { stations: None, after: Some((station, EvseId(2))) },
        ] {
            assert_eq!(place_from(&text_of(&place)).unwrap(), place);
        }
        assert!(place_from("nonsense").is_err());
    }
}
