//! A whole session of a roaming driver with a partner that misbehaves, over real sockets: handshake, lists, token, START_SESSION, a simulated
//! station that charges, updates, and one bill that is right by the tariff that the partner pulled.
//!
//! The partner is the simulator of `loadtest`, a stranger to the hub. Where nothing at all gets through, it becomes well when the session has
//! ended.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ringmain_domain::id::TenantId;
use ringmain_loadtest::clock::Clock;
use ringmain_loadtest::crowd::{Crowd, DialerOf};
use ringmain_loadtest::dial::{Dialer, Endpoint, TcpTransport};
use ringmain_loadtest::emsp::hostile::Mode;
use ringmain_loadtest::emsp::journal::Arrival;
use ringmain_loadtest::emsp::{Emsp, Settings, price};
use ringmain_loadtest::password::Passwords;
use ringmain_loadtest::plan::Plan;
use ringmain_loadtest::socket::Stop;
use ringmain_loadtest::tally::Tally;
use ringmain_loadtest::witness::Witness;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::rig::api::TARIFF;
use crate::rig::eventually;
use crate::rig::node::Node;
use crate::rig::station::password_of;
use crate::rig::stores::TestStore;

/// A slow partner takes a third of what it may; the other way round, 8 s of 10 s, nobody would wait for a test.
const SETTINGS: [(&str, &str); 5] = [
    ("ROAMING__ALLOW", "http://127.0.0.1"),
    ("ROAMING__COUNTRY_CODE", "NL"),
    ("ROAMING__PARTY_ID", "RMN"),
    ("ROAMING__COMPANY", "Ringmain Test"),
    ("ROAMING__CALL_TIMEOUT_S", "3"),
];

/// Nobody comes but for a remote start, and then for some seconds.
const PLAN: &str = r#"
name = "one"
[[group]]
count = 1
version = "2.0.1"
id_prefix = "CS-"
site = "Roaming"
kind = "ac"
connectors = 1
power_w = 22000
behaviour = "idle"
stay_s = [5, 5]
energy_wh = [5000, 5000]
meter_interval_s = 1
"#;

const SOON: Duration = Duration::from_secs(30);

fn token(uid: &str) -> Value {
    json!({
        "country_code": "DE", "party_id": "TST", "uid": uid, "type": "APP_USER", "contract_id": format!("DE8TST{uid}"),
        "issuer": "Test", "valid": true, "whitelist": "ALWAYS", "last_updated": "2026-03-01T08:00:00Z",
    })
}

/// A node with one described station at a place, and a partner that has registered.
async fn start(mode: Mode) -> (Node, Emsp, Uuid) {
    let node = Node::start_with(TestStore::sqlite(), &SETTINGS).await;
    let api = node.api();
    let made = json!({"connector_id": 1, "plug": "type2", "has_cable": true, "current": "ac3", "max_voltage_v": 230,
        "max_current_a": 32});
    api.publish("CS-01", made).await;

    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../roaming/tests/schemas");
    let settings = Settings {
        schemas: Some(schemas),
        tokens: ["D1", "D2", "D3"].map(token).to_vec(),
        ..Settings::local("2.2.1", "DE", "TST")
    };
    let emsp = Emsp::start(settings).await.unwrap();
    emsp.set_mode(mode);
    let versions = format!("http://{}/ocpi/versions", node.addresses.http);
    let invited =
        api.change("POST", "/partners", &json!({"name": "Test", "our_versions_url": versions})).await;
    emsp.register(&versions, invited["token_a"].as_str().unwrap()).await.unwrap();
    (node, emsp, invited["id"].as_str().unwrap().parse().unwrap())
}

/// The station, and what it truly took.
async fn station(node: &Node) -> (Crowd, Arc<Tally>) {
    let endpoint = Endpoint::read(&format!("ws://{}/ocpp", node.addresses.ws)).unwrap();
    let transport = TcpTransport::new(endpoint.look_up().await.unwrap(), &endpoint, None).unwrap();
    let dialer = Arc::new(Dialer::new(Box::new(transport), endpoint));
    let dialer_of: DialerOf = Box::new(move |_| Ok(Arc::clone(&dialer)));
    let tally = Arc::new(Tally::new(None).unwrap().witnessed(Arc::new(Witness::default())));
    let passwords = Passwords::Same(password_of("CS-01"));
    let plan = Plan::parse(PLAN).unwrap();
    let crowd = Crowd::start(&plan, &passwords, &dialer_of, Clock::start(), &tally, SOON).unwrap();
    (crowd, tally)
}

/// Some partners know identifiers in lower case alone.
fn said(mode: Mode, id: &str) -> String {
    if mode == Mode::LowerCased { id.to_ascii_lowercase() } else { id.to_owned() }
}

/// Nothing that is told gets through.
fn is_deaf(mode: Mode) -> bool {
    matches!(mode, Mode::TooMany { .. } | Mode::Truncated | Mode::Garbage | Mode::Stalled)
}

