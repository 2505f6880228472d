//! Several nodes over one database, each a process of its own, with the certificates and the pepper of one cluster.

use std::path::Path;
use std::process::Command;

use ringmain_store::store::Store;
use serde_json::Value;
use tempfile::TempDir;

use super::api::Api;
use super::eventually;
use super::node::Node;
use super::stores::TestStore;
use crate::faults::COMPLAINTS_OF_AN_OUTAGE;

/// A cluster under test.
pub(crate) struct Nodes {
    pub(crate) nodes: Vec<Node>,
    settings: Vec<(&'static str, String)>,
    pub(crate) store: TestStore,
    folder: TempDir,
}

/// What a cluster says when some of it is lost, and that is meant.
pub(crate) const COMPLAINTS_OF_A_LOSS: [&str; 4] = [
    "nodes are lost",
    "the other nodes took this one for lost",
    "the lease of this node is over",
    "redis is away",
];

// === impl Nodes ===

impl Nodes {
    /// So many nodes; with routes in this Redis, or without.
    pub(crate) async fn start(
        store: TestStore,
        count: u32,
        redis: Option<&str>,
        more: &[(&'static str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_certificate(folder.path());
        let file = |name: &str| folder.path().join("node").join(name).display().to_string();
        let mut settings = vec![
            ("LISTEN__CLUSTER", "127.0.0.1:0".to_owned()),
            ("STORE__URL", store.url(folder.path())),
            ("STATIONS__PEPPER_FILE", folder.path().join("pepper").display().to_string()),
            ("CLUSTER__CA", file("cluster-ca.pem")),
            ("CLUSTER__CERTIFICATE", file("node.pem")),
            ("CLUSTER__KEY", file("node.key")),
            ("CLUSTER__DRAIN_NOTICE_S", "0".to_owned()),
            ("CLUSTER__DRAIN_S", "1".to_owned()),
        ];
        settings.extend(redis.map(|url| ("CLUSTER__REDIS", url.to_owned())));
        settings.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        let mut cluster = Self { nodes: Vec::new(), settings, store, folder };
        for _ in 0..count {
            cluster.add().await;
        }
        cluster.know_each_other(count).await;
        cluster
    }

    /// One more node.
    pub(crate) async fn add(&mut self) {
        let name = format!("node-{}", self.nodes.len() + 1);
        let mut settings: Vec<_> = self.settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        settings.push(("CLUSTER__NODE", &name));
        // The database is the cluster's, not the node's.
        let mut node = Node::start_with(TestStore::sqlite(), &settings).await;
        for complaint in COMPLAINTS_OF_A_LOSS {
            node.expect_complaint(complaint);
        }
        self.nodes.push(node);
    }

    /// Every node knows of so many that live.
    pub(crate) async fn know_each_other(&self, count: u32) {
        for node in 0..self.nodes.len() {
            self.is_known_by(node, count).await;
        }
    }

    /// This node knows of so many that live.
    pub(crate) async fn is_known_by(&self, node: usize, count: u32) {
        eventually!("a node to know how many there are", {
            let known = self.nodes[node].metrics().await.sum("ringmain_cluster_nodes", &[]);
            (known == f64::from(count)).then_some(())
        });
    }

    pub(crate) fn api(&self, node: usize) -> Api {
        self.nodes[node].api()
    }

    /// All nodes as one of them sees them, by name.
    pub(crate) async fn seen_by(&self, node: usize) -> Vec<Value> {
        self.api(node).list("/nodes").await
    }

    /// Some will be put to sleep: what they were waiting for then comes too late for them.
    pub(crate) fn may_sleep(&mut self) {
        for node in &mut self.nodes {
            for complaint in COMPLAINTS_OF_AN_OUTAGE {
                node.expect_complaint(complaint);
            }
        }
    }

    /// The store of all of them a second time.
    pub(crate) async fn open_store(&self) -> Store {
        self.store.open(self.folder.path()).await
    }

    /// Where the certificates are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// One certificate for all: they name no machine.
fn make_certificate(folder: &Path) {
    let made = Command::new(env!("CARGO_BIN_EXE_ringmain"))
        .args(["pki", "node", "--ca"])
        .arg(folder.join("ca"))
        .arg("--out")
        .arg(folder.join("node"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
