//! Values for tests, each as small as it can be.

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::hardware::{ConnectorHardware, Current, EvseHardware, Plug, StationHardware};
use ringmain_domain::id::{ConnectorId, Epoch, EvseId, LocationId, StationId, TariffId, TenantId};
use ringmain_domain::location::{ChargingStation, ConnectorStatus, Location};
use ringmain_domain::money::Currency;
use ringmain_domain::reply::Registration;
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use ringmain_domain::time::Timestamp;
use ringmain_store::store::Store;

pub(crate) fn tenant() -> TenantId {
    TenantId::default_tenant()
}

/// So many seconds after 2026-03-01T08:00:00Z.
pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(1_772_352_000_000).plus_secs(secs)
}

pub(crate) fn location(id: &str, updated_at: Timestamp) -> Location {
    Location {
        tenant: tenant(),
        id: LocationId::new(id).unwrap(),
        name: format!("Location {id}").into(),
        address: "Street 1".into(),
        city: "Utrecht".into(),
        postal_code: Some("3511".into()),
        country: "NLD".into(),
        latitude: "52.09".into(),
        longitude: "5.1214201".into(),
        time_zone: "Europe/Amsterdam".into(),
        updated_at,
    }
}

pub(crate) fn tariff(id: &str, updated_at: Timestamp) -> Tariff {
    let component = |dimension, price: &str, tax: Option<&str>, step_size| PriceComponent {
        dimension,
        price: price.parse().unwrap(),
        tax_percent: tax.map(|tax| tax.parse().unwrap()),
        step_size,
    };
    let components = vec![
        component(Dimension::Flat, "0.50", None, 1),
        component(Dimension::Energy, "0.123456789", Some("21.0"), 1),
        component(Dimension::Time, "2", Some("21.0"), 60),
        component(Dimension::ParkingTime, "6.00", Some("0"), 900),
    ];
    Tariff::new(
        tenant(),
        TariffId::new(id).unwrap(),
        "for people",
        Currency::new("EUR").unwrap(),
        vec![TariffElement::new(components)],
        updated_at,
    )
}

pub(crate) fn fact(station: &str, at: Timestamp, event: DomainEvent) -> Fact {
    Fact { tenant: tenant(), station: StationId::new(station).unwrap(), received_at: at, event }
}

pub(crate) fn status(
    station: &str,
    at: Timestamp,
    evse: u32,
    connector: u32,
    status: ConnectorStatus,
) -> Fact {
    let (evse, connector) = (EvseId(evse), ConnectorId(connector));
    fact(station, at, DomainEvent::StatusChanged { evse, connector, status, fault: None })
}

pub(crate) fn connected(station: &str, at: Timestamp) -> Fact {
    fact(
        station,
        at,
        DomainEvent::StationConnected { ocpp_version: "ocpp2.0.1".into(), epoch: Epoch(0), node: None },
    )
}

pub(crate) fn disconnected(station: &str, at: Timestamp) -> Fact {
    fact(station, at, DomainEvent::StationDisconnected { exit: "closed".into(), epoch: Epoch(0) })
}

/// An accepted station at a location, with three EVSEs of three connectors described.
pub(crate) async fn stand(store: &Store, id: &str, location: &str, tariff: Option<&str>) {
    let mut station =
        ChargingStation::unknown(tenant(), StationId::new(id).unwrap(), Registration::Accepted, at(0));
    station.name = Some(format!("Cabinet {id}").into());
    station.location_id = Some(LocationId::new(location).unwrap());
    station.tariff_id = tariff.map(|tariff| TariffId::new(tariff).unwrap());
    assert!(store.insert_station(&station).await.unwrap());
    let evses = (1..=3).map(|evse| EvseHardware {
        evse: EvseId(evse),
        printed_id: Some(format!("NL*RMN*E{evse}").into()),
        connectors: (1..=3).map(made).collect(),
    });
    let hardware = StationHardware { evses: evses.collect() };
    assert!(store.put_station_hardware(&tenant(), &station.id, &hardware, at(0)).await.unwrap());
}

/// A socket of 22 kW.
pub(crate) fn made(connector: u32) -> ConnectorHardware {
    ConnectorHardware {
        connector: ConnectorId(connector),
        plug: Plug::Type2,
        has_cable: false,
        current: Current::Ac3,
        max_voltage_v: 230,
        max_current_a: 32,
        max_power_w: None,
    }
}
