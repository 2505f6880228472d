//! The paths of OCPI 2.2.1: credentials, and the lists of an operator (interface SENDER).

use actix_web::{Error, HttpRequest, HttpResponse, web};
use ringmain_domain::id::LocationId;
use ringmain_store::partners::{Exchange, Partner};
use ringmain_store::store::StoreError;

use crate::handshake::learn;
use crate::hub::{Hub, resource};
use crate::ocpi::caller::{Caller, Registered};
use crate::ocpi::envelope::{self, now};
use crate::ocpi::paging::ListRequest;
use crate::ocpi::status::Refusal;
use crate::ocpi::v221::types::credentials::Credentials;
use crate::ocpi::v221::types::version::{Endpoint, InterfaceRole, ModuleId, VersionDetails};
use crate::ocpi::v221::{from_wire, to_wire};
use crate::ocpi::versions::OcpiVersion;
use crate::partner::{Step, base_url, hash, is_time_for, judge, new_token};
use crate::service::locations::{Connector, Evse, evses};

mod commands;
mod tokens;

/// Modules with a path of their own under `cpo/2.2.1`, and which side of them we are.
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
        .service(resource("/2.2.1").route(web::get().to(details)))
        .service(
            resource("/2.2.1/credentials")
                .route(web::get().to(show_credentials))
                .route(web::post().to(exchange))
                .route(web::put().to(exchange))
                .route(web::delete().to(unregister)),
        )
        .service(resource("/cpo/2.2.1/locations").route(web::get().to(locations)))
        .service(resource("/cpo/2.2.1/locations/{location}").route(web::get().to(location)))
        .service(resource("/cpo/2.2.1/locations/{location}/{evse}").route(web::get().to(evse)))
        .service(
            resource("/cpo/2.2.1/locations/{location}/{evse}/{connector}").route(web::get().to(connector)),
        )
        .service(resource("/cpo/2.2.1/sessions").route(web::get().to(sessions)))
        .service(resource("/cpo/2.2.1/cdrs").route(web::get().to(cdrs)))
        .service(resource("/cpo/2.2.1/tariffs").route(web::get().to(tariffs)))
        .service(
            resource("/cpo/2.2.1/tokens/{country_code}/{party_id}/{uid}")
                .route(web::get().to(tokens::show))
                .route(web::put().to(tokens::put))
                .route(web::patch().to(tokens::patch)),
        )
        .service(resource("/cpo/2.2.1/commands/{command}").route(web::post().to(commands::take)));
}

async fn details(caller: Caller) -> Answer {
    let base = base_url(&caller.partner);
    let version = OcpiVersion::V221.as_str();
    let endpoint = |module, role, url| Endpoint { identifier: ModuleId::from(module), role, url };
    let credentials = format!("{base}/{version}/credentials");
    let mut endpoints = vec![endpoint("credentials", InterfaceRole::Sender, credentials)];
    endpoints.extend(MODULES.map(|(module, role)| endpoint(module, role, list_url(&caller.partner, module))));
    Ok(envelope::success(VersionDetails { version: version.to_owned(), endpoints }))
}

fn list_url(partner: &Partner, module: &str) -> String {
    format!("{}/cpo/{}/{module}", base_url(partner), OcpiVersion::V221.as_str())
}

// === credentials ===

/// The token in it is the one that was shown: we keep no other text of it.
async fn show_credentials(caller: Caller) -> Answer {
    Ok(envelope::success(to_wire::credentials(&caller.partner, caller.token)))
}

