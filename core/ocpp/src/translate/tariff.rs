//! A tariff as a station prices by it (OCPP 2.1 part 2, I07 and TariffType).
//!
//! The station shows its driver what we bill, or is not told at all: a tariff that this form cannot say is refused with the reason.

use ringmain_domain::command::StationCommand;
use ringmain_domain::id::EvseId;
use ringmain_domain::tariff::restriction::{ReservationKind, Restrictions};
use ringmain_domain::tariff::{Dimension, PriceComponent, PriceLimit, Tariff, TariffElement, TaxIncluded};
use ringmain_domain::time::local::Weekday;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::value::RawValue;

use crate::translate::{CommandRefusal, Dialect, check, place};
use crate::version::Version;
use crate::wire::{self, v21};

/// Digits behind the point of a price that had to be worked out.
const DIGITS: u32 = 8;
const HUNDRED: Decimal = Decimal::ONE_HUNDRED;
const MINUTES_PER_HOUR: Decimal = Decimal::from_parts(60, 0, 0, false, 0);
const THOUSAND: Decimal = Decimal::ONE_THOUSAND;
/// The name of the tax; ours have none.
const TAX: &str = "VAT";

/// The payload of SetDefaultTariff: what a driver without another tariff pays at an EVSE, 0 for all of them. The station knows the tariff by
/// `name`; another content needs another name.
///
/// # Errors
/// [`CommandRefusal::Invalid`] with the place of what the message cannot say.
pub fn set_default(evse: EvseId, name: &str, tariff: &Tariff) -> Result<Box<RawValue>, CommandRefusal> {
    let evse = place::number(evse.0, "evse_id")?;
    let payload = wire::write(&v21::SetDefaultTariffRequest::new(evse, write(name, tariff)?))?;
    check::request(Version::V21, "SetDefaultTariff", &payload)?;
    Ok(payload)
}

fn write(id: &str, tariff: &Tariff) -> Result<v21::Tariff, CommandRefusal> {
    let mut written = v21::Tariff::new(id, tariff.currency.as_str());
    let reader = Reader { tariff };
    if let Some((prices, taxes)) = reader.prices(Dimension::Energy, Reserved::No)? {
        let price = |price: Price<'_>| -> Result<_, CommandRefusal> {
            let mut written = v21::TariffEnergyPrice::new(number(price.net, "price")?);
            written.conditions = conditions(price.restrictions, price.idle_grace_s)?;
            Ok(written)
        };
        let mut energy = v21::TariffEnergy::new(prices.into_iter().map(price).collect::<Result<_, _>>()?);
        energy.tax_rates = taxes;
        written.energy = Some(energy);
    }
    written.charging_time = reader.time(Dimension::Time, Reserved::No)?;
    written.idle_time = reader.time(Dimension::ParkingTime, Reserved::No)?;
    written.fixed_fee = reader.fixed(Reserved::No)?;
    written.reservation_time = reader.time(Dimension::Time, Reserved::Yes)?;
    written.reservation_fixed = reader.fixed(Reserved::Yes)?;
    written.min_cost = tariff.min_price.map(limit).transpose()?;
    written.max_cost = tariff.max_price.map(limit).transpose()?;
    Ok(written)
}

/// Can stations of this subprotocol price by themselves?
#[must_use]
pub fn is_known_to(subprotocol: &str) -> bool {
    subprotocol == Version::V21.subprotocol()
}

/// Did a station answer that this variable is true?
#[must_use]
pub fn is_true(command: &StationCommand, answer: &RawValue, name: &str) -> bool {
    let answer = Dialect::V21.read_outcome("GetVariables", command, answer);
    let found = answer.variables.into_iter().find(|variable| *variable.name == *name);
    found.and_then(|variable| variable.value).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Is a price for reserved time?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reserved {
    No,
    Yes,
}

/// A price without taxes and when it applies.
struct Price<'a> {
    net: Decimal,
    restrictions: &'a Restrictions,
    idle_grace_s: u32,
}

/// Prices in their order, and the tax on all of them.
type Prices<'a> = (Vec<Price<'a>>, Option<Vec<v21::TaxRate>>);

