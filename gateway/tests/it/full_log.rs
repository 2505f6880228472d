//! No space is left for what a node writes about itself: it goes on with its work.

use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;

/// Each line that cannot be written ended the thread that wrote it; the first at the start ended the node.
#[tokio::test]
async fn a_node_that_cannot_write_its_log_starts_and_serves_stations() {
    let mut node = Node::start_mute(TestStore::sqlite()).await;
    node.api().register("CS-1").await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    station.is_well().await;
    station.close().await;
    node.stop().await;
}
