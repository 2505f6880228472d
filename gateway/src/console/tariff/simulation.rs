//! What a session would cost: a form that changes nothing, and the reasons of the cost.

use ringmain_domain::id::TariffId;
use ringmain_domain::time::local;
use ringmain_domain::unit::WattHours;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Deserialize;

use crate::api::fields::parse_amount;
use crate::clock;
use crate::console::bill::Breakdown;
use crate::console::format::Zone;
use crate::console::guard::Visitor;
use crate::console::page::PageError;
use crate::console::tariffs::trouble;
use crate::house::House;
use crate::services::tariffs::{self as service, Imagined};

/// A session that somebody imagines, as typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::console) struct SimulationQuery {
    start: String,
    charging_min: String,
    idle_min: String,
    kwh: String,
    max_power_kw: String,
    time_zone: String,
}

/// The form with what was typed, and the answer when there was a question.
pub(in crate::console) struct Simulation {
    pub(in crate::console) start: String,
    pub(in crate::console) charging_min: String,
    pub(in crate::console) idle_min: String,
    pub(in crate::console) kwh: String,
    pub(in crate::console) max_power_kw: String,
    pub(in crate::console) time_zone: String,
    pub(in crate::console) breakdown: Option<Breakdown>,
    pub(in crate::console) trouble: Vec<String>,
}

// === impl Simulation ===

impl Simulation {
    /// Answers what was asked; a form that was not sent asks nothing.
    pub(in crate::console) async fn of(
        house: &House,
        visitor: &Visitor,
        id: &TariffId,
        query: &SimulationQuery,
    ) -> Result<Self, PageError> {
        let asked = !query.start.is_empty();
        let or = |text: &str, default: &str| if asked { text.to_owned() } else { default.to_owned() };
        let mut simulation = Self {
            start: or(&query.start, &visitor.zone.field(clock::now())),
            charging_min: or(&query.charging_min, "45"),
            idle_min: or(&query.idle_min, "30"),
            kwh: or(&query.kwh, "30"),
            max_power_kw: query.max_power_kw.clone(),
            time_zone: or(&query.time_zone, visitor.zone.name()),
            breakdown: None,
            trouble: Vec::new(),
        };
        if !asked {
            return Ok(simulation);
        }
        match query.read() {
            Err(wrong) => simulation.trouble = wrong,
            Ok((clock_there, zone, imagined)) => {
                match service::simulate(house, &visitor.caller, id, &zone, &imagined).await {
                    Ok(breakdown) => simulation.breakdown = Some(Breakdown::of(&breakdown, &clock_there)),
                    Err(refusal) => simulation.trouble = trouble(refusal)?,
                }
            }
        }
        Ok(simulation)
    }
}

// === impl SimulationQuery ===

impl SimulationQuery {
    /// The session and the clock at its place, or everything that is wrong with what was typed.
    fn read(&self) -> Result<(Zone, local::Zone, Imagined), Vec<String>> {
        let mut wrong = Vec::new();
        let name = Some(self.time_zone.trim()).filter(|name| !name.is_empty()).unwrap_or("UTC");
        let zone = local::Zone::named(name).map_err(|cause| wrong.push(format!("Time zone: {cause}"))).ok();
        let clock_there = Zone::named(Some(name));
        let started_at = clock_there.moment(self.start.trim());
        if started_at.is_none() {
            wrong.push("Start: is no date and time".to_owned());
        }
        let mut number = |label: &str, text: &str, factor: i64| {
            let typed = Some(text.trim()).filter(|text| !text.is_empty())?;
            let read = parse_amount(&typed.replace(',', ".")).and_then(|number| {
                let whole = (number * Decimal::from(factor)).round().to_u32();
                whole.ok_or_else(|| format!("{typed} is out of range"))
            });
            read.map_err(|cause| wrong.push(format!("{label}: {cause}"))).ok()
        };
        let charging_min = number("Charging", &self.charging_min, 1).unwrap_or_default();
        let idle_min = number("Idle", &self.idle_min, 1).unwrap_or_default();
        let energy_wh = number("Energy", &self.kwh, 1000).unwrap_or_default();
        let max_power_w = number("Highest power", &self.max_power_kw, 1000);
        let (Some(zone), Some(started_at), true) = (zone, started_at, wrong.is_empty()) else {
            return Err(wrong);
        };
        let energy = WattHours(energy_wh.into());
        Ok((clock_there, zone, Imagined { started_at, charging_min, idle_min, energy, max_power_w }))
    }
}
