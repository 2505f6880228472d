//! Numbers of EVSEs and connectors, between the wire's signed numbers and domain's.

use ringmain_domain::id::{ConnectorId, EvseId};

use crate::fault::{CallFault, FaultCode};

use super::CommandRefusal;

/// An EVSE of the wire.
pub(super) fn evse(number: i32, path: &str) -> Result<EvseId, CallFault> {
    u32::try_from(number).map(EvseId).map_err(|_negative| negative(path))
}

/// A connector of the wire.
pub(super) fn connector(number: i32, path: &str) -> Result<ConnectorId, CallFault> {
    u32::try_from(number).map(ConnectorId).map_err(|_negative| negative(path))
}

/// A number for the wire.
pub(super) fn number(value: u32, path: &str) -> Result<i32, CommandRefusal> {
    i32::try_from(value).map_err(|_large| CommandRefusal::invalid(path, "number is too large"))
}

fn negative(path: &str) -> CallFault {
    CallFault::new(FaultCode::PropertyConstraint, "number is negative").at(path)
}
