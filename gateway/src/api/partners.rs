//! `partners`: OCPI platforms we have contracts with, what was settled with them, and how it goes.

use actix_web::{HttpResponse, web};
use ringmain_store::partners::calls::PartnerCall;
use ringmain_store::partners::lanes::DeadLetter;
use ringmain_store::partners::settings::{PartnerSettings, TokenForm};
use ringmain_store::partners::{Partner, PartnerState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::auth::Authorized;
use super::charging_stations::show_once;
use super::extract::{Body, Path, Query};
use super::fields::Instant;
use super::locations::PageQuery;
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::partners::{self as service, Ours};

const LIST: &str = "partners";
const LETTERS: &str = "dead-letters";
const CALLS: &str = "partner-calls";

/// A partner.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PartnerBody {
    id: Uuid,
    name: String,
    /// `invited`, `registered` or `unregistered`.
    state: &'static str,
    /// Until when it can register; null unless it is invited.
    invited_until: Option<Instant>,
    /// Who we are towards it, as `NL*RMN`.
    our_party: String,
    /// Where our versions are for it.
    our_versions_url: String,
    /// Where its versions are; null unless it is registered.
    versions_url: Option<String>,
    /// The version of OCPI that both speak.
    ocpi_version: Option<String>,
    /// The parties it acts for, as `DE*ABC EMSP`.
    parties: Vec<String>,
    settings: PartnerSettingsBody,
    created_at: Instant,
    updated_at: Instant,
}

/// A partner and how it goes with it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PartnerDetailBody {
    #[serde(flatten)]
    partner: PartnerBody,
    /// When it called us last.
    called_at: Option<Instant>,
    /// When a call of ours was answered last.
    reached_at: Option<Instant>,
    /// When a call of ours failed last, and why.
    failed_at: Option<Instant>,
    failure: Option<String>,
    /// How many changes each lane has not passed.
    behind: Vec<LaneBody>,
}

/// How far a partner has been told of changes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LaneBody {
    lane: &'static str,
    /// Changes of all tenants' objects in this installation that it has not passed; most are not for it.
    items: i64,
    /// When it passed the last one.
    passed_at: Instant,
}

/// What was settled with a partner.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PartnerSettingsBody {
    push_locations: bool,
    push_tariffs: bool,
    push_sessions: bool,
    push_cdrs: bool,
    realtime_enabled: bool,
    commands_enabled: bool,
    /// How many calls a second it takes; 0 is no limit.
    #[schema(maximum = 1000)]
    calls_per_s: u32,
    #[schema(minimum = 1, maximum = 16)]
    calls_at_once: u32,
    /// How many calls a second it may make; 0 is no limit.
    #[schema(maximum = 1000)]
    inbound_calls_per_s: u32,
    /// `learned`, `base64` or `plain`.
    #[schema(value_type = String)]
    token_form: TokenForm,
    /// The versions of OCPI that may be spoken with it: `2.3.0`, `2.2.1`, `2.1.1`; all of them where none is named. What is spoken already
    /// changes when the credentials are exchanged the next time.
    versions: Vec<String>,
}

/// An invitation to make. What is absent is as configured under `roaming`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InvitePartnerRequest {
    #[schema(max_length = 100)]
    name: String,
    country_code: Option<String>,
    party_id: Option<String>,
    company: Option<String>,
    our_versions_url: Option<String>,
    /// The versions of OCPI that may be spoken with it; all where none is named.
    #[serde(default)]
    versions: Vec<String>,
}

/// An invitation that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InvitedBody {
    id: Uuid,
    /// What the partner registers with, once; shown only now.
    token_a: Option<String>,
    versions_url: String,
}

/// A partner's invitation to take up. What is absent is as configured under `roaming`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptInvitationRequest {
    #[schema(max_length = 100)]
    name: String,
    /// Where its versions are.
    versions_url: String,
    /// The token that came with it.
    token_a: String,
    country_code: Option<String>,
    party_id: Option<String>,
    company: Option<String>,
    our_versions_url: Option<String>,
    /// The versions of OCPI that may be spoken with it: the highest of them that it has is taken; all where none is named.
    #[serde(default)]
    versions: Vec<String>,
}

/// What a partner refused for good.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetterBody {
    kind: String,
    subject: String,
    /// In the partner's words.
    reason: String,
    refused_at: Instant,
}

/// What is to be sent again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayRequest {
    kind: String,
    subject: String,
}

/// A call from or to a partner. Tokens are masked, bodies cut.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PartnerCallBody {
    at: Instant,
    /// The partner called.
    inbound: bool,
    method: String,
    url: String,
    request_id: Option<String>,
    http_status: Option<u16>,
    ocpi_status: Option<u16>,
    took_ms: u32,
    request: Option<String>,
    response: Option<String>,
}

