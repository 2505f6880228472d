//! What an operator does with partners that takes calls to them: takes an invitation up, changes tokens, takes leave.
//!
//! Whatever a partner is told first, it is told with a token that is good already: it calls us back before it answers. A token that came
//! from it is kept before anything else is done, and before what else it says is judged. What was begun is finished though nobody waits for it
//! any more.

use std::future::Future;
use std::time::Duration;

use reqwest::Method;
use ringmain_domain::id::TenantId;
use ringmain_domain::roaming::{Acceptance, PartnerDesk, PartnerFault, PartnerFuture};
use ringmain_store::partners::settings::{PartnerSettings, Side};
use ringmain_store::partners::{Exchange, Invitation, Partner, PartnerRole, PartnerState, PeerToken};
use ringmain_store::store::StoreError;
use uuid::Uuid;

use crate::client::{Call, Callee};
use crate::handshake::{LearnError, Learned, learn, offer};
use crate::hub::Hub;
use crate::ocpi::dialect::Dialect;
use crate::ocpi::envelope::now;
use crate::partner::{are_tokens_anew, hash, judge, judge_token, new_token};
use crate::push::send::callee;

/// How long the token is good that we register with, in seconds.
const REGISTERING_S: i64 = 600;
/// How often a token that came from a partner is kept, should the store be away.
const KEEP_ATTEMPTS: u32 = 5;

impl From<LearnError> for PartnerFault {
    fn from(error: LearnError) -> Self {
        Self::Refused(error.to_string().into())
    }
}

fn away(error: StoreError) -> PartnerFault {
    match error {
        StoreError::Conflict { .. } => {
            PartnerFault::Unusable("another partner acts for one of its parties".into())
        }
        error => {
            tracing::warn!(%error, "partner's request meets a store in trouble");
            PartnerFault::StoreAway
        }
    }
}

impl PartnerDesk for Hub {
    fn accept(&self, acceptance: Acceptance) -> PartnerFuture<Uuid> {
        let hub = self.clone();
        finished(self, async move { accept(&hub, acceptance).await })
    }

    fn rotate(&self, tenant: TenantId, partner: Uuid) -> PartnerFuture<()> {
        let hub = self.clone();
        finished(self, async move { rotate(&hub, &tenant, partner).await })
    }

    fn leave(&self, tenant: TenantId, partner: Uuid) -> PartnerFuture<()> {
        let hub = self.clone();
        finished(self, async move { leave(&hub, &tenant, partner).await })
    }

    fn changed(&self) {
        self.tell_partners_changed();
    }
}

/// Goes on where calls go on, and ends there.
fn finished<T: Send + 'static>(
    hub: &Hub,
    work: impl Future<Output = Result<T, PartnerFault>> + Send + 'static,
) -> PartnerFuture<T> {
    let runtime = hub.client.runtime().clone();
    Box::pin(async move { runtime.finish(work).await.unwrap_or(Err(PartnerFault::StoreAway)) })
}

async fn accept(hub: &Hub, acceptance: Acceptance) -> Result<Uuid, PartnerFault> {
    let Acceptance { tenant, name, ours, versions, our_versions_url, their_versions_url, token_a } =
        acceptance;
    let guarded = hub.client.guard().check(&their_versions_url);
    guarded.map_err(|error| PartnerFault::Unusable(error.as_str().into()))?;
    let (id, token_a, at) = (Uuid::now_v7(), PeerToken::new(&token_a), now());
    let wanted = Dialect::among(&versions);
    let learned = learn(&hub.client, (&tenant, id), &their_versions_url, (&token_a, &wanted)).await?;
    let token_b = new_token().ok_or(PartnerFault::StoreAway)?;
    let (country_code, party_id, company) = ours;
    let invitation = Invitation {
        id,
        tenant: tenant.clone(),
        name,
        ours: PartnerRole { country_code, party_id, role: "CPO".into(), name: company },
        versions_url: our_versions_url,
        token_hash: hash(&token_b),
        expires_at: at.plus_secs(REGISTERING_S),
        created_at: at,
    };
    hub.store.insert_invitation(&invitation).await.map_err(away)?;
    if !versions.is_empty() {
        let settings = PartnerSettings { versions, ..PartnerSettings::default() };
        hub.store.put_partner_settings(&tenant, id, &settings, at).await.map_err(away)?;
    }
    let partner = hub.store.partner(&tenant, id).await.map_err(away)?.ok_or(PartnerFault::StoreAway)?;
    let is_token_plain = learned.endpoints.is_token_plain;
    let with_a = Callee { tenant: tenant.clone(), partner: id, token: token_a, is_token_plain, route: None };
    let done = register(hub, &partner, &with_a, learned, token_b).await;
    if done.is_err() {
        // What was opened for it is closed again.
        hub.store.unregister_partner(&tenant, id, now()).await.map_err(away)?;
    }
    done.map(|()| id)
}

