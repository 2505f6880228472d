//! `cdrs`: frozen bill records.

use actix_web::{HttpResponse, web};
use ringmain_domain::cdr::{Cdr, CdrKind};
use ringmain_domain::id::{
    CdrId, ConnectorId, EvseId, LocationId, SessionId, StationId, TariffId, TokenUid, TransactionId,
};
use ringmain_domain::meter::SignatureVerdict;
use ringmain_domain::tariff::pricing::breakdown::{CostBreakdown, CostLine};
use ringmain_store::cdrs::CdrFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Authorized;
use super::extract::{Path, Query};
use super::fields::{Amount, CostBody, Instant};
use super::metered::MeteredBody;
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use super::sessions::StatusBody;
use super::transactions::SignedBody;
use crate::house::House;
use crate::services::cdr_export;
use crate::services::sessions::flag_name;
use crate::services::tokens::kind_name;

const LIST: &str = "cdrs";
const MS_PER_SECOND: i64 = 1000;

/// Which bill records.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// At this station.
    #[param(value_type = Option<String>)]
    charging_station_id: Option<StationId>,
    /// At this location.
    #[param(value_type = Option<String>)]
    location_id: Option<LocationId>,
    /// Of this token.
    #[param(value_type = Option<String>)]
    token_uid: Option<TokenUid>,
    /// Made at this instant or later.
    created_at_from: Option<Instant>,
    /// Made before this instant.
    created_at_to: Option<Instant>,
    /// Of this kind.
    #[param(inline)]
    kind: Option<KindBody>,
}

/// Which page of which bill records.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Items on the page, 1 to 1,000; 100 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    #[serde(flatten)]
    #[param(ignore)]
    filter: FilterQuery,
}

/// What a bill record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum KindBody {
    /// The first bill of a session.
    Bill,
    /// It takes another one back.
    Credit,
    /// A bill in the place of one that was taken back.
    Correction,
}

/// A bill record: what a session was when it was billed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CdrBody {
    #[schema(value_type = String, format = Uuid)]
    id: CdrId,
    #[schema(value_type = String, format = Uuid)]
    session_id: SessionId,
    /// 0 is the first; a correction is a credit and a new record, each with the next number.
    revision: u32,
    kind: KindBody,
    /// The record this one takes back, whole; its cost has the opposite sign. Null for a bill.
    #[schema(value_type = Option<String>, format = Uuid)]
    credits_cdr_id: Option<CdrId>,
    #[schema(value_type = String)]
    charging_station_id: StationId,
    #[schema(value_type = Option<u32>)]
    evse_id: Option<EvseId>,
    #[schema(value_type = Option<u32>)]
    connector_id: Option<ConnectorId>,
    #[schema(value_type = String)]
    transaction_id: TransactionId,
    #[schema(value_type = Option<String>)]
    token_uid: Option<TokenUid>,
    token_kind: Option<String>,
    /// Only completed sessions are billed.
    status: StatusBody,
    started_at: Instant,
    ended_at: Instant,
    energy_wh: i64,
    /// Time in which energy flowed.
    charging_s: i64,
    /// Time in which none did.
    parked_s: i64,
    meter_first_wh: Option<i64>,
    meter_last_wh: Option<i64>,
    /// Null when no tariff applied: charging was free.
    cost: Option<CostBody>,
    /// Why it costs that.
    breakdown: Option<BreakdownBody>,
    /// What was unusual about the session when it was billed.
    #[schema(example = json!(["offline"]))]
    flags: Vec<&'static str>,
    /// What the signed values are worth together: `valid`, `unknown_key`, `unsupported`, `unreadable` or `invalid`; null without any.
    #[schema(example = "valid")]
    signature: Option<&'static str>,
    /// What they say together; null without any that can be read.
    metered: Option<MeteredBody>,
    /// Signed meter values, bit for bit as the station sent them.
    signed_values: Vec<SignedBody>,
    created_at: Instant,
}

/// A cost with its reasons.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BreakdownBody {
    #[schema(value_type = String)]
    tariff_id: TariffId,
    #[schema(example = "EUR")]
    currency: String,
    /// One for each element of the tariff that priced something, in the order of their kinds and of time.
    lines: Vec<LineBody>,
    total: CostBody,
    /// The sum of the lines before rounding; null in records that older versions made.
    unrounded: Option<CostBody>,
    /// The decimals to which the total is rounded, halves away from zero, once.
    rounding_digits: Option<u32>,
    /// The time zone in which times of day and dates were read.
    time_zone: Option<String>,
}

/// One reason for a part of a cost.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineBody {
    /// The index of the tariff's element; null for a limit, which is the tariff's own.
    element: Option<usize>,
    /// `flat`, `energy`, `time`, `parking_time`, `reservation_flat`, `reservation_time`, `minimum_price` or `maximum_price`.
    #[schema(example = "energy")]
    dimension: &'static str,
    #[schema(value_type = Option<String>)]
    tariff_id: Option<TariffId>,
    /// When the version of the tariff that made the line came into force.
    tariff_from: Option<Instant>,
    /// From when it was used.
    period_from: Option<Instant>,
    /// Until when it was used.
    period_to: Option<Instant>,
    /// How much is billed: kWh, hours or sessions, after rounding up to the step.
    quantity: Amount,
    /// What was used before that.
    used: Amount,
    /// The price of one.
    unit_price: Amount,
    tax_percent: Option<Amount>,
    excl_tax: Amount,
    tax: Amount,
    incl_tax: Amount,
}

