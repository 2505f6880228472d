//! Commands to stations: written down, given to the desk, and ended exactly once, whether or not somebody still waits.

use std::sync::Arc;
use std::time::Duration;

use ringmain_domain::command::{CommandOrder, CommandOutcome, CommandResult, DeskFuture, StationCommand};
use ringmain_domain::id::{CommandId, StationId};
use ringmain_store::commands::CommandRecord;
use ringmain_store::store::{Store, StoreError};
use serde_json::json;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::audit;
use super::keys::Caller;
use super::local_lists::ListSync;
use super::managed_limits;
use super::refusal::Refusal;
use super::remote_starts;
use super::station_tariffs::TariffSync;
use super::stations;
use crate::house::House;
use crate::{clock, mask};

/// By when a command must have ended, unless its giver says otherwise.
pub const DEFAULT_DEADLINE_S: u32 = 30;
/// The longest deadline.
pub const DEADLINE_MAX_S: u32 = 600;
/// How often an outcome is tried to be written down while the store is away, and the pause between two attempts: shorter than that of the sweep of
/// unended commands (`app/registry.rs`), which ends them after that.
const END_ATTEMPTS: u32 = 300;
const END_PAUSE: Duration = Duration::from_secs(1);

/// A command that was given and will end.
#[derive(Debug)]
pub struct Given {
    /// Its id.
    pub id: CommandId,
    ended: oneshot::Receiver<CommandResult>,
}

// === impl Given ===

impl Given {
    /// Waits so long for the end. `None`: it goes on, and its record will tell how it ended.
    pub async fn wait(self, at_most: Duration) -> Option<CommandResult> {
        // The sender is gone only when the outcome could not be written down: then nothing is known yet.
        tokio::time::timeout(at_most, self.ended).await.ok().and_then(Result::ok)
    }
}

/// A number for a remote start: positive, random, so that two starts are never confused.
#[must_use]
pub fn new_remote_start_id() -> i32 {
    let bits = Uuid::new_v4().as_u128() & 0x7fff_ffff;
    i32::try_from(bits).unwrap_or(1).max(1)
}

/// Gives a command to a station of the caller's tenant. `deadline_s` is held within 1 to [`DEADLINE_MAX_S`].
///
/// # Errors
/// The station is absent; a conflict where the load of its location sets its limits, or where the token to start for may not charge
/// there; the store's: nothing was sent then.
pub async fn give(
    house: &House,
    caller: &Caller,
    station: &StationId,
    command: StationCommand,
    deadline_s: u32,
) -> Result<Given, Refusal> {
    let owned = stations::own(house, caller, station).await?;
    managed_limits::check(house, (&caller.tenant, station), owned.location_id.as_ref(), &command).await?;
    remote_starts::check(house, caller, station, &command).await?;
    let now = clock::now();
    let deadline_s = i64::from(deadline_s.clamp(1, DEADLINE_MAX_S));
    let record = CommandRecord {
        id: CommandId(Uuid::now_v7()),
        tenant: caller.tenant.clone(),
        station: station.clone(),
        node: Some(house.cluster.me()),
        command,
        deadline: house.cluster.database_now().plus_secs(deadline_s),
        created_at: now,
        created_by: caller.actor(),
        result: None,
        ended_at: None,
    };
    // Audited first: a command that is written down and then not sent would never end.
    let detail = json!({"command_id": record.id, "command": name(&record.command)});
    audit::record(house, caller, "command.given", &format!("charging-stations/{station}"), &detail).await?;
    // Kept without secrets: a viewer may read what was commanded, not the password it set.
    write_down(&house.store, CommandRecord { command: masked(&record.command), ..record.clone() }).await?;
    let order = CommandOrder {
        id: record.id,
        tenant: record.tenant,
        station: record.station,
        command: record.command,
        deadline: now.plus_secs(deadline_s),
    };
    let (sender, ended) = oneshot::channel();
    let (id, tenant) = (order.id, order.tenant.clone());
    let (store, outcome) = (house.store.clone(), submit(house, order));
    tokio::spawn(async move {
        let result = outcome.await;
        match end(&store, id, &result).await {
            Ok(true) => drop(sender.send(result)),
            // Somebody else ended it first, a sweep after a restart: what is written down is the truth.
            Ok(false) => {
                let stored = store.command(&tenant, id).await.ok().flatten().and_then(|record| record.result);
                drop(stored.map(|stored| sender.send(stored)));
            }
            Err(cause) => {
                tracing::warn!(command.id = %id, cause = %cause, "outcome of a command not written down, the sweep will end it");
            }
        }
    });
    Ok(Given { id, ended })
}

/// Keeps a command that is not sent yet. Where the store does not say whether it did, nobody will carry it out: that is its end.
async fn write_down(store: &Store, record: CommandRecord) -> Result<bool, StoreError> {
    let kept = store.insert_command(&record).await;
    if matches!(kept, Err(StoreError::Unknown { .. })) {
        let store = store.clone();
        tokio::spawn(async move {
            let detail = Some("the store did not say whether it kept the command, so it was not sent".into());
            let result = CommandResult { detail, ..CommandResult::bare(CommandOutcome::NotSentDeadline) };
            if let Err(cause) = end(&store, record.id, &result).await {
                tracing::warn!(command.id = %record.id, cause = %cause, "outcome of a command not written down, the sweep will end it");
            }
        });
    }
    kept
}

