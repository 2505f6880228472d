//! Calls from and to partners on their way into the store: gathered, without tokens, never waited for.

use std::time::Duration;

use metrics::counter;
use ringmain_domain::telemetry;
use ringmain_store::partners::calls::PartnerCall;
use ringmain_store::store::Store;
use serde_json::Value;
use tokio::sync::mpsc;

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
/// As much of an address.
const URL_MAX_CHARS: usize = 300;

/// Takes calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CallLog {
    calls: mpsc::Sender<PartnerCall>,
}

// === impl CallLog ===

impl CallLog {
    /// A log, and the work that writes it.
    pub fn new(store: Store) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (calls, waiting) = mpsc::channel(WAITING_MAX);
        (Self { calls }, write(store, waiting))
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

/// A body for people: tokens of credentials are hidden, and it is not longer than what is kept.
#[must_use]
pub fn masked(body: &[u8]) -> Box<str> {
    if body.len() > PARSED_MAX_BYTES {
        return format!("{} bytes", body.len()).into();
    }
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(mut json) => {
            // A driver's token is an object; a text of this name is a secret, wherever a partner has its credentials.
            for place in ["/token", "/data/token", "/data/0/token"] {
                if let Some(token) = json.pointer_mut(place).filter(|token| token.is_string()) {
                    *token = Value::from("***");
                }
            }
            json.to_string()
        }
        Err(_no_json) => String::from_utf8_lossy(body).into_owned(),
    };
    text.chars().take(BODY_MAX_CHARS).collect::<String>().into()
}

/// An address for people.
#[must_use]
pub fn cut(url: &str) -> String {
    url.chars().take(URL_MAX_CHARS).collect()
}
