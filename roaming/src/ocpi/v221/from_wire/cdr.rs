//! Another operator's bill record of one of our drivers. What it should cost is worked out by [`crate::ocpi::billing`] from the same document.

use ringmain_domain::id::TenantId;
use ringmain_domain::money::{Currency, Price};
use ringmain_domain::party::{Party, Role};
use ringmain_domain::roaming::Contract;
use ringmain_domain::segment::{Activity, Segment, Span};
use ringmain_domain::tariff::Tariff;
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::WattHours;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::session::{contract, currency, price};
use super::{THOUSAND, energy, id, party};
use crate::ocpi::reading::Fault;
use crate::ocpi::v221::types::cdr::{Cdr, CdrDimensionType, ChargingPeriod};
use crate::ocpi::values::Number;

/// The most characters of a record's id: three more than of others, for credits (OCPI 2.2.1 mod_cdrs).
const CDR_ID_MAX: usize = 39;

/// A bill of our driver by another operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignCdr {
    /// Whose station.
    pub owner: Party,
    /// The operator's id of it.
    pub id: Box<str>,
    /// The session it bills, as the operator names it; `None`: none was told of.
    pub session_id: Option<Box<str>>,
    /// Under what the driver charged.
    pub contract: Contract,
    /// Where: location, EVSE and connector as the operator names them.
    pub place: [Box<str>; 3],
    /// From.
    pub started_at: Timestamp,
    /// To.
    pub ended_at: Timestamp,
    /// Energy delivered.
    pub energy: WattHours,
    /// Its course, in order.
    pub segments: Vec<Segment>,
    /// The currency of the cost.
    pub currency: Currency,
    /// What it costs; of a credit below zero.
    pub cost: Price,
    /// The record that it takes back.
    pub credits: Option<Box<str>>,
    /// The tariffs it was priced by.
    pub tariffs: Vec<Tariff>,
    /// Signed values as they were signed.
    pub signed_values: Vec<Box<str>>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A bill record.
///
/// # Errors
/// An identifier, a currency, an amount or a tariff that is none; an end before the start; a credit that does not say what it takes back.
pub fn cdr(tenant: &TenantId, from: &Cdr) -> Result<ForeignCdr, Fault> {
    let (started_at, ended_at) = (from.start_date_time.0, from.end_date_time.0);
    if ended_at < started_at {
        return Err(Fault::new("/end_date_time", "is before the start"));
    }
    let credits = match (from.credit, &from.credit_reference_id) {
        (Some(true), None) => return Err(Fault::new("/credit_reference_id", "is missing in a credit")),
        (Some(true), Some(id)) => Some(id.as_str().into()),
        (Some(false) | None, _) => None,
    };
    if from.id.as_str().is_empty() || from.id.as_str().len() > CDR_ID_MAX {
        return Err(Fault::new("/id", format!("must have 1 to {CDR_ID_MAX} characters")));
    }
    let tariffs = from.tariffs.iter().enumerate().map(|(index, of)| {
        super::tariff::tariff(tenant, of).map_err(|fault| fault.below(&format!("/tariffs/{index}")))
    });
    let at = |fault: Fault| fault.below("/cdr_location");
    let place = &from.cdr_location;
    Ok(ForeignCdr {
        owner: party(&from.country_code, &from.party_id, Role::Cpo)?,
        id: from.id.as_str().into(),
        session_id: from.session_id.as_ref().map(|session| id("/session_id", session)).transpose()?,
        contract: contract(&from.cdr_token, from.auth_method, from.authorization_reference.as_ref())?,
        place: [
            id("/id", &place.id).map_err(at)?,
            id("/evse_uid", &place.evse_uid).map_err(at)?,
            id("/connector_id", &place.connector_id).map_err(at)?,
        ],
        started_at,
        ended_at,
        energy: energy("/total_energy", from.total_energy)?,
        segments: segments(&from.charging_periods, ended_at)?,
        currency: currency(&from.currency)?,
        cost: price(from.total_cost),
        credits,
        tariffs: tariffs.collect::<Result<_, _>>()?,
        signed_values: from
            .signed_data
            .iter()
            .flat_map(|data| &data.signed_values)
            .map(|one| one.plain_data.as_str().into())
            .collect(),
        updated_at: from.last_updated.0,
    })
}

/// A period lasts until the next begins, the last until the end: hours with four decimals are not exact.
fn segments(periods: &[ChargingPeriod], ended_at: Timestamp) -> Result<Vec<Segment>, Fault> {
    let mut periods: Vec<_> = periods.iter().enumerate().collect();
    periods.sort_by_key(|(_, period)| period.start_date_time);
    let ends = periods.iter().skip(1).map(|(_, period)| period.start_date_time.0).chain([ended_at]);
    let read = periods.iter().zip(ends).map(|((index, period), end)| {
        segment(period, end).map_err(|fault| fault.below(&format!("/charging_periods/{index}/dimensions")))
    });
    read.collect()
}

fn segment(period: &ChargingPeriod, end: Timestamp) -> Result<Segment, Fault> {
    let volume = |kind: CdrDimensionType| {
        period.dimensions.iter().find(|dimension| dimension.kind == kind).map(|dimension| dimension.volume)
    };
    let from = period.start_date_time.0;
    let activity = if volume(CdrDimensionType::ReservationTime).is_some() {
        Activity::Reserved
    } else if volume(CdrDimensionType::ParkingTime).is_some() && volume(CdrDimensionType::Time).is_none() {
        Activity::Idle
    } else {
        Activity::Charging
    };
    let wh = volume(CdrDimensionType::Energy).unwrap_or(Number(Decimal::ZERO));
    let watts = |kind| volume(kind).and_then(|kw| kw.0.checked_mul(THOUSAND)?.round().to_i64());
    let power = watts(CdrDimensionType::MinPower).zip(watts(CdrDimensionType::MaxPower));
    Ok(Segment {
        power_w: power.map(|(min, max)| Span { min, max }),
        ..Segment::new(from, end.max(from), energy("", wh)?, activity)
    })
}
