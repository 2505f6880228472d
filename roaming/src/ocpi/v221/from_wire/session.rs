//! Another operator's session of one of our drivers.

use ringmain_domain::money::{Currency, Price};
use ringmain_domain::party::{Party, Role};
use ringmain_domain::roaming::{AuthMethod, Contract};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::WattHours;

use super::{energy, id, party};
use crate::ocpi::reading::Fault;
use crate::ocpi::v221::types::cdr::{AuthMethod as WireMethod, CdrToken};
use crate::ocpi::v221::types::session::{Session, SessionStatus};
use crate::ocpi::v221::types::tariff::Price as WirePrice;
use crate::ocpi::values::CiString;

/// A stay of our driver at another operator's EVSE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignSession {
    /// Whose station.
    pub owner: Party,
    /// The operator's id of it.
    pub id: Box<str>,
    /// Under what the driver charges.
    pub contract: Contract,
    /// Where: location, EVSE and connector as the operator names them.
    pub place: [Box<str>; 3],
    /// Where it stands.
    pub status: SessionStatus,
    /// From.
    pub started_at: Timestamp,
    /// To.
    pub ended_at: Option<Timestamp>,
    /// Energy so far.
    pub energy: WattHours,
    /// The currency of the cost.
    pub currency: Currency,
    /// What it costs so far.
    pub cost: Option<Price>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A session. That it ends before it begins is a fault.
///
/// # Errors
/// An identifier, a currency or an amount that is none.
pub fn session(from: &Session) -> Result<ForeignSession, Fault> {
    let ended_at = from.end_date_time.map(|at| at.0);
    if ended_at.is_some_and(|ended| ended < from.start_date_time.0) {
        return Err(Fault::new("/end_date_time", "is before the start"));
    }
    Ok(ForeignSession {
        owner: party(&from.country_code, &from.party_id, Role::Cpo)?,
        id: id("/id", &from.id)?,
        contract: contract(&from.cdr_token, from.auth_method, from.authorization_reference.as_ref())?,
        place: [
            id("/location_id", &from.location_id)?,
            id("/evse_uid", &from.evse_uid)?,
            id("/connector_id", &from.connector_id)?,
        ],
        status: from.status,
        started_at: from.start_date_time.0,
        ended_at,
        energy: energy("/kwh", from.kwh)?,
        currency: currency(&from.currency)?,
        cost: from.total_cost.map(price),
        updated_at: from.last_updated.0,
    })
}

/// Under what a driver charges.
pub(super) fn contract(
    from: &CdrToken,
    method: WireMethod,
    reference: Option<&CiString>,
) -> Result<Contract, Fault> {
    let read = || {
        Ok(Contract {
            party: party(&from.country_code, &from.party_id, Role::Emsp)?,
            uid: id("/uid", &from.uid)?,
            kind: from.kind.as_str().into(),
            contract_id: id("/contract_id", &from.contract_id)?,
            reference: reference.map(|reference| reference.as_str().into()),
            method: match method {
                WireMethod::AuthRequest => AuthMethod::Asked,
                WireMethod::Command => AuthMethod::Ordered,
                WireMethod::Whitelist => AuthMethod::Whitelist,
            },
        })
    };
    read().map_err(|fault: Fault| fault.below("/cdr_token"))
}

pub(super) fn currency(code: &str) -> Result<Currency, Fault> {
    Currency::new(code).map_err(|error| Fault::new("/currency", error.to_string()))
}

/// Without taxes that are known, what is paid is the amount itself.
pub(super) fn price(from: WirePrice) -> Price {
    Price { excl_tax: from.excl_vat.0, incl_tax: from.incl_vat.unwrap_or(from.excl_vat).0 }
}
