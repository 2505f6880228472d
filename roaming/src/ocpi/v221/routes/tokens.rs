//! Tokens that partners tell us (interface RECEIVER). A partner touches the tokens of the companies it acts for, and no others.

use actix_web::{HttpRequest, web};
use ringmain_domain::id::TokenUid;
use ringmain_domain::party::{Party, Role};
use ringmain_store::partners::tokens::ToldToken;
use ringmain_store::partners::{Partner, PartnerState};

use super::Answer;
use crate::hub::Hub;
use crate::ocpi::caller::Registered;
use crate::ocpi::patch::{Merged, Patch};
use crate::ocpi::status::Refusal;
use crate::ocpi::v221::types::token::Token;
use crate::ocpi::{envelope, reading};
use crate::pull::told;

type Path = web::Path<(String, String, String)>;

/// Which token a request is about.
struct Subject {
    party: Party,
    uid: TokenUid,
    kind: String,
}

/// The one that is named, if the caller may.
fn subject(partner: &Partner, path: Path, request: &HttpRequest) -> Result<Subject, Refusal> {
    let (country_code, party_id, uid) = path.into_inner();
    let party = Party {
        country_code: country_code.to_ascii_uppercase().into(),
        party_id: party_id.to_ascii_uppercase().into(),
        role: Role::Emsp,
    };
    let PartnerState::Registered(peer) = &partner.state else { return Err(Refusal::unauthorized()) };
    let acts = peer.roles.iter().any(|role| {
        *role.role == *"EMSP" && role.country_code == party.country_code && role.party_id == party.party_id
    });
    if !acts {
        return Err(Refusal::foreign());
    }
    let uid = TokenUid::new(&uid).map_err(|_no_uid| Refusal::unknown_token())?;
    let kind = url::form_urlencoded::parse(request.query_string().as_bytes())
        .find_map(|(name, value)| (name == "type").then(|| value.into_owned()));
    Ok(Subject { party, uid, kind: kind.unwrap_or_else(|| "RFID".to_owned()) })
}

async fn known(hub: &Hub, subject: &Subject) -> Result<Option<ToldToken>, Refusal> {
    let key = (&subject.uid, subject.kind.as_str());
    Ok(hub.store.partner_token(&hub.tenant, &subject.party, key).await?)
}

/// The token as it was told.
pub(super) async fn show(
    Registered(partner): Registered,
    hub: web::Data<Hub>,
    path: Path,
    request: HttpRequest,
) -> Answer {
    let subject = subject(&partner, path, &request)?;
    let known = known(&hub, &subject).await?.ok_or_else(Refusal::unknown_token)?;
    Ok(envelope::success(known.told))
}

/// All of a token: 201 for a new one.
pub(super) async fn put(
    Registered(partner): Registered,
    hub: web::Data<Hub>,
    path: Path,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    let subject = subject(&partner, path, &request)?;
    let token: Token = reading::body(&super::whole(body)?)?;
    let is_new = known(&hub, &subject).await?.is_none();
    keep(&hub, &partner, &subject, &token).await?;
    Ok(if is_new { envelope::created() } else { envelope::done() })
}

/// Some fields of a token: laid over what is known while nobody else can, so that of two at a time neither is lost.
pub(super) async fn patch(
    Registered(partner): Registered,
    hub: web::Data<Hub>,
    path: Path,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    let subject = subject(&partner, path, &request)?;
    let patch = Patch::read(&super::whole(body)?)?;
    let (store, tenant, party) = (&hub.store, &hub.tenant, subject.party.clone());
    let (uid, kind) = (subject.uid.clone(), subject.kind.clone());
    let change = Box::new(move |known: ToldToken| {
        let before: Token = reading::body(known.told.get().as_bytes())?;
        let mut touched = known.touched;
        let Merged::Changed(token) = patch.onto_touched(&before, &mut touched)? else { return Ok(None) };
        Ok::<_, Refusal>(Some(ToldToken { touched, ..checked(&partner, &subject, &token)? }))
    });
    let changed = store.change_partner_token(tenant, &party, (&uid, &kind), change).await?;
    changed.ok_or_else(Refusal::unknown_token)??;
    Ok(envelope::done())
}

async fn keep(hub: &Hub, partner: &Partner, subject: &Subject, token: &Token) -> Result<(), Refusal> {
    let told = checked(partner, subject, token)?;
    Ok(hub.store.put_partner_tokens(&hub.tenant, &[told]).await?)
}

/// The token as it is kept, if it is the one that the address names.
fn checked(partner: &Partner, subject: &Subject, token: &Token) -> Result<ToldToken, Refusal> {
    let told = told(partner, token).map_err(Refusal::invalid)?;
    let same = told.token.party == subject.party
        && told.token.uid.eq_ignore_ascii_case(subject.uid.as_str())
        && *told.token.kind == *subject.kind;
    if !same {
        return Err(Refusal::invalid("the token's party, uid or type is not that of the address"));
    }
    Ok(told)
}
