//! A tariff in words: what each of its elements costs and when it applies, its limits and taxes.

use ringmain_domain::tariff::lint::{Hint, HintKind};
use ringmain_domain::tariff::restriction::{ReservationKind, Restrictions};
use ringmain_domain::tariff::{Dimension, PriceComponent, PriceLimit, Tariff, TariffElement, TaxIncluded};
use ringmain_domain::time::local::Weekday;
use rust_decimal::Decimal;

use crate::console::format::{Zone, duration, words};

const MS_PER_SECOND: i64 = 1000;
const SECONDS_PER_MINUTE: u32 = 60;
/// So many days in a row are written as from one to the other.
const RUN_MIN: usize = 3;

/// A tariff in words.
pub(in crate::console) struct Structure {
    pub(in crate::console) elements: Vec<Element>,
    /// Taxes, limits, grace and validity.
    pub(in crate::console) facts: Vec<(&'static str, String)>,
    /// What is probably not meant in the tariff as a whole.
    pub(in crate::console) hints: Vec<String>,
}

/// A part of it.
pub(in crate::console) struct Element {
    pub(in crate::console) when: String,
    pub(in crate::console) prices: Vec<Price>,
    pub(in crate::console) hints: Vec<String>,
}

/// What one dimension costs.
pub(in crate::console) struct Price {
    pub(in crate::console) what: &'static str,
    pub(in crate::console) price: String,
    pub(in crate::console) tax: String,
    pub(in crate::console) step: Option<String>,
}

// === impl Structure ===

impl Structure {
    pub(in crate::console) fn of(tariff: &Tariff, zone: &Zone) -> Self {
        let hints = tariff.lint();
        let about = |element| {
            let mine = move |hint: &&Hint| hint.element == element;
            hints.iter().filter(mine).map(|hint| hint_in_words(&hint.kind)).collect::<Vec<_>>()
        };
        let element = |(index, element): (usize, &TariffElement)| Element {
            when: when(&element.restrictions),
            prices: element.components.iter().map(|component| Price::of(component, tariff)).collect(),
            hints: about(Some(index)),
        };
        Self {
            elements: tariff.elements.iter().enumerate().map(element).collect(),
            facts: facts(tariff, zone),
            hints: about(None),
        }
    }
}

fn facts(tariff: &Tariff, zone: &Zone) -> Vec<(&'static str, String)> {
    let taxes = match tariff.tax_included {
        TaxIncluded::No => "come on top of the prices",
        TaxIncluded::Yes => "are in the prices",
        TaxIncluded::NotApplicable => "there are none",
    };
    let limit = |limit: PriceLimit| {
        let with = limit.incl_tax.map(|with| format!(", with taxes {with}")).unwrap_or_default();
        format!("{} {} without taxes{with}", limit.excl_tax, tariff.currency)
    };
    let grace = (tariff.idle_grace_s > 0).then(|| {
        let (minutes, seconds) =
            (tariff.idle_grace_s / SECONDS_PER_MINUTE, tariff.idle_grace_s % SECONDS_PER_MINUTE);
        let length =
            if seconds == 0 { format!("{minutes} min") } else { format!("{} s", tariff.idle_grace_s) };
        format!("{length} of every idle stretch cost nothing")
    });
    let all = [
        ("Taxes", Some(taxes.to_owned())),
        ("At least", tariff.min_price.map(limit)),
        ("At most", tariff.max_price.map(limit)),
        ("Idle grace", grace),
        ("Valid from", tariff.valid_from.map(|at| zone.when(at).text)),
        ("Valid until", tariff.valid_until.map(|at| zone.when(at).text)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

// === impl Price ===

impl Price {
    fn of(component: &PriceComponent, tariff: &Tariff) -> Self {
        let (what, per, step_unit) = match component.dimension {
            Dimension::Flat => ("Session fee", "session", None),
            Dimension::Energy => ("Energy", "kWh", Some("Wh")),
            Dimension::Time => ("Charging time", "h", Some("s")),
            Dimension::ParkingTime => ("Idle time", "h", Some("s")),
        };
        let tax = match (component.tax_percent, tariff.tax_included) {
            (Some(percent), TaxIncluded::No) => format!("+ {} % tax", percent.normalize()),
            (Some(percent), TaxIncluded::Yes) => format!("incl. {} % tax", percent.normalize()),
            (None, _) | (_, TaxIncluded::NotApplicable) => String::new(),
        };
        let stepped = step_unit.filter(|_| component.step_size > 1);
        Self {
            what,
            price: format!("{} {}/{per}", component.price, tariff.currency),
            tax,
            step: stepped.map(|unit| format!("in steps of {} {unit}", component.step_size)),
        }
    }
}

/// When an element applies, such as `Mon–Fri 07:00–19:00, from 10 kWh`.
pub(in crate::console) fn when(restrictions: &Restrictions) -> String {
    let r = restrictions;
    let clock = [days(&r.days_of_week), times(r)].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let seconds = |seconds: u32| duration(i64::from(seconds) * MS_PER_SECOND);
    let reservation = r.reservation.map(|kind| match kind {
        ReservationKind::Reservation => "for reserved time",
        ReservationKind::ReservationExpires => "for a reservation nobody came for",
    });
    let parts = [
        Some(clock).filter(|clock| !clock.is_empty()),
        r.start_date.map(|day| format!("from {day}")),
        r.end_date.map(|day| format!("before {day}")),
        r.min_kwh.map(|kwh| format!("from {} kWh", plain(kwh))),
        r.max_kwh.map(|kwh| format!("up to {} kWh", plain(kwh))),
        r.min_duration_s.map(|s| format!("after {}", seconds(s))),
        r.max_duration_s.map(|s| format!("in the first {}", seconds(s))),
        r.min_power_kw.map(|kw| format!("at {} kW or more", plain(kw))),
        r.max_power_kw.map(|kw| format!("below {} kW", plain(kw))),
        r.min_current_a.map(|a| format!("at {} A or more", plain(a))),
        r.max_current_a.map(|a| format!("below {} A", plain(a))),
        reservation.map(str::to_owned),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "Always".to_owned() } else { sentence(&parts.join(", ")) }
}

fn times(r: &Restrictions) -> Option<String> {
    match (r.start_time, r.end_time) {
        (None, None) => None,
        (Some(start), None) => Some(format!("from {start}")),
        (None, Some(end)) => Some(format!("until {end}")),
        (Some(start), Some(end)) => Some(format!("{start}\u{2013}{end}")),
    }
}

/// Days in a row are written as from one to the other.
fn days(days: &[Weekday]) -> Option<String> {
    let named: Vec<_> = Weekday::ALL.into_iter().enumerate().filter(|(_, day)| days.contains(day)).collect();
    let mut runs: Vec<Vec<(usize, Weekday)>> = Vec::new();
    for (place, day) in named {
        let follows = |run: &&mut Vec<(usize, Weekday)>| run.last().is_some_and(|last| last.0 + 1 == place);
        match runs.last_mut().filter(follows) {
            Some(run) => run.push((place, day)),
            None => runs.push(vec![(place, day)]),
        }
    }
    let written = |run: &Vec<(usize, Weekday)>| match (run.first(), run.last()) {
        (Some(first), Some(last)) if run.len() >= RUN_MIN => {
            format!("{}\u{2013}{}", short(first.1), short(last.1))
        }
        _ => run.iter().map(|(_, day)| short(*day)).collect::<Vec<_>>().join(", "),
    };
    (!runs.is_empty()).then(|| runs.iter().map(written).collect::<Vec<_>>().join(", "))
}

const fn short(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    }
}

fn plain(number: Decimal) -> Decimal {
    number.normalize()
}

/// A hint as people read it: they count elements from one.
fn hint_in_words(kind: &HintKind) -> String {
    match kind {
        HintKind::NeverReached { dimension, by } => {
            let name = words(dimension.as_str());
            format!("Its price for {name} is never used: element {} always applies", by + 1)
        }
        other => sentence(&words(&other.to_string())),
    }
}

/// With a capital letter at the start.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::time::local::TimeOfDay;

    #[test]
    fn restrictions_are_told_in_words() {
        use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
        let time = |text: &str| Some(TimeOfDay::parse(text).unwrap());
        let all = Restrictions::default;
        for (restrictions, expect) in [
            (all(), "Always"),
            (
                Restrictions {
                    days_of_week: vec![Friday, Monday, Tuesday, Wednesday, Thursday],
                    start_time: time("07:00"),
                    end_time: time("19:00"),
                    min_kwh: Some("10.0".parse().unwrap()),
                    ..all()
                },
                "Mon\u{2013}Fri 07:00\u{2013}19:00, from 10 kWh",
            ),
            (Restrictions { days_of_week: vec![Saturday, Sunday, Tuesday], ..all() }, "Tue, Sat, Sun"),
            (Restrictions { start_time: time("22:00"), ..all() }, "From 22:00"),
            (
                Restrictions {
                    min_duration_s: Some(3_600),
                    max_power_kw: Some("22".parse().unwrap()),
                    ..all()
                },
                "After 1 h 00 min, below 22 kW",
            ),
            (
                Restrictions { reservation: Some(ReservationKind::ReservationExpires), ..all() },
                "For a reservation nobody came for",
            ),
        ] {
            assert_eq!(when(&restrictions), expect);
        }
    }
}
