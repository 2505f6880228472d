//! What facts other than those of transactions change: stations, connectors, variables. The last fact of a batch counts.

use std::collections::BTreeMap;

use serde::Serialize;

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{ConnectorId, Epoch, EvseId, NodeId};
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::report::{Boot, StationFault, Variable};
use ringmain_domain::time::Timestamp;

use crate::batch::Place;
use crate::batch::events::{OutboxRow, row};
use crate::engine::param::{Param, params};
use crate::engine::{Statement, Texts};
use crate::messages::cut;
use crate::outbox::KIND_EVSE_STATUS;
use crate::stations::variables::NO_EVSE;
use crate::store::StoreError;

/// The most of a variable's names that is kept, in bytes: they are a key.
const MAX_NAME_BYTES: usize = 255;
/// How a connection ends whose station has a newer one: it is still connected.
const REPLACED: &str = "replaced";

/// What to write.
#[derive(Debug)]
pub(super) struct Projections {
    /// Locks them, then changes them.
    pub(super) stations: [Statement; 2],
    pub(super) connectors: Statement,
    pub(super) variables: Statement,
    pub(super) outbox: Vec<OutboxRow>,
}

/// What a batch says of one station.
#[derive(Debug, Default)]
struct Patch<'a> {
    /// Of the newest connection that is spoken of: what it counts over older ones.
    connection: Option<(Epoch, Option<NodeId>, bool)>,
    ocpp_version: Option<&'a str>,
    boot: Option<(&'a Boot, Timestamp)>,
    last_seen_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

/// What a batch says of one connector.
#[derive(Debug)]
struct Status<'a> {
    status: ConnectorStatus,
    fault: Option<&'a StationFault>,
    since: Timestamp,
    /// It was something else in between.
    moved: bool,
    at: Timestamp,
}

/// What others hear of a status.
#[derive(Debug, Serialize)]
struct StatusBody<'a> {
    station: &'a str,
    evse: EvseId,
    connector: ConnectorId,
    status: ConnectorStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a StationFault>,
    since: Timestamp,
}

static STATIONS: Texts = Texts {
    one: "UPDATE stations SET online = CASE WHEN $12 >= conn_epoch THEN $3 ELSE online END, \
          node = CASE WHEN $12 >= conn_epoch THEN $13 ELSE node END, \
          conn_epoch = CASE WHEN $12 >= conn_epoch THEN $12 ELSE conn_epoch END, ocpp_version = coalesce($4, ocpp_version), \
          vendor = CASE WHEN $5 IS NULL THEN vendor ELSE $6 END, model = CASE WHEN $5 IS NULL THEN model ELSE $7 END, \
          serial = CASE WHEN $5 IS NULL THEN serial ELSE $8 END, \
          firmware = CASE WHEN $5 IS NULL THEN firmware ELSE $9 END, booted_at = coalesce($5, booted_at), \
          last_seen_at = CASE WHEN $10 > coalesce(last_seen_at, 0) THEN $10 ELSE last_seen_at END, \
          updated_at = CASE WHEN $11 > updated_at THEN $11 ELSE updated_at END WHERE tenant = $1 AND id = $2",
    all: "UPDATE stations s SET online = CASE WHEN k.epoch >= s.conn_epoch THEN k.online ELSE s.online END, \
          node = CASE WHEN k.epoch >= s.conn_epoch THEN k.node ELSE s.node END, \
          conn_epoch = greatest(k.epoch, s.conn_epoch), \
          ocpp_version = coalesce(k.ocpp_version, s.ocpp_version), \
          vendor = CASE WHEN k.booted_at IS NULL THEN s.vendor ELSE k.vendor END, \
          model = CASE WHEN k.booted_at IS NULL THEN s.model ELSE k.model END, \
          serial = CASE WHEN k.booted_at IS NULL THEN s.serial ELSE k.serial END, \
          firmware = CASE WHEN k.booted_at IS NULL THEN s.firmware ELSE k.firmware END, \
          booted_at = coalesce(k.booted_at, s.booted_at), \
          last_seen_at = greatest(k.last_seen_at, s.last_seen_at), updated_at = greatest(k.updated_at, s.updated_at) \
          FROM unnest($1::text[], $2::text[], $3::boolean[], $4::text[], $5::bigint[], $6::text[], $7::text[], \
          $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::uuid[]) \
          AS k(tenant, id, online, ocpp_version, booted_at, vendor, model, serial, firmware, last_seen_at, updated_at, \
          epoch, node) WHERE s.tenant = k.tenant AND s.id = k.id",
};

