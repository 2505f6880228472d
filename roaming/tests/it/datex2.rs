//! DATEX II: whatever stands in the store, what is written of it is valid, tells no station, and a status names what its table has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use flate2::read::GzDecoder;
use futures_util::StreamExt as _;
use proptest::prelude::*;
use ringmain_domain::hardware::{ConnectorHardware, Current, Plug};
use ringmain_domain::id::{ConnectorId, EvseId, StationId};
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::tariff::TaxIncluded;
use ringmain_roaming::public_data::Terms;
use ringmain_roaming::public_data::datex2::sites::Tariffs;
use ringmain_roaming::public_data::datex2::{Document, Part, Profile};
use ringmain_roaming::public_data::snapshots::{PACKED_MAX_BYTES, Packer, Snapshot, SnapshotError};
use ringmain_store::partners::lists::{PublishedConnector, PublishedLocation};
use serde_json::{Value, json};

use crate::generate;
use crate::make::{at, location, tariff};
use crate::schema::{Schema, schema};

pub(crate) const SCHEMAS: &str = "RINGMAIN_DATEX2_SCHEMAS";

macro_rules! schemas {
    ($($name:ident = $file:literal,)+) => {
        $(static $name: LazyLock<Schema> = LazyLock::new(|| schema!("datex2", $file));)+
    };
}
schemas! {
    TABLE_37 = "v3.7-table",
    STATUS_37 = "v3.7-status",
    TABLE_35 = "v3.5-table",
    STATUS_35 = "v3.5-status",
}

/// The published schemas of a document, where somebody has named their folder.
static PUBLISHED: LazyLock<BTreeMap<&'static str, Schema>> = LazyLock::new(|| {
    let Some(folder) = std::env::var_os(SCHEMAS).map(PathBuf::from) else { return BTreeMap::new() };
    let of = |document: Document| {
        let (name, root) = match (document.profile, document.part) {
            (Profile::V37, _) => ("v3.7", "DATEXII_3_D2Payload"),
            (Profile::Afir, Part::Table) => ("v3.5-table", "DATEXII_3_D2Payload"),
            (Profile::Afir, Part::Status) => ("v3.5-status", "DATEXII_3_MessageContainer"),
        };
        let whole = whole_schema(&folder.join(name), root);
        // What was published of v3.7 in JSON does not have every publication.
        let is_there = whole.to_string().contains(publication_of(document));
        is_there.then(|| (document.as_str(), Schema::new(document.as_str(), &whole.to_string())))
    };
    Document::ALL.into_iter().filter_map(of).collect()
});

/// The files of a folder as one schema: definitions are named by their file, so that nothing is looked up elsewhere.
fn whole_schema(folder: &Path, root: &str) -> Value {
    fn local(value: &mut Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get_mut("$ref") {
                    let (file, name) = reference.split_once(".json#/").unwrap();
                    let name = name.split_once('/').unwrap().1;
                    *reference = format!("#/$defs/{file}.{name}");
                }
                members.values_mut().for_each(local);
            }
            Value::Array(items) => items.iter_mut().for_each(local),
            _ => {}
        }
    }
    let mut definitions = serde_json::Map::new();
    let mut whole = Value::Null;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        local(&mut document);
        let members = document.as_object_mut().unwrap();
        let own = members.remove("definitions").or_else(|| members.remove("$defs")).unwrap_or_default();
        for (of, definition) in own.as_object().cloned().unwrap_or_default() {
            definitions.insert(format!("{name}.{of}"), definition);
        }
        if name == root {
            whole = document;
        }
    }
    whole["$defs"] = Value::Object(definitions);
    whole
}

pub(crate) fn terms() -> Terms {
    Terms {
        country_code: "NL".into(),
        party_id: "RMN".into(),
        operator: "Ringmain Test".into(),
        language: "nl".into(),
        licence: "CC BY 4.0".into(),
        licence_url: "https://creativecommons.org/licenses/by/4.0/".into(),
        url: "https://cpo.example.com/public".into(),
        requests_per_min: 1_000,
        cache: Duration::ZERO,
        proxies: Vec::new(),
    }
}

