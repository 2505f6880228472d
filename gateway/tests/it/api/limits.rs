//! Bodies, rates and nonsense: nothing a client sends is answered with a fault of ours.

use ringmain_gateway::api::routes::{Method, ROUTES};
use ringmain_gateway::services::doorway::Limits;
use serde_json::json;

use super::client::{Reply, Stream};
use super::rig::Rig;

async fn post_raw(rig: &Rig, path: &str, content_type: Option<&str>, body: &[u8]) -> Reply {
    let bearer = format!("Bearer {}", rig.administrator);
    let mut headers = vec![("Authorization", bearer.as_str())];
    headers.extend(content_type.map(|value| ("Content-Type", value)));
    let target = format!("/api/v1{path}");
    Stream::open(rig.address, "POST", &target, &headers, Some(body)).await.finish().await
}

#[actix_web::test]
async fn a_body_is_json_and_at_most_256_kib() {
    let rig = Rig::start().await;
    let json = Some("application/json");
    post_raw(&rig, "/tokens", json, b"{").await.assert_problem(400, "not-json");
    post_raw(&rig, "/tokens", json, b"").await.assert_problem(400, "not-json");
    post_raw(&rig, "/tokens", json, b"{\"uid\":\"A1\"} {}").await.assert_problem(400, "not-json");
    post_raw(&rig, "/tokens", json, b"{\"uid\":\"\xff\"}").await.assert_problem(400, "not-json");
    post_raw(&rig, "/tokens", None, b"{}").await.assert_problem(415, "unsupported-media-type");
    post_raw(&rig, "/tokens", Some("text/plain"), b"{}").await.assert_problem(415, "unsupported-media-type");
    let mut body = b"{\"uid\":\"A1\"}".to_vec();
    body.resize(256 * 1024, b' ');
    assert_eq!(post_raw(&rig, "/tokens", Some("application/json; charset=utf-8"), &body).await.status, 201);
    body.push(b' ');
    post_raw(&rig, "/tokens", json, &body).await.assert_problem(413, "too-large");
    rig.add_station("CS-1", 1).await;
    let large = [b"{\"a\":\"", vec![b'x'; 256 * 1024].as_slice(), b"\"}"].concat();
    post_raw(&rig, "/charging-stations/CS-1/ocpp/DataTransfer", json, &large)
        .await
        .assert_problem(413, "too-large");
}

#[actix_web::test]
async fn a_key_that_asks_too_often_is_slowed_down_and_others_are_not() {
    let rig =
        Rig::start_with(Limits { burst_requests: 3, requests_per_second: 0.001, ..Limits::default() }).await;
    for _ in 0..3 {
        assert_eq!(rig.get("/locations").await.status, 200);
    }
    let reply = rig.get("/locations").await;
    reply.assert_problem(429, "too-many-requests");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(rig.send_as(&rig.viewer, "GET", "/locations", None, &[]).await.status, 200);
}

#[actix_web::test]
async fn nonsense_is_never_a_fault_of_ours() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let bodies = [
        "null",
        "true",
        "-1",
        "1e999",
        "\"\"",
        "[]",
        "{}",
        "{\"\":{}}",
        "{\"id\":{\"id\":[]}}",
        "{\"id\":\"\\u0000\"}",
        "{\"uid\":\"\\ud800\"}",
        "{\"elements\":[[]]}",
        "{\"command\":{}}",
        "{\"command\":\"reset\",\"evse_id\":-1}",
        "{\"command\":\"reset\",\"evse_id\":99999999999999999999}",
        "{\"name\":\"a\",\"name\":\"b\"}",
        "\u{feff}{}",
        deep.as_str(),
    ];
    for route in ROUTES.iter().filter(|route| route.method != Method::Get) {
        for id in ["CS-1", "%00", "%F0%9F%98%80", "..", "%2e%2e%2f", "x%FFy", "%25"] {
            let path = route.path.replace("{id}", id).replace("{uid}", id).replace("{action}", "Reset");
            for body in bodies {
                let bearer = format!("Bearer {}", rig.administrator);
                let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
                let target = format!("/api/v1{path}");
                let method = route.method.as_str();
                let reply = Stream::open(rig.address, method, &target, &headers, Some(body.as_bytes()))
                    .await
                    .finish()
                    .await;
                assert!(reply.status < 500, "{method} {path} {body}: {reply:?}");
            }
            if route.method == Method::Delete {
                break;
            }
        }
    }
    for route in ROUTES.iter().filter(|route| route.method == Method::Get && route.path != "/events") {
        for query in [
            "limit=99999999999999999999",
            "limit=%00",
            "cursor=%FF",
            "a[]=1",
            "&&&",
            "=",
            "cursor=AAAAAAAAAAAA",
            "text=%00",
        ] {
            let path = route
                .path
                .replace("{id}", "%00")
                .replace("{uid}", "'--")
                .replace("{charging_station_id}", "x");
            let path = path.replace("{transaction_id}", "%27%20OR%201");
            let reply = rig.get(&format!("{path}?{query}")).await;
            assert!(reply.status < 500, "{path}?{query}: {reply:?}");
        }
    }
    assert_eq!(rig.post("/tokens", json!({"uid": "still-alive"})).await.status, 201);
}
