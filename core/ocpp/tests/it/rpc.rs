//! RPC state as stories: what happens, what comes of it. Time is a number.

use ringmain_domain::time::Timestamp;
use ringmain_ocpp::fault::{CallFault, FaultCode};
use ringmain_ocpp::frame;
use ringmain_ocpp::message_id::MessageId;
use ringmain_ocpp::rpc::{
    ANSWERS_KEPT_MAX, INBOUND_WAITING_BYTES_MAX, INBOUND_WAITING_MAX, OUTBOUND_WAITING_MAX, OutboundCall,
    Received, RpcState, SubmitRefusal,
};
use ringmain_ocpp::version::Version;
use serde_json::value::RawValue;

const TIMEOUT_MS: i64 = 30_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn id(text: &str) -> MessageId {
    MessageId::new(text).unwrap()
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn state(version: Version) -> RpcState {
    RpcState::new(version, TIMEOUT_MS)
}

fn submit(rpc: &mut RpcState, now: i64, name: &str, deadline: i64) -> Result<(), SubmitRefusal> {
    let call = OutboundCall {
        id: id(name),
        action: "Reset".into(),
        payload: raw(r#"{"type":"Soft"}"#),
        deadline: at(deadline),
    };
    rpc.submit(at(now), call)
}

/// What a text means, as one line.
fn receive(rpc: &mut RpcState, version: Version, now: i64, text: &str) -> String {
    match frame::parse(text, version) {
        Ok(frame) => match rpc.receive(at(now), frame) {
            Received::Call(call) => {
                format!("call {} {}{}", call.id, call.action, if call.reused_id { " reused" } else { "" })
            }
            Received::Send(call) => format!("send {} {}", call.id, call.action),
            Received::Waiting => "waiting".to_owned(),
            Received::RepeatInProcess => "repeat in process".to_owned(),
            Received::Repeat(text) => format!("repeat {text}"),
            Received::Result { id, action, payload } => format!("result {id} {action} {payload}"),
            Received::Error { id, action, code, description, details } => {
                format!("error {id} {action} {code:?} {description} {}", details.map_or("-", RawValue::get))
            }
            Received::ResultRejected { id, code, description } => {
                format!("rejected {id} {code:?} {description}")
            }
            Received::Late(id) => format!("late {id}"),
            Received::Foreign(id) => format!("foreign {id}"),
            Received::Overflow => "overflow".to_owned(),
        },
        Err(fault) => format!("{:?}", rpc.receive_fault(&fault)),
    }
}

#[test]
fn one_call_of_ours_is_open_and_the_rest_waits_its_turn() {
    for version in Version::ALL {
        let mut rpc = state(version);
        submit(&mut rpc, 0, "a", 60_000).unwrap();
        submit(&mut rpc, 0, "b", 60_000).unwrap();
        let sent = rpc.next_outbound(at(0)).unwrap();
        assert_eq!((sent.id, sent.text.as_str()), (id("a"), r#"[2,"a","Reset",{"type":"Soft"}]"#));
        assert_eq!(rpc.next_outbound(at(1)), None, "one is open");
        assert_eq!(
            receive(&mut rpc, version, 2, r#"[3,"a",{"status":"Accepted"}]"#),
            r#"result a Reset {"status":"Accepted"}"#
        );
        assert_eq!(rpc.next_outbound(at(3)).unwrap().id, id("b"));
        assert_eq!(
            receive(&mut rpc, version, 4, r#"[4,"b","NotSupported","no",{"x":1}]"#),
            r#"error b Reset NotSupported no {"x":1}"#
        );
        assert_eq!(rpc.next_outbound(at(5)), None);
        assert_eq!(rpc.next_deadline(), None);
    }
}

#[test]
fn the_seventeenth_waiting_call_is_refused() {
    let mut rpc = state(Version::V16);
    submit(&mut rpc, 0, "open", 9).unwrap();
    rpc.next_outbound(at(0)).unwrap();
    for n in 0..OUTBOUND_WAITING_MAX {
        submit(&mut rpc, 0, &n.to_string(), 9).unwrap();
    }
    assert_eq!(submit(&mut rpc, 0, "more", 9), Err(SubmitRefusal::QueueFull));
    assert_eq!(submit(&mut rpc, 0, "open", 9), Err(SubmitRefusal::SameId));
    assert_eq!(submit(&mut rpc, 0, "3", 9), Err(SubmitRefusal::SameId));
    assert_eq!(submit(&mut rpc, 9, "late", 9), Err(SubmitRefusal::DeadlinePassed));
}

#[test]
fn a_call_ends_by_its_time_and_says_whether_it_was_sent() {
    let mut rpc = state(Version::V201);
    submit(&mut rpc, 0, "a", 100_000).unwrap();
    submit(&mut rpc, 0, "b", 20_000).unwrap();
    submit(&mut rpc, 0, "c", 90_000).unwrap();
    rpc.next_outbound(at(1000)).unwrap();
    assert_eq!(rpc.next_deadline(), Some(at(20_000)));
    let told = |ended: Vec<ringmain_ocpp::rpc::Unanswered>| -> Vec<(String, bool)> {
        ended.into_iter().map(|u| (u.id.to_string(), u.sent)).collect()
    };
    assert_eq!(told(rpc.expire(at(19_999))), []);
    assert_eq!(told(rpc.expire(at(20_000))), [("b".to_owned(), false)]);
    assert_eq!(told(rpc.expire(at(31_000))), [("a".to_owned(), true)]);
    assert_eq!(receive(&mut rpc, Version::V201, 31_001, r#"[3,"a",{}]"#), "late a");
    assert_eq!(receive(&mut rpc, Version::V201, 31_002, r#"[3,"a",{}]"#), "foreign a", "late once only");
    assert_eq!(rpc.next_outbound(at(31_003)).unwrap().id, id("c"));
    assert_eq!(rpc.next_deadline(), Some(at(61_003)));
    assert_eq!(receive(&mut rpc, Version::V201, 31_004, r#"[4,"zz","GenericError","",{}]"#), "foreign zz");
}

#[test]
fn a_clock_that_is_set_neither_ends_a_call_early_nor_keeps_one() {
    for by_ms in [-3_600_000, 3_600_000] {
        let mut rpc = state(Version::V201);
        submit(&mut rpc, 0, "open", 60_000).unwrap();
        submit(&mut rpc, 0, "waits", 60_000).unwrap();
        assert_eq!(rpc.next_outbound(at(0)).unwrap().id, id("open"));
        rpc.clock_moved(by_ms);
        assert_eq!(rpc.next_deadline(), Some(at(60_000.min(TIMEOUT_MS + by_ms))), "{by_ms}");
        let ended = rpc.expire(at(by_ms + TIMEOUT_MS - 1));
        // A call that waits is over for all others when its deadline has passed by the new time.
        let over = if by_ms > 0 { vec![(id("waits"), false)] } else { Vec::new() };
        assert_eq!(ended.into_iter().map(|one| (one.id, one.sent)).collect::<Vec<_>>(), over, "{by_ms}");
        let ended = rpc.expire(at(by_ms + TIMEOUT_MS));
        assert_eq!(ended.into_iter().map(|one| (one.id, one.sent)).collect::<Vec<_>>(), [(id("open"), true)]);
        rpc.expire(at(by_ms + 60_000));
        assert_eq!(rpc.next_deadline(), None, "{by_ms}");
    }
}

#[test]
fn a_deadline_in_the_queue_lets_the_next_one_pass() {
    let mut rpc = state(Version::V16);
    submit(&mut rpc, 0, "short", 10).unwrap();
    submit(&mut rpc, 0, "long", 100).unwrap();
    assert_eq!(rpc.next_outbound(at(10)).unwrap().id, id("long"));
    let ended = rpc.expire(at(10));
    assert_eq!((ended.len(), &ended[0].id, ended[0].sent), (1, &id("short"), false));
}

#[test]
fn closing_tells_of_every_call_once() {
    let mut rpc = state(Version::V16);
    for name in ["a", "b"] {
        submit(&mut rpc, 0, name, 100).unwrap();
    }
    rpc.next_outbound(at(0)).unwrap();
    let ended: Vec<_> = rpc.close().into_iter().map(|u| (u.id.to_string(), u.sent)).collect();
    assert_eq!(ended, [("a".to_owned(), true), ("b".to_owned(), false)]);
    assert!(rpc.close().is_empty());
}

#[test]
fn calls_cross() {
    let mut rpc = state(Version::V16);
    submit(&mut rpc, 0, "ours", 100).unwrap();
    rpc.next_outbound(at(0)).unwrap();
    assert_eq!(receive(&mut rpc, Version::V16, 1, r#"[2,"theirs","Heartbeat",{}]"#), "call theirs Heartbeat");
    assert_eq!(rpc.answer(&id("theirs"), &raw("{}")).unwrap(), r#"[3,"theirs",{}]"#);
    assert_eq!(receive(&mut rpc, Version::V16, 2, r#"[3,"ours",{}]"#), "result ours Reset {}");
}

#[test]
fn a_repeat_gets_the_stored_answer_and_another_content_is_processed() {
    let version = Version::V16;
    let mut rpc = state(version);
    let start = r#"[2,"1","StartTransaction",{"connectorId":1}]"#;
    assert_eq!(receive(&mut rpc, version, 0, start), "call 1 StartTransaction");
    assert_eq!(receive(&mut rpc, version, 1, start), "repeat in process");
    rpc.answer(&id("1"), &raw(r#"{"transactionId":7}"#)).unwrap();
    assert_eq!(receive(&mut rpc, version, 2, start), r#"repeat [3,"1",{"transactionId":7}]"#);
    let other = r#"[2,"1","StartTransaction",{"connectorId":2}]"#;
    assert_eq!(receive(&mut rpc, version, 3, other), "call 1 StartTransaction reused");
    rpc.answer(&id("1"), &raw(r#"{"transactionId":8}"#)).unwrap();
    assert_eq!(receive(&mut rpc, version, 4, start), r#"repeat [3,"1",{"transactionId":7}]"#);
    assert_eq!(receive(&mut rpc, version, 5, other), r#"repeat [3,"1",{"transactionId":8}]"#);
}

#[test]
fn a_repeat_after_a_fault_is_processed_again() {
    let version = Version::V201;
    let mut rpc = state(version);
    let event = r#"[2,"1","TransactionEvent",{}]"#;
    receive(&mut rpc, version, 0, event);
    let fault = CallFault::new(FaultCode::Internal, "down");
    assert_eq!(rpc.fail(&id("1"), &fault).unwrap(), r#"[4,"1","InternalError","down",{}]"#);
    assert_eq!(receive(&mut rpc, version, 1, event), "call 1 TransactionEvent");
}

#[test]
fn an_answer_that_tells_the_time_is_never_told_again() {
    let version = Version::V16;
    for action in ["Heartbeat", "BootNotification"] {
        let mut rpc = state(version);
        let call = format!(r#"[2,"1","{action}",{{}}]"#);
        for now in 0..3 {
            assert_eq!(receive(&mut rpc, version, now, &call), format!("call 1 {action}"));
            rpc.answer(&id("1"), &raw("{}")).unwrap();
        }
    }
}

#[test]
fn the_eight_last_answers_are_kept_and_no_large_one() {
    let version = Version::V16;
    let mut rpc = state(version);
    let call = |n: usize| format!(r#"[2,"{n}","MeterValues",{{}}]"#);
    for n in 0..=ANSWERS_KEPT_MAX {
        receive(&mut rpc, version, 0, &call(n));
        rpc.answer(&id(&n.to_string()), &raw("{}")).unwrap();
    }
    assert_eq!(receive(&mut rpc, version, 1, &call(1)), r#"repeat [3,"1",{}]"#);
    assert_eq!(receive(&mut rpc, version, 1, &call(0)), "call 0 MeterValues", "the ninth pushed it out");
    let large = format!(r#"{{"data":"{}"}}"#, "x".repeat(5000));
    rpc.answer(&id("0"), &raw(&large)).unwrap();
    assert_eq!(
        receive(&mut rpc, version, 2, &call(0)),
        "call 0 MeterValues",
        "too large to keep, so it is processed again"
    );
    rpc.answer(&id("0"), &raw("{}")).unwrap();
    // Three answers of 1.5 KB are more than the four KB kept: the oldest goes.
    for n in 20..23 {
        receive(&mut rpc, version, 3, &call(n));
        let half = format!(r#"{{"data":"{}"}}"#, "x".repeat(1500));
        rpc.answer(&id(&n.to_string()), &raw(&half)).unwrap();
    }
    assert_eq!(receive(&mut rpc, version, 4, &call(20)), "call 20 MeterValues");
    assert!(receive(&mut rpc, version, 5, &call(22)).starts_with("repeat "));
}

#[test]
fn calls_that_come_too_early_wait_in_order_and_the_fifth_means_close() {
    let version = Version::V201;
    let mut rpc = state(version);
    let call = |n: usize| format!(r#"[2,"{n}","StatusNotification",{{"n":{n}}}]"#);
    assert_eq!(receive(&mut rpc, version, 10, &call(0)), "call 0 StatusNotification");
    for n in 1..=INBOUND_WAITING_MAX {
        assert_eq!(receive(&mut rpc, version, 10, &call(n)), "waiting");
    }
    assert_eq!(
        receive(&mut rpc, version, 11, &call(2)),
        "repeat in process",
        "a repeat of one that waits takes no place"
    );
    assert_eq!(receive(&mut rpc, version, 12, &call(9)), "overflow");
    assert!(rpc.next_inbound().is_none(), "one is open");
    for n in 0..INBOUND_WAITING_MAX {
        rpc.answer(&id(&n.to_string()), &raw("{}")).unwrap();
        let next = rpc.next_inbound().unwrap();
        assert_eq!(
            (next.id, next.payload.get().to_owned()),
            (id(&(n + 1).to_string()), format!(r#"{{"n":{}}}"#, n + 1))
        );
        assert_eq!(next.received_at, at(10), "its time is that of its arrival");
    }
    rpc.answer(&id("4"), &raw("{}")).unwrap();
    assert!(rpc.next_inbound().is_none());
}

#[test]
fn what_waits_is_bounded_in_bytes() {
    let version = Version::V201;
    let mut rpc = state(version);
    receive(&mut rpc, version, 0, r#"[2,"0","Heartbeat",{}]"#);
    let call =
        |n: usize, bytes: usize| format!(r#"[2,"{n}","NotifyReport",{{"x":"{}"}}]"#, "x".repeat(bytes));
    assert_eq!(receive(&mut rpc, version, 0, &call(1, INBOUND_WAITING_BYTES_MAX - 8)), "waiting");
    assert_eq!(receive(&mut rpc, version, 0, &call(2, 0)), "overflow");
}

#[test]
fn a_call_that_waits_keeps_its_turn_before_a_newer_one() {
    let version = Version::V16;
    let mut rpc = state(version);
    receive(&mut rpc, version, 0, r#"[2,"0","Heartbeat",{}]"#);
    receive(&mut rpc, version, 0, r#"[2,"1","Heartbeat",{}]"#);
    rpc.answer(&id("0"), &raw("{}")).unwrap();
    // Nobody has taken the waiting one yet: a newer call goes behind it.
    assert_eq!(receive(&mut rpc, version, 1, r#"[2,"2","Heartbeat",{}]"#), "waiting");
    assert_eq!(rpc.next_inbound().unwrap().id, id("1"));
}

#[test]
fn an_answer_needs_its_call() {
    let mut rpc = state(Version::V16);
    assert_eq!(rpc.answer(&id("x"), &raw("{}")).unwrap_err().to_string(), "no call x waits for an answer");
    receive(&mut rpc, Version::V16, 0, r#"[2,"1","Heartbeat",{}]"#);
    assert!(rpc.fail(&id("x"), &CallFault::new(FaultCode::Internal, "")).is_err());
    assert!(rpc.answer(&id("1"), &raw("{}")).is_ok());
    assert!(rpc.answer(&id("1"), &raw("{}")).is_err(), "an answer is given once");
}

#[test]
fn a_send_is_never_answered_and_takes_no_turn() {
    let version = Version::V21;
    let mut rpc = state(version);
    receive(&mut rpc, version, 0, r#"[2,"1","Heartbeat",{}]"#);
    let send = r#"[6,"2","NotifyPeriodicEventStream",{}]"#;
    assert_eq!(receive(&mut rpc, version, 0, send), "send 2 NotifyPeriodicEventStream");
    assert!(rpc.answer(&id("2"), &raw("{}")).is_err());
    assert!(rpc.answer(&id("1"), &raw("{}")).is_ok());
}

#[test]
fn a_rejected_result_marks_its_call_and_is_not_repeated() {
    let version = Version::V21;
    let mut rpc = state(version);
    let event = r#"[2,"1","TransactionEvent",{}]"#;
    receive(&mut rpc, version, 0, event);
    rpc.answer(&id("1"), &raw("{}")).unwrap();
    let rejection = r#"[5,"1","FormatViolation","what?",{}]"#;
    assert_eq!(receive(&mut rpc, version, 1, rejection), "rejected 1 Format what?");
    assert_eq!(
        receive(&mut rpc, version, 2, event),
        "call 1 TransactionEvent",
        "processed again, not answered as before"
    );
    assert_eq!(receive(&mut rpc, version, 3, r#"[5,"9","FormatViolation","",{}]"#), "foreign 9");
}

#[test]
fn an_answer_that_cannot_be_read_ends_its_call() {
    for (version, answer) in [
        (Version::V16, "None"),
        (Version::V201, "None"),
        (Version::V21, r#"Some("[5,\"a\",\"FormatViolation\",\"payload is not a JSON object\",{}]")"#),
    ] {
        let mut rpc = state(version);
        submit(&mut rpc, 0, "a", 100).unwrap();
        rpc.next_outbound(at(0)).unwrap();
        let told = receive(&mut rpc, version, 1, r#"[3,"a",null]"#);
        assert_eq!(told, format!("FaultConsequence {{ answer: {answer}, ended: Some(MessageId(\"a\")) }}"));
        let told = receive(&mut rpc, version, 1, r#"[3,"a",null]"#);
        assert_eq!(told, "FaultConsequence { answer: None, ended: None }");
    }
    let mut rpc = state(Version::V16);
    let told = receive(&mut rpc, Version::V16, 0, r#"[2,"7","Heartbeat",[]]"#);
    assert!(told.contains("FormationViolation"), "{told}");
}
