//! A partner's tariff as ours.

use ringmain_domain::id::{TariffId, TenantId};
use ringmain_domain::money::Currency;
use ringmain_domain::tariff::pricer::{CdrDocument, CdrPricerError};
use ringmain_domain::tariff::restriction::{ReservationKind, Restrictions};
use ringmain_domain::tariff::{
    Dimension, MAX_ELEMENTS, PriceComponent, PriceLimit, Tariff, TariffElement, TaxIncluded,
};
use ringmain_domain::time::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::{error, wire};

/// Stands where a partner's id is none of ours; it is only shown.
const UNNAMED: &str = "unnamed";

/// Reads a tariff of a document; `place` is where it stands in it.
pub(super) fn read(
    from: &wire::Tariff,
    document: CdrDocument,
    place: &str,
    notes: &mut Vec<Box<str>>,
) -> Result<Tariff, CdrPricerError> {
    let wrong = |field: &str, cause: String| error(document, format!("{place}/{field}"), cause);
    let currency = Currency::new(&from.currency).map_err(|cause| wrong("currency", cause.to_string()))?;
    let id = from.id.as_deref().and_then(|id| TariffId::new(id).ok());
    let id = id.map_or_else(|| TariffId::new(UNNAMED), Ok).map_err(|cause| wrong("id", cause.to_string()))?;
    if from.elements.len() > MAX_ELEMENTS {
        return Err(wrong("elements", format!("more than {MAX_ELEMENTS} elements")));
    }
    let mut note = |text: String| notes.push(text.into());
    let elements = from
        .elements
        .iter()
        .enumerate()
        .map(|(index, of)| element(of, &format!("{place}/elements/{index}"), &mut note))
        .collect();
    let updated_at = from.last_updated.map_or(Timestamp::default(), |at| at.0);
    Ok(Tariff {
        tax_included: tax_included(from, place, &mut note),
        min_price: from.min_price.map(limit),
        max_price: from.max_price.map(limit),
        valid_from: from.start_date_time.map(|at| at.0),
        valid_until: from.end_date_time.map(|at| at.0),
        ..Tariff::new(TenantId::default_tenant(), id, "", currency, elements, updated_at)
    })
}

fn tax_included(from: &wire::Tariff, place: &str, note: &mut impl FnMut(String)) -> TaxIncluded {
    match from.tax_included.as_deref() {
        Some("YES") => TaxIncluded::Yes,
        Some("N/A") => TaxIncluded::NotApplicable,
        Some("NO") | None => TaxIncluded::No,
        Some(other) => {
            note(format!("{place}/tax_included: {other:?} is unknown and read as NO"));
            TaxIncluded::No
        }
    }
}

fn limit(from: wire::Limit) -> PriceLimit {
    PriceLimit { excl_tax: from.excl_vat.0, incl_tax: from.incl_vat.map(|number| number.0) }
}

fn element(from: &wire::Element, place: &str, note: &mut impl FnMut(String)) -> TariffElement {
    let mut components: Vec<PriceComponent> = Vec::new();
    for (index, of) in from.price_components.iter().enumerate() {
        let place = format!("{place}/price_components/{index}");
        let Some(dimension) = dimension(&of.kind) else {
            note(format!("{place}/type: {:?} is unknown and not priced", of.kind));
            continue;
        };
        if components.iter().any(|earlier| earlier.dimension == dimension) {
            note(format!("{place}: {} is priced twice, the first counts", of.kind));
            continue;
        }
        components.push(PriceComponent {
            dimension,
            price: of.price.0,
            tax_percent: of.vat.map(|vat| vat.0),
            step_size: of.step_size.and_then(|step| whole(step.0)).unwrap_or_default().max(1),
        });
    }
    let restrictions = from.restrictions.as_ref().map(restrictions).unwrap_or_default();
    TariffElement { components, restrictions }
}

fn dimension(kind: &str) -> Option<Dimension> {
    match kind.to_ascii_uppercase().as_str() {
        "FLAT" => Some(Dimension::Flat),
        "ENERGY" => Some(Dimension::Energy),
        "TIME" => Some(Dimension::Time),
        "PARKING_TIME" => Some(Dimension::ParkingTime),
        _ => None,
    }
}

fn restrictions(from: &wire::Restrictions) -> Restrictions {
    let number = |number: Option<wire::Num>| number.map(|number| number.0);
    let seconds = |number: Option<wire::Num>| number.and_then(|number| whole(number.0));
    Restrictions {
        start_time: from.start_time.map(|time| time.0),
        end_time: from.end_time.map(|time| time.0),
        start_date: from.start_date.map(|date| date.0),
        end_date: from.end_date.map(|date| date.0),
        days_of_week: from.day_of_week.iter().flatten().map(|day| day.0).collect(),
        min_kwh: number(from.min_kwh),
        max_kwh: number(from.max_kwh),
        min_current_a: number(from.min_current),
        max_current_a: number(from.max_current),
        min_power_kw: number(from.min_power),
        max_power_kw: number(from.max_power),
        min_duration_s: seconds(from.min_duration),
        max_duration_s: seconds(from.max_duration),
        reservation: from.reservation.map(|kind| match kind {
            wire::Reservation::Reservation => ReservationKind::Reservation,
            wire::Reservation::ReservationExpires => ReservationKind::ReservationExpires,
        }),
    }
}

/// A number of seconds or Wh: never below zero, a started one counts.
fn whole(number: Decimal) -> Option<u32> {
    number.max(Decimal::ZERO).ceil().to_u32()
}
