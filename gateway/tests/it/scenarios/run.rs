//! One scenario, step by step: stations on their sockets, the operator on the API.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::file::{Expectation, Given, Scenario, Step, Text, known_protocol};
use super::pattern::{self, Kept, Members};
use crate::rig::api::Api;
use crate::rig::node::{Addresses, Node};
use crate::rig::station::{Incoming, Station};
use crate::rig::{eventually, within};

/// The node of a run.
pub(super) enum House {
    Shared(Rc<Node>),
    Own(Box<Node>),
}

/// A scenario on its way.
pub(super) struct Run {
    house: House,
    protocol: Option<&'static str>,
    /// Stands before every identity, so that runs on one node do not meet.
    prefix: String,
    line: Rc<Cell<usize>>,
    registered: BTreeSet<String>,
    sockets: BTreeMap<String, Station>,
    current: String,
    /// The id of the frame sent last, for a cut that waits for its answer.
    last_sent: Value,
    kept: Kept,
    orders: VecDeque<JoinHandle<Value>>,
}

// === impl House ===

impl House {
    fn node(&self) -> &Node {
        match self {
            Self::Shared(node) => node,
            Self::Own(node) => node,
        }
    }

    fn own(&mut self) -> &mut Node {
        match self {
            Self::Shared(_) => panic!("a shared node is not killed"),
            Self::Own(node) => node,
        }
    }
}

// === impl Run ===

impl Run {
    pub(super) fn new(house: House, number: usize, protocol: Option<&'static str>) -> Self {
        Self {
            house,
            protocol,
            prefix: format!("R{number}"),
            line: Rc::new(Cell::new(0)),
            registered: BTreeSet::new(),
            sockets: BTreeMap::new(),
            current: String::new(),
            last_sent: Value::Null,
            kept: Kept::new(),
            orders: VecDeque::new(),
        }
    }

    /// Where it is, also after a panic.
    pub(super) fn line(&self) -> Rc<Cell<usize>> {
        Rc::clone(&self.line)
    }

