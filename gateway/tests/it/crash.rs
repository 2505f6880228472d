//! kill -9 at every step of a transaction, in all three versions at once: before the commit, and between the commit and the answer.
//!
//! "Before" is a kill while somebody else holds the store, so that nothing can be committed; "after" is a kill when a second reader of the
//! store has seen the fact and the station has seen no answer.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use ringmain_domain::id::{StationId, TenantId};
use ringmain_store::page::PageRequest;
use ringmain_store::sessions::SessionFilter;
use ringmain_store::store::Store;
use serde_json::{Value, json};

use crate::rig::api::TARIFF;
use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;
use crate::rig::{eventually, on_both_stores};

const PROTOCOLS: [&str; 3] = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"];
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Boot,
    Start,
    Meter,
    Stop,
}

/// One station's way through its transaction.
struct Story {
    identity: String,
    protocol: &'static str,
    /// Its transaction, as the 1.6 station was told or the 2.x station said.
    transaction: Value,
}

// === impl Step ===

impl Step {
    const ALL: [Self; 4] = [Self::Boot, Self::Start, Self::Meter, Self::Stop];

    /// How many messages about the transaction are stored once this step is.
    const fn facts(self) -> usize {
        match self {
            Self::Boot => 0,
            Self::Start => 1,
            Self::Meter => 2,
            Self::Stop => 3,
        }
    }
}

// === impl Story ===

impl Story {
    fn message(&self, step: Step) -> (&'static str, Value) {
        if self.protocol == "ocpp1.6" { self.first(step) } else { self.second(step) }
    }

    fn first(&self, step: Step) -> (&'static str, Value) {
        let sampled = json!([{"timestamp": "2026-03-01T08:30:00Z", "sampledValue": [{"value": "3500"}]}]);
        match step {
            Step::Boot => {
                ("BootNotification", json!({"chargePointVendor": "Ring", "chargePointModel": "Main"}))
            }
            Step::Start => (
                "StartTransaction",
                json!({"connectorId": 1, "idTag": "A1", "meterStart": 1000, "timestamp": "2026-03-01T08:00:00Z"}),
            ),
            Step::Meter => (
                "MeterValues",
                json!({"connectorId": 1, "transactionId": self.transaction, "meterValue": sampled}),
            ),
            Step::Stop => (
                "StopTransaction",
                json!({"transactionId": self.transaction, "meterStop": 6000, "timestamp": "2026-03-01T09:00:00Z"}),
            ),
        }
    }

    fn second(&self, step: Step) -> (&'static str, Value) {
        let event = |kind: &str, number: u32, at: &str, register: u32| {
            json!({
                "eventType": kind, "timestamp": at, "triggerReason": "MeterValuePeriodic", "seqNo": number,
                "transactionInfo": {"transactionId": self.transaction},
                "meterValue": [{"timestamp": at, "sampledValue": [{"value": register}]}],
            })
        };
        let mut payload = match step {
            Step::Boot => {
                let station = json!({"vendorName": "Ring", "model": "Main"});
                return ("BootNotification", json!({"reason": "PowerUp", "chargingStation": station}));
            }
            Step::Start => event("Started", 0, "2026-03-01T08:00:00Z", 1000),
            Step::Meter => event("Updated", 1, "2026-03-01T08:30:00Z", 3500),
            Step::Stop => event("Ended", 2, "2026-03-01T09:00:00Z", 6000),
        };
        if step == Step::Start {
            payload["evse"] = json!({"id": 1, "connectorId": 1});
            payload["idToken"] = json!({"idToken": "A1", "type": "ISO14443"});
        }
        ("TransactionEvent", payload)
    }

    /// Writes the step's message and reads nothing.
    async fn send(&self, node: &Node, step: Step) -> Station {
        let mut station = Station::connect(&node.addresses, &self.identity, self.protocol).await;
        let (action, payload) = self.message(step);
        station.begin(action, &payload).await;
        station
    }

    /// Says the step's message and gets its answer.
    async fn say(&mut self, node: &Node, step: Step) {
        let mut station = Station::connect(&node.addresses, &self.identity, self.protocol).await;
        let (action, payload) = self.message(step);
        let answer = station.call(action, &payload).await;
        match (step, self.protocol) {
            (Step::Boot, _) => assert_eq!(answer["status"], "Accepted"),
            (Step::Start, "ocpp1.6") => {
                assert_eq!(answer["idTagInfo"]["status"], "Accepted");
                self.transaction = answer["transactionId"].clone();
            }
            (Step::Start, _) => assert_eq!(answer, json!({"idTokenInfo": {"status": "Accepted"}})),
            (Step::Stop, "ocpp2.0.1" | "ocpp2.1") => assert_eq!(answer, json!({"totalCost": 4.17})),
            // The cost so far.
            (Step::Meter, "ocpp2.1") => assert_eq!(answer, json!({"totalCost": 2.68})),
            (Step::Meter | Step::Stop, _) => assert_eq!(answer, json!({})),
        }
    }

    /// Is the step stored? Asked of the store itself.
    async fn is_stored(&self, store: &Store, step: Step) -> bool {
        let (tenant, station) = (TenantId::default_tenant(), StationId::new(&self.identity).unwrap());
        if step == Step::Boot {
            return store.find_station(&station).await.unwrap().unwrap().booted_at.is_some();
        }
        let filter = SessionFilter { station: Some(station.clone()), ..SessionFilter::default() };
        let page = PageRequest { after: None, limit: 10 };
        let sessions = store.sessions(&tenant, &filter, &page).await.unwrap().items;
        let Some(session) = sessions.first() else { return false };
        store.transaction_facts(&tenant, &station, &session.transaction).await.unwrap().len() >= step.facts()
    }

