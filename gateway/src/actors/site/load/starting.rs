//! How the load of a site begins, and begins anew with another tree: its ledger is taken over, then it hears what the store knew and what was
//! said meanwhile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use ringmain_domain::id::{CircuitId, LocationId, NodeId, SiteId, StationId, TenantId, TransactionId};
use ringmain_domain::load::allocation::{AllocationState, Input, resting};
use ringmain_domain::load::highs::Highs;
use ringmain_domain::load::history::History;
use ringmain_domain::load::ledger::steering::input::{Arrival, EvseInput, Input as SteeringInput};
use ringmain_domain::load::ledger::{Ledger, Slot};
use ringmain_domain::load::settings::SiteSettings;
use ringmain_domain::load::supply::Signal;
use ringmain_domain::load::tree::SiteTree;
use ringmain_domain::snapshot::StationSnapshot;
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::Zone;
use ringmain_store::circuits::StoredTree;
use ringmain_store::cluster::StationPlace;
use ringmain_store::ledgers::{Claim, LedgerOf};
use ringmain_store::store::{Store, StoreError};

use super::super::{Site, stations_of};
use super::{AGAIN_AFTER, Load, Managed, dynamic, gauges, needs, setpoints};
use crate::clock::{self, Setting};
use crate::cluster::Cluster;
use crate::cluster::lease::since_boot_ms;

/// When a node without a lease looks again what it may do for a site.
const FENCED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What a site starts its load from.
struct Start {
    tree: SiteTree,
    drawn_at: Timestamp,
    of: LedgerOf,
    ledger: Ledger,
    claimed_at_ms: i64,
    settings: SiteSettings,
    zone: Zone,
    signals: BTreeMap<CircuitId, Vec<Signal>>,
    highs: Highs,
    stations: Vec<StationSnapshot>,
    places: Vec<StationPlace>,
}

/// What came of reading a load.
enum Read {
    /// It is this node's.
    Start(Box<Start>),
    /// Another node has it.
    Elsewhere {
        /// Which.
        owner: NodeId,
        /// The tree.
        tree: Box<StoredTree>,
        /// The stations of the site.
        stations: Vec<StationSnapshot>,
    },
    /// Nobody has it, and this node may not.
    Unowned,
    /// Nobody manages it: there is no tree.
    Nothing,
}

/// What a node without a lease does for a site: it looks who owns it.
async fn follow_only(
    store: &Store,
    (tenant, location, site): (&TenantId, &LocationId, &SiteId),
    cluster: &Cluster,
) -> Result<Read, StoreError> {
    let owner = store.site_owner(tenant, location).await?.filter(|owner| *owner != cluster.me());
    let (Some(owner), Some(tree)) = (owner, store.site_tree(tenant, location).await?) else {
        return Ok(Read::Unowned);
    };
    let (stations, _) = stations_of(store, tenant, site, true).await?;
    Ok(Read::Elsewhere { owner, tree: Box::new(tree), stations })
}

// === impl Site ===

impl Site {
    /// Reads the tree and takes the site's ledger over, in the place of what there was.
    pub(in crate::actors::site) fn start_load(&mut self, ctx: &mut Context<Self>) {
        if self.state.id().location().is_none() {
            return;
        }
        self.unsure.extend(self.load.unsure());
        self.load = Load::Starting(Vec::new());
        self.mark_owned(true);
        self.mark_managed(BTreeSet::new());
        self.load_generation += 1;
        self.read_load(ctx);
    }

    /// One read at a time: two that overlap would each claim the ledger, and the one that is kept could be the one deposed.
    fn read_load(&mut self, ctx: &mut Context<Self>) {
        let Some(location) = self.state.id().location().filter(|_| !self.is_reading_load) else { return };
        self.is_reading_load = true;
        let generation = self.load_generation;
        let read = self.claimed_load(location);
        ctx.spawn(read.into_actor(self).map(move |read, site, ctx| {
            site.is_reading_load = false;
            if site.load_generation != generation {
                return site.read_load(ctx);
            }
            match read {
                Ok(Read::Start(start)) => site.manage(*start, ctx),
                Ok(Read::Elsewhere { owner, tree, stations }) => site.follow(owner, &tree, &stations),
                Ok(Read::Unowned) => site.wait_for_owner(),
                Ok(Read::Nothing) => {
                    site.load = Load::Unmanaged;
                    site.mark_owned(true);
                }
                Err(error) => {
                    // While the store is away for the whole node, its sites do not crowd out the lease.
                    let is_held = site.parts.cluster.lease().is_held();
                    if is_held {
                        tracing::warn!(%error, site.id = %site.state.id(), "the load of a site cannot be managed yet");
                    }
                    let again_after = if is_held { AGAIN_AFTER } else { FENCED_AGAIN_AFTER };
                    ctx.run_later(again_after, move |site, ctx| {
                        if site.load_generation == generation {
                            site.read_load(ctx);
                        }
                    });
                }
            }
        }));
    }

