//! OCPP 1.6: what its charge points say and hear.
//!
//! A connector of this version is an EVSE with one connector in domain; connector 0 is the whole charge point. `idTag`, charge point and
//! central system are words of this folder alone.

pub(super) mod command;
pub(super) mod outcome;
pub(super) mod reply;
pub(super) mod report;

use ringmain_domain::id::{ConnectorId, EvseId};

use super::place;
use crate::fault::CallFault;

/// The place of a connector: itself an EVSE, with connector 1.
fn place_of(connector_id: i32) -> Result<(EvseId, ConnectorId), CallFault> {
    let evse = place::evse(connector_id, "/connectorId")?;
    Ok((evse, ConnectorId(u32::from(evse.0 > 0))))
}