struct Reader<'a> {
    tariff: &'a Tariff,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// The prices of a dimension, in the order in which they are looked at: of several that apply the first counts, there as here.
    fn prices(&self, dimension: Dimension, reserved: Reserved) -> Result<Option<Prices<'a>>, CommandRefusal> {
        let elements = self.tariff.elements.iter().enumerate();
        let mut prices = Vec::new();
        let mut taxes: Option<Option<Decimal>> = None;
        for (place, element) in elements {
            let Some(component) = element.component(dimension) else { continue };
            if Reserved::of(element, place)? != reserved {
                continue;
            }
            whole(component, place)?;
            let tax = self.tax(component);
            if taxes.is_some_and(|taxes| taxes != tax) {
                return Err(unsayable(place, "one dimension has more than one tax"));
            }
            taxes = Some(tax);
            let idle_grace_s = if dimension == Dimension::ParkingTime { self.tariff.idle_grace_s } else { 0 };
            prices.push(Price {
                net: self.net(component),
                restrictions: &element.restrictions,
                idle_grace_s,
            });
        }
        let Some(tax) = taxes else { return Ok(None) };
        Ok(Some((prices, tax.map(rate).transpose()?)))
    }

    fn time(
        &self,
        dimension: Dimension,
        reserved: Reserved,
    ) -> Result<Option<v21::TariffTime>, CommandRefusal> {
        let Some((prices, taxes)) = self.prices(dimension, reserved)? else { return Ok(None) };
        let price = |price: Price<'_>| -> Result<_, CommandRefusal> {
            let mut written = v21::TariffTimePrice::new(number(price.net / MINUTES_PER_HOUR, "price")?);
            written.conditions = conditions(price.restrictions, price.idle_grace_s)?;
            Ok(written)
        };
        let mut time = v21::TariffTime::new(prices.into_iter().map(price).collect::<Result<_, _>>()?);
        time.tax_rates = taxes;
        Ok(Some(time))
    }

    fn fixed(&self, reserved: Reserved) -> Result<Option<v21::TariffFixed>, CommandRefusal> {
        let Some((prices, taxes)) = self.prices(Dimension::Flat, reserved)? else { return Ok(None) };
        let price = |price: Price<'_>| -> Result<_, CommandRefusal> {
            let mut written = v21::TariffFixedPrice::new(number(price.net, "price")?);
            written.conditions = fixed_conditions(price.restrictions)?;
            Ok(written)
        };
        let mut fixed = v21::TariffFixed::new(prices.into_iter().map(price).collect::<Result<_, _>>()?);
        fixed.tax_rates = taxes;
        Ok(Some(fixed))
    }

    fn tax(&self, component: &PriceComponent) -> Option<Decimal> {
        match self.tariff.tax_included {
            TaxIncluded::NotApplicable => None,
            TaxIncluded::No | TaxIncluded::Yes => component.tax_percent.filter(|tax| !tax.is_zero()),
        }
    }

    /// The price without taxes, as the message wants it.
    fn net(&self, component: &PriceComponent) -> Decimal {
        match (self.tariff.tax_included, self.tax(component)) {
            (TaxIncluded::Yes, Some(tax)) => component.price * HUNDRED / (HUNDRED + tax),
            _ => component.price,
        }
    }
}

// === impl Reserved ===

impl Reserved {
    fn of(element: &TariffElement, place: usize) -> Result<Self, CommandRefusal> {
        match element.restrictions.reservation {
            None => Ok(Self::No),
            Some(ReservationKind::Reservation) => Ok(Self::Yes),
            Some(ReservationKind::ReservationExpires) => {
                Err(unsayable(place, "a price of its own for reservations that nobody came for"))
            }
        }
    }
}

fn unsayable(element: usize, reason: &str) -> CommandRefusal {
    CommandRefusal::invalid(
        &format!("tariff.elements.{element}"),
        &format!("a station cannot be told this: {reason}"),
    )
}

/// A station bills what was used, to the Wh and the second.
fn whole(component: &PriceComponent, element: usize) -> Result<(), CommandRefusal> {
    if component.step_size > 1 && component.dimension != Dimension::Flat {
        return Err(unsayable(element, "a step_size above 1"));
    }
    Ok(())
}

fn rate(percent: Decimal) -> Result<Vec<v21::TaxRate>, CommandRefusal> {
    Ok(vec![v21::TaxRate::new(TAX, number(percent, "tax_percent")?)])
}

fn limit(limit: PriceLimit) -> Result<v21::Price, CommandRefusal> {
    let mut price = v21::Price::new();
    price.excl_tax = Some(number(limit.excl_tax, "excl_tax")?);
    price.incl_tax = limit.incl_tax.map(|incl| number(incl, "incl_tax")).transpose()?;
    Ok(price)
}

