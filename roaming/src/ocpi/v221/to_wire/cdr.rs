//! A bill record into OCPI 2.2.1, with the tariffs it was priced by as they were then.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_domain::cdr;
use ringmain_domain::meter::SignedValue;
use ringmain_domain::money;
use ringmain_domain::segment::Segment;
use ringmain_domain::tariff::Dimension;
use ringmain_domain::tariff::pricing::breakdown::{CostBreakdown, LineKind};
use ringmain_domain::time::Timestamp;
use ringmain_store::partners::PartnerRole;
use ringmain_store::partners::drivers::PartnerCdr;
use rust_decimal::Decimal;

use super::{
    CITY_MAX, HARDWARE, Hardware, NAME_MAX, NO_CURRENCY, NOT_APPLICABLE, POSTAL_CODE_MAX, auth_method,
    cdr_token, clip, connector_id, coordinates, hardware, hours, kwh, period, price, reference, tariff, uid,
};
use crate::ocpi::v221::types::cdr::{
    Cdr, CdrDimension, CdrDimensionType, CdrLocation, ChargingPeriod, SignedData, SignedValue as WireValue,
};
use crate::ocpi::v221::types::tariff::Price;
use crate::ocpi::values::DateTime;

/// The most characters of a signed value as it was signed, and in base64, of a key, and of an encoding's name (OCPI 2.2.1 mod_cdrs,
/// SignedData).
const PLAIN_DATA_MAX: usize = 5_000;
const SIGNED_DATA_MAX: usize = 5_000;
const PUBLIC_KEY_MAX: usize = 512;
const ENCODING_MAX: usize = 36;
/// The most characters of an address in a bill record: fewer than in a location (OCPI 2.2.1 mod_cdrs, CdrLocation).
const ADDRESS_MAX: usize = 45;
/// Decimals of a part of a cost (OCPI 2.2.1 types, number).
const PART_DIGITS: u32 = 4;

/// A bill record for the partner. `tariffs` are the versions it was priced by; where they are given, every period names its own.
#[must_use]
pub fn cdr(ours: &PartnerRole, from: &PartnerCdr, tariffs: &[ringmain_domain::tariff::Tariff]) -> Cdr {
    let PartnerCdr { cdr, session, owner, .. } = from;
    let breakdown = cdr.breakdown.as_ref();
    let free = money::Price { excl_tax: Decimal::ZERO, incl_tax: Decimal::ZERO };
    // Of a credit only the total is below zero (OCPI 2.2.1 mod_cdrs, credit CDRs).
    let parts = breakdown.map(|b| if cdr.credits.is_some() { b.negated() } else { b.clone() });
    let cost_of = |dimension| parts.as_ref()?.cost_of(LineKind::Usage(dimension)).map(part);
    Cdr {
        country_code: (&*ours.country_code).into(),
        party_id: (&*ours.party_id).into(),
        id: (&*cdr.id.to_string()).into(),
        start_date_time: DateTime(cdr.started_at),
        end_date_time: DateTime(cdr.ended_at),
        session_id: Some((&*cdr.session_id.to_string()).into()),
        cdr_token: cdr_token(owner, cdr.contract.as_deref(), cdr.token.as_ref()),
        auth_method: auth_method(session),
        authorization_reference: reference(cdr.contract.as_deref()),
        cdr_location: cdr_location(from),
        meter_id: None,
        currency: breakdown
            .map_or_else(|| NO_CURRENCY.to_owned(), |breakdown| breakdown.currency.to_string()),
        tariffs: tariffs.iter().map(|of| tariff::tariff(ours, of)).collect(),
        charging_periods: charging_periods(cdr, tariffs),
        signed_data: signed_data(cdr),
        total_cost: price(breakdown.map_or(free, |breakdown| breakdown.total)),
        total_fixed_cost: cost_of(Dimension::Flat),
        total_energy: kwh(cdr.energy),
        total_energy_cost: cost_of(Dimension::Energy),
        total_time: hours(cdr.ended_at.millis_since(cdr.started_at)),
        total_time_cost: cost_of(Dimension::Time),
        total_parking_time: Some(hours(cdr.parked_ms)),
        total_parking_cost: cost_of(Dimension::ParkingTime),
        total_reservation_cost: parts.as_ref().and_then(reservation_cost),
        remark: None,
        invoice_reference_id: None,
        credit: cdr.credits.is_some().then_some(true),
        credit_reference_id: cdr.credits.map(|id| (&*id.to_string()).into()),
        home_charging_compensation: None,
        last_updated: DateTime(cdr.created_at),
    }
}

