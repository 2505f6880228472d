//! Whole crowds: the plans that are shipped, and the sum of all energy against what a CSMS was told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringmain_loadtest::clock::Clock;
use ringmain_loadtest::crowd::{Crowd, DialerOf};
use ringmain_loadtest::dial::Dialer;
use ringmain_loadtest::password::Passwords;
use ringmain_loadtest::plan::Plan;
use ringmain_loadtest::socket::{Stop, WIND_DOWN};
use ringmain_loadtest::station::Version;
use ringmain_loadtest::tally::{Count, Tally};

use crate::csms::{Conn, Csms, upgrade};
use crate::rig::{is_end, is_start, register_wh};

/// What a friendly CSMS was told by all stations.
#[derive(Debug, Default)]
struct Ledger {
    stations: BTreeSet<String>,
    connections: usize,
    started: usize,
    /// Register at the start of each transaction that runs, by station and its number or id.
    open: BTreeMap<(String, String), i64>,
    energy_wh: i64,
    ended: usize,
    faults: usize,
}

fn plan(name: &str) -> Plan {
    Plan::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("plans").join(name)).unwrap()
}

async fn listen(mut csms: Csms, ledger: Arc<Mutex<Ledger>>) {
    let mut number = 0;
    while let Some(stream) = csms.next_stream().await {
        number += 1_000;
        let (version, ledger) = (csms.version, Arc::clone(&ledger));
        tokio::spawn(async move {
            let mut conn: Conn = upgrade(version, stream).await;
            conn.number_from(number);
            let station = conn.door.path.trim_start_matches("/ocpp/").to_owned();
            ledger.lock().unwrap().connections += 1;
            ledger.lock().unwrap().stations.insert(station.clone());
            while let Some(call) = conn.next_or_end().await {
                note(&mut ledger.lock().unwrap(), &station, &call, conn.last_number() + 1);
                if !conn.try_answer_well(&call).await {
                    break;
                }
            }
        });
    }
}

fn note(ledger: &mut Ledger, station: &str, call: &crate::csms::Call, next_number: i64) {
    if call.payload["connectorStatus"] == "Faulted" || call.payload["status"] == "Faulted" {
        ledger.faults += 1;
    }
    let id = match call.action.as_str() {
        "StartTransaction" => next_number.to_string(),
        "StopTransaction" => call.number("/transactionId").to_string(),
        "TransactionEvent" => call.text("/transactionInfo/transactionId").to_owned(),
        _ => return,
    };
    let key = (station.to_owned(), id);
    if is_start(call) {
        ledger.started += 1;
        ledger.open.insert(key, register_wh(call));
    } else if is_end(call) {
        // A repeat after a lost answer finds nothing open and counts nothing.
        if let Some(start) = ledger.open.remove(&key) {
            ledger.energy_wh += register_wh(call) - start;
            ledger.ended += 1;
        }
    }
}

/// A crowd in memory: each station is led to the listener of its version.
fn start(plan: &Plan) -> (Crowd, Arc<Tally>, Arc<Mutex<Ledger>>) {
    let (clock, tally) = (Clock::start(), Arc::new(Tally::new(None).unwrap()));
    let ledger: Arc<Mutex<Ledger>> = Arc::default();
    let mut dialers: Vec<(Version, Arc<Dialer>)> = Vec::new();
    for version in crate::rig::ALL {
        let (csms, dialer) = Csms::new(version);
        tokio::spawn(listen(csms, Arc::clone(&ledger)));
        dialers.push((version, dialer));
    }
    let versions: Vec<(String, Version)> =
        plan.groups.iter().map(|group| (group.id_prefix.clone(), group.version().unwrap())).collect();
    let dialer_of: DialerOf = Box::new(move |identity| {
        let (_, version) = versions.iter().find(|(prefix, _)| identity.starts_with(prefix.as_str())).unwrap();
        Ok(Arc::clone(&dialers.iter().find(|(known, _)| known == version).unwrap().1))
    });
    let crowd = Crowd::start(plan, &Passwords::None, &dialer_of, clock, &tally, WIND_DOWN).unwrap();
    (crowd, tally, ledger)
}

