//! Commands of partners: judged, given to the desk, and their result told to the partner, whatever becomes of this node.
//!
//! "Accepted" says that the command was taken, not that a station agreed: that is told later, at the address the partner gave. That
//! address is a stranger's text: it passes the guard, and its host must be the partner's (security.md O5). The token of a start is not
//! checked (OCPI 2.2.1 mod_commands): the partner vouches for it, for a quarter of an hour at that station.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use reqwest::Method;
use ringmain_domain::authorize::Authorization;
use ringmain_domain::command::{CommandOrder, CommandOutcome, CommandResult, StationCommand};
use ringmain_domain::id::{CommandId, EvseId, StationId};
use ringmain_domain::roaming::{AuthMethod, Clearance, OrderedStart};
use ringmain_domain::token::{IdToken, TokenKind};
use ringmain_store::commands::CommandRecord;
use ringmain_store::partners::commands::{CommandAddress, PartnerCommand};
use ringmain_store::partners::{Partner, PartnerState};
use ringmain_store::store::StoreError;
use url::Url;
use uuid::Uuid;

use crate::client::{Call, Callee, Route};
use crate::hub::Hub;
use crate::ocpi::dialect::Dialect;
use crate::ocpi::envelope::now;
use crate::ocpi::v221::types::command::CommandResultType;
use crate::push::breaker::Pace;
use crate::push::send::callee;

/// How much later than its deadline a command is given up by whoever looks for those whose node is gone.
const GRACE_S: i64 = 30;
/// So many overdue results are told at once.
const OVERDUE_AT_ONCE: usize = 8;
/// Pauses between attempts to tell a result.
const PAUSES_S: [u64; 3] = [1, 4, 10];

/// Something for one station.
pub(crate) struct Order {
    pub(crate) station: StationId,
    pub(crate) command: StationCommand,
    /// What the partner says of the driver.
    pub(crate) clearance: Option<Clearance>,
}

/// Where a result goes may be called, and is the partner's own.
///
/// # Errors
/// What is wrong with it, in words for the partner.
pub(crate) fn check_response_url(hub: &Hub, partner: &Partner, url: &str) -> Result<(), String> {
    let url = hub.client.guard().check(url).map_err(|error| format!("/response_url: {}", error.as_str()))?;
    let PartnerState::Registered(peer) = &partner.state else { return Err("not registered".to_owned()) };
    let endpoints = peer.endpoints.iter().flat_map(|endpoints| endpoints.modules.iter().map(|one| &one.url));
    let own = endpoints.chain([&peer.url]).filter_map(|own| Url::parse(own).ok());
    if own.into_iter().any(|own| own.host() == url.host()) {
        return Ok(());
    }
    Err("/response_url: must be at the host of your versions or of one of your endpoints".to_owned())
}

/// A start for a token, with the company's word for it.
pub(crate) fn start(
    (station, evse): (StationId, Option<EvseId>),
    token: &ringmain_domain::roaming::RoamingToken,
    reference: Option<Box<str>>,
) -> Result<Order, String> {
    let uid =
        ringmain_domain::id::TokenUid::new(&token.uid).map_err(|error| format!("/token/uid: {error}"))?;
    let kind = if *token.kind == *"RFID" { TokenKind::Rfid } else { TokenKind::Central };
    let remote_start_id = i32::try_from(Uuid::new_v4().as_u128() & 0x7fff_ffff).unwrap_or(1).max(1);
    let command =
        StationCommand::StartTransaction { evse_id: evse, token: IdToken { uid, kind }, remote_start_id };
    let contract = token.contract(AuthMethod::Ordered, reference);
    let clearance = Clearance { contract, authorization: Authorization::Accepted, at: now() };
    Ok(Order { station, command, clearance: Some(clearance) })
}

/// Takes an order: it is written down, and carried out while nobody waits.
///
/// # Errors
/// The store's; nothing was sent then.
pub(crate) async fn give(
    hub: &Hub,
    partner: &Partner,
    order: Order,
    address: CommandAddress,
) -> Result<(), StoreError> {
    let Order { station, command, clearance } = order;
    let (id, at) = (Uuid::now_v7(), now());
    let patience_ms = i64::try_from(hub.settings.command_deadline.as_millis()).unwrap_or(30_000);
    let deadline = at.plus_millis(patience_ms);
    if let (Some(clearance), StationCommand::StartTransaction { remote_start_id, .. }) = (clearance, &command)
    {
        let ordered = OrderedStart { remote_start_id: *remote_start_id, clearance };
        hub.store.put_ordered_start(&hub.tenant, &station, &ordered).await?;
    }
    let record = CommandRecord {
        id: CommandId(id),
        tenant: hub.tenant.clone(),
        station: station.clone(),
        node: None,
        command: command.clone(),
        deadline,
        created_at: at,
        created_by: format!("partner:{}", partner.name).into(),
        result: None,
        ended_at: None,
    };
    hub.store.insert_command(&record).await?;
    let kept = PartnerCommand {
        tenant: hub.tenant.clone(),
        id,
        partner: partner.id,
        address,
        result: None,
        deadline: deadline.plus_secs(GRACE_S),
    };
    hub.store.insert_partner_command(&kept).await?;
    let order = CommandOrder { id: CommandId(id), tenant: hub.tenant.clone(), station, command, deadline };
    let (outcome, ending, partner) = (hub.desk.submit(order), hub.clone(), partner.clone());
    hub.client.runtime().spawn(async move {
        let result = outcome.await;
        end(&ending, &partner, kept, &result).await;
    });
    Ok(())
}

