//! What a station's state needs to be born again: after a restart, a reconnect or a panic.

use serde::{Deserialize, Serialize};

use crate::id::{ConnectorId, EvseId, StationId, TenantId, TransactionId};
use crate::location::{ChargingStation, Connector};
use crate::reply::Registration;
use crate::session::Session;
use crate::time::Timestamp;

/// Everything the store knows that a [`crate::station::StationState`] starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationSnapshot {
    /// The station's record.
    pub station: ChargingStation,
    /// Its connectors, at most [`crate::station::MAX_CONNECTORS`].
    pub connectors: Vec<Connector>,
    /// Its sessions that go on, at most [`crate::station::MAX_OPEN`].
    pub open: Vec<Session>,
}

/// A transaction that goes on, as the state keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Its id.
    pub transaction: TransactionId,
    /// Where, once known.
    pub evse: Option<EvseId>,
    /// Which connector, once known.
    pub connector: Option<ConnectorId>,
    /// When it began, by the station's clock.
    pub since: Timestamp,
}

impl StationSnapshot {
    /// Whose station.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.station.tenant
    }

    /// Which station.
    #[must_use]
    pub const fn id(&self) -> &StationId {
        &self.station.id
    }

    /// Its boot was accepted before and it is still welcome: it need not boot again on a mere reconnect (OCPP 2.0.1 part 4, 5.3).
    #[must_use]
    pub fn was_accepted(&self) -> bool {
        self.station.registration == Registration::Accepted && self.station.booted_at.is_some()
    }
}
