//! Which actor is a site: births, rebirths after a panic, quarantine of those that die too often.
//!
//! Parent: node. Children: sites, spread over the site arbiters by hash of their id. Mailbox: 256, senders wait. Never: SQL, charging.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use actix::prelude::*;
use ringmain_domain::id::{SiteId, TenantId};
use ringmain_store::store::StoreError;

use super::notice;
use super::site::{NodesChanged, NotOwned, Site, SiteHandle, SiteParts};

const MAILBOX: usize = 256;
/// A site that dies this often within a minute is not reborn until the window has passed.
pub const DEATHS_MAX: usize = 5;
const DEATH_WINDOW: Duration = Duration::from_secs(60);
/// So many sites at a time hear that a node came, and a pause after them: 10,000 in some fifty seconds.
const AT_ONCE: usize = 200;
const EACH: Duration = Duration::from_secs(1);

/// All sites of this node.
pub struct SiteDirectory {
    parts: SiteParts,
    arbiters: Vec<Arbiter>,
    sites: HashMap<(TenantId, SiteId), SiteHandle>,
    deaths: HashMap<(TenantId, SiteId), Vec<Instant>>,
}

/// Give me the actor of this site.
#[derive(Message)]
#[rtype(result = "Result<SiteHandle, NoSite>")]
pub struct Locate {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub site: SiteId,
}

/// All sites hear what changed among the nodes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TellSites(pub NodesChanged);

/// The node that was thought to own this site does not know it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LookAgain {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub site: SiteId,
}

/// A site's last word.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SiteDied {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub site: SiteId,
    /// By a bug of ours?
    pub panicked: bool,
}

/// Why a site cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NoSite {
    /// Its stations cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It died too often.
    #[error("the site is in quarantine: it died {DEATHS_MAX} times within a minute")]
    Quarantined,
}

/// How many sites are told in [`EACH`]: who may read from the store after it is told does so with few others, who takes a site over at once.
const fn pace(change: NodesChanged) -> usize {
    match change {
        NodesChanged::Came(_) | NodesChanged::Asserted => AT_ONCE,
        NodesChanged::Gone | NodesChanged::Again => usize::MAX,
    }
}

// === impl SiteDirectory ===

impl SiteDirectory {
    /// A directory with so many arbiters for its sites, at least one.
    #[must_use]
    pub fn new(parts: SiteParts, arbiters: usize) -> Self {
        let arbiters = (0..arbiters.max(1)).map(|_| Arbiter::new()).collect();
        Self { parts, arbiters, sites: HashMap::new(), deaths: HashMap::new() }
    }

    fn arbiter_of(&self, site: &SiteId) -> Option<ArbiterHandle> {
        let mut hasher = DefaultHasher::new();
        site.hash(&mut hasher);
        let count = u64::try_from(self.arbiters.len()).ok()?;
        let slot = usize::try_from(hasher.finish().checked_rem(count)?).ok()?;
        self.arbiters.get(slot).map(Arbiter::handle)
    }

    fn in_quarantine(&mut self, key: &(TenantId, SiteId)) -> bool {
        let Some(deaths) = self.deaths.get_mut(key) else { return false };
        deaths.retain(|at| at.elapsed() < DEATH_WINDOW);
        if deaths.is_empty() {
            self.deaths.remove(key);
            return false;
        }
        deaths.len() >= DEATHS_MAX
    }
}

impl Actor for SiteDirectory {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
    fn stopped(&mut self, _: &mut Self::Context) {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

impl Handler<Locate> for SiteDirectory {
    type Result = ResponseActFuture<Self, Result<SiteHandle, NoSite>>;

    fn handle(&mut self, message: Locate, _: &mut Self::Context) -> Self::Result {
        let key = (message.tenant, message.site);
        if let Some(site) = self.sites.get(&key).filter(|site| site.is_alive()) {
            return Box::pin(actix::fut::ready(Ok(site.clone())));
        }
        if self.in_quarantine(&key) {
            return Box::pin(actix::fut::ready(Err(NoSite::Quarantined)));
        }
        let store = self.parts.store.clone();
        let (tenant, id) = key.clone();
        let read = async move { store.site_snapshots(&tenant, &id).await };
        Box::pin(read.into_actor(self).map(move |snapshots, directory, ctx| {
            let snapshots = snapshots?;
            // Two asked at once: the first answer has made the site already.
            if let Some(site) = directory.sites.get(&key).filter(|site| site.is_alive()) {
                return Ok(site.clone());
            }
            let arbiter = directory.arbiter_of(&key.1).unwrap_or_else(Arbiter::current);
            let shared = directory.parts.clone();
            let site = Site::start_on(&arbiter, key.clone(), &snapshots, shared, ctx.address().downgrade());
            directory.sites.insert(key, site.clone());
            Ok(site)
        }))
    }
}

impl Handler<TellSites> for SiteDirectory {
    type Result = ();
    fn handle(&mut self, TellSites(change): TellSites, ctx: &mut Self::Context) {
        let sites: Vec<_> = self.sites.values().map(|site| site.addr().clone()).collect();
        for (pause, some) in (0_u32..).map(|number| EACH * number).zip(sites.chunks(pace(change))) {
            let some = some.to_vec();
            let tell = move |_: &mut Self, _: &mut Context<Self>| {
                for site in &some {
                    notice::give(site, change);
                }
            };
            ctx.run_later(pause, tell);
        }
    }
}

impl Handler<LookAgain> for SiteDirectory {
    type Result = ();
    fn handle(&mut self, message: LookAgain, _: &mut Self::Context) {
        if let Some(site) = self.sites.get(&(message.tenant, message.site)) {
            site.addr().try_send(NotOwned).ok();
        }
    }
}

impl Handler<SiteDied> for SiteDirectory {
    type Result = ();
    fn handle(&mut self, message: SiteDied, _: &mut Self::Context) {
        let key = (message.tenant, message.site);
        // A newer site of the same name may live already.
        if self.sites.get(&key).is_some_and(|site| !site.is_alive()) {
            self.sites.remove(&key);
        }
        if message.panicked {
            tracing::error!(site.id = %key.1, exit.reason = "panicked", "a site died; it is built again when a station speaks");
            let deaths = self.deaths.entry(key).or_default();
            deaths.push(Instant::now());
            if deaths.len() > DEATHS_MAX {
                deaths.remove(0);
            }
        }
    }
}
