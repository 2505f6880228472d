//! Calls to the other nodes, over mutual TLS. Each has a bound in time; each kind has a bound in number.
//!
//! What a fault means is told exactly, because a command's outcome hangs on it: [`Fault::Unreachable`] proves that nothing was written,
//! [`Fault::Lost`] does not (invariant `OutcomeTellsWhatWasSent`).

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join_all;
use ringmain_certs::node::NodeTls;
use ringmain_domain::cluster::dispatch::ASK_ALL_MS;
use ringmain_domain::cluster::routes::Place;
use ringmain_domain::cluster::takeover::OldSocket;
use ringmain_domain::command::CommandOrder;
use ringmain_domain::id::{Epoch, NodeId, SiteId, StationId, TenantId};
use ringmain_domain::telemetry;
use ringmain_domain::time::Timestamp;
use ringmain_store::cluster::NodeRow;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc};

use super::lease::since_boot_ms;
use super::runtime::Runtime;
use super::watching::WAIT;
use super::wire::{
    About, Ask, Changed, Dismiss, FORM, Find, Found, Happenings, Order, Ordered, Presence, Probe, Probed,
    Watch,
};
use crate::actors::connection::fences::Passage;
use crate::clock;

mod finding;
mod notes;
mod said;

use finding::Finding;
use notes::Outbox;
use said::Said;

/// How long a connection to another node may take to be made.
const CONNECT: Duration = Duration::from_secs(1);
/// How long a question may take that the other node answers from memory.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an old socket may take to give a sign of life, its way here and back included (reliability.md 7.2: 3 s before the 101).
const PROBE: Duration = Duration::from_millis(3_500);
/// How much later than its deadline the end of an order is waited for.
const GRACE: Duration = Duration::from_secs(3);
/// A node that does not answer within this and so long again is cut off, with all that it has not answered.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Orders to other nodes under way at a time.
pub const ORDERS_MAX: usize = 4_096;
/// Questions under way at a time; as many probes beside them, for which a station waits at the door.
const CALLS_MAX: usize = 512;
/// How often a node is told that a connection of its is superseded, and how long after one another.
const DISMISSALS: usize = 12;
const DISMISS_AGAIN: Duration = Duration::from_secs(3);
/// Superseded connections and changed records that are being told of; over that they are left to the other node's sweep.
const HINTS_MAX: usize = 10_000;
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Another node that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Which.
    pub id: NodeId,
    /// Where it is reached.
    pub address: Box<str>,
    /// It leaves.
    pub draining: bool,
}

/// What changed among the other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// Some are gone, or leave.
    pub gone: bool,
    /// Those that were not there before.
    pub came: Vec<NodeId>,
}

/// Why another node did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not live: its lease is over, so it has no station. Nothing was sent.
    #[error("the node does not live")]
    Gone,
    /// Too much is under way here. Nothing was sent.
    #[error("too much is under way")]
    Busy,
    /// Nothing was sent.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// Something may have been.
    #[error("no answer: {0}")]
    Lost(String),
    /// It answered with this status: it did nothing.
    #[error("refused with status {0}")]
    Refused(u16),
}

/// The other nodes. Cheap to clone.
#[derive(Clone)]
pub struct Links {
    shared: Arc<Shared>,
}

struct Shared {
    me: NodeId,
    runtime: Runtime,
    client: reqwest::Client,
    peers: RwLock<Arc<[Peer]>>,
    said: Mutex<Said>,
    orders: Semaphore,
    calls: Semaphore,
    probes: Semaphore,
    finding: Finding,
    hints: Arc<Semaphore>,
    outbox: Outbox,
}

/// Sites whose notes found no owner: they look for one again.
pub type Strangers = mpsc::Receiver<(TenantId, SiteId)>;

// === impl Links ===

impl Links {
    /// Links of this node. With them the sites whose notes found no owner.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn new(me: NodeId, tls: &NodeTls, runtime: Runtime) -> Result<(Self, Strangers), reqwest::Error> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls.client).clone())
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .http2_keep_alive_while_idle(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let (outbox, strangers) = Outbox::new();
        let shared = Shared {
            me,
            runtime,
            client,
            peers: RwLock::new(Arc::from([])),
            said: Mutex::default(),
            orders: Semaphore::new(ORDERS_MAX),
            calls: Semaphore::new(CALLS_MAX),
            probes: Semaphore::new(CALLS_MAX),
            finding: Finding::new(),
            hints: Arc::new(Semaphore::new(HINTS_MAX)),
            outbox,
        };
        Ok((Self { shared: Arc::new(shared) }, strangers))
    }

