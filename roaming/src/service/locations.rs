//! EVSEs as drivers of other companies see them: a stable name that tells nothing, one status, the time of the last change.
//!
//! Never: the station's OCPP identity, in no field and in no part of one (security.md O8).

use ringmain_domain::hardware::ConnectorHardware;
use ringmain_domain::id::{ConnectorId, EvseId, StationId, TariffId, TenantId};
use ringmain_domain::location::{ConnectorStatus, OperatorState};
use ringmain_domain::time::Timestamp;
use ringmain_store::partners::lists::{PublishedConnector, PublishedLocation};
use uuid::Uuid;

/// An EVSE as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evse {
    /// Its name towards partners.
    pub uid: Uuid,
    /// What a driver finds there.
    pub status: EvseStatus,
    /// What is printed on it.
    pub printed_id: Option<Box<str>>,
    /// When it or one of its connectors was last changed.
    pub changed_at: Timestamp,
    /// Its connectors by number, at least one.
    pub connectors: Vec<Connector>,
}

/// A cabinet as it is published: what stands together, under a name that tells nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    /// Its name towards the outside.
    pub uid: Uuid,
    /// Its EVSEs, at least one.
    pub evses: Vec<Evse>,
}

/// A connector as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// Its number.
    pub number: ConnectorId,
    /// What it is made of.
    pub hardware: ConnectorHardware,
    /// The tariff of sessions there.
    pub tariff_id: Option<TariffId>,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// What a driver finds at an EVSE. In the order in which one connector's state speaks for all: an EVSE serves one vehicle at a time, so
/// a connector in use takes the others with it, while a broken one leaves them free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvseStatus {
    /// A vehicle is there.
    InUse,
    /// Held for somebody.
    Reserved,
    /// Free.
    Available,
    /// Broken.
    OutOfOrder,
    /// Out of service on purpose.
    Inoperative,
    /// We cannot see it.
    Unknown,
}

/// The namespace of EVSE names; fixed for ever, or all partners would see all EVSEs vanish and others appear.
const NAMESPACE: Uuid = Uuid::from_u128(0x7269_6e67_6d61_696e_8000_6f63_7069_0001);

/// The name of an EVSE towards partners: the same on every node and for ever, and no way back to the station's identity but guessing.
#[must_use]
pub fn evse_uid(tenant: &TenantId, station: &StationId, evse: EvseId) -> Uuid {
    let name = format!("evse\u{0}{tenant}\u{0}{station}\u{0}{evse}");
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The name of a station towards the outside; of what [`evse_uid`] says the same holds.
#[must_use]
pub fn station_uid(tenant: &TenantId, station: &StationId) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("station\u{0}{tenant}\u{0}{station}").as_bytes())
}

/// The stations of a location that have an EVSE somebody has described, each with these.
#[must_use]
pub fn stations(published: &PublishedLocation) -> Vec<Station> {
    let tenant = &published.location.tenant;
    let station = |connectors: &[PublishedConnector]| {
        let uid = station_uid(tenant, &connectors.first()?.station);
        let evses: Vec<_> = evses_of(tenant, connectors).collect();
        (!evses.is_empty()).then_some(Station { uid, evses })
    };
    published.connectors.chunk_by(|a, b| a.station == b.station).filter_map(station).collect()
}

/// The EVSEs of a location, in the order of its stations: those that somebody has described, as OCPI can tell of no others.
#[must_use]
pub fn evses(published: &PublishedLocation) -> Vec<Evse> {
    evses_of(&published.location.tenant, &published.connectors).collect()
}

fn evses_of<'a>(
    tenant: &'a TenantId,
    connectors: &'a [PublishedConnector],
) -> impl Iterator<Item = Evse> + 'a {
    let same_evse =
        |a: &PublishedConnector, b: &PublishedConnector| (&a.station, a.evse) == (&b.station, b.evse);
    connectors.chunk_by(same_evse).filter_map(|connectors| evse(tenant, connectors))
}

/// When anything of a location was last changed.
#[must_use]
pub fn changed_at(published: &PublishedLocation, evses: &[Evse]) -> Timestamp {
    evses
        .iter()
        .map(|evse| evse.changed_at)
        .max()
        .max(Some(published.location.updated_at))
        .unwrap_or_default()
}

fn evse(tenant: &TenantId, connectors: &[PublishedConnector]) -> Option<Evse> {
    let first = connectors.first()?;
    let described: Vec<_> =
        connectors.iter().filter_map(|connector| Some((connector, connector.hardware.as_ref()?))).collect();
    let (_, (_, printed_id)) = described.first()?;
    Some(Evse {
        uid: evse_uid(tenant, &first.station, first.evse),
        printed_id: printed_id.clone(),
        status: connectors.iter().map(status).min()?,
        changed_at: connectors.iter().map(|connector| connector.changed_at).max()?,
        connectors: described
            .iter()
            .map(|(connector, (hardware, _))| Connector {
                number: connector.connector,
                hardware: *hardware,
                tariff_id: connector.tariff_id.clone(),
                changed_at: connector.changed_at,
            })
            .collect(),
    })
}

