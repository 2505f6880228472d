//! What a car says it needs (NotifyEVChargingNeeds): of its many parameters those that a plan can use.

use ringmain_domain::load::need::{CarWord, ENERGY_MAX_WH};
use ringmain_domain::report::{ChargingNeeds, StationReport};
use ringmain_domain::unit::{Milliamps, WattHours};
use rust_decimal::Decimal;

use crate::fault::CallFault;
use crate::translate::place;
use crate::translate::samples::whole;
use crate::wire::{self, v21};

/// No vehicle takes more, in mA per line.
const CURRENT_MAX_MA: i64 = 10_000_000;

/// Reads them. What is not positive or cannot be says nothing.
pub(super) fn read(request: v21::NotifyEVChargingNeedsRequest) -> Result<StationReport, CallFault> {
    let evse = place::evse(request.evse_id, "/evseId")?;
    let needs = request.charging_needs;
    let mut word = CarWord { departs_at: needs.departure_time.map(wire::instant), ..CarWord::default() };
    if let Some(ac) = needs.ac_charging_parameters {
        word.energy_wh = energy(wire::exact(ac.energy_amount));
        word.min_ma = current(wire::exact(ac.ev_min_current));
        word.max_ma = current(wire::exact(ac.ev_max_current));
    }
    // The current of a direct-current car is that of its cable, not that of a line: the learnt cap bounds it.
    if let Some(dc) = needs.dc_charging_parameters {
        let stated = dc.energy_amount.and_then(|amount| energy(wire::exact(amount)));
        let missing = || {
            let percent = dc.full_so_c.unwrap_or(100).checked_sub(dc.state_of_charge?)?;
            energy(wire::exact(dc.ev_energy_capacity?).checked_mul(Decimal::new(percent.into(), 2))?)
        };
        word.energy_wh = word.energy_wh.or(stated).or_else(missing);
    }
    if let Some(both_ways) = needs.v2x_charging_parameters {
        let target = both_ways.ev_target_energy_request.and_then(|target| energy(wire::exact(target)));
        word.energy_wh = word.energy_wh.or(target);
    }
    Ok(StationReport::ChargingNeeds(ChargingNeeds { evse, word }))
}

fn energy(wh: Decimal) -> Option<WattHours> {
    whole(wh, 0).filter(|wh| (1..=ENERGY_MAX_WH).contains(wh)).map(WattHours)
}

fn current(amps: Decimal) -> Option<Milliamps> {
    whole(amps, 3).filter(|ma| (1..=CURRENT_MAX_MA).contains(ma)).map(Milliamps)
}
