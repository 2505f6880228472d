//! Objects of OCPI 2.1.1 that differ from those of 2.2.1.
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ocpi::grammar::{closed_enum, object};
use crate::ocpi::v221::types::DisplayText;
use crate::ocpi::v221::types::cdr::{AuthMethod, ChargingPeriod};
use crate::ocpi::v221::types::location::BusinessDetails;
use crate::ocpi::v221::types::session::SessionStatus;
use crate::ocpi::v221::types::tariff::{DayOfWeek, TariffDimensionType};
use crate::ocpi::v221::types::token::{AllowedType, TokenType, WhitelistType};
use crate::ocpi::v221::types::version::ModuleId;
use crate::ocpi::values::{CiString, DateTime, Number};

pub mod command;
pub mod location;

use self::location::{EnergyMix, Location};

/// Credentials (`credentials`): one party. Their debug text hides the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    pub token: String,
    pub url: String,
    pub business_details: BusinessDetails,
    pub party_id: CiString,
    pub country_code: CiString,
}

object! {
    /// What a version offers (version details endpoint).
    VersionDetails {
        1 version: String,
        + endpoints: Endpoint,
    }

    /// A module and where it is; there are no roles yet.
    Endpoint {
        1 identifier: ModuleId,
        1 url: String,
    }

    /// A token (`mod_tokens`).
    Token {
        1 uid: CiString,
        1 #[serde(rename = "type")] kind: TokenType,
        1 auth_id: CiString,
        ? visual_number: String,
        1 issuer: String,
        1 valid: bool,
        1 whitelist: WhitelistType,
        ? language: String,
        1 last_updated: DateTime,
    }

    /// The place about which an authorization is asked (`mod_tokens`).
    LocationReferences {
        1 location_id: CiString,
        * evse_uids: CiString,
        * connector_ids: CiString,
    }

    /// The answer to a real-time authorization (`mod_tokens`).
    AuthorizationInfo {
        1 allowed: AllowedType,
        ? location: LocationReferences,
        ? info: DisplayText,
    }

    /// A tariff (`mod_tariffs`). Its prices are before taxes, which it does not name.
    Tariff {
        1 id: CiString,
        1 currency: String,
        * tariff_alt_text: DisplayText,
        ? tariff_alt_url: String,
        + elements: TariffElement,
        ? energy_mix: EnergyMix,
        1 last_updated: DateTime,
    }

    /// A part of a tariff.
    TariffElement {
        + price_components: PriceComponent,
        ? restrictions: TariffRestrictions,
    }

    /// The price of one dimension.
    PriceComponent {
        1 #[serde(rename = "type")] kind: TariffDimensionType,
        1 price: Number,
        1 step_size: u32,
    }

    /// When an element applies.
    #[derive(Default)]
    TariffRestrictions {
        ? start_time: String,
        ? end_time: String,
        ? start_date: String,
        ? end_date: String,
        ? min_kwh: Number,
        ? max_kwh: Number,
        ? min_power: Number,
        ? max_power: Number,
        ? min_duration: u32,
        ? max_duration: u32,
        * day_of_week: DayOfWeek,
    }

    /// A driver's stay (`mod_sessions`). Its instants are spelled another way than everywhere else.
    Session {
        1 id: CiString,
        1 start_datetime: DateTime,
        ? end_datetime: DateTime,
        1 kwh: Number,
        1 auth_id: CiString,
        1 auth_method: AuthMethod,
        1 location: Location,
        ? meter_id: String,
        1 currency: String,
        * charging_periods: ChargingPeriod,
        ? total_cost: Number,
        1 status: SessionStatus,
        1 last_updated: DateTime,
    }

    /// A bill record (`mod_cdrs`).
    Cdr {
        1 id: CiString,
        1 start_date_time: DateTime,
        1 stop_date_time: DateTime,
        1 auth_id: CiString,
        1 auth_method: AuthMethod,
        1 location: Location,
        ? meter_id: String,
        1 currency: String,
        * tariffs: Tariff,
        + charging_periods: ChargingPeriod,
        1 total_cost: Number,
        1 total_energy: Number,
        1 total_time: Number,
        ? total_parking_time: Number,
        ? remark: String,
        1 last_updated: DateTime,
    }
}

closed_enum! {
    /// What the operator, or later the station, says to a command (`mod_commands`): one list for both.
    CommandResponseType {
        NotSupported = "NOT_SUPPORTED",
        Rejected = "REJECTED",
        Accepted = "ACCEPTED",
        Timeout = "TIMEOUT",
        UnknownSession = "UNKNOWN_SESSION",
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("url", &self.url)
            .field("country_code", &self.country_code)
            .field("party_id", &self.party_id)
            .finish_non_exhaustive()
    }
}
