//! The operator API as tests use it. Whatever is asked for must be answered well, unless a test looks at the raw answer.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{self, Response};
use super::node::TOKEN;
use super::station::password_of;
use super::within;

/// A client of one node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    address: SocketAddr,
}

/// A tariff whose amounts a test can work out by hand: 1 EUR a session, 0.50 EUR/kWh, 19 % tax.
pub(crate) const TARIFF: &str = "HOUSE";

// === impl Api ===

impl Api {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Any request, as it is answered.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Response {
        let bearer = format!("Bearer {TOKEN}");
        let headers = [&[("Authorization", bearer.as_str())], more].concat();
        let target = format!("/api/v1{path}");
        let body = body.map(Value::to_string);
        let request = http::request(self.address, method, &target, &headers, body.as_deref());
        within(&format!("{method} {path}"), request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, &[], None).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// A change; any status of success will do.
    pub(crate) async fn change(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, &[], Some(body)).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).unwrap_or(Value::Null)
    }

    /// All items of a list that fits on one page.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).await;
        assert_eq!(list["next_cursor"], Value::Null, "{path} has one page");
        list["items"].as_array().unwrap().clone()
    }

    /// Registers a station with the password that [`password_of`] tells.
    pub(crate) async fn register(&self, id: &str) {
        self.register_with(id, json!({})).await;
    }

    /// The same with more members, such as a tariff.
    pub(crate) async fn register_with(&self, id: &str, more: Value) {
        let mut body = json!({"id": id, "password": password_of(id)});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.change("POST", "/charging-stations", &body).await;
    }

    pub(crate) async fn put_token(&self, uid: &str, token: Value) {
        self.change("PUT", &format!("/tokens/{uid}"), &token).await;
    }

    pub(crate) async fn put_tariff(&self, id: &str, tariff: Value) {
        self.change("PUT", &format!("/tariffs/{id}"), &tariff).await;
    }

    /// A known token `A1`, and the [`TARIFF`].
    pub(crate) async fn furnish(&self) {
        self.put_token("A1", json!({})).await;
        let components = json!([
            {"dimension": "flat", "price": "1.00", "tax_percent": "19"},
            {"dimension": "energy", "price": "0.50", "tax_percent": "19"},
        ]);
        let tariff = json!({"name": "house", "currency": "EUR", "elements": [{"components": components}]});
        self.put_tariff(TARIFF, tariff).await;
    }

    /// A station at location `L1` under the [`TARIFF`], with one EVSE `NL*RMN*E1` of one connector that is described like this: partners and
    /// the public see it.
    pub(crate) async fn publish(&self, station: &str, connector: Value) {
        self.furnish().await;
        let location = json!({
            "id": "L1", "name": "Depot", "address": "Street 1", "city": "Utrecht", "country": "NLD",
            "latitude": "52.09", "longitude": "5.12", "time_zone": "Europe/Amsterdam",
        });
        self.change("POST", "/locations", &location).await;
        self.register_with(station, json!({"tariff_id": TARIFF, "location_id": "L1"})).await;
        let evse = json!({"evse_id": 1, "printed_id": "NL*RMN*E1", "connectors": [connector]});
        let path = format!("/charging-stations/{station}/hardware");
        self.change("PUT", &path, &json!({"evses": [evse]})).await;
    }

    pub(crate) async fn station(&self, id: &str) -> Value {
        self.get(&format!("/charging-stations/{id}")).await
    }

    /// A station's sessions, the one that started first first.
    pub(crate) async fn sessions(&self, station: &str) -> Vec<Value> {
        let mut sessions = self.list(&format!("/sessions?charging_station_id={station}")).await;
        sessions.reverse();
        sessions
    }

    /// A station's bill records, the oldest first.
    pub(crate) async fn cdrs(&self, station: &str) -> Vec<Value> {
        let mut cdrs = self.list(&format!("/cdrs?charging_station_id={station}")).await;
        cdrs.reverse();
        cdrs
    }

    /// A station's transactions, the one that started first first.
    pub(crate) async fn transactions(&self, station: &str) -> Vec<Value> {
        let mut transactions = self.list(&format!("/transactions?charging_station_id={station}")).await;
        transactions.reverse();
        transactions
    }

    /// The stored messages of a transaction, in the station's order.
    pub(crate) async fn facts(&self, station: &str, transaction: &str) -> Vec<Value> {
        let detail = self.get(&format!("/transactions/{station}/{transaction}")).await;
        detail["facts"].as_array().unwrap().clone()
    }

    /// The recorded frames of a station, the oldest first.
    pub(crate) async fn messages(&self, station: &str) -> Vec<Value> {
        let list = self.get(&format!("/charging-stations/{station}/messages?limit=1000")).await;
        let mut messages = list["items"].as_array().unwrap().clone();
        messages.reverse();
        messages
    }

    /// A typed command; waits for its end.
    pub(crate) async fn command(&self, station: &str, command: &Value) -> Value {
        self.command_within(station, command, 30).await
    }

    /// A typed command with a deadline; waits for its end.
    pub(crate) async fn command_within(&self, station: &str, command: &Value, deadline_s: u32) -> Value {
        let path = format!("/charging-stations/{station}/commands?wait_s=60&deadline_s={deadline_s}");
        self.change("POST", &path, command).await
    }

    /// A raw action of the station's own version; waits for its end.
    pub(crate) async fn raw(&self, station: &str, action: &str, payload: &Value) -> Value {
        self.change("POST", &format!("/charging-stations/{station}/ocpp/{action}?wait_s=60"), payload).await
    }
}
