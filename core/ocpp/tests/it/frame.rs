//! Texts that are frames, and texts that are not: what is read, what is answered.

use proptest::prelude::*;
use ringmain_ocpp::fault::FaultCode;
use ringmain_ocpp::frame::{self, Frame, FrameFaultKind, FrameKind, bounds};
use ringmain_ocpp::message_id::MessageId;
use ringmain_ocpp::version::Version;

/// A frame as one line of text.
fn told(frame: &Frame<'_>) -> String {
    match frame {
        Frame::Call(call) => format!("call {} {} {}", call.id, call.action, call.payload),
        Frame::Send(call) => format!("send {} {} {}", call.id, call.action, call.payload),
        Frame::CallResult(result) => format!("result {} {}", result.id, result.payload),
        Frame::CallError(error) => {
            format!(
                "error {} {:?} {:?} {:?}",
                error.id,
                error.code,
                error.description,
                error.details.map(|d| d.get())
            )
        }
        Frame::CallResultError(error) => {
            format!("result error {} {:?} {:?}", error.id, error.code, error.description)
        }
    }
}

fn check(version: Version, text: &str, expect: &str) {
    assert_eq!(frame::parse(text, version).map(|frame| told(&frame)), Ok(expect.to_owned()), "{text}");
}

#[test]
fn frames_are_read_and_their_payload_is_left_alone() {
    for version in Version::ALL {
        check(version, r#"[2,"1","Heartbeat",{}]"#, "call 1 Heartbeat {}");
        check(version, "\n [ 2 , \"a\" , \"X\" , { \"n\" : 1.50 } ] ", "call a X { \"n\" : 1.50 }");
        check(version, r#"[2,"\u0031\"","Boot\u004eotification",{}]"#, "call 1\" BootNotification {}");
        check(version, r#"[3,"1",{"status":"Accepted"}]"#, r#"result 1 {"status":"Accepted"}"#);
        check(
            version,
            r#"[4,"1","FormationViolation","no",{"a":1}]"#,
            r#"error 1 Format "no" Some("{\"a\":1}")"#,
        );
        // Stations leave out details, or the description too, or send null.
        check(
            version,
            r#"[4,"1","OccurenceConstraintViolation","no"]"#,
            r#"error 1 OccurrenceConstraint "no" None"#,
        );
        check(version, r#"[4,"1","OfTheVendor"]"#, r#"error 1 Generic "" None"#);
        check(version, r#"[4,"1","NotSupported",null,null]"#, r#"error 1 NotSupported "" None"#);
    }
    check(Version::V21, r#"[5,"1","FormatViolation","no",{}]"#, r#"result error 1 Format "no""#);
    check(Version::V21, r#"[6,"1","NotifyPeriodicEventStream",{}]"#, "send 1 NotifyPeriodicEventStream {}");
}

/// What is expected of a text that is no frame: reason, and what is answered by 1.6 and by 2.x.
fn check_fault(
    text: &str,
    reason: FrameFaultKind,
    first: Option<(&str, &str)>,
    second: Option<(&str, &str)>,
) {
    for (version, expect) in [(Version::V16, first), (Version::V201, second), (Version::V21, second)] {
        let fault = frame::parse(text, version).map(|frame| told(&frame)).unwrap_err();
        assert_eq!(fault.reason, reason, "{version:?} {text}");
        let answer = fault.answer(version).map(|(id, fault)| (id.to_string(), fault.code().as_wire(version)));
        let answer = answer.as_ref().map(|(id, code)| (id.as_str(), *code));
        assert_eq!(answer, expect, "{version:?} {text}");
    }
}

#[test]
fn what_is_no_frame_is_answered_by_the_right_code() {
    use FrameFaultKind::{
        ActionTooLong, ElementCount, NotAFrame, NotJson, UnknownKind, UnreadableAction, UnreadableId,
    };
    let lost = Some(("-1", "RpcFrameworkError"));
    let too_long = format!(r#"[2,"{}","Heartbeat",{{}}]"#, "x".repeat(37));
    let long_action = format!(r#"[2,"7","{}",{{}}]"#, "ü".repeat(65));
    for (text, reason, first, second) in [
        ("", NotJson, None, lost),
        ("hello", NotJson, None, lost),
        ("{}", NotAFrame, None, lost),
        ("[]", NotAFrame, None, lost),
        ("null", NotAFrame, None, lost),
        (r#"["2","7","Heartbeat",{}]"#, NotAFrame, None, Some(("7", "RpcFrameworkError"))),
        (r#"[2]"#, UnreadableId, None, lost),
        (r#"[2,7,"Heartbeat",{}]"#, UnreadableId, None, lost),
        (r#"[2,"","Heartbeat",{}]"#, UnreadableId, None, lost),
        (&too_long, UnreadableId, None, lost),
        (r#"[2,"7"]"#, ElementCount, Some(("7", "ProtocolError")), Some(("7", "ProtocolError"))),
        (r#"[2,"7","Heartbeat"]"#, ElementCount, Some(("7", "ProtocolError")), Some(("7", "ProtocolError"))),
        (
            r#"[2,"7","Heartbeat",{},{}]"#,
            ElementCount,
            Some(("7", "ProtocolError")),
            Some(("7", "ProtocolError")),
        ),
        (r#"[2,"7",8,{}]"#, UnreadableAction, Some(("7", "ProtocolError")), Some(("7", "ProtocolError"))),
        (&long_action, ActionTooLong, Some(("7", "NotImplemented")), Some(("7", "NotImplemented"))),
        (r#"[1,"7",{}]"#, UnknownKind, None, Some(("7", "MessageTypeNotSupported"))),
        (r#"[99,"7"]"#, UnknownKind, None, Some(("7", "MessageTypeNotSupported"))),
        (r#"[99]"#, UnknownKind, None, lost),
    ] {
        check_fault(text, reason, first, second);
    }
}

#[test]
fn a_call_whose_payload_is_broken_is_answered_by_its_id() {
    use FrameFaultKind::{NotJson, OutOfBounds, PayloadNotObject};
    let deep = format!(r#"[2,"7","Heartbeat",{}{}]"#, r#"{"a":"#.repeat(32), "1");
    for (text, reason) in [
        (r#"[2,"7","Heartbeat",null]"#, PayloadNotObject),
        (r#"[2,"7","Heartbeat",[]]"#, PayloadNotObject),
        (r#"[2,"7","Heartbeat",{"a":}]"#, NotJson),
        (r#"[2,"7","Heartbeat",{}"#, NotJson),
        (r#"[2,"7","Heartbeat",{}] x"#, NotJson),
        (&deep, OutOfBounds(bounds::BoundFault::TooDeep)),
        (r#"[2,"7","Heartbeat",{"a":"\u0000"}]"#, OutOfBounds(bounds::BoundFault::ForbiddenText)),
    ] {
        check_fault(text, reason, Some(("7", "FormationViolation")), Some(("7", "FormatViolation")));
    }
}

#[test]
fn answers_are_never_answered_whatever_is_wrong_with_them() {
    use FrameFaultKind::{ElementCount, NotJson, PayloadNotObject, UnreadableId};
    for (text, reason) in [
        (r#"[3,"7"]"#, ElementCount),
        (r#"[3,"7",null]"#, PayloadNotObject),
        (r#"[3,7,{}]"#, UnreadableId),
        (r#"[3,"7",{"#, NotJson),
        (r#"[4,"7"]"#, ElementCount),
        (r#"[4,"7",5,6,7,8]"#, ElementCount),
    ] {
        check_fault(text, reason, None, None);
    }
}

#[test]
fn the_newer_kinds_are_unknown_to_older_versions() {
    for text in [r#"[5,"7","FormatViolation","",{}]"#, r#"[6,"7","NotifyPeriodicEventStream",{}]"#] {
        for (version, answered) in [(Version::V16, false), (Version::V201, true)] {
            let fault = frame::parse(text, version).map(|frame| told(&frame)).unwrap_err();
            assert_eq!((fault.reason, fault.kind), (FrameFaultKind::UnknownKind, None));
            assert_eq!(fault.answer(version).is_some(), answered);
        }
        assert!(frame::parse(text, Version::V21).is_ok());
    }
    let broken_send = frame::parse(r#"[6,"7","NotifyPeriodicEventStream",[]]"#, Version::V21)
        .map(|f| told(&f))
        .unwrap_err();
    assert_eq!((broken_send.kind, broken_send.answer(Version::V21)), (Some(FrameKind::Send), None));
}

#[test]
fn the_largest_depth_and_the_longest_names_pass() {
    let payload = format!("{}1{}", r#"{"a":"#.repeat(31), "}".repeat(31));
    let text = format!(r#"[2,"{}","{}",{payload}]"#, "ü".repeat(36), "ü".repeat(64));
    assert!(matches!(frame::parse(&text, Version::V16), Ok(Frame::Call(_))));
}

#[test]
fn a_frame_holds_the_fault_of_its_id_apart_from_that_of_its_code() {
    let fault = frame::parse(r#"[2,7,"Heartbeat",{}]"#, Version::V201).map(|f| told(&f)).unwrap_err();
    let (id, call_fault) = fault.answer(Version::V201).unwrap();
    assert_eq!((id, call_fault.code()), (MessageId::unreadable(), FaultCode::RpcFramework));
    assert_eq!(call_fault.description(), "message id cannot be read");
    let text = frame::write::error(&MessageId::unreadable(), &call_fault, Version::V201);
    assert_eq!(text, r#"[4,"-1","RpcFrameworkError","message id cannot be read",{}]"#);
}

proptest! {
    /// Nothing from a socket may panic, and what we write we read.
    #[test]
    fn any_text_gives_a_frame_or_a_fault(text in ".{0,200}") {
        for version in Version::ALL {
            if let Err(fault) = frame::parse(&text, version) {
                let _code = fault.code();
            }
        }
    }

    #[test]
    fn what_is_nearly_a_frame_does_not_panic(kind in 0_u8..9, rest in r#"[\[\]{}",:\\u0-9a-f ]{0,60}"#) {
        for version in Version::ALL {
            let _either = frame::parse(&format!("[{kind},{rest}"), version).map(|frame| told(&frame));
        }
    }

    #[test]
    fn what_is_written_is_read(id in ".{1,36}", action in ".{0,64}", value in ".{0,40}") {
        prop_assume!(!value.contains('\0') && !id.contains('\0') && !action.contains('\0'));
        let id = MessageId::new(&id).unwrap();
        let payload = serde_json::value::to_raw_value(&serde_json::json!({ "v": value })).unwrap();
        let text = frame::write::call(&id, &action, &payload);
        let Ok(Frame::Call(call)) = frame::parse(&text, Version::V21) else { panic!("{text}") };
        prop_assert_eq!((call.id, &*call.action, call.payload.get()), (id, &*action, payload.get()));
    }
}
