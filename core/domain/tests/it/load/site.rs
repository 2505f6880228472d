//! Sites made by hand for the tests of the load.

use ringmain_domain::id::{CircuitId, EvseId, StationId};
use ringmain_domain::load::tree::fault::TreeError;
use ringmain_domain::load::tree::{Circuit, Connection, Evse, EvseKey, Line, Output, SiteTree};
use ringmain_domain::unit::Milliamps;

pub(crate) fn circuit_id(name: &str) -> CircuitId {
    CircuitId::new(name).unwrap()
}

pub(crate) fn key(station: &str) -> EvseKey {
    EvseKey { station: StationId::new(station).unwrap(), evse: EvseId(1) }
}

/// A circuit with the same limit on each line, in A.
pub(crate) fn circuit(id: &str, parent: Option<&str>, amps: i64) -> Circuit {
    Circuit::new(circuit_id(id), parent.map(circuit_id), [Milliamps(amps * 1_000); 3])
}

/// A socket of 6 to 32 A on these lines, 230 V, whole amperes, no fallback.
pub(crate) fn socket(station: &str, circuit: &str, lines: &[Line]) -> Evse {
    Evse {
        key: key(station),
        circuit: circuit_id(circuit),
        voltage_v: 230,
        lines: lines.to_vec(),
        connection: Connection::Neutral,
        output: Output::Ac,
        min_ma: Milliamps(6_000),
        max_ma: Milliamps(32_000),
        step_ma: Milliamps(1_000),
        can_switch_phases: false,
        rated_ma: Milliamps(32_000),
        fallback_ma: Milliamps::ZERO,
    }
}

pub(crate) fn tree(circuits: Vec<Circuit>, evses: Vec<Evse>) -> Result<SiteTree, TreeError> {
    SiteTree::new(circuits, evses)
}
