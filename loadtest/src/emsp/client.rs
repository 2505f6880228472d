//! What a partner asks: the handshake in its role as client, lists page by page, tokens, commands.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::http::{Headers, Response, call, encode};
use super::{Emsp, Endpoint, Peer, Shared, keep};

/// A list with more pages than that has no end.
const PAGES_MAX: usize = 1_000_000;

/// A list that was pulled.
#[derive(Debug, Clone, Default)]
pub struct Pulled {
    /// All items, in their order.
    pub items: Vec<Value>,
    /// In how many pages.
    pub pages: usize,
    /// How long each took.
    pub took: Vec<Duration>,
    /// `X-Total-Count` of the first page.
    pub total: Option<usize>,
    /// What the schemas say against items.
    pub faults: Vec<String>,
}

/// A command that was sent.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// Under which id its result comes: [`Emsp::result`].
    pub id: String,
    /// HTTP's status.
    pub http: u16,
    /// The whole answer.
    pub answer: Value,
}

// === impl Emsp ===

impl Emsp {
    /// Registers at somebody who invited us.
    ///
    /// # Errors
    /// The handshake does not go as the specification says.
    pub async fn register(&self, versions_url: &str, token_a: &str) -> anyhow::Result<()> {
        let version = &self.shared.settings.version;
        let endpoints = endpoints(&self.shared, versions_url, token_a).await?;
        let url = url_of(&endpoints, "credentials", None)?;
        // Valid at once: the other side looks at ours before it answers.
        let given = new_token();
        let before = self.shared.state().given.replace(given.clone());
        let answer = self.shared.ask("POST", &url, token_a, None, &self.shared.credentials(&given)).await;
        let theirs = match answer.and_then(|(_, answer)| data(&answer)) {
            Ok(theirs) => theirs,
            Err(error) => {
                self.shared.state().given = before;
                return Err(error.context(format!("register in {version}")));
            }
        };
        self.settle(&theirs, endpoints)
    }

    /// Gives and takes new tokens.
    ///
    /// # Errors
    /// There is no connection, or the other side does not take them.
    pub async fn rotate(&self) -> anyhow::Result<()> {
        let peer = self.shared.peer()?;
        let url = url_of(&peer.endpoints, "credentials", None)?;
        let given = new_token();
        let before = self.shared.state().given.replace(given.clone());
        let body = self.shared.credentials(&given);
        match self
            .shared
            .ask("PUT", &url, &peer.token, None, &body)
            .await
            .and_then(|(_, answer)| data(&answer))
        {
            Ok(theirs) => self.settle(&theirs, peer.endpoints),
            Err(error) => {
                self.shared.state().given = before;
                Err(error)
            }
        }
    }

    /// Ends the connection.
    ///
    /// # Errors
    /// There is none, or the other side does not end it.
    pub async fn unregister(&self) -> anyhow::Result<()> {
        let peer = self.shared.peer()?;
        let url = url_of(&peer.endpoints, "credentials", None)?;
        let (_, answer) = self.shared.ask("DELETE", &url, &peer.token, None, &Value::Null).await?;
        success(&answer)?;
        let mut state = self.shared.state();
        (state.peer, state.given) = (None, None);
        Ok(())
    }

    fn settle(&self, theirs: &Value, endpoints: Vec<Endpoint>) -> anyhow::Result<()> {
        let faults = self.shared.judge.faults("credentials", theirs);
        if !faults.is_empty() {
            bail!("their credentials: {faults:?}");
        }
        let peer = peer(theirs, endpoints)?;
        self.shared.state().peer = Some(peer);
        Ok(())
    }

