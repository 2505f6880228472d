//! The form for the tariffs most operators have: a fee, energy, time, idle time after a grace, two windows with another price for energy,
//! a least and a most. Whatever else OCPI can say is typed as JSON.

use ringmain_domain::id::TariffId;
use ringmain_domain::money::Currency;
use ringmain_domain::tariff::restriction::Restrictions;
use ringmain_domain::tariff::{Dimension, PriceComponent, PriceLimit, Tariff, TariffElement, TaxIncluded};
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::{TimeOfDay, Weekday};
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::api::fields::parse_amount;
use crate::api::tariffs::document;
use crate::clock;
use crate::console::format::Zone;
use crate::console::guard::Visitor;

const SECONDS_PER_MINUTE: u32 = 60;
/// Every day, working days, the other two.
const DAYS: [(&str, &str, &[Weekday]); 3] = [
    ("", "Every day", &[]),
    (
        "weekdays",
        "Mon\u{2013}Fri",
        &[Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday],
    ),
    ("weekend", "Sat, Sun", &[Weekday::Saturday, Weekday::Sunday]),
];
const TAXES: [(&str, &str, TaxIncluded); 3] = [
    ("no", "come on top", TaxIncluded::No),
    ("yes", "are in the prices", TaxIncluded::Yes),
    ("not_applicable", "there are none", TaxIncluded::NotApplicable),
];

/// A tariff as typed; an empty price is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(in crate::console) struct TariffForm {
    pub(in crate::console) id: String,
    pub(in crate::console) name: String,
    pub(in crate::console) currency: String,
    pub(in crate::console) energy: String,
    pub(in crate::console) flat: String,
    pub(in crate::console) time: String,
    pub(in crate::console) parking_time: String,
    pub(in crate::console) tax_percent: String,
    pub(in crate::console) tax_included: String,
    pub(in crate::console) idle_grace_min: String,
    pub(in crate::console) window1_days: String,
    pub(in crate::console) window1_from: String,
    pub(in crate::console) window1_to: String,
    pub(in crate::console) window1_energy: String,
    pub(in crate::console) window2_days: String,
    pub(in crate::console) window2_from: String,
    pub(in crate::console) window2_to: String,
    pub(in crate::console) window2_energy: String,
    pub(in crate::console) min_price: String,
    pub(in crate::console) max_price: String,
    pub(in crate::console) valid_from: String,
    pub(in crate::console) valid_until: String,
    /// The whole tariff in the API's JSON; when it is given, nothing else counts.
    pub(in crate::console) document: String,
}

/// A window of time with a price of its own, as the template walks it.
pub(in crate::console) struct Window<'a> {
    pub(in crate::console) name: &'static str,
    pub(in crate::console) title: &'static str,
    pub(in crate::console) days: &'a str,
    pub(in crate::console) from: &'a str,
    pub(in crate::console) to: &'a str,
    pub(in crate::console) energy: &'a str,
}

/// What is wrong with what was typed, gathered field by field.
struct Reader<'a> {
    zone: &'a Zone,
    trouble: Vec<String>,
}

// === impl TariffForm ===

impl TariffForm {
    /// An empty form.
    pub(in crate::console) fn blank() -> Self {
        Self { currency: "EUR".to_owned(), ..Self::default() }
    }

