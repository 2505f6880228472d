//! The door for partners: mounts everything under `/ocpi` on whatever actix-web application is given, and starts what goes on by itself.
//!
//! It knows whose house it is (one tenant), the store, the desk for stations and how to call partners. Requests from outside are bounded
//! here.

use std::sync::Arc;

use actix_web::middleware::{NormalizePath, TrailingSlash, from_fn};
use actix_web::{HttpResponse, Resource, web};
use ringmain_domain::command::CommandDesk;
use ringmain_domain::id::TenantId;
use ringmain_store::store::Store;
use tokio::sync::Notify;

use crate::authorize::silence::Silence;
use crate::client::Client;
use crate::client::log::CallLog;
use crate::config::Settings;
use crate::limits::Limits;
use crate::ocpi::status::Refusal;
use crate::ocpi::{self, headers};
use crate::public_data;
use crate::push::{self, bills};
use crate::runtime::Runtime;

/// The largest body that is read, in bytes: a credentials object with all its roles.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// What the hub is made from.
pub struct Parts {
    /// Persistence.
    pub store: Store,
    /// Whose house.
    pub tenant: TenantId,
    /// What holds for all partners.
    pub settings: Settings,
    /// Takes orders for stations.
    pub desk: Arc<dyn CommandDesk>,
    /// Does this node do what one of them is enough for?
    pub leads: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// What the routes, the pushes and the questions to partners work with. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) settings: Settings,
    pub(crate) desk: Arc<dyn CommandDesk>,
    pub(crate) client: Client,
    pub(crate) limits: Arc<Limits>,
    pub(crate) leads: Arc<dyn Fn() -> bool + Send + Sync>,
    pub(crate) bills: Arc<bills::Underway>,
    pub(crate) silence: Arc<Silence>,
    partners_changed: Arc<Notify>,
}

// === impl Hub ===

impl Hub {
    /// Starts it. What goes on by itself ends with the last clone's runtime.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(parts: Parts) -> std::io::Result<Self> {
        let Parts { store, tenant, settings, desk, leads } = parts;
        let runtime = Runtime::start()?;
        let (log, writing) = CallLog::new(store.clone());
        runtime.spawn(writing);
        let client =
            Client::new(settings.guard.clone(), settings.extra_ca_pem.as_deref(), runtime.clone(), log);
        let silence = Arc::new(Silence::new(settings.pauses));
        let hub = Self {
            store,
            tenant,
            settings,
            desk,
            client,
            limits: Arc::default(),
            leads,
            bills: Arc::default(),
            silence,
            partners_changed: Arc::default(),
        };
        runtime.spawn(push::run(hub.clone()));
        Ok(hub)
    }

    /// A partner came, left or was changed: what goes on by itself looks at them again.
    pub fn tell_partners_changed(&self) {
        self.partners_changed.notify_one();
    }

    pub(crate) async fn partners_changed(&self) {
        self.partners_changed.notified().await;
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// The routes of OCPI for one tenant, to be mounted at the root of an application.
pub fn routes(hub: Hub) -> impl Fn(&mut web::ServiceConfig) + Send + Sync + 'static {
    let public = public_data::start(&hub);
    let hub = web::Data::new(hub);
    move |config| {
        public_data::routes::configure(config, public.as_ref());
        let scope = web::scope("/ocpi")
            .app_data(hub.clone())
            .app_data(web::PayloadConfig::new(BODY_MAX_BYTES))
            .app_data(web::PathConfig::default().error_handler(|_, _| Refusal::unknown_location().into()))
            .wrap(from_fn(headers::answer))
            // Some partners write every address with a slash at its end.
            .wrap(NormalizePath::new(TrailingSlash::Trim))
            .configure(ocpi::routes::configure)
            .default_service(web::to(|| async { Err::<HttpResponse, _>(Refusal::no_such_path()) }));
        config.service(scope);
    }
}

/// A path that answers other methods in OCPI's way.
pub(crate) fn resource(path: &str) -> Resource {
    let refuse = || async { Err::<HttpResponse, _>(Refusal::not_allowed("no such method here")) };
    web::resource(path).default_service(web::to(refuse))
}
