//! Objects of OCPI 2.3.0 that differ from those of 2.2.1; all others are the same type (tokens, commands, charging profiles, hub clients,
//! versions).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{closed_enum, object};
use crate::ocpi::v221::types::DisplayText;
use crate::ocpi::v221::types::cdr::{AuthMethod, CdrLocation, CdrToken, ChargingPeriod, SignedData};
use crate::ocpi::v221::types::credentials::CredentialsRole;
use crate::ocpi::v221::types::location::EnergyMix;
use crate::ocpi::v221::types::session::SessionStatus;
use crate::ocpi::v221::types::tariff::{TariffElement, TariffType};
use crate::ocpi::values::{CiString, DateTime, Number};

pub mod location;

/// Credentials (`mod_credentials`). Their debug text hides the token.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Credentials {
    pub token: String,
    pub url: String,
    /// Country code and party id of the hub in one, where the platform is one: there is no role for it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub_party_id: Option<CiString>,
    pub roles: Vec<CredentialsRole>,
}

object! {
    /// An amount (types, Price): without taxes, and each tax by its name.
    Price {
        1 before_taxes: Number,
        * taxes: TaxAmount,
    }

    /// A tax (types, TaxAmount).
    TaxAmount {
        1 name: String,
        ? account_number: String,
        ? percentage: Number,
        1 amount: Number,
    }

    /// The least or the most a session costs (`mod_tariffs`, PriceLimit).
    #[derive(Copy)]
    PriceLimit {
        1 before_taxes: Number,
        ? after_taxes: Number,
    }

    /// A tariff (`mod_tariffs`).
    Tariff {
        1 country_code: CiString,
        1 party_id: CiString,
        1 id: CiString,
        1 currency: String,
        ? #[serde(rename = "type")] kind: TariffType,
        * tariff_alt_text: DisplayText,
        ? tariff_alt_url: String,
        ? min_price: PriceLimit,
        ? max_price: PriceLimit,
        ? preauthorize_amount: Number,
        + elements: TariffElement,
        1 tax_included: TaxIncluded,
        ? start_date_time: DateTime,
        ? end_date_time: DateTime,
        ? energy_mix: EnergyMix,
        1 last_updated: DateTime,
    }

    /// A driver's stay (`mod_sessions`).
    Session {
        1 country_code: CiString,
        1 party_id: CiString,
        1 id: CiString,
        1 start_date_time: DateTime,
        ? end_date_time: DateTime,
        1 kwh: Number,
        1 cdr_token: CdrToken,
        1 auth_method: AuthMethod,
        ? authorization_reference: CiString,
        1 location_id: CiString,
        1 evse_uid: CiString,
        1 connector_id: CiString,
        ? meter_id: String,
        1 currency: String,
        * charging_periods: ChargingPeriod,
        ? total_cost: Price,
        1 status: SessionStatus,
        1 last_updated: DateTime,
    }

    /// A bill record (`mod_cdrs`).
    Cdr {
        1 country_code: CiString,
        1 party_id: CiString,
        1 id: CiString,
        1 start_date_time: DateTime,
        1 end_date_time: DateTime,
        ? session_id: CiString,
        1 cdr_token: CdrToken,
        1 auth_method: AuthMethod,
        ? authorization_reference: CiString,
        1 cdr_location: CdrLocation,
        ? meter_id: String,
        1 currency: String,
        * tariffs: Tariff,
        + charging_periods: ChargingPeriod,
        ? signed_data: SignedData,
        1 total_cost: Price,
        ? total_fixed_cost: Price,
        1 total_energy: Number,
        ? total_energy_cost: Price,
        1 total_time: Number,
        ? total_time_cost: Price,
        ? total_parking_time: Number,
        ? total_parking_cost: Price,
        ? total_reservation_cost: Price,
        ? remark: String,
        ? invoice_reference_id: CiString,
        ? credit: bool,
        ? credit_reference_id: CiString,
        ? home_charging_compensation: bool,
        1 last_updated: DateTime,
    }
}

closed_enum! {
    /// Do the prices of a tariff include taxes (`mod_tariffs`, TaxIncluded)?
    TaxIncluded {
        Yes = "YES",
        No = "NO",
        NotApplicable = "N/A",
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("url", &self.url)
            .field("hub_party_id", &self.hub_party_id)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}
