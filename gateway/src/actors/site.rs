//! Shell around `SiteState`: mailbox, sweep, live feed. Place on the walk: *site*.
//!
//! Parent: `SiteDirectory`. Children: the connections it hears from hold its handle. Mailbox: 1,024; what does not fit is not lost, the
//! next sweep reads it from the store. Dies with its node or by a panic; the directory builds a new one. Never: an answer, SQL, a price.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix::WeakAddr;
use actix::prelude::*;
use ringmain_domain::id::{NodeId, SiteId, StationId, TenantId};
use ringmain_domain::load::allocation;
use ringmain_domain::load::ledger::conduct::Conduct;
use ringmain_domain::load::settings::SiteSettings;
use ringmain_domain::load::tree::EvseKey;
use ringmain_domain::location::OperatorState;
use ringmain_domain::site::{self, SiteState};
use ringmain_domain::snapshot::StationSnapshot;
use ringmain_domain::telemetry;
use ringmain_store::cluster::StationPlace;
use ringmain_store::store::{Store, StoreError};
use tokio::sync::mpsc;

use super::site_directory::{SiteDied, SiteDirectory};
use crate::clock;
use crate::cluster::Cluster;
use crate::cluster::wire::SiteNote;
use crate::live::LiveFeed;
use crate::mqtt::Setpoint;

pub mod load;

use load::Load;
use load::highs::Unwritten;
use load::limits::Limits;

const MAILBOX: usize = 1_024;
/// How often a site that missed something reads itself from the store.
const SWEEP: Duration = Duration::from_secs(5);
/// How often it looks whether its tree is another one.
const LOOK_AT_TREE: Duration = Duration::from_secs(20);

/// One site.
pub struct Site {
    tenant: TenantId,
    state: SiteState,
    parts: SiteParts,
    load: Load,
    /// Counts how often the load was started: answers to an earlier one are dropped.
    load_generation: u64,
    is_reading_load: bool,
    /// Stations whose boot the load has not dealt with, while it is started anew.
    unsure: BTreeSet<StationId>,
    limits: Limits,
    unwritten: Unwritten,
    /// Stations that are connected to other nodes.
    remote: BTreeMap<StationId, NodeId>,
    /// Some were, at some time.
    had_remote: bool,
    missed: Arc<AtomicBool>,
    owned: Arc<AtomicBool>,
    depth: Arc<AtomicUsize>,
    managed: Arc<RwLock<BTreeSet<EvseKey>>>,
    shown: [u32; 6],
    shown_sessions: u32,
    directory: WeakAddr<SiteDirectory>,
}

/// What sites of a node share.
#[derive(Clone)]
pub struct SiteParts {
    /// What changed, for those who watch.
    pub live: LiveFeed,
    /// Persistence.
    pub store: Store,
    /// The other nodes, and which connection has a station.
    pub cluster: Cluster,
    /// What is assumed of stations' habits under a limit.
    pub conduct: Conduct,
    /// What batteries are to give.
    pub setpoints: mpsc::Sender<Setpoint>,
}

/// An address of a site with a mark for what its mailbox had no room for.
#[derive(Debug, Clone)]
pub struct SiteHandle {
    addr: Addr<Site>,
    missed: Arc<AtomicBool>,
    /// No other node owns it, as far as is known here.
    owned: Arc<AtomicBool>,
    /// The EVSEs whose load is managed here.
    managed: Arc<RwLock<BTreeSet<EvseKey>>>,
    /// Messages on their way. Counted here, because every clone of an address may put one message into a full mailbox.
    depth: Arc<AtomicUsize>,
}

/// Something that happened at the site.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Tell(pub site::Input);

/// Another node says what happened at the site, because this one owns it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Heard {
    /// Which node.
    pub from: NodeId,
    /// What.
    pub note: SiteNote,
}

/// What is known of the other nodes changed.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub enum NodesChanged {
    /// Some are gone, or leave.
    Gone,
    /// One came: perhaps it was only not heard for a while, and its stations were taken for lost.
    Came(NodeId),
    /// The store had forgotten that stations are at this one, and was told again.
    Asserted,
    /// This one was taken for lost, and takes part again.
    Again,
}

