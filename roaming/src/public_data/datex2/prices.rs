//! Prices as both profiles tell them: one line for each component of a tariff, and in words whatever a line has no field for. A price without
//! its condition would be a wrong price.

use ringmain_domain::tariff::restriction::Restrictions;
use ringmain_domain::tariff::{Dimension, PriceComponent, PriceLimit, Tariff, TariffElement, TaxIncluded};
use rust_decimal::Decimal;

use crate::ocpi::values::Number;

/// Conditions that stand in fields of their own, so that words need not say them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said {
    /// How long the session has gone on.
    pub duration: bool,
    /// How much energy the session has.
    pub energy: bool,
}

/// Elements for sessions; what reservations cost has no place in either profile.
pub fn elements(tariff: &Tariff) -> impl Iterator<Item = &TariffElement> {
    tariff.elements.iter().filter(|element| element.restrictions.reservation.is_none())
}

/// Does anything in it have a price for this?
#[must_use]
pub fn has(tariff: &Tariff, dimension: Dimension) -> bool {
    elements(tariff).any(|element| element.component(dimension).is_some())
}

/// Does nothing in it cost anything?
#[must_use]
pub fn is_free(tariff: &Tariff) -> bool {
    elements(tariff).flat_map(|element| &element.components).all(|component| component.price.is_zero())
}

/// The rate of the taxes of a component and whether its price includes them; `None`: there are none.
#[must_use]
pub fn tax(tariff: &Tariff, component: &PriceComponent) -> Option<(bool, Number)> {
    let included = match tariff.tax_included {
        TaxIncluded::Yes => true,
        TaxIncluded::No => false,
        TaxIncluded::NotApplicable => return None,
    };
    Some((included, Number(component.tax_percent?)))
}

/// The least or the most a session costs, with taxes where that is known.
#[must_use]
pub fn limit(limit: Option<PriceLimit>) -> Option<Number> {
    limit.map(|limit| Number(limit.incl_tax.unwrap_or(limit.excl_tax)))
}

/// What a line is for, and under which conditions that no field tells.
#[must_use]
pub fn words(tariff: &Tariff, element: &TariffElement, component: &PriceComponent, said: Said) -> String {
    let (what, unit) = match component.dimension {
        Dimension::Flat => ("per session", ""),
        Dimension::Energy => ("per kWh", "Wh"),
        Dimension::Time => ("while charging", "s"),
        Dimension::ParkingTime => ("while parked without charging", "s"),
    };
    let mut words = vec![what.to_owned()];
    if component.step_size > 1 && !unit.is_empty() {
        words.push(format!("in steps of {} {unit}", component.step_size));
    }
    if component.dimension == Dimension::ParkingTime && tariff.idle_grace_s > 0 {
        words.push(format!("the first {} s are free", tariff.idle_grace_s));
    }
    words.extend(conditions(&element.restrictions, said));
    words.join("; ")
}

fn conditions(of: &Restrictions, said: Said) -> Vec<String> {
    let (min_kwh, max_kwh) = if said.energy { (None, None) } else { (of.min_kwh, of.max_kwh) };
    let (min_s, max_s) = if said.duration { (None, None) } else { (of.min_duration_s, of.max_duration_s) };
    let days: Vec<_> = of.days_of_week.iter().map(|day| format!("{day:?}")).collect();
    let number = |number: Option<Decimal>| number.map(|number| number.normalize().to_string());
    let told = [
        ("from", of.start_time.map(|time| time.to_string()), ""),
        ("until", of.end_time.map(|time| time.to_string()), ""),
        ("from", of.start_date.map(|day| day.to_string()), ""),
        ("before", of.end_date.map(|day| day.to_string()), ""),
        ("on", (!days.is_empty()).then(|| days.join(", ")), ""),
        ("from", number(min_kwh), " kWh of the session"),
        ("below", number(max_kwh), " kWh of the session"),
        ("from", number(of.min_current_a), " A"),
        ("below", number(of.max_current_a), " A"),
        ("from", number(of.min_power_kw), " kW"),
        ("below", number(of.max_power_kw), " kW"),
        ("from", min_s.map(|secs| secs.to_string()), " s of the session"),
        ("below", max_s.map(|secs| secs.to_string()), " s of the session"),
    ];
    told.into_iter().filter_map(|(how, what, unit)| Some(format!("{how} {}{unit}", what?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::id::{TariffId, TenantId};
    use ringmain_domain::money::Currency;
    use ringmain_domain::time::Timestamp;
    use ringmain_domain::time::local::{TimeOfDay, Weekday};

    fn tariff(dimension: Dimension, restrictions: Restrictions) -> Tariff {
        let component =
            PriceComponent { dimension, price: Decimal::TWO, tax_percent: Some(Decimal::TEN), step_size: 60 };
        let element = TariffElement { components: vec![component], restrictions };
        let (tenant, id) = (TenantId::default_tenant(), TariffId::new("T1").unwrap());
        let currency = Currency::new("EUR").unwrap();
        Tariff::new(tenant, id, "T1", currency, vec![element], Timestamp::from_millis(0))
    }

    #[test]
    fn a_condition_without_a_field_is_said_in_words() {
        let restrictions = Restrictions {
            start_time: TimeOfDay::new(8, 0),
            end_time: TimeOfDay::new(20, 30),
            days_of_week: vec![Weekday::Saturday, Weekday::Sunday],
            min_kwh: Some(Decimal::new(105, 1)),
            max_duration_s: Some(3_600),
            ..Restrictions::default()
        };
        let tariff = Tariff { idle_grace_s: 300, ..tariff(Dimension::ParkingTime, restrictions) };
        let element = &tariff.elements[0];
        let say = |said| words(&tariff, element, &element.components[0], said);
        let before = "while parked without charging; in steps of 60 s; the first 300 s are free; from 08:00; until 20:30; on Saturday, Sunday";
        assert_eq!(
            say(Said::default()),
            format!("{before}; from 10.5 kWh of the session; below 3600 s of the session")
        );
        assert_eq!(say(Said { duration: true, energy: true }), before);
    }

    #[test]
    fn taxes_are_told_as_the_tariff_has_them() {
        let with =
            |tax_included| Tariff { tax_included, ..tariff(Dimension::Energy, Restrictions::default()) };
        let told = |tariff: &Tariff| tax(tariff, &tariff.elements[0].components[0]);
        assert_eq!(told(&with(TaxIncluded::Yes)), Some((true, Number(Decimal::TEN))));
        assert_eq!(told(&with(TaxIncluded::No)), Some((false, Number(Decimal::TEN))));
        assert_eq!(told(&with(TaxIncluded::NotApplicable)), None);
        let mut free = with(TaxIncluded::No);
        assert!(!is_free(&free));
        free.elements[0].components[0].price = Decimal::ZERO;
        assert!(is_free(&free) && has(&free, Dimension::Energy) && !has(&free, Dimension::Flat));
    }
}
