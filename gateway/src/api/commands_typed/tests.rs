//! Every form of a typed command, there and back.

use super::profiles::PERIODS_MAX;
use super::variables::VARIABLES_MAX;
use super::*;
use crate::api::problem::Kind;
use crate::services::commands::name;
use ringmain_domain::token::TokenKind;
use serde_json::json;

fn read(json: Value) -> Result<StationCommand, Problem> {
    let Value::Object(fields) = json else { panic!("no object") };
    CommandForm::read(fields)?.into_domain(Timestamp::from_millis(1_000))
}

#[test]
fn every_command_comes_back_in_the_form_it_is_shown_in() {
    for json in [
        json!({"command": "start_transaction", "token_uid": "A1", "token_kind": "rfid", "evse_id": 1, "remote_start_id": 7}),
        json!({"command": "stop_transaction", "transaction_id": "42"}),
        json!({"command": "reset", "kind": "immediate", "evse_id": 2}),
        json!({"command": "unlock_connector", "evse_id": 1, "connector_id": 2}),
        json!({"command": "change_availability", "operative": false, "evse_id": 1, "connector_id": 1}),
        json!({"command": "trigger", "message": "meter_values", "evse_id": 1}),
        json!({"command": "get_variables", "variables": [{"component": "OCPPCommCtrlr", "name": "HeartbeatInterval"}]}),
        json!({"command": "set_variables", "variables": [{"component": "", "name": "K", "value": "1", "evse_id": 1}]}),
        json!({"command": "get_base_report", "request_id": 1, "base": "summary"}),
        json!({"command": "set_charging_profile", "evse_id": 0, "profile": {
            "profile_id": 1, "stack_level": 2, "purpose": "transaction", "kind": "absolute", "transaction_id": "t",
            "unit": "watts", "valid_to_at": "2026-03-01T08:00:00.000Z", "starts_at": "2026-03-01T07:00:00.000Z", "duration_s": 60,
            "periods": [{"start_s": 0, "limit": 11000, "phases": 3}]}}),
        json!({"command": "update_dynamic_schedule", "profile_id": 1, "unit": "milliamps", "limit": 16_000, "phases": 3}),
        json!({"command": "ask_dynamic_profiles"}),
        json!({"command": "clear_charging_profile", "profile_id": 1, "evse_id": 1, "purpose": "station_max", "stack_level": 0}),
        json!({"command": "get_composite_schedule", "evse_id": 1, "duration_s": 600, "unit": "milliamps"}),
        json!({"command": "get_transaction_status", "transaction_id": "t"}),
        json!({"command": "cost_updated", "transaction_id": "t", "total_cost": "12.50"}),
        json!({"command": "get_local_list_version"}),
        json!({"command": "send_local_list", "version": 3, "update": "differential", "entries": [
            {"token_uid": "A1", "token_kind": "rfid", "removed": false, "group_uid": "FLEET",
                "expires_at": "2026-03-01T08:00:00.000Z"},
            {"token_uid": "A2", "token_kind": "e_maid", "removed": true}]}),
        json!({"command": "sync_local_list", "full": true}),
        json!({"command": "sync_tariffs"}),
        json!({"command": "data_transfer", "vendor": "v", "message": "m", "data": {"a": [1]}}),
        json!({"command": "raw", "action": "ClearCache", "payload": {}}),
    ] {
        let command = read(json.clone()).unwrap();
        assert_eq!(name(&command), json["command"], "{json}");
        assert_eq!(serde_json::to_value(CommandForm::from(command)).unwrap(), json);
    }
}

