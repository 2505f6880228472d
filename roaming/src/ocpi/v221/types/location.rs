//! Locations, EVSEs and connectors (`mod_locations`).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{closed_enum, object, open_enum};
use crate::ocpi::v221::types::DisplayText;
use crate::ocpi::v221::types::token::TokenType;
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
        * directions: DisplayText,
        ? operator: BusinessDetails,
        ? suboperator: BusinessDetails,
        ? owner: BusinessDetails,
        * facilities: Facility,
        1 time_zone: String,
        ? opening_times: Hours,
        ? charging_when_closed: bool,
        * images: Image,
        ? energy_mix: EnergyMix,
        1 last_updated: DateTime,
    }

    /// Serves one vehicle at a time. It is never deleted, but REMOVED.
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

    /// The outlet. Volts and amperes are whole numbers.
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
        1 last_updated: DateTime,
    }

    /// Where on earth: degrees as text with 5 to 7 decimals.
    GeoLocation {
        1 latitude: String,
        1 longitude: String,
    }

    /// Another point that belongs to a location.
    AdditionalGeoLocation {
        1 latitude: String,
        1 longitude: String,
        ? name: DisplayText,
    }

    /// A company.
    BusinessDetails {
        1 name: String,
        ? website: String,
        ? logo: Image,
    }

    /// A picture.
    Image {
        1 url: String,
        ? thumbnail: String,
        1 category: ImageCategory,
        1 #[serde(rename = "type")] kind: CiString,
        ? width: u32,
        ? height: u32,
    }

    /// Where the energy comes from.
    EnergyMix {
        1 is_green_energy: bool,
        * energy_sources: EnergySource,
        * environ_impact: EnvironmentalImpact,
        ? supplier_name: String,
        ? energy_product_name: String,
    }

    /// A part of the mix.
    EnergySource {
        1 source: EnergySourceCategory,
        1 percentage: Number,
    }

    /// What the mix does to the world.
    EnvironmentalImpact {
        1 category: EnvironmentalImpactCategory,
        1 amount: Number,
    }

    /// When a location is open.
    Hours {
        1 twentyfourseven: bool,
        * regular_hours: RegularHours,
        * exceptional_openings: ExceptionalPeriod,
        * exceptional_closings: ExceptionalPeriod,
    }

    /// Hours of a weekday, 1 is Monday.
    RegularHours {
        1 weekday: u8,
        1 period_begin: String,
        1 period_end: String,
    }

    /// An exception to the hours.
    ExceptionalPeriod {
        1 period_begin: DateTime,
        1 period_end: DateTime,
    }

    /// A status that is planned.
    StatusSchedule {
        1 period_begin: DateTime,
        ? period_end: DateTime,
        1 status: Status,
    }

    /// To whom a location that is not public may be shown.
    PublishTokenType {
        ? uid: CiString,
        ? #[serde(rename = "type")] kind: TokenType,
        ? visual_number: String,
        ? issuer: String,
        ? group_id: CiString,
    }

    /// A change of an EVSE's status, the most common message of all.
    EvseStatusPatch {
        1 status: Status,
        1 last_updated: DateTime,
    }
}

closed_enum! {
    /// Does the cable belong to the station?
    ConnectorFormat {
        Socket = "SOCKET",
        Cable = "CABLE",
    }

    /// What an EVSE is doing.
    Status {
        Available = "AVAILABLE",
        Blocked = "BLOCKED",
        Charging = "CHARGING",
        Inoperative = "INOPERATIVE",
        OutOfOrder = "OUTOFORDER",
        Planned = "PLANNED",
        Removed = "REMOVED",
        Reserved = "RESERVED",
        Unknown = "UNKNOWN",
    }

    /// Kind of current.
    PowerType {
        Ac1Phase = "AC_1_PHASE",
        Ac2Phase = "AC_2_PHASE",
        Ac2PhaseSplit = "AC_2_PHASE_SPLIT",
        Ac3Phase = "AC_3_PHASE",
        Dc = "DC",
    }
}

