//! The nodes of the cluster, as the store knows them.

use std::collections::HashMap;

use ringmain_domain::id::{Epoch, NodeId, StationId};
use ringmain_store::cluster::{NodeRow, StationPlace};
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

/// Where a station's connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The node that has it.
    pub node: NodeId,
    /// The node's name; its id where it is buried.
    pub name: String,
    /// The connection's number.
    pub epoch: Epoch,
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

/// Where the connections of these stations are, as far as they have one.
///
/// # Errors
/// The store's.
pub async fn places(house: &House, stations: &[StationId]) -> Result<HashMap<StationId, Place>, StoreError> {
    let places = house.store.station_places(stations).await?;
    if places.iter().all(|place| place.node.is_none()) {
        return Ok(HashMap::new());
    }
    let nodes: HashMap<_, _> =
        list(house).await?.into_iter().map(|node| (node.row.node.id, node.row.node.name)).collect();
    let place = |place: StationPlace| {
        let node = place.node?;
        let name = nodes.get(&node).map_or_else(|| node.to_string(), |name| name.to_string());
        Some((place.station, Place { node, name, epoch: place.epoch }))
    };
    Ok(places.into_iter().filter_map(place).collect())
}
