//! EVSEs as operators see them, worked out from a station's connectors.

use std::collections::BTreeMap;

use ringmain_domain::id::{ConnectorId, EvseId, LocationId, SessionId, StationId, TenantId};
use ringmain_domain::location::{ConnectorStatus, OperatorState};
use ringmain_domain::report::StationFault;
use ringmain_domain::time::Timestamp;
use ringmain_store::page::PageRequest;
use ringmain_store::stations::{ConnectorRow, StationFilter, StationRow};
use ringmain_store::store::StoreError;

use crate::house::House;

/// Of several connectors the first of these that one of them shows is the EVSE's state: an EVSE serves one vehicle at a time, so a used
/// connector hides a free one, and a free one hides a broken one.
const PRECEDENCE: [OperatorState; 6] = [
    OperatorState::Charging,
    OperatorState::Occupied,
    OperatorState::Available,
    OperatorState::Faulted,
    OperatorState::Maintenance,
    OperatorState::Offline,
];

/// An EVSE with its connectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvseView {
    /// The station.
    pub station: StationId,
    /// Its number, from 1.
    pub evse: EvseId,
    /// Where the station stands.
    pub location_id: Option<LocationId>,
    /// What an operator sees.
    pub state: OperatorState,
    /// The open session.
    pub session: Option<SessionId>,
    /// At least one, by number.
    pub connectors: Vec<ConnectorView>,
}

/// A connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorView {
    /// Its number, from 1.
    pub connector: ConnectorId,
    /// What an operator sees.
    pub state: OperatorState,
    /// What it says itself.
    pub status: ConnectorStatus,
    /// What is wrong.
    pub fault: Option<StationFault>,
    /// Since when, by our clock.
    pub since: Timestamp,
}

/// Which EVSEs.
#[derive(Debug, Clone, Default)]
pub struct EvseFilter {
    /// At these stations.
    pub stations: StationFilter,
    /// In this state.
    pub state: Option<OperatorState>,
}

/// Where a page of EVSEs starts: a page of stations, and the last EVSE of it that was given already. Stations come by id, so nothing is
/// given twice or left out when stations are added or removed in between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EvsePlace {
    /// The store's cursor of the page of stations.
    pub stations: Option<String>,
    /// The last EVSE given.
    pub after: Option<(StationId, EvseId)>,
}

/// The most pages of stations that are looked through for one page of EVSEs in a rare state.
const SCANS_MAX: usize = 20;

/// The EVSEs of a station. What stands for more than one connector (EVSE 0, connector 0) is not shown by itself.
#[must_use]
pub fn of(row: &StationRow) -> Vec<EvseView> {
    let mut by_evse: BTreeMap<EvseId, Vec<&ConnectorRow>> = BTreeMap::new();
    for connector in &row.connectors {
        if connector.connector.evse.0 > 0 && connector.connector.connector.0 > 0 {
            by_evse.entry(connector.connector.evse).or_default().push(connector);
        }
    }
    by_evse.into_iter().map(|(evse, connectors)| view(row, evse, &connectors)).collect()
}

/// The state of a whole station: that of its EVSEs in the same precedence; what its connection says while it has shown none.
#[must_use]
pub fn state_of_station(row: &StationRow) -> OperatorState {
    let states: Vec<_> = of(row).into_iter().map(|evse| evse.state).collect();
    let alone = || OperatorState::of(row.station.maintenance, row.online, ConnectorStatus::Available, None);
    foremost(&states).unwrap_or_else(alone)
}

