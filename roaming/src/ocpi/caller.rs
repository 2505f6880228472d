//! Who calls: the partner behind a token, as an extractor. A handler that takes [`Registered`] cannot be reached with token A.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use ringmain_store::partners::Partner;
use std::future::Future;
use std::pin::Pin;
use std::time::Instant;
use uuid::Uuid;

use crate::hub::Hub;
use crate::ocpi::envelope::now;
use crate::ocpi::headers;
use crate::ocpi::status::Refusal;
use crate::partner::{Standing, hash, standing};

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

/// Somebody with token C.
#[derive(Debug)]
pub struct Registered(pub Partner);

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

impl FromRequest for Caller {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        Box::pin(find(request.clone()))
    }
}

impl FromRequest for Registered {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let caller = find(request.clone());
        Box::pin(async move {
            match caller.await? {
                Caller { partner, standing: Standing::Registered, .. } => Ok(Self(partner)),
                Caller { standing: Standing::Invited, .. } => Err(Refusal::unauthorized()),
            }
        })
    }
}
