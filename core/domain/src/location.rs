//! Who and where: locations, stations, EVSEs and connectors, and the six states an operator sees.

use serde::{Deserialize, Serialize};

use crate::id::{ConnectorId, EvseId, LocationId, SiteId, StationId, TariffId, TenantId};
use crate::reply::Registration;
use crate::report::StationFault;
use crate::time::Timestamp;

/// A public place with stations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: LocationId,
    /// Its name on the map.
    pub name: Box<str>,
    /// Street and number.
    pub address: Box<str>,
    /// Town.
    pub city: Box<str>,
    /// Postal code, where there is one.
    pub postal_code: Option<Box<str>>,
    /// ISO 3166-1 alpha-3.
    pub country: Box<str>,
    /// Decimal degrees north, as text with at most 7 decimals.
    pub latitude: Box<str>,
    /// Decimal degrees east, as text with at most 7 decimals.
    pub longitude: Box<str>,
    /// IANA name of the time zone.
    pub time_zone: Box<str>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A charging station as we know it: administrative facts and what it told us of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargingStation {
    /// Whose.
    pub tenant: TenantId,
    /// Its identity.
    pub id: StationId,
    /// Where it stands; `None` until somebody says so.
    pub location_id: Option<LocationId>,
    /// A name for people.
    pub name: Option<Box<str>>,
    /// May it take part?
    pub registration: Registration,
    /// The tariff of its sessions; the installation's default when absent.
    pub tariff_id: Option<TariffId>,
    /// An operator works on it: it counts as under maintenance.
    pub maintenance: bool,
    /// The most one of its EVSEs can give, in W: a session that took more waits for a person.
    #[serde(default)]
    pub max_power_w: Option<u32>,
    /// Its local authorization list is kept up to date by itself.
    #[serde(default)]
    pub local_list_enabled: bool,
    /// Maker.
    pub vendor: Option<Box<str>>,
    /// Model.
    pub model: Option<Box<str>>,
    /// Serial number.
    pub serial: Option<Box<str>>,
    /// Firmware version.
    pub firmware: Option<Box<str>>,
    /// The protocol version of its last connection, by its subprotocol name.
    pub ocpp_version: Option<Box<str>>,
    /// The end of its last connection's silence: when we last heard it.
    pub last_seen_at: Option<Timestamp>,
    /// When it last booted.
    pub booted_at: Option<Timestamp>,
    /// When it was first known.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl ChargingStation {
    /// The site that owns its load and live state: that of its location, or the tenant's site for stations without one.
    #[must_use]
    pub fn site(&self) -> SiteId {
        self.location_id.as_ref().map_or_else(SiteId::unassigned, SiteId::of)
    }

    /// A station nobody has described yet.
    #[must_use]
    pub fn unknown(tenant: TenantId, id: StationId, registration: Registration, now: Timestamp) -> Self {
        Self {
            tenant,
            id,
            location_id: None,
            name: None,
            registration,
            tariff_id: None,
            maintenance: false,
            max_power_w: None,
            local_list_enabled: false,
            vendor: None,
            model: None,
            serial: None,
            firmware: None,
            ocpp_version: None,
            last_seen_at: None,
            booted_at: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// What happens to a station nobody registered (`stations.unknown`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownStations {
    /// Its upgrade is refused.
    Reject,
    /// It may connect, its boot is answered Pending, and it waits in the console for an operator.
    #[default]
    Quarantine,
    /// It is registered at its first connection.
    Accept,
}

/// A connector with its last status. Kept per (EVSE, connector); learned from status reports and transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connector {
    /// The station.
    pub station: StationId,
    /// The EVSE, from 1.
    pub evse: EvseId,
    /// The connector, from 1.
    pub connector: ConnectorId,
    /// Its last status.
    pub status: ConnectorStatus,
    /// What is wrong, when something is.
    pub fault: Option<StationFault>,
    /// Since when, by our clock.
    pub since: Timestamp,
}

/// The status of a connector, the union of what the protocol versions can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectorStatus {
    /// Free.
    Available,
    /// In use, in no closer way (2.x).
    Occupied,
    /// A vehicle is connected, nothing flows yet (1.6).
    Preparing,
    /// Energy flows (1.6).
    Charging,
    /// The vehicle takes nothing (1.6).
    SuspendedEv,
    /// The station offers nothing (1.6).
    SuspendedEvse,
    /// The transaction is over, the vehicle still there (1.6).
    Finishing,
    /// Held for somebody.
    Reserved,
    /// Out of service.
    Unavailable,
    /// Broken.
    Faulted,
}

impl ConnectorStatus {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Occupied => "occupied",
            Self::Preparing => "preparing",
            Self::Charging => "charging",
            Self::SuspendedEv => "suspended_ev",
            Self::SuspendedEvse => "suspended_evse",
            Self::Finishing => "finishing",
            Self::Reserved => "reserved",
            Self::Unavailable => "unavailable",
            Self::Faulted => "faulted",
        }
    }
}

/// The six states an operator sees, worst first in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorState {
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

impl OperatorState {
    /// All six, in the order they are shown.
    pub const ALL: [Self; 6] =
        [Self::Available, Self::Occupied, Self::Charging, Self::Offline, Self::Faulted, Self::Maintenance];

    /// The name in the API and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Occupied => "occupied",
            Self::Charging => "charging",
            Self::Offline => "offline",
            Self::Faulted => "faulted",
            Self::Maintenance => "maintenance",
        }
    }

    /// The state of a connector. `energy_flows` is what the open transaction says; `None` without a transaction.
    ///
    /// Maintenance wins over everything, because somebody decided it; then no connection, because all else is then hearsay;
    /// then a fault; then what the transaction says; then the connector's own word.
    #[must_use]
    pub const fn of(
        maintenance: bool,
        online: bool,
        status: ConnectorStatus,
        energy_flows: Option<bool>,
    ) -> Self {
        if maintenance {
            return Self::Maintenance;
        }
        if !online {
            return Self::Offline;
        }
        match (status, energy_flows) {
            (ConnectorStatus::Faulted, _) => Self::Faulted,
            (ConnectorStatus::Unavailable, None) => Self::Maintenance,
            (_, Some(true)) | (ConnectorStatus::Charging, None) => Self::Charging,
            (ConnectorStatus::Available, None) => Self::Available,
            (
                ConnectorStatus::Occupied
                | ConnectorStatus::Preparing
                | ConnectorStatus::SuspendedEv
                | ConnectorStatus::SuspendedEvse
                | ConnectorStatus::Finishing
                | ConnectorStatus::Reserved,
                None,
            )
            | (_, Some(false)) => Self::Occupied,
        }
    }
}