/// The node that was thought to own the site does not know it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NotOwned;

/// What the site's picture is, for tests and the API.
#[derive(Message)]
#[rtype(result = "Observation")]
pub struct Observe;

/// A site, as observed.
#[derive(Debug, Clone, PartialEq, Eq, MessageResponse)]
pub struct Observation {
    /// Connectors by operator state, in the order of [`OperatorState::ALL`].
    pub connectors: [u32; 6],
    /// Stations connected here.
    pub online: usize,
}

/// The site's tree of circuits was drawn anew or removed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TreeChanged;

/// Something was measured or limited at the site.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TellLoad(pub allocation::Input);

/// Other settings of its load count from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SettingsChanged(pub SiteSettings);

/// Panics; a test's way to see a site die and come back.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Crash;

// === impl SiteHandle ===

impl SiteHandle {
    /// Tells the site; never waits.
    pub fn tell(&self, input: site::Input) {
        self.put(|addr| addr.try_send(Tell(input)).is_ok());
    }

    /// Tells the site what another node says; never waits.
    pub fn note(&self, from: NodeId, note: SiteNote) {
        self.put(|addr| addr.try_send(Heard { from, note }).is_ok());
    }

    fn put(&self, send: impl FnOnce(&Addr<Site>) -> bool) {
        let full = self.depth.fetch_add(1, Ordering::Relaxed) >= MAILBOX;
        if full || !send(&self.addr) {
            self.depth.fetch_sub(1, Ordering::Relaxed);
            self.missed.store(true, Ordering::Relaxed);
            metrics::counter!(telemetry::SITE_MAILBOX_FULL).increment(1);
        }
    }

    /// Is this node its owner, or about to be?
    #[must_use]
    pub fn is_owned_here(&self) -> bool {
        self.owned.load(Ordering::Relaxed)
    }

    /// Is the load of this EVSE managed here, so that a charging profile will come?
    #[must_use]
    pub fn manages(&self, evse: &EvseKey) -> bool {
        self.managed.read().unwrap_or_else(PoisonError::into_inner).contains(evse)
    }

    /// It may have missed something: it reads itself from the store at its next sweep.
    pub fn look_again(&self) {
        self.missed.store(true, Ordering::Relaxed);
    }

    /// Is the site still there? A dead one is found again through the directory.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.addr.connected()
    }

    /// The address, for observation.
    #[must_use]
    pub const fn addr(&self) -> &Addr<Site> {
        &self.addr
    }
}

// === impl Site ===

impl Site {
    /// Starts a site on an arbiter, from what the store knows of it.
    #[must_use]
    pub fn start_on(
        arbiter: &ArbiterHandle,
        (tenant, id): (TenantId, SiteId),
        snapshots: &[StationSnapshot],
        parts: SiteParts,
        directory: WeakAddr<SiteDirectory>,
    ) -> SiteHandle {
        let state = SiteState::new(id, snapshots);
        let missed = Arc::new(AtomicBool::new(false));
        let depth = Arc::new(AtomicUsize::new(0));
        let managed = Arc::new(RwLock::new(BTreeSet::new()));
        let owned = Arc::new(AtomicBool::new(true));
        let (mark, in_mailbox, told) = (Arc::clone(&missed), Arc::clone(&depth), Arc::clone(&managed));
        let is_owned = Arc::clone(&owned);
        let addr = Self::start_in_arbiter(arbiter, move |_| Self {
            tenant,
            state,
            parts,
            load: Load::Unmanaged,
            load_generation: 0,
            is_reading_load: false,
            unsure: BTreeSet::new(),
            limits: Limits::default(),
            unwritten: Unwritten::default(),
            remote: BTreeMap::new(),
            had_remote: false,
            missed: mark,
            owned: is_owned,
            depth: in_mailbox,
            managed: told,
            shown: [0; 6],
            shown_sessions: 0,
            directory,
        });
        SiteHandle { addr, missed, owned, managed, depth }
    }

