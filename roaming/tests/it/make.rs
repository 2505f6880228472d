//! Values for tests, each as small as it can be.

use ringmain_domain::authorize::Authorization;
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::hardware::{ConnectorHardware, Current, EvseHardware, Plug, StationHardware};
use ringmain_domain::id::{
    AssignmentId, ConnectorId, Epoch, EvseId, LocationId, StationId, TariffId, TenantId, TokenUid,
    TransactionId,
};
use ringmain_domain::location::{ChargingStation, ConnectorStatus, Location};
use ringmain_domain::meter::{Sample, SampleContext};
use ringmain_domain::money::Currency;
use ringmain_domain::party::{Party, Role};
use ringmain_domain::reply::Registration;
use ringmain_domain::report::{MessageKey, TransactionPhase};
use ringmain_domain::roaming::{AuthMethod, Contract};
use ringmain_domain::tariff::assignment::TariffAssignment;
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use ringmain_domain::time::Timestamp;
use ringmain_domain::token::{IdToken, TokenKind};
use ringmain_domain::transaction::TransactionFact;
use ringmain_store::store::Store;
use uuid::Uuid;

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

/// Everybody pays the tariff of this name everywhere.
pub(crate) fn for_anyone(id: &str) -> TariffAssignment {
    TariffAssignment {
        tenant: tenant(),
        id: AssignmentId::new(id).unwrap(),
        tariff: TariffId::new(id).unwrap(),
        location: None,
        station: None,
        evse: None,
        token_group: None,
        token_kind: None,
        valid_from: None,
        valid_until: None,
        updated_at: at(0),
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

/// A driver of this company charges at CS-1, from an instant on, for an hour; the session and its bill.
pub(crate) async fn roam(store: &Store, party_id: &str, transaction: &str, from: Timestamp) -> (Uuid, Uuid) {
    let contract = Contract {
        party: Party { country_code: "DE".into(), party_id: party_id.into(), role: Role::Emsp },
        uid: "CARD1".into(),
        kind: "RFID".into(),
        contract_id: "DE8ABC1".into(),
        reference: Some("ref-1".into()),
        method: AuthMethod::Asked,
    };
    let message = |sequence: u32, phase, secs, wh| TransactionFact {
        transaction: TransactionId::new(transaction).unwrap(),
        key: MessageKey::Sequence(sequence),
        phase,
        numbering: None,
        evse: Some(EvseId(1)),
        connector: Some(ConnectorId(1)),
        token: Some(IdToken { uid: TokenUid::new("CARD1").unwrap(), kind: TokenKind::Rfid }),
        authorization: Some(Authorization::Accepted),
        contract: Some(Box::new(contract.clone())),
        observed_at: from.plus_secs(secs),
        received_at: from.plus_secs(secs),
        trigger: "Test".into(),
        charging_state: None,
        stop_reason: None,
        offline: false,
        remote_start_id: None,
        time_repaired: false,
        adopted: false,
        aside: false,
        samples: vec![Sample::import_register(from.plus_secs(secs), wh, SampleContext::Periodic)],
        ruling: None,
        content: sequence.to_string().into(),
    };
    let facts =
        [message(0, TransactionPhase::Started, 0, 0), message(1, TransactionPhase::Ended, 3_600, 11_000)];
    let facts = facts.map(|told| fact("CS-1", told.received_at, DomainEvent::Transaction(told)));
    let results = store.append(&facts).await.unwrap();
    (results[1].session.clone().unwrap().id.0, results[1].cdr.unwrap().0)
}
