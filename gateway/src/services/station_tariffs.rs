//! Tariffs of stations that price by themselves: tells a station what its drivers pay, message by message, and remembers what it was told.
//!
//! A station shows what we bill or is told nothing: where drivers pay different prices at one EVSE, or a price cannot be said in its
//! protocol, its tariffs are removed. Never: who pays how much (the bill is ours, whatever the station worked out).

use std::collections::BTreeMap;
use std::sync::Arc;

use ringmain_domain::command::{
    CommandDesk, CommandOrder, CommandOutcome, CommandResult, StationCommand, VariableName,
};
use ringmain_domain::id::{CommandId, EvseId, StationId, TariffId, TenantId};
use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::assignment::{Start, TariffAssignment, choose};
use ringmain_domain::tariff::at_station::{self, Placed, WHOLE_STATION};
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::translate::tariff;
use ringmain_store::page::{MAX_LIMIT, PageRequest};
use ringmain_store::station_tariffs::{PlacedTariff, Places, StationTariffs, Told};
use ringmain_store::stations::StationRow;
use ringmain_store::store::{Store, StoreError};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::clock;
use crate::services::evses;

/// The variables of a station that prices by itself: it can, and it does (OCPP 2.1 part 2, TariffCostCtrlr).
const COMPONENT: &str = "TariffCostCtrlr";
const ABLE: &str = "Available[Tariff]";
const DOES: &str = "Enabled[Tariff]";
/// A station whose tariffs are as they should be is looked at again after so long: a tariff may come into force by the clock alone.
const AGAIN_S: i64 = 60;
/// One that does not price by itself is asked again when it starts anew, or after so long.
const ASK_AGAIN_S: i64 = 24 * 3600;

/// An update of one station's tariffs.
#[derive(Clone)]
pub struct TariffSync {
    /// Persistence.
    pub store: Store,
    /// Takes the messages.
    pub desk: Arc<dyn CommandDesk>,
    /// Whose station.
    pub tenant: TenantId,
    /// Which station.
    pub station: StationId,
    /// The tariff of stations without one.
    pub default: Option<TariffId>,
    /// Where nothing differs from what the station was told, do not even ask it.
    pub quiet: bool,
    /// By when it must have ended.
    pub deadline: Timestamp,
}

/// What a station should have, or why it is told nothing.
struct Wanted {
    placed: Placed,
    trouble: Option<Box<str>>,
}

// === impl TariffSync ===

impl TariffSync {
    /// Carries it out. A failure of the store ends it as one whose outcome nobody knows: what was sent may have arrived.
    pub async fn carry_out(self) -> CommandResult {
        match self.update().await {
            Ok(result) => result,
            Err(error) => CommandResult {
                detail: Some(error.to_string().into()),
                ..CommandResult::bare(CommandOutcome::TimeoutUnknown)
            },
        }
    }

    async fn update(&self) -> Result<CommandResult, StoreError> {
        let Some(row) = self.store.station_row(&self.tenant, &self.station).await? else {
            return Ok(CommandResult::bare(CommandOutcome::Offline));
        };
        if !row.station.ocpp_version.as_deref().is_some_and(tariff::is_known_to) {
            let detail = Some("only stations of OCPP 2.1 price by themselves".into());
            return Ok(CommandResult { detail, ..CommandResult::bare(CommandOutcome::NotSupported) });
        }
        let known = self.store.station_tariffs(&self.tenant, &self.station).await?;
        let anew = known.as_ref().is_none_or(|known| row.station.booted_at > Some(known.updated_at));
        let mut told = known.map(|known| known.told).unwrap_or_default();
        let Wanted { placed, trouble } = self.wanted(&row).await?;
        let wanted = places(&placed);
        let same = told.certain && told.wanted == wanted && (trouble.is_none() || told.trouble == trouble);
        if self.quiet && !anew && same {
            self.keep(&told).await?;
            return Ok(done("nothing changed".into()));
        }
        if let Err(result) = self.ask(&mut told).await? {
            return Ok(result);
        }
        // Until all is answered nobody knows what the station has.
        let had = std::mem::take(&mut told.has);
        let certain = std::mem::replace(&mut told.certain, false);
        told.wanted = wanted;
        told.trouble = trouble;
        self.keep(&told).await?;
        let leftover = had.keys().any(|place| !covered(&told.wanted, *place));
        if !certain || leftover {
            let cleared = self.clear().await;
            if cleared.outcome != CommandOutcome::Accepted {
                return Ok(cleared);
            }
        }
        let result = self.tell(&mut told, placed).await?;
        self.keep(&told).await?;
        Ok(result)
    }

    /// Sends the tariffs. When the station takes one of them not, it is to have none: another price than ours is worse.
    async fn tell(&self, told: &mut Told, placed: Placed) -> Result<CommandResult, StoreError> {
        for (evse, priced) in placed {
            let name = at_station::name(&priced);
            let result = match tariff::set_default(evse, &name, &priced) {
                Ok(payload) => self.raw("SetDefaultTariff", payload.get()).await,
                Err(refusal) => CommandResult {
                    detail: Some(refusal.to_string().into()),
                    ..CommandResult::bare(CommandOutcome::NotSupported)
                },
            };
            match result.outcome {
                CommandOutcome::Accepted => {
                    told.has.insert(evse, PlacedTariff { tariff: priced.id, name });
                }
                CommandOutcome::Rejected | CommandOutcome::CallError | CommandOutcome::NotSupported => {
                    let why = result.detail.as_deref().unwrap_or("no reason given");
                    let trouble: Box<str> = format!("tariff {}: {why}", priced.id).into();
                    told.has.clear();
                    told.certain = self.clear().await.outcome == CommandOutcome::Accepted;
                    told.trouble = Some(trouble.clone());
                    return Ok(CommandResult { detail: Some(trouble), ..result });
                }
                _ => return Ok(result),
            }
        }
        told.certain = true;
        Ok(done(match &told.trouble {
            Some(trouble) => format!("no tariffs: {trouble}"),
            None => format!("{} tariffs", told.has.len()),
        }))
    }

