//! The part of a station's page that says what its connectors are made of, and where to describe them.

use std::collections::BTreeSet;

use ringmain_domain::hardware::{ConnectorHardware, Current, Plug, StationHardware};
use ringmain_domain::id::{ConnectorId, EvseId};
use ringmain_store::stations::StationRow;

use super::format::power;
use crate::services::evses;

/// The card.
pub(super) struct HardwareCard {
    pub(super) lines: Vec<HardwareLine>,
    /// Connectors are shown that nobody has described.
    pub(super) is_incomplete: bool,
    /// Where the API takes the description.
    pub(super) endpoint: String,
}

/// A connector that the station has shown or that somebody has described.
pub(super) struct HardwareLine {
    pub(super) evse: String,
    pub(super) printed_id: Option<String>,
    pub(super) connector: String,
    /// `None`: nobody has described it.
    pub(super) made: Option<MadeOf>,
}

/// What it is made of.
pub(super) struct MadeOf {
    pub(super) plug: String,
    pub(super) current: &'static str,
    pub(super) ratings: String,
}

// === impl HardwareCard ===

impl HardwareCard {
    pub(super) fn of(row: &StationRow, described: &StationHardware) -> Self {
        let shown = evses::of(row)
            .into_iter()
            .flat_map(|evse| evse.connectors.into_iter().map(move |one| (evse.evse, one.connector)));
        let named = described
            .evses
            .iter()
            .flat_map(|evse| evse.connectors.iter().map(move |one| (evse.evse, one.connector)));
        let all: BTreeSet<(EvseId, ConnectorId)> = shown.chain(named).collect();
        let lines: Vec<_> =
            all.into_iter().map(|(evse, connector)| HardwareLine::of(evse, connector, described)).collect();
        let id = super::format::path_segment(row.station.id.as_str());
        Self {
            is_incomplete: lines.iter().any(|line| line.made.is_none()),
            lines,
            endpoint: format!("/api/v1/charging-stations/{id}/hardware"),
        }
    }
}

// === impl HardwareLine ===

impl HardwareLine {
    fn of(evse: EvseId, connector: ConnectorId, described: &StationHardware) -> Self {
        let found = described.of(evse, connector);
        Self {
            evse: evse.to_string(),
            connector: connector.to_string(),
            printed_id: found.and_then(|(_, printed)| printed.map(str::to_owned)),
            made: found.map(|(made, _)| MadeOf::of(&made)),
        }
    }
}

// === impl MadeOf ===

impl MadeOf {
    fn of(made: &ConnectorHardware) -> Self {
        let format = if made.has_cable { "cable" } else { "socket" };
        let ConnectorHardware { max_voltage_v, max_current_a, .. } = made;
        let ratings = format!("{max_voltage_v} V, {max_current_a} A, {}", power(i64::from(made.power_w())));
        Self { plug: format!("{}, {format}", plug(made.plug)), current: current(made.current), ratings }
    }
}

const fn plug(plug: Plug) -> &'static str {
    match plug {
        Plug::Type1 => "Type 1",
        Plug::Type2 => "Type 2",
        Plug::Ccs1 => "CCS 1",
        Plug::Ccs2 => "CCS 2",
        Plug::Chademo => "CHAdeMO",
        Plug::Nacs => "NACS",
        Plug::GbtAc => "GB/T AC",
        Plug::GbtDc => "GB/T DC",
        Plug::Mcs => "MCS",
        Plug::Schuko => "Schuko",
        Plug::CeeBlue => "CEE blue",
        Plug::CeeRed16 => "CEE red, 16 A",
        Plug::CeeRed32 => "CEE red, 32 A",
        Plug::PantographBottomUp => "Pantograph from below",
        Plug::PantographTopDown => "Pantograph from above",
    }
}

const fn current(current: Current) -> &'static str {
    match current {
        Current::Ac1 => "AC, 1 phase",
        Current::Ac2 => "AC, 2 phases",
        Current::Ac3 => "AC, 3 phases",
        Current::Dc => "DC",
    }
}
