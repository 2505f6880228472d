//! The operator API under `/api/v1`: JSON for machines, over the same [`crate::services`] as the console.
//!
//! [`routes`] is the table of everything that can be asked, with the permission each route needs: what is not in it does not exist, and
//! nothing in it is open by accident. [`auth`] checks keys and permissions, [`idempotency`] makes a repeated POST harmless, [`problem`] is
//! how refusals look, [`paging`], [`fields`] and [`extract`] are the shared forms, `events` is the live feed. One file for each noun
//! holds its request and response types, their conversion to domain, and its handlers. Domain types are never API types.
//!
//! Never: SQL, a decision about charging, a station's protocol version.

use std::collections::BTreeSet;

use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{HttpRequest, web};
use ringmain_domain::tariff::pricer::CdrPrice;
use serde::Serialize;

pub mod auth;
pub mod extract;
pub mod fields;
pub mod idempotency;
pub mod openapi;
pub mod paging;
pub mod problem;
pub mod routes;
mod rulings;

mod api_keys;
mod audit_events;
mod cdrs;
mod charging_needs;
mod charging_stations;
pub(crate) mod circuits;
mod commands;
mod commands_typed;
mod duplicates;
mod events;
mod evses;
mod hardware;
mod load_forecast;
mod load_history;
mod location_access;
mod locations;
mod messages;
mod meter_keys;
mod metered;
mod nodes;
mod partners;
mod reports;
mod sessions;
pub(crate) mod site_load;
mod site_settings;
mod station_tariffs;
mod strays;
mod tariff_assignments;
pub(crate) mod tariffs;
mod token_groups;
mod tokens;
mod transactions;
mod vehicles;

use self::problem::Problem;
use self::routes::ROUTES;
use self::tariffs::price::PricedBody;

/// Where the API lives.
pub const BASE: &str = "/api/v1";

/// Adds the API's routes. The app needs `web::Data<House>` and the `web::Data<Doorway>` made by
/// [`crate::console::state`].
pub fn configure(config: &mut web::ServiceConfig) {
    let headers = DefaultHeaders::new()
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Cache-Control", "no-store"))
        .add(("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Cross-Origin-Resource-Policy", "same-origin"));
    let mut scope = web::scope(BASE).wrap(headers);
    let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
    for path in paths {
        let methods = || ROUTES.iter().filter(move |route| route.path == path);
        let mut resource = web::resource(path);
        for route in methods() {
            let guarded = from_fn(move |request, next| auth::guard(route, request, next));
            resource = resource.route((route.handler)().wrap(guarded));
        }
        let allowed: Vec<_> = methods().map(|route| route.method.as_str()).collect();
        let allowed = allowed.join(", ");
        let refuse = move || {
            let problem = Problem::method_not_allowed(&allowed);
            async move { Err::<String, _>(problem) }
        };
        scope = scope.service(resource.default_service(web::to(refuse)));
    }
    config.service(scope.default_service(web::to(no_such_path)));
}

/// What a bill record costs, as `POST /tariffs/price` answers it: for the command line.
#[must_use]
pub fn priced(price: CdrPrice) -> impl Serialize {
    PricedBody::from(price)
}

async fn no_such_path(request: HttpRequest) -> Result<String, Problem> {
    Err(Problem::absent("path", request.path()))
}