#[test]
fn what_is_left_out_has_a_friendly_default() {
    let start = read(json!({"command": "start_transaction", "token": "A1"})).unwrap();
    let StationCommand::StartTransaction { evse_id: None, token, remote_start_id } = start else { panic!() };
    assert_eq!((token.uid.as_str(), token.kind), ("A1", TokenKind::Central));
    assert!(remote_start_id > 0);
    let start =
        read(json!({"command": "start_transaction", "token": {"uid": "A1", "kind": "e_maid"}})).unwrap();
    assert!(
        matches!(start, StationCommand::StartTransaction { token, .. } if token.kind == TokenKind::EMaid)
    );
    let reset = read(json!({"command": "reset"})).unwrap();
    assert_eq!(reset, StationCommand::Reset { kind: ResetKind::OnIdle, evse_id: None });
    let stop = read(json!({"command": "stop_transaction", "transaction_id": 42})).unwrap();
    assert!(
        matches!(stop, StationCommand::StopTransaction { transaction_id } if transaction_id.as_str() == "42")
    );
    let unlock = read(json!({"command": "unlock_connector", "evse_id": 3})).unwrap();
    assert_eq!(unlock, StationCommand::UnlockConnector { evse_id: EvseId(3), connector_id: ConnectorId(1) });
    let profile = json!({"profile_id": 1, "purpose": "station_max", "unit": "milliamps", "periods": [{"start_s": 0, "limit": 0}]});
    let set = read(json!({"command": "set_charging_profile", "evse_id": 0, "profile": profile})).unwrap();
    let StationCommand::SetChargingProfile { profile, .. } = set else { panic!() };
    assert_eq!(profile.starts_at, Timestamp::from_millis(1_000));
}

#[test]
fn a_wrong_command_is_told_with_its_place() {
    let periods = |periods: Value| {
        json!({"command": "set_charging_profile", "evse_id": 1, "profile":
            {"profile_id": 1, "purpose": "station_max", "unit": "watts", "periods": periods}})
    };
    let many = vec![json!({"name": "x"}); VARIABLES_MAX + 1];
    let steps: Vec<_> = (0..=PERIODS_MAX).map(|start| json!({"start_s": start, "limit": 1})).collect();
    for (json, pointer) in [
        (json!({}), "/command"),
        (json!({"command": 1}), "/command"),
        (json!({"command": "fly"}), "/command"),
        (json!({"command": "reset", "hard": true}), "/hard"),
        (json!({"command": "reset", "kind": "softly"}), "/kind"),
        (json!({"command": "start_transaction"}), "/token_uid"),
        (json!({"command": "start_transaction", "token_uid": "A", "token": "A"}), "/token"),
        (json!({"command": "start_transaction", "token_uid": "A", "remote_start_id": 0}), "/remote_start_id"),
        (json!({"command": "stop_transaction", "transaction_id": []}), "/transaction_id"),
        (json!({"command": "get_variables", "variables": many}), "/variables"),
        (json!({"command": "set_variables", "variables": []}), "/variables"),
        (json!({"command": "set_variables", "variables": [{"name": "a", "value": 1}]}), "/variables/0/value"),
        (json!({"command": "cost_updated", "transaction_id": "t", "total_cost": 12.5}), "/total_cost"),
        (json!({"command": "raw", "action": "ClearCache", "payload": []}), "/payload"),
        (json!({"command": "send_local_list", "version": 0, "update": "full"}), "/version"),
        (json!({"command": "sync_local_list", "version": 1}), "/version"),
        (periods(json!([])), "/profile/periods"),
        (periods(json!(steps)), "/profile/periods"),
        (periods(json!([{"start_s": 5, "limit": 1}])), "/profile/periods"),
        (periods(json!([{"start_s": 0, "limit": 1}, {"start_s": 0, "limit": 1}])), "/profile/periods"),
        (periods(json!([{"start_s": 0, "limit": -1}])), "/profile/periods"),
    ] {
        let problem = read(json.clone()).unwrap_err();
        assert_eq!(problem.kind(), Kind::Invalid, "{json}");
        assert!(format!("{problem:?}").contains(&format!("pointer: {pointer:?}")), "{json}: {problem:?}");
    }
}