    /// One transaction, one session, one bill, and the right figures.
    async fn assert_billed_once(&self, node: &Node) {
        let api = node.api();
        let transaction =
            self.transaction.as_str().map_or_else(|| self.transaction.to_string(), str::to_owned);
        let transactions = api.transactions(&self.identity).await;
        let ids: Vec<&Value> = transactions.iter().map(|transaction| &transaction["id"]).collect();
        assert_eq!(ids, [&json!(transaction)], "{}", self.identity);
        assert_eq!(api.facts(&self.identity, &transaction).await.len(), Step::Stop.facts());
        let cost = json!({"currency": "EUR", "excl_tax": "3.50", "incl_tax": "4.17"});
        let (sessions, cdrs) = (api.sessions(&self.identity).await, api.cdrs(&self.identity).await);
        assert_eq!((sessions.len(), cdrs.len()), (1, 1), "{}", self.identity);
        assert_eq!((&sessions[0]["status"], &sessions[0]["flags"]), (&json!("completed"), &json!([])));
        for bill in [&sessions[0], &cdrs[0]] {
            assert_eq!((&bill["energy_wh"], &bill["cost"]), (&json!(5000), &cost), "{}", self.identity);
        }
    }
}

on_both_stores! {
    async fn a_kill_at_any_step_loses_and_doubles_nothing(store: TestStore) {
        let mut node = Node::start(store).await;
        node.api().furnish().await;
        tell(&mut node).await;
        node.stop().await;
    }

    async fn what_was_answered_is_stored_whatever_comes_next(store: TestStore) {
        let mut node = Node::start(store).await;
        node.api().furnish().await;
        let mut stories = stories(&node).await;
        for step in Step::ALL {
            for story in &mut stories {
                story.say(&node, step).await;
                // No repeat will mend what this kill takes away.
                node.kill9();
                let store = node.open_store().await;
                assert!(story.is_stored(&store, step).await, "{} {step:?} was answered", story.identity);
                store.close().await;
                node.restart().await;
            }
        }
        for story in &stories {
            story.assert_billed_once(&node).await;
        }
        node.stop().await;
    }
}

/// The other end of a node's life: nothing has to be repeated after it.
#[tokio::test]
async fn an_orderly_end_tells_the_stations_to_come_back() {
    let mut node = Node::start(TestStore::sqlite()).await;
    let mut lines = Vec::new();
    for protocol in PROTOCOLS {
        let identity = format!("CS-{protocol}");
        node.api().register(&identity).await;
        lines.push(Station::booted(&node.addresses, &identity, protocol).await);
    }
    let goodbyes = async {
        for line in &mut lines {
            assert_eq!(line.closed().await, Some(1012));
        }
        // Each hangs up as a station does, and the node need not wait for it.
        lines.clear();
    };
    tokio::join!(node.stop(), goodbyes);
    node.restart().await;
    for protocol in PROTOCOLS {
        let mut line = Station::connect(&node.addresses, &format!("CS-{protocol}"), protocol).await;
        line.is_well().await;
        line.close().await;
    }
    node.stop().await;
}

/// A new station of each version, with a tariff.
async fn stories(node: &Node) -> Vec<Story> {
    let mut stories = Vec::new();
    for protocol in PROTOCOLS {
        let identity = format!("CS-{protocol}");
        node.api().register_with(&identity, json!({"tariff_id": TARIFF})).await;
        stories.push(Story { identity, protocol, transaction: json!("T-1") });
    }
    stories
}

/// One transaction for a station of each version, with two kills at each step.
async fn tell(node: &mut Node) {
    let mut stories = stories(node).await;
    for step in Step::ALL {
        kill_before_the_commit(node, &stories, step).await;
        kill_once_stored(node, &stories, step).await;
        for story in &mut stories {
            story.say(node, step).await;
        }
    }
    for story in &stories {
        story.assert_billed_once(node).await;
    }
}

/// The frames are written and nothing can be committed when the node goes.
async fn kill_before_the_commit(node: &mut Node, stories: &[Story], step: Step) {
    let mut lines = Vec::new();
    for story in stories {
        lines.push(Station::connect(&node.addresses, &story.identity, story.protocol).await);
    }
    let hold = node.hold_store().await;
    for (story, line) in stories.iter().zip(&mut lines) {
        let (action, payload) = story.message(step);
        line.begin(action, &payload).await;
    }
    node.kill9();
    hold.release().await;
    let store = node.open_store().await;
    for story in stories {
        assert!(!story.is_stored(&store, step).await, "{} {step:?} was held back", story.identity);
    }
    store.close().await;
    node.restart().await;
}

/// The facts are stored, the answers are not read, and the node is gone.
async fn kill_once_stored(node: &mut Node, stories: &[Story], step: Step) {
    let mut lines = Vec::new();
    for story in stories {
        lines.push(story.send(node, step).await);
    }
    let store = node.open_store().await;
    for story in stories {
        eventually!(format!("{} of {} is stored", story.identity, format_args!("{step:?}")), {
            story.is_stored(&store, step).await.then_some(())
        });
    }
    // Nobody else holds the store when the node comes back: it recovers by itself.
    store.close().await;
    node.kill9();
    node.restart().await;
}