    /// Pulls a list to its end, following nothing but `Link`. `query` may hold filters: `date_from=…&limit=…`.
    ///
    /// # Errors
    /// An answer is not what it should be.
    pub async fn pull(&self, module: &str, query: &str) -> anyhow::Result<Pulled> {
        let peer = self.shared.peer()?;
        let mut url = url_of(&peer.endpoints, module, Some("SENDER"))?;
        if !query.is_empty() {
            url = format!("{url}?{query}");
        }
        let mut pulled = Pulled::default();
        let kind = keep::kind(module);
        for _ in 0..PAGES_MAX {
            let begun = Instant::now();
            let (response, answer) =
                self.shared.ask("GET", &url, &peer.token, Some(&peer.party), &Value::Null).await?;
            pulled.took.push(begun.elapsed());
            pulled.pages += 1;
            let page = data(&answer)?;
            let items = page.as_array().with_context(|| format!("{url}: data is no list"))?;
            for item in items {
                pulled.faults.extend(self.shared.judge.faults(kind, item));
            }
            pulled.items.extend(items.iter().cloned());
            if pulled.total.is_none() {
                pulled.total = response.headers.get("x-total-count").and_then(|count| count.parse().ok());
            }
            match response.headers.get("link").and_then(|link| next(link)) {
                Some(link) => url = link,
                None => return Ok(pulled),
            }
        }
        bail!("{module}: the list has no end")
    }

    /// Gets one object below a module.
    ///
    /// # Errors
    /// There is no answer, or no JSON.
    pub async fn get(&self, module: &str, path: &[&str]) -> anyhow::Result<(u16, Value)> {
        self.send("GET", module, "SENDER", path, "", &Value::Null).await
    }

    /// Pushes a whole token.
    ///
    /// # Errors
    /// There is no answer, or no JSON.
    pub async fn put_token(&self, token: &Value) -> anyhow::Result<(u16, Value)> {
        self.token("PUT", token, token).await
    }

    /// Pushes a part of a token.
    ///
    /// # Errors
    /// There is no answer, or no JSON.
    pub async fn patch_token(&self, token: &Value, part: &Value) -> anyhow::Result<(u16, Value)> {
        self.token("PATCH", token, part).await
    }

    async fn token(&self, method: &str, token: &Value, body: &Value) -> anyhow::Result<(u16, Value)> {
        let text = |name: &str| token.get(name).and_then(Value::as_str).unwrap_or_default();
        let settings = &self.shared.settings;
        let path = [settings.country_code.as_str(), settings.party_id.as_str(), text("uid")];
        let query = format!("type={}", encode(text("type")));
        self.send(method, "tokens", "RECEIVER", &path, &query, body).await
    }

    /// Sends a command; its address for the result is added.
    ///
    /// # Errors
    /// There is no answer, or no JSON.
    pub async fn command(&self, name: &str, mut body: Value) -> anyhow::Result<Ordered> {
        let id = Uuid::new_v4().to_string();
        let url = format!("{}/{}/results/{id}", self.shared.base, self.shared.settings.version);
        if let Some(body) = body.as_object_mut() {
            body.insert("response_url".to_owned(), url.into());
        }
        let (http, answer) = self.send("POST", "commands", "RECEIVER", &[name], "", &body).await?;
        Ok(Ordered { id, http, answer })
    }

    /// The result of a command; `None`: it has not come within the time.
    pub async fn result(&self, id: &str, within: Duration) -> Option<Value> {
        self.until(within, || self.shared.state().results.get(id).cloned()).await
    }

    /// Any request to a module of the other side.
    ///
    /// # Errors
    /// There is no connection, no answer, or no JSON in it.
    pub async fn send(
        &self,
        method: &str,
        module: &str,
        role: &str,
        path: &[&str],
        query: &str,
        body: &Value,
    ) -> anyhow::Result<(u16, Value)> {
        let peer = self.shared.peer()?;
        let mut url = url_of(&peer.endpoints, module, Some(role))?.trim_end_matches('/').to_owned();
        for part in path {
            url = format!("{url}/{}", encode(part));
        }
        if !query.is_empty() {
            url = format!("{url}?{query}");
        }
        let (response, answer) = self.shared.ask(method, &url, &peer.token, Some(&peer.party), body).await?;
        Ok((response.status, answer))
    }
}

// === impl Shared ===

impl Shared {
    fn peer(&self) -> anyhow::Result<Peer> {
        self.state().peer.clone().context("there is no connection")
    }

