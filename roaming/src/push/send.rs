//! News into calls: what is told, where, and how it is told when the partner does not know the object yet.

use std::time::Duration;

use reqwest::Method;
use ringmain_domain::id::{EvseId, LocationId, StationId, TariffId};
use ringmain_domain::party::Party;
use ringmain_store::partners::lists::PublishedLocation;
use ringmain_store::partners::settings::{PartnerEndpoints, Side, TokenForm};
use ringmain_store::partners::{Partner, PartnerRole, PartnerState};
use serde::Serialize;

use super::news::What;
use crate::client::{Answered, Call, CallError, Callee, Route, Verdict};
use crate::hub::Hub;
use crate::ocpi::dialect::Dialect;
use crate::ocpi::dialect::write::{Unsayable, WireEvse};
use crate::ocpi::envelope::now;
use crate::ocpi::reading::below;
use crate::ocpi::v221::to_wire;
use crate::ocpi::v221::types::location::Status;
use crate::ocpi::values::DateTime;
use crate::partner::addressee;
use crate::service::locations::{Evse, evse_uid, evses};

/// A partner's address for one module, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) callee: Callee,
    pub(crate) dialect: Dialect,
    pub(crate) ours: PartnerRole,
    pub(crate) url: String,
}

/// What changed of an EVSE: the same in all versions (OCPI 2.1.1 mod_locations has no status less).
#[derive(Serialize)]
struct StatusPatch {
    status: Status,
    last_updated: DateTime,
}

// === impl Receiver ===

impl Receiver {
    /// Where a registered partner takes a module's objects; `None`: it does not.
    pub(crate) fn of(partner: &Partner, module: &str) -> Option<Self> {
        let (callee, endpoints) = callee(partner)?;
        let url = endpoints.url(module, Side::Receiver)?.to_owned();
        Some(Self { callee, dialect: Dialect::of(endpoints)?, ours: partner.ours.clone(), url })
    }

    /// The same, for what concerns one of the companies the partner acts for.
    pub(crate) fn for_party(&self, owner: &Party) -> Self {
        let mut own = self.clone();
        if let Some(route) = &mut own.callee.route {
            route.to = (owner.country_code.clone(), owner.party_id.clone());
        }
        own
    }

    fn own(&self, segments: &[&str]) -> String {
        let mut all = vec![&*self.ours.country_code, &*self.ours.party_id];
        all.extend(segments);
        below(&self.url, &all)
    }
}

/// How a registered partner is called; functional modules say from whom to whom, where the version has headers for it.
pub(crate) fn callee(partner: &Partner) -> Option<(Callee, &PartnerEndpoints)> {
    let PartnerState::Registered(peer) = &partner.state else { return None };
    let endpoints = peer.endpoints.as_ref()?;
    let is_routed = Dialect::of(endpoints)?.is_routed();
    let route = addressee(&peer.roles).filter(|_| is_routed).map(|theirs| Route {
        from: (partner.ours.country_code.clone(), partner.ours.party_id.clone()),
        to: (theirs.country_code.clone(), theirs.party_id.clone()),
    });
    let is_token_plain = match partner.settings.token_form {
        TokenForm::Learned => endpoints.is_token_plain,
        TokenForm::Base64 => false,
        TokenForm::Plain => true,
    };
    let (tenant, token) = (partner.tenant.clone(), peer.token.clone());
    Some((Callee { tenant, partner: partner.id, token, is_token_plain, route }, endpoints))
}

/// What came of something that was to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The partner took it.
    Taken,
    /// There was nothing to be said, or it knew nothing of what is gone: how the partner is does not show in that.
    Unsaid,
    /// It must know, and its version has no words for it.
    Unsayable(Unsayable),
}

/// Tells a partner; bill records have a way of their own ([`super::bills`]).
pub(crate) async fn send(hub: &Hub, to: &Receiver, what: &What) -> Result<Outcome, CallError> {
    let told = match what {
        What::Location(published) => location(hub, to, published).await,
        What::Status(published, station, evse) => {
            let uid = evse_uid(&published.location.tenant, station, *evse);
            let evse = evses(published).into_iter().find(|one| one.uid == uid);
            // One that the version cannot say was never told.
            match evse.and_then(|evse| Some((to.dialect.evse(&evse)?, evse))) {
                Some((said, evse)) => status(hub, to, published, (&evse, &said)).await,
                None => return Ok(Outcome::Unsaid),
            }
        }
        What::Removed(location, station, evse) => {
            let told = removed(hub, to, location, evse_uid(&hub.tenant, station, *evse)).await;
            return gone(told);
        }
        What::Evses(published, station) => return of_station(hub, to, published, station).await,
        What::Tariff(tariff) => match to.dialect.tariff(&to.ours, tariff) {
            Some(said) => put(hub, to, to.own(&[tariff.id.as_str()]), &said).await,
            // What it was before may have been told.
            None => return tariff_gone(hub, to, &tariff.id).await,
        },
        What::TariffGone(id) => return tariff_gone(hub, to, id).await,
        What::Session(session) => {
            let to = &to.for_party(&session.owner);
            let Some(said) = to.dialect.session(&to.ours, session) else { return Ok(Outcome::Unsaid) };
            put(hub, to, to.own(&[&session.session.id.to_string()]), &said).await
        }
        What::Unsayable(_, reason) => return Err(CallError::Unsayable(reason.to_string())),
        What::Cdr(_) | What::Nothing => return Ok(Outcome::Unsaid),
    };
    told.map(|_| Outcome::Taken)
}

