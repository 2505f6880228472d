//! Tokens: create, replace, block, remove. They are kept and looked up in ASCII upper case, as stations are to compare them.

use ringmain_domain::id::TokenUid;
use ringmain_domain::token::{IdToken, Token, TokenKind};
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::locations::Put;
use super::refusal::{Flaw, Refusal, check_text};
use crate::clock;
use crate::house::House;

/// The most characters of a token's label.
const LABEL_MAX_CHARS: usize = 100;
/// The most characters of the name of a kind we do not know.
const KIND_MAX_CHARS: usize = 20;

/// The most transactions at once that can be asked for as a number.
const CONCURRENT_MAX: u32 = 1_000;

/// The name of a kind, in the API and on pages: a kind we do not know has its own.
#[must_use]
pub fn kind_name(kind: &TokenKind) -> &str {
    match kind {
        TokenKind::Central => "central",
        TokenKind::EMaid => "e_maid",
        TokenKind::Rfid => "rfid",
        TokenKind::KeyCode => "key_code",
        TokenKind::Local => "local",
        TokenKind::MacAddress => "mac_address",
        TokenKind::NoAuthorization => "no_authorization",
        TokenKind::DirectPayment => "direct_payment",
        TokenKind::Other(name) => name,
    }
}

/// The kind with this name.
#[must_use]
pub fn kind_named(name: &str) -> TokenKind {
    let known = [
        TokenKind::Central,
        TokenKind::EMaid,
        TokenKind::Rfid,
        TokenKind::KeyCode,
        TokenKind::Local,
        TokenKind::MacAddress,
        TokenKind::NoAuthorization,
        TokenKind::DirectPayment,
    ];
    known.into_iter().find(|kind| kind_name(kind) == name).unwrap_or_else(|| TokenKind::Other(name.into()))
}

/// The form under which a token is kept.
#[must_use]
pub fn stored_uid(uid: &TokenUid) -> TokenUid {
    IdToken { uid: uid.clone(), kind: TokenKind::default() }.lookup_uid()
}

/// The caller's own token.
///
/// # Errors
/// Absent; the store's.
pub async fn own(house: &House, caller: &Caller, uid: &TokenUid) -> Result<Token, Refusal> {
    let found = house.store.token(&caller.tenant, &stored_uid(uid)).await?;
    found.ok_or_else(|| Refusal::absent("token", uid))
}

/// Creates a token.
///
/// # Errors
/// Flaws; a conflict when it is known; the store's.
pub async fn create(house: &House, caller: &Caller, token: &Token) -> Result<(), Refusal> {
    check(token)?;
    if house.store.token(&caller.tenant, &token.uid).await?.is_some() {
        return Err(Refusal::conflict(format!("a token {:?} exists already", token.uid.as_str())));
    }
    write(house, caller, token, "token.created").await
}

/// Creates a token or replaces it.
///
/// # Errors
/// Flaws; the store's.
pub async fn put(house: &House, caller: &Caller, token: &Token) -> Result<Put, Refusal> {
    check(token)?;
    let known = house.store.token(&caller.tenant, &token.uid).await?.is_some();
    let (put, action) =
        if known { (Put::Replaced, "token.replaced") } else { (Put::Created, "token.created") };
    write(house, caller, token, action).await?;
    Ok(put)
}

/// Blocks a token everywhere, or lets it charge again.
///
/// # Errors
/// Absent; the store's.
pub async fn set_blocked(
    house: &House,
    caller: &Caller,
    uid: &TokenUid,
    blocked: bool,
) -> Result<Token, Refusal> {
    let token = Token { blocked, updated_at: clock::now(), ..own(house, caller, uid).await? };
    write(house, caller, &token, if blocked { "token.blocked" } else { "token.unblocked" }).await?;
    Ok(token)
}

/// Removes a token.
///
/// # Errors
/// Absent; the store's.
pub async fn remove(house: &House, caller: &Caller, uid: &TokenUid) -> Result<(), Refusal> {
    let stored = stored_uid(uid);
    if !house.store.delete_token(&caller.tenant, &stored).await? {
        return Err(Refusal::absent("token", uid));
    }
    audit::record(house, caller, "token.deleted", &format!("tokens/{stored}"), &json!({})).await?;
    Ok(())
}

async fn write(house: &House, caller: &Caller, token: &Token, action: &str) -> Result<(), Refusal> {
    house.store.put_token(token).await?;
    let detail = json!({
        "kind": token.kind, "group": token.group, "blocked": token.blocked,
        "expires_at": token.expires_at.map(|at| at.to_string()), "concurrent_max": token.concurrent_max,
    });
    audit::record(house, caller, action, &format!("tokens/{}", token.uid), &detail).await?;
    Ok(())
}

fn check(token: &Token) -> Result<(), Refusal> {
    let mut flaws = Vec::new();
    if let Some(label) = &token.label {
        check_text(&mut flaws, "/label", label, LABEL_MAX_CHARS);
    }
    if let TokenKind::Other(name) = &token.kind {
        check_text(&mut flaws, "/kind", name, KIND_MAX_CHARS);
    }
    check_concurrent_max(&mut flaws, token.concurrent_max);
    Refusal::unless_sound(flaws)
}

/// Checks a number of transactions at once.
pub(super) fn check_concurrent_max(flaws: &mut Vec<Flaw>, max: Option<u32>) {
    if max.is_some_and(|max| max > CONCURRENT_MAX) {
        let detail = format!("must be 0 (no limit) to {CONCURRENT_MAX}");
        flaws.push(Flaw::new("/concurrent_max", detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_comes_back_by_its_name() {
        for name in ["central", "e_maid", "rfid", "key_code", "local", "mac_address", "vendor_x"] {
            assert_eq!(kind_name(&kind_named(name)), name);
        }
        assert_eq!(kind_named("vendor_x"), TokenKind::Other("vendor_x".into()));
    }
}
