//! A partner: an eMSP as the specification of OCPI wants it, and as the field knows it.
//!
//! A stranger to the hub it speaks with: JSON by hand, no type of the system under test. It registers, or is registered with, pulls, takes
//! pushes and keeps them, offers tokens, answers authorizations, sends commands and waits for their results. All that arrives is held
//! against the schemas of the objects and written down with its time ([`journal`]), so that a test can ask for lag, loss and doubles. How it
//! misbehaves is a [`hostile::Mode`], which can be changed at any moment.
//!
//! - [`http`] is the transport, `server` what it answers, `client` what it asks, `keep` what it keeps, `judge` the schemas,
//!   [`price`] what a bill must ask for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::emsp::hostile::Mode;
use crate::emsp::journal::{Arrival, Journal};
use crate::emsp::judge::Judge;

pub mod client;
pub mod hostile;
pub mod http;
pub mod journal;
mod judge;
mod keep;
pub mod price;
mod server;
#[cfg(test)]
mod tests;

/// What a partner is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The version it speaks: `2.1.1`, `2.2.1` or `2.3.0`.
    pub version: String,
    /// Two letters.
    pub country_code: String,
    /// Three characters.
    pub party_id: String,
    /// Its name.
    pub name: String,
    /// The folder of the schemas; `None`: nothing is judged.
    pub schemas: Option<PathBuf>,
    /// Its drivers' tokens, as objects of its version.
    pub tokens: Vec<Value>,
    /// The most items of a page it answers.
    pub page_max: usize,
    /// Does it send its token in base64 (2.2 and later) or raw, as many do?
    pub base64_token: bool,
    /// Does its journal keep headers and bodies? A partner of two hundred that hears of everything has no room for them.
    pub keeps_bodies: bool,
    /// Draws what is drawn: which requests fail in [`Mode::Errors`].
    pub seed: u64,
}

/// A running partner. It ends when this is dropped.
#[derive(Debug)]
pub struct Emsp {
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

/// What server and client share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    base: String,
    judge: Judge,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    random: fastrand::Rng,
    journal: Journal,
    /// By module: what was pushed, under its path in lower case.
    kept: BTreeMap<String, BTreeMap<String, Value>>,
    tokens: Vec<Value>,
    /// By uid in lower case: what is answered but ALLOWED.
    verdicts: BTreeMap<String, String>,
    results: BTreeMap<String, Value>,
    /// Whoever shows it may register here, once.
    token_a: Option<String>,
    /// What the other side shows.
    given: Option<String>,
    peer: Option<Peer>,
}

/// The other side.
#[derive(Debug, Clone)]
struct Peer {
    token: String,
    /// Country code and party id of its first role.
    party: (String, String),
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone)]
struct Endpoint {
    module: String,
    /// Empty in 2.1.1.
    role: String,
    url: String,
}

// === impl Settings ===

impl Settings {
    /// A partner on a free port of this machine.
    #[must_use]
    pub fn local(version: &str, country_code: &str, party_id: &str) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            version: version.to_owned(),
            country_code: country_code.to_owned(),
            party_id: party_id.to_owned(),
            name: format!("eMSP {country_code}{party_id}"),
            schemas: None,
            tokens: Vec::new(),
            page_max: 100,
            base64_token: version != "2.1.1",
            keeps_bodies: true,
            seed: 1,
        }
    }
}

// === impl Emsp ===

impl Emsp {
    /// Listens and answers from now on.
    ///
    /// # Errors
    /// The address is taken, or the schemas cannot be read.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let judge = match &settings.schemas {
            Some(folder) => Judge::read(folder, &settings.version)?,
            None => Judge::default(),
        };
        let listener = TcpListener::bind(settings.listen).await.context("listen")?;
        let base = format!("http://{}/ocpi", listener.local_addr()?);
        let random = fastrand::Rng::with_seed(settings.seed);
        let tokens = settings.tokens.clone();
        let state = Mutex::new(State { random, tokens, ..State::default() });
        let shared = Arc::new(Shared { settings, base, judge, state, news: Notify::new() });
        let listening = tokio::spawn(server::listen(listener, Arc::clone(&shared)));
        Ok(Self { shared, listening })
    }

    /// Where its versions are.
    #[must_use]
    pub fn versions_url(&self) -> String {
        format!("{}/versions", self.shared.base)
    }

    /// Misbehaves so from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.state().mode = mode;
    }

    /// Whoever shows this token may register here.
    pub fn invite(&self, token_a: &str) {
        self.shared.state().token_a = Some(token_a.to_owned());
    }

    /// Is there a connection, by either side's doing?
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.shared.state().peer.is_some()
    }

    /// What is said of a token from now on when somebody asks whether it may charge: `BLOCKED`, `NO_CREDIT`.
    pub fn set_verdict(&self, uid: &str, allowed: &str) {
        self.shared.state().verdicts.insert(uid.to_ascii_lowercase(), allowed.to_owned());
    }

    /// Adds a driver's token, which is pulled and authorized from now on. Pushing it is another thing.
    pub fn add_token(&self, token: Value) {
        self.shared.state().tokens.push(token);
    }

    /// What was pushed to a module, under its path in lower case.
    #[must_use]
    pub fn kept(&self, module: &str) -> BTreeMap<String, Value> {
        self.shared.state().kept.get(module).cloned().unwrap_or_default()
    }

    /// All that arrived so far.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.shared.state().journal.clone()
    }

    /// Looks at all that arrived so far.
    pub fn look<T>(&self, look: impl FnOnce(&Journal) -> T) -> T {
        look(&self.shared.state().journal)
    }

    /// Waits until something has arrived; `None`: it has not within the time.
    pub async fn arrives(&self, within: Duration, is_it: impl Fn(&Arrival) -> bool) -> Option<Arrival> {
        let look = || self.shared.state().journal.arrivals.iter().find(|one| is_it(one)).cloned();
        self.until(within, look).await
    }

    /// Waits until this becomes something.
    async fn until<T>(&self, within: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
        let wait = async {
            loop {
                let news = self.shared.news.notified();
                if let Some(found) = look() {
                    return found;
                }
                news.await;
            }
        };
        timeout(within, wait).await.ok()
    }
}

impl Drop for Emsp {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

// === impl Shared ===

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Our credentials with this token.
    fn credentials(&self, token: &str) -> Value {
        let Settings { version, country_code, party_id, name, .. } = &self.settings;
        let url = format!("{}/versions", self.base);
        let details = serde_json::json!({"name": name});
        if version == "2.1.1" {
            return serde_json::json!({"token": token, "url": url, "country_code": country_code,
                "party_id": party_id, "business_details": details});
        }
        serde_json::json!({"token": token, "url": url, "roles": [{"role": "EMSP", "country_code": country_code,
            "party_id": party_id, "business_details": details}]})
    }
}

/// Now, in milliseconds since 1970.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Now, as it is written.
fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// An instant in milliseconds; the `Z` may be missing.
fn millis(text: &str) -> Option<i64> {
    let read = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}Z").parse());
    read.ok().map(jiff::Timestamp::as_millisecond)
}
