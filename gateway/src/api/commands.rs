//! `commands`: typed and raw orders to stations, and how they ended.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use ringmain_domain::command::{CommandResult, StationCommand};
use ringmain_domain::id::{CommandId, StationId};
use ringmain_ocpp::action::{Action, Direction};
use ringmain_store::commands::CommandRecord;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::auth::Authorized;
use super::commands_typed::CommandForm;
use super::extract::{Body, Path, Query, parse, read_body};
use super::fields::Instant;
use super::paging::{self, ListBody};
use super::problem::{Kind, Problem, ProblemBody};
use crate::clock;
use crate::house::House;
use crate::services::commands::{self as service, DEADLINE_MAX_S, DEFAULT_DEADLINE_S, Given};
use crate::services::remote_starts;

const LIST: &str = "commands";
/// How long a caller waits for the outcome, unless it says otherwise, and at most.
const WAIT_DEFAULT_S: u32 = 30;
const WAIT_MAX_S: u32 = 60;

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Wait so many seconds for the outcome, 0 to 60; 30 when absent.
    wait_s: Option<u32>,
    /// After so many seconds the command has ended one way or another, 1 to 600; 30 when absent.
    deadline_s: Option<u32>,
}

/// Which commands.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CommandsQuery {
    /// Items on the page, 1 to 1,000; 100 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// To this station.
    #[param(value_type = Option<String>)]
    charging_station_id: Option<StationId>,
}

/// How a command ended, as far as is known.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnswerBody {
    #[schema(value_type = String, format = Uuid)]
    id: CommandId,
    /// `accepted`, `rejected`, `call_error`, `offline`, `superseded`, `station_busy`, `not_sent_deadline`, `timeout_unknown`,
    /// `node_unreachable_not_sent`, `node_unreachable_unknown`, `not_supported`, `draining`; null while it goes on.
    #[schema(example = "accepted")]
    outcome: Option<&'static str>,
    /// The station's raw answer.
    #[schema(value_type = Option<Object>)]
    response: Option<Box<RawValue>>,
    /// For people: what was wrong, where that is known.
    detail: Option<String>,
}

/// A command and how it ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CommandBody {
    #[schema(value_type = String, format = Uuid)]
    id: CommandId,
    #[schema(value_type = String)]
    charging_station_id: StationId,
    command: CommandForm,
    created_at: Instant,
    created_by: String,
    /// By when it must have ended.
    deadline_at: Instant,
    ended_at: Option<Instant>,
    /// Null while it goes on.
    #[schema(example = "accepted")]
    outcome: Option<&'static str>,
    /// The station's raw answer.
    #[schema(value_type = Option<Object>)]
    response: Option<Box<RawValue>>,
    detail: Option<String>,
}

