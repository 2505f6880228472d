//! Trees of circuits: drawn whole, checked whole. Every EVSE must be of a station that stands at the location.

use std::collections::BTreeSet;

use ringmain_domain::id::{LocationId, StationId, TenantId};
use ringmain_domain::load::tree::fault::TreeError;
use ringmain_domain::load::tree::{Circuit, Evse, Firmness, SiteTree};
use ringmain_store::circuits::StoredTree;
use ringmain_store::page::{MAX_LIMIT, PageRequest};
use ringmain_store::stations::StationFilter;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::refusal::{Flaw, Refusal};
use super::site_load;
use crate::clock;
use crate::house::House;

/// The tree of the caller's own location.
///
/// # Errors
/// Absent, the location or its tree; the store's.
pub async fn read(house: &House, caller: &Caller, id: &LocationId) -> Result<StoredTree, Refusal> {
    let stored = house.store.site_tree(&caller.tenant, id).await?;
    stored.ok_or_else(|| Refusal::absent("tree of circuits at location", id))
}

/// Draws the tree of the caller's own location, in the place of the one before.
///
/// # Errors
/// Flaws, each with its circuit or EVSE; absent; the store's.
pub async fn put(
    house: &House,
    caller: &Caller,
    id: &LocationId,
    (circuits, evses): (Vec<Circuit>, Vec<Evse>),
) -> Result<StoredTree, Refusal> {
    if house.store.location(&caller.tenant, id).await?.is_none() {
        return Err(Refusal::absent("location", id));
    }
    let here = stations_at(house, caller, id).await?;
    let strangers = evses.iter().enumerate().filter(|(_, evse)| !here.contains(&evse.key.station));
    let strangers = strangers.map(|(index, evse)| {
        let detail = format!("station {:?} does not stand at this location", evse.key.station.as_str());
        Flaw::new(format!("/evses/{index}/charging_station_id"), detail)
    });
    Refusal::unless_sound(strangers.take(TreeError::MAX_FAULTS).collect())?;
    let tree = SiteTree::new(circuits, evses).map_err(in_flaws)?;
    // Trees that are kept already stay readable, so this is asked here.
    let is_soft_root = |circuit: &&Circuit| circuit.parent.is_none() && circuit.firmness == Firmness::Soft;
    if let Some(root) = tree.circuits().iter().find(is_soft_root) {
        let detail = format!(
            "circuit {} is the grid connection: its limit must be hard, or nothing would hold",
            root.id
        );
        return Err(Refusal::flaw("/circuits", detail));
    }
    let stored = StoredTree { tree, updated_at: clock::now() };
    if !house.store.put_site_tree(&caller.tenant, id, &stored.tree, stored.updated_at).await? {
        return Err(Refusal::absent("location", id));
    }
    // The figures are in the record; how many of them is enough to see that something changed.
    let detail = json!({"circuits": stored.tree.circuits().len(), "evses": stored.tree.evses().len()});
    site_load::tree_changed(house, caller, id).await;
    audit::record(house, caller, "circuits.replaced", &subject(id), &detail).await?;
    Ok(stored)
}

/// Removes the tree of the caller's own location: its load is managed no more.
///
/// # Errors
/// Absent; the store's.
pub async fn remove(house: &House, caller: &Caller, id: &LocationId) -> Result<(), Refusal> {
    if !house.store.delete_site_tree(&caller.tenant, id).await? {
        return Err(Refusal::absent("tree of circuits at location", id));
    }
    site_load::tree_changed(house, caller, id).await;
    audit::record(house, caller, "circuits.deleted", &subject(id), &json!({})).await?;
    Ok(())
}

/// Does the tree of this location have EVSEs of this station?
///
/// # Errors
/// The store's.
pub(super) async fn has_station(
    house: &House,
    tenant: &TenantId,
    (location, station): (&LocationId, &StationId),
) -> Result<bool, Refusal> {
    let stored = house.store.site_tree(tenant, location).await?;
    Ok(stored.is_some_and(|stored| stored.tree.evses().iter().any(|evse| evse.key.station == *station)))
}

async fn stations_at(
    house: &House,
    caller: &Caller,
    id: &LocationId,
) -> Result<BTreeSet<StationId>, Refusal> {
    let filter = StationFilter { location_id: Some(id.clone()), ..StationFilter::default() };
    let mut here = BTreeSet::new();
    let mut request = PageRequest::first(MAX_LIMIT);
    loop {
        let page = house.store.stations(&caller.tenant, &filter, &request).await?;
        here.extend(page.items.into_iter().map(|row| row.station.id));
        if page.next.is_none() {
            return Ok(here);
        }
        request.after = page.next;
    }
}

fn subject(id: &LocationId) -> String {
    format!("locations/{id}/circuits")
}

/// A fault names its circuit or EVSE, so it is told of the tree as a whole.
fn in_flaws(error: TreeError) -> Refusal {
    Refusal::Invalid(error.faults.iter().map(|fault| Flaw::new("", fault.to_string())).collect())
}
