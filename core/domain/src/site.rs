//! One site's live picture: which stations are there, what each connector does, which sessions go on.
//!
//! Fed with committed facts only, so that nobody sees what a crash could take back. Load is planned from this picture.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{DomainEvent, Fact};
use crate::id::{ConnectorId, Epoch, EvseId, SessionId, SiteId, StationId};
use crate::location::{ConnectorStatus, OperatorState};
use crate::session::{Session, SessionStatus};
use crate::snapshot::StationSnapshot;
use crate::time::Timestamp;

/// The most stations a site may hold.
pub const MAX_STATIONS: usize = 2_000;

/// Something that happens to a site.
#[derive(Debug, Serialize, Deserialize)]
pub enum Input {
    /// A station's connection was admitted.
    Joined {
        /// What the store knows of it.
        snapshot: Box<StationSnapshot>,
        /// The connection's epoch.
        epoch: Epoch,
    },
    /// A connection ended.
    Left {
        /// Whose.
        station: StationId,
        /// The connection's epoch: an old socket's end does not take a newer one away.
        epoch: Epoch,
    },
    /// Facts were committed, with the sessions they changed.
    Committed {
        /// The facts, of one station.
        facts: Vec<Fact>,
        /// The sessions as they now are.
        sessions: Vec<Session>,
    },
    /// An operator changed a station's record.
    Changed(Box<StationSnapshot>),
}

/// What became different, for everybody who watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Change {
    /// A station came or went.
    StationOnline {
        /// Which.
        charging_station_id: StationId,
        /// There or not.
        online: bool,
    },
    /// A connector's state as an operator sees it.
    ConnectorState {
        /// Of which station.
        charging_station_id: StationId,
        /// Which EVSE.
        evse_id: EvseId,
        /// Which connector.
        connector_id: ConnectorId,
        /// The new state.
        state: OperatorState,
        /// What the connector itself says.
        status: ConnectorStatus,
    },
    /// A session started, went on or ended.
    SessionChanged {
        /// The session.
        session: Box<Session>,
    },
}

#[derive(Debug, Clone)]
struct StationPicture {
    epoch: Option<Epoch>,
    maintenance: bool,
    connectors: BTreeMap<(EvseId, ConnectorId), ConnectorPicture>,
    /// Does energy flow? By EVSE, of the sessions that go on.
    flows: BTreeMap<EvseId, (SessionId, bool)>,
}

#[derive(Debug, Clone)]
struct ConnectorPicture {
    status: ConnectorStatus,
    state: OperatorState,
}

/// The state of one site.
#[derive(Debug)]
pub struct SiteState {
    id: SiteId,
    stations: BTreeMap<StationId, StationPicture>,
}

// === impl SiteState ===

impl SiteState {
    /// A site whose stations are as the store knows them, none of them connected here yet.
    #[must_use]
    pub fn new(id: SiteId, stations: &[StationSnapshot]) -> Self {
        let stations =
            stations.iter().take(MAX_STATIONS).map(|s| (s.id().clone(), StationPicture::of(s))).collect();
        Self { id, stations }
    }

    /// Which site.
    #[must_use]
    pub const fn id(&self) -> &SiteId {
        &self.id
    }

    /// The connection of a station, while it has one.
    #[must_use]
    pub fn connection(&self, station: &StationId) -> Option<Epoch> {
        self.stations.get(station)?.epoch
    }

    /// How many connectors are in each operator state, in the order of [`OperatorState::ALL`].
    #[must_use]
    pub fn count(&self) -> [u32; 6] {
        let mut counts = [0; 6];
        let connectors = self.stations.values().flat_map(|station| &station.connectors);
        for (_, connector) in connectors.filter(|((evse, connector), _)| evse.0 > 0 && connector.0 > 0) {
            let slot = OperatorState::ALL.iter().position(|state| *state == connector.state);
            if let Some(count) = slot.and_then(|slot| counts.get_mut(slot)) {
                *count += 1;
            }
        }
        counts
    }

