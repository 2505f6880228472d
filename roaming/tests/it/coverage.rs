//! `docs/generated/ocpi-coverage.md`: made from the table in the code, and the table from what is there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ringmain_roaming::ocpi::coverage::{ENDPOINTS, OBJECTS};
use ringmain_roaming::ocpi::reading;
use ringmain_roaming::ocpi::v211::types as v211;
use ringmain_roaming::ocpi::v221::types as v221;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn crate_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn generated_docs_ocpi_coverage() {
    let mut page = String::from(
        "# OCPI coverage\n\nMade from `roaming/src/ocpi/coverage.rs` by `make docs`. A type reads and writes its object; *made* and *understood* name the\nfunction between it and what the rest of the house thinks in, in all versions that have it. `=` is the type of 2.2.1, `–` that the version has no such object.\n\n## Objects\n\n| module | object | 2.1.1 | 2.2.1 | 2.3.0 | made | understood | test |\n|---|---|---|---|---|---|---|---|\n",
    );
    for object in OBJECTS {
        let cell = |of: Option<&str>| match of {
            None => "–",
            Some(file) if file.starts_with("v221") => "=",
            Some(_) => "own",
        };
        let function = |of: Option<(&str, &str)>| {
            of.map_or("–".to_owned(), |(name, file)| format!("`{file}` `{name}`"))
        };
        let [old, mid, new] = object.types.map(cell);
        let mid = if mid == "=" { "own" } else { mid };
        writeln!(
            page,
            "| {} | {} | {old} | {mid} | {new} | {} | {} | `{}` |",
            object.module,
            object.name,
            function(object.made),
            function(object.understood),
            object.test,
        )
        .unwrap();
    }
    page.push_str("\n## Endpoints\n\nServed below `/ocpi`, each in the versions that have it.\n\n| module | served by | method | path | 2.1.1 | 2.2.1 | 2.3.0 | route here |\n|---|---|---|---|---|---|---|---|\n");
    for endpoint in ENDPOINTS {
        let [old, mid, new] = endpoint.versions.map(|there| if there { "✓" } else { "–" });
        let route = endpoint.route.map_or("not yet".to_owned(), |route| format!("`{route}`"));
        let path = if endpoint.path.is_empty() { "·" } else { endpoint.path };
        let (module, server, method) = (endpoint.module, endpoint.server, endpoint.method);
        writeln!(page, "| {module} | {server} | {method} | {path} | {old} | {mid} | {new} | {route} |")
            .unwrap();
    }
    let path = crate_folder().join("../docs/generated/ocpi-coverage.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, page, "docs/generated/ocpi-coverage.md is out of date: run `make docs`");
}

#[test]
fn every_row_of_an_object_is_there() {
    let source = |file: &str| fs::read_to_string(crate_folder().join("src/ocpi").join(file)).unwrap();
    let tests: String = rust_files(&crate_folder().join("tests/it"))
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for object in OBJECTS {
        for file in object.types.into_iter().flatten() {
            let text = source(file);
            let name = object.name;
            let there = text.contains(&format!("    {name} {{\n"))
                || text.contains(&format!("pub struct {name} {{\n"));
            assert!(there, "{file} has no {name}");
        }
        for (function, file) in object.made.into_iter().chain(object.understood) {
            let text = source(file);
            let there =
                text.contains(&format!("fn {function}(")) || text.contains(&format!("fn {function}<"));
            assert!(there, "{file} has no {function}");
        }
        assert!(tests.contains(&format!("fn {}(", object.test)), "there is no test {}", object.test);
    }
}

/// The table and the routes in the source name the same, whoever adds one.
#[test]
fn every_route_is_a_row_and_every_row_a_route() {
    let mut mounted = BTreeSet::new();
    for path in rust_files(&crate_folder().join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        for service in text.split("resource(\"").skip(1) {
            let (route, rest) = service.split_once('"').unwrap();
            let methods = rest.split(".service(").next().unwrap();
            for method in ["get", "post", "put", "patch", "delete"] {
                if methods.contains(&format!("web::{method}()")) {
                    mounted.insert((route.to_owned(), method.to_uppercase()));
                }
            }
        }
    }
    assert!(!mounted.is_empty());
    let rows: BTreeSet<_> = ENDPOINTS
        .iter()
        .filter_map(|endpoint| Some((endpoint.route?.to_owned(), endpoint.method.to_owned())))
        .collect();
    assert_eq!(rows, mounted);
}

fn check<T: DeserializeOwned + Serialize>(object: &Value) {
    let read: T = reading::value(object.clone()).unwrap_or_else(|fault| panic!("{fault} in {object:#}"));
    assert_eq!(serde_json::to_value(&read).unwrap(), *object);
    // Every field that is required is missed, by its name.
    for name in object.as_object().unwrap().keys() {
        let mut without = object.clone();
        without.as_object_mut().unwrap().remove(name);
        if let Err(fault) = reading::value::<T>(without) {
            assert_eq!(fault.to_string(), format!("/: missing field `{name}`"));
        }
    }
}

/// Commands, profiles, preferences, answers: the specification shows no object of them in JSON.
#[test]
fn objects_without_an_official_example_are_read_and_written() {
    let at = "2026-03-01T08:00:00.000Z";
    let message = json!([{"language": "en", "text": "No"}]);
    let token = json!({"country_code": "DE", "party_id": "ABC", "uid": "1", "type": "APP_USER", "contract_id": "C1",
        "issuer": "ABC", "valid": true, "whitelist": "NEVER", "last_updated": at});
    let url = "https://emsp.example/result/1";
    check::<v221::command::StartSession>(&json!({"response_url": url, "token": token, "location_id": "L1",
        "evse_uid": "E1", "connector_id": "1", "authorization_reference": "R1"}));
    check::<v221::command::StopSession>(&json!({"response_url": url, "session_id": "S1"}));
    check::<v221::command::ReserveNow>(&json!({"response_url": url, "token": token, "expiry_date": at,
        "reservation_id": "R1", "location_id": "L1", "evse_uid": "E1", "authorization_reference": "R1"}));
    check::<v221::command::CancelReservation>(&json!({"response_url": url, "reservation_id": "R1"}));
    check::<v221::command::UnlockConnector>(
        &json!({"response_url": url, "location_id": "L1", "evse_uid": "E1",
        "connector_id": "1"}),
    );
    check::<v221::command::CommandResponse>(
        &json!({"result": "ACCEPTED", "timeout": 30, "message": message}),
    );
    check::<v221::command::CommandResult>(&json!({"result": "EVSE_OCCUPIED", "message": message}));

    let profile = json!({"start_date_time": at, "duration": 3600, "charging_rate_unit": "W", "min_charging_rate": 1400,
        "charging_profile_period": [{"start_period": 0, "limit": 11000}, {"start_period": 900, "limit": 7400.5}]});
    let active = json!({"start_date_time": at, "charging_profile": profile});
    check::<v221::profile::SetChargingProfile>(&json!({"charging_profile": profile, "response_url": url}));
    check::<v221::profile::ActiveChargingProfile>(&active);
    check::<v221::profile::ChargingProfileResponse>(&json!({"result": "TOO_OFTEN", "timeout": 5}));
    check::<v221::profile::ActiveChargingProfileResult>(&json!({"result": "ACCEPTED", "profile": active}));
    check::<v221::profile::ChargingProfileResult>(&json!({"result": "REJECTED"}));
    check::<v221::profile::ClearProfileResult>(&json!({"result": "UNKNOWN"}));

    check::<v221::session::ChargingPreferences>(&json!({"profile_type": "GREEN", "departure_time": at,
        "energy_need": 20.5, "discharge_allowed": false}));
    let place = json!({"location_id": "L1", "evse_uids": ["E1", "E2"]});
    check::<v221::token::LocationReferences>(&place);
    check::<v221::token::AuthorizationInfo>(
        &json!({"allowed": "NO_CREDIT", "token": token, "location": place,
        "authorization_reference": "R1", "info": {"language": "en", "text": "Pay first"}}),
    );
    check::<v221::client::ClientInfo>(&json!({"party_id": "ABC", "country_code": "DE", "role": "EMSP",
        "status": "PLANNED", "last_updated": at}));

    let old = json!({"uid": "1", "type": "RFID", "auth_id": "C1", "issuer": "ABC", "valid": true,
        "whitelist": "NEVER", "last_updated": at});
    check::<v211::command::StartSession>(
        &json!({"response_url": url, "token": old, "location_id": "L1", "evse_uid": "E1"}),
    );
    check::<v211::command::StopSession>(&json!({"response_url": url, "session_id": "S1"}));
    check::<v211::command::ReserveNow>(&json!({"response_url": url, "token": old, "expiry_date": at,
        "reservation_id": 7, "location_id": "L1", "evse_uid": "E1"}));
    check::<v211::command::UnlockConnector>(
        &json!({"response_url": url, "location_id": "L1", "evse_uid": "E1", "connector_id": "1"}),
    );
    check::<v211::command::CommandResponse>(&json!({"result": "TIMEOUT"}));
    check::<v211::LocationReferences>(
        &json!({"location_id": "L1", "evse_uids": ["E1"], "connector_ids": ["1"]}),
    );
    check::<v211::AuthorizationInfo>(
        &json!({"allowed": "ALLOWED", "info": {"language": "en", "text": "Go"}}),
    );
}