/// One message is the desk's; what takes several is carried out here and has one outcome all the same.
fn submit(house: &House, order: CommandOrder) -> DeskFuture {
    let (store, desk) = (house.store.clone(), Arc::clone(&house.desk));
    match order.command {
        StationCommand::SyncLocalList { full } => {
            let CommandOrder { tenant, station, deadline, .. } = order;
            Box::pin(ListSync { store, desk, tenant, station, full, quiet: false, deadline }.carry_out())
        }
        StationCommand::SyncTariffs if !house.config.billing.station_tariffs_enabled => {
            let detail = Some("billing.station_tariffs_enabled is off".into());
            let refused = CommandResult { detail, ..CommandResult::bare(CommandOutcome::NotSupported) };
            Box::pin(std::future::ready(refused))
        }
        StationCommand::SyncTariffs => {
            let CommandOrder { tenant, station, deadline, .. } = order;
            let sync = TariffSync {
                store,
                desk,
                turns: house.tariff_turns.clone(),
                tenant,
                station,
                default: house.config.stations.default_tariff.clone(),
                assignments: None,
                quiet: false,
                deadline,
            };
            Box::pin(sync.carry_out())
        }
        _ => desk.submit(order),
    }
}

/// The command's name, as in the API.
#[must_use]
pub const fn name(command: &StationCommand) -> &'static str {
    match command {
        StationCommand::StartTransaction { .. } => "start_transaction",
        StationCommand::StopTransaction { .. } => "stop_transaction",
        StationCommand::Reset { .. } => "reset",
        StationCommand::UnlockConnector { .. } => "unlock_connector",
        StationCommand::ChangeAvailability { .. } => "change_availability",
        StationCommand::Trigger { .. } => "trigger",
        StationCommand::GetVariables { .. } => "get_variables",
        StationCommand::SetVariables { .. } => "set_variables",
        StationCommand::GetBaseReport { .. } => "get_base_report",
        StationCommand::SetChargingProfile { .. } => "set_charging_profile",
        StationCommand::UpdateDynamicSchedule { .. } => "update_dynamic_schedule",
        StationCommand::AskDynamicProfiles => "ask_dynamic_profiles",
        StationCommand::ClearChargingProfile { .. } => "clear_charging_profile",
        StationCommand::GetCompositeSchedule { .. } => "get_composite_schedule",
        StationCommand::GetTransactionStatus { .. } => "get_transaction_status",
        StationCommand::CostUpdated { .. } => "cost_updated",
        StationCommand::GetLocalListVersion => "get_local_list_version",
        StationCommand::SendLocalList { .. } => "send_local_list",
        StationCommand::SyncLocalList { .. } => "sync_local_list",
        StationCommand::SyncTariffs => "sync_tariffs",
        StationCommand::DataTransfer { .. } => "data_transfer",
        StationCommand::Raw { .. } => "raw",
    }
}

/// The command without the values of secret settings.
fn masked(command: &StationCommand) -> StationCommand {
    let Ok(mut json) = serde_json::to_value(command) else { return command.clone() };
    mask::value(&mut json);
    serde_json::from_value(json).unwrap_or_else(|_other_form| command.clone())
}

/// Writes an outcome down, and that it is of now. While the store is away the same is tried again: writing an outcome twice changes nothing.
async fn end(store: &Store, id: CommandId, result: &CommandResult) -> Result<bool, StoreError> {
    let result = &CommandResult {
        response: result.response.as_deref().map(|response| mask::text(response).into()),
        ..result.clone()
    };
    let ended_at = clock::now();
    for _ in 0..END_ATTEMPTS {
        match store.end_command(id, result, ended_at).await {
            Err(StoreError::Unavailable { .. } | StoreError::Unknown { .. }) => {
                tokio::time::sleep(END_PAUSE).await;
            }
            settled => return settled,
        }
    }
    store.end_command(id, result, ended_at).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_start_ids_are_positive_and_differ() {
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| new_remote_start_id()).collect();
        assert!(ids.iter().all(|id| *id > 0));
        assert!(ids.len() > 990);
    }

    #[test]
    fn a_password_is_sent_and_not_kept() {
        let setting = |name: &str| ringmain_domain::command::VariableSetting {
            variable: ringmain_domain::command::VariableName {
                component: "".into(),
                name: name.into(),
                evse_id: None,
            },
            value: "hunter2".into(),
        };
        let command =
            StationCommand::SetVariables { variables: vec![setting("AuthorizationKey"), setting("Other")] };
        let StationCommand::SetVariables { variables } = masked(&command) else { panic!("another command") };
        assert_eq!([&*variables[0].value, &*variables[1].value], ["***", "hunter2"]);
        let payload = r#"{"key":"AuthorizationKey","value":"hunter2"}"#.into();
        let raw = masked(&StationCommand::Raw { action: "ChangeConfiguration".into(), payload });
        let StationCommand::Raw { payload, .. } = raw else { panic!("another command") };
        assert!(!payload.contains("hunter2"));
    }

    #[test]
    fn the_name_is_the_tag_of_the_stored_form() {
        let command = StationCommand::CostUpdated {
            transaction_id: ringmain_domain::id::TransactionId::new("1").unwrap(),
            total_cost: rust_decimal::Decimal::ONE,
        };
        let stored = serde_json::to_value(&command).unwrap();
        assert_eq!(stored["command"], name(&command));
    }
}
