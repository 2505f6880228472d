//! Tariffs of stations that price by themselves: tells a station what its drivers pay, message by message, and remembers what it was told.
//!
//! A station shows what we bill or is told nothing: where drivers pay different prices at one EVSE, or a price cannot be said in its
//! protocol, its tariffs are removed. A transaction that runs keeps the tariff it began with on the display, while the bill follows the
//! versions of the tariff. Never: who pays how much (the bill is ours, whatever the station worked out).

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use ringmain_domain::command::{CommandDesk, CommandOutcome, CommandResult, StationCommand, VariableName};
use ringmain_domain::id::{StationId, TariffId, TenantId};
use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::assignment::{Start, TariffAssignment, choose};
use ringmain_domain::tariff::at_station::{self, WHOLE_STATION};
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::translate::tariff::{
    COMPONENT, PricesItself, VARIABLES, is_sayable_in, prices_itself, set_default,
};
use ringmain_store::page::{MAX_LIMIT, PageRequest};
use ringmain_store::station_tariffs::{PlacedTariff, Places, StationTariffs, Told};
use ringmain_store::stations::StationRow;
use ringmain_store::store::{Store, StoreError};
use serde_json::value::RawValue;

use crate::services::evses;
use crate::{clock, desk};

/// A station whose tariffs are as they should be is looked at again after so long: a tariff may come into force by the clock alone.
const AGAIN_S: i64 = 60;
/// One that is not connected here.
const OFFLINE_PAUSE_S: i64 = 60;
/// One that could not be asked or told.
const PAUSE_S: i64 = 300;
/// One that does not price by itself is asked again when it starts anew, or after so long.
const ASK_AGAIN_S: i64 = 24 * 3600;
/// The station's word for a tariff that it has already.
const DUPLICATE: &str = "DuplicateTariffId";
/// Errors of a station that does not know a message at all.
const STRANGE_MESSAGE: [&str; 2] = ["NotImplemented", "NotSupported"];

/// The assignments of a tenant, all of them.
pub type Assignments = Arc<[TariffAssignment]>;

/// An update of one station's tariffs.
#[derive(Clone)]
pub struct TariffSync {
    /// Persistence.
    pub store: Store,
    /// Takes the messages.
    pub desk: Arc<dyn CommandDesk>,
    /// Of this node: no station is told by two at once.
    pub turns: Turns,
    /// Whose station.
    pub tenant: TenantId,
    /// Which station.
    pub station: StationId,
    /// The tariff of stations without one.
    pub default: Option<TariffId>,
    /// Those of the tenant; read when absent.
    pub assignments: Option<Assignments>,
    /// Where nothing differs from what the station was told, do not even ask it.
    pub quiet: bool,
    /// By when it must have ended.
    pub deadline: Timestamp,
}

/// The stations that are being told just now.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<HashSet<StationId>>>);

/// A station's turn; over when it is dropped.
struct Turn {
    turns: Turns,
    station: StationId,
}

/// What a station should have, or why it is told nothing.
#[derive(Default)]
struct Wanted {
    places: Places,
    /// One for each place.
    payloads: Vec<Box<RawValue>>,
    trouble: Option<Box<str>>,
}

// === impl Turns ===

impl Turns {
    fn take(&self, station: &StationId) -> Option<Turn> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = || Turn { turns: self.clone(), station: station.clone() };
        taken.insert(station.clone()).then(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.station);
    }
}

// === impl TariffSync ===

impl TariffSync {
    /// Carries it out. A failure of the store ends it as one whose outcome nobody knows: what was sent may have arrived.
    pub async fn carry_out(self) -> CommandResult {
        let Some(_turn) = self.turns.take(&self.station) else {
            let detail = "its tariffs are being brought up to date";
            return CommandResult::saying(CommandOutcome::StationBusy, detail);
        };
        match self.update().await {
            Ok(result) => result,
            Err(error) => {
                // It may fail as well; the station is due again at once then.
                drop(self.put_off(PAUSE_S).await);
                CommandResult::saying(CommandOutcome::TimeoutUnknown, error.to_string())
            }
        }
    }