async fn rotate(hub: &Hub, tenant: &TenantId, id: Uuid) -> Result<(), PartnerFault> {
    let partner = registered(hub, tenant, id).await?;
    let PartnerState::Registered(peer) = &partner.state else { return Err(PartnerFault::NotRegistered) };
    let wanted = Dialect::settled(&partner.settings);
    let learned = learn(&hub.client, (tenant, id), &peer.url, (&peer.token, &wanted)).await?;
    let token_b = new_token().ok_or(PartnerFault::StoreAway)?;
    let given = hash(&token_b);
    if !hub.store.offer_partner_token(tenant, id, &given).await.map_err(away)? {
        return Err(PartnerFault::NotRegistered);
    }
    let (is_token_plain, token) = (learned.endpoints.is_token_plain, peer.token.clone());
    let callee = Callee { tenant: tenant.clone(), partner: id, token, is_token_plain, route: None };
    let ours = learned.dialect.credentials(&partner, token_b);
    let theirs = match offer(&hub.client, &callee, &learned, (Method::PUT, &ours)).await {
        Ok(theirs) => theirs,
        Err(error) => {
            // One that has it perhaps may go on showing it.
            if !error.is_in_doubt() {
                hub.store.take_partner_token_back(tenant, id, &given).await.map_err(away)?;
            }
            return Err(error.into());
        }
    };
    keep_token(hub, &partner, &given, &theirs.token).await?;
    hub.tell_partners_changed();
    let Learned { dialect, endpoints } = learned;
    let mut peer = judge(hub.client.guard(), &partner, (dialect, theirs)).map_err(|wrong| {
        let kept = "the tokens are changed, its address, its parties and the version are those of before";
        PartnerFault::Refused(format!("{wrong}: {kept}").into())
    })?;
    peer.endpoints = Some(endpoints);
    let tokens_anew = are_tokens_anew(&partner, dialect);
    let exchange = Exchange { shown: given.clone(), given, peer, tokens_anew, at: now() };
    if !hub.store.register_partner(tenant, id, &exchange).await.map_err(away)? {
        return Err(PartnerFault::NotRegistered);
    }
    hub.tell_partners_changed();
    Ok(())
}

/// Keeps the token that a partner gave for a new one of ours: it knows no other any more.
async fn keep_token(hub: &Hub, partner: &Partner, given: &[u8], theirs: &str) -> Result<(), PartnerFault> {
    judge_token(theirs).map_err(|wrong| PartnerFault::Refused(wrong.into()))?;
    let token = PeerToken::new(theirs);
    for attempt in 1.. {
        match hub.store.keep_partner_token(&partner.tenant, partner.id, given, (&token, now())).await {
            Ok(true) => break,
            Ok(false) => return Err(PartnerFault::NotRegistered),
            Err(error) => once_more(attempt, error).await?,
        }
    }
    Ok(())
}

/// Waits a moment where it makes sense to keep again what a partner gave: without it we are strangers.
async fn once_more(attempt: u32, error: StoreError) -> Result<(), PartnerFault> {
    match error {
        StoreError::Unavailable { .. } | StoreError::Unknown { .. } if attempt < KEEP_ATTEMPTS => {
            tokio::time::sleep(Duration::from_millis(500)).await;
            Ok(())
        }
        error => Err(away(error)),
    }
}

async fn leave(hub: &Hub, tenant: &TenantId, id: Uuid) -> Result<(), PartnerFault> {
    let found = hub.store.partner(tenant, id).await.map_err(away)?;
    let partner = found.ok_or(PartnerFault::NotRegistered)?;
    if let Some((callee, endpoints)) = callee(&partner) {
        let url =
            [Side::Sender, Side::Receiver].into_iter().find_map(|side| endpoints.url("credentials", side));
        if let Some(url) = url {
            let call = Call { method: Method::DELETE, ..Call::get(url.to_owned(), hub.settings.patience) };
            // It is shown the door all the same.
            if let Err(error) = hub.client.call(&Callee { route: None, ..callee }, call).await {
                tracing::info!(partner.id = %id, %error, "a partner does not hear that we leave");
            }
        }
    }
    if !hub.store.unregister_partner(tenant, id, now()).await.map_err(away)? {
        return Err(PartnerFault::NotRegistered);
    }
    hub.tell_partners_changed();
    Ok(())
}

async fn registered(hub: &Hub, tenant: &TenantId, id: Uuid) -> Result<Partner, PartnerFault> {
    let found = hub.store.partner(tenant, id).await.map_err(away)?;
    found
        .filter(|partner| matches!(partner.state, PartnerState::Registered(_)))
        .ok_or(PartnerFault::NotRegistered)
}

/// Gives a partner that invited us a token of ours and keeps what comes back.
async fn register(
    hub: &Hub,
    partner: &Partner,
    callee: &Callee,
    learned: Learned,
    token_b: String,
) -> Result<(), PartnerFault> {
    let given = hash(&token_b);
    let ours = learned.dialect.credentials(partner, token_b);
    let theirs = offer(&hub.client, callee, &learned, (Method::POST, &ours)).await?;
    let Learned { dialect, endpoints } = learned;
    let judged = judge(hub.client.guard(), partner, (dialect, theirs));
    let mut peer = judged.map_err(|wrong| PartnerFault::Refused(wrong.into()))?;
    peer.endpoints = Some(endpoints);
    let tokens_anew = are_tokens_anew(partner, dialect);
    let exchange = Exchange { shown: given.clone(), given, peer, tokens_anew, at: now() };
    for attempt in 1.. {
        match hub.store.register_partner(&partner.tenant, partner.id, &exchange).await {
            Ok(true) => break,
            Ok(false) => return Err(PartnerFault::NotRegistered),
            Err(error) => once_more(attempt, error).await?,
        }
    }
    hub.tell_partners_changed();
    Ok(())
}