/// Writes down how it ended and tells the partner.
async fn end(hub: &Hub, partner: &Partner, mut kept: PartnerCommand, result: &CommandResult) {
    let word = word(result.outcome);
    kept.result = Some(word.as_str().into());
    let written = async {
        hub.store.end_command(CommandId(kept.id), result, now()).await?;
        hub.store.end_partner_command(&hub.tenant, kept.id, word.as_str()).await
    };
    if let Err(error) = written.await {
        tracing::debug!(%error, command.id = %kept.id, "how a partner's command ended is not written down");
    }
    for pause_s in PAUSES_S {
        if tell(hub, partner, &kept).await {
            return;
        }
        tokio::time::sleep(Duration::from_secs(pause_s)).await;
    }
}

/// One partner's task: tells it results whose node is gone, and those it did not take at first; once more, then nobody waits for them
/// (OCPI 2.2.1 mod_commands, `timeout`).
pub(crate) async fn tell_overdue(hub: Hub, partner: Arc<Partner>, pace: Arc<Pace>) {
    let mut every = tokio::time::interval(hub.settings.overdue_every);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = overdue(&hub, &partner, &pace).await {
            tracing::debug!(%error, partner.id = %partner.id, "results of commands wait for the store");
        }
    }
}

async fn overdue(hub: &Hub, partner: &Partner, pace: &Pace) -> Result<(), StoreError> {
    let due = hub.store.overdue_partner_commands(&hub.tenant, partner.id, now()).await?;
    let telling = stream::iter(due).map(|mut kept| async move {
        kept.result.get_or_insert_with(|| CommandResultType::Timeout.as_str().into());
        pace.wait_calm().await;
        tell(hub, partner, &kept).await;
        hub.store.forget_partner_command(&hub.tenant, kept.id).await
    });
    telling.buffer_unordered(OVERDUE_AT_ONCE).try_for_each(|()| std::future::ready(Ok(()))).await
}

/// Tells a result; `false`: the partner did not take it.
async fn tell(hub: &Hub, partner: &Partner, kept: &PartnerCommand) -> bool {
    let Some((callee, endpoints)) = callee(partner) else { return true };
    let Some(dialect) = Dialect::of(endpoints) else { return true };
    let PartnerCommand { address, result, .. } = kept;
    let Some(result) = result.as_deref().and_then(|word| serde_json::from_value(word.into()).ok()) else {
        return true;
    };
    // From and to are those of the command, the other way round.
    let from = address.from.clone().filter(|_| dialect.is_routed());
    let route =
        from.map(|to| Route { from: (partner.ours.country_code.clone(), partner.ours.party_id.clone()), to });
    let callee = Callee { route: route.or(callee.route), ..callee };
    let body = dialect.command_result(result);
    let Ok(mut call) = Call::with(Method::POST, address.url.to_string(), &body, hub.settings.patience) else {
        return true;
    };
    call.correlation_id.clone_from(&address.correlation_id);
    match hub.client.call(&callee, call).await {
        Ok(_) => {
            if let Err(error) = hub.store.forget_partner_command(&hub.tenant, kept.id).await {
                tracing::debug!(%error, command.id = %kept.id, "a partner may hear the end of a command twice");
            }
            true
        }
        Err(error) => {
            tracing::debug!(%error, partner.id = %partner.id, command.id = %kept.id, "a partner does not take a command's result");
            false
        }
    }
}

/// How it ended, in OCPI's words.
const fn word(outcome: CommandOutcome) -> CommandResultType {
    match outcome {
        CommandOutcome::Accepted => CommandResultType::Accepted,
        CommandOutcome::Rejected => CommandResultType::Rejected,
        CommandOutcome::NotSupported => CommandResultType::NotSupported,
        CommandOutcome::TimeoutUnknown
        | CommandOutcome::NotSentDeadline
        | CommandOutcome::NodeUnreachableUnknown => CommandResultType::Timeout,
        CommandOutcome::CallError
        | CommandOutcome::Offline
        | CommandOutcome::Superseded
        | CommandOutcome::StationBusy
        | CommandOutcome::NodeUnreachableNotSent
        | CommandOutcome::Draining => CommandResultType::Failed,
    }
}