    async fn update(&self) -> Result<CommandResult, StoreError> {
        let Some(row) = self.store.station_row(&self.tenant, &self.station).await? else {
            return Ok(CommandResult::bare(CommandOutcome::Offline));
        };
        if !row.station.ocpp_version.as_deref().is_some_and(is_sayable_in) {
            let detail = "only stations of OCPP 2.1 price by themselves";
            return Ok(CommandResult::saying(CommandOutcome::NotSupported, detail));
        }
        let known = self.store.station_tariffs(&self.tenant, &self.station).await?;
        // Read before anything is asked: if it starts once more meanwhile, it is due again.
        let booted_at = row.station.booted_at;
        let anew = known.as_ref().is_none_or(|known| known.booted_at != booted_at);
        let mut told = known.map(|known| known.told).unwrap_or_default();
        // After a start nobody knows what it still has.
        told.certain &= !anew;
        let wanted = self.wanted(&row).await?;
        let as_told = |told: &Told| told.certain && told.wanted == wanted.places;
        if self.quiet && told.prices == Some(true) && as_told(&told) {
            // What it refused it would refuse again; only what we say of it ourselves may have changed.
            if told.has == told.wanted && told.trouble != wanted.trouble {
                told.trouble.clone_from(&wanted.trouble);
                self.keep(&told, booted_at, AGAIN_S).await?;
            } else {
                self.put_off(AGAIN_S).await?;
            }
            return Ok(done("nothing changed".into()));
        }
        let result = self.look(&mut told, &wanted, booted_at).await?;
        if result.outcome == CommandOutcome::Offline && !anew {
            // Another node may have it: what is kept is that node's.
            self.put_off(OFFLINE_PAUSE_S).await?;
            return Ok(result);
        }
        let pause_s = match (told.prices, result.outcome) {
            (Some(false), CommandOutcome::NotSupported) => ASK_AGAIN_S,
            (Some(true), _) if as_told(&told) => AGAIN_S,
            (_, CommandOutcome::Offline) => OFFLINE_PAUSE_S,
            _ => PAUSE_S,
        };
        self.keep(&told, booted_at, pause_s).await?;
        Ok(result)
    }

    /// Asks the station, and tells it.
    async fn look(
        &self,
        told: &mut Told,
        wanted: &Wanted,
        booted_at: Option<Timestamp>,
    ) -> Result<CommandResult, StoreError> {
        match self.ask().await {
            Ok(PricesItself::Yes) => {}
            Ok(PricesItself::No(why)) => return Ok(self.forget(told, &why).await),
            Ok(PricesItself::Unknown(why)) => {
                let detail: Box<str> = format!("does the station price by itself? {why}").into();
                told.trouble = Some(detail.clone());
                return Ok(CommandResult::saying(CommandOutcome::Rejected, detail));
            }
            Err(result) => {
                told.trouble = Some(failed("GetVariables", &result));
                return Ok(result);
            }
        }
        let may_have = !told.has.is_empty() || !told.certain || told.prices != Some(true);
        told.prices = Some(true);
        told.wanted = wanted.places.clone();
        told.trouble.clone_from(&wanted.trouble);
        // Until all is answered nobody knows what the station has.
        told.certain = false;
        self.keep(told, booted_at, PAUSE_S).await?;
        // A station takes no tariff that it has already, and may keep one from before its start.
        if may_have && let Err(result) = self.clear(told).await {
            return Ok(result);
        }
        Ok(self.tell(told, wanted).await)
    }

    /// The station prices not by itself, so it was told nothing, or is to have none of what it was told.
    async fn forget(&self, told: &mut Told, why: &str) -> CommandResult {
        if told.prices == Some(true) && !(told.certain && told.has.is_empty()) {
            told.certain = false;
            if let Err(result) = self.clear(told).await
                && !is_strange(&result)
            {
                return result;
            }
        }
        let trouble: Box<str> = format!("the station does not price by itself: {why}").into();
        *told =
            Told { prices: Some(false), certain: true, trouble: Some(trouble.clone()), ..Told::default() };
        CommandResult::saying(CommandOutcome::NotSupported, trouble)
    }

