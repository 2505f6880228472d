//! What both profiles say alike: words of lists, texts, references, addresses.

use std::borrow::Cow;

use ringmain_domain::hardware::{ConnectorHardware, Current, Plug};
use serde::Serialize;
use uuid::Uuid;

use crate::ocpi::values::Number;
use crate::public_data::Terms;
use crate::public_data::datex2::Profile;
use crate::public_data::datex2::countries::alpha_2;
use crate::public_data::datex2::sites::Site;
use crate::service::locations::EvseStatus;

/// The most characters of a text (DATEX II, String).
const TEXT_MAX: usize = 1_024;
/// The class that sites, stations and points are referred to by.
const OBJECT: &str = "FacilityObject";

/// A word of a list.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Word {
    value: &'static str,
    #[serde(rename = "extendedValueG", skip_serializing_if = "Option::is_none")]
    extended: Option<&'static str>,
}

/// A text for people, in one language.
#[derive(Debug, Serialize)]
pub struct Text<'a> {
    values: [Spoken<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Spoken<'a> {
    lang: &'a str,
    value: Cow<'a, str>,
}

/// A reference to an object in one of its versions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference<'a> {
    /// What it is.
    pub target_class: &'static str,
    /// Its id.
    pub id_g: Cow<'a, str>,
    /// Its version.
    pub version_g: &'a str,
}

/// A point on earth.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Coordinates {
    latitude: Number,
    longitude: Number,
}

/// A point given by its coordinates.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ByCoordinates {
    point_coordinates: Coordinates,
}

/// What extends a location: the address.
#[derive(Debug, Serialize)]
pub struct Extension<'a> {
    #[serde(rename = "FacilityLocation")]
    facility_location: FacilityLocation<'a>,
}

#[derive(Debug, Serialize)]
struct FacilityLocation<'a> {
    address: Address<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    postcode: Option<&'a str>,
    city: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country_code: Option<&'static str>,
    address_line: [AddressLine<'a>; 1],
}

#[derive(Debug, Serialize)]
struct AddressLine<'a> {
    order: u32,
    #[serde(rename = "type")]
    kind: Word,
    text: Text<'a>,
}

/// Nothing is known.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Nothing {}

// === impl Word ===

impl Word {
    /// A word of the list.
    #[must_use]
    pub const fn of(value: &'static str) -> Self {
        Self { value, extended: None }
    }

    /// A word that is not in the list.
    #[must_use]
    pub const fn beyond(word: &'static str) -> Self {
        Self { value: "extendedG", extended: Some(word) }
    }
}

// === impl Text ===

impl<'a> Text<'a> {
    /// A text in the language of the terms.
    #[must_use]
    pub fn new(terms: &'a Terms, text: &'a str) -> Self {
        Self { values: [Spoken { lang: &terms.language, value: clip(text) }] }
    }

    /// A text of ours.
    #[must_use]
    pub fn english(text: String) -> Self {
        Self { values: [Spoken { lang: "en", value: Cow::Owned(text) }] }
    }
}

/// A text, as much of it as its field holds.
fn clip(text: &str) -> Cow<'_, str> {
    let end = text.char_indices().nth(TEXT_MAX).map(|(end, _)| end);
    Cow::Borrowed(end.and_then(|end| text.get(..end)).unwrap_or(text))
}

// === impl Reference ===

impl<'a> Reference<'a> {
    /// To a site, by its id.
    #[must_use]
    pub fn site(site: &'a Site<'a>) -> Self {
        Self { target_class: OBJECT, id_g: Cow::Borrowed(&site.id), version_g: &site.version }
    }

    /// To a station or a point.
    #[must_use]
    pub fn object(uid: Uuid, version: &'a str) -> Self {
        Self { target_class: OBJECT, id_g: Cow::Owned(uid.to_string()), version_g: version }
    }
}

// === places ===

/// Where a site is.
#[must_use]
pub const fn coordinates(site: &Site<'_>) -> Coordinates {
    Coordinates { latitude: site.latitude, longitude: site.longitude }
}

/// The same as a point.
#[must_use]
pub const fn by_coordinates(site: &Site<'_>) -> ByCoordinates {
    ByCoordinates { point_coordinates: coordinates(site) }
}

/// A site's address.
#[must_use]
pub fn address<'a>(terms: &'a Terms, site: &'a Site<'a>) -> Extension<'a> {
    let location = site.location;
    let line = AddressLine { order: 1, kind: Word::of("street"), text: Text::new(terms, &location.address) };
    let address = Address {
        postcode: location.postal_code.as_deref(),
        city: Text::new(terms, &location.city),
        country_code: alpha_2(&location.country),
        address_line: [line],
    };
    Extension { facility_location: FacilityLocation { address } }
}

// === hardware ===

/// A plug. What a list does not have is said beyond it.
#[must_use]
pub const fn plug(profile: Profile, plug: Plug) -> Word {
    Word::of(match plug {
        Plug::Type1 => "iec62196T1",
        Plug::Type2 => "iec62196T2",
        Plug::Ccs1 => "iec62196T1COMBO",
        Plug::Ccs2 => "iec62196T2COMBO",
        Plug::Chademo => "chademo",
        Plug::Nacs => "teslaConnectorAmerica",
        Plug::GbtAc | Plug::GbtDc => "other",
        Plug::Mcs => match profile {
            Profile::V37 => return Word::beyond("mcs"),
            Profile::Afir => "mcs",
        },
        Plug::Schuko => "domesticF",
        Plug::CeeBlue => "iec60309x2single16",
        Plug::CeeRed16 => "iec60309x2three16",
        Plug::CeeRed32 => "iec60309x2three32",
        Plug::PantographBottomUp => "pantographBottomUp",
        Plug::PantographTopDown => "pantographTopDown",
    })
}

/// Cable or socket. The list names cables by the modes of AC.
#[must_use]
pub const fn format(hardware: &ConnectorHardware) -> Word {
    Word::of(match (hardware.has_cable, hardware.current) {
        (false, _) => "socket",
        (true, Current::Dc) => "otherCable",
        (true, Current::Ac1 | Current::Ac2 | Current::Ac3) => "cableMode3",
    })
}

/// The charging mode, where the list has one for it: mode 3 it has for three phases only.
#[must_use]
pub const fn mode(hardware: &ConnectorHardware) -> Option<Word> {
    match (hardware.current, hardware.plug) {
        (Current::Dc, _) => Some(Word::of("mode4DC")),
        (Current::Ac3, Plug::Type2) => Some(Word::of("mode3AC3p")),
        _ => None,
    }
}

/// What a point is doing. Whether energy flows is not told: a vehicle is there.
#[must_use]
pub const fn status(status: EvseStatus) -> Word {
    Word::of(match status {
        EvseStatus::Available => "available",
        EvseStatus::InUse => "occupied",
        EvseStatus::Reserved => "reserved",
        EvseStatus::OutOfOrder => "outOfOrder",
        EvseStatus::Inoperative => "inoperative",
        EvseStatus::Unknown => "unknown",
    })
}

/// Numbers, each once, in order.
pub fn distinct(numbers: impl Iterator<Item = u32>) -> Vec<u32> {
    let numbers: std::collections::BTreeSet<u32> = numbers.collect();
    numbers.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_characters() {
        let long = "ü".repeat(TEXT_MAX + 1);
        assert_eq!(clip(&long).chars().count(), TEXT_MAX);
        assert_eq!(clip("Überall"), "Überall");
    }

    #[test]
    fn numbers_are_said_once() {
        assert_eq!(distinct([230, 920, 230].into_iter()), [230, 920]);
    }
}