    /// Another tree than the one that is managed, and nobody told of it: who drew it was cut off, or did so elsewhere.
    pub(in crate::actors::site) fn look_at_tree(&mut self, ctx: &mut Context<Self>) {
        let managed = match &self.load {
            Load::Starting(_) => return,
            Load::Unmanaged => None,
            Load::Managed(managed) => Some(managed.drawn_at),
            Load::Elsewhere { drawn_at, .. } => *drawn_at,
        };
        let Some(location) = self.state.id().location() else { return };
        let (store, tenant, generation) =
            (self.parts.store.clone(), self.tenant.clone(), self.load_generation);
        let read = async move { store.site_tree_drawn_at(&tenant, &location).await };
        ctx.spawn(read.into_actor(self).map(move |drawn_at, site, ctx| {
            // The store that cannot be read is asked again, and says so elsewhere.
            if drawn_at.is_ok_and(|drawn_at| drawn_at != managed) && site.load_generation == generation {
                site.start_load(ctx);
            }
        }));
        // Nobody told of them either, if whoever took them in was gone the moment after.
        self.limits_changed(ctx);
    }

    fn claimed_load(&self, location: LocationId) -> impl Future<Output = Result<Read, StoreError>> + use<> {
        let (store, tenant, id) = (self.parts.store.clone(), self.tenant.clone(), self.state.id().clone());
        let cluster = self.parts.cluster.clone();
        async move {
            // Most sites have no tree: nothing is written for them.
            if store.site_tree_drawn_at(&tenant, &location).await?.is_none() {
                return Ok(Read::Nothing);
            }
            if !cluster.lease().is_held() {
                // It may own nothing, but whoever owns the site hears of the stations that are here.
                return follow_only(&store, (&tenant, &location, &id), &cluster).await;
            }
            let (is_alone, claimed_at_ms) = (cluster.links().is_none(), since_boot_ms());
            let (StoredTree { tree, updated_at: drawn_at }, ledger) =
                match store.claim_ledger(&tenant, &location, cluster.me()).await? {
                    Some(Claim::Owned { tree, ledger }) => (tree, ledger),
                    Some(Claim::Elsewhere { owner, tree }) => {
                        let (stations, _) = stations_of(&store, &tenant, &id, true).await?;
                        return Ok(Read::Elsewhere { owner, tree: Box::new(tree), stations });
                    }
                    None => return Ok(Read::Nothing),
                };
            let settings = store.site_settings(&tenant, &location).await?.unwrap_or_default();
            let place = store.location(&tenant, &location).await?;
            let zone = place.and_then(|place| Zone::named(&place.time_zone).ok()).unwrap_or(Zone::UTC);
            let signals = store.site_signals(&tenant, &location).await?;
            let highs = store.building_loads(&tenant, &location).await?;
            let (stations, places) = stations_of(&store, &tenant, &id, is_alone).await?;
            let evses = tree.evses().iter().map(|evse| evse.key.clone()).collect();
            let of = LedgerOf { tenant, location, evses };
            let start = Start {
                tree,
                drawn_at,
                of,
                ledger,
                claimed_at_ms,
                settings,
                zone,
                signals,
                highs,
                stations,
                places,
            };
            Ok(Read::Start(Box::new(start)))
        }
    }

    /// What was heard while the load was read.
    pub(super) fn take_waited(&mut self) -> Vec<Input> {
        match std::mem::replace(&mut self.load, Load::Unmanaged) {
            Load::Starting(waited) => waited,
            Load::Unmanaged | Load::Managed(_) | Load::Elsewhere { .. } => Vec::new(),
        }
    }

