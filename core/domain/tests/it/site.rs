//! A site's picture: what operators see when facts come in.

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{ConnectorId, Epoch, EvseId, LocationId, SiteId, TenantId};
use ringmain_domain::location::{Connector, ConnectorStatus, OperatorState};
use ringmain_domain::reply::Registration;
use ringmain_domain::report::TransactionPhase;
use ringmain_domain::session::{Session, fold};
use ringmain_domain::site::{Change, Input, MAX_STATIONS, SiteState};

use crate::make::{MORNING, event, fact, minute, session, snapshot, station_id};

fn site() -> SiteState {
    SiteState::new(SiteId::of(&LocationId::new("harbour").unwrap()), &[])
}

fn join(site: &mut SiteState, epoch: i64) -> Vec<String> {
    let input = Input::Joined { snapshot: Box::new(snapshot(Registration::Accepted)), epoch: Epoch(epoch) };
    text(&site.apply(MORNING, input))
}

fn status(site: &mut SiteState, status: ConnectorStatus) -> Vec<String> {
    let event =
        DomainEvent::StatusChanged { evse: EvseId(1), connector: ConnectorId(1), status, fault: None };
    let fact =
        Fact { tenant: TenantId::default_tenant(), station: station_id(), received_at: MORNING, event };
    text(&site.apply(MORNING, Input::Committed { facts: vec![fact], sessions: Vec::new() }))
}

fn tell(site: &mut SiteState, session: Session) -> Vec<String> {
    text(&site.apply(MORNING, Input::Committed { facts: Vec::new(), sessions: vec![session] }))
}

fn text(changes: &[Change]) -> Vec<String> {
    let text = |change: &Change| match change {
        Change::StationOnline { online, .. } => format!("online {online}"),
        Change::ConnectorState { evse_id, connector_id, state, .. } => {
            format!("{evse_id}/{connector_id} {}", state.as_str())
        }
        Change::SessionChanged { session } => format!("session {}", session.status.as_str()),
    };
    changes.iter().map(text).collect()
}

#[test]
fn a_connector_shows_the_six_states() {
    let mut site = site();
    assert_eq!(join(&mut site, 1), ["online true"]);
    assert_eq!(status(&mut site, ConnectorStatus::Available), ["1/1 available"]);
    assert_eq!(status(&mut site, ConnectorStatus::Preparing), ["1/1 occupied"]);
    assert_eq!(status(&mut site, ConnectorStatus::Charging), ["1/1 charging"]);
    assert_eq!(status(&mut site, ConnectorStatus::Faulted), ["1/1 faulted"]);
    assert_eq!(status(&mut site, ConnectorStatus::Unavailable), ["1/1 maintenance"]);
    let left = site.apply(MORNING, Input::Left { station: station_id(), epoch: Epoch(1) });
    assert_eq!(text(&left), ["online false", "1/1 offline"]);
    assert_eq!(site.count(), [0, 0, 0, 1, 0, 0]);
}

#[test]
fn old_socket_close_keeps_the_new_one_online() {
    let mut site = site();
    join(&mut site, 1);
    join(&mut site, 2);
    let left = site.apply(MORNING, Input::Left { station: station_id(), epoch: Epoch(1) });
    assert!(left.is_empty());
    assert_eq!(site.online(), 1);
}

#[test]
fn a_session_decides_between_charging_and_occupied() {
    let mut site = site();
    join(&mut site, 1);
    status(&mut site, ConnectorStatus::Occupied);
    let facts = session(&[(0, 0), (10, 1_000), (20, 1_000)]);
    let mut open = fold(&TenantId::default_tenant(), &station_id(), &facts[..1]).unwrap().session;
    assert_eq!(tell(&mut site, open.clone()), ["session active"]);
    open.energy_flows = true;
    assert_eq!(tell(&mut site, open), ["1/1 charging", "session active"]);
    let ended = fold(&TenantId::default_tenant(), &station_id(), &facts).unwrap().session;
    assert_eq!(tell(&mut site, ended), ["1/1 occupied", "session completed"]);
}

#[test]
fn maintenance_wins_over_everything() {
    for status in [ConnectorStatus::Available, ConnectorStatus::Faulted, ConnectorStatus::Charging] {
        assert_eq!(OperatorState::of(true, false, status, Some(true)), OperatorState::Maintenance);
    }
}

#[test]
fn the_2001st_station_is_not_taken() {
    let mut site = site();
    let named = |number: usize| {
        let mut snapshot = snapshot(Registration::Accepted);
        snapshot.station.id = ringmain_domain::id::StationId::new(&format!("CS-{number}")).unwrap();
        Input::Joined { snapshot: Box::new(snapshot), epoch: Epoch(1) }
    };
    for number in 0..MAX_STATIONS {
        assert_eq!(site.apply(MORNING, named(number)).len(), 1);
    }
    assert!(site.apply(MORNING, named(MAX_STATIONS)).is_empty());
}

#[test]
fn a_session_on_a_connector_nobody_reported_makes_it_known() {
    let mut site = site();
    join(&mut site, 1);
    let started = fact(&event(0, TransactionPhase::Started, minute(0), Some(0)));
    let open = Session::begin(&TenantId::default_tenant(), &station_id(), &started).unwrap();
    assert_eq!(tell(&mut site, open), ["1/1 occupied", "session active"]);
}

#[test]
fn what_the_store_knows_makes_good_what_was_missed() {
    let mut site = site();
    join(&mut site, 1);
    status(&mut site, ConnectorStatus::Available);
    let mut stored = snapshot(Registration::Accepted);
    stored.station.location_id = Some(LocationId::new("harbour").unwrap());
    stored.connectors.push(Connector {
        station: station_id(),
        evse: EvseId(1),
        connector: ConnectorId(1),
        status: ConnectorStatus::Faulted,
        fault: None,
        since: MORNING,
    });
    let again = |site: &mut SiteState| text(&site.apply(MORNING, Input::Changed(Box::new(stored.clone()))));
    assert_eq!(again(&mut site), ["1/1 faulted"]);
    assert!(again(&mut site).is_empty(), "the same again is no change");
    assert_eq!(site.online(), 1, "the connection is still there");
    stored.station.location_id = Some(LocationId::new("yard").unwrap());
    site.apply(MORNING, Input::Changed(Box::new(stored)));
    assert_eq!((site.online(), site.count()), (0, [0; 6]), "it stands somewhere else");
}
