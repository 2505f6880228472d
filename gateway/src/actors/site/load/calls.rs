//! Grants, fallbacks and questions as commands to stations, and what their answers mean.

use actix::prelude::*;
use ringmain_domain::command::{
    ChargingProfile, CommandOutcome, CommandResult, LimitUnit, ProfileKind, ProfilePeriod, ProfilePurpose,
    StationCommand,
};
use ringmain_domain::id::{EvseId, GrantSeq, StationId, TransactionId};
use ringmain_domain::load::allocation::Input;
use ringmain_domain::load::ledger::Slot;
use ringmain_domain::load::ledger::account::{Fallback, Grant};
use ringmain_domain::load::ledger::steering::input::{Effect, EvseInput, Input as SteeringInput};
use ringmain_domain::load::tree::{Evse, Output};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;
use ringmain_ocpp::translate::profile::composite_limit;
use serde_json::value::RawValue;

use super::super::Site;
use super::dynamic::{Installed, Telling};
use super::{Load, Managed, OWN_IDS};
use crate::actors::connection::fences::{Act, Passage};
use crate::desk;

/// How long a station may take to answer, in seconds.
pub(super) const ANSWER_S: i64 = 30;
/// Ids of our profiles: the EVSE's number is added. One of each kind at an EVSE, so that a new one takes the place of the one before.
const FALLBACK_IDS: i32 = OWN_IDS;
const GRANT_IDS: i32 = 20_000_000;
const FALLBACK_LEVEL: u32 = 0;
const GRANT_LEVEL: u32 = 1;
/// When every schedule has begun, 1970: so it holds at stations whose clock is behind, and at those whose clock was never set. One that lies in
/// a station's future is accepted and limits nothing.
const BEGUN: Timestamp = Timestamp::from_millis(0);
/// The word of a station that has no such profile to clear.
const NOTHING_TO_CLEAR: &str = "Unknown";
/// How long the schedule is that a station is asked for, in seconds.
const COMPOSITE_S: u32 = 60;

/// A command, what the fence says to it, and what its answer means.
struct Call {
    command: StationCommand,
    passage: Option<Passage>,
    meaning: Box<dyn FnOnce(&CommandResult) -> EvseInput>,
    /// How a grant is told, and the dynamic profile that is there if it is accepted.
    telling: Option<(Telling, Option<Installed>)>,
}

// === impl Call ===

impl Call {
    fn new(
        command: StationCommand,
        passage: Option<Passage>,
        meaning: impl FnOnce(&CommandResult) -> EvseInput + 'static,
    ) -> Self {
        Self { command, passage, meaning: Box::new(meaning), telling: None }
    }
}

impl Site {
    /// Sends what an effect asks for. Its answer, or that nothing was sent, is heard again.
    pub(super) fn call(&mut self, now: Timestamp, effect: Effect, ctx: &mut Context<Self>) {
        let ttl_ms = self.parts.conduct.ttl_ms;
        let Load::Managed(managed) = &mut self.load else { return };
        let Some((slot, evse, call)) = managed.call_for(effect, ttl_ms) else { return };
        let station = evse.key.station.clone();
        let Call { command, passage, meaning, telling } = call;
        if passage.is_some() {
            managed.dynamic.doubt(slot);
        }
        let generation = self.load_generation;
        let result = self.order(&station, command, passage, now.plus_secs(ANSWER_S));
        ctx.spawn(result.into_actor(self).map(move |result, site, ctx| {
            if site.load_generation != generation {
                return;
            }
            if let (Load::Managed(managed), Some((telling, profile))) = (&mut site.load, telling) {
                managed.dynamic.heard((slot, &station), (&telling, profile), result.outcome);
            }
            site.load_hears(Input::Steering(SteeringInput::Evse(slot, meaning(&result))), ctx);
        }));
    }

    /// Gives an order to the connection of a station; its outcome.
    pub(super) fn order(
        &self,
        station: &StationId,
        command: StationCommand,
        passage: Option<Passage>,
        deadline: Timestamp,
    ) -> impl Future<Output = CommandResult> + use<> {
        let order = desk::order(&self.tenant, station, command, deadline);
        desk::carry_out(&self.parts.cluster, order, passage)
    }
}