    /// Manages the load: first the ledger, then what the store knew, then what was heard while it was read.
    fn manage(&mut self, start: Start, ctx: &mut Context<Self>) {
        let Start {
            tree,
            drawn_at,
            of,
            ledger,
            claimed_at_ms,
            settings,
            zone,
            signals,
            highs,
            stations,
            places,
        } = start;
        let waited = self.take_waited();
        // Before the load is there to hear of it: what follows tells it of all that are connected.
        self.hear_of_remote(&stations, &places, ctx);
        let reading = clock::reading();
        let owner = ledger.owner;
        let conduct = self.parts.conduct;
        tracing::info!(site.id = %self.state.id(), owner = owner.0, evses = of.evses.len(), "the load of a site is managed here");
        let over = finished(&ledger, &of, &stations);
        self.mark_managed(of.evses.iter().cloned().collect());
        self.load = Load::Managed(Box::new(Managed {
            state: AllocationState::new(tree, owner, conduct, reading.now),
            drawn_at,
            of,
            owner,
            claimed_at_ms,
            waiting: VecDeque::new(),
            is_storing: false,
            timer: None,
            alarms: VecDeque::new(),
            settings: Arc::default(),
            clock: Setting::of(reading),
            zone,
            look_up: needs::LookUp::default(),
            told: setpoints::Told::default(),
            dynamic: dynamic::Dynamic::default(),
            shown: gauges::Shown::default(),
            history: History::default(),
        }));
        self.settings_changed(settings, ctx);
        self.load_hears(Input::Remembered(self.unwritten.beside(highs)), ctx);
        for (circuit, signals) in signals {
            self.load_hears(Input::Signals { circuit, signals }, ctx);
        }
        self.load_hears(Input::Steering(SteeringInput::Loaded(Box::new(ledger))), ctx);
        // Cars before connections: what a station is asked about its fallback depends on whether a car charges.
        for StationSnapshot { station, connectors, open } in stations {
            self.load_hears(Input::Open { station: station.id, sessions: open }, ctx);
            for word in connectors.iter().filter_map(resting::of_connector) {
                self.load_hears(word, ctx);
            }
        }
        self.hear_of_connected(&waited, ctx);
        for (slot, transaction) in over {
            let input = SteeringInput::Evse(slot, EvseInput::Ended(transaction));
            self.load_hears(Input::Steering(input), ctx);
        }
        for input in waited {
            match input {
                Input::Settings(settings) => self.settings_changed(*settings, ctx),
                other => self.load_hears(other, ctx),
            }
        }
        // What was told of them since they were read.
        self.read_limits(ctx);
    }

    /// The load hears of all that are connected, but for those that joined meanwhile: of them it is told like of everything that happened
    /// meanwhile.
    fn hear_of_connected(&mut self, waited: &[Input], ctx: &mut Context<Self>) {
        let joined: BTreeSet<_> = waited.iter().filter_map(joins).collect();
        let connected = self.state.connections().filter(|(station, _)| !joined.contains(station));
        let connected: Vec<_> = connected.map(|(station, epoch)| (station.clone(), epoch)).collect();
        let unsure = std::mem::take(&mut self.unsure);
        // Whoever managed it before at another node may have known of a boot that nobody has read back: all are asked what they have.
        let is_alone = self.parts.cluster.links().is_none();
        for (station, connection) in connected {
            let arrival =
                if !is_alone || unsure.contains(&station) { Arrival::Booted } else { Arrival::Found };
            self.load_hears(Input::Joined { station, connection, arrival }, ctx);
        }
    }
}

// === impl Load ===

impl Load {
    /// Stations of which something is open that whoever starts the load anew would not hear of: they count as booted.
    fn unsure(&self) -> Vec<StationId> {
        match self {
            Self::Unmanaged | Self::Elsewhere { .. } => Vec::new(),
            Self::Starting(waiting) => waiting.iter().filter_map(joins).cloned().collect(),
            Self::Managed(managed) => {
                let evses = managed.state.tree().evses().iter().enumerate();
                let open = evses.filter(|(slot, _)| !managed.state.steering().knows_fallback(*slot));
                open.map(|(_, evse)| evse.key.station.clone()).collect()
            }
        }
    }
}

/// Whose connection an input announces.
fn joins(input: &Input) -> Option<&StationId> {
    match input {
        Input::Joined { station, .. } => Some(station),
        _ => None,
    }
}

/// Transactions that have grants open and are not open any more.
fn finished(ledger: &Ledger, of: &LedgerOf, stations: &[StationSnapshot]) -> Vec<(Slot, TransactionId)> {
    let sessions = stations.iter().flat_map(|station| &station.open);
    let open: BTreeSet<_> = sessions.map(|session| (&session.station, &session.transaction)).collect();
    let accounts = ledger.accounts.iter().zip(of.evses.iter()).enumerate();
    let over = accounts.flat_map(|(slot, (account, key))| {
        let transactions = account.grants.iter().filter_map(|grant| grant.transaction.as_ref());
        let over = transactions.filter(|transaction| !open.contains(&(&key.station, *transaction)));
        over.map(move |transaction| (slot, transaction.clone())).collect::<Vec<_>>()
    });
    over.collect()
}
