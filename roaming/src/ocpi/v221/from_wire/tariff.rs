//! A partner's tariff as ours. Strict, because drivers are shown what it says; the lenient reader for pricing foreign bills is
//! [`crate::ocpi::billing`].

use ringmain_domain::id::{TariffId, TenantId};
use ringmain_domain::money::Currency;
use ringmain_domain::tariff::restriction::{ReservationKind, Restrictions};
use ringmain_domain::tariff::{self, Dimension, PriceLimit};
use ringmain_domain::time::local::{Day, TimeOfDay, Weekday};

use crate::ocpi::reading::Fault;
use crate::ocpi::v221::types::tariff::{
    DayOfWeek, Price, PriceComponent, ReservationRestrictionType, Tariff, TariffDimensionType, TariffElement,
    TariffRestrictions,
};

/// A tariff of a tenant's partner. Its name is its id, for 2.2.1 has none.
///
/// # Errors
/// A currency, an id, a time or a date that is none, or a tariff that no session could be priced by.
pub fn tariff(tenant: &TenantId, from: &Tariff) -> Result<tariff::Tariff, Fault> {
    let id = TariffId::new(from.id.as_str()).map_err(|error| Fault::new("/id", error.to_string()))?;
    let currency =
        Currency::new(&from.currency).map_err(|error| Fault::new("/currency", error.to_string()))?;
    let elements = from
        .elements
        .iter()
        .enumerate()
        .map(|(index, of)| element(of).map_err(|fault| fault.below(&format!("/elements/{index}"))));
    let elements = elements.collect::<Result<_, _>>()?;
    let read = tariff::Tariff {
        min_price: from.min_price.map(limit),
        max_price: from.max_price.map(limit),
        valid_from: from.start_date_time.map(|at| at.0),
        valid_until: from.end_date_time.map(|at| at.0),
        ..tariff::Tariff::new(
            tenant.clone(),
            id.clone(),
            id.as_str(),
            currency,
            elements,
            from.last_updated.0,
        )
    };
    read.check().map_err(|error| Fault::new("/", error.to_string()))?;
    Ok(read)
}

fn limit(from: Price) -> PriceLimit {
    PriceLimit { excl_tax: from.excl_vat.0, incl_tax: from.incl_vat.map(|price| price.0) }
}

fn element(from: &TariffElement) -> Result<tariff::TariffElement, Fault> {
    let components = from.price_components.iter().map(component).collect();
    let restrictions = from.restrictions.as_ref().map(restrictions).transpose();
    let restrictions = restrictions.map_err(|fault| fault.below("/restrictions"))?.unwrap_or_default();
    Ok(tariff::TariffElement { components, restrictions })
}

fn component(from: &PriceComponent) -> tariff::PriceComponent {
    tariff::PriceComponent {
        dimension: dimension(from.kind),
        price: from.price.0,
        tax_percent: from.vat.map(|vat| vat.0),
        // Partners write 0 where they mean that nothing is rounded.
        step_size: from.step_size.max(1),
    }
}

/// What a price is for.
#[must_use]
pub const fn dimension(from: TariffDimensionType) -> Dimension {
    match from {
        TariffDimensionType::Flat => Dimension::Flat,
        TariffDimensionType::Energy => Dimension::Energy,
        TariffDimensionType::Time => Dimension::Time,
        TariffDimensionType::ParkingTime => Dimension::ParkingTime,
    }
}

fn restrictions(from: &TariffRestrictions) -> Result<Restrictions, Fault> {
    Ok(Restrictions {
        start_time: time("/start_time", from.start_time.as_deref())?,
        end_time: time("/end_time", from.end_time.as_deref())?,
        start_date: date("/start_date", from.start_date.as_deref())?,
        end_date: date("/end_date", from.end_date.as_deref())?,
        days_of_week: from.day_of_week.iter().copied().map(weekday).collect(),
        min_kwh: from.min_kwh.map(|number| number.0),
        max_kwh: from.max_kwh.map(|number| number.0),
        min_current_a: from.min_current.map(|number| number.0),
        max_current_a: from.max_current.map(|number| number.0),
        min_power_kw: from.min_power.map(|number| number.0),
        max_power_kw: from.max_power.map(|number| number.0),
        min_duration_s: from.min_duration,
        max_duration_s: from.max_duration,
        reservation: from.reservation.map(|kind| match kind {
            ReservationRestrictionType::Reservation => ReservationKind::Reservation,
            ReservationRestrictionType::ReservationExpires => ReservationKind::ReservationExpires,
        }),
    })
}

fn time(place: &str, text: Option<&str>) -> Result<Option<TimeOfDay>, Fault> {
    let read = |text| TimeOfDay::parse(text).map_err(|error| Fault::new(place, error.to_string()));
    text.map(read).transpose()
}

fn date(place: &str, text: Option<&str>) -> Result<Option<Day>, Fault> {
    let read = |text: &str| {
        text.parse().map_err(|_no_date| Fault::new(place, format!("{text:?} is no date such as 2026-03-01")))
    };
    text.map(read).transpose()
}

const fn weekday(from: DayOfWeek) -> Weekday {
    match from {
        DayOfWeek::Monday => Weekday::Monday,
        DayOfWeek::Tuesday => Weekday::Tuesday,
        DayOfWeek::Wednesday => Weekday::Wednesday,
        DayOfWeek::Thursday => Weekday::Thursday,
        DayOfWeek::Friday => Weekday::Friday,
        DayOfWeek::Saturday => Weekday::Saturday,
        DayOfWeek::Sunday => Weekday::Sunday,
    }
}
