//! `sessions`, `cdrs` and `transactions`.

use ringmain_domain::id::SessionId;
use serde_json::{Value, json};

use super::rig::Rig;

/// A house with a priced station and so many sessions, the last of which goes on.
async fn house_with_sessions(count: i64) -> Rig {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    rig.add_tariff("std").await;
    let mut station = rig.add_station("CS-1", 1).await;
    rig.send("PATCH", "/charging-stations/CS-1", Some(json!({"location_id": "depot-1", "tariff_id": "std"})))
        .await;
    station = rig.house.store.find_station(&station.id).await.unwrap().unwrap();
    for number in 0..count {
        rig.add_session(&station, &format!("T{number}"), number * 120, number + 1 < count).await;
    }
    rig
}

#[actix_web::test]
async fn a_session_is_shown_with_its_cost() {
    let rig = house_with_sessions(2).await;
    let (items, _) = rig.walk("/sessions", 100).await;
    assert_eq!(items.len(), 2);
    let (active, over) = (&items[0], &items[1]);
    assert_eq!((&active["transaction_id"], &active["status"]), (&json!("T1"), &json!("active")));
    assert_eq!((&active["ended_at"], &active["energy_wh"]), (&Value::Null, &json!(5_000)));
    for (field, expect) in [
        ("charging_station_id", json!("CS-1")),
        ("evse_id", json!(1)),
        ("connector_id", json!(1)),
        ("transaction_id", json!("T0")),
        ("token_uid", json!("04A2B3")),
        ("token_kind", json!("rfid")),
        ("authorization", json!("accepted")),
        ("status", json!("completed")),
        ("started_at", json!("2026-03-01T08:00:00.000Z")),
        ("ended_at", json!("2026-03-01T09:00:00.000Z")),
        ("energy_wh", json!(10_000)),
        ("charging_s", json!(3_600)),
        ("parked_s", json!(0)),
        ("meter_first_wh", json!(1_000)),
        ("meter_last_wh", json!(11_000)),
        ("stop_reason", json!("EVDisconnected")),
        ("flags", json!([])),
        // 1 EUR and 10 kWh at 0.50 EUR, 19 % tax.
        ("cost", json!({"currency": "EUR", "excl_tax": "6.00", "incl_tax": "7.14"})),
    ] {
        assert_eq!(over[field], expect, "{field}");
    }
    let read = rig.get(&format!("/sessions/{}", over["id"].as_str().unwrap())).await.json();
    assert_eq!(read, *over);
    rig.get("/sessions/00000000-0000-0000-0000-000000000000").await.assert_problem(404, "not-found");
}

#[actix_web::test]
async fn sessions_are_filtered_and_come_in_pages() {
    let rig = house_with_sessions(5).await;
    let (items, sizes) = rig.walk("/sessions", 2).await;
    let ids: Vec<_> = items.iter().map(|item| item["transaction_id"].as_str().unwrap()).collect();
    assert_eq!((ids, sizes), (vec!["T4", "T3", "T2", "T1", "T0"], vec![2, 2, 1]));
    for (query, expect) in [
        ("status=active", 1),
        ("status=completed", 4),
        ("status=under_review", 0),
        ("charging_station_id=CS-1", 5),
        ("charging_station_id=CS-2", 0),
        ("location_id=depot-1", 5),
        ("location_id=depot-2", 0),
        ("token_uid=04a2b3", 5),
        ("token_uid=FF", 0),
        ("started_at_from=2026-03-01T10:00:00Z", 4),
        ("started_at_to=2026-03-01T10:00:00Z", 1),
        ("started_at_from=2026-03-01T10:00:00Z&started_at_to=2026-03-01T12:00:00Z", 1),
    ] {
        assert_eq!(rig.walk(&format!("/sessions?{query}"), 100).await.0.len(), expect, "{query}");
    }
    for query in ["status=paid", "started_at_from=today", "evse=1"] {
        rig.get(&format!("/sessions?{query}")).await.assert_problem(400, "bad-request");
    }
}

