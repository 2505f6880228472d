//! What belongs to the installation as a whole.

use ringmain_store::store::{Store, StoreError, StoreSettings};

use crate::make::at;
use crate::rig::Rig;

on_both_engines!(
    epochs_are_never_given_twice,
    the_first_secret_stays,
    a_canary_writes,
    a_closed_store_says_so,
);

async fn epochs_are_never_given_twice(rig: &Rig) {
    let other = rig.open_again(StoreSettings::default()).await;
    let mut last = 0;
    for (store, at_most) in [(&rig.store, 10), (&other, 1), (&rig.store, 1_000), (&other, 1)] {
        let claimed = store.claim_epochs(at_most).await.unwrap();
        assert!(*claimed.start() > last, "a later one is higher, whoever asks: {claimed:?}");
        let count = claimed.end() - claimed.start() + 1;
        // Several nodes take turns with every number; a store that has one gives what is asked for.
        assert_eq!(count, if rig.is_postgres() { 1 } else { i64::from(at_most) });
        last = *claimed.end();
    }
}

async fn the_first_secret_stays(rig: &Rig) {
    assert_eq!(rig.store.secret("numbering", b"first\0\xff").await.unwrap(), b"first\0\xff");
    assert_eq!(rig.store.secret("numbering", b"second").await.unwrap(), b"first\0\xff");
    assert_eq!(rig.store.secret("cookies", b"third").await.unwrap(), b"third");
    // Two nodes that start at the same time agree.
    let other = rig.open_again(StoreSettings::default()).await;
    let (a, b) = tokio::join!(rig.store.secret("race", b"a"), other.secret("race", b"b"));
    assert_eq!(a.unwrap(), b.unwrap());
}

async fn a_canary_writes(rig: &Rig) {
    rig.store.canary(at(1)).await.unwrap();
    rig.store.canary(at(2)).await.unwrap();
    assert_eq!(rig.number("SELECT beats FROM heartbeat").await, 2);
    assert_eq!(rig.number("SELECT at FROM heartbeat").await, at(2).as_millis());
    rig.execute("DELETE FROM heartbeat").await;
    assert!(matches!(rig.store.canary(at(3)).await, Err(StoreError::Corrupt { .. })));
}

async fn a_closed_store_says_so(rig: &Rig) {
    let clone = rig.store.clone();
    rig.store.canary(at(1)).await.unwrap();
    rig.store.close().await;
    rig.store.close().await;
    assert!(matches!(clone.canary(at(2)).await, Err(StoreError::Unavailable { .. })));
    assert!(matches!(clone.any_api_key().await, Err(StoreError::Unavailable { .. })));
    let again = rig.open_again(StoreSettings::default()).await;
    again.canary(at(3)).await.unwrap();
    assert_eq!(rig.number("SELECT beats FROM heartbeat").await, 2);
}

#[tokio::test]
async fn an_address_that_is_no_store_is_refused_without_being_repeated() {
    for url in ["", "sqlite:", "mysql://user:geheim@host/db", "/tmp/store.db"] {
        let error = Store::open(url, StoreSettings::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{url}: {error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
    let nobody = "postgres://user:geheim@127.0.0.1:1/db?connect_timeout=1";
    let error = Store::open(nobody, StoreSettings::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(!error.to_string().contains("geheim"), "{error}");
    let nowhere = "sqlite:/nonexistent-folder/store.db";
    let error = Store::open(nowhere, StoreSettings::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}
