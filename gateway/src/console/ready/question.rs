//! The form of the page: what was typed, and what it asks.

use ringmain_domain::load::forecast::what_if::WhatIf;
use ringmain_domain::unit::WattHours;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Deserialize;

use crate::api::fields::parse_amount;
use crate::console::format::Zone;

const WH_PER_KWH: i64 = 1_000;

/// What if, as typed. A field that was left empty asks nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::console) struct Question {
    pub(super) vehicles: String,
    pub(super) kwh: String,
    pub(super) departs: String,
    pub(super) limit: String,
    /// There when it is ticked.
    pub(super) no_sun: Option<String>,
}

// === impl Question ===

impl Question {
    /// What is asked, if anything; or everything that is wrong with what was typed.
    pub(super) fn read(&self, zone: &Zone) -> Result<Option<WhatIf>, Vec<String>> {
        let mut wrong = Vec::new();
        let mut number = |label: &str, typed: &str, factor: i64| {
            let typed = Some(typed.trim()).filter(|typed| !typed.is_empty())?;
            let read = parse_amount(&typed.replace(',', ".")).and_then(|number| {
                let whole = number.checked_mul(Decimal::from(factor)).filter(Decimal::is_integer);
                whole.and_then(|whole| whole.to_u32()).ok_or_else(|| format!("{typed} cannot be"))
            });
            read.map_err(|cause| wrong.push(format!("{label}: {cause}"))).ok()
        };
        let more_vehicles = number("More vehicles", &self.vehicles, 1).unwrap_or_default();
        let energy_wh = number("Energy", &self.kwh, WH_PER_KWH).map(|wh| WattHours(wh.into()));
        let limit_percent = number("Limit", &self.limit, 1);
        let departs = Some(self.departs.trim()).filter(|typed| !typed.is_empty());
        let departs_at = departs.and_then(|typed| zone.moment(typed));
        if departs.is_some() && departs_at.is_none() {
            wrong.push("Departure: is no date and time".to_owned());
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let no_sun = self.no_sun.is_some();
        let asked = WhatIf { more_vehicles, energy_wh, departs_at, limit_percent, no_sun };
        Ok(asked.asks().then_some(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(fields: [&str; 4], no_sun: bool) -> Result<Option<WhatIf>, Vec<String>> {
        let [vehicles, kwh, departs, limit] = fields.map(str::to_owned);
        let no_sun = no_sun.then(|| "on".to_owned());
        Question { vehicles, kwh, departs, limit, no_sun }.read(&Zone::named(Some("Europe/Berlin")))
    }

    #[test]
    fn a_question_is_read_in_the_readers_zone_and_an_empty_one_asks_nothing() {
        assert_eq!(typed([""; 4], false), Ok(None));
        assert_eq!(typed(["", "30", "", "100"], false), Ok(None), "of no vehicle, and the limit as it is");
        let asked = typed([" 12 ", "30,5", "2026-07-02T06:30", "80"], true).unwrap().unwrap();
        assert_eq!((asked.more_vehicles, asked.limit_percent, asked.no_sun), (12, Some(80), true));
        assert_eq!(asked.energy_wh, Some(WattHours(30_500)));
        assert_eq!(asked.departs_at.unwrap().to_string(), "2026-07-02T04:30:00.000Z");
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let wrong = typed(["some", "-1", "soon", "80.5"], false).unwrap_err();
        let labels: Vec<_> = wrong.iter().map(|text| text.split(':').next().unwrap()).collect();
        assert_eq!(labels, ["More vehicles", "Energy", "Limit", "Departure"], "{wrong:?}");
        assert!(typed(["99999999999999999999", "", "", ""], false).is_err());
    }
}