#[actix_web::test]
async fn a_bill_record_says_why_it_costs_that() {
    let rig = house_with_sessions(4).await;
    let (items, sizes) = rig.walk("/cdrs", 2).await;
    assert_eq!(sizes, [2, 1]);
    let cdr = &items[2];
    let session = &rig.walk("/sessions", 100).await.0[3];
    for field in [
        "charging_station_id",
        "evse_id",
        "connector_id",
        "transaction_id",
        "token_uid",
        "status",
        "started_at",
        "ended_at",
        "energy_wh",
        "cost",
    ] {
        assert_eq!(cdr[field], session[field], "{field}");
    }
    assert_eq!((&cdr["session_id"], &cdr["revision"]), (&session["id"], &json!(0)));
    let line = |dimension: &str, quantity: &str, price: &str, excl: &str, tax: &str, incl: &str| {
        json!({"element": 0, "dimension": dimension, "quantity": quantity, "used": quantity, "unit_price": price,
            "tax_percent": "19", "excl_tax": excl, "tax": tax, "incl_tax": incl})
    };
    let lines = cdr["breakdown"]["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    for (shown, expect) in lines.iter().zip([
        line("flat", "1", "1.00", "1", "0.19", "1.19"),
        line("energy", "10", "0.50", "5", "0.95", "5.95"),
    ]) {
        for field in ["element", "dimension"] {
            assert_eq!(shown[field], expect[field]);
        }
        for field in ["quantity", "used", "unit_price", "tax_percent", "excl_tax", "tax", "incl_tax"] {
            let amount =
                |value: &Value| value[field].as_str().unwrap().parse::<rust_decimal::Decimal>().unwrap();
            assert_eq!(amount(shown), amount(&expect), "{field}");
        }
    }
    assert_eq!(cdr["breakdown"]["tariff_id"], "std");
    assert_eq!(cdr["breakdown"]["total"], json!({"currency": "EUR", "excl_tax": "6.00", "incl_tax": "7.14"}));
    let read = rig.get(&format!("/cdrs/{}", cdr["id"].as_str().unwrap())).await.json();
    assert_eq!(read, *cdr);
    for (query, expect) in [
        ("charging_station_id=CS-1", 3),
        ("location_id=depot-2", 0),
        ("token_uid=04A2B3", 3),
        ("created_at_from=2026-03-01T10:00:00Z", 3),
        ("created_at_to=2026-03-01T10:00:00Z", 0),
    ] {
        assert_eq!(rig.walk(&format!("/cdrs?{query}"), 100).await.0.len(), expect, "{query}");
    }
    rig.get("/cdrs/00000000-0000-0000-0000-000000000000").await.assert_problem(404, "not-found");
    rig.get("/cdrs?limit=9999").await.assert_problem(400, "bad-request");
}

#[actix_web::test]
async fn a_transaction_is_shown_with_what_its_station_said() {
    let rig = house_with_sessions(3).await;
    let (items, sizes) = rig.walk("/transactions?charging_station_id=CS-1", 2).await;
    assert_eq!((items.len(), sizes), (3, vec![2, 1]));
    assert_eq!(rig.walk("/transactions?status=active", 100).await.0.len(), 1);
    let detail = rig.get("/transactions/CS-1/T0").await.json();
    assert_eq!(detail["transaction"], items[2]);
    let phases: Vec<_> =
        detail["facts"].as_array().unwrap().iter().map(|fact| fact["phase"].clone()).collect();
    assert_eq!(phases, ["started", "updated", "ended"]);
    let sample = &detail["facts"][1]["samples"][0];
    assert_eq!(
        (&sample["measurand"], &sample["value"], &sample["unit"]),
        (&json!("energy_import_register"), &json!(6_000), &json!("Wh"))
    );
    let first = rig.get("/transactions/CS-1/T0?limit=2").await.json();
    assert_eq!(first["facts"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = rig.get(&format!("/transactions/CS-1/T0?limit=2&cursor={cursor}")).await.json();
    assert_eq!((&second["facts"][0]["phase"], &second["next_cursor"]), (&json!("ended"), &Value::Null));
    rig.get("/transactions/CS-1/T9").await.assert_problem(404, "not-found");
    rig.get("/transactions/CS-9/T0").await.assert_problem(404, "not-found");
    rig.get("/transactions/CS-1/T0?cursor=x").await.assert_problem(400, "bad-request");
    let id: SessionId = detail["transaction"]["session_id"].as_str().unwrap().parse().unwrap();
    assert!(rig.house.store.session(&rig.house.tenant, id).await.unwrap().is_some());
}
