//! Through the door: the connection starts, its route is set, and whoever had the station before is told.

use std::net::IpAddr;
use std::sync::Arc;

use ringmain_domain::id::{Epoch, NodeId, StationId, TenantId};

use super::Shut;
use crate::actors::connection::{Birth, Connection};
use crate::actors::exit::Exit;
use crate::app::Node;
use crate::cluster::Announced;
use crate::cluster::memory::{MemoryRouting, Route};
use crate::handshake::RefusalReason;
use crate::listen::stream::Stream;
use crate::services::duplicates::source_of;
use crate::ws::socket::Socket;

/// A connection that others are told of, and that nobody is told of any more should its upgrade come to nothing.
pub(super) struct Announcement {
    node: Arc<Node>,
    station: StationId,
    epoch: Epoch,
    announced: Announced,
    stands: bool,
}

// === impl Announcement ===

impl Announcement {
    /// Refused where a newer connection is known: Redis says so and the store, too.
    pub(super) async fn make(node: &Arc<Node>, station: &StationId, epoch: Epoch) -> Result<Self, Shut> {
        let announced = node.cluster.announce(station, epoch).await;
        if announced.newer.is_some() {
            let places = node.store.station_places(std::slice::from_ref(station)).await?;
            if places.iter().any(|place| place.epoch > epoch) {
                return Err(RefusalReason::AlreadyConnected.into());
            }
        }
        let (node, station) = (Arc::clone(node), station.clone());
        Ok(Self { node, station, epoch, announced, stands: false })
    }

    /// The socket is there: whoever had the station before is told.
    fn stands(mut self, elsewhere: Option<NodeId>) {
        self.stands = true;
        let replaced = self.announced.replaced.map(|place| place.node);
        let Some(links) = self.node.cluster.links() else { return };
        for old in elsewhere.into_iter().chain(replaced.filter(|replaced| Some(*replaced) != elsewhere)) {
            links.dismiss(old, &self.station, self.epoch);
        }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if !self.stands {
            self.node.cluster.withdraw(&self.station, self.epoch);
        }
    }
}

/// What becomes known when a station's socket is there.
pub(super) struct Entrance {
    pub(super) announced: Announcement,
    pub(super) room: Room,
    /// How many records had changed when its own was read.
    pub(super) changes: u64,
    pub(super) source: IpAddr,
    pub(super) certificate: Option<Box<str>>,
}

// === impl Entrance ===

impl Entrance {
    /// Starts the connection and sets its route.
    pub(super) fn enter(self, birth: Birth, socket: Socket<Stream>) {
        let Self { announced, room, changes, source, certificate } = self;
        let (node, station, epoch) = (Arc::clone(&birth.node), birth.snapshot.id().clone(), birth.epoch);
        let tenant = birth.snapshot.tenant().clone();
        let connection = Connection::start_with(birth, socket);
        let route = Route { epoch, connection: connection.clone(), source, certificate };
        let claimed = node.routing.claim(&station, route);
        announced.stands(room.elsewhere);
        if node.routing.changes() != changes {
            // Somebody's record changed since this one was read, when there was no route to tell it to: perhaps this one.
            node.routing.notify_changed(&station);
        }
        if claimed.is_ok() && room.was_contested {
            end_contest(&node, tenant, station, source);
        }
        match claimed {
            Ok(Some(replaced)) => MemoryRouting::dismiss(&replaced.connection, Exit::Replaced),
            Ok(None) => {}
            // A newer connection of this station was quicker.
            Err(route) => MemoryRouting::dismiss(&route.connection, Exit::Replaced),
        }
        // Its route is set by now: either whoever leaves finds it there, or it is seen here that the node leaves.
        if node.is_draining() {
            MemoryRouting::dismiss(&connection, Exit::Drained);
        }
    }
}

/// Whom a newcomer replaces.
#[derive(Default)]
pub(super) struct Room {
    /// The other node that has the station.
    pub(super) elsewhere: Option<NodeId>,
    /// Its connection lives, and an operator has said that the newcomer is the right one.
    pub(super) was_contested: bool,
}

// === impl Room ===

impl Room {
    pub(super) const fn admitted(elsewhere: Option<NodeId>) -> Self {
        Self { elsewhere, was_contested: true }
    }
}

/// The one that an operator let in is there, so the matter is over. Where that cannot be stored it is over when its time is: until then it lets in
/// nobody but who comes from the same address.
fn end_contest(node: &Arc<Node>, tenant: TenantId, station: StationId, source: IpAddr) {
    let node = Arc::clone(node);
    actix::spawn(async move {
        if let Err(error) = node.store.take_newcomer(&tenant, &station, &source_of(source)).await {
            tracing::debug!(%error, station.id = %station, "a newcomer stays admitted until its time is over");
        }
    });
}
