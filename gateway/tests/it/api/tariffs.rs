//! `tariffs`.

use serde_json::{Value, json};

use super::rig::Rig;

fn tariff() -> Value {
    json!({"id": "std", "name": "Standard", "currency": "eur", "elements": [{"components": [
        {"dimension": "energy", "price": "0.490", "tax_percent": "19", "step_size": 100},
        {"dimension": "parking_time", "price": "6"}]}]})
}

#[actix_web::test]
async fn a_tariff_lives_from_creation_to_removal() {
    let rig = Rig::start().await;
    let created = rig.post("/tariffs", tariff()).await;
    assert_eq!(created.status, 201, "{created:?}");
    let body = created.json();
    assert_eq!(body["currency"], "EUR");
    let components = json!([
        {"dimension": "energy", "price": "0.490", "tax_percent": "19", "step_size": 100},
        {"dimension": "parking_time", "price": "6", "tax_percent": null, "step_size": 1}]);
    assert_eq!(body["elements"], json!([{"components": components}]));
    assert_eq!(rig.get("/tariffs/std").await.json(), body);
    rig.post("/tariffs", tariff()).await.assert_problem(409, "conflict");
    let mut other = tariff();
    other["name"] = json!("Night");
    let replaced = rig.send("PUT", "/tariffs/std", Some(other.clone())).await;
    assert_eq!((replaced.status, &replaced.json()["name"]), (200, &json!("Night")));
    other["id"] = Value::Null;
    assert_eq!(rig.send("PUT", "/tariffs/night", Some(other)).await.status, 201);
    let (items, sizes) = rig.walk("/tariffs", 1).await;
    assert_eq!((items.len(), sizes), (2, vec![1, 1]));
    let station = json!({"id": "CS-1", "tariff_id": "std"});
    assert_eq!(rig.post("/charging-stations", station).await.status, 201);
    rig.send("DELETE", "/tariffs/std", None).await.assert_problem(409, "conflict");
    assert_eq!(rig.send("DELETE", "/tariffs/night", None).await.status, 204);
    rig.send("DELETE", "/tariffs/night", None).await.assert_problem(404, "not-found");
    rig.get("/tariffs/night").await.assert_problem(404, "not-found");
    let audited = rig.audited().await;
    let tariffs: Vec<_> = audited.iter().filter(|line| line.starts_with("tariff.")).collect();
    let expect = [
        "tariff.deleted tariffs/night",
        "tariff.created tariffs/night",
        "tariff.replaced tariffs/std",
        "tariff.created tariffs/std",
    ];
    assert_eq!(tariffs, expect.iter().collect::<Vec<_>>());
}

#[actix_web::test]
async fn every_wrong_field_is_told_with_its_place() {
    let rig = Rig::start().await;
    let with = |pointer: &str, value: Value| {
        let mut body = tariff();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let component = "/elements/0/components/0";
    for (body, pointer) in [
        (with("/currency", json!("Euro")), "/currency".to_owned()),
        (with("/elements", json!([])), "/elements".to_owned()),
        (with("/elements/0/components", json!([])), "/elements/0/components".to_owned()),
        (with(&format!("{component}/price"), json!(0.49)), format!("{component}/price")),
        (with(&format!("{component}/price"), json!("-1")), format!("{component}/price")),
        (with(&format!("{component}/price"), json!("1e2")), format!("{component}/price")),
        (with(&format!("{component}/tax_percent"), json!("101")), format!("{component}/tax_percent")),
        (with(&format!("{component}/step_size"), json!(0)), format!("{component}/step_size")),
        (with(&format!("{component}/dimension"), json!("parking_time")), "/elements/0/components".to_owned()),
        (with(&format!("{component}/dimension"), json!("weight")), format!("{component}/dimension")),
    ] {
        let reply = rig.post("/tariffs", body).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [pointer], "{reply:?}");
    }
}

