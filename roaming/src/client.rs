//! Calls to partners: one at a time, each with its bounds, each judged before it is made and written down after.
//!
//! An address passes the guard as text, and once more when its name is resolved: the connection goes to the very address that was
//! judged, so a name that leads somewhere else a moment later leads nowhere. Redirects are not followed, but for a slash that is missing
//! or too much at the same place. What a call means for what was to be told is in [`CallError::verdict`].

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, LINK, LOCATION, RETRY_AFTER};
use ringmain_domain::id::TenantId;
use ringmain_store::partners::PeerToken;
use ringmain_store::partners::calls::Said;
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;

use crate::guard::{Guard, GuardError};
use crate::ocpi::envelope::now;
use crate::ocpi::reading::{self, Answer, same_url};
use crate::runtime::Runtime;

pub mod log;
mod resolve;

use log::{CallLog, Secrets};
use resolve::Resolver;

/// The largest answer that is read, in bytes (security.md O4).
pub const ANSWER_MAX_BYTES: usize = 5 * 1024 * 1024;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest a partner can ask us to stay away.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// As much of a partner's words as an error keeps.
const WORDS_MAX_CHARS: usize = 300;

/// Calls partners. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    http: Result<reqwest::Client, String>,
    guard: Guard,
    runtime: Runtime,
    log: CallLog,
}

/// Whom to call, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Callee {
    /// Whose partner.
    pub tenant: TenantId,
    /// Which.
    pub partner: Uuid,
    /// What is shown to it.
    pub token: PeerToken,
    /// The token goes as it is, not in base64.
    pub is_token_plain: bool,
    /// From whom to whom; configuration modules have none.
    pub route: Option<Route>,
}

/// From whom to whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Country code and party id.
    pub from: (Box<str>, Box<str>),
    /// Country code and party id.
    pub to: (Box<str>, Box<str>),
}

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// HTTP's word.
    pub method: Method,
    /// Where; judged by the guard.
    pub url: String,
    /// JSON.
    pub body: Option<Bytes>,
    /// What ties calls together; a new one when absent.
    pub correlation_id: Option<Box<str>>,
    /// How long it may take, all in all.
    pub patience: Duration,
}

/// What a partner answered: HTTP 2xx and 1000.
#[derive(Debug)]
pub struct Answered {
    /// The frame with the data.
    pub answer: Answer,
    /// HTTP's status.
    pub http: u16,
    /// The next page of a list.
    pub next: Option<String>,
    /// Where what was sent is kept.
    pub location: Option<String>,
}

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The guard does not let us go there.
    #[error("{}", .0.as_str())]
    Guarded(GuardError),
    /// No connection. Nothing was sent.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// No whole answer in time.
    #[error("no answer in time")]
    TooSlow,
    /// It has no form in OCPI, or cannot be read. Nothing was sent.
    #[error("cannot be told: {0}")]
    Unsayable(String),
    /// The connection ended before the answer did, or the answer is larger than what is read.
    #[error("answer broken off: {0}")]
    Broken(String),
    /// The answer is not OCPI.
    #[error("HTTP {http}, and the answer is not OCPI: {detail}")]
    Unreadable {
        /// HTTP's status.
        http: u16,
        /// What is wrong with it.
        detail: String,
    },
    /// It answered that it will not.
    #[error("HTTP {http}, OCPI {status_code:?}: {message}")]
    Refused {
        /// HTTP's status.
        http: u16,
        /// OCPI's.
        status_code: Option<u16>,
        /// In its own words.
        message: String,
        /// It wants to be left alone so long.
        retry_after: Option<Duration>,
    },
}

/// What a call that came to nothing means for what was to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The partner is not there, or wants to be left alone: everything waits, at least so long where it says so.
    Away(Option<Duration>),
    /// The partner is out of order, or cannot digest this one object: what it does with others shows which.
    Stumbles,
    /// It will never take this.
    Never,
}

// === impl CallError ===

