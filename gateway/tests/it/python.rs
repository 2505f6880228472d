//! An independent client: the PyPI library `ocpp` over wss, in all three versions, with its schema validation of both sides.
//!
//! The stations are `tests/python/*.py`; what they assert about our answers stands there. Here an operator orders a remote start and a
//! remote stop, and looks at energy and cost.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::rig::api::TARIFF;
use crate::rig::node::Node;
use crate::rig::station::password_of;
use crate::rig::stores::TestStore;
use crate::rig::within;

const PROTOCOLS: [&str; 3] = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"];

/// A station in Python.
struct Stranger {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

// === impl Stranger ===

impl Stranger {
    fn start(python: &Path, node: &Node, identity: &str, protocol: &str) -> Self {
        let mut child = Command::new(python)
            .arg("-B")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/station.py"))
            .args(["--url", &format!("wss://localhost:{}/ocpp", node.addresses.wss.port())])
            .arg("--ca")
            .arg(&node.addresses.ca)
            .args(["--identity", identity, "--password", &password_of(identity), "--protocol", protocol])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, said }
    }

    /// The next line must begin with this word; gives back the rest of it.
    async fn says(&mut self, word: &str) -> String {
        let line = within(word, self.said.next_line()).await.unwrap();
        let line = line.unwrap_or_else(|| {
            panic!("the station ended before it said {word:?}; its standard error tells why")
        });
        let rest = line.strip_prefix(word).unwrap_or_else(|| panic!("{line:?} instead of {word:?}"));
        rest.trim().to_owned()
    }
}

#[tokio::test]
async fn a_stranger_charges_by_itself_and_by_order_in_every_version() {
    let python = python().await;
    let mut node = Node::start(TestStore::sqlite()).await;
    node.api().furnish().await;
    join_all(PROTOCOLS.map(|protocol| charge_twice(&python, &node, protocol))).await;
    node.stop().await;
}

async fn charge_twice(python: &Path, node: &Node, protocol: &str) {
    let (api, identity) = (node.api(), format!("PY-{protocol}"));
    api.register_with(&identity, json!({"tariff_id": TARIFF})).await;
    let mut stranger = Stranger::start(python, node, &identity, protocol);

    stranger.says("ready").await;
    let start = api
        .command(&identity, &json!({"command": "start_transaction", "evse_id": 1, "token_uid": "A1"}))
        .await;
    assert_eq!(start["outcome"], "accepted", "{protocol}: {start}");
    let transaction = stranger.says("started").await;
    let running = api.sessions(&identity).await.pop().unwrap();
    assert_eq!((&running["transaction_id"], &running["status"]), (&json!(transaction), &json!("active")));
    assert_eq!(running["energy_wh"], 1000);
    let stop =
        api.command(&identity, &json!({"command": "stop_transaction", "transaction_id": transaction})).await;
    assert_eq!(stop["outcome"], "accepted", "{protocol}: {stop}");
    stranger.says("done").await;
    let status = within("the end of the station", stranger.child.wait()).await.unwrap();
    assert!(status.success(), "{protocol}: {status}");

    // 1 EUR a session, 0.50 EUR/kWh, 19 % tax.
    let (sessions, cdrs) = (api.sessions(&identity).await, api.cdrs(&identity).await);
    let bills: Vec<(&Value, &Value)> = cdrs.iter().map(|cdr| (&cdr["energy_wh"], &cdr["cost"])).collect();
    let cost = |excl: &str, incl: &str| json!({"currency": "EUR", "excl_tax": excl, "incl_tax": incl});
    assert_eq!(
        bills,
        [(&json!(5000), &cost("3.50", "4.17")), (&json!(2000), &cost("2.00", "2.38"))],
        "{protocol}"
    );
    for (session, (energy, cost)) in sessions.iter().zip(bills) {
        assert_eq!((&session["energy_wh"], &session["cost"]), (energy, cost), "{protocol}");
        assert_eq!((&session["status"], &session["flags"]), (&json!("completed"), &json!([])), "{protocol}");
        assert_eq!(session["token_uid"], "A1", "{protocol}");
    }
    assert_eq!((sessions.len(), &sessions[1]["stop_reason"]), (2, &json!("Remote")), "{protocol}");
}

/// The interpreter with the packages of the tests; made by the script when it is not there yet.
pub(crate) async fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let made = Command::new(root.join("scripts/python-env.sh")).status().await.unwrap();
    assert!(made.success(), "scripts/python-env.sh: {made}");
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root.join(target).join("venv/bin/python")
}
