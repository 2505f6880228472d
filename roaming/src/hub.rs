//! The door for partners: mounts everything under `/ocpi` on whatever actix-web application is given.
//!
//! It knows whose house it is (one tenant) and the store, nothing else. Requests from outside are bounded here.

use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, Resource, web};
use ringmain_domain::id::TenantId;
use ringmain_store::store::Store;

use crate::ocpi::caller::Caller;
use crate::ocpi::status::Refusal;
use crate::ocpi::{envelope, headers, v221, versions};
use crate::partner::base_url;

/// The largest body that is read, in bytes: a credentials object with all its roles.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// What the routes work with.
#[derive(Debug, Clone)]
pub struct Hub {
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
}

/// The routes of OCPI for one tenant, to be mounted at the root of an application.
pub fn routes(store: Store, tenant: TenantId) -> impl Fn(&mut web::ServiceConfig) + Send + Sync + 'static {
    let hub = web::Data::new(Hub { store, tenant });
    move |config| {
        let scope = web::scope("/ocpi")
            .app_data(hub.clone())
            .app_data(web::PayloadConfig::new(BODY_MAX_BYTES))
            .app_data(web::PathConfig::default().error_handler(|_, _| Refusal::unknown_location().into()))
            .wrap(from_fn(headers::answer))
            .service(resource("/versions").route(web::get().to(list_versions)))
            .configure(v221::routes::configure)
            .default_service(web::to(|| async { Err::<HttpResponse, _>(Refusal::no_such_path()) }));
        config.service(scope);
    }
}

/// A path that answers other methods in OCPI's way.
pub(crate) fn resource(path: &str) -> Resource {
    let refuse = || async { Err::<HttpResponse, _>(Refusal::not_allowed("no such method here")) };
    web::resource(path).default_service(web::to(refuse))
}

async fn list_versions(caller: Caller) -> HttpResponse {
    envelope::success(versions::list(base_url(&caller.partner)))
}
