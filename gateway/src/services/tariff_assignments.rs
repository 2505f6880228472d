//! Assignments of tariffs: which one applies where, to whom and when.

use ringmain_domain::id::AssignmentId;
use ringmain_domain::tariff::assignment::{AssignmentError, TariffAssignment};
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::locations::Put;
use super::refusal::Refusal;
use crate::house::House;

/// Creates an assignment or replaces it.
///
/// # Errors
/// Flaws; a conflict when its tariff is not there or there are too many; the store's.
pub async fn put(house: &House, caller: &Caller, assignment: &TariffAssignment) -> Result<Put, Refusal> {
    assignment.check().map_err(|error| {
        let pointer = match error {
            AssignmentError::EvseWithoutStation => "/evse_id",
            AssignmentError::NeverValid => "/valid_until",
        };
        Refusal::flaw(pointer, error.to_string())
    })?;
    let known = house.store.tariff_assignment(&caller.tenant, &assignment.id).await?.is_some();
    house.store.put_tariff_assignment(assignment).await.map_err(conflict)?;
    let (put, action) = if known {
        (Put::Replaced, "tariff_assignment.replaced")
    } else {
        (Put::Created, "tariff_assignment.created")
    };
    let detail = json!({
        "tariff_id": assignment.tariff, "location_id": assignment.location, "charging_station_id": assignment.station,
        "evse_id": assignment.evse, "token_group_uid": assignment.token_group,
    });
    audit::record(house, caller, action, &format!("tariff-assignments/{}", assignment.id), &detail).await?;
    Ok(put)
}

/// Removes an assignment.
///
/// # Errors
/// Absent; the store's.
pub async fn remove(house: &House, caller: &Caller, id: &AssignmentId) -> Result<(), Refusal> {
    if !house.store.delete_tariff_assignment(&caller.tenant, id).await? {
        return Err(Refusal::absent("tariff assignment", id));
    }
    audit::record(
        house,
        caller,
        "tariff_assignment.deleted",
        &format!("tariff-assignments/{id}"),
        &json!({}),
    )
    .await?;
    Ok(())
}

fn conflict(error: ringmain_store::store::StoreError) -> Refusal {
    match error {
        ringmain_store::store::StoreError::Conflict { reason } => Refusal::conflict(reason),
        other => other.into(),
    }
}