/// All partners by id, those that left too.
#[utoipa::path(get, path = "/api/v1/partners", tag = "partners", params(PageQuery),
    responses((status = 200, body = ListBody<PartnerBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let page = house.store.partners(&caller.tenant, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, PartnerBody::from)))
}

/// Invites a partner: it registers with the token, once, within 14 days.
#[utoipa::path(post, path = "/api/v1/partners", tag = "partners", request_body = InvitePartnerRequest,
    responses((status = 201, body = InvitedBody), (status = 422, body = ProblemBody)))]
pub(super) async fn invite(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Body(body): Body<InvitePartnerRequest>,
) -> Result<HttpResponse, Problem> {
    let party = [body.country_code, body.party_id, body.company];
    let ours = Ours { party, versions_url: body.our_versions_url, versions: body.versions };
    let invited = service::invite(&house, &caller, &body.name, ours).await?;
    let versions_url = invited.versions_url.to_string();
    let shown = |token_a| InvitedBody { id: invited.id, token_a, versions_url: versions_url.clone() };
    let token_a = invited.token_a.reveal().to_owned();
    Ok(show_once(HttpResponse::Created().json(shown(Some(token_a))), &shown(None)))
}

/// Takes a partner's invitation up: asks for its versions and gives it our credentials.
#[utoipa::path(post, path = "/api/v1/partner-acceptances", tag = "partners", request_body = AcceptInvitationRequest,
    responses((status = 201, body = PartnerBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn accept(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Body(body): Body<AcceptInvitationRequest>,
) -> Result<HttpResponse, Problem> {
    let party = [body.country_code, body.party_id, body.company];
    let ours = Ours { party, versions_url: body.our_versions_url, versions: body.versions };
    let theirs = (body.versions_url.as_str(), body.token_a.as_str());
    let id = service::accept(&house, &caller, (&body.name, ours), theirs).await?;
    Ok(HttpResponse::Created().json(PartnerBody::from(service::own(&house, &caller, id).await?)))
}

/// One partner, and how it goes with it.
#[utoipa::path(get, path = "/api/v1/partners/{id}", tag = "partners", params(("id" = Uuid, Path)),
    responses((status = 200, body = PartnerDetailBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let partner = service::own(&house, &caller, id).await?;
    let standing = house.store.partner_standing(&caller.tenant, id).await?;
    let newest = house.store.feed_ends(&caller.tenant).await?.newest;
    let cursors = house.store.partner_cursors(&caller.tenant, id).await?;
    let behind = cursors.into_iter().map(|(lane, position, passed_at)| LaneBody {
        lane: lane.as_str(),
        items: newest.saturating_sub(position).max(0),
        passed_at: passed_at.into(),
    });
    Ok(HttpResponse::Ok().json(PartnerDetailBody {
        partner: partner.into(),
        called_at: standing.called_at.map(Into::into),
        reached_at: standing.reached_at.map(Into::into),
        failed_at: standing.failed_at.map(Into::into),
        failure: standing.failure.map(Into::into),
        behind: behind.collect(),
    }))
}

/// Takes leave of a partner, or an invitation back. Its tokens are dead.
#[utoipa::path(delete, path = "/api/v1/partners/{id}", tag = "partners", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn leave(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    service::leave(&house, &caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Changes the tokens on both sides, and asks for the partner's endpoints again.
#[utoipa::path(post, path = "/api/v1/partners/{id}/rotate", tag = "partners", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn rotate(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    service::rotate(&house, &caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Settles how a partner is dealt with. What is absent gets its default.
#[utoipa::path(put, path = "/api/v1/partners/{id}/settings", tag = "partners", params(("id" = Uuid, Path)),
    request_body = PartnerSettingsBody,
    responses((status = 200, body = PartnerSettingsBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn settle(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<Uuid>,
    Body(body): Body<PartnerSettingsBody>,
) -> Result<HttpResponse, Problem> {
    service::settle(&house, &caller, id, &body.clone().into()).await?;
    Ok(HttpResponse::Ok().json(body))
}

/// What a partner refused for good.
#[utoipa::path(get, path = "/api/v1/partners/{id}/dead-letters", tag = "partners", params(("id" = Uuid, Path), PageQuery),
    responses((status = 200, body = ListBody<DeadLetterBody>), (status = 404, body = ProblemBody)))]
pub(super) async fn letters(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<Uuid>,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    service::own(&house, &caller, id).await?;
    let request = paging::request(LETTERS, query.limit, query.cursor.as_deref())?;
    let page = house.store.dead_letters(&caller.tenant, id, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LETTERS, page, DeadLetterBody::from)))
}

/// Sends what a partner refused again.
#[utoipa::path(post, path = "/api/v1/partners/{id}/dead-letters", tag = "partners", params(("id" = Uuid, Path)),
    request_body = ReplayRequest, responses((status = 204), (status = 404, body = ProblemBody)))]