    /// These are the nodes that the store told when it was asked at this time since boot, in milliseconds; what changed since the last time.
    /// What a node said of itself since then is newer.
    pub fn know(&self, asked_at_ms: i64, nodes: &[NodeRow]) -> Met {
        let peer = |row: &NodeRow| {
            let address = row.node.address.clone()?;
            Some(Peer { id: row.node.id, address, draining: row.draining })
        };
        let others = nodes.iter().filter(|row| row.node.id != self.shared.me && row.lease_left_ms > 0);
        let mut peers = self.shared.peers.write().unwrap_or_else(PoisonError::into_inner);
        let now = self
            .shared
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .over(asked_at_ms, others.filter_map(peer).collect());
        let before = std::mem::replace(&mut *peers, Arc::clone(&now));
        drop(peers);
        self.shared.outbox.forget_all_but(&now);
        let stays = |peer: &Peer| now.iter().any(|other| other.id == peer.id && !other.draining);
        let was_there = |peer: &Peer| before.iter().any(|other| other.id == peer.id);
        let came = now.iter().filter(|peer| !was_there(peer)).map(|peer| peer.id).collect();
        Met { gone: !before.iter().all(stays), came }
    }

    /// Tells the other nodes that this one is there, or not any more, before they see it in the store. Waits until they know, not for long.
    pub async fn tell_presence(&self, address: &str, is_here: bool) {
        let presence = Presence { v: FORM, node: self.shared.me, address: address.into(), is_here };
        let peers = self.peers();
        join_all(peers.iter().map(|peer| self.call::<_, ()>(peer, "presence", &presence, PATIENCE))).await;
    }

    /// A node came, or is gone; until the store is read again.
    pub fn meet(&self, Presence { node: id, address, is_here, .. }: Presence) {
        let mut peers = self.shared.peers.write().unwrap_or_else(PoisonError::into_inner);
        let others = peers.iter().filter(|peer| peer.id != id).cloned();
        let new = (is_here && id != self.shared.me).then_some(Peer { id, address, draining: false });
        self.shared.said.lock().unwrap_or_else(PoisonError::into_inner).hear(
            since_boot_ms(),
            id,
            new.clone(),
        );
        *peers = others.chain(new).collect();
    }

    /// The other nodes that live.
    #[must_use]
    pub fn peers(&self) -> Arc<[Peer]> {
        Arc::clone(&self.shared.peers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does it live, as far as this node knows?
    #[must_use]
    pub fn is_living(&self, node: NodeId) -> bool {
        self.peers().iter().any(|peer| peer.id == node)
    }

    /// Does it live, and does not leave?
    #[must_use]
    pub fn stays(&self, node: NodeId) -> bool {
        self.peers().iter().any(|peer| peer.id == node && !peer.draining)
    }

    /// Hands an order to another node and waits for its end, a little longer than its deadline.
    ///
    /// # Errors
    /// A [`Fault`], exact about whether the station can have seen it.
    pub async fn order(
        &self,
        node: NodeId,
        (order, passage): (CommandOrder, Option<Passage>),
        database_now: Timestamp,
    ) -> Result<Ordered, Fault> {
        let peer = self.peer(node)?;
        let Ok(_permit) = self.shared.orders.try_acquire() else {
            return Err(Fault::Busy);
        };
        let left_ms = order.deadline.millis_since(clock::now()).max(0);
        let at_most = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)) + GRACE;
        let deadline = database_now.plus_millis(left_ms);
        self.call(&peer, "orders", &Order { v: FORM, to: node, left_ms, deadline, order, passage }, at_most)
            .await
    }

    /// Where these stations are, as all other nodes say; whether all of them answered.
    async fn places(&self, stations: Vec<StationId>) -> (Vec<(StationId, Place)>, bool) {
        let find = Find { v: FORM, stations };
        let patience = Duration::from_millis(ASK_ALL_MS.unsigned_abs());
        let peers = self.peers();
        let asked = peers.iter().map(|peer| self.call::<_, Found>(peer, "find", &find, patience));
        let answers = join_all(asked).await;
        let complete = answers.iter().all(Result::is_ok);
        let found = answers.into_iter().flatten();
        let places = found.flat_map(|Found { node, places }| {
            places.into_iter().map(move |(station, epoch)| (station, Place { node, epoch }))
        });
        (places.collect(), complete)
    }

    /// Asks an old connection for a sign of life.
    ///
    /// # Errors
    /// [`Fault::Busy`]: nobody was asked, so nothing is known.
    pub async fn probe(
        &self,
        place: Place,
        station: &StationId,
        (source, certificate): (IpAddr, Option<&str>),
    ) -> Result<Probed, Fault> {
        let unreachable = Probed { old: OldSocket::Unreachable, same: false };
        let Ok(peer) = self.peer(place.node) else { return Ok(unreachable) };
        let certificate = certificate.map(str::to_owned);
        let probe = Probe { v: FORM, station: station.clone(), source, certificate };
        match self.call(&peer, "probe", &probe, PROBE).await {
            Err(Fault::Busy) => Err(Fault::Busy),
            answer => Ok(answer.unwrap_or(unreachable)),
        }
    }

