//! Live pages: they are told when something changed, not too often, and only of what they show.

use std::time::{Duration, Instant};

use ringmain_domain::access::AccessRole;
use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::site::Change;
use ringmain_gateway::services::doorway::Limits;

use super::browser::Browser;
use crate::api::client::Stream;
use crate::api::rig::{Rig, START};

struct Feed {
    stream: Stream,
    rest: String,
}

impl Feed {
    async fn open(rig: &Rig, browser: &Browser<'_>, query: &str) -> Self {
        let headers = [("Cookie", browser.cookie.as_str())];
        let stream =
            Stream::open(rig.address, "GET", &format!("/console/events{query}"), &headers, None).await;
        assert_eq!(stream.status, 200);
        let mut feed = Self { stream, rest: String::new() };
        assert_eq!(feed.stream.event(&mut feed.rest).await.unwrap().comment.as_deref(), Some("2000"));
        feed
    }

    async fn changed(&mut self) {
        let event = self.stream.event(&mut self.rest).await.expect("the feed ended");
        assert_eq!((event.event.as_deref(), event.data.as_deref()), (Some("changed"), Some("1")));
    }
}

fn publish(rig: &Rig, tenant: &TenantId, station: &str) {
    let charging_station_id = StationId::new(station).unwrap();
    rig.house.live.publish(tenant, START, Change::StationOnline { charging_station_id, online: true });
}

#[actix_web::test]
async fn a_page_is_told_at_once_and_then_at_most_once_a_second() {
    let rig = Rig::start().await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let mut feed = Feed::open(&rig, &browser, "").await;
    publish(&rig, &rig.house.tenant, "CS-1");
    feed.changed().await;
    let first = Instant::now();
    for _ in 0..500 {
        publish(&rig, &rig.house.tenant, "CS-1");
    }
    feed.changed().await;
    assert!(first.elapsed() >= Duration::from_millis(900), "{:?}", first.elapsed());
    // The 500 were one word: the next one is of what happens now.
    publish(&rig, &rig.house.tenant, "CS-1");
    feed.changed().await;
    assert!(first.elapsed() >= Duration::from_millis(1_900), "{:?}", first.elapsed());
}

#[actix_web::test]
async fn a_page_is_told_only_of_what_it_shows() {
    let rig = Rig::start().await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let mut feed = Feed::open(&rig, &browser, "?charging_station_id=CS-1").await;
    publish(&rig, &rig.house.tenant, "CS-2");
    publish(&rig, &TenantId::new("other").unwrap(), "CS-1");
    rig.doorway.streams.close();
    assert!(feed.stream.event(&mut feed.rest).await.is_none(), "it ended without a word");
}

#[actix_web::test]
async fn a_page_of_somebody_who_signed_out_is_told_a_last_time() {
    let rig = Rig::start_with(Limits { keep_alive: Duration::from_millis(20), ..Limits::default() }).await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let mut feed = Feed::open(&rig, &browser, "").await;
    let alive = feed.stream.event(&mut feed.rest).await.unwrap();
    assert_eq!(alive.comment.as_deref(), Some("still here"));
    assert_eq!(browser.post("/sign-out", &[]).await.status, 303);
    let started = Instant::now();
    loop {
        let event = feed.stream.event(&mut feed.rest).await.expect("the last word is missing");
        if event.event.as_deref() == Some("changed") {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "it goes on");
    }
    assert!(feed.stream.event(&mut feed.rest).await.is_none());
    assert_eq!(browser.get("/console/live/overview").await.header("hx-redirect"), Some("/sign-in"));
}

#[actix_web::test]
async fn feeds_are_bounded_together_with_the_api_s() {
    let rig = Rig::start_with(Limits { streams: 1, ..Limits::default() }).await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let _open = Feed::open(&rig, &browser, "").await;
    assert_eq!(browser.get("/console/events").await.status, 503);
    assert_eq!(browser.get("/").await.status, 200, "pages work without a feed");
    assert_eq!(browser.get("/console/events?x=1").await.status, 400);
}
