//! Builds a node from its configuration: store, actors, listeners; and says where it listens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use actix::prelude::*;
use anyhow::Context as _;
use ringmain_domain::command::CommandDesk;
use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::roaming::TokenOwners;
use ringmain_domain::station::StationPolicy;
use ringmain_domain::tariff::pricer::CdrPricer;
use ringmain_domain::transaction::NumberingSecret;
use ringmain_store::store::Store;
use tokio::sync::mpsc;

use crate::actors::doorkeeper::Doorkeeper;
use crate::actors::journal::Journal;
use crate::actors::site::SiteParts;
use crate::actors::site_directory::SiteDirectory;
use crate::canary::Canary;
use crate::chores::Chores;
use crate::clock;
use crate::cluster::epochs::Epochs;
use crate::cluster::links::Strangers;
use crate::cluster::memory::MemoryRouting;
use crate::cluster::{Cluster, sweep, watching};
use crate::config::Config;
use crate::credentials::{self, Credentials};
use crate::desk::Desk;
use crate::house::House;
use crate::live::LiveFeed;
use crate::mqtt;
use crate::record::Recorder;
use crate::services::site_load::forecast::Forecasts;
use crate::services::station_tariffs::Turns;

mod back_off;
pub mod certificates;
pub mod joining;
mod leavers;
pub mod listeners;
mod local_lists;
mod maintenance;
mod registry;
mod settler;
mod station_tariffs;

use joining::ClusterListener;

/// One node: what its actors share.
pub struct Node {
    /// Persistence.
    pub store: Store,
    /// Which of its connections has a station.
    pub routing: MemoryRouting,
    /// The other nodes.
    pub cluster: Cluster,
    /// The configuration.
    pub config: Arc<Config>,
    /// What holds for all stations.
    pub policy: Arc<StationPolicy>,
    /// Records frames.
    pub recorder: Recorder,
    /// All sites.
    pub directory: Addr<SiteDirectory>,
    /// Fencing numbers.
    pub epochs: Epochs,
    /// What it does by the clock.
    pub chores: Chores,
    /// Whether the store commits.
    pub canary: Canary,
    /// Station passwords.
    pub credentials: Credentials,
    /// What changed.
    pub live: LiveFeed,
    /// The tenant of stations nobody has registered.
    pub tenant: TenantId,
    /// Stations that came or booted, for being told how to wait before they come again; none where nobody is.
    came: Option<mpsc::Sender<StationId>>,
    /// Who asks other companies about their drivers; set once roaming has started.
    pub owners: OnceLock<Arc<dyn TokenOwners>>,
    journals: Vec<Addr<Journal>>,
    /// What the other nodes call, until it is opened.
    listener: Mutex<Option<ClusterListener>>,
    leaving: AtomicBool,
    draining: AtomicBool,
}

/// How many journals commit side by side. SQLite has one writer; PostgreSQL gains from a second batch while the first is on its way.
const JOURNALS_POSTGRES: usize = 2;
/// Length of the secret that transaction numbers are derived from.
const SECRET_BYTES: usize = 32;

// === impl Node ===

impl Node {
    /// The journal of a station: always the same, so that its facts are committed in their order.
    #[must_use]
    pub fn journal_of(&self, station: &StationId) -> Addr<Journal> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        station.hash(&mut hasher);
        let slot = usize::try_from(hasher.finish() % (self.journals.len().max(1) as u64)).unwrap_or_default();
        // `build` makes at least one journal.
        self.journals
            .get(slot)
            .or(self.journals.first())
            .cloned()
            .unwrap_or_else(|| Journal::new(self.store.clone(), self.canary.clone()).start())
    }

    /// All journals, for leaving.
    #[must_use]
    pub fn journals(&self) -> &[Addr<Journal>] {
        &self.journals
    }

    /// What the other nodes call; once.
    #[must_use]
    pub fn take_listener(&self) -> Option<ClusterListener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Does it leave, so that nobody should be sent here?
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// A station that can be told how to wait is here.
    pub fn came(&self, station: &StationId) {
        if let Some(came) = &self.came {
            // Where too many come at once, the others are told when they come again.
            came.try_send(station.clone()).ok();
        }
    }

    /// From now on nobody should be sent here.
    pub fn start_leaving(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Does it take no new stations any more?
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on it takes no new stations.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// Opens the store and starts the actors. Listeners come after that: [`listeners::open`].
///
/// # Errors
/// What the operator must mend, in words.
pub async fn build(config: Config, pricer: Arc<dyn CdrPricer>) -> anyhow::Result<(Arc<Node>, Arc<House>)> {
    let config = Arc::new(config);
    let store = open_store(&config).await?;
    let routing = MemoryRouting::default();
    let joining::Joined { cluster, listener, strangers } = joining::join(&config, &routing)?;
    joining::register(&store, &cluster).await?;
    let policy = Arc::new(policy_of(&config, &numbering_secret(&store).await?));
    let credentials = Credentials::of(&config)?;
    let live = LiveFeed::new(clock::now());
    let canary = Canary::new(std::time::Instant::now());
    let chores = Chores::default();
    chores.start(canary.clone().watch(store.clone()));
    chores.start(maintenance::run(store.clone(), config.stations.quarantine_days));
    let (recorder, recording) = Recorder::new(store.clone(), config.messages.record_enabled);
    actix::spawn(recording);
    let journals = start_journals(&config, &store, &canary);
    let (came_told, came) = mpsc::channel(back_off::WAITING_MAX);
    let came_told = config.stations.back_off_enabled.then_some(came_told);
    let (setpoints, to_broker) = mpsc::channel(mqtt::SETPOINTS_MAX);
    let sites = start_sites(SiteParts {
        live: live.clone(),
        store: store.clone(),
        cluster: cluster.clone(),
        conduct: config.load.conduct(),
        setpoints,
    });
    let tenant = TenantId::default_tenant();
    let node = Arc::new(Node {
        store: store.clone(),
        routing,
        cluster: cluster.clone(),
        config: Arc::clone(&config),
        policy,
        recorder,
        directory: sites.clone(),
        epochs: Epochs::new(store.clone()),
        chores,
        canary: canary.clone(),
        credentials: credentials.clone(),
        live: live.clone(),
        tenant: tenant.clone(),
        came: came_told,
        owners: OnceLock::new(),
        journals,
        listener: Mutex::new(listener),
        leaving: AtomicBool::new(false),
        draining: AtomicBool::new(false),
    });
    start_cluster_chores(&node, strangers);
    let desk: Arc<dyn CommandDesk> = Arc::new(Desk::new(cluster.clone()));
    let tariff_turns = Turns::default();
    start_chores(&node, &desk, &tariff_turns, came);
    let house = Arc::new(House {
        store,
        desk,
        partners: OnceLock::new(),
        pricer,
        live,
        sites,
        cluster,
        credentials,
        canary,
        config,
        tenant,
        tariff_turns,
        forecasts: Forecasts::default(),
    });
    node.chores.start(mqtt::run(Arc::clone(&house), to_broker));
    Ok((node, house))
}

/// Opens the configured store; its folder is made, its schema brought up to date.
///
/// # Errors
/// What the operator must mend, in words.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("create the data folder {}", config.data_dir.display()))?;
    Store::open(config.store_url().reveal(), config.store_settings()).await.context("open the store")
}

