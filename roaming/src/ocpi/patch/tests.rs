//! PATCH by examples.

use serde_json::json;

use super::*;
use crate::ocpi::v221::types::token::Token;

fn location() -> Location {
    let connector = json!({"id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE",
        "max_voltage": 230, "max_amperage": 32, "tariff_ids": ["T1"], "last_updated": "2026-03-01T08:00:00Z"});
    let evse = json!({"uid": "E1", "status": "AVAILABLE", "connectors": [connector], "physical_reference": "7",
        "last_updated": "2026-03-01T08:00:10Z"});
    let location = json!({"country_code": "NL", "party_id": "RMN", "id": "L1", "publish": true, "name": "Old",
        "address": "Street 1", "city": "Utrecht", "country": "NLD", "time_zone": "Europe/Amsterdam",
        "coordinates": {"latitude": "52.09000", "longitude": "5.12142"}, "evses": [evse],
        "last_updated": "2026-03-01T08:00:20Z"});
    reading::value(location).unwrap()
}

fn session() -> Session {
    let token =
        json!({"country_code": "DE", "party_id": "ABC", "uid": "1", "type": "RFID", "contract_id": "C1"});
    let session = json!({"country_code": "NL", "party_id": "RMN", "id": "S1", "start_date_time": "2026-03-01T08:00:00Z",
        "kwh": 1, "cdr_token": token, "auth_method": "WHITELIST", "location_id": "L1", "evse_uid": "E1",
        "connector_id": "1", "currency": "EUR", "charging_periods": [period("2026-03-01T08:00:00Z", 1)],
        "status": "ACTIVE", "last_updated": "2026-03-01T08:10:00Z"});
    reading::value(session).unwrap()
}

fn period(at: &str, kwh: u32) -> Value {
    json!({"start_date_time": at, "dimensions": [{"type": "ENERGY", "volume": kwh}]})
}

fn patch(part: Value) -> Patch {
    Patch::read(part.to_string().as_bytes()).unwrap()
}

fn changed<T: std::fmt::Debug>(merged: Merged<T>) -> T {
    match merged {
        Merged::Changed(object) => object,
        Merged::Stale => panic!("stale"),
    }
}

const LATER: &str = "2026-03-01T09:00:00Z";

#[test]
fn named_fields_change_and_all_others_stay() {
    let old = location();
    let new = changed(
        patch(json!({"name": "New", "postal_code": null, "unheard_of": 1, "last_updated": LATER}))
            .onto(&old, old.last_updated)
            .unwrap(),
    );
    let expect =
        Location { name: Some("New".to_owned()), last_updated: DateTime::read(LATER).unwrap(), ..old };
    assert_eq!(new, expect);
}

#[test]
fn a_null_takes_nothing_away() {
    let old = location();
    let part = patch(json!({"name": null, "evses": null, "last_updated": LATER}));
    let new = changed(part.onto(&old, old.last_updated).unwrap());
    assert_eq!((new.name, new.evses), (old.name, old.evses));
}

#[test]
fn an_older_part_changes_nothing_and_an_equal_one_does() {
    let old = location();
    let at =
        |at: &str| patch(json!({"name": "New", "last_updated": at})).onto(&old, old.last_updated).unwrap();
    assert_eq!(at("2026-03-01T08:00:19.999Z"), Merged::Stale);
    assert_eq!(changed(at("2026-03-01T08:00:20Z")).name.as_deref(), Some("New"));
}

