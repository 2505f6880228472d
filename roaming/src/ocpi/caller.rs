//! Who calls, and in which version: the partner behind a token, as an extractor. A handler that takes [`Registered`] cannot be reached with
//! token A.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use ringmain_store::partners::{Partner, PartnerState};
use std::future::Future;
use std::pin::Pin;
use std::time::Instant;
use uuid::Uuid;

use crate::hub::Hub;
use crate::ocpi::dialect::Dialect;
use crate::ocpi::envelope::now;
use crate::ocpi::headers;
use crate::ocpi::status::Refusal;
use crate::partner::{Standing, hash, spoken, standing};

/// Left at a request for whoever writes it down: which partner it came from.
#[derive(Debug, Clone, Copy)]
pub struct Known(pub Uuid);

/// Somebody with a valid token.
#[derive(Debug)]
pub struct Caller {
    /// The partner.
    pub partner: Partner,
    /// What its token makes of it.
    pub standing: Standing,
    /// The token it showed.
    pub token: String,
}

/// Somebody with a valid token, in a version that is spoken with it.
#[derive(Debug)]
pub struct Speaker {
    /// Who.
    pub caller: Caller,
    /// In which version.
    pub dialect: Dialect,
}

/// Somebody with token C, in a version that is spoken with it.
#[derive(Debug)]
pub struct Registered {
    /// The partner.
    pub partner: Partner,
    /// In which version.
    pub dialect: Dialect,
}

type Found<T> = Pin<Box<dyn Future<Output = Result<T, Refusal>>>>;

async fn find(request: HttpRequest) -> Result<Caller, Refusal> {
    let hub = request.app_data::<web::Data<Hub>>().ok_or_else(Refusal::ours)?;
    for token in headers::tokens(request.headers()) {
        let found = hub.store.partner_by_token(&hash(&token)).await?;
        let Some(partner) = found.filter(|partner| partner.tenant == hub.tenant) else { continue };
        let Some(standing) = standing(&partner, now()) else { continue };
        request.extensions_mut().insert(Known(partner.id));
        let rate = partner.settings.inbound_calls_per_s;
        hub.limits.take(partner.id, rate, Instant::now()).map_err(Refusal::busy)?;
        return Ok(Caller { partner, standing, token });
    }
    Err(Refusal::unauthorized())
}

async fn find_speaker(request: HttpRequest) -> Result<Speaker, Refusal> {
    let named = request.match_info().get("version").and_then(Dialect::named);
    let caller = find(request).await?;
    let dialect = named.ok_or_else(Refusal::no_such_path)?;
    let is_settled = Dialect::settled(&caller.partner.settings).contains(&dialect);
    // Whoever speaks a version goes on until the credentials are exchanged again, though it is not settled any more.
    let spoken = match &caller.partner.state {
        PartnerState::Registered(peer) => spoken(peer),
        PartnerState::Invited { .. } | PartnerState::Unregistered => None,
    };
    if is_settled || spoken == Some(dialect) {
        Ok(Speaker { caller, dialect })
    } else {
        Err(Refusal::version())
    }
}

impl FromRequest for Caller {
    type Error = Refusal;
    type Future = Found<Self>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        Box::pin(find(request.clone()))
    }
}

impl FromRequest for Speaker {
    type Error = Refusal;
    type Future = Found<Self>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        Box::pin(find_speaker(request.clone()))
    }
}

impl FromRequest for Registered {
    type Error = Refusal;
    type Future = Found<Self>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let speaker = find_speaker(request.clone());
        Box::pin(async move {
            let Speaker { caller, dialect } = speaker.await?;
            match caller.standing {
                Standing::Registered => Ok(Self { partner: caller.partner, dialect }),
                Standing::Invited => Err(Refusal::unauthorized()),
            }
        })
    }
}
