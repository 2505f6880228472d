//! Bill records (`mod_cdrs`).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{closed_enum, object, open_enum};
use crate::ocpi::v221::types::location::{ConnectorFormat, ConnectorType, GeoLocation, PowerType};
use crate::ocpi::v221::types::tariff::{Price, Tariff};
use crate::ocpi::v221::types::token::TokenType;
use crate::ocpi::values::{CiString, DateTime, Number};

object! {
    /// A bill record. It is never changed: a credit takes it back.
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

    /// Who charged.
    CdrToken {
        1 country_code: CiString,
        1 party_id: CiString,
        1 uid: CiString,
        1 #[serde(rename = "type")] kind: TokenType,
        1 contract_id: CiString,
    }

    /// Where it was charged, as it was when the session began.
    CdrLocation {
        1 id: CiString,
        ? name: String,
        1 address: String,
        1 city: String,
        ? postal_code: String,
        ? state: String,
        1 country: String,
        1 coordinates: GeoLocation,
        1 evse_uid: CiString,
        1 evse_id: CiString,
        1 connector_id: CiString,
        1 connector_standard: ConnectorType,
        1 connector_format: ConnectorFormat,
        1 connector_power_type: PowerType,
    }

    /// A stretch; it lasts until the next begins.
    ChargingPeriod {
        1 start_date_time: DateTime,
        + dimensions: CdrDimension,
        ? tariff_id: CiString,
    }

    /// An amount of one dimension.
    CdrDimension {
        1 #[serde(rename = "type")] kind: CdrDimensionType,
        1 volume: Number,
    }

    /// Signed meter values.
    SignedData {
        1 encoding_method: CiString,
        ? encoding_method_version: i32,
        ? public_key: String,
        + signed_values: SignedValue,
        ? url: String,
    }

    /// One signed meter value.
    SignedValue {
        1 nature: CiString,
        1 plain_data: String,
        1 signed_data: String,
    }
}

closed_enum! {
    /// How it was known that the driver may charge.
    AuthMethod {
        AuthRequest = "AUTH_REQUEST",
        Command = "COMMAND",
        Whitelist = "WHITELIST",
    }
}

open_enum! {
    /// What is counted. The text closes the list; 2.1.1 has FLAT in it and drafts have more, and no bill is lost for a word.
    CdrDimensionType {
        Current = "CURRENT",
        Energy = "ENERGY",
        EnergyExport = "ENERGY_EXPORT",
        EnergyImport = "ENERGY_IMPORT",
        MaxCurrent = "MAX_CURRENT",
        MinCurrent = "MIN_CURRENT",
        MaxPower = "MAX_POWER",
        MinPower = "MIN_POWER",
        ParkingTime = "PARKING_TIME",
        Power = "POWER",
        ReservationTime = "RESERVATION_TIME",
        StateOfCharge = "STATE_OF_CHARGE",
        Time = "TIME",
    }
}

impl CdrDimensionType {
    /// Is it for sessions only? A bill record must not have it.
    #[must_use]
    pub const fn is_of_sessions_only(&self) -> bool {
        matches!(
            self,
            Self::Current | Self::EnergyExport | Self::EnergyImport | Self::Power | Self::StateOfCharge
        )
    }
}
