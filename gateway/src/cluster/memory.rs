//! Routes of one node: station to connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use actix::Addr;
use actix::prelude::SendError;
use ringmain_domain::cluster::routes;
use ringmain_domain::cluster::takeover::Claimant;
use ringmain_domain::id::{Epoch, StationId};

use crate::actors::connection::{Connection, Execute, Leave, RecordChanged};
use crate::actors::exit::Exit;
use crate::actors::notice;

/// Where a station is.
#[derive(Debug, Clone)]
pub struct Route {
    /// The connection's fencing number.
    pub epoch: Epoch,
    /// The connection.
    pub connection: Addr<Connection>,
    /// The address it came from: a station that comes back from the same one is the same station.
    pub source: IpAddr,
    /// The fingerprint of the certificate it showed, if it showed one.
    pub certificate: Option<Box<str>>,
}

// === impl Route ===

impl Route {
    /// Who somebody at the door is, beside this connection.
    #[must_use]
    pub fn claimant(&self, source: IpAddr, certificate: Option<&str>) -> Claimant {
        Claimant {
            same_source: self.source == source,
            same_certificate: certificate.is_some() && certificate == self.certificate.as_deref(),
        }
    }
}

/// The routes of this node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryRouting {
    routes: Arc<RwLock<HashMap<StationId, Route>>>,
    changes: Arc<AtomicU64>,
}

// === impl MemoryRouting ===

impl MemoryRouting {
    /// Sets the route, if its epoch is higher than that of the present one; gives back the one it replaced.
    ///
    /// # Errors
    /// The route given, when a newer one is there.
    pub fn claim(&self, station: &StationId, route: Route) -> Result<Option<Route>, Route> {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        if !routes::may_set(routes.get(station).map(|present| present.epoch), route.epoch) {
            return Err(route);
        }
        Ok(routes.insert(station.clone(), route))
    }

    /// Deletes the route, if it is still that of this epoch: an old socket's end keeps the new one's route.
    pub fn release(&self, station: &StationId, epoch: Epoch) -> bool {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let mine = routes::may_delete(routes.get(station).map(|present| present.epoch), epoch);
        if mine {
            routes.remove(station);
        }
        mine
    }

    /// The route of a station.
    #[must_use]
    pub fn find(&self, station: &StationId) -> Option<Route> {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).get(station).cloned()
    }

    /// How many stations are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Is no station here?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All connections, for leaving.
    #[must_use]
    pub fn connections(&self) -> Vec<Addr<Connection>> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.values().map(|route| route.connection.clone()).collect()
    }

    /// All stations that are here, with the epochs of their connections.
    #[must_use]
    pub fn epochs(&self) -> Vec<(StationId, Epoch)> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.iter().map(|(station, route)| (station.clone(), route.epoch)).collect()
    }

    /// How many records changed so far. Whoever reads a record before its station has a route looks here before and after.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Tells a station's connection that its record changed; where its mailbox is full, once there is room. Called on an arbiter.
    pub fn notify_changed(&self, station: &StationId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        let Some(route) = self.find(station) else { return };
        notice::give(&route.connection, RecordChanged);
    }

    /// Hands an order to the station's connection.
    ///
    /// # Errors
    /// The order, when the station is not here, with how its command ends then.
    pub fn execute(
        &self,
        station: &StationId,
        order: Execute,
    ) -> Result<(), ringmain_domain::command::CommandOutcome> {
        use ringmain_domain::command::CommandOutcome;
        let route = self.find(station).ok_or(CommandOutcome::Offline)?;
        route.connection.try_send(order).map_err(|error| match error {
            SendError::Full(_) => CommandOutcome::StationBusy,
            SendError::Closed(_) => CommandOutcome::Offline,
        })
    }

    /// Asks a connection to leave; where its mailbox is full, once there is room. Its end is told by its own farewell. Called on an arbiter.
    pub fn dismiss(connection: &Addr<Connection>, exit: Exit) {
        notice::give(connection, Leave(exit));
    }
}
