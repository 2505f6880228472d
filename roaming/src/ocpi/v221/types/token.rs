//! Tokens and the question whether one may charge (`mod_tokens`).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{closed_enum, object, open_enum};
use crate::ocpi::v221::types::DisplayText;
use crate::ocpi::values::{CiString, DateTime};

object! {
    /// A token. Its key is owner, uid and type; it is never deleted, but not valid any more.
    Token {
        1 country_code: CiString,
        1 party_id: CiString,
        1 uid: CiString,
        1 #[serde(rename = "type")] kind: TokenType,
        1 contract_id: CiString,
        ? visual_number: String,
        1 issuer: String,
        ? group_id: CiString,
        1 valid: bool,
        1 whitelist: WhitelistType,
        ? language: String,
        ? default_profile_type: ProfileType,
        ? energy_contract: EnergyContract,
        1 last_updated: DateTime,
    }

    /// The driver's own supplier of energy.
    EnergyContract {
        1 supplier_name: String,
        ? contract_id: String,
    }

    /// The place about which an authorization is asked.
    LocationReferences {
        1 location_id: CiString,
        * evse_uids: CiString,
    }

    /// The answer to a real-time authorization.
    AuthorizationInfo {
        1 allowed: AllowedType,
        1 token: Token,
        ? location: LocationReferences,
        ? authorization_reference: CiString,
        ? info: DisplayText,
    }
}

closed_enum! {
    /// May it charge?
    AllowedType {
        Allowed = "ALLOWED",
        Blocked = "BLOCKED",
        Expired = "EXPIRED",
        NoCredit = "NO_CREDIT",
        NotAllowed = "NOT_ALLOWED",
    }

    /// When is the eMSP to be asked, and what holds when it cannot be?
    WhitelistType {
        Always = "ALWAYS",
        Allowed = "ALLOWED",
        AllowedOffline = "ALLOWED_OFFLINE",
        Never = "NEVER",
    }

    /// How a driver likes to charge.
    ProfileType {
        Cheap = "CHEAP",
        Fast = "FAST",
        Green = "GREEN",
        Regular = "REGULAR",
    }
}

open_enum! {
    /// What a token is.
    TokenType {
        AdHocUser = "AD_HOC_USER",
        AppUser = "APP_USER",
        Emaid = "EMAID",
        Rfid = "RFID",
    }
}
