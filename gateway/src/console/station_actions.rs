//! What can be done on a station's page: commands with their outcome in words, approval, changes of its record.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use ringmain_domain::command::{CommandOutcome, CommandResult, ResetKind, StationCommand, TriggeredMessage};
use ringmain_domain::id::{ConnectorId, EvseId, LocationId, StationId, TariffId, TokenUid, TransactionId};
use ringmain_domain::reply::Registration;
use ringmain_domain::token::{IdToken, TokenKind};
use serde::Deserialize;

use super::format::path_segment;
use super::guard::Visitor;
use super::page::{PageError, ok};
use super::station;
use crate::house::House;
use crate::services::commands::{DEFAULT_DEADLINE_S, give, new_remote_start_id};
use crate::services::doorway::Doorway;
use crate::services::duplicates::{self, Decision};
use crate::services::refusal::Refusal;
use crate::services::stations::{StationChange, change as change_station};

/// A little longer than a command can take, so that its outcome is nearly always seen.
const WAIT: Duration = Duration::from_secs(35);

/// A command's form; which fields count depends on `action`.
#[derive(Debug, Deserialize)]
pub(super) struct CommandForm {
    action: String,
    #[serde(default)]
    evse: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    transaction: String,
}

/// Approve or reject.
#[derive(Debug, Deserialize)]
pub(super) struct RegistrationForm {
    registration: String,
}

/// Which of two stations under one identity is the right one.
#[derive(Debug, Deserialize)]
pub(super) struct DuplicateForm {
    decision: String,
    /// Whom the page named as the new one.
    source: Option<IpAddr>,
}

/// Name, location, tariff, rating, or maintenance alone.
#[derive(Debug, Deserialize)]
pub(super) struct RecordForm {
    name: Option<String>,
    location_id: Option<String>,
    tariff_id: Option<String>,
    max_power_w: Option<String>,
    maintenance: Option<String>,
}

/// How a command ended, in words.
#[derive(Template)]
#[template(path = "outcome.html")]
struct OutcomePart {
    tone: &'static str,
    what: &'static str,
    text: String,
    detail: Option<String>,
    response: Option<String>,
}

/// Gives the station a command and says how it ended.
pub(super) async fn command(
    request: HttpRequest,
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<StationId>,
    form: web::Form<CommandForm>,
) -> Result<HttpResponse, PageError> {
    let part = match form.read() {
        Ok((what, command)) => match give(&house, &visitor.caller, &id, command, DEFAULT_DEADLINE_S).await {
            Ok(given) => OutcomePart::of(what, given.wait(WAIT).await),
            Err(Refusal::Conflict { reason }) => OutcomePart::not_sent(reason.into()),
            Err(refusal) => return Err(refusal.into()),
        },
        Err(text) => OutcomePart::not_sent(text),
    };
    if request.headers().contains_key("hx-request") {
        return Ok(ok(&part));
    }
    // Without script the page comes back with the outcome on top.
    let notice = format!("{}: {}", part.what, part.text);
    Ok(visitor.go(&doorway, &page_of(&id), notice))
}

/// Lets a station in, or not.
pub(super) async fn register(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<StationId>,
    form: web::Form<RegistrationForm>,
) -> Result<HttpResponse, PageError> {
    let (registration, notice) = match form.registration.as_str() {
        "accepted" => (Registration::Accepted, "Approved. The station takes part as soon as it asks again."),
        "rejected" => (Registration::Rejected, "Rejected. The station may not take part."),
        _ => return Err(PageError::BadForm),
    };
    let change = StationChange { registration: Some(registration), ..StationChange::default() };
    change_station(&house, &visitor.caller, &id, change).await?;
    Ok(visitor.go(&doorway, &page_of(&id), notice))
}

