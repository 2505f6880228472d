//! The lanes at their bounds, the repeats, the lost connection.

use super::*;
use serde_json::json;

const TIMEOUT: Duration = Duration::from_secs(30);
const REPEATS: Repeats =
    Repeats { attempts: 3, interval: Duration::from_secs(60), same_id: false, newest_first: false };

fn at(seconds: u64) -> Moment {
    Moment::default().plus(Duration::from_secs(seconds))
}

fn reading(serial: u64) -> Outgoing {
    Outgoing::new("MeterValues", json!({"n": serial}), Purpose::Updated { evse: 1, serial, reading: true })
}

fn start(serial: u64) -> Outgoing {
    Outgoing::new("StartTransaction", json!({}), Purpose::Started { evse: 1, serial })
}

fn heartbeat() -> Outgoing {
    Outgoing::new("Heartbeat", json!({}), Purpose::Heartbeat)
}

fn open(rpc: &mut Rpc, now: Moment) -> Option<OpenCall> {
    rpc.open_next(now, Gate::Open, TIMEOUT, REPEATS).map(|open| open.clone())
}

#[test]
fn one_call_is_out_and_order_is_kept() {
    let mut rpc = Rpc::default();
    rpc.push(start(1));
    rpc.push(heartbeat());
    rpc.push(reading(1));
    let first = open(&mut rpc, at(0)).unwrap();
    assert_eq!(first.call.action, "StartTransaction");
    assert_eq!(open(&mut rpc, at(0)), None);
    assert_eq!(rpc.close("another"), None);
    assert!(rpc.close(&first.id).is_some());
    assert_eq!(open(&mut rpc, at(0)).unwrap().call.action, "Heartbeat");
}

#[test]
fn a_queue_may_be_told_from_its_end_but_no_transaction_overtakes_another() {
    let order = |newest_first| {
        let mut rpc = Rpc::default();
        for (n, serial) in [(1, 7), (2, 7), (3, 8), (4, 7), (5, 8)] {
            let updated = Purpose::Updated { evse: 1, serial, reading: true };
            rpc.push(Outgoing::new("TransactionEvent", json!({ "n": n }), updated));
        }
        let repeats = Repeats { newest_first, ..REPEATS };
        let mut told = Vec::new();
        while let Some(open) = rpc.open_next(at(0), Gate::Open, TIMEOUT, repeats).map(|open| open.clone()) {
            told.extend(open.call.payload["n"].as_i64());
            rpc.close(&open.id);
        }
        told
    };
    assert_eq!(order(false), [1, 2, 3, 4, 5]);
    assert_eq!(order(true), [4, 2, 1, 5, 3]);
}

#[test]
fn a_failed_transaction_message_waits_k_intervals_and_others_overtake() {
    let mut rpc = Rpc::default();
    rpc.push(start(1));
    let mut ids = Vec::new();
    let mut now = at(0);
    for (attempt, wait_s) in [(1, 60), (2, 120)] {
        ids.push(open(&mut rpc, now).unwrap().id);
        now = now.plus(TIMEOUT);
        let failed = rpc.expire(now).unwrap();
        assert_eq!(failed.repeated, attempt > 1);
        assert_eq!(rpc.repeat(failed, now, REPEATS), None);
        rpc.push(heartbeat());
        rpc.push(reading(1));
        let overtaking = open(&mut rpc, now).unwrap();
        assert_eq!(overtaking.call.action, "Heartbeat");
        rpc.close(&overtaking.id);
        assert_eq!(open(&mut rpc, now.plus(Duration::from_secs(wait_s - 1))), None);
        now = now.plus(Duration::from_secs(wait_s));
        assert_eq!(rpc.next_deadline(), Some(now));
    }
    let last = open(&mut rpc, now).unwrap();
    assert!(!ids.contains(&last.id), "a repeat has a new id before 2.1");
    let failed = rpc.close(&last.id).unwrap();
    assert_eq!(rpc.repeat(failed, now, REPEATS).unwrap().action, "StartTransaction");
    assert_eq!(open(&mut rpc, now).unwrap().call.action, "MeterValues");
}

#[test]
fn a_repeat_keeps_its_id_where_that_is_allowed() {
    let repeats = Repeats { same_id: true, ..REPEATS };
    let mut rpc = Rpc::default();
    rpc.push(start(1));
    let first = rpc.open_next(at(0), Gate::Open, TIMEOUT, repeats).unwrap().id.clone();
    let failed = rpc.close(&first).unwrap();
    assert_eq!(rpc.repeat(failed, at(0), repeats), None);
    assert_eq!(rpc.open_next(at(60), Gate::Open, TIMEOUT, repeats).unwrap().id, first);
}

#[test]
fn a_lost_connection_keeps_transactions_and_counts_no_attempt() {
    let mut rpc = Rpc::default();
    for _ in 0..10 {
        if rpc.durable_len() == 0 {
            rpc.push(start(1));
            rpc.push(reading(1));
        }
        rpc.push(heartbeat());
        assert_eq!(open(&mut rpc, at(0)).unwrap().call.action, "StartTransaction");
        let lost = rpc.lose_connection();
        assert_eq!(lost.iter().map(|call| call.action).collect::<Vec<_>>(), ["Heartbeat"]);
        assert_eq!(rpc.durable_len(), 2);
    }
    let again = open(&mut rpc, at(0)).unwrap();
    assert!(again.repeated);
    assert_eq!(again.call.attempts, 1);
    assert!(rpc.has_transaction(Some(1)) && !rpc.has_transaction(Some(2)));
}

#[test]
fn only_boot_passes_before_the_station_is_accepted() {
    let mut rpc = Rpc::default();
    rpc.push(start(1));
    rpc.push(heartbeat());
    rpc.push(Outgoing::new("BootNotification", json!({}), Purpose::Boot).even_before_accepted());
    assert_eq!(rpc.open_next(at(0), Gate::Shut, TIMEOUT, REPEATS), None);
    let boot = rpc.open_next(at(0), Gate::BootOnly, TIMEOUT, REPEATS).unwrap().clone();
    assert_eq!(boot.call.action, "BootNotification");
    rpc.close(&boot.id);
    assert_eq!(rpc.open_next(at(0), Gate::BootOnly, TIMEOUT, REPEATS), None);
}

#[test]
fn a_full_durable_lane_drops_the_oldest_reading_first() {
    let mut rpc = Rpc::default();
    rpc.push(start(1));
    rpc.push(reading(1));
    for serial in 2..u64::try_from(DURABLE_MAX).unwrap() {
        assert_eq!(rpc.push(start(serial)), None);
    }
    assert_eq!(rpc.push(start(0)).unwrap().payload, json!({"n": 1}));
    let refused = rpc.push(start(9_999)).unwrap();
    assert_eq!(refused.purpose.transaction(), Some(9_999));
    assert_eq!(rpc.durable_len(), DURABLE_MAX);
}

#[test]
fn a_full_passing_lane_drops_its_oldest() {
    let mut rpc = Rpc::default();
    let notice = |n: usize| Outgoing::new("NotifyEvent", json!({ "n": n }), Purpose::Notice);
    for n in 0..PASSING_MAX {
        assert_eq!(rpc.push(notice(n)), None);
    }
    assert_eq!(rpc.push(notice(PASSING_MAX)).unwrap().payload, json!({"n": 0}));
}
