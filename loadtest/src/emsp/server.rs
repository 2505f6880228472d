//! What a partner answers: versions and credentials to everybody with a token, its receiver's and sender's interfaces to the other side.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::client::{learn, new_token};
use super::hostile::{Mode, lower_cased};
use super::http::{Request, Response, Sent, serve};
use super::journal::Arrival;
use super::keep::{self, Refused};
use super::{Shared, millis, now, now_ms};

/// Modules whose objects are pushed here.
const RECEIVED: [&str; 4] = ["locations", "sessions", "cdrs", "tariffs"];
/// How many requests a caller may have under way; more wait to be accepted.
const BACKLOG: usize = 4_096;

/// What was done with a request.
struct Answer {
    http: u16,
    status: u16,
    message: &'static str,
    data: Option<Value>,
    headers: BTreeMap<String, String>,
    faults: Vec<String>,
}

/// Answers until it is stopped.
pub(super) async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(tokio::sync::Semaphore::new(BACKLOG));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let answer = |request| answer(Arc::clone(&shared), request);
            if let Err(error) = serve(stream, answer).await {
                tracing::debug!(%error, "a caller left");
            }
            drop(place);
        });
    }
}

async fn answer(shared: Arc<Shared>, request: Request) -> Sent {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["ocpi", "versions"] => Sent::Whole(configuration(&shared, &request, versions(&shared))),
        ["ocpi", version] if *version == shared.settings.version => {
            Sent::Whole(configuration(&shared, &request, details(&shared)))
        }
        ["ocpi", _, "credentials"] => Sent::Whole(credentials(&shared, &request).await.response(Mode::Good)),
        ["ocpi", _, "results", id] => functional(&shared, &request, "results", &[(*id).to_owned()]).await,
        ["ocpi", _, module, ..] => {
            functional(&shared, &request, module, segments.get(3..).unwrap_or_default()).await
        }
        _ => Sent::Whole(Answer::refused(404, 2000, "no such path").response(Mode::Good)),
    }
}

// === configuration ===

fn configuration(shared: &Shared, request: &Request, data: Value) -> Response {
    let state = shared.state();
    let shown = tokens(request);
    let known = [&state.token_a, &state.given];
    if known.into_iter().flatten().any(|token| shown.contains(token)) {
        Answer::done(Some(data)).response(Mode::Good)
    } else {
        Answer::refused(401, 2000, "no valid token").response(Mode::Good)
    }
}

fn versions(shared: &Shared) -> Value {
    let version = &shared.settings.version;
    json!([{"version": version, "url": format!("{}/{version}", shared.base)}])
}

fn details(shared: &Shared) -> Value {
    let version = &shared.settings.version;
    let url = |module: &str| format!("{}/{version}/{module}", shared.base);
    let mut endpoints = vec![("credentials", "SENDER"), ("tokens", "SENDER"), ("commands", "SENDER")];
    endpoints.extend(RECEIVED.map(|module| (module, "RECEIVER")));
    let endpoint = |(module, role): (&str, &str)| {
        if version == "2.1.1" {
            json!({"identifier": module, "url": url(module)})
        } else {
            json!({"identifier": module, "role": role, "url": url(module)})
        }
    };
    json!({"version": version, "endpoints": endpoints.into_iter().map(endpoint).collect::<Vec<_>>()})
}

async fn credentials(shared: &Shared, request: &Request) -> Answer {
    let shown = tokens(request);
    let (is_invited, is_registered) = {
        let state = shared.state();
        let shows = |token: &Option<String>| token.as_ref().is_some_and(|token| shown.contains(token));
        (shows(&state.token_a), shows(&state.given))
    };
    match (request.method.as_str(), is_invited, is_registered) {
        (_, false, false) => Answer::refused(401, 2000, "no valid token"),
        ("GET", ..) => Answer::done(shown.first().map(|token| shared.credentials(token))),
        ("POST", true, _) | ("PUT", _, true) => register(shared, request).await,
        ("DELETE", _, true) => {
            let mut state = shared.state();
            (state.peer, state.given) = (None, None);
            Answer::done(None)
        }
        _ => Answer::refused(405, 2000, "not now"),
    }
}

/// Their side is fetched before they are answered (credentials, registration).
async fn register(shared: &Shared, request: &Request) -> Answer {
    let Ok(theirs) = serde_json::from_str::<Value>(&request.body) else {
        return Answer::refused(400, 2001, "no JSON");
    };
    let faults = shared.judge.faults("credentials", &theirs);
    match learn(shared, &theirs).await {
        Err(error) => {
            tracing::info!(%error, "the other side cannot be used");
            Answer { faults, ..Answer::refused(200, 3001, "your side cannot be used") }
        }
        Ok(peer) => {
            let token = new_token();
            let mut state = shared.state();
            (state.peer, state.given, state.token_a) = (Some(peer), Some(token.clone()), None);
            Answer { faults, ..Answer::done(Some(shared.credentials(&token))) }
        }
    }
}

