//! Tokens that partners tell us (interface RECEIVER). A partner touches the tokens of the companies it acts for, and no others.

use actix_web::{HttpRequest, web};
use ringmain_domain::id::TokenUid;
use ringmain_domain::party::{Party, Role};
use ringmain_store::partners::tokens::ToldToken;
use ringmain_store::partners::{Partner, PartnerState};

use super::{Answer, whole};
use crate::hub::Hub;
use crate::ocpi::caller::Registered;
use crate::ocpi::dialect::Dialect;
use crate::ocpi::envelope::{self, now};
use crate::ocpi::patch::Merged;
use crate::ocpi::reading;
use crate::ocpi::status::Refusal;
use crate::ocpi::v211::into_v221::Owner;
use crate::ocpi::v221::types::token::Token;
use crate::ocpi::values::DateTime;
use crate::pull::told;

/// Version, country code, party id and uid.
type Path = web::Path<(String, String, String, String)>;

/// Which token a request is about.
struct Subject {
    party: Party,
    uid: TokenUid,
    /// What it may be.
    kinds: Vec<String>,
}

impl Subject {
    /// Whose it is: what the address says counts where the token does not.
    fn owner(&self) -> Owner {
        Owner { country_code: (&*self.party.country_code).into(), party_id: (&*self.party.party_id).into() }
    }
}

/// The one that is named, if the caller may.
fn subject(
    (partner, dialect): (&Partner, Dialect),
    path: Path,
    request: &HttpRequest,
) -> Result<Subject, Refusal> {
    let (_, country_code, party_id, uid) = path.into_inner();
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
    let kinds = kind.map_or_else(
        || dialect.token_kinds().iter().map(|kind| (*kind).to_owned()).collect(),
        |named| vec![named],
    );
    Ok(Subject { party, uid, kinds })
}

/// The token that is meant, if it is known: the first of those it may be.
async fn known(hub: &Hub, subject: &Subject) -> Result<Option<ToldToken>, Refusal> {
    for kind in &subject.kinds {
        let key = (&subject.uid, kind.as_str());
        if let Some(known) = hub.store.partner_token(&hub.tenant, &subject.party, key).await? {
            return Ok(Some(known));
        }
    }
    Ok(None)
}

/// The token as it was told.
pub(super) async fn show(
    Registered { partner, dialect }: Registered,
    hub: web::Data<Hub>,
    path: Path,
    request: HttpRequest,
) -> Answer {
    let subject = subject((&partner, dialect), path, &request)?;
    let known = known(&hub, &subject).await?.ok_or_else(Refusal::unknown_token)?;
    let token: Token = reading::body(known.told.get().as_bytes())?;
    Ok(envelope::success(dialect.token(token)))
}

/// All of a token: 201 for a new one.
pub(super) async fn put(
    Registered { partner, dialect }: Registered,
    hub: web::Data<Hub>,
    path: Path,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    let subject = subject((&partner, dialect), path, &request)?;
    let token = dialect.read_token(&whole(body)?, &subject.owner())?;
    let told = checked(&partner, &subject, &token)?;
    let key = (&subject.uid, &*told.token.kind);
    let is_new = hub.store.partner_token(&hub.tenant, &subject.party, key).await?.is_none();
    hub.store.put_partner_tokens(&hub.tenant, &[told]).await?;
    Ok(if is_new { envelope::created() } else { envelope::done() })
}

/// Some fields of a token: laid over what is known while nobody else can, so that of two at a time neither is lost.
pub(super) async fn patch(
    Registered { partner, dialect }: Registered,
    hub: web::Data<Hub>,
    path: Path,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    let subject = subject((&partner, dialect), path, &request)?;
    let patch = dialect.read_token_part(&whole(body)?, DateTime(now()))?;
    let kind = known(&hub, &subject).await?.ok_or_else(Refusal::unknown_token)?.token.kind;
    let (store, tenant, party) = (&hub.store, &hub.tenant, subject.party.clone());
    let uid = subject.uid.clone();
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

/// The token as it is kept, if it is the one that the address names.
fn checked(partner: &Partner, subject: &Subject, token: &Token) -> Result<ToldToken, Refusal> {
    let told = told(partner, token).map_err(Refusal::invalid)?;
    let same = told.token.party == subject.party
        && told.token.uid.eq_ignore_ascii_case(subject.uid.as_str())
        && subject.kinds.iter().any(|kind| **kind == *told.token.kind);
    if !same {
        return Err(Refusal::invalid("the token's party, uid or type is not that of the address"));
    }
    Ok(told)
}