fn number(number: Decimal, path: &str) -> Result<ocpp_kit::types::Decimal, CommandRefusal> {
    let number = number.round_dp_with_strategy(DIGITS, RoundingStrategy::MidpointAwayFromZero).normalize();
    wire::decimal(number).ok_or_else(|| CommandRefusal::invalid(path, "number has too many digits"))
}

fn conditions(
    restrictions: &Restrictions,
    idle_grace_s: u32,
) -> Result<Option<v21::TariffConditions>, CommandRefusal> {
    let Restrictions {
        start_time,
        end_time,
        start_date,
        end_date,
        days_of_week,
        min_kwh,
        max_kwh,
        min_current_a,
        max_current_a,
        min_power_kw,
        max_power_kw,
        min_duration_s,
        max_duration_s,
        reservation: _,
    } = restrictions;
    let given = |value: &Option<Decimal>, times: Decimal, path: &str| {
        value.map(|value| number(value * times, path)).transpose()
    };
    let mut written = v21::TariffConditions::new();
    written.start_time_of_day = start_time.map(|time| time.to_string());
    written.end_time_of_day = end_time.map(|time| time.to_string());
    written.valid_from_date = start_date.map(|day| day.to_string());
    written.valid_to_date = end_date.map(|day| day.to_string());
    written.day_of_week = days(days_of_week);
    written.min_energy = given(min_kwh, THOUSAND, "min_kwh")?;
    written.max_energy = given(max_kwh, THOUSAND, "max_kwh")?;
    written.min_current = given(min_current_a, Decimal::ONE, "min_current_a")?;
    written.max_current = given(max_current_a, Decimal::ONE, "max_current_a")?;
    written.min_power = given(min_power_kw, THOUSAND, "min_power_kw")?;
    written.max_power = given(max_power_kw, THOUSAND, "max_power_kw")?;
    written.min_time = min_duration_s.map(|seconds| whole_seconds(seconds, "min_duration_s")).transpose()?;
    written.max_time = max_duration_s.map(|seconds| whole_seconds(seconds, "max_duration_s")).transpose()?;
    let grace = (idle_grace_s > 0).then(|| whole_seconds(idle_grace_s, "idle_grace_s"));
    written.min_idle_time = grace.transpose()?;
    let always = Restrictions { reservation: None, ..restrictions.clone() }.is_empty() && idle_grace_s == 0;
    Ok((!always).then_some(written))
}

/// A fee is charged at the start: nothing is known of energy and power then.
fn fixed_conditions(
    restrictions: &Restrictions,
) -> Result<Option<v21::TariffConditionsFixed>, CommandRefusal> {
    let clock = Restrictions {
        start_time: restrictions.start_time,
        end_time: restrictions.end_time,
        start_date: restrictions.start_date,
        end_date: restrictions.end_date,
        days_of_week: restrictions.days_of_week.clone(),
        reservation: restrictions.reservation,
        ..Restrictions::default()
    };
    if clock != *restrictions {
        return Err(CommandRefusal::invalid(
            "tariff.elements",
            "a station cannot be told this: a fee that hangs on energy, current, power or duration",
        ));
    }
    if (Restrictions { reservation: None, ..clock }).is_empty() {
        return Ok(None);
    }
    let mut written = v21::TariffConditionsFixed::new();
    written.start_time_of_day = restrictions.start_time.map(|time| time.to_string());
    written.end_time_of_day = restrictions.end_time.map(|time| time.to_string());
    written.valid_from_date = restrictions.start_date.map(|day| day.to_string());
    written.valid_to_date = restrictions.end_date.map(|day| day.to_string());
    written.day_of_week = days(&restrictions.days_of_week);
    Ok(Some(written))
}

fn whole_seconds(seconds: u32, path: &str) -> Result<i32, CommandRefusal> {
    i32::try_from(seconds).map_err(|_too_large| CommandRefusal::invalid(path, "is too long"))
}

fn days(days: &[Weekday]) -> Option<Vec<v21::DayOfWeek>> {
    let day = |day: &Weekday| match day {
        Weekday::Monday => v21::DayOfWeek::Monday,
        Weekday::Tuesday => v21::DayOfWeek::Tuesday,
        Weekday::Wednesday => v21::DayOfWeek::Wednesday,
        Weekday::Thursday => v21::DayOfWeek::Thursday,
        Weekday::Friday => v21::DayOfWeek::Friday,
        Weekday::Saturday => v21::DayOfWeek::Saturday,
        Weekday::Sunday => v21::DayOfWeek::Sunday,
    };
    (!days.is_empty()).then(|| days.iter().map(day).collect())
}