/// A tariff that says everything a tariff can say.
fn full() -> Value {
    json!({"id": "full", "name": "Everything", "currency": "EUR", "tax_included": "yes",
        "min_price": {"excl_tax": "1.00", "incl_tax": "1.19"}, "max_price": {"excl_tax": "50", "incl_tax": null},
        "valid_from": "2026-01-01T00:00:00.000Z", "valid_until": "2027-01-01T00:00:00.000Z", "idle_grace_s": 900,
        "elements": [
            {"components": [{"dimension": "energy", "price": "0.59", "tax_percent": "19", "step_size": 1}],
             "restrictions": {"start_time": "17:00", "end_time": "20:00", "start_date": "2026-03-01",
                "end_date": "2026-04-01", "days_of_week": ["monday"], "min_kwh": "0.1", "max_kwh": "100",
                "min_current_a": "6", "max_current_a": "32", "min_power_kw": "1.4", "max_power_kw": "22",
                "min_duration_s": 60, "max_duration_s": 3600}},
            {"components": [{"dimension": "time", "price": "5", "tax_percent": null, "step_size": 1}],
             "restrictions": {"reservation": "reservation_expires"}},
            {"components": [{"dimension": "energy", "price": "0.39", "tax_percent": "19", "step_size": 1}]}]})
}

#[actix_web::test]
async fn all_a_tariff_says_comes_back_as_it_was_given() {
    let rig = Rig::start().await;
    let created = rig.post("/tariffs", full()).await;
    assert_eq!(created.status, 201, "{created:?}");
    let mut body = created.json();
    assert_eq!(rig.get("/tariffs/full").await.json(), body);
    body.as_object_mut().unwrap().remove("updated_at");
    assert_eq!(body.as_object_mut().unwrap().remove("hints"), Some(json!([])));
    assert_eq!(body, full());
    assert_eq!(rig.send("PUT", "/tariffs/full", Some(body)).await.status, 200);
}

#[actix_web::test]
async fn restrictions_and_limits_that_cannot_be_are_told_with_their_place() {
    let rig = Rig::start().await;
    let restrictions = "/elements/0/restrictions";
    for (pointer, value, place) in [
        ("/id".to_owned(), json!("price"), "/id".to_owned()),
        (format!("{restrictions}/max_kwh"), json!("0.1"), format!("{restrictions}/max_kwh")),
        (format!("{restrictions}/end_date"), json!("2026-02-01"), format!("{restrictions}/end_date")),
        (format!("{restrictions}/start_time"), json!("25:00"), format!("{restrictions}/start_time")),
        (
            format!("{restrictions}/days_of_week/0"),
            json!("moonday"),
            format!("{restrictions}/days_of_week/0"),
        ),
        ("/max_price/excl_tax".to_owned(), json!("0.5"), "/max_price/excl_tax".to_owned()),
        ("/valid_until".to_owned(), json!("2025-01-01T00:00:00Z"), "/valid_until".to_owned()),
    ] {
        let mut body = full();
        *body.pointer_mut(&pointer).unwrap() = value;
        let reply = rig.post("/tariffs", body).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [place], "{reply:?}");
    }
}

#[actix_web::test]
async fn a_partners_record_is_priced_again() {
    let rig = Rig::start().await;
    let tariff = json!({"id": "P", "currency": "EUR", "elements": [{"price_components": [
        {"type": "FLAT", "price": 0.5, "vat": 20, "step_size": 1}, {"type": "ENERGY", "price": 0.25, "vat": 10, "step_size": 1}]}]});
    let cdr = json!({"start_date_time": "2026-03-02T08:00:00Z", "end_date_time": "2026-03-02T09:00:00Z",
        "charging_periods": [{"start_date_time": "2026-03-02T08:00:00Z", "dimensions": [
            {"type": "ENERGY", "volume": 20}, {"type": "TIME", "volume": 1}]}],
        "total_cost": {"excl_vat": 99}});
    let body = json!({"tariff": tariff, "cdr": cdr, "time_zone": "Europe/Berlin"});
    let reply = rig.post("/tariffs/price", body.clone()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let priced = reply.json();
    assert_eq!(priced["total_cost"], json!({"excl_vat": 5.50, "incl_vat": 6.10}));
    assert_eq!(priced["total_energy_cost"], json!({"excl_vat": 5, "incl_vat": 5.5}));
    assert_eq!(priced["lines"][1]["dimension"], "energy");
    assert_eq!(priced["lines"][1]["excl_tax"], "5");
    for (pointer, value, place) in [
        ("/cdr/charging_periods/0/start_date_time", json!("once"), "/cdr/charging_periods/0/start_date_time"),
        (
            "/tariff/elements/0/price_components/1/price",
            json!("x"),
            "/tariff/elements/0/price_components/1/price",
        ),
        ("/time_zone", json!("Mars/Olympus"), "/time_zone"),
    ] {
        let mut wrong = body.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        let reply = rig.post("/tariffs/price", wrong).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [place], "{reply:?}");
    }
}

