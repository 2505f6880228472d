//! Asks a driver's company whether the driver may charge (OCPI 2.2.1 mod_tokens, real-time authorization). A station waits meanwhile, so
//! the whole question has one budget; without an answer in it the token's whitelist rule counts. A company that has been silent is not asked
//! for a while. What was answered in time counts, however long it takes us to keep it.

use std::time::{Duration, Instant};

use metrics::histogram;
use reqwest::Method;
use ringmain_domain::authorize::Authorization;
use ringmain_domain::roaming::{AnswerFuture, AuthMethod, Clearance, Question, TokenOwners};
use ringmain_domain::telemetry;
use ringmain_store::partners::Partner;
use ringmain_store::partners::settings::Side;
use tokio::time::timeout;

use crate::client::{Call, CallError, Verdict};
use crate::hub::Hub;
use crate::ocpi::dialect::Dialect;
use crate::ocpi::dialect::read::Allowance;
use crate::ocpi::envelope::now;
use crate::ocpi::reading::{Fault, below};
use crate::ocpi::v221::types::token::{AllowedType, LocationReferences};
use crate::push::send::callee;
use crate::service::locations::evse_uid;

pub(crate) mod silence;

/// How long a station waits for us to keep an answer. What is not kept by then is kept a moment later, or the company is asked again.
const KEEP_WITHIN: Duration = Duration::from_millis(500);

impl TokenOwners for Hub {
    fn ask(&self, question: Question) -> AnswerFuture {
        let hub = self.clone();
        Box::pin(async move { ask(&hub, &question).await })
    }
}

async fn ask(hub: &Hub, question: &Question) -> Option<Clearance> {
    let (party, began, budget) = (&question.token.party, Instant::now(), hub.settings.authorize_budget);
    let find = hub.store.partner_of_party(&hub.tenant, (&party.country_code, &party.party_id, "EMSP"));
    let found = timeout(budget, find).await.ok()?;
    let partner = found.ok().flatten().filter(|partner| partner.settings.realtime_enabled)?;
    let answer = if hub.silence.may_ask(partner.id) {
        let left = budget.saturating_sub(began.elapsed());
        let answer = timeout(left, call(hub, &partner, question)).await.unwrap_or(Err(CallError::TooSlow));
        match answer.as_ref().map_or_else(in_vain, |_| None) {
            Some(retry_after) => hub.silence.in_vain(partner.id, retry_after),
            None => hub.silence.answered(partner.id),
        }
        Some(answer)
    } else {
        None
    };
    let outcome = match &answer {
        Some(Ok(clearance)) => clearance.authorization.as_str(),
        Some(Err(error)) => error.as_str(),
        None => "not_asked",
    };
    histogram!(telemetry::ROAMING_AUTHORIZE, "partner" => partner.id.to_string(), "outcome" => outcome)
        .record(began.elapsed().as_secs_f64());
    let clearance = answer?.ok()?;
    // The message that starts comes a moment later, perhaps at another node.
    let keep = hub.store.put_clearance(&hub.tenant, &question.station, &clearance);
    match timeout(KEEP_WITHIN, keep).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(%error, partner.id = %partner.id, "what a company said of its driver is not kept");
        }
        Err(_late) => {
            tracing::debug!(partner.id = %partner.id, "what a company said of its driver is not kept yet");
        }
    }
    Some(clearance)
}

/// Did a driver wait in vain, and for how long does the company want to be left alone then? What cannot be used is an answer all the same.
fn in_vain(error: &CallError) -> Option<Option<Duration>> {
    match (error, error.verdict()) {
        (CallError::TooSlow | CallError::Broken(_), _) => Some(None),
        (_, Verdict::Away(retry_after)) => Some(retry_after),
        (_, Verdict::Stumbles | Verdict::Never) => None,
    }
}

async fn call(hub: &Hub, partner: &Partner, question: &Question) -> Result<Clearance, CallError> {
    let token = &question.token;
    let unable = || CallError::Unreachable("it has no module tokens".to_owned());
    let (callee, endpoints) = callee(partner).ok_or_else(unable)?;
    let mut callee = callee;
    if let Some(route) = &mut callee.route {
        // A platform may act for several companies.
        route.to = (token.party.country_code.clone(), token.party.party_id.clone());
    }
    let url = endpoints.url("tokens", Side::Sender).ok_or_else(unable)?;
    let dialect = Dialect::of(endpoints).ok_or_else(unable)?;
    let kind: String = url::form_urlencoded::byte_serialize(token.kind.as_bytes()).collect();
    let url = format!("{}?type={kind}", below(url, &[&token.uid, "authorize"]));
    let place = place(hub, question).await;
    let patience = hub.settings.authorize_budget;
    let call = match place {
        Some(place) => Call::with(Method::POST, url, &dialect.location_references(place), patience)
            .map_err(|error| CallError::Broken(error.to_string()))?,
        None => Call { method: Method::POST, url, body: None, correlation_id: None, patience },
    };
    let said = |authorization, reference| Clearance {
        contract: token.contract(AuthMethod::Asked, reference),
        authorization,
        at: now(),
    };
    let answered = match hub.client.call(&callee, call).await {
        Err(error) if error.is_absent() => return Ok(said(Authorization::Unknown, None)),
        answered => answered?,
    };
    let http = answered.http;
    let unreadable = |fault: Fault| CallError::Unreadable { http, detail: fault.to_string() };
    let Allowance { allowed, location, reference } =
        dialect.allowance_of(answered.answer).map_err(unreadable)?;
    let reference = reference.map(|reference| reference.as_str().into());
    let authorization = match allowed {
        AllowedType::Allowed if !includes(location.as_ref(), question) => Authorization::NotAtThisLocation,
        AllowedType::Allowed => Authorization::Accepted,
        AllowedType::Blocked | AllowedType::NoCredit => Authorization::Blocked,
        AllowedType::Expired => Authorization::Expired,
        AllowedType::NotAllowed => Authorization::NotAtThisLocation,
    };
    Ok(said(authorization, reference))
}

/// Is the EVSE among those that were allowed? Where it is not known yet, or none was named, it is.
fn includes(allowed: Option<&LocationReferences>, question: &Question) -> bool {
    let (Some(allowed), Some(evse)) = (allowed, question.evse) else { return true };
    let uid = evse_uid(&question.tenant, &question.station, evse).to_string();
    allowed.evse_uids.is_empty()
        || allowed.evse_uids.iter().any(|one| one.as_str().eq_ignore_ascii_case(&uid))
}

/// Where the driver wants to charge; `None`: at no place that partners know.
async fn place(hub: &Hub, question: &Question) -> Option<LocationReferences> {
    let station = hub.store.find_station(&question.station).await.ok().flatten()?;
    let evse = question.evse.filter(|evse| evse.0 > 0);
    let uid = evse.map(|evse| evse_uid(&question.tenant, &question.station, evse).to_string());
    Some(LocationReferences {
        location_id: station.location_id.as_ref()?.as_str().into(),
        evse_uids: uid.iter().map(|uid| (&**uid).into()).collect(),
    })
}
