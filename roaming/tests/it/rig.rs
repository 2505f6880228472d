//! A node's OCPI on a port of its own, and a partner's HTTP client that hides nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpServer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_domain::command::{CommandDesk, CommandOrder, CommandOutcome, CommandResult, DeskFuture};
use ringmain_domain::time::Timestamp;
use ringmain_roaming::config::Settings;
use ringmain_roaming::guard::Guard;
use ringmain_roaming::hub::{Hub, Parts};
use ringmain_roaming::ocpi::envelope::now;
use ringmain_roaming::partner::hash;
use ringmain_store::partners::{Invitation, PartnerRole};
use ringmain_store::store::{Store, StoreSettings};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::emsp::Partner;
use crate::make::tenant;

/// Where the partner was told that we are. Nothing listens there: what the answers name, the tests follow on the real port.
pub(crate) const BASE: &str = "https://cpo.example.com/ocpi";

/// A server with a store of its own; both end with the test's runtime.
pub(crate) struct Rig {
    pub(crate) store: Store,
    pub(crate) emsp: Partner,
    pub(crate) desk: Arc<Desk>,
    pub(crate) hub: Hub,
    pub(crate) leads: Arc<Leads>,
    address: std::net::SocketAddr,
    folder: TempDir,
}

/// Does this node lead? It is asked before every look.
pub(crate) struct Leads {
    is: AtomicBool,
    asked: AtomicUsize,
}

impl Leads {
    fn answer(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.is.load(Ordering::SeqCst)
    }

    /// From now on it does, or does not; what follows from that was done.
    pub(crate) async fn turn(&self, leads: bool) {
        self.is.store(leads, Ordering::SeqCst);
        let asked = self.asked.load(Ordering::SeqCst);
        // The next answer is the new one, and the one after that is asked for when it was acted upon.
        let acted = async {
            while self.asked.load(Ordering::SeqCst) < asked + 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), acted).await.unwrap();
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) http: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        let store = Store::open(&url, StoreSettings::default()).await.unwrap();
        ringmain_certs::provider::install();
        let emsp = Partner::start().await;
        let desk = Arc::new(Desk::default());
        let mut settings = Settings {
            guard: Guard::allowing(&["http://127.0.0.1"]).unwrap(),
            patience: Duration::from_secs(2),
            look_every: Duration::from_millis(20),
            pauses: (Duration::from_millis(100), Duration::from_secs(1)),
            object_pace: Duration::from_millis(20),
            overdue_every: Duration::from_millis(100),
            ..Settings::default()
        };
        change(&mut settings);
        let leads = Arc::new(Leads { is: AtomicBool::new(true), asked: AtomicUsize::new(0) });
        let leading = Arc::clone(&leads);
        let parts = Parts {
            store: store.clone(),
            tenant: tenant(),
            settings,
            desk: desk.clone(),
            leads: Arc::new(move || leading.answer()),
        };
        let hub = Hub::start(parts).unwrap();
        let routes = Arc::new(ringmain_roaming::hub::routes(hub.clone()));
        let app = move || {
            let routes = Arc::clone(&routes);
            App::new().configure(move |config| routes(config))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        Self { store, emsp, desk, hub, leads, address, folder }
    }

    /// Somebody else who writes to the store's file.
    pub(crate) fn other_writer(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("store.db")).unwrap()
    }

    /// Invites a partner with this token A, for a minute from `from`.
    pub(crate) async fn invite(&self, token_a: &str, from: Timestamp) -> Uuid {
        let invitation = Invitation {
            id: Uuid::new_v4(),
            tenant: tenant(),
            name: "Example".into(),
            ours: PartnerRole {
                country_code: "NL".into(),
                party_id: "RMN".into(),
                role: "CPO".into(),
                name: "Ringmain Test".into(),
            },
            versions_url: format!("{BASE}/versions").into(),
            token_hash: hash(token_a),
            expires_at: from.plus_secs(60),
            created_at: from,
        };
        assert!(self.store.insert_invitation(&invitation).await.unwrap());
        invitation.id
    }

    /// Registers a partner; its token C.
    pub(crate) async fn register(&self) -> String {
        self.register_with(&self.credentials()).await.1
    }

    /// Registers a partner with these credentials; its id and its token C.
    pub(crate) async fn register_with(&self, credentials: &Value) -> (Uuid, String) {
        let id = self.invite("token-a", now()).await;
        let answer = self.send("POST", "/ocpi/2.2.1/credentials", "token-a", Some(credentials)).await;
        assert_eq!(answer.status(), (200, 1000), "{answer:?}");
        (id, answer.data()["token"].as_str().unwrap().to_owned())
    }

    /// The partner's credentials with token B.
    pub(crate) fn credentials(&self) -> Value {
        self.emsp.credentials("token-b")
    }

    /// GET with a token, encoded as 2.2.1 wants it.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, token, None).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Answer {
        let header = format!("Authorization: Token {}", STANDARD.encode(token));
        let body = body.map(Value::to_string).unwrap_or_default();
        self.raw(method, path, &[&header], body.as_bytes()).await
    }

    /// Any request; headers as whole lines.
    pub(crate) async fn raw(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        Answer::read(std::str::from_utf8(&self.bytes(method, path, headers, body).await).unwrap())
    }

    /// Any request, and its answer as it came.
    pub(crate) async fn bytes(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }

    /// All objects of a list, page by page along `Link`; also the number of pages and the total that every page tells.
    pub(crate) async fn follow(&self, path: &str, token: &str) -> (Vec<Value>, usize, Option<String>) {
        let (mut objects, mut pages, mut path, mut total) = (Vec::new(), 0, path.to_owned(), None);
        loop {
            let answer = self.get(&path, token).await;
            assert_eq!(answer.status(), (200, 1000), "{path}: {answer:?}");
            objects.extend(answer.data().as_array().unwrap().iter().cloned());
            pages += 1;
            let told = answer.headers.get("x-total-count").cloned();
            assert!(pages == 1 || told == total, "{path}: {told:?} after {total:?}");
            total = told;
            let Some(link) = answer.headers.get("link") else { return (objects, pages, total) };
            let url = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
            path = format!("/ocpi{}", url.strip_prefix(BASE).unwrap());
        }
    }
}