impl CallError {
    /// What it means.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Unreachable(_) => Verdict::Away(None),
            Self::Unsayable(_) => Verdict::Never,
            Self::Guarded(_) | Self::TooSlow | Self::Broken(_) => Verdict::Stumbles,
            Self::Unreadable { http, .. } if *http >= 400 && *http < 500 => Self::of_http(*http),
            Self::Unreadable { .. } => Verdict::Stumbles,
            Self::Refused { http: 429 | 503, retry_after, .. } => Verdict::Away(*retry_after),
            Self::Refused { http, status_code: Some(code), .. } if *http < 300 => match *code {
                2_000..=2_999 => Verdict::Never,
                _ => Verdict::Stumbles,
            },
            Self::Refused { http, .. } => Self::of_http(*http),
        }
    }

    const fn of_http(http: u16) -> Verdict {
        match http {
            401 | 429 => Verdict::Away(None),
            // What stands before a partner may say so of everything, or of one object.
            403 | 408 => Verdict::Stumbles,
            400..=499 => Verdict::Never,
            _ => Verdict::Stumbles,
        }
    }

    /// Does it not know what it was asked for?
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(
            self,
            Self::Refused { http: 404, .. }
                | Self::Unreadable { http: 404, .. }
                | Self::Refused { status_code: Some(2_003 | 2_004), .. }
        )
    }

    /// Does it not know our token?
    #[must_use]
    pub const fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { http: 401 | 403, .. } | Self::Unreadable { http: 401 | 403, .. })
    }

    /// A word for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Guarded(_) => "guarded",
            Self::Unsayable(_) => "unsayable",
            Self::Unreachable(_) => "unreachable",
            Self::TooSlow => "too_slow",
            Self::Broken(_) => "broken",
            Self::Unreadable { .. } => "unreadable",
            Self::Refused { http: 429, .. } => "busy",
            Self::Refused { .. } => "refused",
        }
    }
}

// === impl Call ===

impl Call {
    /// A question without a body.
    #[must_use]
    pub const fn get(url: String, patience: Duration) -> Self {
        Self { method: Method::GET, url, body: None, correlation_id: None, patience }
    }

    /// Something to be told.
    ///
    /// # Errors
    /// It has no JSON form.
    pub fn with<T: serde::Serialize>(
        method: Method,
        url: String,
        body: &T,
        patience: Duration,
    ) -> Result<Self, serde_json::Error> {
        let body = Some(Bytes::from(serde_json::to_vec(body)?));
        Ok(Self { method, url, body, correlation_id: None, patience })
    }
}

// === impl Client ===

impl Client {
    /// A client; where no CA can be read, every call will say so.
    #[must_use]
    pub fn new(guard: Guard, extra_ca_pem: Option<&[u8]>, runtime: Runtime, log: CallLog) -> Self {
        let http = build(&guard, extra_ca_pem);
        if let Err(reason) = &http {
            tracing::warn!(%reason, "partners cannot be called");
        }
        Self { shared: Arc::new(Shared { http, guard, runtime, log }) }
    }

    /// Judges addresses.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.shared.guard
    }

    /// Where calls go on.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.shared.runtime
    }

    /// Where calls are written down.
    #[must_use]
    pub fn log(&self) -> &CallLog {
        &self.shared.log
    }

    /// Calls a partner, and tells what it said when it agrees.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(&self, callee: &Callee, call: Call) -> Result<Answered, CallError> {
        let (client, callee) = (self.clone(), callee.clone());
        let called = self.shared.runtime.run(async move { client.call_here(&callee, call).await }).await;
        called.unwrap_or_else(|| Err(CallError::Unreachable("this node ends".to_owned())))
    }

    async fn call_here(&self, callee: &Callee, call: Call) -> Result<Answered, CallError> {
        let request_id = Uuid::new_v4().to_string();
        let secrets = Secrets::of(&callee.token, call.body.as_deref());
        let said = Said {
            method: call.method.as_str().into(),
            url: log::cut(&call.url).into(),
            request_id: Some(request_id.as_str().into()),
            request: call.body.as_deref().map(|body| secrets.masked(body)),
            ..Said::default()
        };
        let mut noted = self.shared.log.begin((&callee.tenant, callee.partner), said);
        let patience = call.patience;
        let answered =
            timeout(patience, self.exchange(callee, call, (&request_id, &secrets), &mut noted.said)).await;
        let answered = answered.unwrap_or(Err(CallError::TooSlow));
        if let (Err(error), None) = (&answered, &noted.said.response) {
            noted.said.response = Some(error.to_string().into());
        }
        answered
    }

    async fn exchange(
        &self,
        callee: &Callee,
        call: Call,
        (request_id, secrets): (&str, &Secrets),
        said: &mut Said,
    ) -> Result<Answered, CallError> {
        let http = self.shared.http.as_ref().map_err(|reason| CallError::Unreachable(reason.clone()))?;
        let mut url = self.shared.guard.check_call(&call.url).map_err(CallError::Guarded)?;
        let mut redirected = false;
        let mut response = loop {
            let request = request(http, callee, &call, &url, request_id);
            let response = request.send().await.map_err(|error| unsent(&error))?;
            match slash(&url, &response).filter(|_| !redirected) {
                Some(other) => (url, redirected) = (other, true),
                None => break response,
            }
        };
        let status = response.status().as_u16();
        said.http = Some(status);
        let headers = response.headers().clone();
        let body = read(&mut response).await?;
        said.response = Some(secrets.masked(&body));
        let retry_after = retry_after(&headers);
        // "Created" is a word of its own: some say no more.
        let is_bare = status == 201 && body.iter().all(u8::is_ascii_whitespace);
        let frame: &[u8] = if is_bare { br#"{"status_code":1000}"# } else { &body };
        let answer = match reading::answer(frame) {
            Ok(answer) => answer,
            Err(fault) if (200..300).contains(&status) => {
                let detail = secrets.hidden(&fault.to_string());
                return Err(CallError::Unreadable { http: status, detail });
            }
            Err(_no_frame) => {
                let message = words(&secrets.masked(&body));
                return Err(CallError::Refused { http: status, status_code: None, message, retry_after });
            }
        };
        said.status_code = Some(answer.status_code);
        if !(200..300).contains(&status) || !answer.is_success() {
            let message = answer.status_message.as_deref().unwrap_or_default();
            let message = words(&secrets.hidden(message));
            let status_code = Some(answer.status_code);
            return Err(CallError::Refused { http: status, status_code, message, retry_after });
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let next = text(LINK).and_then(next_of);
        Ok(Answered { answer, http: status, next, location: text(LOCATION).map(str::to_owned) })
    }
}

fn build(guard: &Guard, extra_ca_pem: Option<&[u8]>) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .dns_resolver(Arc::new(Resolver::new(guard.clone())))
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(8)
        .user_agent("ringmain")
        .no_proxy();
    if let Some(pem) = extra_ca_pem {
        let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| error.to_string())?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| format!("{error:?}"))
}