    /// Tells another node that a station has a newer connection, again and again until it has heard it: just now it may be taken for lost. If it
    /// never hears, its next sweep finds out.
    pub fn dismiss(&self, node: NodeId, station: &StationId, before: Epoch) {
        let Ok(permit) = Arc::clone(&self.shared.hints).try_acquire_owned() else { return };
        let (links, dismiss) = (self.clone(), Dismiss { v: FORM, station: station.clone(), before });
        self.shared.runtime.spawn(async move {
            let _until_heard = permit;
            for _ in 0..DISMISSALS {
                if let Ok(peer) = links.peer(node)
                    && links.call::<_, ()>(&peer, "dismiss", &dismiss, PATIENCE).await.is_ok()
                {
                    return;
                }
                tokio::time::sleep(DISMISS_AGAIN).await;
            }
            tracing::debug!(node = %node, station.id = %dismiss.station, "a superseded socket is left to its node's sweep");
        });
    }

    /// Tells all nodes that a station's record changed. Who is not told finds out by the next sweep.
    pub fn tell_changed(&self, station: &StationId) {
        for peer in &*self.peers() {
            let Ok(permit) = Arc::clone(&self.shared.hints).try_acquire_owned() else { return };
            let (links, peer) = (self.clone(), peer.clone());
            let changed = Changed { v: FORM, stations: vec![station.clone()] };
            self.shared.runtime.spawn(async move {
                let _until_told = permit;
                links.call::<_, ()>(&peer, "changed", &changed, PATIENCE).await.ok();
            });
        }
    }

    /// Waits for what happens at another node after an event of its feed.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn watch(&self, peer: &Peer, after: Option<u64>) -> Result<Happenings, Fault> {
        self.call(peer, "watch", &Watch { v: FORM, after }, WAIT + PATIENCE).await
    }

    /// Tells the owner of a site what happened there. It never waits; what does not get through is made good by reading the site again.
    pub fn note(&self, owner: NodeId, (tenant, site): (&TenantId, &SiteId), note: Box<RawValue>) {
        if self.shared.outbox.push(owner, (tenant, site), note) {
            let links = self.clone();
            self.shared.runtime.spawn(async move { links.deliver(owner).await });
        }
    }

    /// Asks the owner of a site.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        owner: NodeId,
        (tenant, site): (&TenantId, &SiteId),
        about: About,
    ) -> Result<T, Fault> {
        let ask = Ask { v: FORM, tenant: tenant.clone(), site: site.clone(), about };
        self.call(&self.peer(owner)?, "sites/ask", &ask, PATIENCE).await
    }

    fn peer(&self, node: NodeId) -> Result<Peer, Fault> {
        let peers = self.peers();
        let peer = peers.iter().find(|peer| peer.id == node).cloned();
        peer.ok_or(Fault::Gone)
    }

    async fn call<M: Serialize, T: DeserializeOwned>(
        &self,
        peer: &Peer,
        path: &'static str,
        message: &M,
        at_most: Duration,
    ) -> Result<T, Fault> {
        let never = |why: &dyn std::fmt::Display| Fault::Unreachable(why.to_string());
        // Questions that somebody waits for have a bound of their own: neither slow orders nor hints keep them away.
        let _permit = match path {
            "find" | "sites/ask" => Some(self.shared.calls.try_acquire().map_err(|_full| Fault::Busy)?),
            "probe" => Some(self.shared.probes.try_acquire().map_err(|_full| Fault::Busy)?),
            _ => None,
        };
        let body = serde_json::to_vec(message).map_err(|error| never(&error))?;
        let url = format!("https://{}/cluster/v1/{path}", peer.address);
        let request = self.shared.client.post(url).timeout(at_most).body(body);
        let sent = self.shared.runtime.run(async move { answer(request).await }).await;
        let answer = sent.unwrap_or_else(|| Err(Fault::Lost("this node ends".to_owned())));
        if let Err(fault) = &answer {
            metrics::counter!(telemetry::CLUSTER_CALLS_FAILED, "call" => path).increment(1);
            tracing::debug!(node = %peer.id, path, %fault, "another node does not answer");
        }
        serde_json::from_slice(&answer?).map_err(|error| Fault::Lost(error.to_string()))
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Vec<u8>, Fault> {
    let lost = |error: reqwest::Error| Fault::Lost(describe(&error));
    let mut response = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            Fault::Unreachable(describe(&error))
        } else {
            lost(error)
        }
    })?;
    if !response.status().is_success() {
        return Err(Fault::Refused(response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Fault::Lost(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error with its causes: the first line alone says nothing.
fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
