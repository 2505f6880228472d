//! Where stations are, who lives, who owns a site: what a node knows of the others, and how it speaks with them.
//!
//! **Map.** [`memory`]: this node's own connections, the truth about them. [`redis`]: routes of all nodes, a copy. [`lease`]: may this node act
//! as an owner? [`links`]: calls to other nodes over mutual TLS, [`wire`] what they say, [`server`] the other end. [`sweep`]: says again where
//! stations are, so that whatever was lost heals. [`watching`]: who watches here sees what happens there. Decisions are domain's ([`ringmain_domain::cluster`]).
//!
//! The rules: a route is set only by a higher epoch and deleted only by its own (invariant `RouteFencedByEpoch`). A node without
//! `listen.cluster` is alone and asks nobody.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::try_join_all;
use ringmain_domain::cluster::clock::DatabaseClock;
use ringmain_domain::cluster::routes::{self, Place};
use ringmain_domain::cluster::takeover::OldSocket;
use ringmain_domain::id::{Epoch, NodeId, StationId};
use ringmain_domain::time::Timestamp;
use ringmain_store::cluster::NodeRecord;
use ringmain_store::store::{Store, StoreError};
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

pub mod address;
pub mod epochs;
pub mod lease;
pub mod links;
pub mod memory;
pub mod redis;
pub mod runtime;
pub mod server;
pub mod sweep;
pub mod watching;
pub mod wire;

use crate::clock;
use lease::{Lease, since_boot_ms};
use links::Links;
use memory::MemoryRouting;
use redis::{Asserted, RedisRoutes};
use wire::Probed;

/// Routes on their way out of Redis; over that they stay until their time is over.
const WITHDRAWALS_MAX: usize = 10_000;

/// What a node knows of the others. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    me: NodeRecord,
    lease: Lease,
    routing: MemoryRouting,
    routes: Option<RedisRoutes>,
    links: Option<Links>,
    sweep: Notify,
    clock: Mutex<DatabaseClock>,
    withdrawals: Arc<Semaphore>,
}

/// A connection of a station at another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elsewhere {
    /// Where.
    pub place: Place,
    /// What became of it when it was asked for a sign of life.
    pub old: OldSocket,
    /// It comes from the same address, or shows the same certificate, as the new one.
    pub same: bool,
}

/// Why it is not known whether a station is at another node.
#[derive(Debug, thiserror::Error)]
pub enum NotKnown {
    /// The store had to be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The other node could not be asked: too much is under way here.
    #[error("too many questions to other nodes are under way")]
    Busy,
}

/// What Redis said when a connection was announced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Announced {
    /// A newer one is there, if that is true.
    pub newer: Option<Epoch>,
    /// An older one at another node, whose route was replaced.
    pub replaced: Option<Place>,
}

// === impl Announced ===

impl Announced {
    /// The connection whose route was replaced is over.
    pub fn dismiss(self, cluster: &Cluster, station: &StationId, mine: Epoch) {
        if let (Some(old), Some(links)) = (self.replaced, cluster.links()) {
            links.dismiss(old.node, station, mine);
        }
    }
}

// === impl Cluster ===

impl Cluster {
    /// A node that takes part, or is alone: without links.
    #[must_use]
    pub fn new(
        me: NodeRecord,
        routing: MemoryRouting,
        routes: Option<RedisRoutes>,
        links: Option<Links>,
    ) -> Self {
        let lease = if links.is_some() { Lease::shared() } else { Lease::alone() };
        let withdrawals = Arc::new(Semaphore::new(WITHDRAWALS_MAX));
        Self {
            shared: Arc::new(Shared {
                me,
                lease,
                routing,
                routes,
                links,
                sweep: Notify::new(),
                clock: Mutex::default(),
                withdrawals,
            }),
        }
    }

    /// A node that is alone.
    #[must_use]
    pub fn alone(routing: MemoryRouting) -> Self {
        let me = NodeRecord {
            id: NodeId(Uuid::now_v7()),
            name: "node".into(),
            address: None,
            release: env!("CARGO_PKG_VERSION").into(),
            started_at: clock::now(),
        };
        Self::new(me, routing, None, None)
    }

    /// This run of this node.
    #[must_use]
    pub fn me(&self) -> NodeId {
        self.shared.me.id
    }

    /// What this node says of itself.
    #[must_use]
    pub fn record(&self) -> &NodeRecord {
        &self.shared.me
    }

