//! Public data as anyone reads it: no credentials, real sockets, a real store.

use std::collections::BTreeMap;
use std::time::Duration;

use ringmain_domain::id::{LocationId, TokenUid};
use ringmain_domain::location::ConnectorStatus as Status;
use ringmain_roaming::public_data::Terms;
use ringmain_roaming::public_data::datex2::{Document, Part};
use serde_json::{Value, json};

use crate::datex2::{checked, terms, unpacked};
use crate::make::{at, connected, for_anyone, location, stand, status, tariff, tenant};
use crate::rig::Rig;
use crate::schema::schema;

const LOCATIONS: &str = "/public/ocpi/2.2.1/locations";
const TARIFFS: &str = "/public/ocpi/2.2.1/tariffs";

/// An answer as it came.
#[derive(Debug)]
struct Got {
    http: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Got {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn tag(&self) -> &str {
        &self.headers["etag"]
    }
}

async fn ask(rig: &Rig, method: &str, path: &str, headers: &[&str]) -> Got {
    let bytes = rig.bytes(method, path, headers, b"").await;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let (first, lines) = head.split_once("\r\n").unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    };
    Got {
        http: first.split(' ').nth(1).unwrap().parse().unwrap(),
        headers: lines.lines().map(header).collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

async fn get(rig: &Rig, path: &str) -> Got {
    ask(rig, "GET", path, &[]).await
}

fn path_of(document: Document) -> String {
    format!("/public{}", document.path())
}

async fn start(change: impl FnOnce(&mut Terms)) -> Rig {
    let mut terms = terms();
    change(&mut terms);
    Rig::start_with(|settings| settings.public_data = Some(terms)).await
}

/// L1 with a station of two EVSEs that anyone pays T1 at, and a location where nothing stands.
async fn furnish(rig: &Rig) {
    rig.store.put_location(&location("L1", at(0))).await.unwrap();
    rig.store.put_location(&location("L2", at(0))).await.unwrap();
    rig.store.put_tariff(&tariff("T1", at(0))).await.unwrap();
    rig.store.put_tariff_assignment(&for_anyone("T1")).await.unwrap();
    stand(&rig.store, "RDAM-0815", "L1", None).await;
    let facts = [
        connected("RDAM-0815", at(5)),
        status("RDAM-0815", at(10), 1, 1, Status::Available),
        status("RDAM-0815", at(20), 2, 1, Status::Occupied),
    ];
    rig.store.append(&facts).await.unwrap();
}

#[actix_web::test]
async fn what_is_off_is_not_there() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let documents = Document::ALL.map(path_of);
    let paths = ["/public", LOCATIONS, TARIFFS].map(str::to_owned).into_iter().chain(documents);
    for path in paths {
        assert_eq!(get(&rig, &path).await.http, 404, "{path}");
    }
}

#[actix_web::test]
async fn the_index_names_who_publishes_what_and_how_it_may_be_used() {
    let rig = start(|_| {}).await;
    furnish(&rig).await;
    let index = get(&rig, "/public").await;
    assert_eq!(index.http, 200);
    let told = index.json();
    assert_eq!(told["publisher"], json!({"country_code": "NL", "party_id": "RMN", "name": "Ringmain Test"}));
    assert_eq!(told["licence"]["text"], "CC BY 4.0");
    let feeds = told["feeds"].as_array().unwrap();
    assert_eq!(feeds.len(), 2 + Document::ALL.len());
    for feed in feeds {
        let path = feed["url"].as_str().unwrap().strip_prefix("https://cpo.example.com").unwrap();
        assert_eq!(get(&rig, path).await.http, 200, "{path}");
        assert_eq!(get(&rig, &format!("{path}/")).await.http, 200, "{path}/");
    }
    let table = path_of(Document::ALL[0]);
    for (method, path, expect) in [
        ("GET", "/public/nothing", 404),
        ("GET", "/public/ocpi/2.2.1/sessions", 404),
        ("POST", LOCATIONS, 405),
        ("DELETE", "/public", 405),
        ("PUT", table.as_str(), 405),
    ] {
        let refused = ask(&rig, method, path, &[]).await;
        assert_eq!(
            (refused.http, refused.json()["status"].as_u64()),
            (expect, Some(expect.into())),
            "{method} {path}"
        );
    }
}

#[actix_web::test]
async fn anyone_reads_the_lists_that_partners_read_and_nothing_internal() {
    let rig = start(|_| {}).await;
    furnish(&rig).await;
    let mut members = for_anyone("T2");
    members.token_group = Some(TokenUid::new("FLEET").unwrap());
    rig.store.put_tariff(&tariff("T2", at(0))).await.unwrap();
    rig.store.put_tariff_assignment(&members).await.unwrap();
    let token = rig.register().await;
    for (public, partners) in [(LOCATIONS, "/ocpi/cpo/2.2.1/locations"), (TARIFFS, "/ocpi/cpo/2.2.1/tariffs")]
    {
        let (mine, theirs) = (get(&rig, public).await.json(), rig.get(partners, &token).await);
        assert_eq!(mine["data"], *theirs.data(), "{public}");
        assert_eq!(mine["status_code"], 1000);
        assert!(!mine["data"].as_array().unwrap().is_empty());
    }
    let locations = get(&rig, LOCATIONS).await;
    schema!("location").check(&locations.json()["data"][0]);
    assert_eq!(locations.json()["data"][0]["publish"], true);
    let tariffs = get(&rig, TARIFFS).await.text();
    assert!(
        tariffs.contains("\"T1\"") && !tariffs.contains("\"T2\"") && !tariffs.contains("for people"),
        "{tariffs}"
    );
    let documents = Document::ALL.map(path_of);
    for path in ["/public", LOCATIONS, TARIFFS].map(str::to_owned).into_iter().chain(documents) {
        let text = get(&rig, &path).await.text();
        for secret in ["RDAM-0815", "Cabinet", "FLEET", "token", "emsp"] {
            assert!(!text.contains(secret), "{path} tells {secret}: {text}");
        }
    }
    let wrong = get(&rig, &format!("{LOCATIONS}?limit=0")).await.json();
    assert_eq!(wrong["status_code"], 2001);
    let strange = get(&rig, &format!("{TARIFFS}?cursor=bm8")).await.json();
    assert_eq!(strange["status_code"], 2001);
}

#[actix_web::test]
async fn pages_are_complete_though_locations_come_and_go() {
    let rig = start(|_| {}).await;
    for n in 0..25 {
        rig.store.put_location(&location(&format!("L{n:02}"), at(0))).await.unwrap();
    }
    let (mut ids, mut path) = (Vec::new(), format!("{LOCATIONS}?limit=10"));
    loop {
        let page = get(&rig, &path).await;
        assert_eq!(page.headers["x-limit"], "1000");
        assert_eq!(page.headers["x-total-count"], "25");
        let data = page.json()["data"].clone();
        ids.extend(data.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        if ids.len() == 10 {
            // One that was read goes, one comes before what is read already, one is changed.
            rig.store.delete_location(&tenant(), &LocationId::new("L03").unwrap()).await.unwrap();
            rig.store.put_location(&location("L000", at(0))).await.unwrap();
            rig.store.put_location(&location("L15", at(99))).await.unwrap();
        }
        let Some(link) = page.headers.get("link") else { break };
        let url = link.strip_prefix("<https://cpo.example.com").and_then(|link| link.split_once('>'));
        path = url.unwrap().0.to_owned();
    }
    assert_eq!(ids, (0..25).map(|n| format!("L{n:02}")).collect::<Vec<_>>());
}

#[actix_web::test]
async fn a_document_has_every_location_and_shows_each_change() {
    let rig = start(|_| {}).await;
    for document in Document::ALL {
        // Before anything stands anywhere: a table cannot be without sites, a status can.
        let empty = get(&rig, &path_of(document)).await;
        match document.part {
            Part::Table => assert_eq!(empty.http, 404),
            Part::Status => {
                assert_eq!(checked(document, &empty.json())["energyInfrastructureSiteStatus"], json!([]))
            }
        }
    }
    // More than are read from the store at once.
    for n in 0..230 {
        let (id, station) = (format!("L{n:03}"), format!("CS-{n:03}"));
        rig.store.put_location(&location(&id, at(0))).await.unwrap();
        stand(&rig.store, &station, &id, None).await;
        rig.store
            .append(&[connected(&station, at(5)), status(&station, at(6), 1, 1, Status::Available)])
            .await
            .unwrap();
    }
    let states = async |document: Document| {
        let got = get(&rig, &path_of(document)).await;
        assert_eq!((got.http, got.headers["content-type"].as_str()), (200, "application/json"));
        let whole = got.json();
        let publication = checked(document, &whole);
        let sites = match document.part {
            Part::Table => &publication["energyInfrastructureTable"][0]["energyInfrastructureSite"],
            Part::Status => &publication["energyInfrastructureSiteStatus"],
        };
        (sites.as_array().unwrap().len(), whole.to_string().matches("\"occupied\"").count())
    };
    for document in Document::ALL {
        assert_eq!(states(document).await, (230, 0), "{document:?}");
    }
    rig.store.append(&[status("CS-117", at(9), 1, 1, Status::Occupied)]).await.unwrap();
    for document in Document::ALL {
        let changed = usize::from(document.part == Part::Status);
        assert_eq!(states(document).await, (230, changed), "{document:?}");
    }
}

#[actix_web::test]
async fn who_has_it_already_is_told_so() {
    let rig = start(|terms| terms.cache = Duration::ZERO).await;
    furnish(&rig).await;
    let mut tags = BTreeMap::new();
    let documents = Document::ALL.map(path_of);
    for path in [LOCATIONS, TARIFFS].map(str::to_owned).into_iter().chain(documents) {
        let first = get(&rig, &path).await;
        assert_eq!(
            (first.http, first.headers["cache-control"].as_str()),
            (200, "public, max-age=0"),
            "{path}"
        );
        assert!(first.headers["last-modified"].ends_with(" GMT"), "{first:?}");
        let shown = format!("If-None-Match: \"other\", W/{}", first.tag());
        let again = ask(&rig, "GET", &path, &[&shown]).await;
        assert_eq!((again.http, again.body.len(), again.tag()), (304, 0, first.tag()), "{path}");
        assert_eq!(again.headers["last-modified"], first.headers["last-modified"]);
        let other = ask(&rig, "GET", &path, &["If-None-Match: \"other\""]).await;
        assert_eq!((other.http, other.tag()), (200, first.tag()), "{path}");
        let head = ask(&rig, "HEAD", &path, &[]).await;
        assert_eq!((head.http, head.body.len(), head.tag()), (200, 0, first.tag()), "{path}");
        tags.insert(path, first.tag().to_owned());
    }
    // What is said anew is sent again: of a state, all but tables and tariffs.
    rig.store.append(&[status("RDAM-0815", at(30), 1, 1, Status::Faulted)]).await.unwrap();
    for (path, tag) in tags {
        let shown = format!("If-None-Match: {tag}");
        let expect = if path == TARIFFS || path.ends_with("table") { 304 } else { 200 };
        assert_eq!(ask(&rig, "GET", &path, &[&shown]).await.http, expect, "{path}");
    }
}

#[actix_web::test]
async fn a_document_is_packed_for_those_who_take_it_so() {
    let rig = start(|_| {}).await;
    furnish(&rig).await;
    for document in Document::ALL {
        let path = path_of(document);
        let plain = get(&rig, &path).await;
        assert!(!plain.headers.contains_key("content-encoding"));
        assert_eq!(plain.headers["content-length"], plain.body.len().to_string());
        let packed = ask(&rig, "GET", &path, &["Accept-Encoding: br, gzip"]).await;
        assert_eq!((packed.http, packed.headers["content-encoding"].as_str()), (200, "gzip"));
        assert_eq!(unpacked(&packed.body), plain.text());
        assert!(packed.body.len() < plain.body.len());
        assert_eq!(
            (&packed.headers["vary"], &plain.headers["vary"]),
            (&"Accept-Encoding".to_owned(), &"Accept-Encoding".to_owned())
        );
        assert_ne!(packed.tag(), plain.tag(), "two forms, two tags");
        let shown = format!("If-None-Match: {}", packed.tag());
        assert_eq!(ask(&rig, "GET", &path, &["Accept-Encoding: gzip", &shown]).await.http, 304);
    }
}

#[actix_web::test]
async fn a_document_is_as_old_as_it_may_be_and_says_when_it_was_made() {
    let rig = start(|terms| terms.cache = Duration::from_secs(3_600)).await;
    furnish(&rig).await;
    let path = path_of(Document::ALL[1]);
    let first = get(&rig, &path).await;
    rig.store.append(&[status("RDAM-0815", at(30), 1, 1, Status::Faulted)]).await.unwrap();
    assert_eq!(get(&rig, &path).await.text(), first.text(), "a crowd of readers costs the store nothing");
    // Where it may not be old, what is unchanged keeps its time of publication.
    let rig = start(|_| {}).await;
    furnish(&rig).await;
    let (first, again) = (get(&rig, &path).await, get(&rig, &path).await);
    assert_eq!(again.text(), first.text());
    rig.store.append(&[status("RDAM-0815", at(30), 1, 1, Status::Faulted)]).await.unwrap();
    assert_ne!(get(&rig, &path).await.text(), first.text());
}

#[actix_web::test]
async fn a_source_that_asks_too_often_waits_and_others_do_not() {
    let rig = start(|terms| {
        terms.requests_per_min = 3;
        terms.proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    furnish(&rig).await;
    let from = |source: &str| format!("X-Forwarded-For: {source}");
    let table = path_of(Document::ALL[0]);
    for path in ["/public", TARIFFS, table.as_str()] {
        assert_eq!(ask(&rig, "GET", path, &[&from("192.0.2.1")]).await.http, 200, "{path}");
    }
    for path in ["/public", "/public/nothing", table.as_str()] {
        let limited = ask(&rig, "GET", path, &[&from("192.0.2.1")]).await;
        assert_eq!((limited.http, limited.json()["status"].as_u64()), (429, Some(429)), "{path}");
        let wait: u32 = limited.headers["retry-after"].parse().unwrap();
        assert!((1..=20).contains(&wait), "{wait}");
    }
    let limited = ask(&rig, "GET", TARIFFS, &[&from("192.0.2.1")]).await;
    assert_eq!(
        (limited.http, limited.json()["status_code"].as_u64()),
        (429, Some(2000)),
        "as partners hear it"
    );
    assert_eq!(ask(&rig, "GET", TARIFFS, &[&from("192.0.2.2")]).await.http, 200);
    // What a stranger writes before the proxy's word counts for nothing.
    let made_up = from("203.0.113.5, 192.0.2.1");
    assert_eq!(ask(&rig, "GET", TARIFFS, &[&made_up]).await.http, 429);
    // Partners are another matter.
    rig.register().await;
}

#[actix_web::test]
async fn a_store_that_is_away_is_said_to_be() {
    let rig = start(|_| {}).await;
    furnish(&rig).await;
    rig.store.close().await;
    for document in Document::ALL {
        let away = get(&rig, &path_of(document)).await;
        assert_eq!((away.http, away.headers["retry-after"].as_str()), (503, "5"), "{away:?}");
    }
    assert_eq!(get(&rig, LOCATIONS).await.json()["status_code"], 3000);
}

#[actix_web::test]
async fn many_readers_at_once_get_one_document() {
    let rig = start(|terms| terms.cache = Duration::from_secs(60)).await;
    furnish(&rig).await;
    let path = path_of(Document::ALL[1]);
    let asked = (0..50).map(|_| get(&rig, &path));
    let got = futures_util::future::join_all(asked).await;
    let tags: std::collections::BTreeSet<_> = got.iter().map(|one| (one.http, one.text())).collect();
    assert_eq!(tags.len(), 1, "one was made, and all got it");
    assert_eq!(got[0].http, 200);
}