/// One page of EVSEs by station and number, at most `limit`, with the place of the next page.
///
/// # Errors
/// The store's.
pub async fn page(
    house: &House,
    tenant: &TenantId,
    filter: &EvseFilter,
    place: EvsePlace,
    limit: u32,
) -> Result<(Vec<EvseView>, Option<EvsePlace>), StoreError> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found: Vec<EvseView> = Vec::new();
    let mut place = place;
    for _ in 0..SCANS_MAX {
        let request = PageRequest { after: place.stations.clone(), limit };
        let page = house.store.stations(tenant, &filter.stations, &request).await?;
        for evse in page.items.iter().flat_map(of) {
            let here = (evse.station.clone(), evse.evse);
            let given = place.after.as_ref().is_some_and(|last| here <= *last);
            if given || filter.state.is_some_and(|state| state != evse.state) {
                continue;
            }
            if found.len() == wanted {
                let after = found.last().map(|last| (last.station.clone(), last.evse)).or(place.after);
                return Ok((found, Some(EvsePlace { stations: place.stations, after })));
            }
            found.push(evse);
        }
        let Some(next) = page.next else { return Ok((found, None)) };
        place = EvsePlace { stations: Some(next), after: None };
        if found.len() == wanted {
            break;
        }
    }
    Ok((found, Some(place)))
}

fn view(row: &StationRow, evse: EvseId, connectors: &[&ConnectorRow]) -> EvseView {
    let views: Vec<_> = connectors
        .iter()
        .map(|row_of| {
            let connector = &row_of.connector;
            let (maintenance, online) = (row.station.maintenance, row.online);
            ConnectorView {
                connector: connector.connector,
                state: OperatorState::of(maintenance, online, connector.status, row_of.energy_flows),
                status: connector.status,
                fault: connector.fault.clone(),
                since: connector.since,
            }
        })
        .collect();
    let states: Vec<_> = views.iter().map(|view| view.state).collect();
    EvseView {
        station: row.station.id.clone(),
        evse,
        location_id: row.station.location_id.clone(),
        state: foremost(&states).unwrap_or(OperatorState::Offline),
        session: connectors.iter().find_map(|connector| connector.session),
        connectors: views,
    }
}

fn foremost(states: &[OperatorState]) -> Option<OperatorState> {
    PRECEDENCE.into_iter().find(|state| states.contains(state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::location::{ChargingStation, Connector};
    use ringmain_domain::reply::Registration;

    fn row(online: bool, connectors: &[(u32, u32, ConnectorStatus, Option<bool>)]) -> StationRow {
        let station = StationId::new("CS-1").unwrap();
        let now = Timestamp::from_millis(0);
        let connector =
            |(evse, connector, status, flows): &(u32, u32, ConnectorStatus, Option<bool>)| ConnectorRow {
                connector: Connector {
                    station: station.clone(),
                    evse: EvseId(*evse),
                    connector: ConnectorId(*connector),
                    status: *status,
                    fault: None,
                    since: now,
                },
                session: None,
                energy_flows: *flows,
            };
        let tenant = TenantId::default_tenant();
        StationRow {
            station: ChargingStation::unknown(tenant, station.clone(), Registration::Accepted, now),
            online,
            connectors: connectors.iter().map(connector).collect(),
        }
    }

    #[test]
    fn an_evse_shows_what_matters_most() {
        use ConnectorStatus::{Available, Faulted, Occupied, Unavailable};
        for (connectors, expect) in [
            (vec![(1, 1, Available, None), (1, 2, Faulted, None)], OperatorState::Available),
            (vec![(1, 1, Available, None), (1, 2, Occupied, None)], OperatorState::Occupied),
            (vec![(1, 1, Available, None), (1, 2, Occupied, Some(true))], OperatorState::Charging),
            (vec![(1, 1, Faulted, None), (1, 2, Unavailable, None)], OperatorState::Faulted),
        ] {
            let evses = of(&row(true, &connectors));
            assert_eq!(evses.len(), 1);
            assert_eq!(evses[0].state, expect, "{connectors:?}");
            assert_eq!(of(&row(false, &connectors))[0].state, OperatorState::Offline);
        }
    }

    #[test]
    fn rows_that_stand_for_several_connectors_are_left_out() {
        let row =
            row(true, &[(0, 0, ConnectorStatus::Available, None), (1, 0, ConnectorStatus::Faulted, None)]);
        assert!(of(&row).is_empty());
        assert_eq!(state_of_station(&row), OperatorState::Available);
    }
}
