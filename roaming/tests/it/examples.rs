//! Every official example of three versions, byte for byte: read as what it is, written again, and the same. What is faulty in them is
//! listed, and the list is compared both ways.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ringmain_roaming::ocpi::patch::Patch;
use ringmain_roaming::ocpi::reading::{self, Fault};
use ringmain_roaming::ocpi::v211::types as v211;
use ringmain_roaming::ocpi::v221::types as v221;
use ringmain_roaming::ocpi::v230::types as v230;
use ringmain_roaming::ocpi::values::DateTime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What is faulty in an example, by version and file, and where we say so.
const FAULTY: [(&str, &str, &str); 10] = [
    (
        "2.1.1-d2-bugfixes",
        "mod_locations_03_example_add_an_evse.json",
        "/connectors/0: missing field `power_type`",
    ),
    (
        "2.1.1-d2-bugfixes",
        "mod_tariffs_00_example_new_tariff_2_euro_per_hour.json",
        "/: missing field `last_updated`",
    ),
    ("2.1.1-d2-bugfixes", "mod_tariffs_01_example_change_tariff_to_2_50.json", "/: missing field `id`"),
    ("2.2.1-bugfixes", "inline_mod_hub_client_info_0.json", "/: trailing comma"),
    ("2.2.1-bugfixes", "location_put_example_add_evse.json", "/connectors/0: missing field `power_type`"),
    ("2.2.1-bugfixes", "tariff_put_example.json", "/: missing field `last_updated`"),
    ("2.3.0-ed2-core", "cdr_example.json", "/tariffs/0: missing field `tax_included`"),
    ("2.3.0-ed2-core", "inline_mod_hub_client_info_0.json", "/: trailing comma"),
    ("2.3.0-ed2-core", "location_put_example_add_evse.json", "/connectors/0: missing field `power_type`"),
    ("2.3.0-ed2-core", "tariff_put_example.json", "/: missing field `last_updated`"),
];

type Read = fn(&[u8]) -> Result<(), Fault>;

/// Reads an object, writes it and reads that: the same object, and the same JSON but for what reading tolerates.
fn object<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(text: &[u8]) -> Result<(), Fault> {
    let read: T = reading::body(text)?;
    let written = serde_json::to_value(&read).unwrap();
    let again: T = reading::value(written.clone())?;
    assert_eq!(again, read);
    let original: Value = serde_json::from_slice(text).unwrap();
    assert_eq!(bare(&written), bare(&original));
    Ok(())
}

/// JSON without what may be written in several ways: numbers by their value, instants by their millisecond, empty lists not at all.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !matches!(value, Value::Array(list) if list.is_empty()))
            .map(|(name, value)| (name.clone(), bare(value)))
            .collect(),
        Value::Array(list) => list.iter().map(bare).collect(),
        Value::Number(number) => number.as_f64().unwrap().into(),
        Value::String(text) => match (DateTime::read(text), text.parse::<f64>()) {
            (Some(at), _) => at.to_string().into(),
            (None, Ok(number)) => number.into(),
            (None, Err(_)) => text.clone().into(),
        },
        other => other.clone(),
    }
}

fn wrapped<T: DeserializeOwned>(text: &[u8]) -> Result<(), Fault> {
    reading::answer(text)?.one::<T>().map(drop)
}

fn listed<T: DeserializeOwned>(text: &[u8]) -> Result<(), Fault> {
    let items = reading::answer(text)?.list::<T>()?;
    assert!(!items.items.is_empty());
    items.faults.into_iter().next().map_or(Ok(()), Err)
}

fn refused(text: &[u8]) -> Result<(), Fault> {
    let answer = reading::answer(text)?;
    assert!(!answer.is_success() && answer.data.is_none());
    Ok(())
}

fn part(text: &[u8]) -> Result<(), Fault> {
    Patch::read(text).map(drop)
}

fn undated_part(text: &[u8]) -> Result<(), Fault> {
    let now = DateTime::read("2026-03-01T08:00:00Z").unwrap();
    Patch::read_undated(text, now).map(drop)
}

/// A member of an object that stands alone in its example: `"energy_mix": {…}`.
fn member<T: DeserializeOwned>(name: &str, text: &[u8]) -> Result<(), Fault> {
    let whole: Value = reading::body(text)?;
    let inner = whole.get(name).cloned().unwrap_or(whole);
    reading::value::<T>(inner).map(drop)
}