    fn apply(&mut self, input: site::Input, ctx: &mut Context<Self>) {
        let now = clock::now();
        if let site::Input::Joined { snapshot, .. } = &input {
            self.remote.remove(snapshot.id());
        }
        self.note_load(&input, ctx);
        let changes = self.state.apply(now, input);
        self.show();
        for change in changes {
            self.parts.live.publish(&self.tenant, now, change);
        }
    }

    /// What another node says: whoever watches is told there. Only an owner needs to know what happens elsewhere.
    fn apply_of_peer(&mut self, from: NodeId, input: site::Input, ctx: &mut Context<Self>) {
        if matches!(self.load, Load::Elsewhere { .. }) {
            return;
        }
        match &input {
            site::Input::Joined { snapshot, epoch } => {
                if self.state.connection(snapshot.id()).is_some_and(|known| known > *epoch) {
                    return;
                }
                self.remote.insert(snapshot.id().clone(), from);
                self.had_remote = true;
            }
            // It speaks of a connection that is over by now: the station is here, or at a third node.
            site::Input::Left { station, .. } if self.remote.get(station) != Some(&from) => return,
            site::Input::Left { station, .. } => drop(self.remote.remove(station)),
            site::Input::Committed { .. } | site::Input::Changed(_) => {}
        }
        self.note_load(&input, ctx);
        self.state.apply(clock::now(), input);
        self.show();
    }

    /// Moves the gauges by what this site changed.
    fn show(&mut self) {
        let counts = self.state.count();
        for ((state, new), old) in OperatorState::ALL.iter().zip(counts).zip(self.shown) {
            if new != old {
                metrics::gauge!(telemetry::EVSES, "state" => state.as_str())
                    .increment(f64::from(new) - f64::from(old));
            }
        }
        self.shown = counts;
        let sessions = u32::try_from(self.state.sessions()).unwrap_or(u32::MAX);
        metrics::gauge!(telemetry::SESSIONS_ACTIVE)
            .increment(f64::from(sessions) - f64::from(self.shown_sessions));
        self.shown_sessions = sessions;
    }

    /// A station as it is: what the store knows, and the connection it has if that was not heard of.
    fn take_again(&mut self, snapshot: StationSnapshot, ctx: &mut Context<Self>) {
        let known = self.state.connections().find(|(station, _)| *station == snapshot.id());
        let known = known.map(|(_, epoch)| epoch);
        let route =
            self.parts.cluster.routing().find(snapshot.id()).filter(|route| Some(route.epoch) > known);
        if let Some(route) = route {
            let snapshot = Box::new(snapshot.clone());
            self.apply(site::Input::Joined { snapshot, epoch: route.epoch }, ctx);
        }
        let is_gone = self.parts.cluster.routing().find(snapshot.id()).is_none();
        if let Some(epoch) = known.filter(|_| is_gone && !self.remote.contains_key(snapshot.id())) {
            // Its end was missed: a route is there before its station joins.
            self.apply(site::Input::Left { station: snapshot.id().clone(), epoch }, ctx);
        }
        self.apply(site::Input::Changed(Box::new(snapshot)), ctx);
    }

    /// Reads the stations again, if anything was missed.
    fn sweep(&mut self, ctx: &mut Context<Self>) {
        self.forget_lost_nodes(ctx);
        self.look_for_owner(ctx);
        self.read_limits(ctx);
        if !self.missed.swap(false, Ordering::Relaxed) {
            return;
        }
        self.read_what_was_told(ctx);
        let (store, tenant, id) = (self.parts.store.clone(), self.tenant.clone(), self.state.id().clone());
        let is_alone = self.parts.cluster.links().is_none();
        let read = async move { stations_of(&store, &tenant, &id, is_alone).await }.into_actor(self);
        ctx.spawn(read.map(|read, site, ctx| match read {
            Ok((snapshots, places)) => {
                site.hear_of_remote(&snapshots, &places, ctx);
                snapshots.into_iter().for_each(|snapshot| site.take_again(snapshot, ctx));
            }
            Err(error) => {
                tracing::warn!(%error, site.id = %site.state.id(), "a site cannot read itself again yet");
                site.missed.store(true, Ordering::Relaxed);
            }
        }));
    }
}