#[test]
fn the_plans_that_are_shipped_are_good() {
    assert_eq!(plan("demo.toml").stations(), 36);
    assert_eq!(plan("heartbeat-5000.toml").stations(), 5_000);
    assert_eq!(plan("transactions.toml").stations(), 1_000);
    let demo = plan("demo.toml");
    let sites: BTreeSet<&str> = demo.groups.iter().map(|group| group.site.as_str()).collect();
    assert_eq!(sites.len(), 3);
    let versions: Vec<Version> = demo.groups.iter().map(|group| group.version().unwrap()).collect();
    assert!(crate::rig::ALL.iter().all(|version| versions.contains(version)));
}

#[tokio::test(start_paused = true)]
async fn the_demo_comes_alive_within_two_minutes() {
    let (crowd, tally, ledger) = start(&plan("demo.toml"));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(tally.accepted_now() >= 30, "{}", tally.accepted_now());
    assert!(
        ledger.lock().unwrap().started >= 15 && ledger.lock().unwrap().ended >= 3,
        "{:?}",
        ledger.lock().unwrap()
    );
    assert!(tally.running_now() >= 5);
    // From then on sessions come and go all the time, the network of one station and the cable of another do so too.
    let mut before = ledger.lock().unwrap().ended;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let ended = ledger.lock().unwrap().ended;
        assert!(ended > before, "no session ended within a minute");
        assert!(tally.running_now() >= 5);
        before = ended;
    }
    assert!(tally.of(Count::ConnectionOpened) > 36, "the station with the bad network reconnected");
    assert!(ledger.lock().unwrap().faults >= 1);
    assert_eq!((tally.of(Count::Refused), tally.of(Count::TimedOut), tally.of(Count::Unreadable)), (0, 0, 0));
    crowd.tell(Stop::WindDown);
    assert_eq!(crowd.gone().await, 0);
    let ledger = ledger.lock().unwrap();
    let (ended_wh, acknowledged_wh, running_wh) = tally.energy_wh();
    assert_eq!((ended_wh, running_wh), (acknowledged_wh, 0), "all is delivered at the end");
    assert_eq!(ended_wh, ledger.energy_wh.unsigned_abs(), "the CSMS was told every watt-hour");
    assert_eq!(tally.of(Count::SessionEnded), u64::try_from(ledger.ended).unwrap());
    assert!(ledger.open.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_transactions_agrees_with_its_csms_to_the_watt_hour() {
    let mut transactions = plan("transactions.toml");
    transactions.scale_to(60).unwrap();
    let (crowd, tally, ledger) = start(&transactions);
    tokio::time::sleep(Duration::from_secs(600)).await;
    crowd.tell(Stop::WindDown);
    assert_eq!(crowd.gone().await, 0);
    let ledger = ledger.lock().unwrap();
    assert!(ledger.ended > 200, "{}", ledger.ended);
    assert_eq!(tally.energy_wh().0, ledger.energy_wh.unsigned_abs());
    assert_eq!(ledger.stations.len(), 60);
    assert_eq!((tally.connected_now(), tally.accepted_now(), tally.running_now()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_ramp_is_kept_and_a_stop_before_the_turn_connects_nobody() {
    let mut idle = plan("heartbeat-5000.toml");
    idle.scale_to(100).unwrap();
    idle.ramp_per_s = 2.0;
    let (crowd, tally, ledger) = start(&idle);
    tokio::time::sleep(Duration::from_millis(10_100)).await;
    let connected = tally.of(Count::ConnectionOpened);
    assert!((20..=22).contains(&connected), "{connected}");
    crowd.tell(Stop::WindDown);
    assert_eq!(crowd.gone().await, 0);
    assert_eq!(ledger.lock().unwrap().connections, usize::try_from(connected).unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let mut sums = Vec::new();
    for _ in 0..2 {
        let mut transactions = plan("transactions.toml");
        transactions.scale_to(12).unwrap();
        let (crowd, tally, _) = start(&transactions);
        tokio::time::sleep(Duration::from_secs(300)).await;
        sums.push((tally.of(Count::SessionStarted), tally.of(Count::SessionEnded)));
        crowd.tell(Stop::Now);
        crowd.gone().await;
    }
    assert_eq!(sums[0], sums[1]);
}
