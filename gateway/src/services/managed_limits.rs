//! Commands that could move a limit which the load of a site has promised: they are refused, because the ledger would not know (promise 2).

use ringmain_domain::command::{ProfilePurpose, StationCommand};
use ringmain_domain::id::{LocationId, StationId, TenantId};
use ringmain_ocpp::translate::profile::changes_profiles;

use super::circuits;
use super::refusal::Refusal;
use crate::actors::site::load::OWN_IDS;
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
    match circuits::has_station(house, tenant, (location, station)).await? {
        true => Err(Refusal::conflict(
            "the load of the location manages this station: change the limits of its circuits, or take its EVSEs out of the tree",
        )),
        false => Ok(()),
    }
}

fn moves_limits(command: &StationCommand) -> bool {
    match command {
        // A profile takes the place of one with its number, whatever that is for.
        StationCommand::SetChargingProfile { profile, .. } => {
            profile.purpose != ProfilePurpose::StationMax || profile.profile_id >= OWN_IDS
        }
        // The number goes before all else that is named.
        StationCommand::ClearChargingProfile { profile_id, purpose, .. } => {
            profile_id.is_some() || *purpose != Some(ProfilePurpose::StationMax)
        }
        StationCommand::UpdateDynamicSchedule { .. } => true,
        StationCommand::Raw { action, payload } => changes_profiles(action, payload),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use ringmain_domain::command::{ChargingProfile, LimitUnit, ProfileKind};
    use ringmain_domain::id::EvseId;
    use ringmain_domain::time::Timestamp;

    use super::*;

    #[test]
    fn only_what_could_raise_a_limit_is_refused() {
        let raw = |action: &str, payload: &str| StationCommand::Raw {
            action: action.into(),
            payload: payload.into(),
        };
        let most = |profile_id| StationCommand::SetChargingProfile {
            evse_id: EvseId(0),
            profile: ChargingProfile {
                profile_id,
                stack_level: 0,
                purpose: ProfilePurpose::StationMax,
                kind: ProfileKind::Absolute,
                transaction_id: None,
                valid_to: None,
                starts_at: Timestamp::default(),
                duration_s: None,
                unit: LimitUnit::Watts,
                periods: Vec::new(),
            },
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
            (clear(Some(OWN_IDS + 1), Some(ProfilePurpose::StationMax)), true),
            (most(7), false),
            (most(OWN_IDS + 1), true),
            (raw("SetChargingProfile", "{}"), true),
            (raw("GetCompositeSchedule", "{}"), false),
            (StationCommand::GetLocalListVersion, false),
        ] {
            assert_eq!(moves_limits(&command), moves, "{command:?}");
        }
    }
}