/// What the token in a header may mean: as it is, and out of base64.
fn tokens(request: &Request) -> Vec<String> {
    let value = request.headers.get("authorization").map(String::as_str).unwrap_or_default();
    let Some(token) = value.strip_prefix("Token ").map(str::trim) else { return Vec::new() };
    let decoded = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.map(|token| token.trim().to_owned()).into_iter().chain([token.to_owned()]).collect()
}

// === functional modules ===

async fn functional(shared: &Shared, request: &Request, module: &str, path: &[String]) -> Sent {
    let is_known = {
        let shown = tokens(request);
        shared.state().given.as_ref().is_some_and(|given| shown.contains(given))
    };
    let at_ms = now_ms();
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let (mode, refusal) = {
        let mut state = shared.state();
        let mode = state.mode;
        (mode, mode.refusal(request, &mut state.random))
    };
    let keeps_bodies = shared.settings.keeps_bodies;
    let mut arrival = Arrival {
        at_ms,
        method: request.method.clone(),
        module: module.to_owned(),
        object: object(module, path, &body),
        last_updated_ms: body.get("last_updated").and_then(Value::as_str).and_then(millis),
        status: None,
        is_acknowledged: false,
        faults: Vec::new(),
        headers: if keeps_bodies { request.headers.clone() } else { BTreeMap::new() },
        body: if keeps_bodies { body.clone() } else { Value::Null },
    };
    // A refusal is written down before it is sent; so is an answer, or its caller might see it earlier than a test.
    let sent = match refusal {
        Some(sent) => sent,
        None if !is_known => Sent::Whole(Answer::refused(401, 2000, "no valid token").response(mode)),
        None => {
            let body = if mode == Mode::LowerCased { lower_cased(body) } else { body };
            let answer = serve_module(shared, request, module, path, &body, mode);
            arrival.faults.clone_from(&answer.faults);
            let is_success = answer.status == 1000;
            let sent = mode.send(answer.response(mode)).await;
            arrival.is_acknowledged = is_success && mode != Mode::Garbage && matches!(sent, Sent::Whole(_));
            sent
        }
    };
    arrival.status = match &sent {
        Sent::Whole(response) | Sent::Cut(response) => Some(response.status),
        Sent::Never => None,
    };
    shared.state().journal.add(arrival);
    shared.news.notify_waiters();
    sent
}

/// What a request is about.
fn object(module: &str, path: &[String], body: &Value) -> String {
    let of_body = || body.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = if module == "cdrs" && path.is_empty() { of_body() } else { path.join("/") };
    name.to_ascii_lowercase()
}

fn serve_module(
    shared: &Shared,
    request: &Request,
    module: &str,
    path: &[String],
    body: &Value,
    mode: Mode,
) -> Answer {
    match (module, request.method.as_str(), path) {
        ("results", "POST", [id]) => {
            shared.state().results.insert(id.clone(), body.clone());
            Answer::done(None)
        }
        ("tokens", "GET", []) => list_tokens(shared, request, mode),
        ("tokens", "POST", [uid, word]) if word == "authorize" => authorize(shared, uid, body),
        ("cdrs", "POST", []) => take_cdr(shared, body),
        ("cdrs", "GET", [id]) => show(shared, module, std::slice::from_ref(id)),
        ("locations" | "sessions" | "tariffs", "PUT" | "PATCH", [_, _, _, ..]) => {
            take(shared, request, module, path, body)
        }
        ("locations" | "sessions" | "tariffs", "GET", [_, _, _, ..]) => show(shared, module, path),
        ("tariffs", "DELETE", [_, _, _]) => {
            let key = path.join("/").to_ascii_lowercase();
            let removed = shared.state().kept.entry(module.to_owned()).or_default().remove(&key);
            if removed.is_some() { Answer::done(None) } else { Answer::refused(404, 2000, "no such tariff") }
        }
        _ => Answer::refused(405, 2000, "no such method here"),
    }
}

fn take(shared: &Shared, request: &Request, module: &str, path: &[String], body: &Value) -> Answer {
    let is_patch = request.method == "PATCH";
    let done = {
        let mut state = shared.state();
        let kept = state.kept.entry(module.to_owned()).or_default();
        keep::put(kept, module, path, body, is_patch)
    };
    match done {
        Ok(done) => {
            let mut faults = shared.judge.faults(done.kind, &done.object);
            faults.extend(names(path, body));
            let http = if done.is_new { 201 } else { 200 };
            Answer { faults, http, ..Answer::done(None) }
        }
        Err(Refused::Unknown) => Answer::refused(404, 2003, "nothing to change"),
        Err(Refused::Invalid(message)) => {
            Answer { faults: vec![message.to_owned()], ..Answer::refused(200, 2001, message) }
        }
    }
}

/// The owner and the id in a whole object are those of its path.
fn names(path: &[String], body: &Value) -> Vec<String> {
    let fields = ["country_code", "party_id", "id"];
    let differs = |(field, part): (&str, &String)| {
        let said = body.get(field)?.as_str()?;
        (!said.eq_ignore_ascii_case(part))
            .then(|| format!("{field} is {said} in the body and {part} in the path"))
    };
    if path.len() > fields.len() {
        Vec::new()
    } else {
        fields.into_iter().zip(path).filter_map(differs).collect()
    }
}

