//! `transactions`: OCPP's unit, with every stored message about it; for those who must know what a station really said.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{ConnectorId, EvseId, SessionId, StationId, TokenUid, TransactionId};
use ringmain_domain::meter::{Measurand, Sample, SignatureVerdict, SignedValue};
use ringmain_domain::session::Session;
use ringmain_domain::transaction::TransactionFact;
use ringmain_store::sessions::SessionFilter;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::auth::Authorized;
use super::extract::{Path, Query};
use super::fields::Instant;
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use super::sessions::StatusBody;
use crate::house::House;

const LIST: &str = "transactions";
const FACTS: &str = "transaction-facts";

/// Which transactions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TransactionsQuery {
    /// Items on the page, 1 to 1,000; 100 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// At this station.
    #[param(value_type = Option<String>)]
    charging_station_id: Option<StationId>,
    /// In this status.
    #[param(inline)]
    status: Option<StatusBody>,
}

/// Which of a transaction's stored messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FactsQuery {
    /// Messages on the page, 1 to 1,000; 100 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A transaction.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TransactionBody {
    /// As its station knows it; unique only together with the station.
    #[schema(value_type = String)]
    id: TransactionId,
    #[schema(value_type = String)]
    charging_station_id: StationId,
    #[schema(value_type = String, format = Uuid)]
    session_id: SessionId,
    #[schema(value_type = Option<u32>)]
    evse_id: Option<EvseId>,
    #[schema(value_type = Option<u32>)]
    connector_id: Option<ConnectorId>,
    #[schema(value_type = Option<String>)]
    token_uid: Option<TokenUid>,
    status: StatusBody,
    started_at: Instant,
    ended_at: Option<Instant>,
    energy_wh: i64,
    stop_reason: Option<String>,
    /// How many messages of the station count for it.
    facts_count: u32,
}

/// A transaction with what its station said about it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TransactionDetailBody {
    transaction: TransactionBody,
    /// The stored messages, in the station's order.
    facts: Vec<FactBody>,
    /// Give this as `cursor` to get more messages; null when these are the last.
    next_cursor: Option<String>,
}

/// One stored message about a transaction.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FactBody {
    /// What makes a repeat a repeat, unique within the transaction.
    key: String,
    #[schema(example = "started")]
    phase: Value,
    #[schema(value_type = Option<u32>)]
    evse_id: Option<EvseId>,
    #[schema(value_type = Option<u32>)]
    connector_id: Option<ConnectorId>,
    #[schema(value_type = Option<String>)]
    token_uid: Option<TokenUid>,
    authorization: Option<&'static str>,
    /// The station's time.
    observed_at: Instant,
    /// Our time.
    received_at: Instant,
    /// Why the station sent it.
    trigger: String,
    #[schema(example = "suspended_ev")]
    charging_state: Option<Value>,
    stop_reason: Option<String>,
    /// It came from the station's queue.
    offline: bool,
    remote_start_id: Option<i32>,
    /// Some time in it could not be right; ours, or the message's, was taken.
    time_repaired: bool,
    /// It named no transaction, and this is the only one it can be about.
    adopted: bool,
    /// It is kept beside the transaction and prices nothing.
    aside: bool,
    samples: Vec<SampleBody>,
    /// Set when it is not the station's word but a ruling: what was ruled, and by whom.
    #[schema(value_type = Option<Object>)]
    ruling: Option<Value>,
}

/// One measured value.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SampleBody {
    observed_at: Instant,
    #[schema(example = "energy_import_register")]
    measurand: String,
    /// In `unit`.
    value: i64,
    /// `Wh`, `W`, `mA`, `mV`, `permille`, or `1/1000` of the station's unit.
    unit: &'static str,
    phase: Option<Value>,
    location: Value,
    context: Value,
    /// The signed form, bit for bit as the station sent it.
    signed: Option<SignedBody>,
}

/// A signed meter value.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignedBody {
    data: String,
    encoding: String,
    method: String,
    public_key: String,
    /// What the signature was worth when the value came in: `valid`, `invalid`, `unknown_key`, `unsupported` or `unreadable`.
    #[schema(example = "valid")]
    verdict: Option<&'static str>,
}

/// Transactions, newest start first.
#[utoipa::path(get, path = "/api/v1/transactions", tag = "transactions", params(TransactionsQuery),
    responses((status = 200, body = ListBody<TransactionBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<TransactionsQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let filter = SessionFilter {
        station: query.charging_station_id,
        status: query.status.map(Into::into),
        ..SessionFilter::default()
    };
    let page = house.store.sessions(&caller.tenant, &filter, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, TransactionBody::from)))
}

