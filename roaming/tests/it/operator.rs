//! Tokens that an operator changes: what the partner gave is never lost, and what it did not take opens nothing.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::roaming::{PartnerDesk as _, PartnerFault};
use ringmain_store::page::PageRequest;
use ringmain_store::partners::{PartnerState, Peer};
use serde_json::json;
use uuid::Uuid;

use crate::emsp::Mood;
use crate::make::tenant;
use crate::rig::Rig;
use crate::told::{furnish, patched, turns};

const PUT: &str = "PUT /emsp/credentials";

pub(crate) async fn peer(rig: &Rig, id: Uuid) -> Peer {
    match rig.store.partner(&tenant(), id).await.unwrap().unwrap().state {
        PartnerState::Registered(peer) => peer,
        other => panic!("{other:?}"),
    }
}

/// The token that the partner was offered last.
fn offered(rig: &Rig) -> String {
    let heard = rig.emsp.heard();
    let put = heard.iter().rev().find(|heard| heard.method == "PUT" && heard.path == "/emsp/credentials");
    put.unwrap().body["token"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_new_token_is_kept_though_the_partner_acts_for_others_now() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let (id, first) = rig.register_with(&rig.credentials()).await;
    let role = |party: &str| json!({"role": "EMSP", "country_code": "DE", "party_id": party, "business_details": {"name": party}});
    rig.emsp.acts_for(json!([role("ABC"), role("NEW")]));
    let refused = rig.hub.rotate(tenant(), id).await;
    assert!(
        matches!(&refused, Err(PartnerFault::Refused(reason)) if reason.starts_with("roles must stay")),
        "{refused:?}"
    );
    let kept = peer(&rig, id).await;
    assert_eq!((kept.token.reveal(), kept.roles.len()), ("their-c0", 1));
    assert!(kept.endpoints.is_some());
    assert_eq!(rig.get("/ocpi/versions", &offered(&rig)).await.status(), (200, 1000));
    assert_eq!(rig.get("/ocpi/versions", &first).await.status(), (401, 2000));
    turns(&rig, ConnectorStatus::Charging, "CHARGING").await;
    turns(&rig, ConnectorStatus::Faulted, "OUTOFORDER").await;
    let told = rig.emsp.hears(|heard| patched(heard, "OUTOFORDER")).await;
    assert_eq!(told.token, format!("Token {}", STANDARD.encode("their-c0")));
    // Once it is as it was, nothing is left to be mended.
    rig.emsp.acts_for(json!([role("ABC")]));
    rig.hub.rotate(tenant(), id).await.unwrap();
    assert_eq!(peer(&rig, id).await.token.reveal(), "their-c1");
}

#[actix_web::test]
async fn a_rotation_is_finished_though_nobody_waits_for_it() {
    let rig = Rig::start().await;
    let (id, _) = rig.register_with(&rig.credentials()).await;
    rig.emsp.be_for(PUT, &[Mood::Late(Duration::from_secs(1))]);
    let given_up = tokio::time::timeout(Duration::from_millis(300), rig.hub.rotate(tenant(), id)).await;
    assert!(given_up.is_err(), "{given_up:?}");
    let kept = async || {
        while peer(&rig, id).await.token.reveal() != "their-c0" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), kept()).await.expect("what came back is kept");
    assert_eq!(rig.get("/ocpi/versions", &offered(&rig)).await.status(), (200, 1000));
}

#[actix_web::test]
async fn a_token_that_was_refused_opens_nothing_and_is_told_to_nobody() {
    let rig = Rig::start().await;
    let (id, first) = rig.register_with(&rig.credentials()).await;
    // Where it is not known whether the partner has the new one, both are good.
    for (mood, expect) in [
        (Mood::Echo(422), (401, 2000)),
        (Mood::Refusing(2_001), (401, 2000)),
        (Mood::Echo(200), (200, 1000)),
        (Mood::Mute, (200, 1000)),
    ] {
        rig.emsp.be_for(PUT, std::slice::from_ref(&mood));
        let failed = rig.hub.rotate(tenant(), id).await.unwrap_err();
        let offered = offered(&rig);
        assert!(!format!("{failed:?}").contains(&offered), "{mood:?}: {failed:?}");
        assert_eq!(rig.get("/ocpi/versions", &offered).await.status(), expect, "{mood:?}");
        assert_eq!(rig.get("/ocpi/versions", &first).await.status(), (200, 1000), "{mood:?}");
        assert_eq!(peer(&rig, id).await.token.reveal(), "token-b");
        let logged = async || loop {
            let calls = rig.store.partner_calls(&tenant(), id, &PageRequest::first(99)).await.unwrap().items;
            let puts = calls.iter().filter(|call| !call.inbound && *call.said.method == *"PUT").count();
            if puts == rig.emsp.count(PUT) {
                return format!("{calls:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let text = tokio::time::timeout(Duration::from_secs(10), logged()).await.unwrap();
        assert!(text.contains("/emsp/credentials") && !text.contains(&offered), "{mood:?}: {text}");
    }
}
