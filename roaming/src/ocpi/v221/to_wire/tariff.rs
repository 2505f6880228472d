//! A tariff into OCPI 2.2.1. The grace of parking has no field there and stays with us.

use ringmain_domain::tariff::restriction::{ReservationKind, Restrictions};
use ringmain_domain::tariff::{self, Dimension, TaxIncluded};
use ringmain_domain::time::local::Weekday;
use ringmain_store::partners::PartnerRole;
use rust_decimal::Decimal;

use crate::ocpi::v221::types::tariff::{
    DayOfWeek, Price, PriceComponent, ReservationRestrictionType, Tariff, TariffDimensionType, TariffElement,
    TariffRestrictions,
};
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
        country_code: (&*ours.country_code).into(),
        party_id: (&*ours.party_id).into(),
        id: from.id.as_str().into(),
        currency: from.currency.to_string(),
        kind: None,
        tariff_alt_text: Vec::new(),
        tariff_alt_url: None,
        min_price: from.min_price.map(limit),
        max_price: from.max_price.map(limit),
        elements: from.elements.iter().map(element).collect(),
        start_date_time: from.valid_from.map(DateTime),
        end_date_time: from.valid_until.map(DateTime),
        energy_mix: None,
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
        kind: dimension(from.dimension),
        price: Number(price),
        vat: vat.map(Number),
        step_size: from.step_size,
    }
}

/// What a price is for.
#[must_use]
pub const fn dimension(dimension: Dimension) -> TariffDimensionType {
    match dimension {
        Dimension::Flat => TariffDimensionType::Flat,
        Dimension::Energy => TariffDimensionType::Energy,
        Dimension::Time => TariffDimensionType::Time,
        Dimension::ParkingTime => TariffDimensionType::ParkingTime,
    }
}

fn limit(from: tariff::PriceLimit) -> Price {
    Price { excl_vat: Number(from.excl_tax), incl_vat: from.incl_tax.map(Number) }
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
            ReservationKind::Reservation => ReservationRestrictionType::Reservation,
            ReservationKind::ReservationExpires => ReservationRestrictionType::ReservationExpires,
        }),
    }
}

const fn day_of_week(day: Weekday) -> DayOfWeek {
    match day {
        Weekday::Monday => DayOfWeek::Monday,
        Weekday::Tuesday => DayOfWeek::Tuesday,
        Weekday::Wednesday => DayOfWeek::Wednesday,
        Weekday::Thursday => DayOfWeek::Thursday,
        Weekday::Friday => DayOfWeek::Friday,
        Weekday::Saturday => DayOfWeek::Saturday,
        Weekday::Sunday => DayOfWeek::Sunday,
    }
}