/// By the beginning of a file's name, the longest first.
fn readers(version: &str) -> Vec<(&'static str, Read)> {
    use v221::location as l;
    if version == "2.1.1-d2-bugfixes" {
        return vec![
            ("credentials", object::<v211::Credentials>),
            ("mod_cdrs", object::<v211::Cdr>),
            ("mod_locations_00", undated_part),
            ("mod_locations_01", undated_part),
            ("mod_locations_02", undated_part),
            ("mod_locations_03", object::<v211::location::Evse>),
            ("mod_locations_04", undated_part),
            ("mod_locations_05", object::<v211::location::Location>),
            ("mod_locations_06", object::<v211::location::EnergyMix>),
            ("mod_locations_07", object::<v211::location::EnergyMix>),
            ("mod_locations_08", object::<v211::location::EnergyMix>),
            ("mod_locations_09", object::<v211::location::Hours>),
            ("mod_sessions_00", undated_part),
            ("mod_sessions", object::<v211::Session>),
            ("mod_tariffs", object::<v211::Tariff>),
            ("mod_tokens_01", undated_part),
            ("mod_tokens", object::<v211::Token>),
            ("transport_and_format_08", listed::<v221::version::Version>),
            ("transport_and_format_09", wrapped::<v211::VersionDetails>),
            ("transport_and_format_10", wrapped::<v211::Token>),
            ("transport_and_format_11", listed::<v211::Token>),
            ("transport_and_format_12", refused),
            ("version_information_endpoint_00", object::<Vec<v221::version::Version>>),
            ("version_information_endpoint_01", object::<v211::VersionDetails>),
        ];
    }
    let new = version == "2.3.0-ed2-core";
    let either = |old: Read, newer: Read| if new { newer } else { old };
    vec![
        ("cdr_", either(object::<v221::cdr::Cdr>, object::<v230::Cdr>)),
        ("credentials_", either(object::<v221::credentials::Credentials>, object::<v230::Credentials>)),
        ("inline_mod_hub_client_info", object::<v221::client::ClientInfo>),
        ("inline_transport_and_format_13", refused),
        ("location_energymix", |text| member::<l::EnergyMix>("energy_mix", text)),
        ("location_hours", |text| member::<l::Hours>("opening_times", text)),
        ("location_regularhours", |text| {
            member::<Vec<l::RegularHours>>("regular_hours", text)
                .or_else(|_| member::<l::Hours>("opening_times", text))
        }),
        ("location_patch", part),
        ("location_put_example_add_evse", either(object::<l::Evse>, object::<v230::location::Evse>)),
        ("location_example", either(object::<l::Location>, object::<v230::location::Location>)),
        ("session_patch", part),
        ("session_example", either(object::<v221::session::Session>, object::<v230::Session>)),
        ("tariff_", either(object::<v221::tariff::Tariff>, object::<v230::Tariff>)),
        ("tariffrestriction", |text| member::<v221::tariff::TariffRestrictions>("restrictions", text)),
        ("token_patch", part),
        ("token_", object::<v221::token::Token>),
        ("transport_and_format_get_token_list", listed::<v221::token::Token>),
        ("transport_and_format_get_token", wrapped::<v221::token::Token>),
        ("transport_and_format_version_details", wrapped::<v221::version::VersionDetails>),
        ("transport_and_format_version_info", listed::<v221::version::Version>),
        ("type_displaytext", object::<v221::DisplayText>),
        ("version_details", object::<v221::version::VersionDetails>),
        ("versions_info", object::<Vec<v221::version::Version>>),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples")
}

#[test]
fn every_official_example_is_read_or_its_fault_is_listed() {
    let index = fs::read_to_string(folder().join("INDEX.tsv")).unwrap();
    let mut found = BTreeMap::new();
    let mut read = 0;
    for line in index.lines().skip(1) {
        let mut columns = line.split('\t');
        let (version, file) = (columns.next().unwrap(), columns.next().unwrap());
        let text = fs::read(folder().join(version).join(file)).unwrap();
        let reader = readers(version).into_iter().find(|(prefix, _)| file.starts_with(prefix));
        let (_, reader) = reader.unwrap_or_else(|| panic!("{version}/{file}: nobody reads it"));
        match reader(&text) {
            Ok(()) => read += 1,
            Err(fault) => drop(found.insert((version.to_owned(), file.to_owned()), fault.to_string())),
        }
    }
    let listed =
        FAULTY.map(|(version, file, fault)| ((version.to_owned(), file.to_owned()), fault.to_owned()));
    assert_eq!(found, BTreeMap::from(listed));
    assert_eq!(read + FAULTY.len(), 156);
}

#[test]
fn every_example_is_in_the_index() {
    let index = fs::read_to_string(folder().join("INDEX.tsv")).unwrap();
    for version in ["2.1.1-d2-bugfixes", "2.2.1-bugfixes", "2.3.0-ed2-core"] {
        for entry in fs::read_dir(folder().join(version)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(index.contains(&format!("{version}\t{name}\t")), "{version}/{name}");
        }
    }
}
