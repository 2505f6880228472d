//! OCPI 2.2.1 into nouns. What a noun cannot hold is a [`Fault`] with the place of the field, for the answer 2001.

use ringmain_domain::party::{Party, Role};
use ringmain_domain::unit::WattHours;
use ringmain_store::partners::PartnerRole;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use crate::ocpi::reading::Fault;
use crate::ocpi::v221::types::credentials::{Credentials, CredentialsRole};
use crate::ocpi::values::{CiString, Number};
use crate::partner::Offer;

pub mod cdr;
pub mod location;
pub mod session;
pub mod tariff;
pub mod token;

/// The most characters of most identifiers: what is longer would not come back to us whole (OCPI 2.2.1).
const ID_MAX: usize = 36;
/// Wh in a kWh.
const THOUSAND: Decimal = Decimal::ONE_THOUSAND;

/// What a partner says of itself. Codes are CiStrings: they are taken in upper case.
#[must_use]
pub fn offer(credentials: Credentials) -> Offer {
    let role = |role: CredentialsRole| PartnerRole {
        country_code: role.country_code.as_str().to_ascii_uppercase().into(),
        party_id: role.party_id.as_str().to_ascii_uppercase().into(),
        role: role.role.as_str().to_ascii_uppercase().into(),
        name: role.business_details.name.into(),
    };
    Offer {
        token: credentials.token,
        url: credentials.url,
        roles: credentials.roles.into_iter().map(role).collect(),
    }
}

/// The party that owns an object: codes in upper case, because peers echo them in any.
///
/// # Errors
/// A code has not the length of one.
pub fn party(country_code: &CiString, party_id: &CiString, role: Role) -> Result<Party, Fault> {
    let code = |place: &str, code: &CiString, length: usize| {
        let is_code =
            code.as_str().len() == length && code.as_str().bytes().all(|b| b.is_ascii_alphanumeric());
        if is_code {
            Ok(code.as_str().to_ascii_uppercase().into())
        } else {
            Err(Fault::new(place, format!("must have {length} letters or digits")))
        }
    };
    Ok(Party {
        country_code: code("/country_code", country_code, 2)?,
        party_id: code("/party_id", party_id, 3)?,
        role,
    })
}

/// Some text that must not be longer than an identifier.
fn id(place: &str, id: &CiString) -> Result<Box<str>, Fault> {
    match id.as_str() {
        "" => Err(Fault::new(place, "must not be empty")),
        id if id.len() <= ID_MAX => Ok(id.into()),
        _ => Err(Fault::new(place, format!("is longer than {ID_MAX} characters"))),
    }
}

/// Energy in whole Wh. What partners write with more digits is rounded to the next.
fn energy(place: &str, kwh: Number) -> Result<WattHours, Fault> {
    let wh = kwh.0.checked_mul(THOUSAND).and_then(|wh| wh.round().to_i64());
    wh.map(WattHours).ok_or_else(|| Fault::new(place, "is out of range"))
}
