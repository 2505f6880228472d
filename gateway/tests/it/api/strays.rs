//! `strays`: what was answered and counts for nothing.

use ringmain_domain::event::DomainEvent;
use ringmain_domain::report::UnreadableMessage;
use serde_json::json;

use super::rig::Rig;

#[actix_web::test]
async fn what_counts_for_nothing_is_listed_the_latest_first() {
    let rig = Rig::start().await;
    let station = rig.add_station("CS-1", 1).await;
    rig.add_session(&station, "T1", 0, true).await;
    let mut contradicting = rig.fact("T1", 1, 30, 99_000);
    contradicting.content = "other".into();
    let mut orphan = rig.fact("0", 1, 45, 7_000);
    orphan.content = "orphan".into();
    let unreadable = |payload: &str| {
        DomainEvent::UnreadableKept(UnreadableMessage {
            action: "TransactionEvent".into(),
            payload: payload.into(),
        })
    };
    let events = vec![
        DomainEvent::Transaction(contradicting),
        DomainEvent::OrphanReported { named: Some("0".into()), fact: orphan },
        unreadable(r#"{"seqNo":"seven"}"#),
        unreadable(&"x".repeat(5_000)),
    ];
    rig.append(&station, events).await;

    let (orphans, _) = rig.walk("/strays/orphans", 100).await;
    assert_eq!(orphans.len(), 1);
    assert_eq!(
        (&orphans[0]["charging_station_id"], &orphans[0]["named_transaction_id"]),
        (&json!("CS-1"), &json!("0"))
    );
    assert_eq!(orphans[0]["fact"]["samples"][0]["value"], 7_000);

    let (contradictions, _) = rig.walk("/strays/contradictions", 100).await;
    assert_eq!(contradictions.len(), 1);
    assert_eq!(contradictions[0]["fact"]["samples"][0]["value"], 99_000);
    let session = rig.get(&format!("/sessions/{}", contradictions[0]["session_id"].as_str().unwrap())).await;
    assert_eq!(session.json()["transaction_id"], contradictions[0]["transaction_id"]);

    let (unreadable, _) = rig.walk("/strays/unreadable", 1).await;
    let cut: Vec<_> = unreadable.iter().map(|one| one["payload_cut"].as_bool().unwrap()).collect();
    assert_eq!(cut, [true, false]);
    assert_eq!(unreadable[0]["payload"].as_str().unwrap().len(), 4_096);
    assert_eq!(
        (&unreadable[1]["action"], &unreadable[1]["payload"]),
        (&json!("TransactionEvent"), &json!(r#"{"seqNo":"seven"}"#))
    );
}
