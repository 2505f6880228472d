//! A tariff as a station prices by it (OCPP 2.1 part 2, I07 and TariffType), and whether a station does.
//!
//! The station shows its driver what we bill, or is not told at all: a tariff that this form cannot say, or that stations work out in
//! another way than our bill, is refused with the reason.

use ringmain_domain::id::EvseId;
use ringmain_domain::tariff::restriction::Restrictions;
use ringmain_domain::tariff::{Dimension, PriceComponent, PriceLimit, Tariff, TaxIncluded, at_station};
use ringmain_domain::time::local::Weekday;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::value::RawValue;

use crate::translate::text::with_instance;
use crate::translate::v2::outcome::tolerant;
use crate::translate::{CommandRefusal, check, place};
use crate::version::Version;
use crate::wire::{self, v21};

/// Digits behind the point of every number: stations need not take more.
const DIGITS: u32 = 6;
const HUNDRED: Decimal = Decimal::ONE_HUNDRED;
const MINUTES_PER_HOUR: Decimal = Decimal::from_parts(60, 0, 0, false, 0);
const THOUSAND: Decimal = Decimal::ONE_THOUSAND;
/// The name of the tax; ours have none.
const TAX: &str = "VAT";

/// SetDefaultTariff, ready to be sent.
#[derive(Debug)]
pub struct DefaultTariff {
    /// What the station will know the tariff by; another place or content has another one.
    pub name: Box<str>,
    /// The message.
    pub payload: Box<RawValue>,
}

/// Can a station that speaks this subprotocol price by itself?
#[must_use]
pub fn is_sayable_in(subprotocol: &str) -> bool {
    subprotocol == Version::V21.subprotocol()
}

/// The message that says what a driver without another tariff pays at an EVSE, 0 for all of them. `clock_known`: does the station stand
/// at a location, so that we know its time of day?
///
/// # Errors
/// [`CommandRefusal::Invalid`] with the place of what the message cannot say, or what a station prices otherwise than our bill.
pub fn set_default(
    evse: EvseId,
    tariff: &Tariff,
    clock_known: bool,
) -> Result<DefaultTariff, CommandRefusal> {
    let number = place::number(evse.0, "evse_id")?;
    let mut written = Reader { tariff, clock_known }.tariff()?;
    let name = at_station::name(&tariff.id, evse, wire::write(&written)?.get());
    written.tariff_id = name.clone().into();
    let payload = wire::write(&v21::SetDefaultTariffRequest::new(number, written))?;
    check::request(Version::V21, "SetDefaultTariff", &payload)?;
    Ok(DefaultTariff { name, payload })
}

/// A price without taxes and when it applies.
struct Price<'a> {
    net: Decimal,
    restrictions: &'a Restrictions,
    element: usize,
}

/// Prices in their order, and the tax on all of them.
type Prices<'a> = (Vec<Price<'a>>, Option<Vec<v21::TaxRate>>);

