//! Who may charge at a location: read and replaced as a whole. It counts from the next presented token on; nothing is cached.

use ringmain_domain::authorize::rule::{AccessRule, Admitted, MAX_NAMED, MAX_RULES, MAX_WINDOWS};
use ringmain_domain::id::LocationId;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::refusal::{Flaw, Refusal};
use crate::clock;
use crate::house::House;

/// The rules of the caller's own location; empty is everyone.
///
/// # Errors
/// Absent; the store's.
pub async fn read(house: &House, caller: &Caller, id: &LocationId) -> Result<Vec<AccessRule>, Refusal> {
    if house.store.location(&caller.tenant, id).await?.is_none() {
        return Err(Refusal::absent("location", id));
    }
    Ok(house.store.location_access(&caller.tenant, id).await?)
}

/// Replaces the rules of the caller's own location.
///
/// # Errors
/// Flaws; absent; the store's.
pub async fn put(
    house: &House,
    caller: &Caller,
    id: &LocationId,
    rules: &[AccessRule],
) -> Result<(), Refusal> {
    check(rules)?;
    if !house.store.put_location_access(&caller.tenant, id, rules, clock::now()).await? {
        return Err(Refusal::absent("location", id));
    }
    // Names may be many: how many of them is enough to see that something changed, the rest is in the record.
    let named: usize = rules.iter().map(|rule| named(rule).len()).sum();
    let detail = json!({"rules": rules.len(), "named": named});
    audit::record(house, caller, "location.access_replaced", &format!("locations/{id}/access"), &detail)
        .await?;
    Ok(())
}

fn named(rule: &AccessRule) -> &[ringmain_domain::id::TokenUid] {
    match &rule.who {
        Admitted::Everyone => &[],
        Admitted::Groups(names) | Admitted::Tokens(names) => names,
    }
}

fn check(rules: &[AccessRule]) -> Result<(), Refusal> {
    let mut flaws = Vec::new();
    if rules.len() > MAX_RULES {
        flaws.push(Flaw::new("/rules", format!("at most {MAX_RULES} are allowed")));
    }
    for (index, rule) in rules.iter().enumerate().take(MAX_RULES) {
        if named(rule).len() > MAX_NAMED {
            flaws.push(Flaw::new(format!("/rules/{index}"), format!("names more than {MAX_NAMED}")));
        }
        if rule.windows.len() > MAX_WINDOWS {
            let detail = format!("at most {MAX_WINDOWS} are allowed");
            flaws.push(Flaw::new(format!("/rules/{index}/windows"), detail));
        }
    }
    Refusal::unless_sound(flaws)
}
