//! Tariffs: create, replace, remove. Which tariff a session is priced by is chosen at its start and stays; of its versions, each part of
//! the session is priced by the one in force when that energy flowed or that time went by.

use ringmain_domain::id::TariffId;
use ringmain_domain::segment::{Activity, Segment, Span};
use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::check::TariffError;
use ringmain_domain::tariff::pricer::{CdrPrice, CdrPricer, CdrPricing};
use ringmain_domain::tariff::pricing::breakdown::CostBreakdown;
use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::pricing::usage::Usage;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::Zone;
use ringmain_domain::unit::WattHours;
use ringmain_store::audit::AuditEvent;
use ringmain_store::page::{MAX_LIMIT, Page, PageRequest};
use ringmain_store::store::StoreError;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::locations::Put;
use super::refusal::{Flaw, Refusal, check_text};
use crate::clock;
use crate::house::House;

/// The most characters of a tariff's name.
const NAME_MAX_CHARS: usize = 100;
/// The one id that the API needs for itself: `POST /api/v1/tariffs/price`.
const RESERVED_ID: &str = "price";
/// No imagined session lasts longer, in minutes: a year.
const IMAGINED_MAX_MIN: u32 = 366 * 24 * 60;
const MINUTES_PER_HOUR: i64 = 60;
const SECONDS_PER_MINUTE: i64 = 60;
const MS_PER_SECOND: i64 = 1000;

/// An audit event follows its change within so many seconds.
const AUDIT_FOLLOWS_S: i64 = 60;

/// A partner's documents to price.
pub type Documents<'a> = CdrPricing<'a>;

/// A tariff as it is from some instant on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// From then on.
    pub from: Timestamp,
    /// The tariff.
    pub tariff: Tariff,
    /// Who made it, where the latest 1,000 audit events of the tariff say so.
    pub changed_by: Option<Box<str>>,
}

/// A session that nobody has charged yet.
#[derive(Debug, Clone, Copy)]
pub struct Imagined {
    /// When it starts.
    pub started_at: Timestamp,
    /// Minutes in which energy flows, evenly.
    pub charging_min: u32,
    /// Minutes in which the vehicle stands there afterwards.
    pub idle_min: u32,
    /// Energy in all.
    pub energy: WattHours,
    /// The highest power; the mean when `None`.
    pub max_power_w: Option<u32>,
}

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

/// Withdraws a version that is still to come: what was billed stays as it is explained.
///
/// # Errors
/// Absent; a conflict for one that is or was in force, or is the only one; the store's.
pub async fn withdraw(house: &House, caller: &Caller, id: &TariffId, from: Timestamp) -> Result<(), Refusal> {
    let now = clock::now();
    if from <= now {
        return Err(Refusal::conflict("this version is or was in force: put another one in its place"));
    }
    match house.store.withdraw_tariff_version(&caller.tenant, id, from, now).await {
        Ok(true) => {}
        Ok(false) => return Err(Refusal::absent("version of the tariff, in force from", from)),
        Err(StoreError::Conflict { .. }) => {
            return Err(Refusal::conflict("it is the only version: remove the tariff"));
        }
        Err(cause) => return Err(cause.into()),
    }
    let detail = json!({ "valid_from": from.to_string() });
    audit::record(house, caller, "tariff.version_withdrawn", &format!("tariffs/{id}"), &detail).await?;
    Ok(())
}

/// The versions of a tariff, the one that comes into force last first; also of a tariff that was removed.
///
/// # Errors
/// Absent; the store's.
pub async fn versions(
    house: &House,
    caller: &Caller,
    id: &TariffId,
    request: &PageRequest,
) -> Result<Page<Version>, Refusal> {
    let page = house.store.tariff_versions(&caller.tenant, id, request).await?;
    if page.items.is_empty() && request.after.is_none() {
        return Err(Refusal::absent("tariff", id));
    }
    let subject = format!("tariffs/{id}");
    let audited =
        house.store.audits_of(&caller.tenant, &subject, &PageRequest::first(MAX_LIMIT)).await?.items;
    let author = |tariff: &Tariff| {
        let since = |at: Timestamp| at.millis_since(tariff.updated_at);
        let of_this = |event: &&AuditEvent| {
            (0..AUDIT_FOLLOWS_S * MS_PER_SECOND).contains(&since(event.at))
                && &*event.action != "tariff.deleted"
        };
        audited.iter().rev().find(of_this).map(|event| event.actor.clone())
    };
    let version = |(from, tariff): (Timestamp, Tariff)| Version { changed_by: author(&tariff), from, tariff };
    Ok(Page { items: page.items.into_iter().map(version).collect(), next: page.next })
}

