//! Calls from and to partners on their way into the store: gathered, without tokens, never waited for.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metrics::counter;
use ringmain_domain::id::TenantId;
use ringmain_domain::telemetry;
use ringmain_domain::time::Timestamp;
use ringmain_store::partners::PeerToken;
use ringmain_store::partners::calls::{PartnerCall, Said};
use ringmain_store::store::Store;
use serde_json::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::ocpi::envelope::now;

/// Calls that wait to be written; over that they are counted only.
const WAITING_MAX: usize = 2_000;
/// The most that are written at once.
const BATCH: usize = 200;
/// How long calls are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// Larger bodies are kept as their size only: lists, which anybody can fetch again.
const PARSED_MAX_BYTES: usize = 64 * 1024;
/// As much of a body as is kept, in characters.
const BODY_MAX_CHARS: usize = 2_000;
/// What stands for a secret.
const HIDDEN: &str = "***";
/// As much of an address.
const URL_MAX_CHARS: usize = 300;

/// Takes calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CallLog {
    calls: mpsc::Sender<PartnerCall>,
}

/// A call of ours that goes on; it is noted when this is dropped, also where nobody waits for its answer any more.
#[derive(Debug)]
pub(super) struct Calling {
    pub(super) said: Said,
    log: CallLog,
    of: (TenantId, Uuid),
    at: Timestamp,
    began: Instant,
}

impl Drop for Calling {
    fn drop(&mut self) {
        let mut said = std::mem::take(&mut self.said);
        said.took_ms = u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX);
        said.response.get_or_insert_with(|| "given up".into());
        let ((tenant, partner), id) = (self.of.clone(), Uuid::now_v7());
        self.log.note(PartnerCall { tenant, partner, id, at: self.at, inbound: false, said });
    }
}

// === impl CallLog ===

impl CallLog {
    /// A log, and the work that writes it.
    pub fn new(store: Store) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (calls, waiting) = mpsc::channel(WAITING_MAX);
        (Self { calls }, write(store, waiting))
    }

    /// A call to a partner begins.
    pub(super) fn begin(&self, (tenant, partner): (&TenantId, Uuid), said: Said) -> Calling {
        Calling { said, log: self.clone(), of: (tenant.clone(), partner), at: now(), began: Instant::now() }
    }

    /// Notes a call.
    pub fn note(&self, call: PartnerCall) {
        if self.calls.try_send(call).is_err() {
            counter!(telemetry::ROAMING_CALLS_UNLOGGED).increment(1);
        }
    }
}

async fn write(store: Store, mut waiting: mpsc::Receiver<PartnerCall>) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        if waiting.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        if let Err(error) = store.insert_partner_calls(&batch).await {
            // What was said is told by the log line of its failure too; nobody's money hangs on it.
            tracing::debug!(%error, calls = batch.len(), "calls of partners are not kept");
        }
        batch.clear();
        tokio::time::sleep(GATHER).await;
    }
}

/// What nobody may read of a call: the token that is shown, and those that its body gives away.
#[derive(Debug)]
pub struct Secrets(Vec<String>);

// === impl Secrets ===

impl Secrets {
    /// Those of a call that shows this token and has this body.
    #[must_use]
    pub fn of(shown: &PeerToken, body: Option<&[u8]>) -> Self {
        let mut secrets = vec![shown.reveal().to_owned()];
        if let Some(mut json) = body.and_then(|body| serde_json::from_slice::<Value>(body).ok()) {
            mask(&mut json, &mut |secret| secrets.push(secret));
        }
        secrets.retain(|secret| !secret.is_empty());
        Self(secrets.iter().flat_map(|secret| [secret.clone(), STANDARD.encode(secret)]).collect())
    }

    /// A body for people: secrets are hidden, and it is not longer than what is kept. What is no JSON is kept in its size only where it
    /// speaks of a token: nobody can tell where that begins and ends.
    #[must_use]
    pub fn masked(&self, body: &[u8]) -> Box<str> {
        if body.len() > PARSED_MAX_BYTES {
            return format!("{} bytes", body.len()).into();
        }
        let text = match serde_json::from_slice::<Value>(body) {
            Ok(mut json) => {
                mask(&mut json, &mut drop);
                json.to_string()
            }
            Err(_no_json) => {
                let text = String::from_utf8_lossy(body);
                if text.to_ascii_lowercase().contains("token") {
                    return format!("{} bytes, not JSON", body.len()).into();
                }
                text.into_owned()
            }
        };
        self.hidden(&text).chars().take(BODY_MAX_CHARS).collect::<String>().into()
    }

    /// A text in which none of them stands, in none of their forms.
    #[must_use]
    pub fn hidden(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }
}

/// A driver's token is an object; a text of this name is a secret, wherever it stands.
fn mask(json: &mut Value, meet: &mut impl FnMut(String)) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_secret =
                    ["token", "authorization"].iter().any(|secret| name.eq_ignore_ascii_case(secret));
                if is_secret && let Value::String(secret) = value {
                    meet(std::mem::replace(secret, HIDDEN.to_owned()));
                } else {
                    mask(value, meet);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, meet)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An address for people.
#[must_use]
pub fn cut(url: &str) -> String {
    url.chars().take(URL_MAX_CHARS).collect()
}
