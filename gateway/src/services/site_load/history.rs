//! What the limits of a location did in the last day, as far as this node saw it.

use ringmain_domain::id::{CircuitId, LocationId};

use super::{site, tree_of};
use crate::actors::site::load::history::{CircuitHistory, ObserveHistory};
use crate::house::House;
use crate::services::keys::Caller;
use crate::services::refusal::Refusal;

/// Of so many circuits at most a day is given at once: each may have thousands of buckets.
const CIRCUITS_AT_ONCE: usize = 50;

/// The last day of one circuit, or of all circuits of the caller's own location; `None`: nobody manages it yet.
///
/// # Errors
/// Absent, the location, its tree or the circuit; a flaw when the tree is too large for all at once; the store's.
pub async fn read(
    house: &House,
    caller: &Caller,
    id: &LocationId,
    circuit: Option<CircuitId>,
) -> Result<Option<Vec<CircuitHistory>>, Refusal> {
    let tree = tree_of(house, caller, id).await?;
    match &circuit {
        Some(circuit) if tree.circuit(circuit).is_none() => return Err(Refusal::absent("circuit", circuit)),
        None if tree.circuits().len() > CIRCUITS_AT_ONCE => {
            let many = tree.circuits().len();
            let detail =
                format!("is needed: there are {many} circuits, at most {CIRCUITS_AT_ONCE} come at once");
            return Err(Refusal::flaw("/circuit_id", detail));
        }
        Some(_) | None => {}
    }
    match site(house, caller, id).await {
        Some(site) => {
            Ok(site.addr().send(ObserveHistory { circuit, asked_by_peer: false }).await.unwrap_or_default())
        }
        None => Ok(None),
    }
}
