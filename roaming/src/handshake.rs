//! The calls of the credentials handshake: a partner's versions, its endpoints, and our own credentials into its hands (OCPI 2.2.1
//! credentials module). Which version is spoken is found here: the highest that both know of those that are wanted.

use std::time::Duration;

use reqwest::Method;
use ringmain_domain::id::TenantId;
use ringmain_store::partners::PeerToken;
use ringmain_store::partners::settings::{PartnerEndpoint, PartnerEndpoints, Side};
use serde::Deserialize;
use uuid::Uuid;

use crate::client::{Answered, Call, CallError, Callee, Client};
use crate::guard::Guard;
use crate::ocpi::dialect::Dialect;
use crate::ocpi::dialect::write::Credentials;
use crate::ocpi::envelope::now;
use crate::ocpi::reading::Fault;
use crate::ocpi::v221::types::version::Version;
use crate::partner::Offer;

/// How long each call may take: the partner's own POST waits for them.
const PATIENCE: Duration = Duration::from_secs(8);
/// The most modules a partner may have.
const MODULES_MAX: usize = 100;

/// Why a partner's endpoints cannot be learned.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// A call came to nothing.
    #[error("{0}")]
    Call(#[from] CallError),
    /// An answer cannot be read.
    #[error("{0}")]
    Unreadable(#[from] Fault),
    /// There is no version that both speak.
    #[error("no version in common")]
    NoVersion,
    /// It names none of the modules we could use, or an address we must not go to.
    #[error("{0}")]
    NoModules(String),
}

impl LearnError {
    /// May the partner have taken what it was offered all the same?
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        match self {
            Self::Unreadable(_)
            | Self::Call(CallError::TooSlow | CallError::Broken(_) | CallError::Unreadable { .. }) => true,
            Self::Call(CallError::Refused { http, .. }) => *http >= 500,
            Self::Call(CallError::Guarded(_) | CallError::Unreachable(_) | CallError::Unsayable(_))
            | Self::NoVersion
            | Self::NoModules(_) => false,
        }
    }
}

/// Version details, as far as they must be read: the newest versions tell the side of a module, the oldest does not.
#[derive(Debug, Deserialize)]
struct Details {
    endpoints: Vec<Module>,
}

#[derive(Debug, Deserialize)]
struct Module {
    identifier: String,
    #[serde(default)]
    role: Option<String>,
    url: String,
}

/// What is learned of a partner: where its modules are, and in which version.
pub struct Learned {
    /// The version.
    pub dialect: Dialect,
    /// The modules.
    pub endpoints: PartnerEndpoints,
}

/// Asks a partner for its versions, and for the modules of the highest of those that are wanted. The form in which it takes its token is
/// found out on the way: where it takes both, it is the version's own.
///
/// # Errors
/// [`LearnError`].
pub async fn learn(
    client: &Client,
    (tenant, partner): (&TenantId, Uuid),
    versions_url: &str,
    (token, wanted): (&PeerToken, &[Dialect]),
) -> Result<Learned, LearnError> {
    let mut callee =
        Callee { tenant: tenant.clone(), partner, token: token.clone(), is_token_plain: false, route: None };
    let answered = either_form(client, &mut callee, versions_url).await?;
    let offered: Vec<Version> = answered.answer.list::<Version>()?.items;
    let (dialect, url) = wanted
        .iter()
        .find_map(|ours| Some((*ours, &offered.iter().find(|theirs| theirs.version == ours.as_str())?.url)))
        .ok_or(LearnError::NoVersion)?;
    callee.is_token_plain |= dialect.is_token_plain();
    let details: Details = either_form(client, &mut callee, url).await?.answer.one()?;
    let endpoints = PartnerEndpoints {
        version: dialect.as_str().into(),
        modules: modules(client.guard(), details)?,
        is_token_plain: callee.is_token_plain,
        fetched_at: now(),
    };
    Ok(Learned { dialect, endpoints })
}

/// Asks in the form in which the token is sent, and once more in the other where the partner does not know it so.
async fn either_form(client: &Client, callee: &mut Callee, url: &str) -> Result<Answered, CallError> {
    let call = || Call::get(url.to_owned(), PATIENCE);
    match client.call(callee, call()).await {
        Err(error) if error.is_unauthorized() => {
            callee.is_token_plain = !callee.is_token_plain;
            client.call(callee, call()).await
        }
        answered => answered,
    }
}

/// The modules, each with an address that may be called.
fn modules(guard: &Guard, details: Details) -> Result<Vec<PartnerEndpoint>, LearnError> {
    let mut modules = Vec::new();
    for Module { identifier, role, url } in details.endpoints.into_iter().take(MODULES_MAX) {
        guard.check(&url).map_err(|error| {
            LearnError::NoModules(format!("the endpoint of {identifier:?}: {}", error.as_str()))
        })?;
        let sides: &[Side] = match role.as_deref() {
            Some(role) if role.eq_ignore_ascii_case("receiver") => &[Side::Receiver],
            Some(_) => &[Side::Sender],
            // One address serves both (OCPI 2.1.1, version information endpoint).
            None => &[Side::Sender, Side::Receiver],
        };
        let endpoint = |side: &Side| PartnerEndpoint {
            module: identifier.as_str().into(),
            side: *side,
            url: url.as_str().into(),
        };
        modules.extend(sides.iter().map(endpoint));
    }
    if !modules.iter().any(|one| *one.module != *"credentials") {
        return Err(LearnError::NoModules("no module but credentials".to_owned()));
    }
    Ok(modules)
}

/// Gives a partner our credentials, for the first time (POST) or again (PUT); its own, with the token we show from then on.
///
/// # Errors
/// [`LearnError`]; after [`CallError::TooSlow`] or [`CallError::Broken`] the partner may have taken them.
pub async fn offer(
    client: &Client,
    callee: &Callee,
    Learned { dialect, endpoints }: &Learned,
    (method, ours): (Method, &Credentials),
) -> Result<Offer, LearnError> {
    // Some list it as one side's, some as the other's, some as both.
    let url = [Side::Sender, Side::Receiver].into_iter().find_map(|side| endpoints.url("credentials", side));
    let url = url.ok_or_else(|| LearnError::NoModules("no module credentials".to_owned()))?.to_owned();
    let body = serde_json::to_vec(ours).map_err(|error| LearnError::NoModules(error.to_string()))?;
    // It calls us back before it answers.
    let patience = PATIENCE * 3;
    let call = Call { method, url, body: Some(body.into()), correlation_id: None, patience };
    Ok(dialect.credentials_of(client.call(callee, call).await?.answer)?)
}
