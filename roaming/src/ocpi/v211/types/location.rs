//! Locations, EVSEs and connectors (`mod_locations`).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{object, open_enum};
use crate::ocpi::v221::types::DisplayText;
use crate::ocpi::v221::types::location::{
    AdditionalGeoLocation, BusinessDetails, Capability, ConnectorFormat, ConnectorType, EnergySource,
    EnvironmentalImpactCategory, ExceptionalPeriod, Facility, GeoLocation, Image, ParkingRestriction,
    PowerType, RegularHours, Status, StatusSchedule,
};
use crate::ocpi::values::{CiString, DateTime, Label, Number};

object! {
    /// A public place with EVSEs.
    Location {
        1 id: CiString,
        1 #[serde(rename = "type")] kind: LocationType,
        ? name: String,
        1 address: String,
        1 city: String,
        1 postal_code: String,
        1 country: String,
        1 coordinates: GeoLocation,
        * related_locations: AdditionalGeoLocation,
        * evses: Evse,
        * directions: DisplayText,
        ? operator: BusinessDetails,
        ? suboperator: BusinessDetails,
        ? owner: BusinessDetails,
        * facilities: Facility,
        ? time_zone: String,
        ? opening_times: Hours,
        ? charging_when_closed: bool,
        * images: Image,
        ? energy_mix: EnergyMix,
        1 last_updated: DateTime,
    }

    /// Serves one vehicle at a time.
    Evse {
        1 uid: CiString,
        ? evse_id: CiString,
        1 status: Status,
        * status_schedule: StatusSchedule,
        * capabilities: Capability,
        + connectors: Connector,
        ? floor_level: Label,
        ? coordinates: GeoLocation,
        ? physical_reference: Label,
        * directions: DisplayText,
        * parking_restrictions: ParkingRestriction,
        * images: Image,
        1 last_updated: DateTime,
    }

    /// The outlet; one tariff at most.
    Connector {
        1 id: CiString,
        1 standard: ConnectorType,
        1 format: ConnectorFormat,
        1 power_type: PowerType,
        1 voltage: u32,
        1 amperage: u32,
        ? tariff_id: CiString,
        ? terms_and_conditions: String,
        1 last_updated: DateTime,
    }

    /// When a location is open.
    Hours {
        * regular_hours: RegularHours,
        ? twentyfourseven: bool,
        * exceptional_openings: ExceptionalPeriod,
        * exceptional_closings: ExceptionalPeriod,
    }

    /// Where the energy comes from.
    EnergyMix {
        1 is_green_energy: bool,
        * energy_sources: EnergySource,
        * environ_impact: EnvironmentalImpact,
        ? supplier_name: String,
        ? energy_product_name: String,
    }

    /// What the mix does to the world: its kind is called source.
    EnvironmentalImpact {
        1 source: EnvironmentalImpactCategory,
        1 amount: Number,
    }
}

open_enum! {
    /// Where one parks.
    LocationType {
        OnStreet = "ON_STREET",
        ParkingGarage = "PARKING_GARAGE",
        UndergroundGarage = "UNDERGROUND_GARAGE",
        ParkingLot = "PARKING_LOT",
        Unknown = "UNKNOWN",
    }
}