/// One transaction with its stored messages.
#[utoipa::path(get, path = "/api/v1/transactions/{charging_station_id}/{transaction_id}", tag = "transactions",
    params(("charging_station_id" = String, Path), ("transaction_id" = String, Path), FactsQuery),
    responses((status = 200, body = TransactionDetailBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path((station, transaction)): Path<(StationId, TransactionId)>,
    Query(query): Query<FactsQuery>,
) -> Result<HttpResponse, Problem> {
    let limit = usize::try_from(paging::limit(query.limit)?).unwrap_or(usize::MAX);
    let after = query.cursor.as_deref().map(|cursor| paging::open(FACTS, cursor)).transpose()?;
    let id = SessionId::derive(&caller.tenant, &station, &transaction);
    let found = house.store.session(&caller.tenant, id).await?;
    let session = found.ok_or_else(|| Problem::absent("transaction", &transaction))?;
    // The store gives at most 20,000, by their keys.
    let facts = house.store.transaction_facts(&caller.tenant, &station, &transaction).await?;
    let is_next = |fact: &TransactionFact| after.as_ref().is_none_or(|after| fact.key.stored() > *after);
    let mut facts = facts.into_iter().filter(is_next).map(FactBody::from);
    let page: Vec<_> = facts.by_ref().take(limit).collect();
    let last = page.last().filter(|_| facts.next().is_some());
    let next_cursor = last.map(|fact| paging::seal(FACTS, &fact.key));
    let body = TransactionDetailBody { transaction: session.into(), facts: page, next_cursor };
    Ok(HttpResponse::Ok().json(body))
}

/// A closed list of the domain by its own name there.
fn name(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A measurand's name and the unit of its values.
fn measurand(measurand: &Measurand) -> (&str, &'static str) {
    match measurand {
        Measurand::EnergyImportRegister => ("energy_import_register", "Wh"),
        Measurand::EnergyExportRegister => ("energy_export_register", "Wh"),
        Measurand::EnergyImportInterval => ("energy_import_interval", "Wh"),
        Measurand::PowerImport => ("power_import", "W"),
        Measurand::PowerExport => ("power_export", "W"),
        Measurand::PowerOffered => ("power_offered", "W"),
        Measurand::CurrentImport => ("current_import", "mA"),
        Measurand::CurrentOffered => ("current_offered", "mA"),
        Measurand::Voltage => ("voltage", "mV"),
        Measurand::StateOfCharge => ("state_of_charge", "permille"),
        Measurand::Other(name) => (name, "1/1000"),
    }
}

impl From<Session> for TransactionBody {
    fn from(session: Session) -> Self {
        Self {
            id: session.transaction,
            charging_station_id: session.station,
            session_id: session.id,
            evse_id: session.evse,
            connector_id: session.connector,
            token_uid: session.token.map(|token| token.uid),
            status: session.status.into(),
            started_at: session.started_at.into(),
            ended_at: session.ended_at.map(Into::into),
            energy_wh: session.energy.0,
            stop_reason: session.stop_reason.map(Into::into),
            facts_count: session.facts,
        }
    }
}

impl From<TransactionFact> for FactBody {
    fn from(fact: TransactionFact) -> Self {
        Self {
            key: fact.key.stored(),
            phase: name(fact.phase),
            evse_id: fact.evse,
            connector_id: fact.connector,
            token_uid: fact.token.map(|token| token.uid),
            authorization: fact.authorization.map(|authorization| authorization.as_str()),
            observed_at: fact.observed_at.into(),
            received_at: fact.received_at.into(),
            trigger: fact.trigger.into(),
            charging_state: fact.charging_state.map(name),
            stop_reason: fact.stop_reason.map(Into::into),
            offline: fact.offline,
            remote_start_id: fact.remote_start_id,
            time_repaired: fact.time_repaired,
            adopted: fact.adopted,
            aside: fact.aside,
            samples: fact.samples.into_iter().map(SampleBody::from).collect(),
            ruling: fact.ruling.map(name),
        }
    }
}

impl From<Sample> for SampleBody {
    fn from(sample: Sample) -> Self {
        let (measurand, unit) = measurand(&sample.measurand);
        let measurand = measurand.to_owned();
        Self {
            observed_at: sample.observed_at.into(),
            measurand,
            value: sample.value,
            unit,
            phase: sample.phase.map(name),
            location: name(sample.location),
            context: name(sample.context),
            signed: sample.signed.map(|signed| SignedBody::from(*signed)),
        }
    }
}

impl From<SignedValue> for SignedBody {
    fn from(signed: SignedValue) -> Self {
        Self {
            data: signed.data.into(),
            encoding: signed.encoding.into(),
            method: signed.method.into(),
            public_key: signed.public_key.into(),
            verdict: signed.verdict.map(SignatureVerdict::as_str),
        }
    }
}
