//! Rows for others: written with the change, out to one taker at a time, never dropped with news in them.

use ringmain_domain::cdr::Cdr;
use ringmain_domain::event::Fact;
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::session::{Session, SessionStatus};
use ringmain_store::outbox::{KIND_CDR, KIND_EVSE_STATUS, KIND_SESSION};
use ringmain_store::partners::Invitation;
use ringmain_store::store::StoreSettings;

use crate::make::{MINUTE, at, message, other_tenant, status, tenant, whole_transaction};
use crate::partners::invitation;
use crate::rig::Rig;

on_both_engines!(
    a_change_comes_with_its_row,
    rows_of_tenants_without_a_partner_are_dropped,
    a_row_is_out_to_one_taker,
    f41_a_row_whose_answer_was_lost_comes_again_as_it_was,
    news_while_a_row_is_out_come_again,
    many_changes_wait_as_one_row,
    a_status_waits_with_its_newest_word,
    f42_takers_never_share_a_row,
);

async fn a_change_comes_with_its_row(rig: &Rig) {
    assert_eq!(rig.store.outbox_len().await.unwrap(), 0);
    assert!(rig.store.outbox_take(10).await.unwrap().is_empty());
    let results = rig.store.append(&whole_transaction("CS-1", "tx")).await.unwrap();
    let session = results[3].session.clone().unwrap();
    assert_eq!(rig.store.outbox_len().await.unwrap(), 2);
    let rows = rig.store.outbox_take(10).await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| (&*row.kind, row.subject.to_string())).collect();
    let cdr = results[3].cdr.unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.contains(&(KIND_SESSION, session.id.to_string())));
    assert!(found.contains(&(KIND_CDR, cdr.to_string())));
    for row in &rows {
        assert_eq!((&row.tenant, row.created_at), (&tenant(), at(60 * MINUTE)));
        if *row.kind == *KIND_SESSION {
            assert_eq!(serde_json::from_str::<Session>(&row.body).unwrap(), session);
        } else {
            assert_eq!(serde_json::from_str::<Cdr>(&row.body).unwrap().id, cdr);
        }
    }
    assert_eq!(rig.store.outbox_len().await.unwrap(), 2, "out, but not done");
    rig.store.outbox_done(&rows.iter().map(|row| row.id).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(rig.store.outbox_len().await.unwrap(), 0);
    rig.store.append(&whole_transaction("CS-1", "tx")).await.unwrap();
    assert_eq!(rig.store.outbox_len().await.unwrap(), 0, "a repeat is no news");
}

async fn rows_of_tenants_without_a_partner_are_dropped(rig: &Rig) {
    let theirs = |fact: Fact| Fact { tenant: other_tenant(), ..fact };
    let ours = ["a", "b", "c"].map(|name| message("CS-1", name, 0, 0).fact());
    rig.store.append(&ours).await.unwrap();
    rig.store.append(&[theirs(message("CS-2", "d", 0, 0).fact())]).await.unwrap();
    let partner = Invitation { tenant: other_tenant(), ..invitation(1, b"1") };
    rig.store.insert_invitation(&partner).await.unwrap();
    assert_eq!(rig.store.outbox_drop_unwanted(2).await.unwrap(), 2);
    assert_eq!(rig.store.outbox_drop_unwanted(2).await.unwrap(), 1);
    assert_eq!(rig.store.outbox_drop_unwanted(2).await.unwrap(), 0);
    let kept = rig.store.outbox_take(10).await.unwrap();
    assert_eq!(kept.iter().map(|row| &row.tenant).collect::<Vec<_>>(), [&other_tenant()]);
    // A partner that has left is none any more.
    assert!(rig.store.unregister_partner(&other_tenant(), partner.id, at(1)).await.unwrap());
    assert_eq!(rig.store.outbox_drop_unwanted(2).await.unwrap(), 1);
}

async fn a_row_is_out_to_one_taker(rig: &Rig) {
    for name in ["a", "b", "c"] {
        rig.store.append(&[message("CS-1", name, 0, 0).fact()]).await.unwrap();
    }
    let first = rig.store.outbox_take(2).await.unwrap();
    let second = rig.store.outbox_take(2).await.unwrap();
    let sizes = (first.len(), second.len(), rig.store.outbox_take(2).await.unwrap().len());
    assert_eq!(sizes, (2, 1, 0));
    assert!(first[0].id < first[1].id && first[1].id < second[0].id, "the oldest first");
    rig.store.outbox_done(&[]).await.unwrap();
    rig.store.outbox_done(&[first[0].id, first[0].id, 987_654]).await.unwrap();
    assert_eq!(rig.store.outbox_len().await.unwrap(), 2);
}