fn request(
    http: &reqwest::Client,
    callee: &Callee,
    call: &Call,
    url: &Url,
    request_id: &str,
) -> reqwest::RequestBuilder {
    let token = callee.token.reveal();
    let shown = if callee.is_token_plain { token.to_owned() } else { STANDARD.encode(token) };
    let correlation_id = call.correlation_id.as_deref().unwrap_or(request_id);
    let mut request = http
        .request(call.method.clone(), url.clone())
        .header(AUTHORIZATION, format!("Token {shown}"))
        .header("X-Request-ID", request_id)
        .header("X-Correlation-ID", correlation_id);
    if let Some(Route { from, to }) = &callee.route {
        request = request
            .header("OCPI-from-country-code", &*from.0)
            .header("OCPI-from-party-id", &*from.1)
            .header("OCPI-to-country-code", &*to.0)
            .header("OCPI-to-party-id", &*to.1);
    }
    match &call.body {
        Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.clone()),
        None => request,
    }
}

/// The same place with or without its last slash, when that is all a redirect wants.
fn slash(url: &Url, response: &reqwest::Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 307 | 308) {
        return None;
    }
    let target = response.headers().get(LOCATION)?.to_str().ok()?;
    let target = url.join(target).ok()?;
    (target.origin() == url.origin() && target != *url && same_url(target.path(), url.path())).then(|| {
        let mut other = url.clone();
        other.set_path(target.path());
        other
    })
}

async fn read(response: &mut reqwest::Response) -> Result<Bytes, CallError> {
    let mut body = BytesMut::new();
    while let Some(part) = response.chunk().await.map_err(|error| CallError::Broken(cause(&error)))? {
        if body.len() + part.len() > ANSWER_MAX_BYTES {
            return Err(CallError::Broken(format!("more than {ANSWER_MAX_BYTES} bytes")));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

fn unsent(error: &reqwest::Error) -> CallError {
    if error.is_connect() {
        CallError::Unreachable(cause(error))
    } else if error.is_timeout() {
        CallError::TooSlow
    } else {
        CallError::Broken(cause(error))
    }
}

/// The innermost reason, which tells most; addresses are in none of them.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    words(&innermost.to_string())
}

fn words(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(WORDS_MAX_CHARS).collect()
}

/// In seconds, or as an instant (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = text.parse().map(Duration::from_secs).ok().or_else(|| {
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
        u64::try_from(at - now().as_millis()).ok().map(Duration::from_millis)
    });
    wait.map(|wait| wait.min(RETRY_AFTER_MAX))
}

/// The address in `<…>; rel="next"`.
fn next_of(link: &str) -> Option<String> {
    link.split(',').find_map(|part| {
        let (url, rel) = part.trim().strip_prefix('<')?.split_once('>')?;
        rel.to_ascii_lowercase().replace([' ', '"'], "").contains("rel=next").then(|| url.to_owned())
    })
}

#[cfg(test)]
mod tests;
