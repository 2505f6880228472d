//! A node that exists for the oracle's own tests: real sockets, an operator API, kills by request, and one planted bug if so wished.
//!
//! A kill takes what is not committed and cuts every connection, in the moment between a commit and its answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::{SinkExt as _, StreamExt as _};
use ringmain_loadtest::oracle::operator::Operator;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

use crate::csms::now;

/// A kill comes with every third start and every third end, so many times in all.
const KILLS: usize = 4;
const KILL_EVERY: usize = 3;
/// Items on a page of the API: few, so that cursors are used.
const PAGE: usize = 7;

/// Which bug is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// None.
    Honest,
    /// Answers first; what is not committed yet goes with the kill.
    AnswersBeforeCommit,
    /// Takes every repeat for something new.
    WithoutDedupe,
    /// Bills the last register that arrived less the first; stations of the test tell their queues from the end.
    FoldsByArrival,
    /// Answers readings with an error, as under a rate limit.
    RefusesReadings,
}

#[derive(Clone, Debug)]
struct Fact {
    station: String,
    transaction: String,
    key: String,
    phase: &'static str,
    at: String,
    register_wh: Option<i64>,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    committed: Vec<Fact>,
    waiting: Vec<Fact>,
    /// Numbers of 1.6 starts by their content.
    numbers: BTreeMap<String, i64>,
    last_number: i64,
    starts: usize,
    ends: usize,
    kills: usize,
}

/// The node.
pub(crate) struct FakeNode {
    pub(crate) ws: SocketAddr,
    http: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Clone)]
struct Shared {
    state: Arc<Mutex<State>>,
    life: Arc<watch::Sender<usize>>,
}

// === impl FakeNode ===

