//! Tokens: who may charge; add one, block one.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::id::TokenUid;
use ringmain_domain::time::Timestamp;
use ringmain_domain::token::{Token, TokenKind};
use ringmain_store::page::PageRequest;
use serde::Deserialize;

use super::format::{When, Zone, path_segment, words};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, html};
use super::station_actions::flaw_in_words;
use crate::clock;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::refusal::Refusal;
use crate::services::tokens::{self as service, kind_name, kind_named, stored_uid};

/// Tokens on a page.
const PAGE: u32 = 100;
/// Kinds offered in the form.
const KINDS: [&str; 5] = ["rfid", "central", "e_maid", "key_code", "mac_address"];

/// Place in the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    cursor: String,
}

/// A new token, as typed.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct TokenForm {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    group: String,
}

/// Block or unblock.
#[derive(Debug, Deserialize)]
pub(super) struct BlockForm {
    uid: TokenUid,
    blocked: bool,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    shell: Shell,
    tokens: Vec<TokenLine>,
    first: Option<&'static str>,
    next: Option<String>,
    form: TokenForm,
    kinds: Vec<(&'static str, String)>,
    trouble: Vec<String>,
}

struct TokenLine {
    uid: String,
    sessions_href: String,
    label: String,
    kind: String,
    group: String,
    blocked: bool,
    expired: bool,
    expires: Option<When>,
    updated: When,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, PageError> {
    page(&house, &doorway, &visitor, &query.cursor, TokenForm::default(), Vec::new()).await
}

/// Adds a token.
pub(super) async fn create(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    form: web::Form<TokenForm>,
) -> Result<HttpResponse, PageError> {
    let trouble = match form.read(&visitor) {
        Err(trouble) => trouble,
        Ok(token) => match service::create(&house, &visitor.caller, &token).await {
            Ok(()) => return Ok(visitor.go(&doorway, "/tokens", format!("Token {} was added.", token.uid))),
            Err(Refusal::Invalid(flaws)) => {
                flaws.iter().map(|flaw| flaw_in_words(&flaw.pointer, &flaw.detail)).collect()
            }
            Err(Refusal::Conflict { reason }) => vec![String::from(reason)],
            Err(refusal) => return Err(refusal.into()),
        },
    };
    page(&house, &doorway, &visitor, "", form.into_inner(), trouble).await
}

/// Blocks a token, or lets it charge again.
pub(super) async fn set_blocked(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    form: web::Form<BlockForm>,
) -> Result<HttpResponse, PageError> {
    let token = service::set_blocked(&house, &visitor.caller, &form.uid, form.blocked).await?;
    let done = if token.blocked { "is blocked: it can start nothing any more" } else { "may charge again" };
    Ok(visitor.go(&doorway, "/tokens", format!("Token {} {done}.", token.uid)))
}

async fn page(
    house: &House,
    doorway: &Doorway,
    visitor: &Visitor,
    cursor: &str,
    form: TokenForm,
    trouble: Vec<String>,
) -> Result<HttpResponse, PageError> {
    let request =
        PageRequest { after: Some(cursor.to_owned()).filter(|cursor| !cursor.is_empty()), limit: PAGE };
    let page = house.store.tokens(&visitor.caller.tenant, &request).await?;
    let now = clock::now();
    let status = if trouble.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = TokensPage {
        shell: visitor.shell(doorway, Nav::Tokens),
        tokens: page.items.into_iter().map(|token| TokenLine::of(token, &visitor.zone, now)).collect(),
        first: (!cursor.is_empty()).then_some("/tokens"),
        next: page.next.map(|next| format!("/tokens?cursor={}", path_segment(&next))),
        form,
        kinds: KINDS.into_iter().map(|kind| (kind, words(kind))).collect(),
        trouble,
    };
    Ok(html(status, &page))
}

impl TokenLine {
    fn of(token: Token, zone: &Zone, now: Timestamp) -> Self {
        Self {
            sessions_href: format!("/sessions?token_uid={}", path_segment(token.uid.as_str())),
            uid: token.uid.to_string(),
            label: token.label.map(Into::into).unwrap_or_default(),
            kind: words(kind_name(&token.kind)),
            group: token.group.map(|group| group.to_string()).unwrap_or_default(),
            blocked: token.blocked,
            expired: token.expires_at.is_some_and(|end| end <= now),
            expires: token.expires_at.map(|at| zone.when(at)),
            updated: zone.when(token.updated_at),
        }
    }
}

impl TokenForm {
    fn read(&self, visitor: &Visitor) -> Result<Token, Vec<String>> {
        let mut trouble = Vec::new();
        let uid = TokenUid::new(self.uid.trim()).map_err(|cause| trouble.push(format!("Uid: {cause}"))).ok();
        let typed = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let group = typed(&self.group).map(|text| TokenUid::new(&text)).transpose();
        let group = group.map_err(|cause| trouble.push(format!("Group: {cause}"))).ok().flatten();
        let Some(uid) = uid.filter(|_| trouble.is_empty()) else { return Err(trouble) };
        Ok(Token {
            tenant: visitor.caller.tenant.clone(),
            uid: stored_uid(&uid),
            kind: typed(&self.kind).map_or_else(TokenKind::default, |name| kind_named(&name)),
            group,
            label: typed(&self.label).map(Into::into),
            blocked: false,
            expires_at: None,
            concurrent_max: None,
            updated_at: clock::now(),
        })
    }
}
