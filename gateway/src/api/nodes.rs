//! `nodes`: the processes of the cluster.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Authorized;
use super::fields::Instant;
use super::paging::ListBody;
use super::problem::Problem;
use crate::house::House;
use crate::services::nodes::{self as service, Node};

/// One run of one node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeBody {
    /// Of this run: a node that starts again has another one.
    #[schema(value_type = String, format = Uuid)]
    id: String,
    name: String,
    /// Where the other nodes reach it. Null: it is alone.
    address: Option<String>,
    release: String,
    started_at: Instant,
    /// How long its lease goes on, in milliseconds; negative: it is over so long, and the others bury it soon.
    lease_left_ms: i64,
    /// It leaves.
    draining: bool,
    /// Stations connected to it when it last renewed its lease.
    connections: u64,
    /// Sites it owns.
    sites: u64,
    /// It is the one that answers.
    is_this: bool,
}

/// All nodes, by name.
#[utoipa::path(get, path = "/api/v1/nodes", tag = "nodes", responses((status = 200, body = ListBody<NodeBody>)))]
pub(super) async fn list(house: web::Data<House>, _caller: Authorized) -> Result<HttpResponse, Problem> {
    let items: Vec<_> = service::list(&house).await?.into_iter().map(NodeBody::from).collect();
    Ok(HttpResponse::Ok().json(ListBody { items, next_cursor: None }))
}

impl From<Node> for NodeBody {
    fn from(Node { row, is_this }: Node) -> Self {
        Self {
            id: row.node.id.to_string(),
            name: row.node.name.into(),
            address: row.node.address.map(Into::into),
            release: row.node.release.into(),
            started_at: row.node.started_at.into(),
            lease_left_ms: row.lease_left_ms,
            draining: row.draining,
            connections: row.connections,
            sites: row.sites,
            is_this,
        }
    }
}
