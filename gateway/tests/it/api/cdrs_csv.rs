//! `cdrs.csv`: the whole filtered list, harmless in a spreadsheet, and nothing of anybody else's.

use ringmain_domain::id::{SessionId, StationId, TransactionId};
use ringmain_gateway::services::cdr_export::COLUMNS;
use serde_json::json;

use super::client::Reply;
use super::rig::Rig;

/// The rows by the names of their columns.
struct Table {
    rows: Vec<csv::StringRecord>,
}

impl Table {
    #[track_caller]
    fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
        assert_eq!(reply.header("content-disposition"), Some("attachment; filename=\"bills.csv\""));
        let mut reader = csv::Reader::from_reader(reply.body.as_bytes());
        assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
        Self { rows: reader.records().map(Result::unwrap).collect() }
    }

    fn column(&self, name: &str) -> Vec<&str> {
        let place = COLUMNS.iter().position(|column| *column == name).unwrap();
        self.rows.iter().map(|row| &row[place]).collect()
    }
}

async fn house_with_tariff(stations: &[&str]) -> Rig {
    let rig = Rig::start().await;
    rig.add_tariff("std").await;
    rig.add_location("depot-1").await;
    for id in stations {
        rig.add_station(id, 1).await;
        let change =
            json!({"tariff_id": "std", "location_id": if *id == "CS-1" { Some("depot-1") } else { None }});
        assert_eq!(rig.send("PATCH", &format!("/charging-stations/{id}"), Some(change)).await.status, 200);
    }
    rig
}

#[actix_web::test]
async fn a_list_longer_than_a_page_is_exported_whole_and_in_its_order() {
    let rig = house_with_tariff(&["CS-1"]).await;
    let station = rig.house.store.find_station(&StationId::new("CS-1").unwrap()).await.unwrap().unwrap();
    rig.add_sessions(&station, 1_005).await;
    let table = Table::of(&rig.get("/cdrs.csv").await);
    let (items, sizes) = rig.walk("/cdrs", 1_000).await;
    assert_eq!(sizes, [1_000, 5]);
    let listed: Vec<_> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(table.column("id"), listed);
}

#[actix_web::test]
async fn a_row_says_what_the_record_says() {
    let rig = house_with_tariff(&["CS-1"]).await;
    let station = rig.house.store.find_station(&StationId::new("CS-1").unwrap()).await.unwrap().unwrap();
    rig.add_session(&station, "T0", 0, true).await;
    let reply = rig.send_as(&rig.viewer, "GET", "/cdrs.csv", None, &[]).await;
    let table = Table::of(&reply);
    let cdr = rig.get("/cdrs").await.json()["items"][0].clone();
    for (column, expect) in [
        ("id", cdr["id"].as_str().unwrap()),
        ("session_id", cdr["session_id"].as_str().unwrap()),
        ("revision", "0"),
        ("kind", "bill"),
        ("credits_cdr_id", ""),
        ("created_at", cdr["created_at"].as_str().unwrap()),
        ("charging_station_id", "CS-1"),
        ("evse_id", "1"),
        ("token_uid", "04A2B3"),
        ("token_kind", "rfid"),
        ("started_at", "2026-03-01T08:00:00.000Z"),
        ("ended_at", "2026-03-01T09:00:00.000Z"),
        ("energy_wh", "10000"),
        ("charging_s", "3600"),
        ("meter_last_wh", "11000"),
        ("tariff_id", "std"),
        ("currency", "EUR"),
        ("excl_tax", "6.00"),
        ("incl_tax", "7.14"),
        ("signature", ""),
        ("signed_energy_wh", ""),
    ] {
        assert_eq!(table.column(column), [expect], "{column}");
    }
    assert!(reply.body.ends_with("\r\n") && reply.body.matches("\r\n").count() == 2, "{:?}", reply.body);
}

#[actix_web::test]
async fn what_stations_wrote_is_quoted_and_calculates_nothing() {
    let rig = house_with_tariff(&["CS-1"]).await;
    let station = rig.house.store.find_station(&StationId::new("CS-1").unwrap()).await.unwrap().unwrap();
    let names = ["=1+1", "+49", "-2+3", "@SUM(A1)", "a\"b,c", "-17"];
    for (place, name) in (0_i64..).zip(names) {
        rig.add_session(&station, name, place * 120, true).await;
    }
    let reply = rig.get("/cdrs.csv").await;
    let table = Table::of(&reply);
    let mut written = table.column("transaction_id");
    written.sort_unstable();
    assert_eq!(written, ["'+49", "'-2+3", "'=1+1", "'@SUM(A1)", "-17", "a\"b,c"]);
    assert!(reply.body.contains(",\"a\"\"b,c\","), "{}", reply.body);
}

#[actix_web::test]
async fn filters_hold_for_the_export_and_a_correction_is_told_apart() {
    let rig = house_with_tariff(&["CS-1", "CS-2"]).await;
    for id in ["CS-1", "CS-2"] {
        let station = rig.house.store.find_station(&StationId::new(id).unwrap()).await.unwrap().unwrap();
        rig.add_session(&station, "T0", 0, true).await;
    }
    let (station, transaction) = (StationId::new("CS-2").unwrap(), TransactionId::new("T0").unwrap());
    let session = SessionId::derive(&rig.house.tenant, &station, &transaction);
    for ruling in ["voided", "approved"] {
        let body = json!({"ruling": ruling, "note": "cable broken"});
        let ruled = rig.post(&format!("/sessions/{session}/rulings"), body).await;
        assert_eq!(ruled.status, 201, "{ruled:?}");
    }
    for (query, expect) in [
        ("", vec!["bill", "bill", "correction", "credit"]),
        ("?kind=credit", vec!["credit"]),
        ("?kind=correction", vec!["correction"]),
        ("?kind=bill&charging_station_id=CS-2", vec!["bill"]),
        ("?location_id=depot-1", vec!["bill"]),
        ("?token_uid=04a2b3&charging_station_id=CS-2", vec!["bill", "correction", "credit"]),
        ("?token_uid=other", vec![]),
        ("?created_at_from=2026-03-02T00:00:00Z&kind=bill", vec!["bill", "bill"]),
        ("?created_at_to=2026-03-02T00:00:00Z", vec![]),
    ] {
        let reply = rig.get(&format!("/cdrs.csv{query}")).await;
        let table = Table::of(&reply);
        let mut kinds = table.column("kind");
        kinds.sort_unstable();
        assert_eq!(kinds, expect, "{query}");
        let list = rig.walk(&format!("/cdrs{query}"), 1).await.0;
        assert_eq!(list.len(), expect.len(), "the list agrees: {query}");
    }
    let reply = rig.get("/cdrs.csv?kind=credit").await;
    let credit = Table::of(&reply);
    assert_eq!((credit.column("excl_tax"), credit.column("incl_tax")), (vec!["-6.00"], vec!["-7.14"]));
    rig.get("/cdrs.csv?kind=gift").await.assert_problem(400, "bad-request");
    rig.get("/cdrs.csv?limit=5").await.assert_problem(400, "bad-request");
}

#[actix_web::test]
async fn another_tenant_exports_nothing_of_ours() {
    let rig = house_with_tariff(&["CS-1"]).await;
    let station = rig.house.store.find_station(&StationId::new("CS-1").unwrap()).await.unwrap().unwrap();
    rig.add_session(&station, "T0", 0, true).await;
    let reply = rig.send_as(&rig.stranger, "GET", "/cdrs.csv", None, &[]).await;
    assert!(Table::of(&reply).rows.is_empty());
}