    /// How many sessions go on.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.stations.values().map(|station| station.flows.len()).sum()
    }

    /// How many stations are connected here.
    #[must_use]
    pub fn online(&self) -> usize {
        self.stations.values().filter(|station| station.epoch.is_some()).count()
    }

    /// The stations that are connected here, with the epoch of their connection.
    pub fn connections(&self) -> impl Iterator<Item = (&StationId, Epoch)> {
        self.stations.iter().filter_map(|(station, picture)| Some((station, picture.epoch?)))
    }

    /// Takes one input and says what became different.
    pub fn apply(&mut self, _now: Timestamp, input: Input) -> Vec<Change> {
        match input {
            Input::Joined { snapshot, epoch } => self.on_joined(&snapshot, epoch),
            Input::Left { station, epoch } => self.on_left(station, epoch),
            Input::Committed { facts, sessions } => self.on_committed(facts, sessions),
            Input::Changed(snapshot) => self.on_changed(&snapshot),
        }
    }

    fn on_joined(&mut self, snapshot: &StationSnapshot, epoch: Epoch) -> Vec<Change> {
        let id = snapshot.id().clone();
        if !self.stations.contains_key(&id) && self.stations.len() >= MAX_STATIONS {
            return Vec::new();
        }
        let station = self.stations.entry(id.clone()).or_insert_with(|| StationPicture::of(snapshot));
        station.maintenance = snapshot.station.maintenance;
        station.epoch = station.epoch.max(Some(epoch));
        let mut changes = vec![Change::StationOnline { charging_station_id: id.clone(), online: true }];
        changes.extend(station.refresh(&id));
        changes
    }

    fn on_left(&mut self, id: StationId, epoch: Epoch) -> Vec<Change> {
        let Some(station) = self.stations.get_mut(&id) else { return Vec::new() };
        if station.epoch != Some(epoch) {
            return Vec::new();
        }
        station.epoch = None;
        let mut changes = vec![Change::StationOnline { charging_station_id: id.clone(), online: false }];
        changes.extend(station.refresh(&id));
        changes
    }

    /// The station as the store has it, connectors and sessions too: what a full mailbox did not take is made good by this. One that stands
    /// somewhere else now is gone.
    fn on_changed(&mut self, snapshot: &StationSnapshot) -> Vec<Change> {
        let id = snapshot.id().clone();
        let known = self.stations.remove(&id);
        if snapshot.station.site() != self.id {
            return Vec::new();
        }
        if known.is_none() && self.stations.len() >= MAX_STATIONS {
            return Vec::new();
        }
        let mut picture = StationPicture::of(snapshot);
        if let Some(known) = known {
            picture.epoch = known.epoch;
            for (place, connector) in &mut picture.connectors {
                connector.state = known.connectors.get(place).map_or(connector.state, |before| before.state);
            }
        }
        let changes = picture.refresh(&id);
        self.stations.insert(id, picture);
        changes
    }

    fn on_committed(&mut self, facts: Vec<Fact>, sessions: Vec<Session>) -> Vec<Change> {
        let mut changes = Vec::new();
        for fact in facts {
            let Some(station) = self.stations.get_mut(&fact.station) else { continue };
            if let DomainEvent::StatusChanged { evse, connector, status, .. } = fact.event {
                station.connector(evse, connector).status = status;
                changes.extend(station.refresh(&fact.station));
            }
        }
        for session in sessions {
            let Some(station) = self.stations.get_mut(&session.station) else { continue };
            station.on_session(&session);
            changes.extend(station.refresh(&session.station));
            changes.push(Change::SessionChanged { session: Box::new(session) });
        }
        changes
    }
}

// === impl StationPicture ===

impl StationPicture {
    fn of(snapshot: &StationSnapshot) -> Self {
        let mut picture = Self {
            epoch: None,
            maintenance: snapshot.station.maintenance,
            connectors: BTreeMap::new(),
            flows: BTreeMap::new(),
        };
        for connector in &snapshot.connectors {
            picture.connector(connector.evse, connector.connector).status = connector.status;
        }
        for session in &snapshot.open {
            picture.on_session(session);
        }
        picture
    }

    fn connector(&mut self, evse: EvseId, connector: ConnectorId) -> &mut ConnectorPicture {
        self.connectors
            .entry((evse, connector))
            .or_insert(ConnectorPicture { status: ConnectorStatus::Available, state: OperatorState::Offline })
    }

    fn on_session(&mut self, session: &Session) {
        let Some(evse) = session.evse else { return };
        if session.status == SessionStatus::Active {
            if !self.connectors.keys().any(|(of, connector)| *of == evse && connector.0 > 0) {
                self.connector(evse, session.connector.unwrap_or(ConnectorId(1)));
            }
            self.flows.insert(evse, (session.id, session.energy_flows));
        } else if self.flows.get(&evse).is_some_and(|(open, _)| *open == session.id) {
            self.flows.remove(&evse);
        }
    }

    /// Works out every connector's state again and tells those that changed. EVSE 0 and connector 0 stand for more than one connector
    /// and are not shown by themselves.
    fn refresh(&mut self, id: &StationId) -> Vec<Change> {
        let online = self.epoch.is_some();
        let mut changes = Vec::new();
        for ((evse, connector), picture) in &mut self.connectors {
            if evse.0 == 0 || connector.0 == 0 {
                continue;
            }
            let flows = self.flows.get(evse).map(|(_, flows)| *flows);
            let state = OperatorState::of(self.maintenance, online, picture.status, flows);
            if state != picture.state {
                picture.state = state;
                changes.push(Change::ConnectorState {
                    charging_station_id: id.clone(),
                    evse_id: *evse,
                    connector_id: *connector,
                    state,
                    status: picture.status,
                });
            }
        }
        changes
    }
}
