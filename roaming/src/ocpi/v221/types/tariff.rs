//! Tariffs (`mod_tariffs`).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{closed_enum, object, open_enum};
use crate::ocpi::v221::types::DisplayText;
use crate::ocpi::v221::types::location::EnergyMix;
use crate::ocpi::values::{CiString, DateTime, Number};

object! {
    /// A tariff.
    Tariff {
        1 country_code: CiString,
        1 party_id: CiString,
        1 id: CiString,
        1 currency: String,
        ? #[serde(rename = "type")] kind: TariffType,
        * tariff_alt_text: DisplayText,
        ? tariff_alt_url: String,
        ? min_price: Price,
        ? max_price: Price,
        + elements: TariffElement,
        ? start_date_time: DateTime,
        ? end_date_time: DateTime,
        ? energy_mix: EnergyMix,
        1 last_updated: DateTime,
    }

    /// An amount (types, Price). Without `incl_vat` the taxes are not known.
    #[derive(Copy)]
    Price {
        1 excl_vat: Number,
        ? incl_vat: Number,
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
        ? vat: Number,
        1 step_size: u32,
    }

    /// When an element applies: all that is named must hold.
    #[derive(Default)]
    TariffRestrictions {
        ? start_time: String,
        ? end_time: String,
        ? start_date: String,
        ? end_date: String,
        ? min_kwh: Number,
        ? max_kwh: Number,
        ? min_current: Number,
        ? max_current: Number,
        ? min_power: Number,
        ? max_power: Number,
        ? min_duration: u32,
        ? max_duration: u32,
        * day_of_week: DayOfWeek,
        ? reservation: ReservationRestrictionType,
    }
}

closed_enum! {
    /// What a price is for.
    TariffDimensionType {
        Energy = "ENERGY",
        Flat = "FLAT",
        ParkingTime = "PARKING_TIME",
        Time = "TIME",
    }

    /// A day of the week.
    DayOfWeek {
        Monday = "MONDAY",
        Tuesday = "TUESDAY",
        Wednesday = "WEDNESDAY",
        Thursday = "THURSDAY",
        Friday = "FRIDAY",
        Saturday = "SATURDAY",
        Sunday = "SUNDAY",
    }

    /// What of a reservation is priced.
    ReservationRestrictionType {
        Reservation = "RESERVATION",
        ReservationExpires = "RESERVATION_EXPIRES",
    }
}

open_enum! {
    /// For whom a tariff is.
    TariffType {
        AdHocPayment = "AD_HOC_PAYMENT",
        ProfileCheap = "PROFILE_CHEAP",
        ProfileFast = "PROFILE_FAST",
        ProfileGreen = "PROFILE_GREEN",
        Regular = "REGULAR",
    }
}