/// Rows are changed in the order of the join; rivals change them in theirs, so they are locked in one order first.
static LOCK_STATIONS: Texts = Texts {
    one: "SELECT id FROM stations WHERE tenant = $1 AND id = $2",
    all: "SELECT s.id FROM unnest($1::text[], $2::text[]) AS k(tenant, id) JOIN stations s \
          ON s.tenant = k.tenant AND s.id = k.id ORDER BY s.tenant, s.id FOR NO KEY UPDATE OF s",
};

static CONNECTORS: Texts = Texts {
    one: "INSERT INTO connectors (tenant, station, evse, connector, status, fault, since, reported_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $9) ON CONFLICT (tenant, station, evse, connector) DO UPDATE SET \
          status = excluded.status, fault = excluded.fault, reported_at = excluded.reported_at, \
          since = CASE WHEN connectors.status = excluded.status AND NOT $8 THEN connectors.since ELSE excluded.since END \
          WHERE excluded.reported_at >= connectors.reported_at",
    all: "INSERT INTO connectors (tenant, station, evse, connector, status, fault, since, reported_at) \
          SELECT k.tenant, k.station, k.evse, k.connector, k.status, k.fault, \
          CASE WHEN NOT k.moved AND c.status = k.status THEN c.since ELSE k.since END, k.at \
          FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::jsonb[], $7::bigint[], \
          $8::boolean[], $9::bigint[]) WITH ORDINALITY \
          AS k(tenant, station, evse, connector, status, fault, since, moved, at, place) \
          LEFT JOIN connectors c ON c.tenant = k.tenant AND c.station = k.station AND c.evse = k.evse \
          AND c.connector = k.connector ORDER BY k.place \
          ON CONFLICT (tenant, station, evse, connector) DO UPDATE SET status = excluded.status, \
          fault = excluded.fault, since = excluded.since, reported_at = excluded.reported_at \
          WHERE excluded.reported_at >= connectors.reported_at",
};

static VARIABLES: Texts = Texts {
    one: "INSERT INTO variables (tenant, station, evse, component, instance, name, value, readonly, updated_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
          ON CONFLICT (tenant, station, component, instance, evse, name) DO UPDATE SET value = excluded.value, \
          readonly = excluded.readonly, updated_at = excluded.updated_at",
    all: "INSERT INTO variables (tenant, station, evse, component, instance, name, value, readonly, updated_at) \
          SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], \
          $8::boolean[], $9::bigint[]) \
          ON CONFLICT (tenant, station, component, instance, evse, name) DO UPDATE SET value = excluded.value, \
          readonly = excluded.readonly, updated_at = excluded.updated_at",
};

/// What the facts of a batch change.
pub(super) fn of(facts: &[Fact]) -> Result<Projections, StoreError> {
    let mut stations: BTreeMap<Place, Patch<'_>> = BTreeMap::new();
    let mut connectors: BTreeMap<(Place, EvseId, ConnectorId), Status<'_>> = BTreeMap::new();
    let mut variables: BTreeMap<Vec<String>, Vec<Param>> = BTreeMap::new();
    for fact in facts {
        let place = || (fact.tenant.clone(), fact.station.clone());
        match &fact.event {
            DomainEvent::StationConnected { .. }
            | DomainEvent::StationDisconnected { .. }
            | DomainEvent::StationBooted(_)
            | DomainEvent::StationSeen => stations.entry(place()).or_default().learn(fact),
            DomainEvent::StatusChanged { evse, connector, status, fault } => {
                let status = Status::new(*status, fault.as_ref(), fact.received_at);
                let before = connectors.remove(&(place(), *evse, *connector));
                connectors.insert((place(), *evse, *connector), status.after(before));
            }
            DomainEvent::VariablesReported { variables: reported } => {
                for variable in reported {
                    let (key, row) = variable_row(fact, variable);
                    variables.insert(key, row);
                }
            }
            DomainEvent::TokenPresented { .. }
            | DomainEvent::Transaction(_)
            | DomainEvent::OrphanReported { .. }
            | DomainEvent::UnreadableKept(_)
            | DomainEvent::SecurityEventReported(_)
            | DomainEvent::FirmwareStatusReported(_)
            | DomainEvent::LogStatusReported(_)
            | DomainEvent::ChargingNeedsReported(_)
            | DomainEvent::StartNotFollowed { .. }
            | DomainEvent::DuplicateIdentity { .. }
            | DomainEvent::DeviceEventsReported { .. } => {}
        }
    }
    stations.retain(|_, patch| !patch.is_empty());
    let locks = stations.keys().map(|(tenant, station)| params![tenant, station]).collect();
    let patches = stations.iter().map(|(place, patch)| patch.row(place)).collect();
    let mut statuses = Vec::with_capacity(connectors.len());
    let mut outbox = Vec::with_capacity(connectors.len());
    for ((place, evse, connector), status) in &connectors {
        statuses.push(status.row(place, *evse, *connector)?);
        outbox.push(status.outbox_row(place, *evse, *connector)?);
    }
    Ok(Projections {
        stations: [Statement::each(&LOCK_STATIONS, locks), Statement::each(&STATIONS, patches)],
        connectors: Statement::each(&CONNECTORS, statuses),
        variables: Statement::each(&VARIABLES, variables.into_values().collect()),
        outbox,
    })
}