    /// The form that makes this tariff; `None` when no form can, only JSON.
    pub(in crate::console) fn of(tariff: &Tariff, visitor: &Visitor) -> Option<Self> {
        let (general, windows) = tariff.elements.split_last()?;
        let price = |element: &TariffElement, dimension| {
            element.component(dimension).map(|component| component.price.to_string()).unwrap_or_default()
        };
        let tax =
            tariff.elements.iter().flat_map(|element| &element.components).find_map(|one| one.tax_percent);
        let amount =
            |limit: Option<PriceLimit>| limit.map(|limit| limit.excl_tax.to_string()).unwrap_or_default();
        let field = |at: Option<Timestamp>| at.map(|at| visitor.zone.field(at)).unwrap_or_default();
        let mut form = Self {
            id: tariff.id.to_string(),
            name: tariff.name.clone().into(),
            currency: tariff.currency.to_string(),
            energy: price(general, Dimension::Energy),
            flat: price(general, Dimension::Flat),
            time: price(general, Dimension::Time),
            parking_time: price(general, Dimension::ParkingTime),
            tax_percent: tax.map(|tax| tax.to_string()).unwrap_or_default(),
            tax_included: tariff.tax_included.as_str().to_owned(),
            idle_grace_min: match tariff.idle_grace_s / SECONDS_PER_MINUTE {
                0 => String::new(),
                minutes => minutes.to_string(),
            },
            min_price: amount(tariff.min_price),
            max_price: amount(tariff.max_price),
            valid_from: field(tariff.valid_from),
            valid_until: field(tariff.valid_until),
            ..Self::default()
        };
        let mut windows = windows.iter();
        (form.window1_days, form.window1_from, form.window1_to, form.window1_energy) =
            window(windows.next())?;
        (form.window2_days, form.window2_from, form.window2_to, form.window2_energy) =
            window(windows.next())?;
        // What the form would make is compared with what is there: nothing may be lost by opening and saving it.
        let again = form.read(Some(&tariff.id), visitor).ok()?;
        (Tariff { updated_at: tariff.updated_at, ..again } == *tariff).then_some(form)
    }

    /// The tariff, or everything that is wrong with what was typed. `id`: the one it must have.
    pub(in crate::console) fn read(
        &self,
        id: Option<&TariffId>,
        visitor: &Visitor,
    ) -> Result<Tariff, Vec<String>> {
        if !self.document.trim().is_empty() {
            let place = |pointer: &str, detail: &str| {
                if pointer.is_empty() { detail.to_owned() } else { format!("{pointer}: {detail}") }
            };
            let read = document::read(&self.document, id, &visitor.caller);
            return read
                .map_err(|flaws| flaws.iter().map(|flaw| place(&flaw.pointer, &flaw.detail)).collect());
        }
        let mut reader = Reader { zone: &visitor.zone, trouble: Vec::new() };
        let id = match id {
            Some(id) => Some(id.clone()),
            None => reader.told("Id", TariffId::new(self.id.trim())),
        };
        let currency = reader.told("Currency", Currency::new(self.currency.trim()));
        let elements = self.elements(&mut reader);
        let tax_included = TAXES.iter().find(|(name, ..)| *name == self.tax_included);
        let limit = |amount: Option<Decimal>| amount.map(|excl_tax| PriceLimit { excl_tax, incl_tax: None });
        let min_price = limit(reader.amount("At least", &self.min_price));
        let max_price = limit(reader.amount("At most", &self.max_price));
        let (valid_from, valid_until) =
            (reader.moment("Valid from", &self.valid_from), reader.moment("Valid until", &self.valid_until));
        let idle_grace_s = reader.minutes("Idle grace", &self.idle_grace_min);
        let (Some(id), Some(currency), true) = (id, currency, reader.trouble.is_empty()) else {
            return Err(reader.trouble);
        };
        let tenant = visitor.caller.tenant.clone();
        Ok(Tariff {
            tax_included: tax_included.map_or(TaxIncluded::No, |(.., taxes)| *taxes),
            min_price,
            max_price,
            valid_from,
            valid_until,
            idle_grace_s,
            ..Tariff::new(tenant, id, self.name.trim(), currency, elements, clock::now())
        })
    }

    fn elements(&self, reader: &mut Reader<'_>) -> Vec<TariffElement> {
        let tax_percent = reader.amount("Tax", &self.tax_percent);
        let mut elements: Vec<_> =
            self.windows().iter().filter_map(|window| reader.window(window, tax_percent)).collect();
        let fields = [
            (Dimension::Flat, "Session fee", &self.flat),
            (Dimension::Energy, "Energy", &self.energy),
            (Dimension::Time, "Charging time", &self.time),
            (Dimension::ParkingTime, "Idle time", &self.parking_time),
        ];
        let component = |(dimension, label, text): (Dimension, &str, &String)| {
            Some(PriceComponent { dimension, price: reader.amount(label, text)?, tax_percent, step_size: 1 })
        };
        let components: Vec<_> = fields.into_iter().filter_map(component).collect();
        if components.is_empty() && reader.trouble.is_empty() {
            reader.trouble.push("At least one price is needed; 0 makes it free.".to_owned());
        }
        elements.push(TariffElement::new(components));
        elements
    }