    /// This node's lease.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.shared.lease
    }

    /// This node's own connections.
    #[must_use]
    pub fn routing(&self) -> &MemoryRouting {
        &self.shared.routing
    }

    /// The routes of all nodes, where there is a Redis for them.
    #[must_use]
    pub fn routes(&self) -> Option<&RedisRoutes> {
        self.shared.routes.as_ref()
    }

    /// The other nodes; `None`: this one is alone.
    #[must_use]
    pub fn links(&self) -> Option<&Links> {
        self.shared.links.as_ref()
    }

    /// Does this node do what one of them is enough for? The oldest of those that stay does. For a moment two may think so, or none: such
    /// work is harmless to do twice and bears to wait.
    #[must_use]
    pub fn leads(&self) -> bool {
        let Some(links) = self.links() else { return true };
        self.shared.lease.is_held() && links.peers().iter().all(|peer| peer.draining || peer.id > self.me())
    }

    /// The database was asked at this time since boot, has answered just now, and said that it is so late there; all in milliseconds.
    pub fn told_time(&self, asked_at_ms: i64, database_ms: i64) {
        let times = (asked_at_ms, since_boot_ms());
        self.shared.clock.lock().unwrap_or_else(PoisonError::into_inner).told(times, database_ms);
    }

    /// How late it is by the database's clock, at most: the one clock in which deadlines travel between nodes. By this machine's before the
    /// database ever said.
    #[must_use]
    pub fn database_now(&self) -> Timestamp {
        let clock = self.shared.clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.at_most(since_boot_ms()).map_or_else(clock::now, Timestamp::from_millis)
    }

    /// Where stations are is to be said again, soon.
    pub fn want_sweep(&self) {
        self.shared.sweep.notify_one();
    }

    async fn sweep_wanted(&self) {
        self.shared.sweep.notified().await;
    }

    /// A station's record changed: its connection reads it again, wherever it is. Called on an arbiter.
    pub fn tell_changed(&self, station: &StationId) {
        self.shared.routing.notify_changed(station);
        if let Some(links) = self.links() {
            links.tell_changed(station);
        }
    }

    /// The station's connection at another node, if it has one, after it was asked for a sign of life. Redis tells where, and is a hint: it may
    /// tell a place that the station has left, or nothing. So the place that the store knows is asked as well, where it is another one. A storm of
    /// reconnects never becomes a storm of questions to all nodes.
    ///
    /// # Errors
    /// [`NotKnown`].
    pub async fn elsewhere(
        &self,
        store: &Store,
        station: &StationId,
        (source, certificate): (IpAddr, Option<&str>),
    ) -> Result<Option<Elsewhere>, NotKnown> {
        let Some(links) = self.links() else { return Ok(None) };
        let routed = match self.routes() {
            Some(routes) => routes.find(station).await.ok().flatten(),
            None => None,
        };
        let stored = store.station_places(std::slice::from_ref(station)).await?;
        let stored = stored.into_iter().filter_map(|at| Some(Place { node: at.node?, epoch: at.epoch }));
        let mut places: Vec<Place> =
            routed.into_iter().chain(stored).filter(|place| place.node != self.me()).collect();
        places.dedup_by_key(|place| place.node);
        // At once: a station at the door waits for the answers.
        let asked = places.into_iter().map(async |place| {
            let probed = links.probe(place, station, (source, certificate)).await;
            probed.map(|Probed { old, same }| Elsewhere { place, old, same })
        });
        let found = try_join_all(asked).await.map_err(|_busy| NotKnown::Busy)?;
        let (living, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|one| one.old == OldSocket::Alive);
        Ok(living.into_iter().chain(others).next())
    }

    /// Says that a connection is here from now on, or still. Where Redis is away the next sweep says it.
    pub async fn announce(&self, station: &StationId, epoch: Epoch) -> Announced {
        let Some(routes) = self.routes() else { return Announced::default() };
        let mine = Place { node: self.me(), epoch };
        match routes.assert(mine, station).await {
            Ok(Asserted::Superseded(newer)) => Announced { newer: Some(newer), replaced: None },
            Ok(Asserted::Stands { before }) => {
                Announced { newer: None, replaced: routes::dismissed(before, &mine) }
            }
            Err(_away) => Announced::default(),
        }
    }

    /// The same of one that was here a moment ago: where it has ended meanwhile its route goes again.
    pub async fn announce_again(&self, station: &StationId, epoch: Epoch) -> Announced {
        let announced = self.announce(station, epoch).await;
        if self.routing().find(station).is_none_or(|route| route.epoch != epoch) {
            self.withdraw(station, epoch);
        }
        announced
    }

    /// A connection that was here is over. Never waits: a route that stays is found to be wrong by whoever follows it, and goes by itself.
    pub fn withdraw(&self, station: &StationId, epoch: Epoch) {
        let Some(routes) = self.routes().cloned() else { return };
        let Ok(permit) = Arc::clone(&self.shared.withdrawals).try_acquire_owned() else { return };
        let station = station.clone();
        routes.runtime().clone().spawn(async move {
            let _until_done = permit;
            if let Err(away) = routes.release(&station, epoch).await {
                tracing::debug!(%away, station.id = %station, "a route stays until its time is over");
            }
        });
    }
}
