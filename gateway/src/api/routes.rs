//! The table of everything the API can be asked: method, path, who may, and the handler. Tests walk it; OpenAPI is compared with it.

use actix_web::{Route as Handler, web};
use ringmain_domain::access::Permission;

use super::{
    api_keys, audit_events, cdrs, charging_needs, charging_stations, circuits, commands, duplicates, events,
    evses, hardware, load_forecast, load_history, location_access, locations, messages, meter_keys, nodes,
    openapi, partners, reports, rulings, sessions, site_load, site_settings, station_tariffs, strays,
    tariff_assignments, tariffs, token_groups, tokens, transactions, vehicles,
};

/// An HTTP method the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, or does something.
    Post,
    /// Creates or replaces.
    Put,
    /// Changes what is named.
    Patch,
    /// Removes.
    Delete,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a key.
    Open,
    /// Keys whose role has this permission.
    Needs(Permission),
}

/// One thing that can be asked.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path below `/api/v1`, with parameters in braces.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
    /// The handler.
    pub handler: fn() -> Handler,
}

const READ: Access = Access::Needs(Permission::Read);
const WRITE: Access = Access::Needs(Permission::Write);
const COMMAND: Access = Access::Needs(Permission::Command);
const MANAGE_KEYS: Access = Access::Needs(Permission::ManageKeys);

macro_rules! routes {
    ($($method:ident $path:literal $access:ident $handler:path;)*) => {
        /// All routes.
        pub static ROUTES: &[Route] = &[$(routes!(@ $method $path $access $handler)),*];
    };
    (@ GET $path:literal $access:ident $handler:path) => {
        Route { method: Method::Get, path: $path, access: $access, handler: || web::get().to($handler) }
    };
    (@ POST $path:literal $access:ident $handler:path) => {
        Route { method: Method::Post, path: $path, access: $access, handler: || web::post().to($handler) }
    };
    (@ PUT $path:literal $access:ident $handler:path) => {
        Route { method: Method::Put, path: $path, access: $access, handler: || web::put().to($handler) }
    };
    (@ PATCH $path:literal $access:ident $handler:path) => {
        Route { method: Method::Patch, path: $path, access: $access, handler: || web::patch().to($handler) }
    };
    (@ DELETE $path:literal $access:ident $handler:path) => {
        Route { method: Method::Delete, path: $path, access: $access, handler: || web::delete().to($handler) }
    };
}

const OPEN: Access = Access::Open;

