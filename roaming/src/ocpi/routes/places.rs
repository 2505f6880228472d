//! One location, one of its EVSEs, one connector.

use actix_web::web;
use ringmain_domain::id::LocationId;

use super::Answer;
use crate::hub::Hub;
use crate::ocpi::caller::Registered;
use crate::ocpi::envelope::{self, now};
use crate::ocpi::status::Refusal;
use crate::service::locations::{Connector, Evse, evses};

pub(super) async fn location(
    caller: Registered,
    hub: web::Data<Hub>,
    path: web::Path<(String, String)>,
) -> Answer {
    let Registered { partner, dialect } = caller;
    let (_, location) = path.into_inner();
    let id = LocationId::new(&location).map_err(|_no_id| Refusal::unknown_location())?;
    let found = hub.store.published_location(&partner.tenant, now(), &id).await?;
    let published = found.ok_or_else(Refusal::unknown_location)?;
    Ok(envelope::success(dialect.location(&partner.ours, &published)))
}

pub(super) async fn evse(
    caller: Registered,
    hub: web::Data<Hub>,
    path: web::Path<(String, String, String)>,
) -> Answer {
    let (_, location, evse) = path.into_inner();
    let evse = find_evse(&caller, &hub, &location, &evse).await?;
    let said = caller.dialect.evse(&evse).ok_or_else(Refusal::unknown_location)?;
    Ok(envelope::success(said))
}

pub(super) async fn connector(
    caller: Registered,
    hub: web::Data<Hub>,
    path: web::Path<(String, String, String, String)>,
) -> Answer {
    let (_, location, evse, connector) = path.into_inner();
    let evse = find_evse(&caller, &hub, &location, &evse).await?;
    let is_it = |c: &&Connector| c.number.to_string() == connector;
    let found = evse.connectors.iter().find(is_it).ok_or_else(Refusal::unknown_location)?;
    let said = caller.dialect.connector(found).ok_or_else(Refusal::unknown_location)?;
    Ok(envelope::success(said))
}

/// Peers echo ids in lower or upper case.
async fn find_evse(caller: &Registered, hub: &Hub, location: &str, uid: &str) -> Result<Evse, Refusal> {
    let id = LocationId::new(location).map_err(|_no_id| Refusal::unknown_location())?;
    let found = hub.store.published_location(&caller.partner.tenant, now(), &id).await?;
    let published = found.ok_or_else(Refusal::unknown_location)?;
    let is_it = |evse: &Evse| evse.uid.to_string().eq_ignore_ascii_case(uid);
    evses(&published).into_iter().find(is_it).ok_or_else(Refusal::unknown_location)
}