/// Gives a station a typed command, the same for all protocol versions.
#[utoipa::path(post, path = "/api/v1/charging-stations/{id}/commands", tag = "commands",
    params(("id" = String, Path), WaitQuery), request_body = CommandForm,
    responses((status = 200, body = AnswerBody, description = "it ended"),
        (status = 202, body = AnswerBody, description = "it goes on: ask for its record"),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn give(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<StationId>,
    Query(query): Query<WaitQuery>,
    Body(fields): Body<Map<String, Value>>,
) -> Result<HttpResponse, Problem> {
    let (wait, deadline_s) = query.check()?;
    let form = CommandForm::read(fields)?;
    let command = match form.token_to_stop()? {
        Some(uid) => StationCommand::StopTransaction {
            transaction_id: remote_starts::transaction_of(&house, &caller, &id, &uid).await?,
        },
        None => form.into_domain(clock::now())?,
    };
    if let StationCommand::Raw { action, .. } = &command {
        check_action(action)?;
    }
    answer(service::give(&house, &caller, &id, command, deadline_s).await?, wait).await
}

/// Sends a station any action of its own protocol version with a raw payload.
#[utoipa::path(post, path = "/api/v1/charging-stations/{id}/ocpp/{action}", tag = "commands",
    params(("id" = String, Path), ("action" = String, Path, description = "as in the standard, such as `TriggerMessage`"),
        WaitQuery), request_body(content = Object, description = "the action's payload"),
    responses((status = 200, body = AnswerBody, description = "it ended"),
        (status = 202, body = AnswerBody, description = "it goes on: ask for its record"),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn give_raw(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path((id, action)): Path<(StationId, String)>,
    Query(query): Query<WaitQuery>,
    _request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let (wait, deadline_s) = query.check()?;
    check_action(&action)?;
    let bytes = read_body(payload.into_inner()).await?;
    let command = StationCommand::Raw { action: action.into(), payload: raw_object(&bytes)? };
    answer(service::give(&house, &caller, &id, command, deadline_s).await?, wait).await
}

/// Commands, newest first. A page ends early where commands and answers are large, with more than 8 MiB of text.
#[utoipa::path(get, path = "/api/v1/commands", tag = "commands", params(CommandsQuery),
    responses((status = 200, body = ListBody<CommandBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<CommandsQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let page = house.store.commands(&caller.tenant, query.charging_station_id.as_ref(), &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, CommandBody::from)))
}

/// One command.
#[utoipa::path(get, path = "/api/v1/commands/{id}", tag = "commands", params(("id" = String, Path)),
    responses((status = 200, body = CommandBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<CommandId>,
) -> Result<HttpResponse, Problem> {
    let found = house.store.command(&caller.tenant, id).await?;
    let record = found.ok_or_else(|| Problem::absent("command", id))?;
    Ok(HttpResponse::Ok().json(CommandBody::from(record)))
}

async fn answer(given: Given, wait: Duration) -> Result<HttpResponse, Problem> {
    let id = given.id;
    let (status, result) = match given.wait(wait).await {
        Some(result) => (actix_web::http::StatusCode::OK, Some(result)),
        None => (actix_web::http::StatusCode::ACCEPTED, None),
    };
    let (outcome, response, detail) = parts(result);
    Ok(HttpResponse::build(status).json(AnswerBody { id, outcome, response, detail }))
}

fn parts(result: Option<CommandResult>) -> (Option<&'static str>, Option<Box<RawValue>>, Option<String>) {
    let Some(result) = result else { return (None, None, None) };
    let response = result.response.and_then(|text| raw(String::from(text)));
    (Some(result.outcome.as_str()), response, result.detail.map(Into::into))
}

/// JSON text as it is; anything else as a JSON string.
fn raw(text: String) -> Option<Box<RawValue>> {
    let quoted = serde_json::to_string(&text).ok()?;
    RawValue::from_string(text).or_else(|_no_json| RawValue::from_string(quoted)).ok()
}

/// Only actions that some version lets us send: everything else would be a mistake of the caller's.
fn check_action(name: &str) -> Result<(), Problem> {
    let known = Action::ALL.iter().any(|action| {
        action.as_str() == name && matches!(action.row().direction, Direction::ToStation | Direction::Both)
    });
    if known {
        return Ok(());
    }
    Err(Problem::new(
        Kind::NotFound,
        format!("no protocol version has an action {name:?} that stations are sent"),
    ))
}

/// A payload as its sender wrote it: numbers keep their digits. No body at all is an empty object.
fn raw_object(bytes: &[u8]) -> Result<Box<str>, Problem> {
    if bytes.trim_ascii().is_empty() {
        return Ok("{}".into());
    }
    parse::<std::collections::BTreeMap<String, IgnoredAny>>(bytes)?;
    let text = std::str::from_utf8(bytes).map_err(|cause| Problem::new(Kind::NotJson, cause.to_string()))?;
    Ok(text.trim().into())
}

impl WaitQuery {
    fn check(&self) -> Result<(Duration, u32), Problem> {
        let wait_s = self.wait_s.unwrap_or(WAIT_DEFAULT_S);
        if wait_s > WAIT_MAX_S {
            return Err(Problem::new(
                Kind::BadRequest,
                format!("wait_s is {wait_s}, but must be 0 to {WAIT_MAX_S}"),
            ));
        }
        let deadline_s = self.deadline_s.unwrap_or(DEFAULT_DEADLINE_S);
        if !(1..=DEADLINE_MAX_S).contains(&deadline_s) {
            let detail = format!("deadline_s is {deadline_s}, but must be 1 to {DEADLINE_MAX_S}");
            return Err(Problem::new(Kind::BadRequest, detail));
        }
        Ok((Duration::from_secs(u64::from(wait_s)), deadline_s))
    }
}

impl From<CommandRecord> for CommandBody {
    fn from(record: CommandRecord) -> Self {
        let (outcome, response, detail) = parts(record.result);
        Self {
            id: record.id,
            charging_station_id: record.station,
            command: record.command.into(),
            created_at: record.created_at.into(),
            created_by: record.created_by.into(),
            deadline_at: record.deadline.into(),
            ended_at: record.ended_at.map(Into::into),
            outcome,
            response,
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_actions_for_stations_are_sent() {
        for (name, known) in [
            ("Reset", true),
            ("TriggerMessage", true),
            ("DataTransfer", true),
            ("RemoteStartTransaction", true),
            ("RequestStartTransaction", true),
            ("BootNotification", false),
            ("reset", false),
            ("Fly", false),
        ] {
            assert_eq!(check_action(name).is_ok(), known, "{name}");
        }
    }

    #[test]
    fn a_raw_payload_keeps_its_digits() {
        assert_eq!(&*raw_object(b" {\"a\": 1.500} ").unwrap(), "{\"a\": 1.500}");
        assert_eq!(&*raw_object(b"").unwrap(), "{}");
        assert_eq!(raw_object(b"[]").unwrap_err().kind(), Kind::Invalid);
        assert_eq!(raw_object(b"{").unwrap_err().kind(), Kind::NotJson);
    }

    #[test]
    fn an_answer_that_is_no_json_is_shown_as_text() {
        assert_eq!(raw("{\"status\":\"Accepted\"}".into()).unwrap().get(), "{\"status\":\"Accepted\"}");
        assert_eq!(raw("cut {".into()).unwrap().get(), "\"cut {\"");
    }
}
