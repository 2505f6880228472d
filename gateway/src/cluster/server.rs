//! The other end of the links: what this node does for the other nodes. Whoever gets here has shown a certificate of the cluster's CA.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpResponse, web};
use ringmain_domain::cluster::takeover::OldSocket;
use ringmain_domain::command::{CommandOrder, CommandOutcome, CommandResult};
use ringmain_domain::id::{SiteId, TenantId};
use serde::Serialize;

use super::memory::MemoryRouting;
use super::watching;
use super::wire::{
    About, Ask, Changed, Dismiss, Find, Found, Happenings, Noted, Notes, Order, Ordered, Presence, Probe,
    Probed, SiteNote, Watch,
};
use crate::actors::connection;
use crate::actors::exit::Exit;
use crate::actors::site::load::history::ObserveHistory;
use crate::actors::site::load::picture::TakePicture;
use crate::actors::site::load::view::ObserveLoad;
use crate::actors::site::{NodesChanged, SiteHandle};
use crate::actors::site_directory::{Locate, TellSites};
use crate::app::Node;
use crate::{clock, desk};

/// The largest message: a batch of notes with long sessions.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Stations that are asked for at a time.
pub(super) const FIND_MAX: usize = 1_000;

/// The routes of the cluster's listener.
pub fn configure(config: &mut web::ServiceConfig) {
    let scope = web::scope("/cluster/v1")
        .app_data(web::JsonConfig::default().limit(MESSAGE_BYTES_MAX).content_type_required(false))
        .route("/orders", web::post().to(orders))
        .route("/find", web::post().to(find))
        .route("/probe", web::post().to(probe))
        .route("/dismiss", web::post().to(dismiss))
        .route("/changed", web::post().to(changed))
        .route("/presence", web::post().to(presence))
        .route("/watch", web::post().to(watch))
        .route("/sites/notes", web::post().to(notes))
        .route("/sites/ask", web::post().to(ask));
    config.service(scope);
}

async fn orders(node: web::Data<Arc<Node>>, message: web::Json<Order>) -> HttpResponse {
    let Order { to, left_ms, deadline, order, passage, .. } = message.into_inner();
    if to != node.cluster.me() {
        // An earlier run of this node was meant: nothing is done.
        return HttpResponse::Gone().finish();
    }
    let left_ms = deadline.millis_since(node.cluster.database_now()).min(left_ms);
    let order = CommandOrder { deadline: clock::now().plus_millis(left_ms), ..order };
    let ended = desk::carry_out_here(&node.routing, order, passage).await;
    HttpResponse::Ok().json(match ended {
        CommandResult { outcome: CommandOutcome::Offline, .. } => Ordered::NotHere,
        result => Ordered::Ended(result),
    })
}

async fn find(node: web::Data<Arc<Node>>, message: web::Json<Find>) -> web::Json<Found> {
    let stations = message.into_inner().stations.into_iter().take(FIND_MAX);
    let here = stations.filter_map(|station| {
        let epoch = node.routing.find(&station)?.epoch;
        Some((station, epoch))
    });
    web::Json(Found { node: node.cluster.me(), places: here.collect() })
}

async fn probe(node: web::Data<Arc<Node>>, message: web::Json<Probe>) -> web::Json<Probed> {
    let Probe { station, source, certificate, .. } = message.into_inner();
    let Some(route) = node.routing.find(&station) else {
        return web::Json(Probed { old: OldSocket::Gone, same: false });
    };
    let claimant = route.claimant(source, certificate.as_deref());
    if !claimant.must_probe() {
        return web::Json(Probed { old: OldSocket::Alive, same: true });
    }
    let alive = matches!(route.connection.send(connection::Probe).await, Ok(true));
    web::Json(Probed { old: if alive { OldSocket::Alive } else { OldSocket::Silent }, same: false })
}

async fn dismiss(node: web::Data<Arc<Node>>, message: web::Json<Dismiss>) -> web::Json<()> {
    let Dismiss { station, before, .. } = message.into_inner();
    if let Some(route) = node.routing.find(&station).filter(|route| route.epoch < before) {
        MemoryRouting::dismiss(&route.connection, Exit::Replaced);
    }
    web::Json(())
}

async fn changed(node: web::Data<Arc<Node>>, message: web::Json<Changed>) -> web::Json<()> {
    for station in &message.stations {
        node.routing.notify_changed(station);
    }
    web::Json(())
}

async fn presence(node: web::Data<Arc<Node>>, message: web::Json<Presence>) -> web::Json<()> {
    let presence = message.into_inner();
    let change = if presence.is_here { NodesChanged::Came(presence.node) } else { NodesChanged::Gone };
    if let Some(links) = node.cluster.links() {
        links.meet(presence);
    }
    // A directory that is gone has no sites.
    node.directory.send(TellSites(change)).await.ok();
    web::Json(())
}

async fn watch(node: web::Data<Arc<Node>>, message: web::Json<Watch>) -> web::Json<Happenings> {
    web::Json(watching::happenings(&node.live, &message).await)
}

async fn notes(node: web::Data<Arc<Node>>, message: web::Json<Notes>) -> web::Json<Noted> {
    let mut sites: BTreeMap<(TenantId, SiteId), Option<SiteHandle>> = BTreeMap::new();
    let mut noted = Noted::default();
    let Notes { from, notes, .. } = message.into_inner();
    for note in notes {
        let key = (note.tenant, note.site);
        if !sites.contains_key(&key) {
            let site = locate(&node, &key).await.filter(SiteHandle::is_owned_here);
            if site.is_none() {
                noted.strangers.push(key.clone());
            }
            sites.insert(key.clone(), site);
        }
        if let Some(Some(site)) = sites.get(&key) {
            // What another release says and this one does not know is read from the store, where all of it is.
            site.note(from, serde_json::from_str(note.note.get()).unwrap_or(SiteNote::Missed));
        }
    }
    web::Json(noted)
}

async fn ask(node: web::Data<Arc<Node>>, message: web::Json<Ask>) -> HttpResponse {
    let Ask { tenant, site, about, .. } = message.into_inner();
    let Some(site) = locate(&node, &(tenant, site)).await else {
        return HttpResponse::ServiceUnavailable().finish();
    };
    let site = site.addr();
    match about {
        About::Load => told(site.send(ObserveLoad { asked_by_peer: true }).await),
        About::History(circuit) => told(site.send(ObserveHistory { circuit, asked_by_peer: true }).await),
        About::Picture => told(site.send(TakePicture { asked_by_peer: true }).await),
    }
}

fn told<T: Serialize>(answer: Result<T, actix::MailboxError>) -> HttpResponse {
    match answer {
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

async fn locate(node: &Node, (tenant, site): &(TenantId, SiteId)) -> Option<SiteHandle> {
    let locate = Locate { tenant: tenant.clone(), site: site.clone() };
    node.directory.send(locate).await.ok()?.ok()
}
