//! The paths of OCPI: credentials, the lists of an operator (interface SENDER), tokens and commands of partners (interface RECEIVER).
//!
//! They are the same in all versions. The version stands in the path; whether it is spoken with the caller is looked at before anything
//! else ([`super::caller`]), and what differs in it is the dialect's business ([`super::dialect`]).

use actix_web::{Error, HttpResponse, web};
use ringmain_store::partners::Partner;

use crate::hub::resource;
use crate::ocpi::caller::{Caller, Speaker};
use crate::ocpi::dialect::Dialect;
use crate::ocpi::status::Refusal;
use crate::ocpi::v221::types::version::InterfaceRole;
use crate::ocpi::{envelope, versions};
use crate::partner::base_url;

mod commands;
mod credentials;
mod lists;
mod places;
mod tokens;

/// Modules with a path of their own under `cpo/{version}`, and which side of them we are.
const MODULES: [(&str, InterfaceRole); 6] = [
    ("locations", InterfaceRole::Sender),
    ("sessions", InterfaceRole::Sender),
    ("cdrs", InterfaceRole::Sender),
    ("tariffs", InterfaceRole::Sender),
    ("tokens", InterfaceRole::Receiver),
    ("commands", InterfaceRole::Receiver),
];

type Answer = Result<HttpResponse, Refusal>;

/// Mounts them in the scope `/ocpi`.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/versions").route(web::get().to(list_versions)))
        .service(resource("/{version}").route(web::get().to(details)))
        .service(
            resource("/{version}/credentials")
                .route(web::get().to(credentials::show))
                .route(web::post().to(credentials::exchange))
                .route(web::put().to(credentials::exchange))
                .route(web::delete().to(credentials::unregister)),
        )
        .service(resource("/cpo/{version}/locations").route(web::get().to(lists::locations)))
        .service(resource("/cpo/{version}/locations/{location}").route(web::get().to(places::location)))
        .service(resource("/cpo/{version}/locations/{location}/{evse}").route(web::get().to(places::evse)))
        .service(
            resource("/cpo/{version}/locations/{location}/{evse}/{connector}")
                .route(web::get().to(places::connector)),
        )
        .service(resource("/cpo/{version}/sessions").route(web::get().to(lists::sessions)))
        .service(resource("/cpo/{version}/cdrs").route(web::get().to(lists::cdrs)))
        .service(resource("/cpo/{version}/tariffs").route(web::get().to(lists::tariffs)))
        .service(
            resource("/cpo/{version}/tokens/{country_code}/{party_id}/{uid}")
                .route(web::get().to(tokens::show))
                .route(web::put().to(tokens::put))
                .route(web::patch().to(tokens::patch)),
        )
        .service(resource("/cpo/{version}/commands/{command}").route(web::post().to(commands::take)));
}

async fn list_versions(caller: Caller) -> HttpResponse {
    let settled = Dialect::settled(&caller.partner.settings);
    envelope::success(versions::list(base_url(&caller.partner), &settled))
}

async fn details(Speaker { caller, dialect }: Speaker) -> Answer {
    let partner = &caller.partner;
    let credentials = format!("{}/{}/credentials", base_url(partner), dialect.as_str());
    let own = MODULES.map(|(module, role)| (module, role, module_url(partner, dialect, module)));
    let modules = [("credentials", InterfaceRole::Sender, credentials)].into_iter().chain(own);
    Ok(envelope::success(dialect.details(modules)))
}

/// Where a module of ours is for a partner.
fn module_url(partner: &Partner, dialect: Dialect, module: &str) -> String {
    format!("{}/cpo/{}/{module}", base_url(partner), dialect.as_str())
}

/// A body that came whole and is not too large.
fn whole(body: Result<web::Bytes, Error>) -> Result<web::Bytes, Refusal> {
    body.map_err(|_unreadable| Refusal::malformed("the body cannot be read or is too large"))
}