pub(super) async fn replay(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<Uuid>,
    Body(body): Body<ReplayRequest>,
) -> Result<HttpResponse, Problem> {
    service::replay(&house, &caller, id, (&body.kind, &body.subject)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Calls from and to a partner, the newest first: at most 1,000 of the last seven days.
#[utoipa::path(get, path = "/api/v1/partners/{id}/calls", tag = "partners", params(("id" = Uuid, Path), PageQuery),
    responses((status = 200, body = ListBody<PartnerCallBody>), (status = 404, body = ProblemBody)))]
pub(super) async fn calls(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<Uuid>,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    service::own(&house, &caller, id).await?;
    let request = paging::request(CALLS, query.limit, query.cursor.as_deref())?;
    let page = house.store.partner_calls(&caller.tenant, id, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(CALLS, page, PartnerCallBody::from)))
}

impl Default for PartnerSettingsBody {
    fn default() -> Self {
        PartnerSettings::default().into()
    }
}

impl From<PartnerSettings> for PartnerSettingsBody {
    fn from(settings: PartnerSettings) -> Self {
        Self {
            push_locations: settings.push_locations,
            push_tariffs: settings.push_tariffs,
            push_sessions: settings.push_sessions,
            push_cdrs: settings.push_cdrs,
            realtime_enabled: settings.realtime_enabled,
            commands_enabled: settings.commands_enabled,
            calls_per_s: settings.calls_per_s,
            calls_at_once: settings.calls_at_once,
            inbound_calls_per_s: settings.inbound_calls_per_s,
            token_form: settings.token_form,
            versions: settings.versions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<PartnerSettingsBody> for PartnerSettings {
    fn from(body: PartnerSettingsBody) -> Self {
        Self {
            push_locations: body.push_locations,
            push_tariffs: body.push_tariffs,
            push_sessions: body.push_sessions,
            push_cdrs: body.push_cdrs,
            realtime_enabled: body.realtime_enabled,
            commands_enabled: body.commands_enabled,
            calls_per_s: body.calls_per_s,
            calls_at_once: body.calls_at_once,
            inbound_calls_per_s: body.inbound_calls_per_s,
            token_form: body.token_form,
            versions: body.versions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Partner> for PartnerBody {
    fn from(partner: Partner) -> Self {
        let (state, invited_until, peer) = match partner.state {
            PartnerState::Invited { until } => ("invited", Some(until), None),
            PartnerState::Registered(peer) => ("registered", None, Some(peer)),
            PartnerState::Unregistered => ("unregistered", None, None),
        };
        let endpoints = peer.as_ref().and_then(|peer| peer.endpoints.as_ref());
        let roles = peer.as_ref().map(|peer| peer.roles.as_slice()).unwrap_or_default();
        Self {
            id: partner.id,
            name: partner.name.into(),
            state,
            invited_until: invited_until.map(Into::into),
            our_party: format!("{}*{}", partner.ours.country_code, partner.ours.party_id),
            our_versions_url: partner.versions_url.into(),
            ocpi_version: endpoints.map(|endpoints| endpoints.version.to_string()),
            parties: roles.iter().map(|r| format!("{}*{} {}", r.country_code, r.party_id, r.role)).collect(),
            versions_url: peer.as_ref().map(|peer| peer.url.to_string()),
            settings: partner.settings.into(),
            created_at: partner.created_at.into(),
            updated_at: partner.updated_at.into(),
        }
    }
}

impl From<DeadLetter> for DeadLetterBody {
    fn from(letter: DeadLetter) -> Self {
        Self {
            kind: letter.kind.into(),
            subject: letter.subject.into(),
            reason: letter.reason.into(),
            refused_at: letter.refused_at.into(),
        }
    }
}

impl From<PartnerCall> for PartnerCallBody {
    fn from(call: PartnerCall) -> Self {
        let said = call.said;
        Self {
            at: call.at.into(),
            inbound: call.inbound,
            method: said.method.into(),
            url: said.url.into(),
            request_id: said.request_id.map(Into::into),
            http_status: said.http,
            ocpi_status: said.status_code,
            took_ms: said.took_ms,
            request: said.request.map(Into::into),
            response: said.response.map(Into::into),
        }
    }
}
