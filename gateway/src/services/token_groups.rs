//! Token groups: create, replace, remove. A group decides for all its tokens; a token may also name a group without a record.

use ringmain_domain::id::TokenUid;
use ringmain_domain::token::TokenGroup;
use ringmain_store::store::StoreError;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::locations::Put;
use super::refusal::{Refusal, check_text};
use super::tokens::{check_concurrent_max, stored_uid};
use crate::house::House;

/// The most characters of a group's name.
const NAME_MAX_CHARS: usize = 100;

/// The caller's own group.
///
/// # Errors
/// Absent; the store's.
pub async fn own(house: &House, caller: &Caller, id: &TokenUid) -> Result<TokenGroup, Refusal> {
    let found = house.store.token_group(&caller.tenant, id).await?;
    found.ok_or_else(|| Refusal::absent("token group", id))
}

/// Creates a group.
///
/// # Errors
/// Flaws; a conflict when it is known; the store's.
pub async fn create(house: &House, caller: &Caller, group: &TokenGroup) -> Result<(), Refusal> {
    check(group)?;
    if house.store.token_group(&caller.tenant, &group.id).await?.is_some() {
        return Err(Refusal::conflict(format!("a token group {:?} exists already", group.id.as_str())));
    }
    write(house, caller, group, "token_group.created").await
}

/// Creates a group or replaces it.
///
/// # Errors
/// Flaws; the store's.
pub async fn put(house: &House, caller: &Caller, group: &TokenGroup) -> Result<Put, Refusal> {
    check(group)?;
    let known = house.store.token_group(&caller.tenant, &group.id).await?.is_some();
    let (put, action) =
        if known { (Put::Replaced, "token_group.replaced") } else { (Put::Created, "token_group.created") };
    write(house, caller, group, action).await?;
    Ok(put)
}

/// Removes a group.
///
/// # Errors
/// Absent; a conflict while tokens name it; the store's.
pub async fn remove(house: &House, caller: &Caller, id: &TokenUid) -> Result<(), Refusal> {
    let stored = stored_uid(id);
    match house.store.delete_token_group(&caller.tenant, &stored).await {
        Ok(true) => {}
        Ok(false) => return Err(Refusal::absent("token group", id)),
        Err(StoreError::Conflict { .. }) => {
            return Err(Refusal::conflict("tokens belong to this group: move or delete them first"));
        }
        Err(cause) => return Err(cause.into()),
    }
    audit::record(house, caller, "token_group.deleted", &subject(&stored), &json!({})).await?;
    Ok(())
}

async fn write(house: &House, caller: &Caller, group: &TokenGroup, action: &str) -> Result<(), Refusal> {
    house.store.put_token_group(group).await?;
    let detail = json!({
        "name": group.name, "blocked": group.blocked, "concurrent_max": group.concurrent_max,
        "expires_at": group.expires_at.map(|at| at.to_string()),
    });
    audit::record(house, caller, action, &subject(&group.id), &detail).await?;
    Ok(())
}

fn check(group: &TokenGroup) -> Result<(), Refusal> {
    let mut flaws = Vec::new();
    check_text(&mut flaws, "/name", &group.name, NAME_MAX_CHARS);
    check_concurrent_max(&mut flaws, group.concurrent_max);
    Refusal::unless_sound(flaws)
}

fn subject(id: &TokenUid) -> String {
    format!("token-groups/{id}")
}
