//! The processes of the cluster: who lives, how many stations each has, which sites each looks after.

use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::id::NodeId;
use ringmain_domain::time::Timestamp;

use super::format::{When, Zone, grouped, path_segment};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, ok};
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::nodes::{self as service, Node};

/// Sites shown.
const SITES_SHOWN: u32 = 200;

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    shell: Shell,
    live: Live,
}

#[derive(Template)]
#[template(path = "nodes_live.html")]
struct NodesPart {
    live: Live,
}

struct Live {
    living: usize,
    connections: String,
    nodes: Vec<NodeLine>,
    sites: Vec<SiteLine>,
    sites_cut: bool,
}

struct NodeLine {
    name: String,
    id: String,
    address: Option<String>,
    release: String,
    started: When,
    /// Class and words.
    state: (&'static str, &'static str),
    lease: String,
    connections: String,
    sites: String,
    is_this: bool,
}

struct SiteLine {
    location: String,
    href: String,
    node: String,
    epoch: i64,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
) -> Result<HttpResponse, PageError> {
    let live = Live::read(&house, &visitor).await?;
    Ok(ok(&NodesPage { shell: visitor.shell(&doorway, Nav::Nodes), live }))
}

/// The part of it that changes.
pub(super) async fn live(house: web::Data<House>, visitor: Visitor) -> Result<HttpResponse, PageError> {
    Ok(ok(&NodesPart { live: Live::read(&house, &visitor).await? }))
}

impl Live {
    async fn read(house: &House, visitor: &Visitor) -> Result<Self, PageError> {
        let nodes = service::list(house).await?;
        let sites = house.store.owned_sites(&visitor.caller.tenant, SITES_SHOWN).await?;
        let name = |id: NodeId| {
            let known = nodes.iter().find(|node| node.row.node.id == id);
            known.map_or_else(|| id.to_string(), |node| node.row.node.name.to_string())
        };
        let sites: Vec<_> = sites
            .into_iter()
            .map(|site| SiteLine {
                href: format!("/locations/{}/load", path_segment(site.location.as_str())),
                location: site.location.to_string(),
                node: name(site.node),
                epoch: site.epoch.0,
            })
            .collect();
        let connections: u64 = nodes.iter().map(|node| node.row.connections).sum();
        Ok(Self {
            living: nodes.iter().filter(|node| node.row.lease_left_ms > 0).count(),
            connections: grouped(i64::try_from(connections).unwrap_or(i64::MAX)),
            sites_cut: u32::try_from(sites.len()).is_ok_and(|count| count >= SITES_SHOWN),
            sites,
            nodes: nodes.into_iter().map(|node| NodeLine::of(node, &visitor.zone)).collect(),
        })
    }
}

impl NodeLine {
    fn of(Node { row, is_this }: Node, zone: &Zone) -> Self {
        let count = |number: u64| grouped(i64::try_from(number).unwrap_or(i64::MAX));
        let state = match (row.lease_left_ms > 0, row.draining) {
            (true, false) => ("available", "Lives"),
            (true, true) => ("occupied", "Leaves"),
            (false, _) => ("faulted", "Silent"),
        };
        let started: Timestamp = row.node.started_at;
        Self {
            name: row.node.name.into(),
            id: row.node.id.to_string(),
            address: row.node.address.map(Into::into),
            release: row.node.release.into(),
            started: zone.exact(started),
            state,
            lease: seconds(row.lease_left_ms),
            connections: count(row.connections),
            sites: count(row.sites),
            is_this,
        }
    }
}

fn seconds(left_ms: i64) -> String {
    let tenths = left_ms.unsigned_abs() / 100;
    let text = format!("{}.{} s", tenths / 10, tenths % 10);
    if left_ms > 0 { text } else { format!("over for {text}") }
}
