//! A tariff into OCPI 2.2.1. The grace of parking has no field there and stays with us.

use ringmain_domain::tariff::restriction::{ReservationKind, Restrictions};
use ringmain_domain::tariff::{self, Dimension, TaxIncluded};
use ringmain_domain::time::local::Weekday;
use ringmain_store::partners::PartnerRole;
use rust_decimal::Decimal;

use crate::ocpi::v221::types::{PriceComponent, PriceLimit, Tariff, TariffElement, TariffRestrictions};
use crate::ocpi::values::{DateTime, Number};

/// Decimals of a price from which taxes had to be taken out.
const NET_DIGITS: u32 = 6;

/// A tariff.
#[must_use]
pub fn tariff(ours: &PartnerRole, from: &tariff::Tariff) -> Tariff {
    let element = |element: &tariff::TariffElement| TariffElement {
        price_components: element.components.iter().map(|of| component(of, from.tax_included)).collect(),
        restrictions: (!element.restrictions.is_empty()).then(|| restrictions(&element.restrictions)),
    };
    Tariff {
        country_code: ours.country_code.clone(),
        party_id: ours.party_id.clone(),
        id: from.id.to_string(),
        currency: from.currency.to_string(),
        min_price: from.min_price.map(limit),
        max_price: from.max_price.map(limit),
        elements: from.elements.iter().map(element).collect(),
        start_date_time: from.valid_from.map(DateTime),
        end_date_time: from.valid_until.map(DateTime),
        last_updated: DateTime(from.updated_at),
    }
}

/// Prices of 2.2.1 never include taxes.
fn component(from: &tariff::PriceComponent, tax_included: TaxIncluded) -> PriceComponent {
    let rate = || Decimal::ONE + from.tax_percent.unwrap_or_default() / Decimal::ONE_HUNDRED;
    let (price, vat) = match tax_included {
        TaxIncluded::No => (from.price, from.tax_percent),
        TaxIncluded::Yes => {
            let net = from.price.checked_div(rate()).unwrap_or(from.price);
            (net.round_dp(NET_DIGITS).normalize(), from.tax_percent)
        }
        TaxIncluded::NotApplicable => (from.price, None),
    };
    PriceComponent {
        dimension: dimension(from.dimension),
        price: Number(price),
        vat: vat.map(Number),
        step_size: from.step_size,
    }
}

const fn dimension(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Flat => "FLAT",
        Dimension::Energy => "ENERGY",
        Dimension::Time => "TIME",
        Dimension::ParkingTime => "PARKING_TIME",
    }
}

fn limit(from: tariff::PriceLimit) -> PriceLimit {
    PriceLimit { excl_vat: Number(from.excl_tax), incl_vat: from.incl_tax.map(Number) }
}

fn restrictions(from: &Restrictions) -> TariffRestrictions {
    TariffRestrictions {
        start_time: from.start_time.map(|time| time.to_string()),
        end_time: from.end_time.map(|time| time.to_string()),
        start_date: from.start_date.map(|day| day.to_string()),
        end_date: from.end_date.map(|day| day.to_string()),
        min_kwh: from.min_kwh.map(Number),
        max_kwh: from.max_kwh.map(Number),
        min_current: from.min_current_a.map(Number),
        max_current: from.max_current_a.map(Number),
        min_power: from.min_power_kw.map(Number),
        max_power: from.max_power_kw.map(Number),
        min_duration: from.min_duration_s,
        max_duration: from.max_duration_s,
        day_of_week: from.days_of_week.iter().copied().map(day_of_week).collect(),
        reservation: from.reservation.map(|kind| match kind {
            ReservationKind::Reservation => "RESERVATION",
            ReservationKind::ReservationExpires => "RESERVATION_EXPIRES",
        }),
    }
}

const fn day_of_week(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "MONDAY",
        Weekday::Tuesday => "TUESDAY",
        Weekday::Wednesday => "WEDNESDAY",
        Weekday::Thursday => "THURSDAY",
        Weekday::Friday => "FRIDAY",
        Weekday::Saturday => "SATURDAY",
        Weekday::Sunday => "SUNDAY",
    }
}