/// POST registers, PUT renews: token B is kept, a new token C is given, and the token that was shown is dead.
async fn exchange(
    caller: Caller,
    hub: web::Data<Hub>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> Answer {
    let step = if request.method() == actix_web::http::Method::POST { Step::Register } else { Step::Renew };
    check_time(&caller, step)?;
    let body = whole(body)?;
    let theirs: Credentials = serde_json::from_slice(&body)
        .map_err(|error| Refusal::malformed(format!("the body is no credentials object: {error}")))?;
    let guard = hub.client.guard();
    let mut peer = judge(guard, &caller.partner, from_wire::offer(theirs)).map_err(Refusal::invalid)?;
    // Before it is answered: a partner that cannot be called is told so now, not found out later.
    let whose = (&caller.partner.tenant, caller.partner.id);
    let learned = learn(&hub.client, whose, &peer.url, &peer.token).await;
    peer.endpoints = Some(learned.map_err(|error| Refusal::handshake(&error))?);
    let token_c = new_token().ok_or_else(Refusal::ours)?;
    let exchange = Exchange { shown: hash(&caller.token), given: hash(&token_c), peer, at: now() };
    let partner = &caller.partner;
    let mut kept = hub.store.register_partner(&partner.tenant, partner.id, &exchange).await;
    if let Err(StoreError::Unknown { .. }) = kept {
        // Perhaps it is kept: the same again does no harm and tells.
        kept = hub.store.register_partner(&partner.tenant, partner.id, &exchange).await;
    }
    match kept {
        Ok(true) => {
            hub.tell_partners_changed();
            Ok(envelope::success(to_wire::credentials(partner, token_c)))
        }
        // Somebody used the token in between.
        Ok(false) => Err(Refusal::unauthorized()),
        Err(StoreError::Conflict { .. }) => {
            Err(Refusal::invalid("another partner acts for one of these parties"))
        }
        Err(error) => Err(error.into()),
    }
}

/// A body that came whole and is not too large.
fn whole(body: Result<web::Bytes, Error>) -> Result<web::Bytes, Refusal> {
    body.map_err(|_unreadable| Refusal::malformed("the body cannot be read or is too large"))
}

async fn unregister(caller: Caller, hub: web::Data<Hub>) -> Answer {
    check_time(&caller, Step::Unregister)?;
    hub.store.unregister_partner(&caller.partner.tenant, caller.partner.id, now()).await?;
    hub.tell_partners_changed();
    Ok(envelope::done())
}

fn check_time(caller: &Caller, step: Step) -> Result<(), Refusal> {
    if is_time_for(caller.standing, step) {
        return Ok(());
    }
    Err(Refusal::not_allowed(match step {
        Step::Register => "already registered: use PUT",
        Step::Renew | Step::Unregister => "not registered yet: use POST",
    }))
}

// === lists ===

async fn locations(caller: Registered, hub: web::Data<Hub>, request: HttpRequest) -> Answer {
    let Registered(partner) = caller;
    let list = ListRequest::read(request.query_string())?;
    let page = hub.store.published_locations(&partner.tenant, now(), &list.window(), &list.page()).await;
    let page = page.map_err(of_list)?;
    let window = list.window();
    let total = list.total(hub.store.count_locations(&partner.tenant, now(), &window)).await?;
    let url = list_url(&partner, "locations");
    Ok(list.respond(&url, (page, total), |published| to_wire::location(&partner.ours, &published)))
}

async fn tariffs(caller: Registered, hub: web::Data<Hub>, request: HttpRequest) -> Answer {
    let Registered(partner) = caller;
    let list = ListRequest::read(request.query_string())?;
    let page = hub.store.published_tariffs(&partner.tenant, now(), &list.window(), &list.page()).await;
    let page = page.map_err(of_list)?;
    let window = list.window();
    let total = list.total(hub.store.count_tariffs(&partner.tenant, now(), &window)).await?;
    let url = list_url(&partner, "tariffs");
    Ok(list.respond(&url, (page, total), |tariff| to_wire::tariff::tariff(&partner.ours, &tariff)))
}

async fn sessions(caller: Registered, hub: web::Data<Hub>, request: HttpRequest) -> Answer {
    let Registered(partner) = caller;
    let list = ListRequest::read_from_date(request.query_string())?;
    let page = hub.store.partner_sessions(&partner.tenant, partner.id, &list.window(), &list.page()).await;
    let page = page.map_err(of_list)?;
    let window = list.window();
    let total = list.total(hub.store.count_partner_sessions(&partner.tenant, partner.id, &window)).await?;
    let url = list_url(&partner, "sessions");
    Ok(list.respond(&url, (page, total), |session| to_wire::session(&partner.ours, &session)))
}

async fn cdrs(caller: Registered, hub: web::Data<Hub>, request: HttpRequest) -> Answer {
    let Registered(partner) = caller;
    let list = ListRequest::read(request.query_string())?;
    let page = hub.store.partner_cdrs(&partner.tenant, partner.id, &list.window(), &list.page()).await;
    let page = page.map_err(of_list)?;
    let window = list.window();
    let total = list.total(hub.store.count_partner_cdrs(&partner.tenant, partner.id, &window)).await?;
    let url = list_url(&partner, "cdrs");
    Ok(list.respond(&url, (page, total), |cdr| to_wire::cdr::cdr(&partner.ours, &cdr, &[])))
}

/// A cursor is all a caller can have wrong here.
fn of_list(error: StoreError) -> Refusal {
    match error {
        StoreError::Conflict { .. } => Refusal::invalid("cursor is none of this list's"),
        error => error.into(),
    }
}

// === one location ===

async fn location(caller: Registered, hub: web::Data<Hub>, path: web::Path<String>) -> Answer {
    let Registered(partner) = caller;
    let id = LocationId::new(&path).map_err(|_no_id| Refusal::unknown_location())?;
    let found = hub.store.published_location(&partner.tenant, now(), &id).await?;
    let published = found.ok_or_else(Refusal::unknown_location)?;
    Ok(envelope::success(to_wire::location(&partner.ours, &published)))
}

async fn evse(caller: Registered, hub: web::Data<Hub>, path: web::Path<(String, String)>) -> Answer {
    let (location, evse) = path.into_inner();
    let evse = find_evse(&caller, &hub, &location, &evse).await?;
    Ok(envelope::success(to_wire::evse(&evse)))
}

async fn connector(
    caller: Registered,
    hub: web::Data<Hub>,
    path: web::Path<(String, String, String)>,
) -> Answer {
    let (location, evse, connector) = path.into_inner();
    let evse = find_evse(&caller, &hub, &location, &evse).await?;
    let is_it = |c: &&Connector| c.number.to_string() == connector;
    let found = evse.connectors.iter().find(is_it).ok_or_else(Refusal::unknown_location)?;
    Ok(envelope::success(to_wire::connector(found)))
}

/// Peers echo ids in lower or upper case.
async fn find_evse(caller: &Registered, hub: &Hub, location: &str, uid: &str) -> Result<Evse, Refusal> {
    let id = LocationId::new(location).map_err(|_no_id| Refusal::unknown_location())?;
    let found = hub.store.published_location(&caller.0.tenant, now(), &id).await?;
    let published = found.ok_or_else(Refusal::unknown_location)?;
    let is_it = |evse: &Evse| evse.uid.to_string().eq_ignore_ascii_case(uid);
    evses(&published).into_iter().find(is_it).ok_or_else(Refusal::unknown_location)
}
