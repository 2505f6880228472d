//! A station that accepts whatever it is told, keeps its profiles and the limits of its transaction; what it draws is the test's business.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use ringmain_gateway::clock;
use serde_json::{Value, json};

use crate::rig::node::Node;
use crate::rig::station::Station;

/// Obeys, and keeps every limit it is told for its transaction, in A.
pub(super) struct Obedient {
    pub(super) station: Station,
    told: Vec<f64>,
    /// The numbers of the profiles it has.
    pub(super) profiles: BTreeSet<i64>,
    /// How the last limit was told: the kind of the profile, or the update as it came.
    pub(super) how: Value,
}

impl Obedient {
    /// A booted station of 2.0.1.
    pub(super) async fn booted(node: &Node, identity: &str) -> Self {
        Self::booted_as(node, identity, "ocpp2.0.1").await
    }

    /// A booted station. One of 2.1 takes updates of dynamic profiles.
    pub(super) async fn booted_as(node: &Node, identity: &str, protocol: &'static str) -> Self {
        let station = Station::booted(&node.addresses, identity, protocol).await;
        Self { station, told: Vec::new(), profiles: BTreeSet::new(), how: Value::Null }
    }

    /// Its car begins to charge at EVSE 1, with the token `A1`.
    pub(super) async fn start(&mut self) {
        let started = json!({"eventType": "Started", "timestamp": clock::now().to_string(), "triggerReason": "Authorized", "seqNo": 0,
            "transactionInfo": {"transactionId": "T1"}, "evse": {"id": 1, "connectorId": 1},
            "idToken": {"idToken": "A1", "type": "ISO14443"}});
        self.call("TransactionEvent", &started).await;
    }

    /// It says what it draws, whatever it was told.
    pub(super) async fn draws(&mut self, seq: u32, (register_wh, watts): (u32, u32)) {
        let sample = |measurand: &str, value: u32| json!({"value": value, "measurand": measurand});
        let now = clock::now().to_string();
        let values =
            [sample("Energy.Active.Import.Register", register_wh), sample("Power.Active.Import", watts)];
        let updated = json!({"eventType": "Updated", "timestamp": now, "triggerReason": "MeterValuePeriodic", "seqNo": seq,
            "transactionInfo": {"transactionId": "T1"}, "meterValue": [{"timestamp": now, "sampledValue": values}]});
        self.call("TransactionEvent", &updated).await;
    }

    /// A call and its answer; orders that come before it are obeyed.
    pub(super) async fn call(&mut self, action: &str, payload: &Value) -> Value {
        let id = self.station.begin(action, payload).await;
        loop {
            let frame = self.station.frame().await;
            if frame[0] == 3 && frame[1] == json!(id) {
                return frame[2].clone();
            }
            self.obey(&frame).await;
        }
    }

    /// Obeys until it has been told a limit for its transaction.
    pub(super) async fn next_limit(&mut self) -> f64 {
        let before = self.told.len();
        while self.told.len() == before {
            let frame = self.station.frame().await;
            self.obey(&frame).await;
        }
        *self.told.last().unwrap()
    }

    /// Obeys until it has exactly these profiles.
    pub(super) async fn until_it_has(&mut self, profiles: &[i64]) {
        while !self.profiles.iter().eq(profiles) {
            let frame = self.station.frame().await;
            self.obey(&frame).await;
        }
    }

    async fn obey(&mut self, frame: &Value) {
        assert_eq!(frame[0], 2, "{frame}");
        let profile = &frame[3]["chargingProfile"];
        self.profiles.extend(profile["id"].as_i64());
        if frame[2] == "ClearChargingProfile" {
            assert!(self.profiles.remove(&frame[3]["chargingProfileId"].as_i64().unwrap()), "{frame}");
        }
        if profile["chargingProfilePurpose"] == "TxProfile" {
            let limit = &profile["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"];
            self.told.push(limit.as_f64().unwrap());
            self.how = profile["chargingProfileKind"].clone();
        }
        let update = &frame[3]["scheduleUpdate"];
        if let Some(limit) = update["limit"].as_f64() {
            self.told.push(limit);
            self.how = frame[3].clone();
        }
        let period = json!({"startPeriod": 0, "limit": 0});
        let answer = match frame[2].as_str().unwrap() {
            "GetCompositeSchedule" => json!({"status": "Accepted", "schedule": {"evseId": 1, "duration": 60,
                "scheduleStart": "2026-03-01T08:00:00Z", "chargingRateUnit": "A", "chargingSchedulePeriod": [period]}}),
            "GetVariables" => {
                json!({"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "true",
                "component": {"name": "SmartChargingCtrlr"}, "variable": {"name": "SupportsDynamicProfiles"}}]})
            }
            _ => json!({"status": "Accepted"}),
        };
        self.station.answer(frame[1].as_str().unwrap(), &answer).await;
    }
}
