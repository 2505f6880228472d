//! Who calls, and may they: before every handler, by the table of routes.

use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, ResponseError, web};

use super::idempotency;
use super::problem::{Kind, Problem};
use super::routes::{Access, Method, Route};
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::keys::{self, Caller};

/// The caller, in handlers. Only a route that the guard let pass has one.
#[derive(Debug, Clone)]
pub struct Authorized(pub Caller);

impl FromRequest for Authorized {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Caller>().cloned();
        std::future::ready(caller.map(Self).ok_or_else(|| Problem::new(Kind::Unauthorized, "no caller")))
    }
}

/// Stands before every route: finds the caller, checks rate and permission, and makes POST repeatable.
///
/// # Errors
/// Never: what goes wrong becomes a response here, so that it gets the security headers as well.
pub async fn guard(
    route: &'static Route,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Access::Needs(permission) = route.access else { return answer(request, next).await };
    let caller = match caller(&request).await {
        Ok(caller) if caller.may(permission) => caller,
        Ok(caller) => {
            let detail = format!("the role {} may not do that", caller.role.as_str());
            return Ok(refuse(request, &Problem::new(Kind::Forbidden, detail)));
        }
        Err(problem) => return Ok(refuse(request, &problem)),
    };
    request.extensions_mut().insert(caller.clone());
    match route.method {
        Method::Post => idempotency::answer_once(&caller, request, next).await,
        Method::Get | Method::Put | Method::Patch | Method::Delete => answer(request, next).await,
    }
}

/// Answers a request with a problem.
pub(super) fn refuse(request: ServiceRequest, problem: &Problem) -> ServiceResponse<BoxBody> {
    request.into_response(problem.error_response())
}

/// Calls the handler; an error of the framework becomes a response too.
pub(super) async fn answer(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let kept = request.request().clone();
    match next.call(request).await {
        Ok(response) => Ok(response),
        Err(error) => Ok(ServiceResponse::new(kept, error.error_response())),
    }
}

async fn caller(request: &ServiceRequest) -> Result<Caller, Problem> {
    let (Some(house), Some(doorway)) =
        (request.app_data::<web::Data<House>>(), request.app_data::<web::Data<Doorway>>())
    else {
        tracing::error!("the app was built without the data the API needs");
        return Err(Problem::new(Kind::Internal, "this node was put together wrongly"));
    };
    let Some(token) = bearer(request) else {
        return Err(Problem::new(
            Kind::Unauthorized,
            "send the header Authorization: Bearer and an API key's token",
        ));
    };
    let Some(caller) = keys::authenticate(&house.store, token).await? else {
        return Err(Problem::new(Kind::Unauthorized, "this token is not valid"));
    };
    if !doorway.requests.take(&caller.key_id, Instant::now()) {
        return Err(Problem::new(Kind::TooManyRequests, "this key makes too many requests: slow down"));
    }
    Ok(caller)
}

fn bearer(request: &ServiceRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}
