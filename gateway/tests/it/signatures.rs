//! Signed meter values: judged by the key that is registered for their meter, and no more of them than a thread can bear.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::rig::node::Node;
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
        let payload = format!(
            r#"{{"FV":"1.4","PG":"T1","MS":"{}","RD":[{{"TM":"2026-03-01T08:00:00,000+0000 S","RV":{value_wh},"RU":"Wh","ST":"G"}}]}}"#,
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
    let at = format!("2026-03-01T08:{seq:02}:00Z");
    json!({
        "eventType": if seq == 0 { "Started" } else { "Updated" }, "timestamp": at,
        "triggerReason": "MeterValuePeriodic", "seqNo": seq, "transactionInfo": {"transactionId": "T-1"},
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