    pub(super) async fn through(mut self, scenario: Rc<Scenario>) {
        for (line, step) in &scenario.steps {
            self.line.set(*line);
            Box::pin(self.step(step)).await;
        }
        assert!(self.orders.is_empty(), "an order whose outcome nobody expects");
        if let House::Own(mut node) = self.house {
            node.stop().await;
        }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Given { kind, id, body } => self.furnish(kind, id, body).await,
            Step::Connect { id, protocol, socket, boots } => {
                self.connect(id, protocol, socket, *boots).await;
            }
            Step::On(socket) => {
                assert!(self.sockets.contains_key(socket), "no socket {socket}");
                self.current.clone_from(socket);
            }
            Step::Close(socket) => self.sockets.remove(socket).unwrap().close().await,
            Step::CutBeforeAnswer => {
                let frame = self.station().frame().await;
                assert_eq!(frame[1], self.last_sent, "another frame than the answer: {frame}");
                self.cut();
            }
            Step::CutAtOnce => self.cut(),
            Step::Kill | Step::Restart => {
                let node = self.house.own();
                if matches!(step, Step::Kill) {
                    node.kill9()
                } else {
                    node.stop().await
                }
                node.restart().await;
                self.sockets.clear();
            }
            Step::Send(text) => self.send(text).await,
            Step::Hear(wanted) => {
                let frame = self.station().frame().await;
                pattern::check(wanted, &frame, Members::Exactly, &mut self.kept)
                    .unwrap_or_else(|why| panic!("{why}"));
            }
            Step::Command { id, body, deadline_s } => {
                let (api, id, body) = (self.api(), self.identity(id), pattern::fill(body, &self.kept));
                let deadline_s = *deadline_s;
                self.order(async move { api.command_within(&id, &body, deadline_s).await });
            }
            Step::Ocpp { id, action, payload } => {
                let (api, id, action) = (self.api(), self.identity(id), action.clone());
                let payload = pattern::fill(payload, &self.kept);
                self.order(async move { api.raw(&id, &action, &payload).await });
            }
            Step::Expect(expectation) => self.expect(expectation).await,
        }
    }

    async fn furnish(&mut self, kind: &Given, id: &str, body: &Value) {
        match kind {
            Given::Station => {
                let identity = self.identity(id);
                self.api().register_with(&identity, body.clone()).await;
                self.registered.insert(identity);
            }
            Given::Token => self.api().put_token(id, body.clone()).await,
            Given::Group => self.put(&format!("/token-groups/{id}"), body).await,
            Given::Tariff => self.api().put_tariff(id, body.clone()).await,
            Given::Location => {
                let mut whole = json!({
                    "name": id, "address": "Street 1", "city": "Utrecht", "country": "NLD",
                    "latitude": "52.09", "longitude": "5.12", "time_zone": "Europe/Amsterdam",
                });
                whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
                self.put(&format!("/locations/{id}"), &whole).await;
            }
            Given::Access => self.put(&format!("/locations/{id}/access"), body).await,
        }
    }

    async fn put(&self, path: &str, body: &Value) {
        self.api().change("PUT", path, body).await;
    }

    /// A station nobody described is registered; at its first connection it boots, unless the file wants to see that.
    async fn connect(&mut self, id: &str, protocol: &str, socket: &str, boots: bool) {
        let protocol = match protocol {
            "$protocol" => self.protocol.unwrap(),
            named => known_protocol(named),
        };
        let identity = self.identity(id);
        if self.registered.insert(identity.clone()) {
            self.api().register(&identity).await;
        }
        let mut station = Station::connect(&self.addresses(), &identity, protocol).await;
        if boots && self.api().station(&identity).await["booted_at"] == Value::Null {
            station.boot().await;
        }
        self.sockets.insert(socket.to_owned(), station);
        socket.clone_into(&mut self.current);
    }

    async fn send(&mut self, text: &Text) {
        let text = match text {
            Text::Filled(frame) => {
                let frame = pattern::fill(frame, &self.kept);
                self.last_sent = frame.get(1).cloned().unwrap_or_default();
                frame.to_string()
            }
            Text::Raw(text) => text.clone(),
        };
        self.station().send(&text).await;
    }

    /// Drops the line without a word.
    fn cut(&mut self) {
        self.sockets.remove(&self.current).unwrap();
    }

    fn order(&mut self, order: impl Future<Output = Value> + 'static) {
        self.orders.push_back(tokio::task::spawn_local(order));
    }

    async fn expect(&mut self, expectation: &Expectation) {
        match expectation {
            Expectation::Outcome { word, body } => {
                let order = self.orders.pop_front().expect("an order to have an outcome");
                let ended = within("the outcome of an order", order).await.unwrap();
                let wanted = json!({"outcome": word, "response": body});
                let wanted = if body == &json!({}) { json!({"outcome": word}) } else { wanted };
                pattern::check(&wanted, &ended, Members::AtLeast, &mut self.kept)
                    .unwrap_or_else(|why| panic!("{why} in {ended}"));
            }
            Expectation::Closed(code) => match self.station().next().await {
                Incoming::Closed(found) => assert_eq!(found, Some(*code)),
                Incoming::Frame(frame) => panic!("a frame instead of a close: {frame}"),
            },
            Expectation::Transactions { .. }
            | Expectation::Count { .. }
            | Expectation::One { .. }
            | Expectation::Station { .. }
            | Expectation::Message { .. }
            | Expectation::Unreadable { .. }
            | Expectation::Fact { .. } => {
                let mut last = String::new();
                let holds = eventually!(format!("{expectation:?}: {last}"), {
                    match self.holds(expectation).await {
                        Ok(kept) => Some(kept),
                        Err(why) => {
                            last = why;
                            None
                        }
                    }
                });
                self.kept = holds;
            }
        }
    }

    /// Does the API say so now? What was kept on the way counts only then.
    async fn holds(&self, expectation: &Expectation) -> Result<Kept, String> {
        let (api, mut kept) = (self.api(), self.kept.clone());
        match expectation {
            Expectation::Transactions { id, list } => {
                let found = api.transactions(&self.identity(id)).await;
                // A transaction's id is text in the API and a number on the wire of 1.6.
                let found: Vec<Value> = found.iter().map(|transaction| transaction["id"].clone()).collect();
                let wanted = pattern::fill(list, &kept);
                let as_text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let wanted: Vec<Value> =
                    wanted.as_array().unwrap().iter().map(|id| json!(as_text(id))).collect();
                if found == wanted { Ok(kept) } else { Err(format!("{found:?} instead of {wanted:?}")) }
            }
            Expectation::Count { noun, id, count } => {
                let found = self.all(noun, id).await.len();
                if found == *count { Ok(kept) } else { Err(format!("{found} of them")) }
            }
            Expectation::One { noun, id, transaction, body } => {
                let transaction = self.transaction(transaction);
                let of_it = |item: &Value| item["transaction_id"] == transaction.as_str();
                let found: Vec<Value> = self.all(noun, id).await.into_iter().filter(of_it).collect();
                let [one] = found.as_slice() else { return Err(format!("{} of them", found.len())) };
                pattern::check(body, one, Members::AtLeast, &mut kept).map(|()| kept)
            }
            Expectation::Station { id, body } => {
                let found = api.station(&self.identity(id)).await;
                pattern::check(body, &found, Members::AtLeast, &mut kept).map(|()| kept)
            }
            Expectation::Message { id, body } => one_of(&api.messages(&self.identity(id)).await, body, &kept),
            Expectation::Unreadable { id, body } => {
                let mut found = api.list("/strays/unreadable?limit=1000").await;
                found.retain(|message| message["charging_station_id"] == *self.identity(id));
                one_of(&found, body, &kept)
            }
            Expectation::Fact { id, transaction, body } => {
                one_of(&api.facts(&self.identity(id), &self.transaction(transaction)).await, body, &kept)
            }
            Expectation::Outcome { .. } | Expectation::Closed(_) => unreachable!("not asked of the API"),
        }
    }

    async fn all(&self, noun: &str, id: &str) -> Vec<Value> {
        let identity = self.identity(id);
        match noun {
            "session" | "sessions" => self.api().sessions(&identity).await,
            "cdr" | "cdrs" => self.api().cdrs(&identity).await,
            other => panic!("no such noun: {other}"),
        }
    }

    /// A transaction by its id, or by the name it was kept under.
    fn transaction(&self, named: &str) -> String {
        let Some(name) = named.strip_prefix('$') else { return named.to_owned() };
        let kept = &self.kept[name];
        kept.as_str().map_or_else(|| kept.to_string(), str::to_owned)
    }

    fn station(&mut self) -> &mut Station {
        self.sockets.get_mut(&self.current).expect("a connected station")
    }

    fn identity(&self, id: &str) -> String {
        format!("{}-{id}", self.prefix)
    }

    fn addresses(&self) -> Addresses {
        self.house.node().addresses.clone()
    }

    fn api(&self) -> Api {
        self.house.node().api()
    }
}

/// What is kept when one of these has at least the wanted members.
fn one_of(found: &[Value], wanted: &Value, kept: &Kept) -> Result<Kept, String> {
    let fits = |one: &Value| {
        let mut kept = kept.clone();
        pattern::check(wanted, one, Members::AtLeast, &mut kept).ok().map(|()| kept)
    };
    found.iter().find_map(fits).ok_or_else(|| format!("none of {}", found.len()))
}