async fn numbering_secret(store: &Store) -> anyhow::Result<Vec<u8>> {
    let fresh = credentials::random(SECRET_BYTES)?;
    store.secret("transaction_numbers", &fresh).await.context("read the secret of transaction numbers")
}

fn policy_of(config: &Config, secret: &[u8]) -> StationPolicy {
    StationPolicy {
        heartbeat_interval_s: config.stations.heartbeat_interval_s,
        boot_retry_s: config.stations.boot_retry_s,
        start_timeout_s: config.stations.start_timeout_s,
        tokens: config.tokens.policy(),
        bill_unnamed_readings: config.billing.unnamed_readings_enabled,
        numbering: NumberingSecret::new(secret),
    }
}

/// What keeps this node among the others.
fn start_cluster_chores(node: &Arc<Node>, strangers: Option<Strangers>) {
    node.chores.start(registry::run(Arc::clone(node)));
    node.chores.start(registry::look_after_others(Arc::clone(node)));
    if let Some(strangers) = strangers {
        node.chores.start(registry::look_for_owners(Arc::clone(node), strangers));
        node.chores.start(sweep::run(node.cluster.clone(), node.store.clone(), node.directory.clone()));
        node.chores.start(watching::run(node.cluster.clone(), node.live.clone()));
    }
}

/// What goes on by itself and gives stations orders.
fn start_chores(
    node: &Arc<Node>,
    desk: &Arc<dyn CommandDesk>,
    turns: &Turns,
    came: mpsc::Receiver<StationId>,
) {
    let (store, tenant) = (node.store.clone(), node.tenant.clone());
    node.chores.start(local_lists::run(
        store.clone(),
        Arc::clone(desk),
        tenant.clone(),
        node.cluster.clone(),
    ));
    if node.config.billing.station_tariffs_enabled {
        let default = node.config.stations.default_tariff.clone();
        let turns = turns.clone();
        node.chores.start(station_tariffs::run(
            store,
            Arc::clone(desk),
            tenant,
            default,
            turns,
            node.cluster.clone(),
        ));
    }
    node.chores.start(settler::run(Arc::clone(node), Arc::clone(desk)));
    node.chores.start(leavers::run(Arc::clone(node)));
    node.chores.start(back_off::run(Arc::clone(node), Arc::clone(desk), came));
}

/// The sites share as many threads as there are cores.
fn start_sites(parts: SiteParts) -> Addr<SiteDirectory> {
    let arbiters = std::thread::available_parallelism().map_or(1, usize::from);
    SiteDirectory::new(parts, arbiters).start()
}

/// A journal has a thread of its own: a batch that is long to prepare holds up no station.
fn start_journals(config: &Config, store: &Store, canary: &Canary) -> Vec<Addr<Journal>> {
    let count = if config.store_url().reveal().starts_with("postgres") { JOURNALS_POSTGRES } else { 1 };
    let start = |_| {
        let (store, canary) = (store.clone(), canary.clone());
        Journal::start_in_arbiter(&Arbiter::new().handle(), move |_| Journal::new(store, canary))
    };
    (0..count).map(start).collect()
}

/// The door of this node.
#[must_use]
pub fn doorkeeper(node: &Arc<Node>) -> Doorkeeper {
    Doorkeeper::new(Arc::clone(node))
}