/// What a partner's bill record costs.
///
/// # Errors
/// The flaw of the document that cannot be read, with its place in the request.
pub fn price_cdr(pricer: &dyn CdrPricer, documents: &Documents<'_>) -> Result<CdrPrice, Refusal> {
    pricer
        .price(documents)
        .map_err(|cause| Refusal::flaw(format!("/{}{}", cause.document.as_str(), cause.place), cause.detail))
}

/// What an imagined session would cost: by the versions in force while it lasts, as a real one.
///
/// # Errors
/// Absent; flaws; the store's.
pub async fn simulate(
    house: &House,
    caller: &Caller,
    id: &TariffId,
    zone: &Zone,
    imagined: &Imagined,
) -> Result<CostBreakdown, Refusal> {
    let segments = imagined.segments()?;
    let absent = || Refusal::absent("tariff", id);
    house.store.tariff(&caller.tenant, id).await?.ok_or_else(absent)?;
    let versions = house.store.tariff_versions_from(&caller.tenant, id, imagined.started_at).await?;
    let versions = versions.iter().map(|(from, tariff)| (*from, tariff));
    let timeline = Timeline::new(versions).ok_or_else(absent)?;
    Ok(price(&timeline, zone, &Usage::of(imagined.started_at, &segments)))
}

impl Imagined {
    fn segments(&self) -> Result<Vec<Segment>, Refusal> {
        let mut flaws = Vec::new();
        if self.charging_min.saturating_add(self.idle_min) > IMAGINED_MAX_MIN {
            flaws.push(Flaw::new("/idle_min", "a session may last a year"));
        }
        let charging_min = i64::from(self.charging_min);
        let watt_minutes = self.energy.0.saturating_mul(MINUTES_PER_HOUR);
        if charging_min == 0 && watt_minutes > 0 {
            flaws.push(Flaw::new("/charging_min", "energy needs time to flow"));
        }
        let max_power_w = self.max_power_w.map(i64::from);
        if max_power_w.is_some_and(|watts| watts.saturating_mul(charging_min) < watt_minutes) {
            flaws.push(Flaw::new("/energy_wh", "is more than this power gives in this time"));
        }
        Refusal::unless_sound(flaws)?;
        let turn = self.started_at.plus_secs(charging_min.saturating_mul(SECONDS_PER_MINUTE));
        let end = turn.plus_secs(i64::from(self.idle_min).saturating_mul(SECONDS_PER_MINUTE));
        let mean_w = watt_minutes.checked_div(charging_min).unwrap_or_default();
        let mut charging = Segment::new(self.started_at, turn, self.energy, Activity::Charging);
        charging.power_w = Some(Span { min: mean_w, max: max_power_w.unwrap_or(mean_w) });
        let mut idle = Segment::new(turn, end, WattHours::ZERO, Activity::Idle);
        (idle.power_w, idle.current_ma) = (Some(Span::steady(0)), Some(Span::steady(0)));
        Ok(vec![charging, idle])
    }
}

async fn write(house: &House, caller: &Caller, tariff: &Tariff, action: &str) -> Result<(), Refusal> {
    house.store.put_tariff(tariff).await?;
    let mut detail = json!(tariff);
    if let Some(fields) = detail.as_object_mut() {
        // The event says whose, which and when itself.
        fields.retain(|name, _| !matches!(name.as_str(), "tenant" | "id" | "updated_at"));
    }
    audit::record(house, caller, action, &format!("tariffs/{}", tariff.id), &detail).await?;
    Ok(())
}

fn check(tariff: &Tariff) -> Result<(), Refusal> {
    let mut flaws = Vec::new();
    check_text(&mut flaws, "/name", &tariff.name, NAME_MAX_CHARS);
    if tariff.id.as_str() == RESERVED_ID {
        flaws.push(Flaw::new("/id", "is a word of the API: choose another"));
    }
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
        TariffError::Restriction { element, field, .. } => {
            format!("/elements/{element}/restrictions/{field}")
        }
        TariffError::Field { field, .. } => format!("/{}", field.replace('.', "/")),
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
