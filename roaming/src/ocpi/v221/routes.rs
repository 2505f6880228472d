//! The paths of OCPI 2.2.1: credentials, and the lists of an operator (interface SENDER).

use actix_web::http::Method;
use actix_web::{Error, HttpRequest, HttpResponse, Resource, web};
use ringmain_domain::id::LocationId;
use ringmain_store::partners::{Exchange, Partner};
use ringmain_store::store::StoreError;

use crate::hub::Hub;
use crate::ocpi::caller::{Caller, Registered};
use crate::ocpi::envelope::{self, now};
use crate::ocpi::paging::ListRequest;
use crate::ocpi::status::Refusal;
use crate::ocpi::v221::types::{Credentials, Endpoint, VersionDetails};
use crate::ocpi::v221::{from_wire, to_wire};
use crate::ocpi::versions::OcpiVersion;
use crate::partner::{Step, base_url, hash, is_time_for, judge, new_token};
use crate::service::locations::{Connector, Evse, evses};

/// Modules with a path of their own under `cpo/2.2.1`.
const LISTS: [&str; 4] = ["locations", "sessions", "cdrs", "tariffs"];

type Answer = Result<HttpResponse, Refusal>;

/// Mounts them in the scope `/ocpi`.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(only_get("/2.2.1").route(web::get().to(details)))
        .service(
            only_get("/2.2.1/credentials")
                .route(web::get().to(show_credentials))
                .route(web::post().to(exchange))
                .route(web::put().to(exchange))
                .route(web::delete().to(unregister)),
        )
        .service(only_get("/cpo/2.2.1/locations").route(web::get().to(locations)))
        .service(only_get("/cpo/2.2.1/locations/{location}").route(web::get().to(location)))
        .service(only_get("/cpo/2.2.1/locations/{location}/{evse}").route(web::get().to(evse)))
        .service(only_get("/cpo/2.2.1/locations/{location}/{evse}/{connector}").route(web::get().to(connector)))
        .service(only_get("/cpo/2.2.1/sessions").route(web::get().to(sessions)))
        .service(only_get("/cpo/2.2.1/cdrs").route(web::get().to(cdrs)))
        .service(only_get("/cpo/2.2.1/tariffs").route(web::get().to(tariffs)));
}
