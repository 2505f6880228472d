//! A car that takes nothing by its station's word.

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{ConnectorId, EvseId, GrantSeq, TenantId, TransactionId};
use ringmain_domain::load::allocation::{Input, resting};
use ringmain_domain::load::ledger::steering::input::{EvseInput, Input as SteeringInput};
use ringmain_domain::load::tree::EvseKey;
use ringmain_domain::location::{Connector, ConnectorStatus};
use ringmain_domain::report::{ChargingState, TransactionPhase};
use ringmain_domain::session::Session;

use super::allocation::{Site, charging};
use crate::make::{MORNING, event, fact, minute, station_id};

/// Two cars share 20 A.
fn two() -> Site {
    let mut site = Site::new();
    let other =
        Session { transaction: TransactionId::new("other").unwrap(), evse: Some(EvseId(2)), ..charging() };
    for session in [charging(), other] {
        site.hear(Input::Session(Box::new(session)));
    }
    site
}

fn says(site: &mut Site, rests: bool) {
    site.hear(Input::Rests { evse: EvseKey { station: station_id(), evse: EvseId(1) }, rests });
}

fn planned(site: &Site) -> Vec<i64> {
    site.state.standings().iter().map(|standing| standing.planned.unwrap().0).collect()
}

/// Both have 10 A in force.
fn both_offered() -> Site {
    let mut site = two();
    site.plan();
    for slot in [0, 1] {
        site.hear(Input::Steering(SteeringInput::Evse(slot, EvseInput::Accepted(GrantSeq(1)))));
    }
    site.now = site.now.plus_secs(60);
    site.plan();
    assert_eq!(planned(&site), [10_000, 10_000]);
    site
}

#[test]
fn its_share_goes_to_others_until_it_charges_again() {
    let mut site = both_offered();
    says(&mut site, true);
    site.plan();
    assert_eq!(planned(&site), [0, 20_000], "it has what is left, and is asked again later");
    says(&mut site, false);
    site.plan();
    assert_eq!(planned(&site), [10_000, 10_000]);
}

#[test]
fn a_sample_that_shows_otherwise_is_believed() {
    let mut site = both_offered();
    says(&mut site, true);
    let drawing = Session { power_w: Some(6_900), power_at: Some(site.now), ..charging() };
    site.hear(Input::Session(Box::new(drawing)));
    site.plan();
    assert_eq!(planned(&site)[0], 10_000);
}

#[test]
fn a_car_that_was_offered_nothing_yet_is_not_said_to_want_nothing() {
    let mut site = two();
    says(&mut site, true);
    site.plan();
    assert_eq!(planned(&site), [10_000, 10_000], "it had no grant");
    site.hear(Input::Steering(SteeringInput::Evse(0, EvseInput::Accepted(GrantSeq(1)))));
    site.now = site.now.plus_secs(10);
    site.plan();
    assert_eq!(planned(&site), [10_000, 10_000], "its grant may not be in force yet");
    site.now = site.now.plus_secs(60);
    site.plan();
    assert_eq!(planned(&site), [0, 20_000], "it had time to begin");
}

#[test]
fn versions_say_it_each_in_its_way() {
    let session = charging();
    let of = |event: DomainEvent| {
        let (tenant, station) = (TenantId::default_tenant(), station_id());
        let fact = Fact { tenant, station, received_at: MORNING, event };
        match resting::of_fact(&fact, std::slice::from_ref(&session)) {
            Some(Input::Rests { evse, rests }) => Some((evse.evse.0, rests)),
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    };
    let status = |status| {
        of(DomainEvent::StatusChanged { evse: EvseId(2), connector: ConnectorId(1), status, fault: None })
    };
    assert_eq!(status(ConnectorStatus::SuspendedEv), Some((2, true)));
    assert_eq!(status(ConnectorStatus::Charging), Some((2, false)));
    assert_eq!(status(ConnectorStatus::SuspendedEvse), None, "that is our doing");
    assert_eq!(status(ConnectorStatus::Occupied), None);
    let mut said = fact(&event(1, TransactionPhase::Updated, minute(1), None));
    said.transaction = session.transaction.clone();
    let mut in_transaction = |state, offline| {
        (said.charging_state, said.offline) = (Some(state), offline);
        of(DomainEvent::Transaction(said.clone()))
    };
    assert_eq!(in_transaction(ChargingState::SuspendedEv, false), Some((1, true)));
    assert_eq!(in_transaction(ChargingState::Charging, false), Some((1, false)));
    assert_eq!(in_transaction(ChargingState::SuspendedEvse, false), None);
    assert_eq!(in_transaction(ChargingState::SuspendedEv, true), None, "that was then");
    let connector = Connector {
        station: station_id(),
        evse: EvseId(1),
        connector: ConnectorId(1),
        status: ConnectorStatus::SuspendedEv,
        fault: None,
        since: MORNING,
    };
    assert!(matches!(resting::of_connector(&connector), Some(Input::Rests { rests: true, .. })));
}
