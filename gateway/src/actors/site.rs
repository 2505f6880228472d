//! Shell around `SiteState`: mailbox, sweep, live feed. Place on the walk: *site*.
//!
//! Parent: `SiteDirectory`. Children: the connections it hears from hold its handle. Mailbox: 1,024; what does not fit is not lost, the
//! next sweep reads it from the store. Dies with its node or by a panic; the directory builds a new one. Never: an answer, SQL, a price.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix::WeakAddr;
use actix::prelude::*;
use ringmain_domain::id::{SiteId, StationId, TenantId};
use ringmain_domain::load::allocation;
use ringmain_domain::load::ledger::conduct::Conduct;
use ringmain_domain::load::settings::SiteSettings;
use ringmain_domain::load::tree::EvseKey;
use ringmain_domain::location::OperatorState;
use ringmain_domain::site::{self, SiteState};
use ringmain_domain::snapshot::StationSnapshot;
use ringmain_domain::telemetry;
use ringmain_store::store::Store;
use tokio::sync::mpsc;

use super::site_directory::{SiteDied, SiteDirectory};
use crate::clock;
use crate::cluster::memory::MemoryRouting;
use crate::live::LiveFeed;
use crate::mqtt::Setpoint;

pub mod load;

use load::Load;
use load::highs::Unwritten;

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
    unwritten: Unwritten,
    missed: Arc<AtomicBool>,
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
    /// Which connection has a station.
    pub routing: MemoryRouting,
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
    /// The EVSEs whose load is managed here.
    managed: Arc<RwLock<BTreeSet<EvseKey>>>,
    /// Messages on their way. Counted here, because every clone of an address may put one message into a full mailbox.
    depth: Arc<AtomicUsize>,
}

/// Something that happened at the site.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Tell(pub site::Input);

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
        let full = self.depth.fetch_add(1, Ordering::Relaxed) >= MAILBOX;
        if full || self.addr.try_send(Tell(input)).is_err() {
            self.depth.fetch_sub(1, Ordering::Relaxed);
            self.missed.store(true, Ordering::Relaxed);
            metrics::counter!(telemetry::SITE_MAILBOX_FULL).increment(1);
        }
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
        let (mark, in_mailbox, told) = (Arc::clone(&missed), Arc::clone(&depth), Arc::clone(&managed));
        let addr = Self::start_in_arbiter(arbiter, move |_| Self {
            tenant,
            state,
            parts,
            load: Load::Unmanaged,
            load_generation: 0,
            is_reading_load: false,
            unsure: BTreeSet::new(),
            unwritten: Unwritten::default(),
            missed: mark,
            depth: in_mailbox,
            managed: told,
            shown: [0; 6],
            shown_sessions: 0,
            directory,
        });
        SiteHandle { addr, missed, managed, depth }
    }

    fn apply(&mut self, input: site::Input, ctx: &mut Context<Self>) {
        let now = clock::now();
        self.note_load(&input, ctx);
        let changes = self.state.apply(now, input);
        self.show();
        for change in changes {
            self.parts.live.publish(&self.tenant, now, change);
        }
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
        let route = self.parts.routing.find(snapshot.id()).filter(|route| Some(route.epoch) > known);
        if let Some(route) = route {
            let snapshot = Box::new(snapshot.clone());
            self.apply(site::Input::Joined { snapshot, epoch: route.epoch }, ctx);
        }
        self.apply(site::Input::Changed(Box::new(snapshot)), ctx);
    }

    /// Reads the stations again, if anything was missed.
    fn sweep(&mut self, ctx: &mut Context<Self>) {
        if !self.missed.swap(false, Ordering::Relaxed) {
            return;
        }
        let (store, tenant, id) = (self.parts.store.clone(), self.tenant.clone(), self.state.id().clone());
        let read = async move { store.site_snapshots(&tenant, &id).await }.into_actor(self);
        ctx.spawn(read.map(|snapshots, site, ctx| match snapshots {
            Ok(snapshots) => {
                snapshots.into_iter().for_each(|snapshot| site.take_again(snapshot, ctx));
            }
            Err(error) => {
                tracing::warn!(%error, site.id = %site.state.id(), "a site cannot read itself again yet");
                site.missed.store(true, Ordering::Relaxed);
            }
        }));
    }
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
        self.start_load(ctx);
    }
}

impl Handler<TellLoad> for Site {
    type Result = ();
    fn handle(&mut self, message: TellLoad, ctx: &mut Self::Context) {
        self.load_hears(message.0, ctx);
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