impl Managed {
    fn call_for(&self, effect: Effect, ttl_ms: i64) -> Option<(Slot, &Evse, Call)> {
        let evse = |slot: Slot| self.state.tree().evses().get(slot);
        match effect {
            Effect::Send { slot, grant } => {
                let evse = evse(slot)?;
                let seq = grant.seq;
                let act = Act::Pass { connection: grant.connection, seq };
                let passage = Some(Passage { evse: evse.key.evse, act });
                // A renewal is due after a third of a grant's life: it is never left to an update.
                let told = self.dynamic.telling((slot, evse), &grant, ttl_ms / 3);
                let command = granted(evse, grant, &told.0);
                let call = Call::new(command, passage, move |result| heard_of_grant(result, seq));
                Some((slot, evse, Call { telling: Some(told), ..call }))
            }
            Effect::InstallFallback { slot, value } => {
                let evse = evse(slot)?;
                let meaning = |result: &CommandResult| match result.outcome {
                    CommandOutcome::Accepted => EvseInput::FallbackAccepted,
                    CommandOutcome::Rejected | CommandOutcome::CallError | CommandOutcome::NotSupported => {
                        EvseInput::FallbackRejected
                    }
                    _ => EvseInput::CallFailed,
                };
                Some((slot, evse, Call::new(fallback(evse, value), self.following(slot, evse), meaning)))
            }
            Effect::Clear { slot, through } => {
                let evse = evse(slot)?;
                let command = clear(profile_id(GRANT_IDS, evse.key.evse));
                let passage = Some(Passage { evse: evse.key.evse, act: Act::Raise { through } });
                Some((slot, evse, Call::new(command, passage, heard_of_clear)))
            }
            Effect::ReadBack { slot } => {
                let evse = evse(slot)?;
                Some((slot, evse, self.read_back(slot, evse)))
            }
            Effect::Write { .. } | Effect::Load | Effect::Alarm(_) => None,
        }
    }

    /// What follows all that the ledger has for an EVSE: not once its station was told to clear it, or another owner granted something.
    fn following(&self, slot: Slot, evse: &Evse) -> Option<Passage> {
        let account = self.state.steering().ledger().accounts.get(slot)?;
        Some(Passage { evse: evse.key.evse, act: Act::Follow { after: account.seq } })
    }

    /// What a station has: without a transaction its composite schedule is its fallback. While one runs, the fallback cannot be told from
    /// its grant, so it is installed again, and Accepted is the answer. Of grants nothing is told: they are issued again.
    fn read_back(&self, slot: Slot, evse: &Evse) -> Call {
        let account = self.state.steering().ledger().accounts.get(slot);
        let promised = account.and_then(|account| match account.fallback {
            Fallback::Confirmed(value) => Some(value),
            Fallback::Unconfirmed => None,
        });
        let value = promised.unwrap_or(evse.fallback_ma);
        if self.state.has_car(slot) {
            let passage = self.following(slot, evse);
            return Call::new(fallback(evse, value), passage, move |result| match result.outcome {
                CommandOutcome::Accepted => EvseInput::ReadBack { grant: None, fallback: Some(value) },
                _ => EvseInput::CallFailed,
            });
        }
        let (unit, most) = limit_of(evse, value);
        let (evse_id, duration_s) = (evse.key.evse, COMPOSITE_S);
        let command = StationCommand::GetCompositeSchedule { evse_id, duration_s, unit };
        Call::new(command, None, move |result| {
            if !matches!(result.outcome, CommandOutcome::Accepted | CommandOutcome::Rejected) {
                return EvseInput::CallFailed;
            }
            let payload = result.response.clone().map(String::from);
            let payload = payload.and_then(|text| RawValue::from_string(text).ok());
            let limit = payload.and_then(|payload| composite_limit(&payload, unit));
            let fallback = limit.is_some_and(|limit| limit <= most).then_some(value);
            EvseInput::ReadBack { grant: None, fallback }
        })
    }
}