    /// Sends the tariffs. When the station takes one of them not, it is to have none: another price than ours is worse.
    async fn tell(&self, told: &mut Told, wanted: &Wanted) -> CommandResult {
        let mut cleared_again = false;
        'all: loop {
            for ((evse, placed), payload) in wanted.places.iter().zip(&wanted.payloads) {
                let result = self.raw("SetDefaultTariff", payload.get()).await;
                let duplicate = result.detail.as_deref() == Some(DUPLICATE);
                match result.outcome {
                    CommandOutcome::Accepted => {
                        told.has.insert(*evse, placed.clone());
                    }
                    CommandOutcome::Rejected if duplicate && !cleared_again => {
                        cleared_again = true;
                        if let Err(result) = self.clear(told).await {
                            return result;
                        }
                        continue 'all;
                    }
                    CommandOutcome::Rejected | CommandOutcome::CallError | CommandOutcome::NotSupported => {
                        return self.give_up(told, &placed.tariff, result).await;
                    }
                    _ => {
                        told.trouble = Some(failed("SetDefaultTariff", &result));
                        return result;
                    }
                }
            }
            break;
        }
        told.certain = true;
        done(match &told.trouble {
            Some(trouble) => format!("no tariffs: {trouble}"),
            None => format!("{} tariffs", told.has.len()),
        })
    }

    /// The station took this tariff not. A refusal stands until something changes; after an error it is told again later.
    async fn give_up(&self, told: &mut Told, tariff: &TariffId, result: CommandResult) -> CommandResult {
        let why = result.detail.as_deref().unwrap_or("no reason given");
        let trouble: Box<str> = format!("tariff {tariff}: {why}").into();
        match self.clear(told).await {
            Ok(()) => {
                told.certain = result.outcome != CommandOutcome::CallError;
                told.trouble = Some(trouble.clone());
            }
            Err(_kept_as_trouble) => {
                let clear = told.trouble.take().unwrap_or_default();
                told.trouble = Some(format!("{trouble}; {clear}").into());
            }
        }
        CommandResult { detail: Some(trouble), ..result }
    }

    /// Removes all tariffs. Whatever else the station answers, it may still have what it had.
    async fn clear(&self, told: &mut Told) -> Result<(), CommandResult> {
        let result = self.raw("ClearTariffs", "{}").await;
        if result.outcome != CommandOutcome::Accepted {
            told.trouble = Some(failed("ClearTariffs", &result));
            return Err(result);
        }
        told.has.clear();
        Ok(())
    }

    async fn raw(&self, action: &str, payload: &str) -> CommandResult {
        self.order(StationCommand::Raw { action: action.into(), payload: payload.into() }).await
    }

    /// Does the station price by itself? An error is no answer.
    async fn ask(&self) -> Result<PricesItself, CommandResult> {
        let variable =
            |name: &str| VariableName { component: COMPONENT.into(), name: name.into(), evse_id: None };
        let command = StationCommand::GetVariables { variables: VARIABLES.map(variable).into() };
        let result = self.order(command).await;
        let (CommandOutcome::Accepted | CommandOutcome::Rejected) = result.outcome else {
            return Err(result);
        };
        let answer = result.response.as_deref().and_then(|text| RawValue::from_string(text.to_owned()).ok());
        answer.as_deref().map(prices_itself).ok_or(result)
    }

    async fn order(&self, command: StationCommand) -> CommandResult {
        self.desk.submit(desk::order(&self.tenant, &self.station, command, self.deadline)).await
    }

    async fn keep(&self, told: &Told, booted_at: Option<Timestamp>, pause_s: i64) -> Result<(), StoreError> {
        let now = clock::now();
        let kept = StationTariffs {
            tenant: self.tenant.clone(),
            station: self.station.clone(),
            told: told.clone(),
            due_at: now.plus_secs(pause_s),
            booted_at,
            updated_at: now,
        };
        self.store.put_station_tariffs(&kept).await
    }

    async fn put_off(&self, pause_s: i64) -> Result<(), StoreError> {
        let due_at = clock::now().plus_secs(pause_s);
        self.store.put_off_station_tariffs(&self.tenant, &self.station, due_at).await
    }

    /// What the station's drivers pay now, EVSE by EVSE.
    async fn wanted(&self, row: &StationRow) -> Result<Wanted, StoreError> {
        let now = clock::now();
        let assignments = match &self.assignments {
            Some(assignments) => Arc::clone(assignments),
            None => assignments(&self.store, &self.tenant).await?,
        };
        let location = row.station.location_id.as_ref();
        let start = |evse| Start {
            location,
            station: &self.station,
            evse,
            token_group: None,
            token_kind: None,
            at: now,
        };
        let mut evses: Vec<_> = evses::of(row).into_iter().map(|evse| evse.evse).collect();
        if evses.is_empty() {
            evses.push(WHOLE_STATION);
        }
        let mut tariffs = BTreeMap::new();
        for evse in evses {
            let start = start(Some(evse).filter(|evse| *evse != WHOLE_STATION));
            if let Some(other) = assignments.iter().find(|assignment| differs_by_driver(assignment, &start)) {
                let trouble = format!("assignment {} gives some drivers another price here", other.id);
                return Ok(Wanted::nothing(&trouble));
            }
            let assigned = choose(&*assignments, &start).map(|assignment| &assignment.tariff);
            let id = assigned.or(row.station.tariff_id.as_ref()).or(self.default.as_ref());
            let tariff = match id {
                Some(id) => self.tariff(id, now).await?,
                None => None,
            };
            tariffs.insert(evse, tariff);
        }
        let mut wanted = Wanted::default();
        for (evse, tariff) in at_station::placed(tariffs) {
            let message = match set_default(evse, &tariff, location.is_some()) {
                Ok(message) => message,
                Err(refusal) => return Ok(Wanted::nothing(&format!("tariff {}: {refusal}", tariff.id))),
            };
            wanted.places.insert(evse, PlacedTariff { tariff: tariff.id, name: message.name });
            wanted.payloads.push(message.payload);
        }
        Ok(wanted)
    }

    async fn tariff(&self, id: &TariffId, now: Timestamp) -> Result<Option<Tariff>, StoreError> {
        let versions = self.store.tariff_versions_from(&self.tenant, id, now).await?;
        let timeline = Timeline::new(versions.iter().map(|(from, tariff)| (*from, tariff)));
        Ok(timeline.map(|timeline| timeline.at(now).tariff.clone()))
    }
}