/// The stations of a site, and where they are unless this node is alone.
async fn stations_of(
    store: &Store,
    tenant: &TenantId,
    site: &SiteId,
    is_alone: bool,
) -> Result<(Vec<StationSnapshot>, Vec<StationPlace>), StoreError> {
    let snapshots = store.site_snapshots(tenant, site).await?;
    if is_alone {
        return Ok((snapshots, Vec::new()));
    }
    let stations: Vec<_> = snapshots.iter().map(|snapshot| snapshot.id().clone()).collect();
    let places = store.station_places(&stations).await?;
    Ok((snapshots, places))
}

impl Actor for Site {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(SWEEP, Self::sweep);
        ctx.run_interval(LOOK_AT_TREE, Self::look_at_tree);
        metrics::gauge!(telemetry::SITE_ACTORS).increment(1);
        self.show();
        self.start_load(ctx);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        metrics::gauge!(telemetry::SITE_ACTORS).decrement(1);
        for (state, shown) in OperatorState::ALL.iter().zip(self.shown) {
            metrics::gauge!(telemetry::EVSES, "state" => state.as_str()).decrement(f64::from(shown));
        }
        metrics::gauge!(telemetry::SESSIONS_ACTIVE).decrement(f64::from(self.shown_sessions));
        if let Some(directory) = self.directory.upgrade() {
            let died = SiteDied {
                tenant: self.tenant.clone(),
                site: self.state.id().clone(),
                panicked: std::thread::panicking(),
            };
            super::farewell::say(&directory, died);
        }
    }
}

impl Handler<Tell> for Site {
    type Result = ();
    fn handle(&mut self, message: Tell, ctx: &mut Self::Context) {
        self.depth.fetch_sub(1, Ordering::Relaxed);
        self.apply(message.0, ctx);
    }
}

impl Handler<TreeChanged> for Site {
    type Result = ();
    fn handle(&mut self, _: TreeChanged, ctx: &mut Self::Context) {
        self.pass_on(&SiteNote::TreeChanged);
        self.start_load(ctx);
    }
}

impl Handler<Heard> for Site {
    type Result = ();
    fn handle(&mut self, Heard { from, note }: Heard, ctx: &mut Self::Context) {
        self.depth.fetch_sub(1, Ordering::Relaxed);
        self.hear(from, note, ctx);
    }
}

impl Handler<NodesChanged> for Site {
    type Result = ();
    fn handle(&mut self, change: NodesChanged, ctx: &mut Self::Context) {
        match change {
            NodesChanged::Gone => {
                self.forget_lost_nodes(ctx);
                self.look_for_owner(ctx);
            }
            NodesChanged::Came(node) => self.nodes_came(Some(node)),
            NodesChanged::Asserted => self.nodes_came(None),
            // Its owner has forgotten the stations that are here: they are told of again.
            NodesChanged::Again => self.start_load(ctx),
        }
    }
}

impl Handler<NotOwned> for Site {
    type Result = ();
    fn handle(&mut self, _: NotOwned, _: &mut Self::Context) {
        // The next sweep looks who owns it by then: at once would be again and again.
        if let Load::Elsewhere { owner, .. } = &mut self.load {
            *owner = None;
        }
    }
}

impl Handler<TellLoad> for Site {
    type Result = ();
    fn handle(&mut self, message: TellLoad, ctx: &mut Self::Context) {
        self.load_is_told(message.0, ctx);
    }
}

impl Handler<SettingsChanged> for Site {
    type Result = ();
    fn handle(&mut self, message: SettingsChanged, ctx: &mut Self::Context) {
        self.settings_changed(message.0, ctx);
    }
}

impl Handler<Observe> for Site {
    type Result = Observation;
    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Observation {
        Observation { connectors: self.state.count(), online: self.state.online() }
    }
}

#[expect(clippy::panic, reason = "the message exists to panic: it is how the supervision is tested")]
impl Handler<Crash> for Site {
    type Result = ();
    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("told to crash");
    }
}