fn publication_of(document: Document) -> &'static str {
    match (document.profile, document.part) {
        (Profile::V37, Part::Table) => "egiEnergyInfrastructureTablePublication",
        (Profile::V37, Part::Status) => "egiEnergyInfrastructureStatusPublication",
        (Profile::Afir, Part::Table) => "aegiEnergyInfrastructureTablePublication",
        (Profile::Afir, Part::Status) => "aegiEnergyInfrastructureStatusPublication",
    }
}

/// The publication of a document that is valid.
pub(crate) fn checked(document: Document, written: &Value) -> &Value {
    let schema = match (document.profile, document.part) {
        (Profile::V37, Part::Table) => &TABLE_37,
        (Profile::V37, Part::Status) => &STATUS_37,
        (Profile::Afir, Part::Table) => &TABLE_35,
        (Profile::Afir, Part::Status) => &STATUS_35,
    };
    schema.check(written);
    if let Some(published) = PUBLISHED.get(document.as_str()) {
        published.check(written);
    }
    let payload = written.get("payload").unwrap_or_else(|| &written["messageContainer"]["payload"][0]);
    &payload[publication_of(document)]
}

pub(crate) fn unpacked(packed: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    text
}

fn snapshot(document: Document, locations: &[PublishedLocation], tariffs: &Tariffs) -> Snapshot {
    let mut packer = Packer::new(document, &terms(), at(0), PACKED_MAX_BYTES).unwrap();
    packer.add(locations, tariffs).unwrap();
    packer.finish().unwrap()
}

