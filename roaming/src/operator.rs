//! What an operator does with partners that takes calls to them: takes an invitation up, changes tokens, takes leave.
//!
//! Whatever a partner is told first, it is told with a token that is good already: it calls us back before it answers. A token that came
//! from it is kept before anything else is done.

use std::time::Duration;

use reqwest::Method;
use ringmain_domain::id::TenantId;
use ringmain_domain::roaming::{Acceptance, PartnerDesk, PartnerFault, PartnerFuture};
use ringmain_store::partners::settings::{PartnerEndpoints, Side};
use ringmain_store::partners::{Exchange, Invitation, Partner, PartnerRole, PartnerState, PeerToken};
use ringmain_store::store::StoreError;
use uuid::Uuid;

use crate::client::{Call, Callee};
use crate::handshake::{LearnError, learn, offer};
use crate::hub::Hub;
use crate::ocpi::envelope::now;
use crate::ocpi::v221::types::credentials::Credentials;
use crate::ocpi::v221::{from_wire, to_wire};
use crate::partner::{hash, judge, new_token};
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
        Box::pin(async move { accept(&hub, acceptance).await })
    }

    fn rotate(&self, tenant: TenantId, partner: Uuid) -> PartnerFuture<()> {
        let hub = self.clone();
        Box::pin(async move { rotate(&hub, &tenant, partner).await })
    }

    fn leave(&self, tenant: TenantId, partner: Uuid) -> PartnerFuture<()> {
        let hub = self.clone();
        Box::pin(async move { leave(&hub, &tenant, partner).await })
    }

    fn changed(&self) {
        self.tell_partners_changed();
    }
}

async fn accept(hub: &Hub, acceptance: Acceptance) -> Result<Uuid, PartnerFault> {
    let Acceptance { tenant, name, ours, our_versions_url, their_versions_url, token_a } = acceptance;
    let guarded = hub.client.guard().check(&their_versions_url);
    guarded.map_err(|error| PartnerFault::Unusable(error.as_str().into()))?;
    let (id, token_a, at) = (Uuid::now_v7(), PeerToken::new(&token_a), now());
    let endpoints = learn(&hub.client, (&tenant, id), &their_versions_url, &token_a).await?;
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
    let partner = hub.store.partner(&tenant, id).await.map_err(away)?.ok_or(PartnerFault::StoreAway)?;
    let is_token_plain = endpoints.is_token_plain;
    let with_a = Callee { tenant: tenant.clone(), partner: id, token: token_a, is_token_plain, route: None };
    let done = exchange(hub, &partner, (Method::POST, &with_a), endpoints, token_b).await;
    if done.is_err() {
        // What was opened for it is closed again.
        hub.store.unregister_partner(&tenant, id, now()).await.map_err(away)?;
    }
    done.map(|()| id)
}

async fn rotate(hub: &Hub, tenant: &TenantId, id: Uuid) -> Result<(), PartnerFault> {
    let partner = registered(hub, tenant, id).await?;
    let PartnerState::Registered(peer) = &partner.state else { return Err(PartnerFault::NotRegistered) };
    let endpoints = learn(&hub.client, (tenant, id), &peer.url, &peer.token).await?;
    let token_b = new_token().ok_or(PartnerFault::StoreAway)?;
    if !hub.store.offer_partner_token(tenant, id, &hash(&token_b)).await.map_err(away)? {
        return Err(PartnerFault::NotRegistered);
    }
    let is_token_plain = endpoints.is_token_plain;
    let (tenant, token) = (tenant.clone(), peer.token.clone());
    let callee = Callee { tenant, partner: id, token, is_token_plain, route: None };
    exchange(hub, &partner, (Method::PUT, &callee), endpoints, token_b).await
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

/// Gives the partner a new token of ours and keeps the one that comes back.
async fn exchange(
    hub: &Hub,
    partner: &Partner,
    (method, callee): (Method, &Callee),
    endpoints: PartnerEndpoints,
    token_b: String,
) -> Result<(), PartnerFault> {
    let given = hash(&token_b);
    let ours: Credentials = to_wire::credentials(partner, token_b);
    let theirs = offer(&hub.client, callee, &endpoints, (method, &ours)).await?;
    let judged = judge(hub.client.guard(), partner, from_wire::offer(theirs));
    let mut peer = judged.map_err(|wrong| PartnerFault::Refused(wrong.into()))?;
    peer.endpoints = Some(endpoints);
    let exchange = Exchange { shown: given.clone(), given, peer, at: now() };
    for attempt in 1.. {
        match hub.store.register_partner(&partner.tenant, partner.id, &exchange).await {
            Ok(true) => break,
            Ok(false) => return Err(PartnerFault::NotRegistered),
            // The partner has changed its token: without what came back we are strangers.
            Err(StoreError::Unavailable { .. } | StoreError::Unknown { .. }) if attempt < KEEP_ATTEMPTS => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => return Err(away(error)),
        }
    }
    hub.tell_partners_changed();
    Ok(())
}