struct Reader<'a> {
    tariff: &'a Tariff,
    clock_known: bool,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// All of it, without a name.
    fn tariff(&self) -> Result<v21::Tariff, CommandRefusal> {
        for (place, element) in self.tariff.elements.iter().enumerate() {
            self.restrictions(&element.restrictions, place)?;
            element.components.iter().try_for_each(|component| self.component(component, place))?;
        }
        let mut written = v21::Tariff::new("", self.tariff.currency.as_str());
        written.energy = self.energy()?;
        written.charging_time = self.time(Dimension::Time)?;
        written.idle_time = self.time(Dimension::ParkingTime)?;
        written.fixed_fee = self.fixed()?;
        written.min_cost = self.tariff.min_price.map(|limit| self.limit(limit, "min_price")).transpose()?;
        written.max_cost = self.tariff.max_price.map(|limit| self.limit(limit, "max_price")).transpose()?;
        Ok(written)
    }

    /// Refuses what hangs on something that stations measure otherwise than the bill.
    fn restrictions(&self, restrictions: &Restrictions, element: usize) -> Result<(), CommandRefusal> {
        let reason = if restrictions.reservation.is_some() {
            "a price for reservations, which are not billed yet"
        } else if restrictions.min_current_a.is_some() || restrictions.max_current_a.is_some() {
            "a price that hangs on current: a station adds its phases, the bill looks at the one with most load"
        } else if restrictions.min_power_kw.is_some() || restrictions.max_power_kw.is_some() {
            "a price that hangs on power: a station looks at the present one, the bill at the mean between readings"
        } else if restrictions.start_time.is_some() && restrictions.start_time == restrictions.end_time {
            "a time of day that ends when it begins"
        } else if restrictions.is_local() && !self.clock_known {
            "a price that hangs on clock or calendar, where the station stands at no location"
        } else {
            return Ok(());
        };
        Err(unsayable(element, reason))
    }

    fn component(&self, component: &PriceComponent, element: usize) -> Result<(), CommandRefusal> {
        // A station bills what was used, to the Wh and the second.
        if component.step_size > 1 && component.dimension != Dimension::Flat {
            return Err(unsayable(element, "a step_size above 1"));
        }
        if component.dimension == Dimension::ParkingTime && self.tariff.idle_grace_s > 0 {
            let reason =
                "idle_grace_s, which counts anew for every stretch of parking on the bill and not there";
            return Err(unsayable(element, reason));
        }
        Ok(())
    }

    /// The prices of a dimension, in the order in which they are looked at: of several that apply the first counts, there as here.
    fn prices(&self, dimension: Dimension) -> Result<Option<Prices<'a>>, CommandRefusal> {
        let mut prices = Vec::new();
        let mut taxes: Option<Option<Decimal>> = None;
        for (place, element) in self.tariff.elements.iter().enumerate() {
            let Some(component) = element.component(dimension) else { continue };
            let tax = self.tax(component);
            if taxes.is_some_and(|taxes| taxes != tax) {
                return Err(unsayable(place, "one dimension has more than one tax"));
            }
            taxes = Some(tax);
            prices.push(Price {
                net: self.net(component),
                restrictions: &element.restrictions,
                element: place,
            });
        }
        let Some(tax) = taxes else { return Ok(None) };
        Ok(Some((prices, tax.map(rate).transpose()?)))
    }

    fn energy(&self) -> Result<Option<v21::TariffEnergy>, CommandRefusal> {
        let Some((prices, taxes)) = self.prices(Dimension::Energy)? else { return Ok(None) };
        let price = |price: Price<'_>| -> Result<_, CommandRefusal> {
            let mut written = v21::TariffEnergyPrice::new(number(price.net, "price")?);
            written.conditions = conditions(price.restrictions)?;
            Ok(written)
        };
        let mut energy = v21::TariffEnergy::new(prices.into_iter().map(price).collect::<Result<_, _>>()?);
        energy.tax_rates = taxes;
        Ok(Some(energy))
    }

    fn time(&self, dimension: Dimension) -> Result<Option<v21::TariffTime>, CommandRefusal> {
        let Some((prices, taxes)) = self.prices(dimension)? else { return Ok(None) };
        let price = |price: Price<'_>| -> Result<_, CommandRefusal> {
            let mut written = v21::TariffTimePrice::new(number(price.net / MINUTES_PER_HOUR, "price")?);
            written.conditions = conditions(price.restrictions)?;
            Ok(written)
        };
        let mut time = v21::TariffTime::new(prices.into_iter().map(price).collect::<Result<_, _>>()?);
        time.tax_rates = taxes;
        Ok(Some(time))
    }

    /// A station decides on the fee when a transaction starts, and the bill when a fee first applies. They agree where one applies at
    /// once whatever the clock says.
    fn fixed(&self) -> Result<Option<v21::TariffFixed>, CommandRefusal> {
        let Some((prices, taxes)) = self.prices(Dimension::Flat)? else { return Ok(None) };
        if let Some(last) = prices.last().filter(|last| !last.restrictions.is_empty()) {
            let reason =
                "a fee that may begin to apply within a session: the last fee must have no restrictions";
            return Err(unsayable(last.element, reason));
        }
        let price = |price: Price<'_>| -> Result<_, CommandRefusal> {
            let mut written = v21::TariffFixedPrice::new(number(price.net, "price")?);
            written.conditions = fixed_conditions(price.restrictions, price.element)?;
            Ok(written)
        };
        let mut fixed = v21::TariffFixed::new(prices.into_iter().map(price).collect::<Result<_, _>>()?);
        fixed.tax_rates = taxes;
        Ok(Some(fixed))
    }

    /// A limit with and without taxes, as a station compares it with both sums.
    fn limit(&self, limit: PriceLimit, name: &str) -> Result<v21::Price, CommandRefusal> {
        let unsayable = |reason: &str| {
            CommandRefusal::invalid(
                &format!("tariff.{name}"),
                &format!("a station cannot be told this: {reason}"),
            )
        };
        let components = self.tariff.elements.iter().flat_map(|element| &element.components);
        let mut taxes = components.map(|component| self.tax(component));
        let tax = taxes.next().flatten();
        if taxes.any(|other| other != tax) {
            return Err(unsayable("a limit over prices with more than one tax"));
        }
        let mut price = v21::Price::new();
        let incl_tax = match (limit.incl_tax, tax) {
            (Some(incl_tax), None) if incl_tax != limit.excl_tax => {
                return Err(unsayable("a limit with taxes over prices without any"));
            }
            (Some(incl_tax), _) => incl_tax,
            (None, tax) => limit.excl_tax * (HUNDRED + tax.unwrap_or_default()) / HUNDRED,
        };
        price.excl_tax = Some(number(limit.excl_tax, "excl_tax")?);
        price.incl_tax = Some(number(incl_tax, "incl_tax")?);
        price.tax_rates = tax.map(rate).transpose()?;
        Ok(price)
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

fn unsayable(element: usize, reason: &str) -> CommandRefusal {
    CommandRefusal::invalid(
        &format!("tariff.elements.{element}"),
        &format!("a station cannot be told this: {reason}"),
    )
}

fn rate(percent: Decimal) -> Result<Vec<v21::TaxRate>, CommandRefusal> {
    Ok(vec![v21::TaxRate::new(TAX, number(percent, "tax_percent")?)])
}

fn number(number: Decimal, path: &str) -> Result<ocpp_kit::types::Decimal, CommandRefusal> {
    let number = number.round_dp_with_strategy(DIGITS, RoundingStrategy::MidpointAwayFromZero).normalize();
    wire::decimal(number).ok_or_else(|| CommandRefusal::invalid(path, "number has too many digits"))
}

/// Current, power and reservations were refused before.
fn conditions(restrictions: &Restrictions) -> Result<Option<v21::TariffConditions>, CommandRefusal> {
    if restrictions.is_empty() {
        return Ok(None);
    }
    let energy =
        |value: Option<Decimal>, path: &str| value.map(|kwh| number(kwh * THOUSAND, path)).transpose();
    let seconds =
        |value: Option<u32>, path: &str| value.map(|seconds| whole_seconds(seconds, path)).transpose();
    let mut written = v21::TariffConditions::new();
    written.start_time_of_day = restrictions.start_time.map(|time| time.to_string());
    written.end_time_of_day = restrictions.end_time.map(|time| time.to_string());
    written.valid_from_date = restrictions.start_date.map(|day| day.to_string());
    written.valid_to_date = restrictions.end_date.map(|day| day.to_string());
    written.day_of_week = days(&restrictions.days_of_week);
    written.min_energy = energy(restrictions.min_kwh, "min_kwh")?;
    written.max_energy = energy(restrictions.max_kwh, "max_kwh")?;
    written.min_time = seconds(restrictions.min_duration_s, "min_duration_s")?;
    written.max_time = seconds(restrictions.max_duration_s, "max_duration_s")?;
    Ok(Some(written))
}

/// A fee is charged at the start: nothing is known of energy then.
fn fixed_conditions(
    restrictions: &Restrictions,
    element: usize,
) -> Result<Option<v21::TariffConditionsFixed>, CommandRefusal> {
    if restrictions.is_empty() {
        return Ok(None);
    }
    let Restrictions { min_kwh, max_kwh, min_duration_s, max_duration_s, .. } = restrictions;
    if min_kwh.or(*max_kwh).is_some() || min_duration_s.or(*max_duration_s).is_some() {
        return Err(unsayable(element, "a fee that hangs on energy or duration"));
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

/// What a station says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PricesItself {
    /// It can, and it does.
    Yes,
    /// It cannot, or does not: because of this.
    No(Box<str>),
    /// The answer does not tell: because of this. What was known before still holds.
    Unknown(Box<str>),
}

/// The component and the variables of a station that prices by itself: it can, and it does (OCPP 2.1 part 2, TariffCostCtrlr).
pub const COMPONENT: &str = "TariffCostCtrlr";
/// Both must be true.
pub const VARIABLES: [&str; 2] = ["Available[Tariff]", "Enabled[Tariff]"];

/// Reads the answer to GetVariables for [`VARIABLES`]. Only what the station knows and says is a no: a variable that it could not read
/// just now is none.
#[must_use]
pub fn prices_itself(answer: &RawValue) -> PricesItself {
    let Some(response) = tolerant::<v21::GetVariablesResponse>(answer) else {
        return PricesItself::Unknown("the answer is unreadable".into());
    };
    let mut unknown = None;
    for name in VARIABLES {
        let found = response.get_variable_result.iter().find(|result| {
            let variable = &result.variable;
            *with_instance(variable.name.to_string(), variable.instance.as_deref()) == *name
        });
        let Some(result) = found else {
            unknown = unknown.or(Some(format!("{COMPONENT}.{name} is not in the answer")));
            continue;
        };
        let value = result.attribute_value.as_deref().map(str::trim);
        match (result.attribute_status.as_str(), value) {
            ("Accepted", Some(value)) if value.eq_ignore_ascii_case("true") => {}
            ("Accepted", value)
                if value.is_none_or(|value| value.is_empty() || value.eq_ignore_ascii_case("false")) =>
            {
                return PricesItself::No(format!("{COMPONENT}.{name} is not true").into());
            }
            (status @ ("UnknownComponent" | "UnknownVariable" | "NotSupportedAttributeType"), _) => {
                return PricesItself::No(format!("{COMPONENT}.{name}: {status}").into());
            }
            (status, value) => {
                let value = value.unwrap_or_default();
                unknown =
                    unknown.or(Some(format!("{COMPONENT}.{name}: {status} {value}").trim_end().to_owned()));
            }
        }
    }
    unknown.map_or(PricesItself::Yes, |reason| PricesItself::Unknown(reason.into()))
}
