//! Prices as they are told: to everybody what anyone may pay, and nothing of what is only for some.

use ringmain_domain::id::TokenUid;

use crate::make::{at, for_anyone, tariff};
use crate::rig::Rig;

#[actix_web::test]
async fn a_tariff_is_told_while_anyone_may_pay_it() {
    let rig = Rig::start().await;
    rig.register().await;
    let hears = async |method: &str, id: &str| {
        let path = format!("/emsp/tariffs/NL/RMN/{id}");
        rig.emsp.hears(|heard| heard.method == method && heard.path == path).await;
    };
    let mut members = for_anyone("T1");
    members.token_group = Some(TokenUid::new("FLEET").unwrap());
    rig.store.put_tariff(&tariff("T1", at(0))).await.unwrap();
    rig.store.put_tariff_assignment(&members).await.unwrap();
    rig.store.put_tariff(&tariff("T2", at(0))).await.unwrap();
    rig.store.put_tariff_assignment(&for_anyone("T2")).await.unwrap();
    hears("PUT", "T2").await;
    rig.store.put_tariff_assignment(&for_anyone("T1")).await.unwrap();
    hears("PUT", "T1").await;
    rig.store.put_tariff_assignment(&members).await.unwrap();
    hears("DELETE", "T1").await;
    let heard = rig.emsp.heard();
    let first = heard.iter().find(|heard| heard.path.ends_with("/T1")).unwrap();
    assert_eq!(first.method, "PUT", "what was for members was neither told nor taken away");
}