fn write(document: Document, locations: &[PublishedLocation], tariffs: &Tariffs) -> Value {
    let text = unpacked(&snapshot(document, locations, tariffs).packed);
    assert!(!text.contains("SECRET"), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Every object with an id and a version, by these.
fn versions(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            if let (Some(Value::String(id)), Some(Value::String(version))) =
                (members.get("idG"), members.get("versionG"))
            {
                found.push((id.clone(), version.clone()));
            }
            members.values().for_each(|member| versions(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| versions(item, found)),
        _ => {}
    }
}

fn all_versions(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    versions(value, &mut found);
    found
}

fn taxes() -> impl Strategy<Value = TaxIncluded> {
    prop_oneof![Just(TaxIncluded::Yes), Just(TaxIncluded::No), Just(TaxIncluded::NotApplicable)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_location_makes_valid_documents(
        published in generate::published(),
        tariff in taxes().prop_flat_map(generate::tariff),
        is_priced: bool,
    ) {
        let mut published = published;
        for connector in &mut published.connectors {
            connector.tariff_id = is_priced.then(|| tariff.id.clone());
        }
        let stations: BTreeSet<_> = published.connectors.iter().map(|one| one.station.clone()).collect();
        let points: BTreeSet<_> = published.connectors.iter().map(|one| (one.station.clone(), one.evse)).collect();
        let tariffs = Tariffs::from([(tariff.id.clone(), tariff)]);
        let locations = [published];
        for profile in [Profile::V37, Profile::Afir] {
            let (table, status) = (Document { profile, part: Part::Table }, Document { profile, part: Part::Status });
            let written = write(status, &locations, &tariffs);
            let statuses = checked(status, &written)["energyInfrastructureSiteStatus"].as_array().unwrap();
            if points.is_empty() {
                prop_assert!(statuses.is_empty());
                continue;
            }
            let whole = write(table, &locations, &tariffs);
            let tables = &checked(table, &whole)["energyInfrastructureTable"];
            let sites = tables[0]["energyInfrastructureSite"].as_array().unwrap();
            prop_assert_eq!(sites.len(), 1);
            let told = sites[0]["energyInfrastructureStation"].as_array().unwrap();
            prop_assert_eq!(told.len(), stations.len());
            let all: usize = told.iter().map(|station| station["refillPoint"].as_array().unwrap().len()).sum();
            prop_assert_eq!(all, points.len());
            // Each object is there once, and a status is about objects of the table in the version they have there.
            let known = all_versions(tables);
            let once: BTreeSet<_> = known.iter().cloned().collect();
            prop_assert_eq!(once.len(), known.len());
            let told = &checked(status, &written)["energyInfrastructureSiteStatus"];
            let mut referred = BTreeSet::new();
            references(told, &mut referred);
            prop_assert_eq!(referred.len(), 1 + stations.len() + points.len());
            prop_assert!(referred.is_subset(&once), "{:?} of {:?}", referred, once);
            let reference = &checked(status, &written)["tableReference"][0];
            prop_assert_eq!((&reference["idG"], &reference["versionG"]), (&tables[0]["idG"], &tables[0]["versionG"]));
        }
    }
}

/// What is referred to as an object.
fn references(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(members) => {
            if members.get("targetClass") == Some(&json!("FacilityObject")) {
                found.extend(all_versions(value));
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

fn connector(evse: u32, hardware: ConnectorHardware, status: ConnectorStatus) -> PublishedConnector {
    PublishedConnector {
        station: StationId::new("SECRET-1").unwrap(),
        evse: EvseId(evse),
        connector: hardware.connector,
        status,
        maintenance: false,
        online: true,
        energy_flows: None,
        tariff_id: Some(tariff("T1", at(0)).id),
        hardware: Some((hardware, Some("NL*RMN*E1".into()))),
        changed_at: at(7),
    }
}

fn fast(plug: Plug) -> ConnectorHardware {
    ConnectorHardware {
        connector: ConnectorId(1),
        plug,
        has_cable: true,
        current: Current::Dc,
        max_voltage_v: 920,
        max_current_a: 500,
        max_power_w: Some(400_000),
    }
}

/// One location with a CCS point in use and a megawatt one that is broken.
fn depot() -> (Vec<PublishedLocation>, Tariffs) {
    let connectors = vec![
        connector(1, fast(Plug::Ccs2), ConnectorStatus::Charging),
        connector(2, fast(Plug::Mcs), ConnectorStatus::Faulted),
    ];
    let tariff = tariff("T1", at(0));
    (
        vec![PublishedLocation { location: location("L1", at(3)), connectors, unreadable: BTreeMap::new() }],
        Tariffs::from([(tariff.id.clone(), tariff)]),
    )
}

const V37: [Document; 2] = [Document::ALL[0], Document::ALL[1]];
const V35: [Document; 2] = [Document::ALL[2], Document::ALL[3]];

#[test]
fn the_table_of_v3_7_tells_place_plug_and_price() {
    let (locations, tariffs) = depot();
    let whole = write(V37[0], &locations, &tariffs);
    let publication = checked(V37[0], &whole);
    assert_eq!(
        (&publication["lang"], &publication["publicationTime"]),
        (&json!("nl"), &json!(at(0).to_string()))
    );
    let site = &publication["energyInfrastructureTable"][0]["energyInfrastructureSite"][0];
    assert_eq!(site["idG"], "NL*RMN*L1");
    assert_eq!(site["lastUpdated"], at(3).to_string());
    let place = &site["locationReference"]["locPointLocation"];
    assert_eq!(
        place["pointByCoordinates"]["pointCoordinates"],
        json!({"latitude": 52.09, "longitude": 5.121_420_1})
    );
    let address = &place["locLocationReferenceExtensionG"]["FacilityLocation"]["address"];
    assert_eq!((&address["countryCode"], &address["postcode"]), (&json!("NL"), &json!("3511")));
    assert_eq!(address["city"], json!({"values": [{"lang": "nl", "value": "Utrecht"}]}));
    let points = site["energyInfrastructureStation"][0]["refillPoint"].as_array().unwrap();
    let point = &points[0]["egiElectricChargingPoint"];
    assert_eq!(
        (&point["externalIdentifier"], &point["availableChargingPower"]),
        (&json!("NL*RMN*E1"), &json!([400_000]))
    );
    assert_eq!(
        point["connector"],
        json!([{"connectorType": {"value": "iec62196T2COMBO"}, "chargingMode": {"value": "mode4DC"},
            "connectorFormat": {"value": "otherCable"}, "maxPowerAtSocket": 400_000, "voltage": 920, "maximumCurrent": 500}])
    );
    assert_eq!(
        points[1]["egiElectricChargingPoint"]["connector"][0]["connectorType"],
        json!({"value": "extendedG", "extendedValueG": "mcs"})
    );
    let rates = &point["rates"]["facRateTable"];
    assert_eq!(rates["applicableCurrency"], json!(["EUR"]));
    let lines = rates["rateLineCollection"][0]["facRateLineCollection"]["rateLine"].as_array().unwrap();
    let told: Vec<_> =
        lines.iter().map(|line| (line["rateLineType"]["value"].as_str().unwrap(), &line["value"])).collect();
    let (flat, energy, time, parked) = (json!(0.50), json!(0.123_456_789), json!(2), json!(6.00));
    assert_eq!(
        told,
        [
            ("flatRate", &flat),
            ("perUnit", &energy),
            ("incrementingRate", &time),
            ("incrementingRate", &parked)
        ]
    );
    assert_eq!(lines[1]["rateLineTax"], json!([{"taxRate": 21.0, "taxIncluded": false}]));
    assert_eq!(
        lines[3]["description"]["values"][0]["value"],
        "while parked without charging; in steps of 900 s"
    );
}

#[test]
fn the_table_of_the_german_profile_has_its_own_words() {
    let (locations, tariffs) = depot();
    let whole = write(V35[0], &locations, &tariffs);
    let site = &checked(V35[0], &whole)["energyInfrastructureTable"][0]["energyInfrastructureSite"][0];
    let station = &site["energyInfrastructureStation"][0];
    assert_eq!(
        (&station["totalMaximumPower"], &station["numberOfRefillPoints"]),
        (&json!(800_000), &json!(2))
    );
    let points = station["refillPoint"].as_array().unwrap();
    let point = &points[0]["aegiElectricChargingPoint"];
    assert_eq!(point["currentType"], json!({"value": "dc"}));
    assert_eq!(
        point["externalIdentifier"],
        json!([{"identifier": "NL*RMN*E1", "typeOfIdentifier": {"value": "extendedG", "extendedValueG": "evseId"}}])
    );
    assert_eq!(
        points[1]["aegiElectricChargingPoint"]["connector"][0]["connectorType"],
        json!({"value": "mcs"})
    );
    let rate = &point["electricEnergy"][0]["energyRate"][0];
    let told: Vec<_> = rate["energyPrice"]
        .as_array()
        .unwrap()
        .iter()
        .map(|price| (price["priceType"]["value"].as_str().unwrap(), price["value"].to_string()))
        .collect();
    let expect = [
        ("basePrice", "0.5"),
        ("pricePerKWh", "0.123456789"),
        ("pricePerMinute", "0.033333"),
        ("pricePerMinute", "0.1"),
    ];
    assert_eq!(told, expect.map(|(kind, value)| (kind, value.to_owned())));
}

#[test]
fn a_status_tells_what_each_point_is_doing_and_what_it_costs_now() {
    let (locations, tariffs) = depot();
    for (document, point, rates) in [
        (V37[1], "egiElectricChargingPointStatus", "newRates"),
        (V35[1], "aegiElectricChargingPointStatus", "energyRateUpdate"),
    ] {
        let whole = write(document, &locations, &tariffs);
        let stations = &checked(document, &whole)["energyInfrastructureSiteStatus"][0]["energyInfrastructureStationStatus"];
        let told: Vec<_> =
            stations[0]["refillPointStatus"].as_array().unwrap().iter().map(|one| &one[point]).collect();
        let states: Vec<_> = told.iter().map(|one| one["status"]["value"].as_str().unwrap()).collect();
        assert_eq!(states, ["occupied", "outOfOrder"]);
        assert_eq!(told[0]["lastUpdated"], at(7).to_string());
        assert!(!told[0][rates].is_null(), "{:#}", told[0]);
    }
}

#[test]
fn a_version_changes_with_what_the_table_tells_and_with_nothing_else() {
    let (locations, tariffs) = depot();
    let table_of = |locations: &[PublishedLocation], tariffs: &Tariffs| {
        all_versions(&write(V37[0], locations, tariffs)).into_iter().collect::<BTreeMap<_, _>>()
    };
    let before = table_of(&locations, &tariffs);
    let mut changed = locations.clone();
    changed[0].connectors[0].status = ConnectorStatus::Available;
    changed[0].connectors[0].changed_at = at(100);
    assert_eq!(table_of(&changed, &tariffs), before, "what it is doing is no news of the table");
    let tag = |document, locations: &[PublishedLocation]| snapshot(document, locations, &tariffs).tag;
    assert_eq!(tag(V37[0], &changed), tag(V37[0], &locations));
    assert_ne!(tag(V37[1], &changed), tag(V37[1], &locations));
    let mut dearer = tariffs.clone();
    dearer
        .values_mut()
        .for_each(|tariff| tariff.elements[0].components[1].price += rust_decimal::Decimal::ONE);
    assert_ne!(table_of(&locations, &dearer), before);
    // One point is described anew: it, its station, its site and the table are other versions, the other point is not.
    let mut rebuilt = locations.clone();
    rebuilt[0].connectors[0].hardware =
        Some((ConnectorHardware { max_current_a: 400, ..fast(Plug::Ccs2) }, None));
    let after = table_of(&rebuilt, &tariffs);
    let same = before.iter().filter(|(id, version)| after.get(*id) == Some(version)).count();
    // The other point, and its rates.
    assert_eq!((before.len(), same), (8, 2), "{before:?} {after:?}");
}

#[test]
fn a_document_that_becomes_too_large_is_given_up() {
    let (locations, tariffs) = depot();
    let mut packer = Packer::new(V37[0], &terms(), at(0), 1_000).unwrap();
    let many = std::iter::repeat_n(locations, 10_000);
    let ended = many.map(|locations| packer.add(&locations, &tariffs)).find(Result::is_err);
    assert!(matches!(ended, Some(Err(SnapshotError::TooLarge(1_000)))), "{ended:?}");
}

#[tokio::test]
async fn what_is_unpacked_on_the_way_is_what_was_packed() {
    let (locations, tariffs) = depot();
    let many: Vec<_> = std::iter::repeat_n(locations[0].clone(), 100).collect();
    let snapshot = snapshot(V37[1], &many, &tariffs);
    let mut chunks = std::pin::pin!(snapshot.unpacked());
    let mut text = Vec::new();
    while let Some(chunk) = chunks.next().await {
        text.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(text.len(), usize::try_from(snapshot.bytes).unwrap());
    assert_eq!(String::from_utf8(text).unwrap(), unpacked(&snapshot.packed));
}

/// Nothing is kept of the published schemas (see `tests/schemas/datex2/LICENCE.txt`); whoever has them names their folder.
#[test]
fn published_schemas_hold_too() {
    if std::env::var_os(SCHEMAS).is_none() {
        println!("only where {SCHEMAS} names the folder of the published schemas");
        return;
    }
    let (locations, tariffs) = depot();
    let known: Vec<_> = PUBLISHED.keys().collect();
    assert!(known.len() >= 3, "{known:?}");
    for document in Document::ALL {
        let mut whole = write(document, &locations, &tariffs);
        checked(document, &whole);
        let Some(published) = PUBLISHED.get(document.as_str()) else { continue };
        // They do see what is wrong.
        let payload = if whole.get("payload").is_some() {
            &mut whole["payload"]
        } else {
            &mut whole["messageContainer"]["payload"][0]
        };
        payload[publication_of(document)]["lang"] = json!("Dutch");
        assert!(!published.is_valid(&whole));
    }
}