/// Says which of two stations under one identity is the right one.
pub(super) async fn decide(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<StationId>,
    form: web::Form<DuplicateForm>,
) -> Result<HttpResponse, PageError> {
    let (decision, notice) = match form.decision.as_str() {
        "accept_new" => {
            let decision = Decision::AcceptNew { source: form.source };
            (decision, "The new one takes its place when it comes from the same address within 15 minutes.")
        }
        "keep_old" => (Decision::KeepOld, "The one that is connected keeps its place."),
        _ => return Err(PageError::BadForm),
    };
    match duplicates::decide(&house, &visitor.caller, &id, decision).await {
        Ok(()) => Ok(visitor.go(&doorway, &page_of(&id), notice)),
        Err(Refusal::Conflict { reason }) => Ok(visitor.go(&doorway, &page_of(&id), reason)),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Changes the station's record.
pub(super) async fn change(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<StationId>,
    form: web::Form<RecordForm>,
) -> Result<HttpResponse, PageError> {
    let maintenance = form.maintenance.as_deref().map(|text| text == "true");
    let notice = match maintenance {
        Some(true) => "The station is under maintenance now.",
        Some(false) => "The station is back in service.",
        None => "Saved.",
    };
    let given = |text: &Option<String>| {
        text.as_ref().map(|text| Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    };
    let location =
        given(&form.location_id).map(|text| text.map(|text| LocationId::new(&text)).transpose()).transpose();
    let tariff =
        given(&form.tariff_id).map(|text| text.map(|text| TariffId::new(&text)).transpose()).transpose();
    let (Ok(location_id), Ok(tariff_id)) = (location, tariff) else { return Err(PageError::BadForm) };
    let name = given(&form.name).map(|text| text.map(Into::into));
    let max_power_w =
        given(&form.max_power_w).map(|text| text.map(|text| text.parse()).transpose()).transpose();
    let Ok(max_power_w) = max_power_w else {
        let trouble = vec!["Power of an EVSE: a whole number of watts is needed".to_owned()];
        return station::page(&house, &doorway, &visitor, &id, StatusCode::UNPROCESSABLE_ENTITY, trouble)
            .await;
    };
    let change =
        StationChange { location_id, name, tariff_id, max_power_w, maintenance, ..StationChange::default() };
    match change_station(&house, &visitor.caller, &id, change).await {
        Ok(_row) => Ok(visitor.go(&doorway, &page_of(&id), notice)),
        Err(Refusal::Invalid(flaws)) => {
            let trouble = flaws.into_iter().map(|flaw| flaw_in_words(&flaw.pointer, &flaw.detail)).collect();
            station::page(&house, &doorway, &visitor, &id, StatusCode::UNPROCESSABLE_ENTITY, trouble).await
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// `/location_id: there is no …` becomes `Location id: there is no …`.
pub(super) fn flaw_in_words(pointer: &str, detail: &str) -> String {
    let name = pointer.trim_start_matches('/').replace(['/', '_'], " ");
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => format!("{}{}: {detail}", first.to_uppercase(), letters.as_str()),
        None => detail.to_owned(),
    }
}

fn page_of(id: &StationId) -> String {
    format!("/charging-stations/{}", path_segment(id.as_str()))
}

impl CommandForm {
    /// What is to be done, in words and as a command.
    fn read(&self) -> Result<(&'static str, StationCommand), String> {
        let evse_id = self.evse_id()?;
        Ok(match self.action.as_str() {
            "start" => {
                let uid =
                    TokenUid::new(self.token.trim()).map_err(|cause| format!("For whom? The {cause}."))?;
                let token = IdToken { uid, kind: TokenKind::Central };
                let remote_start_id = new_remote_start_id();
                ("Remote start", StationCommand::StartTransaction { evse_id, token, remote_start_id })
            }
            "stop" => {
                let transaction_id =
                    TransactionId::new(&self.transaction).map_err(|cause| format!("The {cause}."))?;
                ("Stop", StationCommand::StopTransaction { transaction_id })
            }
            "reset" => ("Restart", StationCommand::Reset { kind: ResetKind::Immediate, evse_id: None }),
            "reset_on_idle" => {
                ("Restart when idle", StationCommand::Reset { kind: ResetKind::OnIdle, evse_id: None })
            }
            "unlock" => {
                let evse_id =
                    evse_id.ok_or_else(|| "Choose the EVSE whose connector is to be unlocked.".to_owned())?;
                ("Unlock", StationCommand::UnlockConnector { evse_id, connector_id: ConnectorId(1) })
            }
            "operative" => ("Into service", availability(true, evse_id)),
            "inoperative" => ("Out of service", availability(false, evse_id)),
            "status" => {
                let message = TriggeredMessage::StatusNotification;
                ("Ask for status", StationCommand::Trigger { message, evse_id })
            }
            _ => return Err("There is no such command.".to_owned()),
        })
    }

    fn evse_id(&self) -> Result<Option<EvseId>, String> {
        if self.evse.is_empty() {
            return Ok(None);
        }
        self.evse
            .parse()
            .map(|id| Some(EvseId(id)))
            .map_err(|_no_number| "That is not the number of an EVSE.".to_owned())
    }
}

fn availability(operative: bool, evse_id: Option<EvseId>) -> StationCommand {
    StationCommand::ChangeAvailability { operative, evse_id, connector_id: None }
}

impl OutcomePart {
    const fn not_sent(text: String) -> Self {
        Self { tone: "bad", what: "Not sent", text, detail: None, response: None }
    }

    fn of(what: &'static str, result: Option<CommandResult>) -> Self {
        let Some(result) = result else {
            let text = "It is still going on. Its end will stand in the list of commands.".to_owned();
            return Self { tone: "warn", what, text, detail: None, response: None };
        };
        let (tone, text) = in_words(result.outcome);
        Self {
            tone,
            what,
            text: text.to_owned(),
            // Of an agreement there is nothing to explain.
            detail: result.detail.filter(|_| result.outcome != CommandOutcome::Accepted).map(Into::into),
            response: result.response.map(Into::into),
        }
    }
}

/// Each outcome says whether the station can have seen the command, and whether to try again.
const fn in_words(outcome: CommandOutcome) -> (&'static str, &'static str) {
    match outcome {
        CommandOutcome::Accepted => ("good", "The station agreed."),
        CommandOutcome::Rejected => ("bad", "The station refused."),
        CommandOutcome::CallError => ("bad", "The station answered with an error."),
        CommandOutcome::Offline => ("bad", "The station is not connected. Nothing was sent."),
        CommandOutcome::Superseded => {
            ("warn", "The station was just reconnecting. Nothing was sent: try again.")
        }
        CommandOutcome::StationBusy => {
            ("warn", "Too many commands wait for this station. Nothing was sent: try again later.")
        }
        CommandOutcome::NotSentDeadline => {
            ("warn", "It could not be sent in time. Nothing was sent: try again.")
        }
        CommandOutcome::TimeoutUnknown => (
            "warn",
            "It was sent, but no answer came in time. The station may have done it: look before you try again.",
        ),
        CommandOutcome::NodeUnreachableNotSent => {
            ("warn", "The node that holds the station could not be reached. Nothing was sent: try again.")
        }
        CommandOutcome::NodeUnreachableUnknown => (
            "warn",
            "The node that holds the station was lost. The station may have done it: look before you try again.",
        ),
        CommandOutcome::NotSupported => {
            ("bad", "The station's protocol version has no such command. Nothing was sent.")
        }
        CommandOutcome::Draining => {
            ("warn", "This node is leaving and takes no commands. Nothing was sent: try again.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_says_what_the_station_may_have_seen() {
        for outcome in CommandOutcome::ALL {
            let (_, text) = in_words(outcome);
            let (_, most) = outcome.calls_delivered();
            assert_eq!(text.contains("Nothing was sent"), most == 0, "{outcome:?}");
            let unsure = outcome.calls_delivered() == (0, 1);
            assert_eq!(text.contains("may have done it"), unsure, "{outcome:?}");
        }
    }

    #[test]
    fn a_flaw_is_told_in_words() {
        assert_eq!(flaw_in_words("/location_id", "there is none"), "Location id: there is none");
        assert_eq!(flaw_in_words("/elements/0/components/1/price", "x"), "Elements 0 components 1 price: x");
        assert_eq!(flaw_in_words("", "x"), "x");
    }
}