async fn f41_a_row_whose_answer_was_lost_comes_again_as_it_was(rig: &Rig) {
    rig.store.append(&[message("CS-1", "a", 0, 0).fact()]).await.unwrap();
    let taken = rig.store.outbox_take(1).await.unwrap();
    assert!(rig.store.outbox_take(1).await.unwrap().is_empty());
    // A taker that died a minute ago.
    rig.execute("UPDATE outbox SET leased_until = leased_until - 61000").await;
    assert_eq!(rig.store.outbox_take(1).await.unwrap(), taken);
    assert!(rig.store.outbox_take(1).await.unwrap().is_empty());
}

async fn news_while_a_row_is_out_come_again(rig: &Rig) {
    let all = whole_transaction("CS-1", "tx");
    rig.store.append(&all[..1]).await.unwrap();
    let out = rig.store.outbox_take(1).await.unwrap();
    rig.store.append(&all[1..2]).await.unwrap();
    rig.store.outbox_done(&[out[0].id]).await.unwrap();
    let news = rig.store.outbox_take(1).await.unwrap();
    assert_eq!(news.len(), 1, "done with the old state, not with the new one");
    assert_eq!(serde_json::from_str::<Session>(&news[0].body).unwrap().facts, 2);
    assert!(news[0].id > out[0].id);
}

async fn many_changes_wait_as_one_row(rig: &Rig) {
    for fact in whole_transaction("CS-1", "tx") {
        rig.store.append(&[fact]).await.unwrap();
    }
    let rows = rig.store.outbox_take(10).await.unwrap();
    assert_eq!(rows.len(), 2);
    let session = rows.iter().find(|row| *row.kind == *KIND_SESSION).unwrap();
    assert_eq!(session.created_at, at(0), "as long as the first change waits");
    let body: Session = serde_json::from_str(&session.body).unwrap();
    assert_eq!((body.status, body.facts), (SessionStatus::Completed, 4), "with the newest state");
}

async fn a_status_waits_with_its_newest_word(rig: &Rig) {
    use ConnectorStatus::{Available, Occupied};
    rig.store.append(&[status("CS-1", 1, 1, 1, Occupied), status("CS-1", 2, 2, 1, Occupied)]).await.unwrap();
    rig.store.append(&[status("CS-1", 3, 1, 1, Available)]).await.unwrap();
    let rows = rig.store.outbox_take(10).await.unwrap();
    let mut found: Vec<_> = rows.iter().map(|row| (&*row.kind, &*row.subject, row.body.as_str())).collect();
    found.sort_unstable();
    let body = |evse: u32, status: &str, millis: i64| {
        let since = at(millis).as_millis();
        format!(r#"{{"station":"CS-1","evse":{evse},"connector":1,"status":"{status}","since":{since}}}"#)
    };
    let (one, two) = (body(1, "available", 3), body(2, "occupied", 2));
    let expect = [(KIND_EVSE_STATUS, "CS-1/1", one.as_str()), (KIND_EVSE_STATUS, "CS-1/2", two.as_str())];
    assert_eq!(found, expect);
}

async fn f42_takers_never_share_a_row(rig: &Rig) {
    let facts: Vec<_> = (0..60).map(|n| message("CS-1", &format!("t{n}"), 0, n).fact()).collect();
    rig.store.append(&facts).await.unwrap();
    let other = rig.open_again(StoreSettings::default()).await;
    let mut tasks = Vec::new();
    for number in 0..20 {
        let store = if number % 2 == 0 { rig.store.clone() } else { other.clone() };
        tasks.push(tokio::spawn(async move { store.outbox_take(4).await.unwrap() }));
    }
    let mut seen = std::collections::HashSet::new();
    for task in tasks {
        for row in task.await.unwrap() {
            assert!(seen.insert(row.id), "out twice");
        }
    }
    // Who found rows locked by a rival may have gone with fewer; nothing is lost.
    loop {
        let rest = rig.store.outbox_take(10).await.unwrap();
        if rest.is_empty() {
            break;
        }
        assert!(rest.iter().all(|row| seen.insert(row.id)), "out twice");
    }
    assert_eq!(seen.len(), 60);
}