fn variable_row(fact: &Fact, variable: &Variable) -> (Vec<String>, Vec<Param>) {
    let evse = variable.evse.map_or(NO_EVSE, |evse| i64::from(evse.0));
    let name = |text: &str| cut(text, MAX_NAME_BYTES).replace('\0', "");
    let component = name(&variable.component);
    let instance = name(variable.instance.as_deref().unwrap_or_default());
    let variable_name = name(&variable.name);
    let row = params![
        &fact.tenant,
        &fact.station,
        evse,
        &*component,
        &*instance,
        &*variable_name,
        variable.value.as_deref(),
        variable.readonly,
        fact.received_at,
    ];
    let (tenant, station) = (fact.tenant.to_string(), fact.station.to_string());
    (vec![tenant, station, component, instance, evse.to_string(), variable_name], row)
}

// === impl Patch ===

impl<'a> Patch<'a> {
    fn learn(&mut self, fact: &'a Fact) {
        let at = fact.received_at;
        match &fact.event {
            DomainEvent::StationConnected { ocpp_version, epoch, node } => {
                self.hear(*epoch, *node, true);
                self.ocpp_version = Some(ocpp_version);
                self.last_seen_at = self.last_seen_at.max(Some(at));
            }
            DomainEvent::StationDisconnected { exit, .. } if **exit == *REPLACED => return,
            DomainEvent::StationDisconnected { epoch, .. } => self.hear(*epoch, None, false),
            DomainEvent::StationBooted(boot) => {
                self.boot = Some((boot, at));
                self.last_seen_at = self.last_seen_at.max(Some(at));
            }
            _ => {
                self.last_seen_at = self.last_seen_at.max(Some(at));
                return;
            }
        }
        self.updated_at = self.updated_at.max(Some(at));
    }

    /// A connection began or ended: the end of an older one takes nothing from a newer one, on whatever node.
    fn hear(&mut self, epoch: Epoch, node: Option<NodeId>, online: bool) {
        if self.connection.is_none_or(|(known, _, _)| known <= epoch) {
            self.connection = Some((epoch, node, online));
        }
    }

    const fn is_empty(&self) -> bool {
        self.last_seen_at.is_none() && self.updated_at.is_none()
    }

    fn row(&self, (tenant, station): &Place) -> Vec<Param> {
        let boot = self.boot.map(|(boot, _)| boot);
        params![
            tenant,
            station,
            self.connection.map(|(_, _, online)| online),
            self.ocpp_version,
            self.boot.map(|(_, at)| at),
            boot.map(|boot| &*boot.vendor),
            boot.map(|boot| &*boot.model),
            boot.and_then(|boot| boot.serial.as_deref()),
            boot.and_then(|boot| boot.firmware.as_deref()),
            self.last_seen_at,
            self.updated_at,
            self.connection.map(|(epoch, _, _)| epoch),
            self.connection.and_then(|(_, node, _)| node),
        ]
    }
}

// === impl Status ===

impl<'a> Status<'a> {
    const fn new(status: ConnectorStatus, fault: Option<&'a StationFault>, at: Timestamp) -> Self {
        Self { status, fault, since: at, moved: false, at }
    }

    /// With what the batch said before: the same status again is no change.
    fn after(self, before: Option<Self>) -> Self {
        match before {
            Some(before) if before.status == self.status => {
                Self { since: before.since, moved: before.moved, ..self }
            }
            Some(_) => Self { moved: true, ..self },
            None => self,
        }
    }

    fn row(
        &self,
        (tenant, station): &Place,
        evse: EvseId,
        connector: ConnectorId,
    ) -> Result<Vec<Param>, StoreError> {
        let mut row = params![tenant, station, evse, connector, self.status.as_str()];
        row.push(Param::json_or_null(self.fault)?);
        row.extend(params![self.since, self.moved, self.at]);
        Ok(row)
    }

    fn outbox_row(
        &self,
        (tenant, station): &Place,
        evse: EvseId,
        connector: ConnectorId,
    ) -> Result<OutboxRow, StoreError> {
        let body = StatusBody {
            station: station.as_str(),
            evse,
            connector,
            status: self.status,
            fault: self.fault,
            since: self.since,
        };
        let subject = format!("{station}/{evse}");
        Ok(row(tenant, KIND_EVSE_STATUS, subject, Some(Param::json(&body)?), self.at))
    }
}
