//! The API's own description: OpenAPI 3.1, from the types and handlers, compared with the table of routes by a test.

use actix_web::HttpResponse;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Document, PathItem, Ref, Response, SecurityRequirement};
use utoipa::{Modify, OpenApi};

use super::problem::{self, FieldError, ProblemBody};
use super::{
    api_keys, audit_events, cdrs, charging_needs, charging_stations, circuits, commands, duplicates, events,
    evses, hardware, load_forecast, load_history, location_access, locations, messages, meter_keys, nodes,
    partners, reports, rulings, sessions, site_load, site_settings, station_tariffs, strays,
    tariff_assignments, tariffs, token_groups, tokens, transactions, vehicles,
};

const SCHEME: &str = "api_key";

#[derive(OpenApi)]
#[openapi(
    info(title = "Ringmain operator API", description = "JSON for machines. Instants are RFC 3339, amounts of money are \
        decimal strings, units stand last in names. Lists are pages: give `next_cursor` as `cursor` to get the next one. \
        A POST with the header `Idempotency-Key` happens once, however often it is repeated.", license(name = "Apache-2.0",
        identifier = "Apache-2.0")),
    paths(
        document,
        locations::list, locations::create, locations::read, locations::put, locations::delete,
        location_access::read, location_access::put,
        circuits::read, circuits::put, circuits::delete, site_load::read, load_history::read, load_forecast::read, load_forecast::ask, site_load::mend, site_load::post_readings, site_load::read_limits, site_load::put_limits,
        site_settings::read, site_settings::put,
        charging_stations::list, charging_stations::create, charging_stations::read, charging_stations::change,
        charging_stations::delete, charging_stations::rotate_password, hardware::read, hardware::put, station_tariffs::read, messages::list, commands::give, commands::give_raw,
        evses::list,
        transactions::list, transactions::read,
        sessions::list, sessions::read, rulings::rule,
        duplicates::read, duplicates::decide,
        charging_needs::read, charging_needs::put, charging_needs::delete,
        strays::orphans, strays::contradictions, strays::unreadable,
        cdrs::list, cdrs::export, cdrs::read,
        tariffs::list, tariffs::create, tariffs::read, tariffs::put, tariffs::delete, tariffs::versions, tariffs::withdraw,
        tariff_assignments::list, tariff_assignments::create, tariff_assignments::read, tariff_assignments::put,
        tariff_assignments::delete,
        meter_keys::list, meter_keys::read, meter_keys::put, meter_keys::delete,
        tariffs::price::price, tariffs::price::simulate,
        tokens::list, tokens::create, tokens::read, tokens::put, tokens::change, tokens::delete,
        token_groups::list, token_groups::create, token_groups::read, token_groups::put, token_groups::delete,
        vehicles::list, vehicles::create, vehicles::read, vehicles::put, vehicles::delete,
        nodes::list,
        partners::list, partners::invite, partners::accept, partners::read, partners::leave, partners::rotate,
        partners::settle, partners::letters, partners::replay, partners::calls,
        reports::authorizations,
        commands::list, commands::read,
        events::watch,
        api_keys::list, api_keys::create, api_keys::revoke,
        audit_events::list,
    ),
    components(schemas(ProblemBody, FieldError)),
    modifiers(&Shared),
)]
struct Description;

/// What all routes share: the key, and how refusals look.
struct Shared;

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().json(description())
}

/// The description as a document.
#[must_use]
pub fn description() -> Document {
    Description::openapi()
}

impl Modify for Shared {
    fn modify(&self, document: &mut Document) {
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("an API key's token")).build();
        document.components.get_or_insert_default().add_security_scheme(SCHEME, SecurityScheme::Http(bearer));
        for (path, item) in &mut document.paths.paths {
            let open = path.ends_with("/openapi.json");
            for operation in operations(item) {
                name_by_tag(operation);
                if !open {
                    operation.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
                    share_refusals(operation);
                }
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// Handlers are named alike in every file; clients made from this description need a name for each.
fn name_by_tag(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next().map(|tag| tag.replace('-', "_")).unwrap_or_default();
    operation.operation_id = operation.operation_id.take().map(|id| format!("{tag}_{id}"));
}

/// Adds the refusals every route has, and gives all refusals their media type.
fn share_refusals(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for (status, words) in [
        ("400", "the request makes no sense"),
        ("401", "no valid key was presented"),
        ("403", "the key may not do that"),
        ("429", "too many requests"),
        ("503", "the store cannot be reached"),
    ] {
        responses.entry(status.to_owned()).or_insert_with(|| Response::new(words).into());
    }
    for (status, response) in responses.iter_mut() {
        if let utoipa::openapi::RefOr::T(response) = response
            && (status.starts_with('4') || status.starts_with('5'))
        {
            response.content.clear();
            let schema = Ref::from_schema_name("Problem");
            response.content.insert(problem::MEDIA_TYPE.to_owned(), Content::new(Some(schema)).into());
        }
    }
}
