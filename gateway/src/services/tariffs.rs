//! Tariffs: create, replace, remove. A session is priced by the tariff as it is when the session ends.

use ringmain_domain::id::TariffId;
use ringmain_domain::tariff::{Tariff, TariffError};
use ringmain_store::store::StoreError;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::locations::Put;
use super::refusal::{Flaw, Refusal, check_text};
use crate::house::House;

/// The most characters of a tariff's name.
const NAME_MAX_CHARS: usize = 100;

/// Creates a tariff.
///
/// # Errors
/// Flaws; a conflict when the id is taken; the store's.
pub async fn create(house: &House, caller: &Caller, tariff: &Tariff) -> Result<(), Refusal> {
    check(tariff)?;
    if house.store.tariff(&caller.tenant, &tariff.id).await?.is_some() {
        return Err(Refusal::conflict(format!("a tariff {:?} exists already", tariff.id.as_str())));
    }
    write(house, caller, tariff, "tariff.created").await
}

/// Creates a tariff or replaces it.
///
/// # Errors
/// Flaws; the store's.
pub async fn put(house: &House, caller: &Caller, tariff: &Tariff) -> Result<Put, Refusal> {
    check(tariff)?;
    let known = house.store.tariff(&caller.tenant, &tariff.id).await?.is_some();
    let (put, action) =
        if known { (Put::Replaced, "tariff.replaced") } else { (Put::Created, "tariff.created") };
    write(house, caller, tariff, action).await?;
    Ok(put)
}

/// Removes a tariff.
///
/// # Errors
/// Absent; a conflict while stations use it; the store's.
pub async fn remove(house: &House, caller: &Caller, id: &TariffId) -> Result<(), Refusal> {
    match house.store.delete_tariff(&caller.tenant, id).await {
        Ok(true) => {}
        Ok(false) => return Err(Refusal::absent("tariff", id)),
        Err(StoreError::Conflict { .. }) => {
            return Err(Refusal::conflict("charging stations use this tariff: give them another one first"));
        }
        Err(cause) => return Err(cause.into()),
    }
    audit::record(house, caller, "tariff.deleted", &format!("tariffs/{id}"), &json!({})).await?;
    Ok(())
}

async fn write(house: &House, caller: &Caller, tariff: &Tariff, action: &str) -> Result<(), Refusal> {
    house.store.put_tariff(tariff).await?;
    let detail = json!({"name": tariff.name, "currency": tariff.currency, "elements": tariff.elements});
    audit::record(house, caller, action, &format!("tariffs/{}", tariff.id), &detail).await?;
    Ok(())
}

fn check(tariff: &Tariff) -> Result<(), Refusal> {
    let mut flaws = Vec::new();
    check_text(&mut flaws, "/name", &tariff.name, NAME_MAX_CHARS);
    if let Err(error) = tariff.check() {
        flaws.push(flaw_of(&error));
    }
    Refusal::unless_sound(flaws)
}

/// The domain's error with its place as a JSON pointer.
fn flaw_of(error: &TariffError) -> Flaw {
    let pointer = match error {
        TariffError::Elements(_) => "/elements".to_owned(),
        TariffError::NoComponents(element) | TariffError::Twice { element, .. } => {
            format!("/elements/{element}/components")
        }
        TariffError::StepSize { element, component } => {
            format!("/elements/{element}/components/{component}/step_size")
        }
        TariffError::Range { element, component, field, .. } => {
            format!("/elements/{element}/components/{component}/{field}")
        }
    };
    // The error starts with its place in words; the pointer says that already.
    let text = error.to_string();
    let detail = text.split_once(": ").map_or(text.as_str(), |(_, detail)| detail).to_owned();
    Flaw { pointer: pointer.into(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::tariff::Dimension;
    use rust_decimal::Decimal;

    #[test]
    fn an_error_becomes_a_pointer_and_a_detail() {
        for (error, pointer, detail) in [
            (TariffError::Elements(0), "/elements", "a tariff needs 1 to 100 elements, this has 0"),
            (
                TariffError::Twice { element: 1, dimension: Dimension::Energy },
                "/elements/1/components",
                "energy is priced twice in one element",
            ),
            (
                TariffError::Range { element: 0, component: 2, field: "price", value: Decimal::NEGATIVE_ONE },
                "/elements/0/components/2/price",
                "-1 is out of range",
            ),
        ] {
            assert_eq!(flaw_of(&error), Flaw::new(pointer, detail));
        }
    }
}