fn take_cdr(shared: &Shared, body: &Value) -> Answer {
    let Some(id) = body.get("id").and_then(Value::as_str) else {
        return Answer::refused(200, 2001, "id is missing");
    };
    let faults = shared.judge.faults("cdr", body);
    let key = id.to_ascii_lowercase();
    let is_new =
        shared.state().kept.entry("cdrs".to_owned()).or_default().insert(key, body.clone()).is_none();
    let url = format!("{}/{}/cdrs/{}", shared.base, shared.settings.version, super::http::encode(id));
    let headers = BTreeMap::from([("Location".to_owned(), url)]);
    Answer { faults, headers, http: if is_new { 201 } else { 200 }, ..Answer::done(None) }
}

fn show(shared: &Shared, module: &str, path: &[String]) -> Answer {
    let (root, parts) = path.split_at(path.len().min(3));
    let key = root.join("/").to_ascii_lowercase();
    let found = shared.state().kept.get(module).and_then(|kept| kept.get(&key)).cloned();
    let lists = [("evses", "uid"), ("connectors", "id")];
    let found = parts.iter().zip(lists).fold(found, |whole, (id, (list, name))| {
        let is_it = |one: &&Value| {
            one.get(name).and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(id))
        };
        whole?.get(list)?.as_array()?.iter().find(is_it).cloned()
    });
    found.map_or_else(|| Answer::refused(404, 2003, "not known"), |found| Answer::done(Some(found)))
}

fn list_tokens(shared: &Shared, request: &Request, mode: Mode) -> Answer {
    let number = |name| request.query(name).and_then(|text| text.parse::<usize>().ok());
    let page_max = if mode == Mode::OneItemPages { 1 } else { shared.settings.page_max };
    let limit = number("limit").unwrap_or(page_max).clamp(1, page_max);
    let offset = number("offset").unwrap_or_default();
    let instant = |name| request.query(name).and_then(|text| millis(&text));
    let (from, to) = (instant("date_from"), instant("date_to"));
    let within = |token: &&Value| {
        let at = token.get("last_updated").and_then(Value::as_str).and_then(millis).unwrap_or_default();
        from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to)
    };
    let all: Vec<Value> = shared.state().tokens.iter().filter(within).cloned().collect();
    let total = all.len();
    let page: Vec<Value> = all.into_iter().skip(offset).take(limit).collect();
    let mut headers = BTreeMap::from([
        ("X-Total-Count".to_owned(), total.to_string()),
        ("X-Limit".to_owned(), page_max.to_string()),
    ]);
    let next = offset.saturating_add(page.len());
    if next < total && !page.is_empty() {
        let kept = request.query.split('&').filter(|pair| pair.starts_with("date_"));
        let query: Vec<_> = kept.map(str::to_owned).chain([format!("offset={next}&limit={limit}")]).collect();
        let url = format!("{}/{}/tokens?{}", shared.base, shared.settings.version, query.join("&"));
        headers.insert("Link".to_owned(), format!("<{url}>; rel=\"next\""));
    }
    Answer { headers, ..Answer::done(Some(Value::Array(page))) }
}

/// Unknown tokens are 404 and 2004; what is known is asked for, not judged by its own flag.
fn authorize(shared: &Shared, uid: &str, body: &Value) -> Answer {
    let state = shared.state();
    let is_it = |token: &&Value| {
        token.get("uid").and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(uid))
    };
    let Some(token) = state.tokens.iter().find(is_it) else {
        return Answer::refused(404, 2004, "unknown token");
    };
    let allowed = state.verdicts.get(&uid.to_ascii_lowercase()).map_or("ALLOWED", String::as_str);
    let mut info = json!({"allowed": allowed});
    if let Some(info) = info.as_object_mut() {
        if shared.settings.version != "2.1.1" {
            info.insert("token".to_owned(), token.clone());
            info.insert("authorization_reference".to_owned(), new_token().get(..8).into());
        }
        if allowed == "ALLOWED" && body.get("location_id").is_some() {
            info.insert("location".to_owned(), body.clone());
        }
    }
    Answer::done(Some(info))
}

// === impl Answer ===

impl Answer {
    fn done(data: Option<Value>) -> Self {
        Self {
            http: 200,
            status: 1000,
            message: "Success",
            data,
            headers: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    fn refused(http: u16, status: u16, message: &'static str) -> Self {
        Self { http, status, message, ..Self::done(None) }
    }

    fn response(self, mode: Mode) -> Response {
        let mut frame =
            json!({"status_code": self.status, "status_message": self.message, "timestamp": now()});
        if let (Some(frame), Some(data)) = (frame.as_object_mut(), self.data) {
            frame.insert("data".to_owned(), mode.data(data));
        }
        let mut headers = self.headers;
        headers.insert("Content-Type".to_owned(), "application/json".to_owned());
        Response { status: self.http, headers, body: frame.to_string() }
    }
}
