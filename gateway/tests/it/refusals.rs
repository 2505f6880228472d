//! What a node answers to those who do it wrong, each over a real socket, while another station's connection goes on unharmed.

mod door;
mod frames;
mod limits;

use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;

const PROTOCOLS: [&str; 3] = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"];

/// A node, and a station on it that does everything right and must not notice a thing.
struct Scene {
    node: Node,
    witness: Station,
}

// === impl Scene ===

impl Scene {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&'static str, &str)]) -> Self {
        Self::on(TestStore::sqlite(), settings).await
    }

    async fn on(store: TestStore, settings: &[(&'static str, &str)]) -> Self {
        let node = Node::start_with(store, settings).await;
        node.api().register("WITNESS").await;
        let witness = Station::booted(&node.addresses, "WITNESS", "ocpp2.0.1").await;
        Self { node, witness }
    }

    /// A registered station that has booted, for each protocol in turn.
    async fn booted(&self, protocol: &'static str) -> Station {
        let identity = format!("CS-{protocol}");
        self.node.api().register(&identity).await;
        Station::booted(&self.node.addresses, &identity, protocol).await
    }

    /// The witness is still there, on the same socket; the node leaves in order.
    async fn end(mut self) {
        self.witness.is_well().await;
        self.witness.close().await;
        self.node.stop().await;
    }
}