fn status(connector: &PublishedConnector) -> EvseStatus {
    let PublishedConnector { maintenance, online, status, energy_flows, .. } = *connector;
    match OperatorState::of(maintenance, online, status, energy_flows) {
        OperatorState::Available => EvseStatus::Available,
        OperatorState::Occupied if status == ConnectorStatus::Reserved => EvseStatus::Reserved,
        OperatorState::Occupied | OperatorState::Charging => EvseStatus::InUse,
        OperatorState::Faulted => EvseStatus::OutOfOrder,
        OperatorState::Maintenance => EvseStatus::Inoperative,
        // OCPI 2.2.1 mod_locations, Status: UNKNOWN is "also used when offline".
        OperatorState::Offline => EvseStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ringmain_domain::hardware::{Current, Plug};

    use super::*;

    fn made(number: u32) -> ConnectorHardware {
        ConnectorHardware {
            connector: ConnectorId(number),
            plug: Plug::Ccs2,
            has_cable: true,
            current: Current::Dc,
            max_voltage_v: 920,
            max_current_a: 500,
            max_power_w: Some(400_000),
        }
    }

    fn connector(evse: u32, number: u32, status: ConnectorStatus) -> PublishedConnector {
        PublishedConnector {
            station: StationId::new("CS-1").unwrap(),
            evse: EvseId(evse),
            connector: ConnectorId(number),
            status,
            maintenance: false,
            online: true,
            energy_flows: None,
            tariff_id: None,
            hardware: Some((made(number), Some("DE*RMN*E1".into()))),
            changed_at: Timestamp::from_millis(i64::from(number)),
        }
    }

    #[test]
    fn an_evse_has_the_status_a_driver_finds() {
        use ConnectorStatus as C;
        use EvseStatus as E;
        let check = |statuses: &[C], expect| {
            let connectors: Vec<_> =
                (1..).zip(statuses).map(|(n, status)| connector(1, n, *status)).collect();
            assert_eq!(
                evse(&TenantId::default_tenant(), &connectors).unwrap().status,
                expect,
                "{statuses:?}"
            );
        };
        check(&[C::Available], E::Available);
        check(&[C::Occupied], E::InUse);
        check(&[C::Preparing], E::InUse);
        check(&[C::Charging], E::InUse);
        check(&[C::Reserved], E::Reserved);
        check(&[C::Unavailable], E::Inoperative);
        check(&[C::Faulted], E::OutOfOrder);
        check(&[C::Available, C::Charging], E::InUse);
        check(&[C::Available, C::Reserved], E::Reserved);
        check(&[C::Faulted, C::Available], E::Available);
        check(&[C::Unavailable, C::Faulted], E::OutOfOrder);
        let offline = PublishedConnector { online: false, ..connector(1, 1, C::Available) };
        assert_eq!(status(&offline), E::Unknown);
        let closed = PublishedConnector { maintenance: true, ..offline };
        assert_eq!(status(&closed), E::Inoperative);
        let charging = PublishedConnector { energy_flows: Some(true), ..connector(1, 1, C::Occupied) };
        assert_eq!(status(&charging), E::InUse);
    }

    #[test]
    fn what_nobody_has_described_is_not_told() {
        let tenant = TenantId::default_tenant();
        let bare = PublishedConnector { hardware: None, ..connector(1, 1, ConnectorStatus::Charging) };
        assert_eq!(evse(&tenant, std::slice::from_ref(&bare)), None);
        let both = [bare, connector(1, 2, ConnectorStatus::Available)];
        let told = evse(&tenant, &both).unwrap();
        assert_eq!(told.connectors.iter().map(|c| c.number.0).collect::<Vec<_>>(), [2]);
        assert_eq!(told.status, EvseStatus::InUse, "who charges at the other one takes it, too");
        assert_eq!(told.printed_id.as_deref(), Some("DE*RMN*E1"));
    }

    #[test]
    fn stations_are_told_apart_without_their_names() {
        let tenant = TenantId::default_tenant();
        let of = |station: &str, evse| PublishedConnector {
            station: StationId::new(station).unwrap(),
            ..connector(evse, 1, ConnectorStatus::Available)
        };
        let bare = PublishedConnector { hardware: None, ..of("CS-2", 1) };
        let location = ringmain_domain::location::Location {
            tenant: tenant.clone(),
            id: ringmain_domain::id::LocationId::new("L1").unwrap(),
            name: "L1".into(),
            address: "Street 1".into(),
            city: "Utrecht".into(),
            postal_code: None,
            country: "NLD".into(),
            latitude: "52".into(),
            longitude: "5".into(),
            time_zone: "UTC".into(),
            updated_at: Timestamp::from_millis(0),
        };
        let connectors = vec![of("CS-1", 1), of("CS-1", 2), bare, of("CS-3", 1)];
        let told = stations(&PublishedLocation { location, connectors, unreadable: BTreeMap::new() });
        let uid = |station: &str| station_uid(&tenant, &StationId::new(station).unwrap());
        let seen: Vec<_> = told.iter().map(|station| (station.uid, station.evses.len())).collect();
        assert_eq!(seen, [(uid("CS-1"), 2), (uid("CS-3"), 1)]);
        assert_ne!(uid("CS-1"), evse_uid(&tenant, &StationId::new("CS-1").unwrap(), EvseId(1)));
    }

    #[test]
    fn an_evse_name_is_stable_and_tells_nothing() {
        let tenant = TenantId::default_tenant();
        let station = StationId::new("CS-1").unwrap();
        let uid = evse_uid(&tenant, &station, EvseId(1));
        assert_eq!(uid.to_string(), "dea38153-5ac6-5c2b-b790-34ee0fee510a");
        assert_ne!(uid, evse_uid(&tenant, &station, EvseId(2)));
        assert_ne!(uid, evse_uid(&TenantId::new("other").unwrap(), &station, EvseId(1)));
    }
}