// === impl Wanted ===

impl Wanted {
    fn nothing(trouble: &str) -> Self {
        Self { trouble: Some(trouble.into()), ..Self::default() }
    }
}

/// All assignments of a tenant; at most [`ringmain_domain::tariff::assignment::MAX_ASSIGNMENTS`].
///
/// # Errors
/// As [`StoreError`] says.
pub async fn assignments(store: &Store, tenant: &TenantId) -> Result<Assignments, StoreError> {
    let mut all = Vec::new();
    let mut request = PageRequest::first(MAX_LIMIT);
    loop {
        let page = store.tariff_assignments(tenant, &request).await?;
        all.extend(page.items);
        let Some(next) = page.next else { return Ok(all.into()) };
        request.after = Some(next);
    }
}

/// Would it apply to a session that starts so, if only its driver were another?
fn differs_by_driver(assignment: &TariffAssignment, start: &Start<'_>) -> bool {
    let by_driver = assignment.token_group.is_some() || assignment.token_kind.is_some();
    let token_group = assignment.token_group.as_ref();
    by_driver
        && assignment.applies(&Start { token_group, token_kind: assignment.token_kind.as_ref(), ..*start })
}

/// Is it an error of a station that does not know the message?
fn is_strange(result: &CommandResult) -> bool {
    let code = result.detail.as_deref().and_then(|detail| detail.split(':').next());
    result.outcome == CommandOutcome::CallError && code.is_some_and(|code| STRANGE_MESSAGE.contains(&code))
}

/// What went wrong with a message, in words.
fn failed(action: &str, result: &CommandResult) -> Box<str> {
    match &result.detail {
        Some(detail) => format!("{action}: {}: {detail}", result.outcome.as_str()).into(),
        None => format!("{action}: {}", result.outcome.as_str()).into(),
    }
}

fn done(detail: String) -> CommandResult {
    CommandResult::saying(CommandOutcome::Accepted, detail)
}
