//! API keys, kept answers, and the record of who did what.

use ringmain_domain::access::AccessRole;
use ringmain_domain::id::TenantId;
use ringmain_store::access::ApiKey;
use ringmain_store::audit::AuditEvent;
use ringmain_store::idempotency::IdempotentAnswer;
use uuid::Uuid;

use crate::make::{all_pages, at, other_tenant, tenant};
use crate::rig::Rig;

on_both_engines!(
    a_key_is_found_by_its_hash,
    a_key_is_revoked_once,
    a_key_is_kept_once,
    an_answer_is_kept_under_its_key,
    kept_answers_are_forgotten,
    the_record_is_only_added_to,
);

fn key(number: u8) -> ApiKey {
    ApiKey {
        id: Uuid::from_u128(u128::from(number)),
        tenant: tenant(),
        name: format!("key {number}").into(),
        role: AccessRole::ALL[usize::from(number) % 3],
        hash: vec![number; 32],
        created_at: at(i64::from(number)),
        expires_at: number.is_multiple_of(2).then(|| at(1_000)),
        revoked_at: None,
    }
}

async fn a_key_is_found_by_its_hash(rig: &Rig) {
    assert!(!rig.store.any_api_key().await.unwrap());
    for number in [3, 1, 2] {
        assert!(rig.store.insert_api_key(&key(number)).await.unwrap());
    }
    assert!(rig.store.any_api_key().await.unwrap());
    assert_eq!(rig.store.api_key_by_hash(&[2; 32]).await.unwrap(), Some(key(2)));
    assert_eq!(rig.store.api_key_by_hash(&[2; 31]).await.unwrap(), None);
    assert_eq!(rig.store.api_key_by_hash(&[]).await.unwrap(), None);
    assert_eq!(rig.store.api_keys(&tenant()).await.unwrap(), [key(1), key(2), key(3)], "the oldest first");
    assert!(rig.store.api_keys(&other_tenant()).await.unwrap().is_empty());
    assert!(!format!("{:?}", key(1)).contains("[1, 1"), "its hash is in no log");
}

async fn a_key_is_revoked_once(rig: &Rig) {
    rig.store.insert_api_key(&key(1)).await.unwrap();
    let id = key(1).id;
    assert!(!rig.store.revoke_api_key(&other_tenant(), id, at(5)).await.unwrap());
    assert!(rig.store.revoke_api_key(&tenant(), id, at(5)).await.unwrap());
    assert!(!rig.store.revoke_api_key(&tenant(), id, at(6)).await.unwrap());
    let found = rig.store.api_key_by_hash(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(at(5)), "found, so that a refusal can say why");
    assert!(!rig.store.revoke_api_key(&tenant(), Uuid::new_v4(), at(5)).await.unwrap());
}

async fn a_key_is_kept_once(rig: &Rig) {
    rig.store.insert_api_key(&key(1)).await.unwrap();
    let same_id = ApiKey { hash: vec![9; 32], tenant: other_tenant(), ..key(1) };
    assert!(!rig.store.insert_api_key(&same_id).await.unwrap());
    let same_hash = ApiKey { id: Uuid::new_v4(), tenant: other_tenant(), ..key(1) };
    assert!(!rig.store.insert_api_key(&same_hash).await.unwrap());
    assert_eq!(rig.count("api_keys").await, 1);
}

async fn an_answer_is_kept_under_its_key(rig: &Rig) {
    let store = &rig.store;
    let find = async |tenant: &TenantId| store.find_idempotent(tenant, "k").await.unwrap();
    assert_eq!(find(&tenant()).await, None);
    store.finish_idempotent(&tenant(), "k", 200, "unclaimed").await.unwrap();
    assert_eq!(find(&tenant()).await, None);
    assert!(store.claim_idempotent(&tenant(), "k", b"h1", at(1)).await.unwrap());
    assert!(!store.claim_idempotent(&tenant(), "k", b"h2", at(2)).await.unwrap());
    assert!(store.claim_idempotent(&other_tenant(), "k", b"h3", at(3)).await.unwrap());
    let claimed =
        IdempotentAnswer { request_hash: b"h1".to_vec(), status: 0, body: String::new(), created_at: at(1) };
    assert_eq!(find(&tenant()).await, Some(claimed.clone()));
    store.finish_idempotent(&tenant(), "k", 201, "{\"id\": 1}").await.unwrap();
    store.finish_idempotent(&tenant(), "k", 500, "late").await.unwrap();
    let finished = IdempotentAnswer { status: 201, body: "{\"id\": 1}".to_owned(), ..claimed };
    assert_eq!(find(&tenant()).await, Some(finished));
    assert_eq!(find(&other_tenant()).await.unwrap().status, 0);
}

async fn kept_answers_are_forgotten(rig: &Rig) {
    for number in 0..5 {
        rig.store.claim_idempotent(&tenant(), &number.to_string(), b"h", at(number)).await.unwrap();
    }
    assert_eq!(rig.store.trim_idempotent(at(3)).await.unwrap(), 3);
    assert_eq!(rig.store.trim_idempotent(at(3)).await.unwrap(), 0);
    assert!(rig.store.find_idempotent(&tenant(), "3").await.unwrap().is_some());
    assert!(rig.store.find_idempotent(&tenant(), "2").await.unwrap().is_none());
}

async fn the_record_is_only_added_to(rig: &Rig) {
    let event = |number: u8| AuditEvent {
        id: Uuid::from_u128(u128::from(number)),
        tenant: tenant(),
        at: at(i64::from(number / 2)),
        actor: "key:1".into(),
        action: "station.update".into(),
        subject: format!("CS-{number}").into(),
        detail: "{\"b\":1.10, \"a\":\"\\ud800\"}".to_owned(),
    };
    for number in 0..5 {
        rig.store.audit(&event(number)).await.unwrap();
    }
    let rewritten = AuditEvent { detail: "{}".to_owned(), ..event(3) };
    rig.store.audit(&rewritten).await.unwrap();
    rig.store.audit(&AuditEvent { tenant: other_tenant(), ..event(9) }).await.unwrap();
    let found = all_pages(2, async |page| rig.store.audits(&tenant(), &page).await).await;
    assert_eq!(found, [4, 3, 2, 1, 0].map(event));
    let again = AuditEvent { id: Uuid::from_u128(7), at: at(7), ..event(2) };
    rig.store.audit(&again).await.unwrap();
    let of = async |page| rig.store.audits_of(&tenant(), "CS-2", &page).await;
    assert_eq!(all_pages(1, of).await, [again, event(2)]);
}
