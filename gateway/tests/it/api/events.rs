//! `events`: the live feed.

use std::time::Duration;

use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::session::Session;
use ringmain_domain::site::Change;
use ringmain_gateway::live::RING_EVENTS;
use ringmain_gateway::services::doorway::Limits;
use serde_json::{Value, json};

use super::client::{SentEvent, Stream};
use super::rig::{Rig, START};

fn publish(rig: &Rig, tenant: &TenantId, station: &str) {
    let charging_station_id = StationId::new(station).unwrap();
    rig.house.live.publish(tenant, START, Change::StationOnline { charging_station_id, online: true });
}

struct Feed {
    stream: Stream,
    rest: String,
}

impl Feed {
    async fn open(rig: &Rig, query: &str, headers: &[(&str, &str)]) -> Self {
        let bearer = format!("Bearer {}", rig.viewer);
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        let stream = Stream::open(rig.address, "GET", &format!("/api/v1/events{query}"), &all, None).await;
        assert_eq!(stream.status, 200);
        assert!(
            stream.headers.iter().any(|(name, value)| name == "content-type" && value == "text/event-stream")
        );
        let mut feed = Self { stream, rest: String::new() };
        assert_eq!(feed.next().await.comment.as_deref(), Some("2000"), "when to come back");
        feed
    }

    async fn next(&mut self) -> SentEvent {
        self.stream.event(&mut self.rest).await.expect("the feed ended")
    }

    async fn data(&mut self) -> Value {
        serde_json::from_str(&self.next().await.data.unwrap()).unwrap()
    }
}

#[actix_web::test]
async fn a_watcher_gets_what_happens_to_its_tenant() {
    let rig = Rig::start().await;
    let mut feed = Feed::open(&rig, "", &[]).await;
    publish(&rig, &TenantId::new("other").unwrap(), "CS-X");
    publish(&rig, &rig.house.tenant, "CS-1");
    let event = feed.next().await;
    assert_eq!(event.event.as_deref(), Some("station_online"));
    let data: Value = serde_json::from_str(&event.data.unwrap()).unwrap();
    assert_eq!((&data["charging_station_id"], &data["online"]), (&json!("CS-1"), &json!(true)));
    assert_eq!(
        (data["id"].to_string(), &data["at"]),
        (event.id.unwrap(), &json!("2026-03-01T08:00:00.000Z"))
    );
}

#[actix_web::test]
async fn a_session_has_the_form_of_the_api() {
    let rig = Rig::start().await;
    let station = rig.add_station("CS-1", 1).await;
    rig.add_session(&station, "T1", 0, false).await;
    let session = rig.get("/sessions").await.json()["items"][0].clone();
    let id = session["id"].as_str().unwrap().parse().unwrap();
    let stored: Session = rig.house.store.session(&rig.house.tenant, id).await.unwrap().unwrap();
    let mut feed = Feed::open(&rig, "", &[]).await;
    rig.house.live.publish(&rig.house.tenant, START, Change::SessionChanged { session: Box::new(stored) });
    let data = feed.data().await;
    assert_eq!((&data["event"], &data["session"]), (&json!("session_changed"), &session));
}

#[actix_web::test]
async fn a_watcher_that_comes_back_gets_what_it_missed() {
    let rig = Rig::start().await;
    for station in ["CS-1", "CS-2", "CS-3"] {
        publish(&rig, &rig.house.tenant, station);
    }
    let first = rig.house.live.subscribe(Some(0)).missed[0].id.to_string();
    let by_query = format!("?last_event_id={first}");
    for (query, headers) in [("", vec![("Last-Event-ID", first.as_str())]), (by_query.as_str(), vec![])] {
        let mut feed = Feed::open(&rig, query, &headers).await;
        assert_eq!(feed.data().await["charging_station_id"], "CS-2");
        assert_eq!(feed.data().await["charging_station_id"], "CS-3");
    }
    let mut header_wins = Feed::open(&rig, "?last_event_id=0", &[("Last-Event-ID", first.as_str())]).await;
    assert_eq!(header_wins.data().await["charging_station_id"], "CS-2");
    for headers in [vec![("Last-Event-ID", "abc")], vec![("Last-Event-ID", "-1")]] {
        let reply = rig.send_as(&rig.viewer, "GET", "/events", None, &headers).await;
        reply.assert_problem(400, "bad-request");
    }
}

#[actix_web::test]
async fn a_watcher_that_comes_back_too_late_is_told_of_the_gap() {
    let rig = Rig::start().await;
    publish(&rig, &rig.house.tenant, "CS-OLD");
    let first = rig.house.live.subscribe(Some(0)).missed[0].id.to_string();
    for _ in 0..RING_EVENTS + 1 {
        publish(&rig, &rig.house.tenant, "CS-1");
    }
    let mut feed = Feed::open(&rig, "", &[("Last-Event-ID", &first)]).await;
    let gap = feed.next().await;
    assert_eq!((gap.event.as_deref(), gap.id), (Some("gap"), None));
    assert_eq!(feed.data().await["charging_station_id"], "CS-1");
}

#[actix_web::test]
async fn a_quiet_feed_gives_a_sign_of_life_and_ends_with_its_key() {
    let rig = Rig::start_with(Limits { keep_alive: Duration::from_millis(20), ..Limits::default() }).await;
    let mut feed = Feed::open(&rig, "", &[]).await;
    assert_eq!(feed.next().await.comment.as_deref(), Some("still here"));
    let keys = rig.house.store.api_keys(&rig.house.tenant).await.unwrap();
    let viewer = keys.iter().find(|key| &*key.name == "viewer").unwrap().id;
    let now = ringmain_gateway::clock::now();
    assert!(rig.house.store.revoke_api_key(&rig.house.tenant, viewer, now).await.unwrap());
    while let Some(event) = feed.stream.event(&mut feed.rest).await {
        assert_eq!(event.comment.as_deref(), Some("still here"));
        assert!(ringmain_gateway::clock::now().millis_since(now) < 30_000, "it never ended");
    }
}

#[actix_web::test]
async fn feeds_are_bounded_and_end_when_the_node_leaves() {
    let rig = Rig::start_with(Limits { streams: 2, ..Limits::default() }).await;
    let mut first = Feed::open(&rig, "", &[]).await;
    let _second = Feed::open(&rig, "", &[]).await;
    let refused = rig.send_as(&rig.viewer, "GET", "/events", None, &[]).await;
    refused.assert_problem(503, "unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    rig.doorway.streams.close();
    assert!(first.stream.event(&mut first.rest).await.is_none());
}