    /// Asks; `to` only where a module is routed.
    async fn ask(
        &self,
        method: &str,
        url: &str,
        token: &str,
        to: Option<&(String, String)>,
        body: &Value,
    ) -> anyhow::Result<(Response, Value)> {
        let shown = if self.settings.base64_token { STANDARD.encode(token) } else { token.to_owned() };
        let mut headers: Headers = BTreeMap::from([
            ("Authorization".to_owned(), format!("Token {shown}")),
            ("X-Request-ID".to_owned(), Uuid::new_v4().to_string()),
            ("X-Correlation-ID".to_owned(), Uuid::new_v4().to_string()),
        ]);
        if let Some((country_code, party_id)) = to.filter(|_| self.settings.version != "2.1.1") {
            let own = &self.settings;
            for (name, value) in [
                ("OCPI-from-country-code", &own.country_code),
                ("OCPI-from-party-id", &own.party_id),
                ("OCPI-to-country-code", country_code),
                ("OCPI-to-party-id", party_id),
            ] {
                headers.insert(name.to_owned(), value.clone());
            }
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = call(method, url, &headers, &body).await?;
        let answer = serde_json::from_str(&response.body)
            .with_context(|| format!("{method} {url}: HTTP {} without JSON", response.status))?;
        Ok((response, answer))
    }
}

// === the other side ===

/// Looks at whoever sent these credentials, with their token.
pub(super) async fn learn(shared: &Shared, theirs: &Value) -> anyhow::Result<Peer> {
    let text = |name: &str| theirs.get(name).and_then(Value::as_str).with_context(|| format!("no {name}"));
    let endpoints = endpoints(shared, text("url")?, text("token")?).await?;
    peer(theirs, endpoints)
}

fn peer(theirs: &Value, endpoints: Vec<Endpoint>) -> anyhow::Result<Peer> {
    // 2.1.1 says its party at the top, later versions one for each role.
    let party = theirs.pointer("/roles/0").unwrap_or(theirs);
    let text = |from: &Value, name: &str| from.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Peer {
        token: text(theirs, "token").context("no token")?,
        party: (
            text(party, "country_code").context("no country_code")?,
            text(party, "party_id").context("no party_id")?,
        ),
        endpoints,
    })
}

async fn endpoints(shared: &Shared, versions_url: &str, token: &str) -> anyhow::Result<Vec<Endpoint>> {
    let version = shared.settings.version.as_str();
    let (_, answer) = shared.ask("GET", versions_url, token, None, &Value::Null).await?;
    let list = data(&answer)?;
    let is_it = |one: &&Value| one.get("version").and_then(Value::as_str) == Some(version);
    let found = list.as_array().and_then(|list| list.iter().find(is_it)).and_then(|one| one.get("url"));
    let url =
        found.and_then(Value::as_str).with_context(|| format!("{versions_url}: no version {version}"))?;
    let (_, answer) = shared.ask("GET", url, token, None, &Value::Null).await?;
    let details = data(&answer)?;
    let faults = shared.judge.faults("version-details", &details);
    if !faults.is_empty() {
        bail!("{url}: {faults:?}");
    }
    let list =
        details.get("endpoints").and_then(Value::as_array).with_context(|| format!("{url}: no endpoints"))?;
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let endpoint = |one: &Value| Endpoint {
        module: text(one, "identifier"),
        role: text(one, "role"),
        url: text(one, "url"),
    };
    Ok(list.iter().map(endpoint).collect())
}

fn url_of(endpoints: &[Endpoint], module: &str, role: Option<&str>) -> anyhow::Result<String> {
    let fits = |one: &&Endpoint| {
        one.module == module && role.is_none_or(|role| one.role.is_empty() || one.role == role)
    };
    let found = endpoints.iter().find(fits).map(|one| one.url.clone());
    found.with_context(|| format!("the other side has no {module} {}", role.unwrap_or_default()))
}

/// The data of an answer that says that it was done.
fn data(answer: &Value) -> anyhow::Result<Value> {
    success(answer)?;
    answer.get("data").cloned().context("the answer has no data")
}

fn success(answer: &Value) -> anyhow::Result<()> {
    let status = answer.get("status_code").and_then(Value::as_i64);
    if status != Some(1000) {
        bail!("the answer is {}", json!([answer.get("status_code"), answer.get("status_message")]));
    }
    Ok(())
}

/// The address of the next page.
fn next(link: &str) -> Option<String> {
    let part = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let (_, rest) = part.split_once('<')?;
    rest.split_once('>').map(|(url, _)| url.to_owned())
}

pub(super) fn new_token() -> String {
    Uuid::new_v4().to_string()
}
