//! Sessions and what drivers prefer (`mod_sessions`).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{closed_enum, object};
use crate::ocpi::v221::types::cdr::{AuthMethod, CdrToken, ChargingPeriod};
use crate::ocpi::v221::types::tariff::Price;
use crate::ocpi::v221::types::token::ProfileType;
use crate::ocpi::values::{CiString, DateTime, Number};

object! {
    /// A driver's stay.
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

    /// What a driver wants of a session.
    ChargingPreferences {
        1 profile_type: ProfileType,
        ? departure_time: DateTime,
        ? energy_need: Number,
        ? discharge_allowed: bool,
    }
}

closed_enum! {
    /// Where a session stands.
    SessionStatus {
        Active = "ACTIVE",
        Completed = "COMPLETED",
        Invalid = "INVALID",
        Pending = "PENDING",
        Reservation = "RESERVATION",
    }

    /// The answer to preferences.
    ChargingPreferencesResponse {
        Accepted = "ACCEPTED",
        DepartureRequired = "DEPARTURE_REQUIRED",
        EnergyNeedRequired = "ENERGY_NEED_REQUIRED",
        NotPossible = "NOT_POSSIBLE",
        ProfileTypeNotSupported = "PROFILE_TYPE_NOT_SUPPORTED",
    }
}