async fn tariff_gone(hub: &Hub, to: &Receiver, id: &TariffId) -> Result<Outcome, CallError> {
    let call = Call { method: Method::DELETE, ..Call::get(to.own(&[id.as_str()]), hub.settings.patience) };
    gone(hub.client.call(&to.callee, call).await)
}

/// What it never knew is gone there too.
fn gone(told: Result<Answered, CallError>) -> Result<Outcome, CallError> {
    match told {
        Err(error) if error.is_absent() => Ok(Outcome::Unsaid),
        told => told.map(|_| Outcome::Taken),
    }
}

async fn location(hub: &Hub, to: &Receiver, published: &PublishedLocation) -> Result<Answered, CallError> {
    let location = to.dialect.location(&to.ours, published);
    put(hub, to, to.own(&[published.location.id.as_str()]), &location).await
}

/// A status is the message told most often, so it is a PATCH; a partner that refuses it, because it does not know the EVSE, has another
/// state of it or no PATCH there, gets all of it, and one that does not know the location all of that.
async fn status(
    hub: &Hub,
    to: &Receiver,
    published: &PublishedLocation,
    (evse, said): (&Evse, &WireEvse),
) -> Result<Answered, CallError> {
    let (location_id, uid) = (published.location.id.as_str(), evse.uid.to_string());
    let patch = StatusPatch { status: to_wire::status(evse.status), last_updated: DateTime(evse.changed_at) };
    let patch = call(Method::PATCH, to.own(&[location_id, &uid]), &patch, hub.settings.patience)?;
    match hub.client.call(&to.callee, patch).await {
        Err(error) if error.is_absent() || error.verdict() == Verdict::Never => {
            whole_evse(hub, to, published, (evse, said)).await
        }
        Err(CallError::Refused { http: 501, .. }) => whole_evse(hub, to, published, (evse, said)).await,
        told => told,
    }
}

/// An EVSE is not taken away but says that it is gone (OCPI 2.2.1 mod_locations, `REMOVED`).
async fn removed(
    hub: &Hub,
    to: &Receiver,
    location: &LocationId,
    uid: uuid::Uuid,
) -> Result<Answered, CallError> {
    let patch = StatusPatch { status: Status::Removed, last_updated: DateTime(now()) };
    let url = to.own(&[location.as_str(), &uid.to_string()]);
    let patch = call(Method::PATCH, url, &patch, hub.settings.patience)?;
    hub.client.call(&to.callee, patch).await
}

async fn whole_evse(
    hub: &Hub,
    to: &Receiver,
    published: &PublishedLocation,
    (evse, said): (&Evse, &WireEvse),
) -> Result<Answered, CallError> {
    let url = to.own(&[published.location.id.as_str(), &evse.uid.to_string()]);
    match put(hub, to, url, said).await {
        Err(error) if error.is_absent() => {
            // As it is by now: its other EVSEs are told of at the same time.
            let id = &published.location.id;
            let read = hub.store.published_location(&hub.tenant, now(), id).await.ok().flatten();
            location(hub, to, read.as_ref().unwrap_or(published)).await
        }
        told => told,
    }
}

async fn of_station(
    hub: &Hub,
    to: &Receiver,
    published: &PublishedLocation,
    station: &StationId,
) -> Result<Outcome, CallError> {
    let numbers: std::collections::BTreeSet<EvseId> =
        published.connectors.iter().filter(|c| c.station == *station).map(|c| c.evse).collect();
    let own: Vec<_> =
        numbers.iter().map(|number| evse_uid(&published.location.tenant, station, *number)).collect();
    let mut outcome = Outcome::Unsaid;
    for evse in evses(published).iter().filter(|evse| own.contains(&evse.uid)) {
        let Some(said) = to.dialect.evse(evse) else { continue };
        whole_evse(hub, to, published, (evse, &said)).await?;
        outcome = Outcome::Taken;
    }
    Ok(outcome)
}

async fn put<T: Serialize>(hub: &Hub, to: &Receiver, url: String, object: &T) -> Result<Answered, CallError> {
    let call = call(Method::PUT, url, object, hub.settings.patience)?;
    hub.client.call(&to.callee, call).await
}

pub(crate) fn call<T: Serialize>(
    method: Method,
    url: String,
    object: &T,
    patience: Duration,
) -> Result<Call, CallError> {
    Call::with(method, url, object, patience).map_err(|error| CallError::Unsayable(error.to_string()))
}
