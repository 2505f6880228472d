//! The frame of every page, and what a page is when it cannot be shown.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use askama::Template;
use ringmain_store::store::StoreError;

use super::assets;
use crate::services::refusal::Refusal;

/// Which part of the console a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nav {
    Network,
    Stations,
    Sessions,
    Review,
    Bills,
    Tariffs,
    Tokens,
    Partners,
    Nodes,
}

/// What all pages of somebody who is signed in share.
#[derive(Debug, Clone)]
pub(super) struct Shell {
    pub(super) nav: Nav,
    pub(super) who: String,
    pub(super) role: &'static str,
    pub(super) may_write: bool,
    pub(super) may_command: bool,
    /// So many sessions wait for a person; counted up to [`REVIEWS_COUNTED`].
    pub(super) reviews: u64,
    pub(super) form_token: String,
    pub(super) notice: Option<String>,
    pub(super) zone: String,
}

/// A place in the navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) title: &'static str,
    pub(super) href: &'static str,
    pub(super) here: bool,
    /// What waits there, in short and in words.
    pub(super) badge: Option<(String, String)>,
}

/// So many sessions under review are counted; of more it is said that there are more.
pub(super) const REVIEWS_COUNTED: u32 = 1_000;

/// Why a page is not shown.
#[derive(Debug)]
pub(super) enum PageError {
    NoSuchPage,
    NoSuchMethod,
    /// A thing that is not there, in words.
    Absent(String),
    NotAllowed,
    /// A form that does not come from a page of ours, or from one that is too old.
    ForeignForm,
    BadForm,
    /// What was asked contradicts what is stored.
    Conflict(String),
    TooMany,
    StoreAway,
    Fault,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    status: u16,
    title: &'static str,
    text: String,
}

// === impl Nav ===

impl Nav {
    /// The places in the navigation: title and address.
    pub(super) const ALL: [(Self, &'static str, &'static str); 9] = [
        (Self::Network, "Network", "/"),
        (Self::Stations, "Charging stations", "/charging-stations"),
        (Self::Sessions, "Sessions", "/sessions"),
        (Self::Review, "Review", "/review"),
        (Self::Bills, "Bills", "/cdrs"),
        (Self::Tariffs, "Tariffs", "/tariffs"),
        (Self::Tokens, "Tokens", "/tokens"),
        (Self::Partners, "Partners", "/partners"),
        (Self::Nodes, "Nodes", "/nodes"),
    ];
}

// === impl Shell ===

impl Shell {
    /// The places in the navigation, and which is this one.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let (here, reviews) = (self.nav, self.reviews);
        Nav::ALL.into_iter().map(move |(nav, title, href)| Place {
            title,
            href,
            here: nav == here,
            badge: (nav == Nav::Review && reviews > 0).then(|| (counted(reviews), waiting(reviews))),
        })
    }
}

/// A count that may have been cut off.
pub(super) fn counted(count: u64) -> String {
    if count >= u64::from(REVIEWS_COUNTED) { "999+".to_owned() } else { count.to_string() }
}

/// How many sessions wait, in words.
pub(super) fn waiting(reviews: u64) -> String {
    if reviews == 1 { "1 session waits".to_owned() } else { format!("{} sessions wait", counted(reviews)) }
}

/// The address of a file of ours, for templates.
pub(super) fn asset(name: &str) -> &'static str {
    assets::url(name)
}

/// A page, or a part of one.
pub(super) fn html(status: StatusCode, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(text) => HttpResponse::build(status).content_type("text/html; charset=utf-8").body(text),
        Err(cause) => {
            tracing::error!(%cause, "a page could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// A page, or a part of one, that is as it should be.
pub(super) fn ok(template: &impl Template) -> HttpResponse {
    html(StatusCode::OK, template)
}

// === impl PageError ===

impl PageError {
    fn parts(&self) -> (StatusCode, &'static str, String) {
        match self {
            Self::NoSuchPage => {
                (StatusCode::NOT_FOUND, "There is no such page", "The address leads nowhere. It may be old, or mistyped.".into())
            }
            Self::NoSuchMethod => {
                (StatusCode::METHOD_NOT_ALLOWED, "This cannot be done here", "The page does not take such a request.".into())
            }
            Self::Absent(text) => (StatusCode::NOT_FOUND, "Not found", format!("Sorry, {text}.")),
            Self::NotAllowed => (
                StatusCode::FORBIDDEN,
                "You may not do that",
                "The API key you signed in with does not allow it. An administrator can give you one that does.".into(),
            ),
            Self::ForeignForm => (
                StatusCode::FORBIDDEN,
                "The form was too old",
                "It was sent from a page that is no longer valid. Nothing was changed: open the page again and repeat.".into(),
            ),
            Self::BadForm => (StatusCode::BAD_REQUEST, "The form could not be read", "Nothing was changed.".into()),
            Self::Conflict(text) => (StatusCode::CONFLICT, "That cannot be done now", format!("Nothing was changed: {text}.")),
            Self::TooMany => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many pages are open",
                "This node keeps no more pages alive. The page works, but does not refresh itself.".into(),
            ),
            Self::StoreAway => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The store cannot be reached",
                "Stations stay connected and keep what they have to say. Try again in a moment.".into(),
            ),
            Self::Fault => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something is wrong with this node",
                "The log says more. Stations are not affected by a broken page.".into(),
            ),
        }
    }

    /// The page that says so.
    pub(super) fn respond(&self) -> HttpResponse {
        let (status, title, text) = self.parts();
        html(status, &ErrorPage { status: status.as_u16(), title, text })
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.parts().1)
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        self.respond()
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable { .. } | StoreError::Unknown { .. } => {
                tracing::warn!(cause = %error, "page not shown");
                Self::StoreAway
            }
            // The store's word for a cursor that is not one of its own.
            StoreError::Conflict { .. } => Self::NoSuchPage,
            StoreError::Corrupt { .. } => {
                tracing::error!(cause = %error, "stored data is not what it must be");
                Self::Fault
            }
        }
    }
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Absent { .. } => Self::Absent(refusal.to_string()),
            Refusal::Conflict { reason } => Self::Conflict(reason.into()),
            Refusal::Invalid(_) => Self::Conflict(refusal.to_string()),
            Refusal::Store(cause) => cause.into(),
        }
    }
}
