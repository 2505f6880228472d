//! What becomes of transaction messages when answers are lost, refused, or nobody is there: repeats, queues, order.

use std::time::Duration;

use ringmain_loadtest::station::Version;
use ringmain_loadtest::tally::Count;
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::csms::Call;
use crate::rig::{ALL, METER_START_WH, ONE_DRIVER, Rig, is_end, is_reading, is_start, register_wh};

const DRIVER: &str = r#"
    behaviour = "drivers"
    tokens = ["04A1B2C3"]
    pause_s = [1, 2]
    stay_s = [3000, 3000]
    energy_wh = [50000, 50000]
    meter_interval_s = 300
    heartbeat_s = 3600
    retry_interval_s = 60
    message_timeout_s = 30
"#;

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_after_k_intervals_and_then_given_up() {
    for version in ALL {
        let mut rig = Rig::new(version, DRIVER);
        let mut conn = rig.csms.accept_and_boot(3_600).await;
        let mut attempts: Vec<Call> = Vec::new();
        while attempts.len() < 3 {
            attempts.push(conn.serve_up_to(is_start).await);
        }
        // 30 s without an answer each time, then 60 s and 120 s.
        let waits: Vec<u64> = attempts.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs()).collect();
        assert_eq!(waits, [90, 150], "{version:?}");
        assert!(attempts.iter().all(|call| call.payload == attempts[0].payload), "a repeat says the same");
        let same_id = attempts[0].id == attempts[1].id;
        assert_eq!(same_id, version == Version::V21, "only 2.1 repeats with the id of the first attempt");
        let reading = conn.serve_up_to(|call| is_start(call) || is_reading(call)).await;
        assert!(is_reading(&reading), "after three attempts the start is given up");
        assert_eq!((rig.tally.of(Count::Repeated), rig.tally.of(Count::Discarded)), (2, 1));
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_repeated_like_silence_and_the_answer_ends_it() {
    for version in ALL {
        let mut rig = Rig::new(version, DRIVER);
        let mut conn = rig.csms.accept_and_boot(3_600).await;
        let first = conn.serve_up_to(is_start).await;
        conn.refuse(&first, "InternalError").await;
        let second = conn.serve_up_to(is_start).await;
        assert_eq!((second.at - first.at).as_secs(), 60, "{version:?}");
        conn.answer_well(&second).await;
        conn.serve_until(is_reading).await;
        assert_eq!((rig.tally.of(Count::Refused), rig.tally.of(Count::Discarded)), (1, 0));
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_was_never_answered_leaves_minus_one_behind() {
    let mut rig = Rig::new(Version::V16, &DRIVER.replace("[3000, 3000]", "[1200, 1200]"));
    let mut conn = rig.csms.accept_and_boot(3_600).await;
    for _ in 0..3 {
        let start = conn.serve_up_to(is_start).await;
        conn.refuse(&start, "InternalError").await;
    }
    let calls = conn.serve_until(is_end).await;
    let readings: Vec<&Call> = calls.iter().filter(|call| is_reading(call)).collect();
    assert!(!readings.is_empty());
    assert!(readings.iter().all(|call| call.number("/transactionId") == -1));
    assert_eq!(calls.last().unwrap().number("/transactionId"), -1);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_given_up_in_2_x_leaves_the_transaction_its_id() {
    let mut rig = Rig::new(Version::V201, &DRIVER.replace("[3000, 3000]", "[1200, 1200]"));
    let mut conn = rig.csms.accept_and_boot(3_600).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let start = conn.serve_up_to(is_start).await;
        conn.refuse(&start, "InternalError").await;
        ids.push(start.text("/transactionInfo/transactionId").to_owned());
    }
    let calls = conn.serve_until(is_end).await;
    rig.settle().await;
    let end = calls.last().unwrap();
    assert!(ids.iter().all(|id| id == end.text("/transactionInfo/transactionId")));
    let records = rig.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["transaction_id"], ids[0].as_str());
    assert_eq!(records[0]["acknowledged"], true);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn other_messages_overtake_one_that_waits_for_its_repeat() {
    let mut rig = Rig::new(Version::V201, &DRIVER.replace("heartbeat_s = 3600", "heartbeat_s = 20"));
    let mut conn = rig.csms.accept_and_boot(20).await;
    let start = conn.serve_up_to(is_start).await;
    conn.refuse(&start, "GenericError").await;
    let between = conn.serve_until(is_start).await;
    let beats = between.iter().filter(|call| call.action == "Heartbeat").count();
    assert_eq!(beats, 3);
    assert!(between.iter().all(|call| call.action != "TransactionEvent" || is_start(call)), "order is kept");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_happened_offline_comes_in_order_and_marked() {
    for version in [Version::V201, Version::V21] {
        let mut rig = Rig::new(version, &DRIVER.replace("[3000, 3000]", "[1500, 1500]"));
        let mut conn = rig.csms.accept_and_boot(3_600).await;
        conn.serve_until(is_reading).await;
        drop(conn);
        // Away for two readings, the end of the session and the beginning of the next.
        let gone = tokio::time::Instant::now();
        while gone.elapsed() < Duration::from_secs(1_300) {
            rig.csms.turn_away(StatusCode::SERVICE_UNAVAILABLE).await;
        }
        let mut conn = rig.csms.accept().await;
        let mut events: Vec<Call> = Vec::new();
        while !events.iter().any(is_end) || !events.iter().any(is_start) {
            let call = conn.next().await;
            assert_ne!(call.action, "BootNotification");
            conn.answer_well(&call).await;
            if call.action == "TransactionEvent" {
                events.push(call);
            }
        }
        let id = events[0].text("/transactionInfo/transactionId").to_owned();
        let (first, second): (Vec<&Call>, Vec<&Call>) =
            events.iter().partition(|call| call.text("/transactionInfo/transactionId") == id);
        let seqs: Vec<i64> = first.iter().map(|call| call.number("/seqNo")).collect();
        let start_seq = seqs[0];
        assert_eq!(seqs, (start_seq..).take(seqs.len()).collect::<Vec<_>>());
        assert!(is_end(first.last().unwrap()) && is_start(second[0]));
        assert!(events.iter().all(|call| call.payload["offline"] == true), "{events:#?}");
        let stamps: Vec<&str> = events.iter().map(|call| call.text("/timestamp")).collect();
        assert!(stamps.is_sorted());
        assert_eq!(rig.tally.of(Count::Discarded), 0);
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_session_offline_in_1_6_is_told_from_start_to_end() {
    let mut rig = Rig::new(
        Version::V16,
        &DRIVER.replace("[3000, 3000]", "[1500, 1500]").replace("[1, 2]", "[200, 201]"),
    );
    let mut conn = rig.csms.accept_and_boot(3_600).await;
    for _ in 0..2 {
        conn.serve_until(|call| call.action == "StatusNotification").await;
    }
    drop(conn);
    let gone = tokio::time::Instant::now();
    while gone.elapsed() < Duration::from_secs(1_900) {
        rig.csms.turn_away(StatusCode::SERVICE_UNAVAILABLE).await;
    }
    let mut conn = rig.csms.accept().await;
    let start = conn.serve_up_to(is_start).await;
    assert_eq!(register_wh(&start), METER_START_WH);
    conn.answer_well(&start).await;
    let calls = conn.serve_until(is_end).await;
    let number = calls.last().unwrap().number("/transactionId");
    assert!(number > 4_000, "the number the start got, not -1: {number}");
    let readings = calls.iter().filter(|call| is_reading(call)).count();
    assert!((3..=5).contains(&readings), "{readings}");
    assert!(calls.iter().filter(|call| is_reading(call)).all(|call| call.number("/transactionId") == number));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_cut_under_a_message_cost_no_attempt() {
    for version in ALL {
        let lines = format!("{DRIVER}\nbackoff_s = 1\nbackoff_random_s = 0\nbackoff_repeat = 0");
        let mut rig = Rig::new(version, &lines);
        let mut conn = rig.csms.accept_and_boot(3_600).await;
        let first = conn.serve_up_to(is_start).await;
        for _ in 0..6 {
            drop(conn);
            conn = rig.csms.accept().await;
            let again = conn.serve_up_to(is_start).await;
            assert_eq!(again.payload, first.payload, "{version:?}");
        }
        let last = conn.serve_up_to(is_start).await;
        conn.answer_well(&last).await;
        conn.serve_until(is_reading).await;
        assert_eq!(rig.tally.of(Count::Discarded), 0, "{version:?}");
        assert!(rig.tally.of(Count::Repeated) >= 6);
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn energy_told_after_an_outage_is_all_there() {
    for version in ALL {
        let lines = format!(
            "{}\noutage = {{ every_s = [30, 90], for_s = [20, 120] }}\nbackoff_s = 1\nbackoff_random_s = 2",
            ONE_DRIVER.replace("[3000, 3000]", "[5, 60]").replace("[60, 60]", "[40, 200]")
        );
        let mut rig = Rig::new(version, &lines);
        let mut conn = rig.csms.accept_and_boot(3_600).await;
        let (mut told_wh, mut ended, mut connections) = (0, 0, 1);
        while ended < 40 {
            let Some(call) = conn.next_or_end().await else {
                conn = rig.csms.accept().await;
                connections += 1;
                continue;
            };
            // The end of a stream may lie between a call and its answer: the station then says it again.
            if rig.tally.connected_now() == 0 {
                continue;
            }
            conn.answer_well(&call).await;
            if is_start(&call) {
                told_wh -= register_wh(&call);
            } else if is_end(&call) {
                told_wh += register_wh(&call);
                ended += 1;
            }
        }
        // The truth is counted as each session ends; the last one may have ended while its message was still on its way.
        let (truth_wh, ..) = rig.tally.energy_wh();
        assert!(connections > 10, "{version:?}: {connections}");
        assert_eq!(rig.tally.of(Count::SessionEnded), 40, "{version:?}");
        assert_eq!(truth_wh, told_wh.unsigned_abs(), "{version:?}");
        rig.end().await;
    }
}