routes! {
    GET    "/openapi.json"                                       OPEN        openapi::document;

    GET    "/locations"                                          READ        locations::list;
    POST   "/locations"                                          WRITE       locations::create;
    GET    "/locations/{id}"                                     READ        locations::read;
    PUT    "/locations/{id}"                                     WRITE       locations::put;
    DELETE "/locations/{id}"                                     WRITE       locations::delete;
    GET    "/locations/{id}/access"                              READ        location_access::read;
    PUT    "/locations/{id}/access"                              WRITE       location_access::put;
    GET    "/locations/{id}/circuits"                            READ        circuits::read;
    PUT    "/locations/{id}/circuits"                            WRITE       circuits::put;
    DELETE "/locations/{id}/circuits"                            WRITE       circuits::delete;

    GET    "/charging-stations"                                  READ        charging_stations::list;
    POST   "/charging-stations"                                  WRITE       charging_stations::create;
    GET    "/charging-stations/{id}"                             READ        charging_stations::read;
    PATCH  "/charging-stations/{id}"                             WRITE       charging_stations::change;
    DELETE "/charging-stations/{id}"                             WRITE       charging_stations::delete;
    POST   "/charging-stations/{id}/password"                    WRITE       charging_stations::rotate_password;
    GET    "/charging-stations/{id}/duplicate"                   READ        duplicates::read;
    POST   "/charging-stations/{id}/duplicate"                   WRITE       duplicates::decide;
    GET    "/charging-stations/{id}/hardware"                    READ        hardware::read;
    PUT    "/charging-stations/{id}/hardware"                    WRITE       hardware::put;
    GET    "/charging-stations/{id}/tariffs"                     READ        station_tariffs::read;
    GET    "/charging-stations/{id}/messages"                    READ        messages::list;
    POST   "/charging-stations/{id}/commands"                    COMMAND     commands::give;
    POST   "/charging-stations/{id}/ocpp/{action}"               COMMAND     commands::give_raw;

    GET    "/locations/{id}/load"                                READ        site_load::read;
    GET    "/locations/{id}/load/settings"                       READ        site_settings::read;
    PUT    "/locations/{id}/load/settings"                       WRITE       site_settings::put;
    GET    "/locations/{id}/load/history"                        READ        load_history::read;
    GET    "/locations/{id}/load/forecast"                       READ        load_forecast::read;
    POST   "/locations/{id}/load/forecast"                       READ        load_forecast::ask;
    POST   "/locations/{id}/load/mendings"                       COMMAND     site_load::mend;
    POST   "/locations/{id}/circuits/{circuit_id}/readings"      COMMAND     site_load::post_readings;
    GET    "/locations/{id}/circuits/{circuit_id}/limits"        READ        site_load::read_limits;
    PUT    "/locations/{id}/circuits/{circuit_id}/limits"        WRITE       site_load::put_limits;

    GET    "/evses"                                              READ        evses::list;

    GET    "/transactions"                                       READ        transactions::list;
    GET    "/transactions/{charging_station_id}/{transaction_id}" READ       transactions::read;

    GET    "/sessions"                                           READ        sessions::list;
    GET    "/sessions/{id}"                                      READ        sessions::read;
    GET    "/sessions/{id}/charging-need"                        READ        charging_needs::read;
    PUT    "/sessions/{id}/charging-need"                        COMMAND     charging_needs::put;
    DELETE "/sessions/{id}/charging-need"                        COMMAND     charging_needs::delete;
    POST   "/sessions/{id}/rulings"                              WRITE       rulings::rule;

    GET    "/strays/orphans"                                     READ        strays::orphans;
    GET    "/strays/contradictions"                              READ        strays::contradictions;
    GET    "/strays/unreadable"                                  READ        strays::unreadable;

    GET    "/cdrs"                                               READ        cdrs::list;
    GET    "/cdrs.csv"                                           READ        cdrs::export;
    GET    "/cdrs/{id}"                                          READ        cdrs::read;

    GET    "/tariffs"                                            READ        tariffs::list;
    POST   "/tariffs"                                            WRITE       tariffs::create;
    POST   "/tariffs/price"                                      READ        tariffs::price::price;
    POST   "/tariffs/{id}/simulate"                              READ        tariffs::price::simulate;
    GET    "/tariffs/{id}/versions"                              READ        tariffs::versions;
    DELETE "/tariffs/{id}/versions/{valid_from}"                 WRITE       tariffs::withdraw;
    GET    "/tariffs/{id}"                                       READ        tariffs::read;
    PUT    "/tariffs/{id}"                                       WRITE       tariffs::put;
    DELETE "/tariffs/{id}"                                       WRITE       tariffs::delete;

    GET    "/tariff-assignments"                                 READ        tariff_assignments::list;
    POST   "/tariff-assignments"                                 WRITE       tariff_assignments::create;
    GET    "/tariff-assignments/{id}"                            READ        tariff_assignments::read;
    PUT    "/tariff-assignments/{id}"                            WRITE       tariff_assignments::put;
    DELETE "/tariff-assignments/{id}"                            WRITE       tariff_assignments::delete;

    GET    "/meter-keys"                                         READ        meter_keys::list;
    GET    "/meter-keys/{serial}"                                READ        meter_keys::read;
    PUT    "/meter-keys/{serial}"                                WRITE       meter_keys::put;
    DELETE "/meter-keys/{serial}"                                WRITE       meter_keys::delete;

    GET    "/tokens"                                             READ        tokens::list;
    POST   "/tokens"                                             WRITE       tokens::create;
    GET    "/tokens/{uid}"                                       READ        tokens::read;
    PUT    "/tokens/{uid}"                                       WRITE       tokens::put;
    PATCH  "/tokens/{uid}"                                       WRITE       tokens::change;
    DELETE "/tokens/{uid}"                                       WRITE       tokens::delete;

    GET    "/vehicles"                                           READ        vehicles::list;
    POST   "/vehicles"                                           WRITE       vehicles::create;
    GET    "/vehicles/{id}"                                      READ        vehicles::read;
    PUT    "/vehicles/{id}"                                      WRITE       vehicles::put;
    DELETE "/vehicles/{id}"                                      WRITE       vehicles::delete;

    GET    "/token-groups"                                       READ        token_groups::list;
    POST   "/token-groups"                                       WRITE       token_groups::create;
    GET    "/token-groups/{id}"                                  READ        token_groups::read;
    PUT    "/token-groups/{id}"                                  WRITE       token_groups::put;
    DELETE "/token-groups/{id}"                                  WRITE       token_groups::delete;

    GET    "/partners"                                           READ        partners::list;
    POST   "/partners"                                           MANAGE_KEYS partners::invite;
    POST   "/partner-acceptances"                                MANAGE_KEYS partners::accept;
    GET    "/partners/{id}"                                      READ        partners::read;
    DELETE "/partners/{id}"                                      MANAGE_KEYS partners::leave;
    POST   "/partners/{id}/rotate"                               MANAGE_KEYS partners::rotate;
    PUT    "/partners/{id}/settings"                             WRITE       partners::settle;
    GET    "/partners/{id}/dead-letters"                         READ        partners::letters;
    POST   "/partners/{id}/dead-letters"                         WRITE       partners::replay;
    GET    "/partners/{id}/calls"                                READ        partners::calls;

    GET    "/reports/authorizations"                             READ        reports::authorizations;

    GET    "/commands"                                           READ        commands::list;
    GET    "/commands/{id}"                                      READ        commands::read;

    GET    "/nodes"                                              READ        nodes::list;

    GET    "/events"                                             READ        events::watch;

    GET    "/api-keys"                                           MANAGE_KEYS api_keys::list;
    POST   "/api-keys"                                           MANAGE_KEYS api_keys::create;
    DELETE "/api-keys/{id}"                                      MANAGE_KEYS api_keys::revoke;

    GET    "/audit-events"                                       READ        audit_events::list;
}

// === impl Method ===

impl Method {
    /// The method on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}
