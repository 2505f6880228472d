//! The credentials of both sides: exchanged for the first time, renewed, taken back. The version of the path is the one that is spoken from
//! then on (OCPI 2.2.1 credentials, PUT: "switch to the version that contains this credentials endpoint").

use actix_web::http::Method;
use actix_web::{Error, HttpRequest, web};
use ringmain_store::partners::Exchange;
use ringmain_store::store::StoreError;

use super::{Answer, whole};
use crate::handshake::learn;
use crate::hub::Hub;
use crate::ocpi::caller::{Caller, Speaker};
use crate::ocpi::dialect::Dialect;
use crate::ocpi::envelope::{self, now};
use crate::ocpi::status::Refusal;
use crate::partner::{Step, are_tokens_anew, hash, is_time_for, judge, new_token};

/// The token in it is the one that was shown: we keep no other text of it.
pub(super) async fn show(Speaker { caller, dialect }: Speaker) -> Answer {
    Ok(envelope::success(dialect.credentials(&caller.partner, caller.token)))
}

/// POST registers, PUT renews: token B is kept, a new token C is given, and the token that was shown is dead.
pub(super) async fn exchange(
    Speaker { caller, dialect }: Speaker,
    hub: web::Data<Hub>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> Answer {
    let step = if request.method() == Method::POST { Step::Register } else { Step::Renew };
    check_time(&caller, step)?;
    let partner = &caller.partner;
    // What is spoken already goes on where it is no longer settled, and is not agreed upon anew.
    if !Dialect::settled(&partner.settings).contains(&dialect) {
        return Err(Refusal::version());
    }
    let body = whole(body)?;
    let theirs = dialect
        .read_credentials(&body)
        .map_err(|fault| Refusal::malformed(format!("the body is no credentials object: {fault}")))?;
    let mut peer = judge(hub.client.guard(), partner, (dialect, theirs)).map_err(Refusal::invalid)?;
    // Before it is answered: a partner that cannot be called is told so now, not found out later.
    let learned =
        learn(&hub.client, (&partner.tenant, partner.id), &peer.url, (&peer.token, &[dialect])).await;
    peer.endpoints = Some(learned.map_err(|error| Refusal::handshake(&error))?.endpoints);
    let token_c = new_token().ok_or_else(Refusal::ours)?;
    let exchange = Exchange {
        shown: hash(&caller.token),
        given: hash(&token_c),
        peer,
        tokens_anew: are_tokens_anew(partner, dialect),
        at: now(),
    };
    let mut kept = hub.store.register_partner(&partner.tenant, partner.id, &exchange).await;
    if let Err(StoreError::Unknown { .. }) = kept {
        // Perhaps it is kept: the same again does no harm and tells.
        kept = hub.store.register_partner(&partner.tenant, partner.id, &exchange).await;
    }
    match kept {
        Ok(true) => {
            hub.tell_partners_changed();
            Ok(envelope::success(dialect.credentials(partner, token_c)))
        }
        // Somebody used the token in between.
        Ok(false) => Err(Refusal::unauthorized()),
        Err(StoreError::Conflict { .. }) => {
            Err(Refusal::invalid("another partner acts for one of these parties"))
        }
        Err(error) => Err(error.into()),
    }
}

/// The partner leaves.
pub(super) async fn unregister(Speaker { caller, .. }: Speaker, hub: web::Data<Hub>) -> Answer {
    check_time(&caller, Step::Unregister)?;
    hub.store.unregister_partner(&caller.partner.tenant, caller.partner.id, now()).await?;
    hub.tell_partners_changed();
    Ok(envelope::done())
}

fn check_time(caller: &Caller, step: Step) -> Result<(), Refusal> {
    if is_time_for(caller.standing, step) {
        return Ok(());
    }
    Err(Refusal::not_allowed(match step {
        Step::Register => "already registered: use PUT",
        Step::Renew | Step::Unregister => "not registered yet: use POST",
    }))
}
