//! Locations with places to park (`mod_locations`).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{closed_enum, object, open_enum};
use crate::ocpi::v221::types::DisplayText;
use crate::ocpi::v221::types::location::{
    AdditionalGeoLocation, BusinessDetails, Capability, ConnectorFormat, ConnectorType, EnergyMix, Facility,
    GeoLocation, Hours, Image, ParkingRestriction, ParkingType, PowerType, PublishTokenType, Status,
    StatusSchedule,
};
use crate::ocpi::values::{CiString, DateTime, Label, Number};

object! {
    /// A public place with EVSEs.
    Location {
        1 country_code: CiString,
        1 party_id: CiString,
        1 id: CiString,
        1 publish: bool,
        * publish_allowed_to: PublishTokenType,
        ? name: String,
        1 address: String,
        1 city: String,
        ? postal_code: String,
        ? state: String,
        1 country: String,
        1 coordinates: GeoLocation,
        * related_locations: AdditionalGeoLocation,
        ? parking_type: ParkingType,
        * evses: Evse,
        * parking_places: Parking,
        * directions: DisplayText,
        ? operator: BusinessDetails,
        ? suboperator: BusinessDetails,
        ? owner: BusinessDetails,
        ? help_phone: CiString,
        * facilities: Facility,
        1 time_zone: String,
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
        * parking: EvseParking,
        * images: Image,
        * accepted_service_providers: String,
        1 last_updated: DateTime,
    }

    /// The outlet.
    Connector {
        1 id: CiString,
        1 standard: ConnectorType,
        1 format: ConnectorFormat,
        1 power_type: PowerType,
        1 max_voltage: u32,
        1 max_amperage: u32,
        ? max_electric_power: u32,
        * tariff_ids: CiString,
        ? terms_and_conditions: String,
        * capabilities: ConnectorCapability,
        1 last_updated: DateTime,
    }

    /// Where a vehicle stands at an EVSE.
    EvseParking {
        1 parking_id: CiString,
        ? evse_position: EvsePosition,
    }

    /// A place to park: kg, cm, minutes.
    Parking {
        1 id: CiString,
        ? physical_reference: Label,
        + vehicle_types: VehicleType,
        ? max_vehicle_weight: Number,
        ? max_vehicle_height: Number,
        ? max_vehicle_length: Number,
        ? max_vehicle_width: Number,
        ? parking_space_length: Number,
        ? parking_space_width: Number,
        ? dangerous_goods_allowed: bool,
        ? direction: ParkingDirection,
        ? drive_through: bool,
        1 restricted_to_type: bool,
        1 reservation_required: bool,
        ? time_limit: Number,
        ? roofed: bool,
        * images: Image,
        ? lighting: bool,
        ? refrigeration_outlet: bool,
        * standards: CiString,
        ? apds_reference: CiString,
    }
}

closed_enum! {
    /// On which side of the vehicle the EVSE is.
    EvsePosition {
        Left = "LEFT",
        Right = "RIGHT",
        Center = "CENTER",
    }

    /// How one parks, seen from the road.
    ParkingDirection {
        Parallel = "PARALLEL",
        Perpendicular = "PERPENDICULAR",
        Angle = "ANGLE",
    }
}

open_enum! {
    /// What a connector can do.
    ConnectorCapability {
        Iso15118V2PlugAndCharge = "ISO_15118_2_PLUG_AND_CHARGE",
        Iso15118V20PlugAndCharge = "ISO_15118_20_PLUG_AND_CHARGE",
    }

    /// For what a place to park is.
    VehicleType {
        Motorcycle = "MOTORCYCLE",
        PersonalVehicle = "PERSONAL_VEHICLE",
        PersonalVehicleWithTrailer = "PERSONAL_VEHICLE_WITH_TRAILER",
        Van = "VAN",
        SemiTractor = "SEMI_TRACTOR",
        Rigid = "RIGID",
        TruckWithTrailer = "TRUCK_WITH_TRAILER",
        Bus = "BUS",
        Disabled = "DISABLED",
    }
}
