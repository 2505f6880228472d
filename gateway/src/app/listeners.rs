//! Opens a node's listeners: stations on ws and wss, people and programs on http, watchers on ops.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

use actix_server::{Server, ServerHandle};
use actix_web::web;
use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

use super::certificates::{Certificates, keep_nodes_fresh};
use super::joining::ClusterListener;
use super::{Node, doorkeeper};
use crate::config::Address;
use crate::house::House;
use crate::listen::{self, ListenSettings};
use crate::services::doorway::Doorway;
use crate::{api, cluster, console, open_files, ops};

/// Threads of the http listener: people and partners, not stations.
const HTTP_WORKERS: usize = 2;
/// Threads of the cluster's listener.
const CLUSTER_WORKERS: usize = 2;
/// How long open requests may last when a node leaves, in seconds.
const HTTP_SHUTDOWN_S: u64 = 5;

/// Where a node listens; `None` for a listener that is off. Written to the ready file as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// Console, operator API, OCPI.
    pub http: Option<SocketAddr>,
    /// Stations without TLS.
    pub ws: Option<SocketAddr>,
    /// Stations with TLS.
    pub wss: Option<SocketAddr>,
    /// Metrics and health.
    pub ops: Option<SocketAddr>,
    /// Node to node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<SocketAddr>,
    /// The development CA that signed the server's certificate, where it did.
    pub ca: Option<PathBuf>,
}

/// Routes of other parts of the house on the http listener; the composition root gives roaming's.
pub type Extension = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// Open listeners.
pub struct Running {
    /// Where they are.
    pub addresses: Addresses,
    /// Of stations: closed first.
    pub stations: Vec<ServerHandle>,
    /// Of people and watchers: closed last.
    pub people: Vec<ServerHandle>,
    /// Of the other nodes.
    pub cluster: Option<ServerHandle>,
    /// Open live feeds, which must end before their listener can.
    pub doorway: web::Data<Doorway>,
}

/// Opens all listeners that are not off.
///
/// # Errors
/// An address cannot be bound, a certificate cannot be used.
pub fn open(
    node: &Arc<Node>,
    house: &Arc<House>,
    metrics: PrometheusHandle,
    extension: Extension,
) -> anyhow::Result<Running> {
    let doorway = console::state();
    let mut running = Running {
        addresses: Addresses::default(),
        stations: Vec::new(),
        people: Vec::new(),
        cluster: None,
        doorway: doorway.clone(),
    };
    if let Some(listener) = node.take_listener() {
        running.addresses.cluster = Some(listener.bound);
        running.cluster = Some(spawn(cluster_server(listener, Arc::clone(node))?));
    }
    open_stations(node, &mut running)?;
    let config = &node.config;
    if let Some(address) = resolve("listen.http", &config.listen.http)? {
        let (server, bound) = http_server(address, Arc::clone(house), doorway, extension)?;
        running.addresses.http = Some(bound);
        running.people.push(spawn(server));
    }
    if let Some(address) = resolve("listen.ops", &config.listen.ops)? {
        let (server, bound) = ops_server(address, Arc::clone(node), metrics)?;
        running.addresses.ops = Some(bound);
        running.people.push(spawn(server));
    }
    Ok(running)
}

fn open_stations(node: &Arc<Node>, running: &mut Running) -> anyhow::Result<()> {
    let config = &node.config;
    let open_files = open_files::raise();
    let connections_max = open_files::for_stations(config.stations.connections_max, open_files);
    tracing::info!(open_files, connections_max, "limits of this process");
    let settings = |address| ListenSettings {
        connections_max,
        proxies: config.listen.proxies.clone(),
        ..ListenSettings::new(address)
    };
    if let Some(address) = resolve("listen.ws", &config.listen.ws)? {
        let (server, bound) = listen::bind(&settings(address), None, doorkeeper(node))
            .with_context(|| format!("listen.ws: listen on {address}"))?;
        running.addresses.ws = Some(bound);
        running.stations.push(spawn(server));
    }
    if let Some(address) = resolve("listen.wss", &config.listen.wss)? {
        let (certificates, ca) = Certificates::load(config)?;
        let (server, bound) = listen::bind(&settings(address), Some(certificates.config()), doorkeeper(node))
            .with_context(|| format!("listen.wss: listen on {address}"))?;
        node.chores.start(certificates.keep_fresh());
        running.addresses.wss = Some(bound);
        running.addresses.ca = ca;
        running.stations.push(spawn(server));
    }
    Ok(())
}

fn http_server(
    address: SocketAddr,
    house: Arc<House>,
    doorway: web::Data<Doorway>,
    extension: Extension,
) -> anyhow::Result<(Server, SocketAddr)> {
    let house = web::Data::from(house);
    let server = actix_web::HttpServer::new(move || {
        let extension = Arc::clone(&extension);
        actix_web::App::new()
            .app_data(house.clone())
            .app_data(doorway.clone())
            .configure(api::configure)
            .configure(move |config| extension(config))
            .configure(console::configure)
    });
    let server = server.workers(HTTP_WORKERS).shutdown_timeout(HTTP_SHUTDOWN_S).disable_signals();
    let server = server.bind(address).with_context(|| format!("listen.http: listen on {address}"))?;
    let bound = first_address(&server.addrs())?;
    Ok((server.run(), bound))
}

fn ops_server(
    address: SocketAddr,
    node: Arc<Node>,
    metrics: PrometheusHandle,
) -> anyhow::Result<(Server, SocketAddr)> {
    let (node, metrics) = (web::Data::new(node), web::Data::new(metrics));
    let server = actix_web::HttpServer::new(move || {
        actix_web::App::new().app_data(node.clone()).app_data(metrics.clone()).configure(ops::configure)
    });
    let server = server.workers(1).shutdown_timeout(HTTP_SHUTDOWN_S).disable_signals();
    let server = server.bind(address).with_context(|| format!("listen.ops: listen on {address}"))?;
    let bound = first_address(&server.addrs())?;
    Ok((server.run(), bound))
}

fn cluster_server(listener: ClusterListener, node: Arc<Node>) -> anyhow::Result<Server> {
    node.chores.start(keep_nodes_fresh(listener.tls.clone()));
    let node = web::Data::new(node);
    let server = actix_web::HttpServer::new(move || {
        actix_web::App::new().app_data(node.clone()).configure(cluster::server::configure)
    });
    let server = server.workers(CLUSTER_WORKERS).shutdown_timeout(HTTP_SHUTDOWN_S).disable_signals();
    let tls = Arc::unwrap_or_clone(listener.tls.server);
    let server =
        server.listen_rustls_0_23(listener.socket, tls).context("listen.cluster: listen for other nodes")?;
    Ok(server.run())
}

fn first_address(addresses: &[SocketAddr]) -> anyhow::Result<SocketAddr> {
    addresses.first().copied().context("the listener has no address")
}

fn spawn(server: Server) -> ServerHandle {
    let handle = server.handle();
    actix::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "a listener ended");
        }
    });
    handle
}

pub(super) fn resolve(key: &str, address: &Address) -> anyhow::Result<Option<SocketAddr>> {
    let Some(text) = &address.0 else { return Ok(None) };
    let found = text.to_socket_addrs().with_context(|| format!("{key}: find the address of {text}"))?.next();
    found.map(Some).with_context(|| format!("{key}: {text} has no address"))
}