fn heard_of_grant(result: &CommandResult, seq: GrantSeq) -> EvseInput {
    match result.outcome {
        CommandOutcome::Accepted => EvseInput::Accepted(seq),
        CommandOutcome::Rejected | CommandOutcome::CallError | CommandOutcome::NotSupported => {
            EvseInput::Rejected(seq)
        }
        CommandOutcome::TimeoutUnknown | CommandOutcome::NodeUnreachableUnknown => EvseInput::TimedOut(seq),
        CommandOutcome::Offline
        | CommandOutcome::Superseded
        | CommandOutcome::StationBusy
        | CommandOutcome::NotSentDeadline
        | CommandOutcome::NodeUnreachableNotSent
        | CommandOutcome::Draining => EvseInput::Fenced(seq),
    }
}

fn heard_of_clear(result: &CommandResult) -> EvseInput {
    if is_cleared(result) { EvseInput::Cleared } else { EvseInput::CallFailed }
}

/// Has the station no such profile any more?
pub fn is_cleared(result: &CommandResult) -> bool {
    match (result.outcome, result.detail.as_deref()) {
        (CommandOutcome::Accepted, _) | (CommandOutcome::Rejected, Some(NOTHING_TO_CLEAR)) => true,
        (_, _) => false,
    }
}

/// The orders to clear all that we have at an EVSE.
pub fn clear_all(evse: EvseId) -> [StationCommand; 2] {
    [GRANT_IDS, FALLBACK_IDS].map(|ids| clear(profile_id(ids, evse)))
}

const fn clear(profile_id: i32) -> StationCommand {
    StationCommand::ClearChargingProfile {
        profile_id: Some(profile_id),
        evse_id: None,
        purpose: None,
        stack_level: None,
    }
}

fn profile_id(ids: i32, evse: EvseId) -> i32 {
    i32::try_from(evse.0).map_or(i32::MAX, |evse| ids.saturating_add(evse))
}

/// A grant holds for its transaction, until its end.
fn granted(evse: &Evse, grant: Grant, telling: &Telling) -> StationCommand {
    let kind = match telling {
        Telling::Install(kind) => *kind,
        Telling::Update => {
            let (unit, limit) = limit_of(evse, grant.limit);
            let profile_id = profile_id(GRANT_IDS, evse.key.evse);
            return StationCommand::UpdateDynamicSchedule { profile_id, unit, limit, phases: phases(evse) };
        }
    };
    let purpose = match &grant.transaction {
        Some(_) => ProfilePurpose::Transaction,
        None => ProfilePurpose::TransactionDefault,
    };
    let profile = (GRANT_IDS, GRANT_LEVEL, purpose, kind);
    set(evse, profile, (grant.limit, grant.valid_to, grant.transaction))
}

/// The fallback holds for every transaction that has nothing else.
fn fallback(evse: &Evse, value: Milliamps) -> StationCommand {
    let purpose = ProfilePurpose::TransactionDefault;
    set(evse, (FALLBACK_IDS, FALLBACK_LEVEL, purpose, ProfileKind::Absolute), (value, None, None))
}

/// Direct current is limited in watts, alternating current per line.
fn limit_of(evse: &Evse, current: Milliamps) -> (LimitUnit, i64) {
    match evse.output {
        Output::Ac => (LimitUnit::Milliamps, current.0),
        Output::Dc { .. } => (LimitUnit::Watts, evse.vehicle_power(current).0),
    }
}

/// The lines of an EVSE with alternating current.
pub(super) fn phases(evse: &Evse) -> Option<u8> {
    match evse.output {
        Output::Ac => u8::try_from(evse.lines.len()).ok(),
        Output::Dc { .. } => None,
    }
}

fn set(
    evse: &Evse,
    (ids, stack_level, purpose, kind): (i32, u32, ProfilePurpose, ProfileKind),
    (current, valid_to, transaction_id): (Milliamps, Option<Timestamp>, Option<TransactionId>),
) -> StationCommand {
    let (unit, limit) = limit_of(evse, current);
    StationCommand::SetChargingProfile {
        evse_id: evse.key.evse,
        profile: ChargingProfile {
            profile_id: profile_id(ids, evse.key.evse),
            stack_level,
            purpose,
            kind,
            transaction_id,
            valid_to,
            starts_at: BEGUN,
            duration_s: None,
            unit,
            periods: vec![ProfilePeriod { start_s: 0, limit, phases: phases(evse) }],
        },
    }
}
