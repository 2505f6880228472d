//! What the parts of a node share: the store, the desk, the feed. Built once in [`crate::app`].

use std::sync::{Arc, OnceLock};

use actix::Addr;
use ringmain_domain::command::CommandDesk;
use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::roaming::PartnerDesk;
use ringmain_domain::tariff::pricer::CdrPricer;
use ringmain_store::store::Store;

use crate::actors::site_directory::SiteDirectory;
use crate::canary::Canary;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::live::LiveFeed;
use crate::services::site_load::forecast::Forecasts;
use crate::services::station_tariffs::Turns;

/// The shared parts of a node.
pub struct House {
    /// Persistence.
    pub store: Store,
    /// Takes commands for stations.
    pub desk: Arc<dyn CommandDesk>,
    /// Speaks with partners; set once roaming has started.
    pub partners: OnceLock<Arc<dyn PartnerDesk>>,
    /// Prices partners' bill records.
    pub pricer: Arc<dyn CdrPricer>,
    /// What changed, for those who watch.
    pub live: LiveFeed,
    /// Which actor is a site.
    pub sites: Addr<SiteDirectory>,
    /// The other nodes, and which connection has a station.
    pub cluster: Cluster,
    /// Station passwords.
    pub credentials: Credentials,
    /// Whether the store really commits.
    pub canary: Canary,
    /// The configuration.
    pub config: Arc<Config>,
    /// The tenant of requests that name none: a single-tenant installation has only this one.
    pub tenant: TenantId,
    /// The stations whose tariffs are being told just now.
    pub tariff_turns: Turns,
    /// Whose forecast is computed just now.
    pub forecasts: Forecasts,
}

impl House {
    /// An operator changed a station's record: its connection and its site take it over.
    pub fn station_changed(&self, station: &StationId) {
        self.cluster.tell_changed(station);
    }
}
