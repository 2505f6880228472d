//! `meter-keys`: public keys of meters by serial number. Only a key that is registered here decides whether a signature is valid.

use actix_web::{HttpResponse, web};
use ringmain_domain::meter::MeterKeyRecord;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Body, Path, Query};
use super::fields::Instant;
use super::locations::{PageQuery, answer_put};
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::clock;
use crate::house::House;
use crate::services::meter_keys as service;

const LIST: &str = "meter-keys";

/// A meter's public key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MeterKeyBody {
    /// The meter's serial number, as it stands in its readings (OCMF: MS, else GS).
    serial: String,
    public_key: String,
    updated_at: Instant,
}

/// A meter's key to register or to replace another with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MeterKeyRequest {
    /// DER SubjectPublicKeyInfo as hex, base64 or PEM; a bare point as hex; or with an `oca:base16:asn1:` prefix.
    #[schema(max_length = 4096)]
    public_key: String,
}

/// All meter keys, by serial number.
#[utoipa::path(get, path = "/api/v1/meter-keys", tag = "meter-keys", params(PageQuery),
    responses((status = 200, body = ListBody<MeterKeyBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let page = house.store.meter_keys(&caller.tenant, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, MeterKeyBody::from)))
}

/// One meter's key.
#[utoipa::path(get, path = "/api/v1/meter-keys/{serial}", tag = "meter-keys", params(("serial" = String, Path)),
    responses((status = 200, body = MeterKeyBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(serial): Path<String>,
) -> Result<HttpResponse, Problem> {
    let found = house.store.meter_key(&caller.tenant, &serial).await?;
    let key = found.ok_or_else(|| Problem::absent("meter key", serial))?;
    Ok(HttpResponse::Ok().json(MeterKeyBody::from(key)))
}

/// Registers a meter's key or replaces it.
#[utoipa::path(put, path = "/api/v1/meter-keys/{serial}", tag = "meter-keys", params(("serial" = String, Path)),
    request_body = MeterKeyRequest,
    responses((status = 200, body = MeterKeyBody, description = "replaced"),
        (status = 201, body = MeterKeyBody, description = "created"), (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(serial): Path<String>,
    Body(body): Body<MeterKeyRequest>,
) -> Result<HttpResponse, Problem> {
    let key = MeterKeyRecord {
        tenant: caller.tenant.clone(),
        serial: serial.into(),
        public_key: body.public_key.trim().into(),
        updated_at: clock::now(),
    };
    let put = service::put(&house, &caller, &key).await?;
    Ok(answer_put(put, &MeterKeyBody::from(key)))
}

/// Removes a meter's key.
#[utoipa::path(delete, path = "/api/v1/meter-keys/{serial}", tag = "meter-keys", params(("serial" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(super) async fn delete(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(serial): Path<String>,
) -> Result<HttpResponse, Problem> {
    service::remove(&house, &caller, &serial).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<MeterKeyRecord> for MeterKeyBody {
    fn from(key: MeterKeyRecord) -> Self {
        Self {
            serial: key.serial.into(),
            public_key: key.public_key.into(),
            updated_at: key.updated_at.into(),
        }
    }
}