#[actix_web::test]
async fn a_session_can_be_imagined() {
    let rig = Rig::start().await;
    assert_eq!(rig.post("/tariffs", tariff()).await.status, 201);
    let session =
        json!({"started_at": "2026-03-02T08:00:00Z", "charging_min": 60, "idle_min": 30, "energy_wh": 10000});
    let reply = rig.post("/tariffs/std/simulate", session.clone()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let breakdown = reply.json();
    assert_eq!(breakdown["total"], json!({"currency": "EUR", "excl_tax": "7.90", "incl_tax": "8.83"}));
    assert_eq!(breakdown["lines"][1]["period_from"], "2026-03-02T09:00:00.000Z");
    let mut weak = session.clone();
    weak["max_power_w"] = json!(5000);
    let reply = rig.post("/tariffs/std/simulate", weak).await;
    reply.assert_problem(422, "invalid");
    assert_eq!(reply.pointers(), ["/energy_wh"]);
    rig.post("/tariffs/none/simulate", session).await.assert_problem(404, "not-found");
}

#[actix_web::test]
async fn an_imagined_session_is_priced_by_the_versions_in_force_while_it_lasts() {
    let rig = Rig::start().await;
    let version = |price: &str, from: Option<&str>| {
        let components = json!([{"dimension": "energy", "price": price}]);
        let mut body = json!({"name": "x", "currency": "EUR", "elements": [{"components": components}]});
        if let Some(from) = from {
            body["valid_from"] = json!(from);
        }
        body
    };
    assert_eq!(rig.send("PUT", "/tariffs/T", Some(version("0.40", None))).await.status, 201);
    let next = version("0.60", Some("2099-03-01T00:00:00Z"));
    assert_eq!(rig.send("PUT", "/tariffs/T", Some(next)).await.status, 200);
    let cost = async |start: &str| {
        let session = json!({"started_at": start, "charging_min": 60, "idle_min": 0, "energy_wh": 10000});
        let reply = rig.post("/tariffs/T/simulate", session).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["total"]["excl_tax"].clone()
    };
    assert_eq!(cost("2098-03-02T08:00:00Z").await, "4.00");
    assert_eq!(cost("2099-02-28T23:30:00Z").await, "5.00", "half before, half after");
    assert_eq!(cost("2099-03-01T00:00:00Z").await, "6.00");
    // It was a mistake: it is withdrawn before it counts.
    let version_of = |from: &str| format!("/tariffs/T/versions/{from}");
    rig.send("DELETE", &version_of("2099-03-02T00:00:00Z"), None).await.assert_problem(404, "not-found");
    rig.send("DELETE", &version_of("soon"), None).await.assert_problem(404, "not-found");
    assert_eq!(rig.send("DELETE", &version_of("2099-03-01T00:00:00Z"), None).await.status, 204);
    assert_eq!(cost("2099-03-01T00:00:00Z").await, "4.00");
    assert_eq!(rig.get("/tariffs/T").await.json()["elements"][0]["components"][0]["price"], "0.40");
    let left = rig.get("/tariffs/T/versions").await.json();
    let in_force = left["items"][0]["in_force_from"].as_str().unwrap().to_owned();
    rig.send("DELETE", &version_of(&in_force), None).await.assert_problem(409, "conflict");
}