/// Fee and time of a reservation together.
fn reservation_cost(breakdown: &CostBreakdown) -> Option<Price> {
    let costs = [LineKind::ReservationFlat, LineKind::ReservationTime].map(|kind| breakdown.cost_of(kind));
    let add = |a: money::Price, b: money::Price| money::Price {
        excl_tax: a.excl_tax + b.excl_tax,
        incl_tax: a.incl_tax + b.incl_tax,
    };
    costs.into_iter().flatten().reduce(add).map(part)
}

/// A part of a cost: not in coins, with the decimals that a number has.
fn part(cost: money::Price) -> Price {
    let digits = |amount: Decimal| amount.round_dp(PART_DIGITS).normalize();
    price(money::Price { excl_tax: digits(cost.excl_tax), incl_tax: digits(cost.incl_tax) })
}

fn cdr_location(from: &PartnerCdr) -> CdrLocation {
    let PartnerCdr { cdr, location, .. } = from;
    let evse = from.hardware.as_ref().filter(|evse| Some(evse.evse) == cdr.evse);
    let made = evse.and_then(|evse| evse.connector(cdr.connector)).map_or(HARDWARE, hardware);
    let Hardware { standard, format, power_type, .. } = made;
    CdrLocation {
        id: location.id.as_str().into(),
        name: Some(clip(&location.name, NAME_MAX)),
        address: clip(&location.address, ADDRESS_MAX),
        city: clip(&location.city, CITY_MAX),
        postal_code: location.postal_code.as_deref().map(|code| clip(code, POSTAL_CODE_MAX)),
        state: None,
        country: location.country.to_string(),
        coordinates: coordinates(location),
        evse_uid: uid(&cdr.tenant, &cdr.station, cdr.evse),
        evse_id: evse.and_then(|evse| evse.printed_id.as_deref()).unwrap_or(NOT_APPLICABLE).into(),
        connector_id: connector_id(cdr.connector),
        connector_standard: standard,
        connector_format: format,
        connector_power_type: power_type,
    }
}

/// The stretches the record is priced by. A record of before there were any is one period.
fn charging_periods(cdr: &cdr::Cdr, tariffs: &[ringmain_domain::tariff::Tariff]) -> Vec<ChargingPeriod> {
    let named = |from: Timestamp| tariff_at(from, tariffs).map(|tariff| tariff.id.as_str().into());
    if cdr.segments.is_empty() {
        let of = |kind, volume| CdrDimension { kind, volume };
        let mut dimensions = vec![
            of(CdrDimensionType::Energy, kwh(cdr.energy)),
            of(CdrDimensionType::Time, hours(cdr.charging_ms)),
        ];
        if cdr.parked_ms > 0 {
            dimensions.push(of(CdrDimensionType::ParkingTime, hours(cdr.parked_ms)));
        }
        let (from, tariff_id) = (cdr.started_at, named(cdr.started_at));
        return vec![ChargingPeriod { start_date_time: DateTime(from), dimensions, tariff_id }];
    }
    let period = |of: &Segment| ChargingPeriod { tariff_id: named(of.from), ..period(of) };
    cdr.segments.iter().map(period).collect()
}

/// The version in force: of those that have begun, the one that began last.
fn tariff_at(
    at: Timestamp,
    tariffs: &[ringmain_domain::tariff::Tariff],
) -> Option<&ringmain_domain::tariff::Tariff> {
    let began = |tariff: &&ringmain_domain::tariff::Tariff| tariff.valid_from.is_none_or(|from| from <= at);
    tariffs.iter().filter(began).max_by_key(|tariff| tariff.valid_from).or_else(|| tariffs.first())
}

/// Signed values bit for bit; none of them when one is longer than the specification allows, for half a proof is none.
fn signed_data(cdr: &cdr::Cdr) -> Option<SignedData> {
    let first = cdr.signed_values.first()?;
    let last = cdr.signed_values.len().saturating_sub(1);
    let nature = |index: usize| match index {
        0 => "Start",
        index if index == last => "End",
        _ => "Intermediate",
    };
    let value = |(index, signed): (usize, &SignedValue)| {
        let signed_data = STANDARD.encode(&*signed.data);
        let fits = signed.data.chars().count() <= PLAIN_DATA_MAX && signed_data.len() <= SIGNED_DATA_MAX;
        fits.then(|| WireValue {
            nature: nature(index).into(),
            plain_data: signed.data.to_string(),
            signed_data,
        })
    };
    let key = &first.public_key;
    let encoding =
        if first.encoding.is_empty() { "OCMF".to_owned() } else { clip(&first.encoding, ENCODING_MAX) };
    Some(SignedData {
        encoding_method: (&*encoding).into(),
        encoding_method_version: None,
        public_key: (!key.is_empty() && key.chars().count() <= PUBLIC_KEY_MAX).then(|| key.to_string()),
        signed_values: cdr.signed_values.iter().enumerate().map(value).collect::<Option<_>>()?,
        url: None,
    })
}