    async fn clear(&self) -> CommandResult {
        self.raw("ClearTariffs", "{}").await
    }

    async fn raw(&self, action: &str, payload: &str) -> CommandResult {
        self.order(StationCommand::Raw { action: action.into(), payload: payload.into() }).await
    }

    /// Does the station price by itself? An answer that says no ends the update.
    async fn ask(&self, told: &mut Told) -> Result<Result<(), CommandResult>, StoreError> {
        let names = [ABLE, DOES];
        let variable =
            |name: &str| VariableName { component: COMPONENT.into(), name: name.into(), evse_id: None };
        let command = StationCommand::GetVariables { variables: names.map(variable).into() };
        let result = self.order(command.clone()).await;
        let answered = matches!(
            result.outcome,
            CommandOutcome::Accepted | CommandOutcome::Rejected | CommandOutcome::CallError
        );
        if !answered {
            return Ok(Err(result));
        }
        let missing = names.into_iter().find(|name| !says_yes(&command, &result, name));
        let Some(missing) = missing else {
            told.prices = Some(true);
            return Ok(Ok(()));
        };
        let trouble: Box<str> =
            format!("the station does not price by itself: {COMPONENT}.{missing} is not true").into();
        *told = Told { prices: Some(false), trouble: Some(trouble.clone()), ..Told::default() };
        self.keep(told).await?;
        let detail = Some(trouble);
        Ok(Err(CommandResult { outcome: CommandOutcome::NotSupported, detail, ..result }))
    }

    async fn order(&self, command: StationCommand) -> CommandResult {
        let order = CommandOrder {
            id: CommandId(Uuid::now_v7()),
            tenant: self.tenant.clone(),
            station: self.station.clone(),
            command,
            deadline: self.deadline,
        };
        self.desk.submit(order).await
    }

    async fn keep(&self, told: &Told) -> Result<(), StoreError> {
        let now = clock::now();
        let again = if told.prices == Some(false) { ASK_AGAIN_S } else { AGAIN_S };
        let kept = StationTariffs {
            tenant: self.tenant.clone(),
            station: self.station.clone(),
            told: told.clone(),
            due_at: now.plus_secs(again),
            updated_at: now,
        };
        self.store.put_station_tariffs(&kept).await
    }

    /// What the station's drivers pay now, EVSE by EVSE.
    async fn wanted(&self, row: &StationRow) -> Result<Wanted, StoreError> {
        let now = clock::now();
        let assignments = self.assignments().await?;
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
                return Ok(Wanted { placed: Placed::new(), trouble: Some(trouble.into()) });
            }
            let assigned = choose(&assignments, &start).map(|assignment| &assignment.tariff);
            let id = assigned.or(row.station.tariff_id.as_ref()).or(self.default.as_ref());
            let tariff = match id {
                Some(id) => self.tariff(id, now).await?,
                None => None,
            };
            tariffs.insert(evse, tariff);
        }
        Ok(Wanted { placed: at_station::placed(tariffs), trouble: None })
    }

    async fn tariff(&self, id: &TariffId, now: Timestamp) -> Result<Option<Tariff>, StoreError> {
        let versions = self.store.tariff_versions_from(&self.tenant, id, now).await?;
        let timeline = Timeline::new(versions.iter().map(|(from, tariff)| (*from, tariff)));
        Ok(timeline.map(|timeline| timeline.at(now).tariff.clone()))
    }

    async fn assignments(&self) -> Result<Vec<TariffAssignment>, StoreError> {
        let mut all = Vec::new();
        let mut request = PageRequest::first(MAX_LIMIT);
        loop {
            let page = self.store.tariff_assignments(&self.tenant, &request).await?;
            all.extend(page.items);
            let Some(next) = page.next else { return Ok(all) };
            request.after = Some(next);
        }
    }
}

/// Would it apply to a session that starts so, if only its driver were another?
fn differs_by_driver(assignment: &TariffAssignment, start: &Start<'_>) -> bool {
    let by_driver = assignment.token_group.is_some() || assignment.token_kind.is_some();
    let token_group = assignment.token_group.as_ref();
    by_driver
        && assignment.applies(&Start { token_group, token_kind: assignment.token_kind.as_ref(), ..*start })
}

fn places(placed: &Placed) -> Places {
    let place = |(evse, tariff): (&EvseId, &Tariff)| {
        (*evse, PlacedTariff { tariff: tariff.id.clone(), name: at_station::name(tariff) })
    };
    placed.iter().map(place).collect()
}

/// Is what stands at this place replaced by what shall stand there?
fn covered(wanted: &Places, place: EvseId) -> bool {
    wanted.contains_key(&WHOLE_STATION) || (place != WHOLE_STATION && wanted.contains_key(&place))
}

/// Did the station say that this variable is true?
fn says_yes(command: &StationCommand, result: &CommandResult, name: &str) -> bool {
    let response = result.response.as_deref().and_then(|text| RawValue::from_string(text.to_owned()).ok());
    let Some(response) = response else { return false };
    tariff::is_true(command, &response, name)
}

fn done(detail: String) -> CommandResult {
    CommandResult { detail: Some(detail.into()), ..CommandResult::bare(CommandOutcome::Accepted) }
}