/// A desk that notes orders, which all end well.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) orders: Mutex<Vec<CommandOrder>>,
}

impl CommandDesk for Desk {
    fn submit(&self, order: CommandOrder) -> DeskFuture {
        self.orders.lock().unwrap().push(order);
        Box::pin(async { CommandResult::bare(CommandOutcome::Accepted) })
    }
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (first, headers) = head.split_once("\r\n").unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        let http = first.split(' ').nth(1).unwrap().parse().unwrap();
        let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
        let answer = Self { http, headers: headers.lines().map(header).collect(), body };
        answer.check_envelope();
        answer
    }

    /// Every answer of ours has OCPI's frame.
    fn check_envelope(&self) {
        let timestamp = self.body["timestamp"].as_str().unwrap();
        assert!(timestamp.ends_with('Z') && timestamp.len() <= 25, "{timestamp}");
        assert!(self.body["status_code"].is_u64() && self.body["status_message"].is_string(), "{self:?}");
        assert_eq!(self.headers["content-type"], "application/json");
    }

    /// HTTP's word and OCPI's.
    pub(crate) fn status(&self) -> (u16, u64) {
        (self.http, self.body["status_code"].as_u64().unwrap())
    }

    pub(crate) fn data(&self) -> &Value {
        &self.body["data"]
    }

    pub(crate) fn message(&self) -> &str {
        self.body["status_message"].as_str().unwrap()
    }

    /// Names of the objects on a page.
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.data().as_array().unwrap().iter().map(|object| object["id"].as_str().unwrap()).collect()
    }
}