/// Everything that is told gets through.
fn is_steady(mode: Mode) -> bool {
    !is_deaf(mode) && !matches!(mode, Mode::Errors { .. })
}

fn took_bill(one: &Arrival) -> bool {
    one.module == "cdrs" && one.method == "POST" && matches!(one.status, Some(200 | 201))
}

async fn a_whole_session(mode: Mode) {
    let (node, emsp, partner) = start(mode).await;
    let (crowd, tally) = station(&node).await;
    // Its own questions are answered whatever its mood.
    let location = eventually!("the EVSE is free", {
        let pulled = emsp.pull("locations", "").await.unwrap();
        assert_eq!(pulled.faults, Vec::<String>::new());
        pulled.items.into_iter().find(|one| one["evses"][0]["status"] == "AVAILABLE")
    });
    let tariffs = emsp.pull("tariffs", "").await.unwrap();
    assert_eq!(tariffs.faults, Vec::<String>::new());
    let tariff = tariffs.items.into_iter().find(|one| one["id"] == TARIFF).unwrap();
    let (http, answer) = emsp.put_token(&token("D9")).await.unwrap();
    assert_eq!((http, &answer["status_code"]), (201, &json!(1000)), "it is new there: {answer}");

    let order = json!({
        "token": token("D9"), "location_id": said(mode, "L1"), "evse_uid": location["evses"][0]["uid"],
        "authorization_reference": "ref-9",
    });
    let ordered = emsp.command("START_SESSION", order).await.unwrap();
    assert_eq!(ordered.answer["data"]["result"], "ACCEPTED", "{ordered:?}");
    if is_steady(mode) {
        let result = emsp.result(&ordered.id, SOON).await.unwrap();
        assert_eq!(result["result"], "ACCEPTED");
    }
    let api = node.api();
    let bill = eventually!("the session is billed", { api.cdrs("CS-01").await.pop() });
    if is_deaf(mode) {
        emsp.set_mode(Mode::Good);
    }
    let (store, id) = (node.open_store().await, bill["id"].as_str().unwrap().parse().unwrap());
    eventually!("the bill has arrived", {
        let arrived = store.arrived_cdrs(&TenantId::default_tenant(), partner, &[id]).await.unwrap();
        (arrived.len() == 1).then_some(())
    });
    store.close().await;
    let session = emsp.arrives(SOON, |one| {
        one.module == "sessions" && one.is_acknowledged && one.body["status"] == "COMPLETED"
    });
    let session = session.await.unwrap().body;

    // One bill, of what the station knows it gave, at the price that the partner knows.
    let journal = emsp.journal();
    assert_eq!(journal.arrivals.iter().filter(|one| took_bill(one)).count(), 1, "{mode:?}");
    let cdr = emsp.kept("cdrs").into_values().next().unwrap();
    let true_wh = tally.energy_wh().1;
    assert!(true_wh > 0);
    let (billed, told) = (cdr["total_energy"].as_f64(), session["kwh"].as_f64());
    assert_eq!((billed, told), (Some(true_wh as f64 / 1_000.0), billed), "{cdr:#}");
    assert_eq!(price::faults(&tariff, &cdr).unwrap(), Vec::<String>::new(), "{cdr:#}");
    assert_eq!(cdr["authorization_reference"], "ref-9");
    if is_steady(mode) {
        let active = |one: &&Arrival| one.body["status"] == "ACTIVE" && one.is_acknowledged;
        assert!(journal.of("sessions", "PUT").any(|one| active(&one)), "it was told while it went on");
    }
    assert_eq!(journal.faults(), Vec::<String>::new());
    if mode == Mode::OneItemPages {
        let pages = journal.of("tokens", "GET").filter(|one| one.is_acknowledged).count();
        assert!(pages >= 3, "three tokens on {pages} pages");
    }
    crowd.tell(Stop::WindDown);
    assert_eq!(crowd.gone().await, 0);
}

macro_rules! modes {
    ($($name:ident: $mode:expr,)*) => {$(
        #[tokio::test]
        async fn $name() {
            Box::pin(a_whole_session($mode)).await;
        }
    )*};
}

modes! {
    a_partner_that_is_well: Mode::Good,
    a_partner_that_answers_429: Mode::TooMany { retry_after_s: Some(1) },
    a_partner_that_fails_now_and_then: Mode::Errors { percent: 40 },
    a_partner_that_is_slow: Mode::Slow(Duration::from_secs(1)),
    a_partner_that_cuts_its_answers: Mode::Truncated,
    a_partner_that_gives_one_item_a_page: Mode::OneItemPages,
    a_partner_that_redirects_to_a_slash: Mode::Redirecting,
    a_partner_that_lower_cases_ids: Mode::LowerCased,
    a_partner_that_wraps_its_answers: Mode::Wrapped,
}
