//! A partner of our own: an eMSP's HTTP server that takes whatever it is told, in the mood it is put into.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How it answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mood {
    Well,
    /// HTTP 429 with Retry-After in seconds.
    Busy(u32),
    /// No answer.
    Stalled,
    /// Not OCPI.
    Garbage,
    /// OCPI's refusal.
    Refusing(u16),
    /// It takes what it is told, and its answer is lost.
    Mute,
    /// HTTP's status and no body.
    Http(u16),
    /// HTTP's status, and what it was told within some JSON that is not OCPI.
    Echo(u16),
    /// Well, after so long.
    Late(Duration),
}

/// What it was told.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) headers: String,
    pub(crate) body: Value,
}

/// The partner.
#[derive(Clone)]
pub(crate) struct Partner {
    pub(crate) address: std::net::SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    mood: Mutex<Mood>,
    /// Its moods for what begins like this, method and path: each for one call, the last for all others.
    moods: Mutex<Vec<(String, VecDeque<Mood>)>>,
    /// The bill records it keeps.
    bills: Mutex<Vec<Value>>,
    /// What it says of its parties when it is asked for its credentials.
    roles: Mutex<Option<Value>>,
    versions: Mutex<Vec<&'static str>>,
    /// What it says to a token: the answer's data, after so long.
    authorize: Mutex<(Value, Duration)>,
    heard: Mutex<Vec<Heard>>,
    tokens: Mutex<VecDeque<Value>>,
    /// So many tokens on a page; all on one when absent.
    per_page: Mutex<Option<usize>>,
    /// What the tokens' pages begin with before it gives any more of them: HTTP's status, for an offset.
    stumbles: Mutex<VecDeque<(usize, &'static str)>>,
    news: Notify,
}

impl Partner {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Well),
            moods: Mutex::default(),
            bills: Mutex::default(),
            roles: Mutex::default(),
            versions: Mutex::new(vec!["2.2.1"]),
            authorize: Mutex::new((allowed(), Duration::ZERO)),
            heard: Mutex::default(),
            tokens: Mutex::default(),
            per_page: Mutex::default(),
            stumbles: Mutex::default(),
            news: Notify::new(),
        });
        let partner = Self { address, shared };
        let serving = partner.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let partner = serving.clone();
                tokio::spawn(async move { partner.serve(stream).await });
            }
        });
        partner
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    pub(crate) fn be_for(&self, call: &str, moods: &[Mood]) {
        let mut all = self.shared.moods.lock().unwrap();
        all.retain(|(other, _)| other != call);
        all.push((call.to_owned(), moods.iter().cloned().collect()));
    }

    fn mood_for(&self, heard: &Heard) -> Mood {
        let call = format!("{} {}", heard.method, heard.path);
        let mut all = self.shared.moods.lock().unwrap();
        let own = all.iter_mut().find(|(start, _)| call.starts_with(start));
        let own = own
            .and_then(|(_, moods)| if moods.len() > 1 { moods.pop_front() } else { moods.front().cloned() });
        own.unwrap_or_else(|| self.shared.mood.lock().unwrap().clone())
    }

    /// How often it heard such a call: method and the beginning of the path.
    pub(crate) fn count(&self, call: &str) -> usize {
        let is_it = |heard: &&Heard| format!("{} {}", heard.method, heard.path).starts_with(call);
        self.heard().iter().filter(is_it).count()
    }

    pub(crate) fn say(&self, answer: Value, after: Duration) {
        *self.shared.authorize.lock().unwrap() = (answer, after);
    }

    /// It acts for these parties from now on.
    pub(crate) fn acts_for(&self, roles: Value) {
        *self.shared.roles.lock().unwrap() = Some(roles);
    }

    pub(crate) fn has_token(&self, token: Value) {
        self.shared.tokens.lock().unwrap().push_back(token);
    }

    /// It gives tokens in pages of so many, and answers the page at an offset this way first.
    pub(crate) fn pages(&self, per_page: usize, stumbles: &[(usize, &'static str)]) {
        *self.shared.per_page.lock().unwrap() = Some(per_page);
        *self.shared.stumbles.lock().unwrap() = stumbles.iter().copied().collect();
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// The first that was heard of which this holds; within ten seconds.
    pub(crate) async fn hears(&self, is_it: impl Fn(&Heard) -> bool) -> Heard {
        let waiting = async {
            loop {
                let news = self.shared.news.notified();
                if let Some(heard) = self.heard().into_iter().find(|heard| is_it(heard)) {
                    return heard;
                }
                news.await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        found.unwrap_or_else(|_| panic!("not heard within 10 s: {:#?}", self.heard()))
    }

    /// It speaks these versions from now on.
    pub(crate) fn speaks(&self, versions: &[&'static str]) {
        *self.shared.versions.lock().unwrap() = versions.to_vec();
    }

    /// Its credentials with token B, in the words of a version.
    pub(crate) fn credentials_in(&self, version: &str, token_b: &str) -> Value {
        if version == "2.1.1" {
            return json!({
                "token": token_b, "url": self.url("/ocpi/versions"), "party_id": "abc", "country_code": "de",
                "business_details": {"name": "Example Provider"},
            });
        }
        self.credentials(token_b)
    }

    /// Its credentials with token B.
    pub(crate) fn credentials(&self, token_b: &str) -> Value {
        json!({
            "token": token_b,
            "url": self.url("/ocpi/versions"),
            "roles": [{
                "role": "EMSP", "party_id": "abc", "country_code": "de",
                "business_details": {"name": "Example Provider", "website": "https://emsp.example.com"},
            }],
        })
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            let Some((heard, rest)) = read(&mut stream, buffer).await else { return };
            buffer = rest;
            let answer = self.answer(&heard).await;
            self.shared.heard.lock().unwrap().push(heard);
            self.shared.news.notify_waiters();
            let Some(answer) = answer else {
                std::future::pending::<()>().await;
                return;
            };
            if answer.is_empty() || stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, heard: &Heard) -> Option<String> {
        let path = heard.path.split('?').next().unwrap();
        if let Some(told) = self.about_itself(path) {
            return Some(told);
        }
        let mood = self.mood_for(heard);
        if matches!(mood, Mood::Well | Mood::Mute | Mood::Stalled | Mood::Http(201)) && path == "/emsp/cdrs" {
            self.shared.bills.lock().unwrap().push(heard.body.clone());
        }
        match mood {
            Mood::Stalled => None,
            Mood::Mute => Some(String::new()),
            Mood::Http(status) => Some(bare(&format!("{status} X"))),
            Mood::Garbage => Some("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"da<".to_owned()),
            Mood::Busy(after) => Some(bare(&format!("429 Too Many\r\nRetry-After: {after}"))),
            Mood::Refusing(code) => {
                let body =
                    json!({"status_code": code, "status_message": "no", "timestamp": "2026-03-01T08:00:00Z"})
                        .to_string();
                Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
            }
            Mood::Echo(status) => {
                let body = json!({"detail": [{"msg": "field required", "input": heard.body}]}).to_string();
                Some(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
            }
            Mood::Late(after) => {
                tokio::time::sleep(after).await;
                Some(self.well(path, heard).await)
            }
            Mood::Well => Some(self.well(path, heard).await),
        }
    }

    /// What it says whatever its mood.
    fn about_itself(&self, path: &str) -> Option<String> {
        let versions = self.shared.versions.lock().unwrap().clone();
        let version = path.strip_prefix("/ocpi/")?;
        if version == "versions" {
            let entry =
                |version: &&str| json!({"version": version, "url": self.url(&format!("/ocpi/{version}"))});
            return Some(frame("200 OK", "", versions.iter().map(entry).collect()));
        }
        if !versions.contains(&version) {
            return None;
        }
        let side = |module: &str, role: &str| {
            let url = self.url(&format!("/emsp/{module}"));
            match version {
                "2.1.1" => json!({"identifier": module, "url": url}),
                _ => json!({"identifier": module, "role": role, "url": url}),
            }
        };
        let receives = ["locations", "tariffs", "sessions", "cdrs"].map(|m| side(m, "RECEIVER"));
        let sends = ["tokens", "commands", "credentials"].map(|m| side(m, "SENDER"));
        let endpoints: Vec<_> = receives.into_iter().chain(sends).collect();
        Some(frame("200 OK", "", json!({"version": version, "endpoints": endpoints})))
    }

    async fn well(&self, path: &str, heard: &Heard) -> String {
        if path == "/emsp/credentials" {
            let number = self.heard().iter().filter(|heard| heard.path == path).count();
            let token = format!("their-c{number}");
            if heard.body.get("roles").is_none() {
                return frame("200 OK", "", self.credentials_in("2.1.1", &token));
            }
            let mut credentials = self.credentials(&token);
            if let Some(roles) = self.shared.roles.lock().unwrap().clone() {
                credentials["roles"] = roles;
            }
            return frame("200 OK", "", credentials);
        }
        if path.ends_with("/authorize") {
            let (answer, after) = self.shared.authorize.lock().unwrap().clone();
            tokio::time::sleep(after).await;
            return frame("200 OK", "", answer);
        }
        if path == "/emsp/tokens" {
            return self.tokens(heard);
        }
        if let Some(id) = path.strip_prefix("/emsp/cdrs/") {
            let kept = self.shared.bills.lock().unwrap().iter().find(|bill| bill["id"] == *id).cloned();
            return kept.map_or_else(|| bare("404 X"), |bill| frame("200 OK", "", bill));
        }
        let id = heard.body["id"].as_str().unwrap_or_default();
        let kept = format!("Location: {}\r\n", self.url(&format!("/emsp/cdrs/{id}")));
        frame("201 Created", if path == "/emsp/cdrs" { &kept } else { "" }, Value::Null)
    }

    /// A page of its tokens.
    fn tokens(&self, heard: &Heard) -> String {
        let tokens: Vec<_> = self.shared.tokens.lock().unwrap().iter().cloned().collect();
        let offset = heard
            .path
            .split_once("offset=")
            .map_or(0, |(_, rest)| rest.split('&').next().unwrap().parse().unwrap());
        let mut stumbles = self.shared.stumbles.lock().unwrap();
        if stumbles.front().is_some_and(|(at, _)| *at == offset) {
            return bare(stumbles.pop_front().unwrap().1);
        }
        let per_page = *self.shared.per_page.lock().unwrap();
        let end = per_page.map_or(tokens.len(), |size| tokens.len().min(offset + size));
        // Behind its front it has another name, and no idea of https.
        let link = format!(
            "Link: <http://inside.example.internal:1/emsp/tokens?offset={end}&cursor={}>; rel=\"next\"\r\n",
            "x".repeat(400)
        );
        let more = if end < tokens.len() { &*link } else { "" };
        frame("200 OK", more, Value::Array(tokens[offset..end].to_vec()))
    }
}

/// What it says of any driver at first; of which one is not looked at.
fn allowed() -> Value {
    let token = json!({
        "country_code": "DE", "party_id": "ABC", "uid": "D1", "type": "RFID", "contract_id": "DE8ABC1",
        "issuer": "Example", "valid": true, "whitelist": "NEVER", "last_updated": "2026-03-01T08:00:00Z",
    });
    json!({"allowed": "ALLOWED", "token": token})
}

/// An answer with data.
fn frame(http: &str, extra: &str, data: Value) -> String {
    let body = json!({"data": data, "status_code": 1000, "timestamp": "2026-03-01T08:00:00Z"}).to_string();
    format!(
        "HTTP/1.1 {http}\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An answer without a body.
fn bare(http: &str) -> String {
    format!("HTTP/1.1 {http}\r\nContent-Length: 0\r\n\r\n")
}

async fn read(stream: &mut TcpStream, mut buffer: Vec<u8>) -> Option<(Heard, Vec<u8>)> {
    let mut part = [0; 8192];
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let header = |name: &str| {
                head.lines().find_map(|line| {
                    let (own, value) = line.split_once(':')?;
                    own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
                })
            };
            let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let body = serde_json::from_slice(&buffer[end + 4..end + 4 + length]).unwrap_or(Value::Null);
                let mut first = head.split(' ');
                let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
                let token = header("authorization").unwrap_or_default();
                let heard = Heard { method, path, token, headers: head.to_ascii_lowercase(), body };
                return Some((heard, buffer.split_off(end + 4 + length)));
            }
        }
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => buffer.extend_from_slice(&part[..count]),
        }
    }
}