    /// The windows, for the template.
    pub(in crate::console) fn windows(&self) -> [Window<'_>; 2] {
        [
            Window {
                name: "window1",
                title: "Other price in a window",
                days: &self.window1_days,
                from: &self.window1_from,
                to: &self.window1_to,
                energy: &self.window1_energy,
            },
            Window {
                name: "window2",
                title: "And in another",
                days: &self.window2_days,
                from: &self.window2_from,
                to: &self.window2_to,
                energy: &self.window2_energy,
            },
        ]
    }

    /// Values and labels of the field for days.
    pub(in crate::console) fn days(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        DAYS.into_iter().map(|(name, label, _)| (name, label))
    }

    /// Values and labels of the field for taxes, and which is chosen.
    pub(in crate::console) fn taxes(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        TAXES.into_iter().map(|(name, label, _)| (name, label, self.tax_included == name))
    }
}

type WindowFields = (String, String, String, String);

/// The fields of a window; `None`: they cannot say it.
fn window(element: Option<&TariffElement>) -> Option<WindowFields> {
    let Some(element) = element else { return Some(WindowFields::default()) };
    let restrictions = &element.restrictions;
    let days = DAYS.iter().find(|(.., days)| *days == restrictions.days_of_week.as_slice())?.0.to_owned();
    let time = |time: Option<TimeOfDay>| time.map(|time| time.to_string()).unwrap_or_default();
    let price = element.component(Dimension::Energy)?.price.to_string();
    Some((days, time(restrictions.start_time), time(restrictions.end_time), price))
}

// === impl Reader ===

impl Reader<'_> {
    fn told<T, E: std::fmt::Display>(&mut self, label: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|cause| self.trouble.push(format!("{label}: {cause}"))).ok()
    }

    fn amount(&mut self, label: &str, text: &str) -> Option<Decimal> {
        let typed = Some(text.trim()).filter(|text| !text.is_empty())?;
        // People type a comma where they live with one.
        self.told(label, parse_amount(&typed.replace(',', ".")))
    }

    fn moment(&mut self, label: &str, text: &str) -> Option<Timestamp> {
        let typed = Some(text.trim()).filter(|text| !text.is_empty())?;
        let read = self.zone.moment(typed).ok_or("is no date and time");
        self.told(label, read)
    }

    fn minutes(&mut self, label: &str, text: &str) -> u32 {
        let Some(typed) = Some(text.trim()).filter(|text| !text.is_empty()) else { return 0 };
        let read = typed.parse::<u32>().ok().and_then(|minutes| minutes.checked_mul(SECONDS_PER_MINUTE));
        self.told(label, read.ok_or("whole minutes are needed")).unwrap_or_default()
    }

    fn window(&mut self, window: &Window<'_>, tax_percent: Option<Decimal>) -> Option<TariffElement> {
        let label = window.title;
        let mut time = |text: &str| {
            let typed = Some(text.trim()).filter(|text| !text.is_empty())?;
            self.told(label, TimeOfDay::parse(typed))
        };
        let (start_time, end_time) = (time(window.from), time(window.to));
        let price = self.amount(label, window.energy);
        let days = DAYS.iter().find(|(name, ..)| *name == window.days).map_or(&[][..], |(.., days)| *days);
        let restrictions =
            Restrictions { start_time, end_time, days_of_week: days.to_vec(), ..Restrictions::default() };
        match price {
            None if !restrictions.is_empty() => {
                self.trouble.push(format!("{label}: what does energy cost there?"));
                None
            }
            Some(_) if restrictions.is_empty() => {
                self.trouble.push(format!("{label}: when? Give times or days."));
                None
            }
            Some(price) => {
                let component =
                    PriceComponent { dimension: Dimension::Energy, price, tax_percent, step_size: 1 };
                Some(TariffElement { components: vec![component], restrictions })
            }
            None => None,
        }
    }
}
