//! How a node takes part in a cluster, as its configuration says: certificates, the address others call, Redis; or that it is alone.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use ringmain_certs::chain::CertificateFiles;
use ringmain_certs::node::NodeTls;
use ringmain_domain::id::NodeId;
use ringmain_store::cluster::NodeRecord;
use ringmain_store::store::Store;
use uuid::Uuid;

use super::listeners::resolve;
use crate::clock;
use crate::cluster::Cluster;
use crate::cluster::address::RedisAddress;
use crate::cluster::lease::since_boot_ms;
use crate::cluster::links::{Links, Strangers};
use crate::cluster::memory::MemoryRouting;
use crate::cluster::redis::RedisRoutes;
use crate::cluster::runtime::Runtime;
use crate::config::Config;

/// What the other nodes call: bound before the node says where it is reached.
pub struct ClusterListener {
    /// The socket.
    pub socket: TcpListener,
    /// How to speak on it.
    pub tls: NodeTls,
    /// Where it is.
    pub bound: SocketAddr,
}

/// A node that takes part, or is alone.
pub(super) struct Joined {
    pub(super) cluster: Cluster,
    pub(super) listener: Option<ClusterListener>,
    pub(super) strangers: Option<Strangers>,
}

/// Reads certificates, binds the listener, prepares the links; nobody is called yet.
///
/// # Errors
/// What the operator must mend, in words.
pub(super) fn join(config: &Config, routing: &MemoryRouting) -> anyhow::Result<Joined> {
    let Some(address) = resolve("listen.cluster", &config.listen.cluster)? else {
        let cluster = Cluster::alone(routing.clone());
        return Ok(Joined { cluster, listener: None, strangers: None });
    };
    let section = &config.cluster;
    let (Some(ca), Some(chain_pem), Some(key_pem)) = (&section.ca, &section.certificate, &section.key) else {
        anyhow::bail!("listen.cluster needs cluster.ca, cluster.certificate and cluster.key");
    };
    let files = CertificateFiles { chain_pem: chain_pem.clone(), key_pem: key_pem.clone() };
    let tls = NodeTls::read(ca, &files).context("cluster: load the certificates of this node")?;
    let socket =
        TcpListener::bind(address).with_context(|| format!("listen.cluster: listen on {address}"))?;
    let bound = socket.local_addr().context("listen.cluster: find its address")?;
    let host = match &section.host {
        Some(host) => host.to_string(),
        None if bound.ip().is_unspecified() => {
            anyhow::bail!("cluster.host must say where others reach this node: listen.cluster is {address}")
        }
        None if bound.is_ipv6() => format!("[{}]", bound.ip()),
        None => bound.ip().to_string(),
    };
    let runtime = Runtime::start().context("start the thread of the cluster")?;
    let routes =
        redis_of(config)?.map(|address| RedisRoutes::new(address, &section.redis_prefix, runtime.clone()));
    let id = NodeId(Uuid::now_v7());
    let (links, strangers) = Links::new(id, &tls, runtime).context("prepare calls to other nodes")?;
    let address: Box<str> = format!("{host}:{}", bound.port()).into();
    let record = NodeRecord {
        id,
        name: section.node.clone().unwrap_or_else(|| address.clone()),
        address: Some(address),
        release: env!("CARGO_PKG_VERSION").into(),
        started_at: clock::now(),
    };
    let cluster = Cluster::new(record, routing.clone(), routes, Some(links));
    let listener = ClusterListener { socket, tls, bound };
    Ok(Joined { cluster, listener: Some(listener), strangers: Some(strangers) })
}

fn redis_of(config: &Config) -> anyhow::Result<Option<RedisAddress>> {
    let Some(url) = &config.cluster.redis else { return Ok(None) };
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).with_context(|| format!("cluster.redis_ca: read {}", path.display()))
    };
    let root_cert = config.cluster.redis_ca.as_ref().map(read).transpose()?;
    Ok(Some(RedisAddress::read(url.reveal(), root_cert)?))
}

/// Takes part from now on. What an earlier run left open is nobody's: its stations are not connected, nobody hears the answers to its commands.
///
/// # Errors
/// The store's.
pub(super) async fn register(store: &Store, cluster: &Cluster) -> anyhow::Result<()> {
    let asked_at = since_boot_ms();
    store.register_node(cluster.record(), clock::now()).await.context("take part as a node")?;
    cluster.lease().registered(asked_at);
    let asked_at = since_boot_ms();
    cluster.told_time(asked_at, store.now().await.context("read the database's clock")?);
    if let Some(links) = cluster.links() {
        let asked_at = since_boot_ms();
        links.know(asked_at, &store.nodes().await.context("read which nodes there are")?);
    }
    Ok(())
}
