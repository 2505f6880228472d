//! Commands that could move a limit which the load of a site has promised: they are refused, because the ledger would not know (promise 2).

use ringmain_domain::command::{ProfilePurpose, StationCommand};
use ringmain_domain::id::{LocationId, StationId, TenantId};
use serde_json::Value;

use super::refusal::Refusal;
use crate::house::House;

/// Refuses a command about charging profiles to a station with EVSEs in the tree of its location. A most for the whole station stays the
/// operator's: it can only lower what each EVSE is told.
///
/// # Errors
/// A conflict; the store's.
pub(super) async fn check(
    house: &House,
    (tenant, station): (&TenantId, &StationId),
    location: Option<&LocationId>,
    command: &StationCommand,
) -> Result<(), Refusal> {
    let Some(location) = location.filter(|_| moves_limits(command)) else { return Ok(()) };
    let tree = house.store.site_tree(tenant, location).await?;
    let manages =
        tree.is_some_and(|stored| stored.tree.evses().iter().any(|evse| evse.key.station == *station));
    match manages {
        true => Err(Refusal::conflict(
            "the load of the location manages this station: change the limits of its circuits, or take its EVSEs out of the tree",
        )),
        false => Ok(()),
    }
}

fn moves_limits(command: &StationCommand) -> bool {
    match command {
        StationCommand::SetChargingProfile { profile, .. } => profile.purpose != ProfilePurpose::StationMax,
        StationCommand::ClearChargingProfile { purpose, .. } => *purpose != Some(ProfilePurpose::StationMax),
        StationCommand::UpdateDynamicSchedule { .. } => true,
        StationCommand::Raw { action, payload } => {
            let has_profile = || {
                let payload: Option<Value> = serde_json::from_str(payload).ok();
                payload.is_some_and(|payload| payload.get("chargingProfile").is_some())
            };
            match &**action {
                "SetChargingProfile" | "ClearChargingProfile" | "UpdateDynamicSchedule" => true,
                "RemoteStartTransaction" | "RequestStartTransaction" => has_profile(),
                _ => false,
            }
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_raise_a_limit_is_refused() {
        let raw = |action: &str, payload: &str| StationCommand::Raw {
            action: action.into(),
            payload: payload.into(),
        };
        let clear = |profile_id, purpose| StationCommand::ClearChargingProfile {
            profile_id,
            evse_id: None,
            purpose,
            stack_level: None,
        };
        for (command, moves) in [
            (clear(None, None), true),
            (clear(Some(7), None), true),
            (clear(None, Some(ProfilePurpose::Transaction)), true),
            (clear(None, Some(ProfilePurpose::StationMax)), false),
            (raw("SetChargingProfile", "{}"), true),
            (raw("ClearChargingProfile", "{}"), true),
            (raw("UpdateDynamicSchedule", "{}"), true),
            (raw("RequestStartTransaction", r#"{"chargingProfile":{}}"#), true),
            (raw("RemoteStartTransaction", r#"{"\u0063hargingProfile":{}}"#), true),
            (raw("RemoteStartTransaction", r#"{"idTag":"A1"}"#), false),
            (raw("GetCompositeSchedule", "{}"), false),
            (StationCommand::GetLocalListVersion, false),
        ] {
            assert_eq!(moves_limits(&command), moves, "{command:?}");
        }
    }
}