#[test]
fn a_part_that_does_not_fit_names_its_place() {
    let old = location();
    let fault = |part: Value| patch(part).onto(&old, old.last_updated).unwrap_err().to_string();
    assert!(fault(json!({"publish": "yes", "last_updated": LATER})).starts_with("/publish: invalid type"));
    assert_eq!(fault(json!({"id": "L2", "last_updated": LATER})), "/id: names another object");
    assert!(
        patch(json!({"id": "l1", "party_id": "rmn", "last_updated": LATER}))
            .onto(&old, old.last_updated)
            .is_ok()
    );
    for (text, expect) in [
        ("{}", "/last_updated: is missing"),
        (r#"{"last_updated": null}"#, "/last_updated: is missing"),
        (r#"{"last_updated": "now"}"#, r#"/last_updated: "now" is no instant such as 2026-03-01T08:00:00Z"#),
        ("[]", "/: invalid type: sequence, expected a map"),
    ] {
        assert_eq!(Patch::read(text.as_bytes()).unwrap_err().to_string(), expect, "{text}");
    }
    assert!(Patch::read(b"{").unwrap_err().is_malformed);
}

#[test]
fn an_old_version_need_not_say_when() {
    let now = DateTime::read(LATER).unwrap();
    let part = Patch::read_undated(br#"{"status": "CHARGING"}"#, now).unwrap();
    let new = changed(part.onto_evse(&location(), "E1").unwrap().unwrap());
    assert_eq!((new.evses[0].last_updated, new.last_updated), (now, now));
    let dated = Patch::read_undated(br#"{"last_updated": "2026-03-01T08:30:00"}"#, now).unwrap();
    assert_eq!(dated.at().to_string(), "2026-03-01T08:30:00.000Z");
}

#[test]
fn a_status_moves_the_evse_and_its_location() {
    let old = location();
    let part = patch(json!({"status": "CHARGING", "last_updated": LATER}));
    let new = changed(part.onto_evse(&old, "e1").unwrap().unwrap());
    assert_eq!(new.evses[0].status.as_str(), "CHARGING");
    assert_eq!(new.evses[0].connectors, old.evses[0].connectors);
    assert_eq!((new.evses[0].last_updated, new.last_updated), (part.at(), part.at()));
    assert!(part.onto_evse(&old, "E2").unwrap().is_none());

    // Newer than the EVSE, older than the location: the location's own instant never goes back.
    let between = patch(json!({"status": "CHARGING", "last_updated": "2026-03-01T08:00:15Z"}));
    let new = changed(between.onto_evse(&old, "E1").unwrap().unwrap());
    assert_eq!((new.evses[0].last_updated, new.last_updated), (between.at(), old.last_updated));
    let stale = patch(json!({"status": "CHARGING", "last_updated": "2026-03-01T08:00:09Z"}));
    assert_eq!(stale.onto_evse(&old, "E1").unwrap(), Some(Merged::Stale));
}

#[test]
fn a_connector_moves_all_above_it() {
    let old = location();
    let part = patch(json!({"tariff_ids": ["T2"], "last_updated": LATER}));
    let new = changed(part.onto_connector(&old, "E1", "1").unwrap().unwrap());
    let evse = &new.evses[0];
    assert_eq!(evse.connectors[0].tariff_ids, ["T2"]);
    assert_eq!([evse.connectors[0].last_updated, evse.last_updated, new.last_updated], [part.at(); 3]);
    assert!(part.onto_connector(&old, "E1", "2").unwrap().is_none());
    assert!(part.onto_connector(&old, "E2", "1").unwrap().is_none());
}

#[test]
fn an_evse_that_is_put_is_added_or_replaced() {
    let old = location();
    let mut evse = old.evses[0].clone();
    evse.physical_reference = None;
    evse.last_updated = DateTime::read(LATER).unwrap();
    let replaced = put_evse(&old, evse.clone());
    assert_eq!((replaced.evses.len(), &replaced.evses[0]), (1, &evse));
    assert_eq!(replaced.last_updated, evse.last_updated);
    evse.uid = "E2".into();
    assert_eq!(put_evse(&old, evse).evses.len(), 2);
}

#[test]
fn charging_periods_of_a_session_are_added() {
    let old = session();
    let second = period("2026-03-01T08:20:00Z", 2);
    let part = patch(json!({"kwh": 3, "charging_periods": [second], "last_updated": LATER}));
    let new = changed(part.onto_session(&old).unwrap());
    assert_eq!(
        serde_json::to_value(&new.charging_periods).unwrap(),
        json!([period("2026-03-01T08:00:00.000Z", 1), period("2026-03-01T08:20:00.000Z", 2)])
    );
    // Again: nothing is there twice.
    assert_eq!(changed(part.onto_session(&new).unwrap()), new);
    let cost = patch(json!({"total_cost": {"excl_vat": 1}, "last_updated": LATER}));
    assert_eq!(changed(cost.onto_session(&new).unwrap()).charging_periods, new.charging_periods);
    let stale = patch(json!({"kwh": 3, "last_updated": "2026-03-01T08:09:59Z"}));
    assert_eq!(stale.onto_session(&old).unwrap(), Merged::Stale);
}

#[test]
fn what_is_said_makes_the_new_of_the_old() {
    let old = location();
    let mut new = old.clone();
    (new.name, new.state) = (Some("New".to_owned()), Some("Utrecht".to_owned()));
    new.last_updated = DateTime::read(LATER).unwrap();
    let part = between(&old, &new).unwrap();
    assert_eq!(
        part,
        json!({"name": "New", "state": "Utrecht", "last_updated": new.last_updated.to_string()})
    );
    assert_eq!(changed(patch(part).onto(&old, old.last_updated).unwrap()), new);
    assert_eq!(between(&new, &new), None);
    assert_eq!(between(&new, &old), None, "a field went away");
}

#[test]
fn a_session_says_only_periods_that_are_new() {
    let old = session();
    let mut new = old.clone();
    new.charging_periods.push(reading::value(period("2026-03-01T08:20:00Z", 2)).unwrap());
    new.last_updated = DateTime::read(LATER).unwrap();
    let part = between_sessions(&old, &new).unwrap();
    assert_eq!(part["charging_periods"], json!([period("2026-03-01T08:20:00.000Z", 2)]));
    assert_eq!(changed(patch(part).onto_session(&old).unwrap()), new);
    let mut other = new.clone();
    other.charging_periods[0] = reading::value(period("2026-03-01T08:00:00Z", 9)).unwrap();
    assert_eq!(between_sessions(&old, &other), None);
    let mut later = old.clone();
    later.last_updated = DateTime::read(LATER).unwrap();
    assert_eq!(between_sessions(&old, &later).unwrap().as_object().unwrap().len(), 1);
}

#[test]
fn a_token_is_made_invalid() {
    let token: Token =
        reading::value(json!({"country_code": "DE", "party_id": "ABC", "uid": "1", "type": "RFID",
        "contract_id": "C1", "issuer": "ABC", "valid": true, "whitelist": "NEVER",
        "last_updated": "2026-03-01T08:00:00Z"}))
        .unwrap();
    let part = patch(json!({"valid": false, "last_updated": LATER}));
    let new = changed(part.onto(&token, token.last_updated).unwrap());
    assert!(!new.valid && new.contract_id == token.contract_id);
}
