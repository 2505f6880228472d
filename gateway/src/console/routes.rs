//! The table of everything the console can be asked: method, path, who may, and the handler. Tests walk it.

use actix_web::{Route as Handler, web};
use ringmain_domain::access::Permission;

use super::{
    assets, cdrs, circuits, events, load, location, nodes, overview, partners, ready, review, session,
    sessions, sign_in, station, station_actions, stations, tariff, tariffs, tokens,
};

/// An HTTP method the console uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Shows.
    Get,
    /// Does something; needs the page's form token.
    Post,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, signed in or not.
    Open,
    /// Signed in with a role that has this permission.
    Needs(Permission),
}

/// One thing that can be asked.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with parameters in braces. Routes of one path stand together.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
    /// The largest form it takes, in bytes.
    pub form_max_bytes: usize,
    /// The handler.
    pub handler: fn() -> Handler,
}

/// The largest form, in bytes.
const FORM_MAX_BYTES: usize = 64 * 1024;
/// The largest form with a whole drawing in it: a megabyte of JSON, each sign of it as a form sends it.
const LONG_FORM_MAX_BYTES: usize = 4 * 1024 * 1024;

const OPEN: Access = Access::Open;
const READ: Access = Access::Needs(Permission::Read);
const WRITE: Access = Access::Needs(Permission::Write);
const COMMAND: Access = Access::Needs(Permission::Command);

macro_rules! routes {
    ($($method:ident $path:literal $access:ident $handler:path;)*) => {
        /// All routes.
        pub static ROUTES: &[Route] = &[$(routes!(@ $method $path $access $handler)),*];
    };
    (@ GET $path:literal $access:ident $handler:path) => {
        routes!(@@ Get, get, 0, $path, $access, $handler)
    };
    (@ POST $path:literal $access:ident $handler:path) => {
        routes!(@@ Post, post, FORM_MAX_BYTES, $path, $access, $handler)
    };
    // A POST with a long form.
    (@ LONG $path:literal $access:ident $handler:path) => {
        routes!(@@ Post, post, LONG_FORM_MAX_BYTES, $path, $access, $handler)
    };
    (@@ $method:ident, $verb:ident, $form:expr, $path:literal, $access:ident, $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            access: $access,
            form_max_bytes: $form,
            handler: || web::$verb().to($handler),
        }
    };
}

routes! {
    GET  "/assets/{name}"                          OPEN    assets::asset;
    GET  "/sign-in"                                OPEN    sign_in::show;
    POST "/sign-in"                                OPEN    sign_in::sign_in;
    POST "/sign-out"                               READ    sign_in::sign_out;

    GET  "/"                                       READ    overview::show;
    GET  "/charging-stations"                      READ    stations::show;
    GET  "/charging-stations/{id}"                 READ    station::show;
    POST "/charging-stations/{id}/commands"        COMMAND station_actions::command;
    POST "/charging-stations/{id}/registration"    WRITE   station_actions::register;
    POST "/charging-stations/{id}/duplicate"       WRITE   station_actions::decide;
    POST "/charging-stations/{id}/record"          WRITE   station_actions::change;
    GET  "/sessions"                               READ    sessions::show;
    GET  "/sessions/{id}"                          READ    session::show;
    GET  "/sessions/{id}/signed-values"            READ    session::signed::download;
    POST "/sessions/{id}/rulings"                  WRITE   review::rule;
    GET  "/review"                                 READ    review::show;
    GET  "/cdrs"                                   READ    cdrs::show;
    GET  "/cdrs.csv"                               READ    cdrs::csv;
    GET  "/locations/{id}"                         READ    location::show;
    GET  "/locations/{id}/load"                    READ    load::show;
    GET  "/locations/{id}/ready"                   READ    ready::show;
    POST "/locations/{id}/load/mendings"           COMMAND load::mend;
    GET  "/locations/{id}/circuits"                READ    circuits::show;
    LONG "/locations/{id}/circuits"                WRITE   circuits::draw;
    GET  "/tariffs"                                READ    tariffs::show;
    POST "/tariffs"                                WRITE   tariffs::create;
    GET  "/tariffs/{id}"                           READ    tariff::show;
    POST "/tariffs/{id}"                           WRITE   tariff::replace;
    POST "/tariffs/{id}/removal"                   WRITE   tariff::remove;
    POST "/tariffs/{id}/assignments"               WRITE   tariff::assign;
    POST "/tariffs/{id}/assignments/removal"       WRITE   tariff::unassign;
    GET  "/tokens"                                 READ    tokens::show;
    POST "/tokens"                                 WRITE   tokens::create;
    POST "/tokens/blocked"                         WRITE   tokens::set_blocked;

    GET  "/partners"                               READ    partners::show;
    GET  "/partners/{id}"                          READ    partners::one;

    GET  "/nodes"                                  READ    nodes::show;

    GET  "/console/events"                         READ    events::watch;
    GET  "/console/live/overview"                  READ    overview::live;
    GET  "/console/live/charging-stations"         READ    stations::live;
    GET  "/console/live/charging-stations/{id}"    READ    station::live;
    GET  "/console/live/messages/{id}"             READ    station::messages;
    GET  "/console/live/sessions"                  READ    sessions::live;
    GET  "/console/live/sessions/{id}"             READ    session::live;
    GET  "/console/live/nodes"                     READ    nodes::live;
    GET  "/console/live/locations/{id}"            READ    location::live;
    GET  "/console/live/locations/{id}/load"       READ    load::live;
}

// === impl Method ===

impl Method {
    /// The method on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}
