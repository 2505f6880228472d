//! What stations are made of, as operators describe them.

use ringmain_domain::hardware::StationHardware;
use ringmain_domain::id::StationId;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::refusal::{Flaw, Refusal};
use crate::clock;
use crate::house::House;

/// Describes a station.
///
/// # Errors
/// Flaws with their places; absent; the store's.
pub async fn describe(
    house: &House,
    caller: &Caller,
    station: &StationId,
    hardware: &StationHardware,
) -> Result<(), Refusal> {
    let flaws = hardware.check().into_iter().map(|(at, what)| Flaw::new(at, what)).collect();
    Refusal::unless_sound(flaws)?;
    if !house.store.put_station_hardware(&caller.tenant, station, hardware, clock::now()).await? {
        return Err(Refusal::absent("charging station", station.as_str()));
    }
    let target = format!("charging-stations/{}/hardware", station.as_str());
    audit::record(house, caller, "station.described", &target, &json!(hardware)).await?;
    Ok(())
}
