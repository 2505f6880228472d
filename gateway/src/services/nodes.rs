//! The nodes of the cluster, as the store knows them.

use ringmain_domain::id::NodeId;
use ringmain_store::cluster::NodeRow;
use ringmain_store::store::StoreError;

use crate::house::House;

/// A node as a person sees it.
#[derive(Debug, Clone)]
pub struct Node {
    /// What the store knows.
    pub row: NodeRow,
    /// It answers this question.
    pub is_this: bool,
}

/// All nodes that are not buried yet, by name. Who may read anything may see them: they belong to no tenant.
///
/// # Errors
/// The store's.
pub async fn list(house: &House) -> Result<Vec<Node>, StoreError> {
    let me = house.cluster.me();
    let rows = house.store.nodes().await?;
    Ok(rows.into_iter().map(|row| Node { is_this: row.node.id == me, row }).collect())
}

/// The name of a node, by its id; the id where it is buried.
///
/// # Errors
/// The store's.
pub async fn name(house: &House, id: NodeId) -> Result<String, StoreError> {
    let nodes = list(house).await?;
    let known = nodes.into_iter().find(|node| node.row.node.id == id);
    Ok(known.map_or_else(|| id.to_string(), |node| node.row.node.name.into()))
}
