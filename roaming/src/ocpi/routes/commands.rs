//! Commands of partners (interface RECEIVER): read, turned into an order for one station, answered at once.

use actix_web::{HttpRequest, web};
use ringmain_domain::command::StationCommand;
use ringmain_domain::id::{ConnectorId, EvseId, LocationId, StationId};
use ringmain_store::partners::commands::CommandAddress;
use ringmain_store::partners::{Partner, PartnerState};
use uuid::Uuid;

use super::{Answer, whole};
use crate::commands::{Order, check_response_url, give, start};
use crate::hub::Hub;
use crate::ocpi::caller::Registered;
use crate::ocpi::dialect::Dialect;
use crate::ocpi::dialect::read::Command;
use crate::ocpi::envelope::{self, now};
use crate::ocpi::status::Refusal;
use crate::ocpi::v221::types::command::{
    CommandResponseType, CommandType, StartSession, StopSession, UnlockConnector,
};
use crate::ocpi::values::CiString;
use crate::pull::{owner, told};
use crate::service::locations::{EvseStatus, evse_uid, evses};

/// How long after its driver has left a partner may still have a cable let go.
const CABLE_MS: i64 = 15 * 60_000;

/// What comes of reading a command.
enum Taken {
    Order { order: Box<Order>, response_url: String },
    Refused(CommandResponseType),
}

/// A command.
pub(super) async fn take(
    Registered { partner, dialect }: Registered,
    hub: web::Data<Hub>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    let body = whole(body)?;
    let (_, name) = path.into_inner();
    let answer = |result| Ok(respond(&hub, dialect, result));
    let kind = dialect.command(&name);
    if !partner.settings.commands_enabled {
        return answer(CommandResponseType::NotSupported);
    }
    let kind = kind.ok_or_else(Refusal::no_such_path)?;
    let command = dialect.read_command(&kind, &body, &owner(&partner).ok_or_else(Refusal::unauthorized)?)?;
    let taken = match command {
        Command::Start(from) => start_session(&hub, &partner, from).await?,
        Command::Stop(from) => stop_session(&hub, &partner, from).await?,
        Command::Unlock(from) => unlock(&hub, &partner, from).await?,
        // Stations are not told to hold an EVSE yet; that the command can be read is checked all the same.
        Command::Reserve(_) | Command::Cancel(_) => Taken::Refused(CommandResponseType::NotSupported),
    };
    match taken {
        Taken::Refused(why) => answer(why),
        Taken::Order { order, response_url } => {
            check_response_url(&hub, &partner, &response_url).map_err(Refusal::invalid)?;
            let address = address(&request, &kind, response_url);
            give(&hub, &partner, *order, address).await?;
            answer(CommandResponseType::Accepted)
        }
    }
}

fn respond(hub: &Hub, dialect: Dialect, result: CommandResponseType) -> actix_web::HttpResponse {
    // The result follows a moment after the deadline, at the latest.
    let timeout =
        u32::try_from(hub.settings.command_deadline.as_secs()).unwrap_or(u32::MAX).saturating_add(5);
    envelope::success(dialect.command_response(result, timeout))
}

fn address(request: &HttpRequest, command: &CommandType, url: String) -> CommandAddress {
    let header = |name: &str| {
        let value = request.headers().get(name)?.to_str().ok()?;
        (value.len() <= 64).then(|| Box::<str>::from(value))
    };
    CommandAddress {
        url: url.into(),
        command: command.as_str().into(),
        correlation_id: header("x-correlation-id"),
        from: header("ocpi-from-country-code").zip(header("ocpi-from-party-id")),
    }
}

async fn start_session(hub: &Hub, partner: &Partner, from: StartSession) -> Result<Taken, Refusal> {
    // Not whether it may charge: only whether it is one of the partner's.
    let token = told(partner, &from.token).map_err(|wrong| Refusal::invalid(format!("/token{wrong}")))?.token;
    let at = place(hub, &from.location_id, from.evse_uid.as_ref()).await?;
    let Some(at) = at else { return Ok(Taken::Refused(CommandResponseType::Rejected)) };
    let reference = from.authorization_reference.map(|reference| reference.as_str().into());
    let order = start(at, &token, reference).map_err(Refusal::invalid)?;
    Ok(Taken::Order { order: Box::new(order), response_url: from.response_url })
}

/// The EVSE that is named, or one that is free; `None`: none is.
async fn place(
    hub: &Hub,
    location: &CiString,
    evse: Option<&CiString>,
) -> Result<Option<(StationId, Option<EvseId>)>, Refusal> {
    let id = LocationId::new(location.as_str()).map_err(|_no_id| Refusal::unknown_location())?;
    let found = hub.store.published_location(&hub.tenant, now(), &id).await?;
    let published = found.ok_or_else(Refusal::unknown_location)?;
    let shown = evses(&published);
    let chosen = match evse {
        Some(uid) => {
            let named = shown.iter().find(|one| one.uid.to_string().eq_ignore_ascii_case(uid.as_str()));
            Some(named.ok_or_else(Refusal::unknown_location)?.uid)
        }
        None => shown.iter().find(|one| one.status == EvseStatus::Available).map(|one| one.uid),
    };
    let Some(uid) = chosen else { return Ok(None) };
    let own = published.connectors.iter().find(|c| evse_uid(&hub.tenant, &c.station, c.evse) == uid);
    Ok(own.map(|connector| (connector.station.clone(), Some(connector.evse))))
}

async fn stop_session(hub: &Hub, partner: &Partner, from: StopSession) -> Result<Taken, Refusal> {
    let unknown = Taken::Refused(CommandResponseType::UnknownSession);
    let Ok(id) = Uuid::parse_str(from.session_id.as_str()) else { return Ok(unknown) };
    let found = hub.store.sessions_for_partners(&hub.tenant, &[id]).await?.pop();
    let PartnerState::Registered(peer) = &partner.state else { return Ok(unknown) };
    let own = found.filter(|found| {
        peer.roles.iter().any(|role| {
            *role.role == *"EMSP"
                && role.country_code == found.owner.country_code
                && role.party_id == found.owner.party_id
        })
    });
    let Some(session) = own.map(|own| own.session).filter(|session| session.ended_at.is_none()) else {
        return Ok(unknown);
    };
    let command = StationCommand::StopTransaction { transaction_id: session.transaction };
    let order = Order { station: session.station, command, clearance: None };
    Ok(Taken::Order { order: Box::new(order), response_url: from.response_url })
}

/// A cable is let go where a driver of this partner charges, or did a moment ago: it may be stuck.
async fn unlock(hub: &Hub, partner: &Partner, from: UnlockConnector) -> Result<Taken, Refusal> {
    let at = place(hub, &from.location_id, Some(&from.evse_uid)).await?;
    let Some((station, Some(evse_id))) = at else { return Err(Refusal::unknown_location()) };
    let since = now().plus_millis(-CABLE_MS);
    let charges = hub.store.partner_charges_at((&hub.tenant, partner.id), (&station, evse_id), since).await?;
    if !charges {
        return Ok(Taken::Refused(CommandResponseType::Rejected));
    }
    let number = from.connector_id.as_str().parse().map_err(|_no_number| Refusal::unknown_location())?;
    let command = StationCommand::UnlockConnector { evse_id, connector_id: ConnectorId(number) };
    Ok(Taken::Order {
        order: Box::new(Order { station, command, clearance: None }),
        response_url: from.response_url,
    })
}
