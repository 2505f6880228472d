//! The database's server dies and its synchronous standby takes over: nothing that was acknowledged is lost, nothing is doubled.

use serde_json::json;

use crate::faults::{COMPLAINTS_OF_AN_OUTAGE, event};
use crate::rig::node::Node;
use crate::rig::standby::Pair;
use crate::rig::station::{Incoming, Introduction, Station, password_of};
use crate::rig::stores::TestStore;
use crate::rig::{eventually, within};

/// F35: a message that the first server has and the standby has not is not answered; the station repeats it to the same node, which has
/// found the new server by itself.
#[tokio::test]
async fn f35_a_failover_to_the_synchronous_standby_loses_and_doubles_nothing() {
    const ACKNOWLEDGED: u32 = 20;
    let name =
        concat!(module_path!(), "::f35_a_failover_to_the_synchronous_standby_loses_and_doubles_nothing");
    let Some(mut pair) = Pair::start(name).await else { return };
    // The pair's URL stands in the place of the store that tests have otherwise.
    let mut node = Node::start_with(TestStore::sqlite(), &[("STORE__URL", pair.url().as_str())]).await;
    for complaint in COMPLAINTS_OF_AN_OUTAGE {
        node.expect_complaint(complaint);
    }
    node.api().register("CS-1").await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    let reading = |seq: u32| {
        let kind = if seq == 0 { "Started" } else { "Updated" };
        event(kind, seq, seq, &[json!({"value": seq * 100})])
    };
    for seq in 0..ACKNOWLEDGED {
        station.call("TransactionEvent", &reading(seq)).await;
    }
    pair.deafen().await;
    station.begin("TransactionEvent", &reading(ACKNOWLEDGED)).await;
    // It is on the first server alone, so nobody is told that it is stored.
    pair.commit_waits().await;
    pair.kill_primary();
    assert_eq!(within("the close", station.next()).await, Incoming::Closed(Some(1013)));
    pair.promote().await;

    let password = password_of("CS-1");
    let introduction = Introduction::of("CS-1", "ocpp2.0.1", &password);
    let mut station =
        eventually!("the door to open", { Station::introduce(&node.addresses, &introduction).await.ok() });
    station.call("TransactionEvent", &reading(ACKNOWLEDGED)).await;
    let last = ACKNOWLEDGED + 1;
    station.call("TransactionEvent", &event("Ended", last, last, &[json!({"value": last * 100})])).await;
    assert_eq!(node.api().facts("CS-1", "T-1").await.len(), usize::try_from(last + 1).unwrap());
    let cdrs = node.api().cdrs("CS-1").await;
    assert_eq!((cdrs.len(), &cdrs[0]["energy_wh"]), (1, &json!(last * 100)));
    assert_eq!(node.api().sessions("CS-1").await.len(), 1);
}