/// Bill records, newest first.
#[utoipa::path(get, path = "/api/v1/cdrs", tag = "cdrs", params(ListQuery, FilterQuery),
    responses((status = 200, body = ListBody<CdrBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let page = house.store.cdrs(&caller.tenant, &query.filter.into(), &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, CdrBody::from)))
}

/// All bill records that fit as CSV (RFC 4180, UTF-8), newest first, with the names of the columns in the first line. Instants are RFC 3339,
/// amounts decimal numbers. A cell that a spreadsheet would take for a formula has an apostrophe before it. A text that breaks off
/// without the end of its last chunk is not whole.
#[utoipa::path(get, path = "/api/v1/cdrs.csv", tag = "cdrs", params(FilterQuery),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn export(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<FilterQuery>,
) -> Result<HttpResponse, Problem> {
    Ok(cdr_export::download(&house.store, &caller.tenant, query.into()).await?)
}

/// One bill record.
#[utoipa::path(get, path = "/api/v1/cdrs/{id}", tag = "cdrs", params(("id" = String, Path)),
    responses((status = 200, body = CdrBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<CdrId>,
) -> Result<HttpResponse, Problem> {
    let found = house.store.cdr(&caller.tenant, id).await?;
    let cdr = found.ok_or_else(|| Problem::absent("CDR", id))?;
    Ok(HttpResponse::Ok().json(CdrBody::from(cdr)))
}

impl From<FilterQuery> for CdrFilter {
    fn from(query: FilterQuery) -> Self {
        Self {
            station: query.charging_station_id,
            location_id: query.location_id,
            token: query.token_uid,
            from: query.created_at_from.map(|at| at.0),
            to: query.created_at_to.map(|at| at.0),
            kind: query.kind.map(Into::into),
        }
    }
}

impl From<CdrKind> for KindBody {
    fn from(kind: CdrKind) -> Self {
        match kind {
            CdrKind::Bill => Self::Bill,
            CdrKind::Credit => Self::Credit,
            CdrKind::Correction => Self::Correction,
        }
    }
}

impl From<KindBody> for CdrKind {
    fn from(kind: KindBody) -> Self {
        match kind {
            KindBody::Bill => Self::Bill,
            KindBody::Credit => Self::Credit,
            KindBody::Correction => Self::Correction,
        }
    }
}

impl From<Cdr> for CdrBody {
    fn from(cdr: Cdr) -> Self {
        let kind = cdr.kind().into();
        let cost = cdr.breakdown.as_ref().map(|breakdown| CostBody::new(breakdown.currency, breakdown.total));
        let (token_uid, token_kind) =
            cdr.token.map(|token| (token.uid, kind_name(&token.kind).to_owned())).unzip();
        Self {
            id: cdr.id,
            session_id: cdr.session_id,
            revision: cdr.revision,
            kind,
            charging_station_id: cdr.station,
            evse_id: cdr.evse,
            connector_id: cdr.connector,
            transaction_id: cdr.transaction,
            token_uid,
            token_kind,
            status: StatusBody::Completed,
            started_at: cdr.started_at.into(),
            ended_at: cdr.ended_at.into(),
            energy_wh: cdr.energy.0,
            charging_s: cdr.charging_ms / MS_PER_SECOND,
            parked_s: cdr.parked_ms / MS_PER_SECOND,
            meter_first_wh: cdr.meter_first_wh,
            meter_last_wh: cdr.meter_last_wh,
            cost,
            breakdown: cdr.breakdown.map(BreakdownBody::from),
            credits_cdr_id: cdr.credits,
            flags: cdr.flags.into_iter().map(flag_name).collect(),
            signature: cdr.signature.map(SignatureVerdict::as_str),
            metered: cdr.metered.map(MeteredBody::from),
            signed_values: cdr.signed_values.into_iter().map(SignedBody::from).collect(),
            created_at: cdr.created_at.into(),
        }
    }
}

impl From<CostBreakdown> for BreakdownBody {
    fn from(breakdown: CostBreakdown) -> Self {
        Self {
            total: CostBody::new(breakdown.currency, breakdown.total),
            tariff_id: breakdown.tariff_id,
            currency: breakdown.currency.to_string(),
            lines: breakdown.lines.iter().map(LineBody::from).collect(),
            unrounded: breakdown.unrounded.map(|sum| CostBody::new(breakdown.currency, sum)),
            rounding_digits: breakdown.rounding.map(|rounding| rounding.digits),
            time_zone: breakdown.time_zone.map(Into::into),
        }
    }
}

impl From<&CostLine> for LineBody {
    fn from(line: &CostLine) -> Self {
        Self {
            element: line.element,
            dimension: line.kind.as_str(),
            tariff_id: line.tariff_id.clone(),
            tariff_from: line.tariff_from.map(Into::into),
            period_from: line.period.map(|period| period.from.into()),
            period_to: line.period.map(|period| period.to.into()),
            quantity: line.quantity.into(),
            used: line.used.into(),
            unit_price: line.unit_price.into(),
            tax_percent: line.tax_percent.map(Into::into),
            excl_tax: line.excl_tax.into(),
            tax: line.tax.into(),
            incl_tax: line.incl_tax.into(),
        }
    }
}
