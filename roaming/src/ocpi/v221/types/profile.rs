//! Charging profiles of an eMSP (`mod_charging_profiles`).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{closed_enum, object};
use crate::ocpi::values::{DateTime, Number};

object! {
    /// Limit a session.
    SetChargingProfile {
        1 charging_profile: ChargingProfile,
        1 response_url: String,
    }

    /// A limit over time. Seconds and W or A.
    ChargingProfile {
        ? start_date_time: DateTime,
        ? duration: u32,
        1 charging_rate_unit: ChargingRateUnit,
        ? min_charging_rate: Number,
        * charging_profile_period: ChargingProfilePeriod,
    }

    /// A limit from so many seconds after the start on.
    ChargingProfilePeriod {
        1 start_period: u32,
        1 limit: Number,
    }

    /// What a station will really do.
    ActiveChargingProfile {
        1 start_date_time: DateTime,
        1 charging_profile: ChargingProfile,
    }

    /// The answer at once.
    ChargingProfileResponse {
        1 result: ChargingProfileResponseType,
        1 timeout: u32,
    }

    /// The answer later, to a question.
    ActiveChargingProfileResult {
        1 result: ChargingProfileResultType,
        ? profile: ActiveChargingProfile,
    }

    /// The answer later, to a limit.
    ChargingProfileResult {
        1 result: ChargingProfileResultType,
    }

    /// The answer later, to the end of a limit.
    ClearProfileResult {
        1 result: ChargingProfileResultType,
    }
}

closed_enum! {
    /// W or A.
    ChargingRateUnit {
        Watts = "W",
        Amperes = "A",
    }

    /// What the operator says.
    ChargingProfileResponseType {
        Accepted = "ACCEPTED",
        NotSupported = "NOT_SUPPORTED",
        Rejected = "REJECTED",
        TooOften = "TOO_OFTEN",
        UnknownSession = "UNKNOWN_SESSION",
    }

    /// What the station says.
    ChargingProfileResultType {
        Accepted = "ACCEPTED",
        Rejected = "REJECTED",
        Unknown = "UNKNOWN",
    }
}
