//! Signed meter values: judged by the key that is registered for their meter, and no more of them than a thread can bear.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::rig::api::TARIFF;
use crate::rig::node::Node;
use crate::rig::on_both_stores;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;

/// A meter that signs.
struct Meter {
    serial: &'static str,
    key: EcdsaKeyPair,
}

impl Meter {
    fn new(serial: &'static str) -> Self {
        Self { serial, key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap() }
    }

    fn public_key(&self) -> String {
        hex::encode(self.key.public_key().as_ref())
    }

    /// A sampled value with its signed form, which brings its key along.
    fn sample(&self, value_wh: u32) -> Value {
        self.page(1, "C", value_wh, &value_wh.to_string())
    }

    /// A sampled value, and what the meter signed on this page of its transaction, for this reason (TX).
    fn page(&self, page: u32, reason: &str, value_wh: u32, signed_wh: &str) -> Value {
        let payload = format!(
            r#"{{"FV":"1.4","PG":"T{page}","MS":"{}","RD":[{{"TM":"2026-03-01T08:00:00,000+0000 S","TX":"{reason}","RV":{signed_wh},"RU":"Wh","ST":"G"}}]}}"#,
            self.serial
        );
        let signature = self.key.sign(&SystemRandom::new(), payload.as_bytes()).unwrap();
        let data = format!(r#"OCMF|{payload}|{{"SD":"{}"}}"#, hex::encode(signature));
        let signed = json!({
            "signedMeterData": data, "signingMethod": "", "encodingMethod": "OCMF", "publicKey": self.public_key(),
        });
        json!({"value": value_wh, "signedMeterValue": signed})
    }
}

fn event(seq: u32, samples: &[Value]) -> Value {
    event_of("T-1", if seq == 0 { "Started" } else { "Updated" }, seq, samples)
}

fn event_of(transaction: &str, kind: &str, seq: u32, samples: &[Value]) -> Value {
    let at = format!("2026-03-01T08:{seq:02}:00Z");
    json!({
        "eventType": kind, "timestamp": at,
        "triggerReason": "MeterValuePeriodic", "seqNo": seq, "transactionInfo": {"transactionId": transaction},
        "evse": {"id": 1, "connectorId": 1}, "meterValue": [{"timestamp": at, "sampledValue": samples}],
    })
}

/// The verdicts on the signed values of the transaction's last message, in their order.
async fn verdicts(node: &Node) -> Vec<String> {
    let facts = node.api().facts("CS-1", "T-1").await;
    let samples = facts.last().unwrap()["samples"].as_array().unwrap();
    samples.iter().map(|sample| sample["signed"]["verdict"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn of_very_many_signed_values_the_first_and_the_last_are_verified() {
    let node = Node::start(TestStore::sqlite()).await;
    let (known, stranger) = (Meter::new("M-1"), Meter::new("M-2"));
    node.api().register("CS-1").await;
    node.api().change("PUT", "/meter-keys/M-1", &json!({"public_key": known.public_key()})).await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    let few = [known.sample(0), stranger.sample(0), known.sample(1)];
    station.call("TransactionEvent", &event(0, &few)).await;
    assert_eq!(verdicts(&node).await, ["valid", "unknown_key", "valid"]);
    let unverified = || async {
        node.metrics().await.sum("ringmain_decision_oddities_total", &[("kind", "unverified_signatures")])
    };
    assert!(unverified().await < 1.0);

    let many: Vec<_> = (0..103).map(|value| known.sample(value)).collect();
    station.call("TransactionEvent", &event(1, &many)).await;
    let expected = [["valid"; 50].as_slice(), &["unsupported"; 3], &["valid"; 50]].concat();
    assert_eq!(verdicts(&node).await, expected);
    assert!(unverified().await > 0.5, "and counted");
}

on_both_stores! {
    async fn a_country_that_demands_proof_bills_only_what_a_meter_signed(store: TestStore) {
        let node = Node::start_with(store, &[("BILLING__SIGNED_VALUES_REQUIRED_IN", "AUT, DEU")]).await;
        let api = node.api();
        api.furnish().await;
        let meter = Meter::new("M-1");
        api.change("PUT", "/meter-keys/M-1", &json!({"public_key": meter.public_key()})).await;
        for (id, country) in [("berlin", "DEU"), ("paris", "FRA")] {
            let location = json!({
                "name": id, "address": "Ring 1", "city": id, "country": country, "latitude": "50.0", "longitude": "10.0",
                "time_zone": "Europe/Berlin",
            });
            api.change("PUT", &format!("/locations/{id}"), &location).await;
        }
        let end = |signed_wh: &str| meter.page(2, "E", 9_000, signed_wh);
        let cases = [
            ("CS-1", "berlin", end("9000.25"), "completed", json!([]), "9000.25"),
            ("CS-2", "berlin", json!({"value": 9_000}), "under_review", json!(["signed_values_faulty", "proof_missing"]), "-"),
            ("CS-3", "berlin", end("9500"), "under_review", json!(["signed_energy_differs", "proof_missing"]), "9500"),
            ("CS-4", "paris", json!({"value": 9_000}), "completed", json!(["signed_values_faulty"]), "-"),
        ];
        for (id, location, end, status, flags, signed_wh) in cases {
            api.register_with(id, json!({"location_id": location, "tariff_id": TARIFF})).await;
            let mut station = Station::booted(&node.addresses, id, "ocpp2.0.1").await;
            let transaction = format!("T-{id}");
            let begin = meter.page(1, "B", 0, "0");
            station.call("TransactionEvent", &event_of(&transaction, "Started", 0, &[begin])).await;
            station.call("TransactionEvent", &event_of(&transaction, "Ended", 1, &[end])).await;
            let session = &api.sessions(id).await[0];
            assert_eq!((&session["status"], &session["flags"]), (&json!(status), &flags), "{id}");
            assert_eq!(session["metered"]["energy_wh"].as_str().unwrap_or("-"), signed_wh, "{id}");
            let cdrs = api.cdrs(id).await;
            assert_eq!(cdrs.len(), usize::from(status == "completed"), "{id}");
            assert!(cdrs.iter().all(|cdr| cdr["metered"] == session["metered"]), "{id}");
        }
    }
}