impl FakeNode {
    pub(crate) async fn start(manner: Manner) -> Self {
        let state = Arc::new(Mutex::new(State {
            manner,
            committed: Vec::new(),
            waiting: Vec::new(),
            numbers: BTreeMap::new(),
            last_number: 0,
            starts: 0,
            ends: 0,
            kills: 0,
        }));
        let shared = Shared { state: Arc::clone(&state), life: Arc::new(watch::channel(0).0) };
        let sockets = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ws, http) = (sockets.local_addr().unwrap(), api.local_addr().unwrap());
        let operator = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = sockets.accept().await {
                tokio::spawn(talk(stream, shared.clone()));
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = api.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&operator)));
            }
        });
        Self { ws, http, state }
    }

    pub(crate) fn operator(&self) -> Operator {
        Operator::new(self.http, "of-the-fake-node")
    }

    /// All kills of this run have happened.
    pub(crate) fn is_through(&self) -> bool {
        lock(&self.state).kills == KILLS
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

// === impl State ===

/// What comes of one CALL.
enum Reply {
    Result(Value),
    Error,
    Killed,
}

impl State {
    fn take(&mut self, station: &str, action: &str, payload: &Value) -> Reply {
        let accepted = json!({ "status": "Accepted" });
        let is_reading = action == "MeterValues" || payload["eventType"] == "Updated";
        if is_reading && self.manner == Manner::RefusesReadings {
            return Reply::Error;
        }
        let (mut answer, fact) = match action {
            "BootNotification" => {
                (json!({ "status": "Accepted", "currentTime": now(), "interval": 300 }), None)
            }
            "Heartbeat" => (json!({ "currentTime": now() }), None),
            "Authorize" if payload["idTag"].is_string() => (json!({ "idTagInfo": accepted }), None),
            "Authorize" => (json!({ "idTokenInfo": accepted }), None),
            "StartTransaction" => {
                let number = self.number(&format!("{station} {payload}"));
                let answer = json!({ "idTagInfo": accepted, "transactionId": number });
                (answer, Some(fact(station, &number.to_string(), action, payload)))
            }
            "StopTransaction" | "MeterValues" => {
                let number = payload["transactionId"].to_string();
                (json!({}), Some(fact(station, &number, action, payload)))
            }
            "TransactionEvent" => {
                let id = payload["transactionInfo"]["transactionId"].as_str().unwrap();
                (json!({}), Some(fact(station, id, action, payload)))
            }
            _ => (json!({}), None),
        };
        let Some(fact) = fact else { return Reply::Result(answer) };
        let phase = fact.phase;
        self.store(fact);
        if self.is_killed_by(phase) {
            self.waiting.clear();
            return Reply::Killed;
        }
        Reply::Result(answer.take())
    }

    fn number(&mut self, start: &str) -> i64 {
        let known = self.numbers.get(start).filter(|_| self.manner != Manner::WithoutDedupe);
        known.copied().unwrap_or_else(|| {
            self.last_number += 1;
            self.numbers.insert(start.to_owned(), self.last_number);
            self.last_number
        })
    }

    fn store(&mut self, fact: Fact) {
        let same = |known: &Fact| {
            (&known.station, &known.transaction, &known.key) == (&fact.station, &fact.transaction, &fact.key)
        };
        match self.manner {
            Manner::AnswersBeforeCommit => self.waiting.push(fact),
            Manner::WithoutDedupe => self.committed.push(fact),
            Manner::Honest | Manner::FoldsByArrival | Manner::RefusesReadings => {
                if !self.committed.iter().any(same) {
                    self.committed.push(fact);
                }
            }
        }
    }

    fn is_killed_by(&mut self, phase: &str) -> bool {
        let counter = match phase {
            "started" => &mut self.starts,
            "ended" => &mut self.ends,
            _ => return false,
        };
        *counter += 1;
        let kill = *counter % KILL_EVERY == 0 && self.kills < KILLS;
        self.kills += usize::from(kill);
        kill
    }

    /// By station and transaction, in the order of their commits.
    fn transactions(&mut self) -> BTreeMap<(String, String), Vec<Fact>> {
        let waiting = std::mem::take(&mut self.waiting);
        self.committed.extend(waiting);
        let mut found: BTreeMap<_, Vec<Fact>> = BTreeMap::new();
        for fact in &self.committed {
            found.entry((fact.station.clone(), fact.transaction.clone())).or_default().push(fact.clone());
        }
        found
    }

    fn read(&mut self, path: &str) -> Option<(&'static str, Vec<Value>)> {
        let transactions = self.transactions();
        let parts: Vec<&str> = path.trim_start_matches("/api/v1/").split('/').collect();
        match parts.as_slice() {
            ["transactions"] => {
                let item = |((station, id), facts): (&(String, String), &Vec<Fact>)| {
                    let is_over = facts.iter().any(|fact| fact.phase == "ended");
                    let status = if is_over { "completed" } else { "active" };
                    json!({ "charging_station_id": station, "id": id, "status": status })
                };
                Some(("items", transactions.iter().map(item).collect()))
            }
            ["transactions", station, id] => {
                let facts = transactions.get(&((*station).to_owned(), (*id).to_owned()))?;
                Some(("facts", facts.iter().map(Fact::json).collect()))
            }
            ["cdrs"] => {
                let dedupes = self.manner != Manner::WithoutDedupe;
                let bills = transactions.iter().flat_map(|((station, id), facts)| {
                    let ends = facts.iter().filter(|fact| fact.phase == "ended").count();
                    let told = facts.iter().filter_map(|fact| Some((fact.at.as_str(), fact.register_wh?)));
                    let mut registers: Vec<(&str, i64)> = told.collect();
                    if self.manner != Manner::FoldsByArrival {
                        registers.sort_unstable();
                    }
                    let energy_wh = registers[registers.len() - 1].1 - registers[0].1;
                    let bill = json!({
                        "charging_station_id": station, "transaction_id": id, "energy_wh": energy_wh, "revision": 0,
                    });
                    vec![bill; if dedupes { ends.min(1) } else { ends }]
                });
                Some(("items", bills.collect()))
            }
            _ => None,
        }
    }
}

// === impl Fact ===

impl Fact {
    fn json(&self) -> Value {
        let sample = |value| json!({ "measurand": "energy_import_register", "value": value, "unit": "Wh" });
        let samples = self.register_wh.into_iter().map(sample);
        json!({
            "key": self.key,
            "phase": self.phase,
            "observed_at": self.at,
            "samples": samples.collect::<Vec<Value>>(),
        })
    }
}

fn fact(station: &str, transaction: &str, action: &str, payload: &Value) -> Fact {
    let sampled = &payload["meterValue"][0];
    // An event that tells a change of state carries no reading.
    let register = || {
        let samples = sampled["sampledValue"].as_array()?;
        let value = samples.iter().find(|sample| sample["measurand"] == "Energy.Active.Import.Register")?;
        let value = &value["value"];
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    };
    let at = |value: &Value| value["timestamp"].as_str().unwrap().to_owned();
    let (key, phase, at, register_wh) = match action {
        "StartTransaction" => ("a".into(), "started", at(payload), payload["meterStart"].as_i64()),
        "StopTransaction" => ("z".into(), "ended", at(payload), payload["meterStop"].as_i64()),
        "MeterValues" => (format!("m{}", at(sampled)), "updated", at(sampled), register()),
        _ => {
            let phase = match payload["eventType"].as_str().unwrap() {
                "Started" => "started",
                "Ended" => "ended",
                _ => "updated",
            };
            let key = format!("q{:010}", payload["seqNo"].as_u64().unwrap());
            (key, phase, at(payload), register())
        }
    };
    Fact { station: station.to_owned(), transaction: transaction.to_owned(), key, phase, at, register_wh }
}

#[expect(clippy::result_large_err, reason = "the signature is the library's")]
async fn talk(stream: TcpStream, shared: Shared) {
    let mut life = shared.life.subscribe();
    let mut station = String::new();
    let callback = |request: &Request, mut response: Response| {
        station = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let protocol = request.headers().get(SEC_WEBSOCKET_PROTOCOL).unwrap().clone();
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        Ok(response)
    };
    // A kill may come into the upgrade.
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, callback).await else { return };
    loop {
        let text = tokio::select! {
            _ = life.changed() => return,
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                _ => return,
            },
        };
        let frame: Value = serde_json::from_str(&text).unwrap();
        let reply = lock(&shared.state).take(&station, frame[2].as_str().unwrap(), &frame[3]);
        let answer = match reply {
            Reply::Result(payload) => json!([3, frame[1], payload]),
            Reply::Error => json!([4, frame[1], "InternalError", "busy", {}]),
            Reply::Killed => {
                shared.life.send_modify(|life| *life += 1);
                return;
            }
        };
        if socket.send(Message::text(answer.to_string())).await.is_err() {
            return;
        }
    }
}

async fn answer(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let mut header = String::new();
    while stream.read_line(&mut header).await.unwrap() > 2 {
        header.clear();
    }
    let target = line.split(' ').nth(1).unwrap();
    let (path, query) = target.split_once('?').unwrap();
    let cursor = query.split('&').find_map(|pair| pair.strip_prefix("cursor=")).unwrap_or("0");
    let cursor: usize = cursor.parse().unwrap();
    let found = lock(&state).read(path);
    let (status, body) = match found {
        Some((field, items)) => {
            let next = cursor + PAGE;
            let next_cursor = (next < items.len()).then(|| next.to_string());
            let page: Vec<Value> = items.into_iter().skip(cursor).take(PAGE).collect();
            ("200 OK", json!({ field: page, "next_cursor": next_cursor }))
        }
        None => ("404 Not Found", json!({})),
    };
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}