open_enum! {
    /// What an EVSE can do.
    Capability {
        ChargingProfileCapable = "CHARGING_PROFILE_CAPABLE",
        ChargingPreferencesCapable = "CHARGING_PREFERENCES_CAPABLE",
        ChipCardSupport = "CHIP_CARD_SUPPORT",
        ContactlessCardSupport = "CONTACTLESS_CARD_SUPPORT",
        CreditCardPayable = "CREDIT_CARD_PAYABLE",
        DebitCardPayable = "DEBIT_CARD_PAYABLE",
        PedTerminal = "PED_TERMINAL",
        RemoteStartStopCapable = "REMOTE_START_STOP_CAPABLE",
        Reservable = "RESERVABLE",
        RfidReader = "RFID_READER",
        StartSessionConnectorRequired = "START_SESSION_CONNECTOR_REQUIRED",
        TokenGroupCapable = "TOKEN_GROUP_CAPABLE",
        UnlockCapable = "UNLOCK_CAPABLE",
    }

    /// The plug.
    ConnectorType {
        Chademo = "CHADEMO",
        Chaoji = "CHAOJI",
        DomesticA = "DOMESTIC_A",
        DomesticB = "DOMESTIC_B",
        DomesticC = "DOMESTIC_C",
        DomesticD = "DOMESTIC_D",
        DomesticE = "DOMESTIC_E",
        DomesticF = "DOMESTIC_F",
        DomesticG = "DOMESTIC_G",
        DomesticH = "DOMESTIC_H",
        DomesticI = "DOMESTIC_I",
        DomesticJ = "DOMESTIC_J",
        DomesticK = "DOMESTIC_K",
        DomesticL = "DOMESTIC_L",
        DomesticM = "DOMESTIC_M",
        DomesticN = "DOMESTIC_N",
        DomesticO = "DOMESTIC_O",
        GbtAc = "GBT_AC",
        GbtDc = "GBT_DC",
        Iec60309Single16 = "IEC_60309_2_single_16",
        Iec60309Three16 = "IEC_60309_2_three_16",
        Iec60309Three32 = "IEC_60309_2_three_32",
        Iec60309Three64 = "IEC_60309_2_three_64",
        Iec62196T1 = "IEC_62196_T1",
        Iec62196T1Combo = "IEC_62196_T1_COMBO",
        Iec62196T2 = "IEC_62196_T2",
        Iec62196T2Combo = "IEC_62196_T2_COMBO",
        Iec62196T3A = "IEC_62196_T3A",
        Iec62196T3C = "IEC_62196_T3C",
        Mcs = "MCS",
        Nema520 = "NEMA_5_20",
        Nema630 = "NEMA_6_30",
        Nema650 = "NEMA_6_50",
        Nema1030 = "NEMA_10_30",
        Nema1050 = "NEMA_10_50",
        Nema1430 = "NEMA_14_30",
        Nema1450 = "NEMA_14_50",
        PantographBottomUp = "PANTOGRAPH_BOTTOM_UP",
        PantographTopDown = "PANTOGRAPH_TOP_DOWN",
        SaeJ3400 = "SAE_J3400",
        TeslaR = "TESLA_R",
        TeslaS = "TESLA_S",
    }

    /// Where energy comes from.
    EnergySourceCategory {
        Nuclear = "NUCLEAR",
        GeneralFossil = "GENERAL_FOSSIL",
        Coal = "COAL",
        Gas = "GAS",
        GeneralGreen = "GENERAL_GREEN",
        Solar = "SOLAR",
        Wind = "WIND",
        Water = "WATER",
    }

    /// What energy does to the world.
    EnvironmentalImpactCategory {
        NuclearWaste = "NUCLEAR_WASTE",
        CarbonDioxide = "CARBON_DIOXIDE",
    }

    /// What else there is at a location.
    Facility {
        Hotel = "HOTEL",
        Restaurant = "RESTAURANT",
        Cafe = "CAFE",
        Mall = "MALL",
        Supermarket = "SUPERMARKET",
        Sport = "SPORT",
        RecreationArea = "RECREATION_AREA",
        Nature = "NATURE",
        Museum = "MUSEUM",
        BikeSharing = "BIKE_SHARING",
        BusStop = "BUS_STOP",
        TaxiStand = "TAXI_STAND",
        TramStop = "TRAM_STOP",
        MetroStation = "METRO_STATION",
        TrainStation = "TRAIN_STATION",
        Airport = "AIRPORT",
        ParkingLot = "PARKING_LOT",
        CarpoolParking = "CARPOOL_PARKING",
        FuelStation = "FUEL_STATION",
        Wifi = "WIFI",
    }

    /// What a picture shows.
    ImageCategory {
        Charger = "CHARGER",
        Entrance = "ENTRANCE",
        Location = "LOCATION",
        Network = "NETWORK",
        Operator = "OPERATOR",
        Owner = "OWNER",
    }

    /// Who may park.
    ParkingRestriction {
        EvOnly = "EV_ONLY",
        Plugged = "PLUGGED",
        Disabled = "DISABLED",
        Customers = "CUSTOMERS",
        Employees = "EMPLOYEES",
        Motorcycles = "MOTORCYCLES",
        Taxis = "TAXIS",
        Tenants = "TENANTS",
    }

    /// Where one parks.
    ParkingType {
        AlongMotorway = "ALONG_MOTORWAY",
        ParkingGarage = "PARKING_GARAGE",
        ParkingLot = "PARKING_LOT",
        OnDriveway = "ON_DRIVEWAY",
        OnStreet = "ON_STREET",
        UndergroundGarage = "UNDERGROUND_GARAGE",
    }
}
