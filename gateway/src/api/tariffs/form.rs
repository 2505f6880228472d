//! A tariff in JSON, and its way into the domain and back.

use ringmain_domain::id::TariffId;
use ringmain_domain::money::Currency;
use ringmain_domain::tariff::lint::Hint;
use ringmain_domain::tariff::restriction::{ReservationKind, Restrictions};
use ringmain_domain::tariff::{Dimension, PriceComponent, PriceLimit, Tariff, TariffElement, TaxIncluded};
use ringmain_domain::time::local::{Day, TimeOfDay, Weekday};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::fields::{Amount, Instant};
use crate::clock;
use crate::services::keys::Caller;
use crate::services::tariffs::Version;

/// A tariff. Of several elements that price the same dimension, the first whose restrictions hold counts.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TariffBody {
    #[schema(value_type = String)]
    id: TariffId,
    name: String,
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    elements: Vec<ElementForm>,
    tax_included: TaxIncludedForm,
    min_price: Option<LimitForm>,
    max_price: Option<LimitForm>,
    valid_from: Option<Instant>,
    valid_until: Option<Instant>,
    idle_grace_s: u32,
    /// What is allowed and probably not meant.
    hints: Vec<HintBody>,
    updated_at: Instant,
}

/// A tariff as it is from some instant on.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct VersionBody {
    /// From then on.
    in_force_from: Instant,
    /// Who made it, as in the audit events; null when that is not known.
    #[schema(example = "api-key:night shift")]
    changed_by: Option<String>,
    #[serde(flatten)]
    tariff: TariffBody,
}

/// Something in a tariff to look at again.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct HintBody {
    /// The index of the element; null: the tariff.
    element: Option<usize>,
    /// What, in words.
    detail: String,
}

/// A tariff to create or to replace another with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct TariffRequest {
    /// At most 36 characters without spaces and slashes. Made up when absent; with PUT the path's.
    #[schema(value_type = Option<String>, max_length = 36)]
    pub(super) id: Option<TariffId>,
    #[schema(max_length = 100)]
    name: String,
    /// ISO 4217.
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    #[schema(min_items = 1, max_items = 100)]
    elements: Vec<ElementForm>,
    /// Do the prices include taxes? `no` when absent.
    #[serde(default)]
    tax_included: TaxIncludedForm,
    /// No session costs less.
    #[serde(default)]
    min_price: Option<LimitForm>,
    /// No session costs more.
    #[serde(default)]
    max_price: Option<LimitForm>,
    /// It applies from here on.
    #[serde(default)]
    valid_from: Option<Instant>,
    /// It applies until here.
    #[serde(default)]
    valid_until: Option<Instant>,
    /// So many seconds of every unbroken stretch of parking cost nothing; 0 when absent.
    #[serde(default)]
    #[schema(maximum = 86400)]
    idle_grace_s: u32,
}

/// A part of a tariff.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ElementForm {
    /// At least one; at most one for each dimension.
    components: Vec<ComponentForm>,
    /// When it applies; always, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restrictions: Option<RestrictionsForm>,
}

/// The price of one dimension.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ComponentForm {
    dimension: DimensionForm,
    /// For one kWh, one hour or one session; without taxes unless the tariff says otherwise.
    price: Amount,
    /// In percent; no tax applies when absent.
    #[serde(default)]
    tax_percent: Option<Amount>,
    /// What the session used is rounded up to a multiple of it: Wh or seconds; 1 when absent, and advised.
    #[serde(default = "one")]
    #[schema(minimum = 1)]
    step_size: u32,
}

/// When an element applies: all that is named must hold. Times and dates are those of the location.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RestrictionsForm {
    /// From this time of day, `HH:MM`. Later than the end: over midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "17:00")]
    start_time: Option<TimeOfDay>,
    /// Until this time of day; `00:00` is the end of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "20:00")]
    end_time: Option<TimeOfDay>,
    /// From this day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    start_date: Option<Day>,
    /// Until this day, which no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    end_date: Option<Day>,
    /// `monday` to `sunday`; every day when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    days_of_week: Vec<Weekday>,
    /// From so much energy in the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_kwh: Option<Amount>,
    /// Until so much energy in the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_kwh: Option<Amount>,
    /// While the current is so much or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_current_a: Option<Amount>,
    /// While the current is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_current_a: Option<Amount>,
    /// While the power is so much or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_power_kw: Option<Amount>,
    /// While the power is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_power_kw: Option<Amount>,
    /// Once the session is so old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_duration_s: Option<u32>,
    /// Until the session is so old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_duration_s: Option<u32>,
    /// Only for reserved time: `reservation`, or `reservation_expires` for one that nobody came for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reservation: Option<ReservationKind>,
}

/// The least or the most a session costs.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct LimitForm {
    /// Without taxes.
    excl_tax: Amount,
    /// With taxes; when absent, the taxes keep their proportion.
    #[serde(default)]
    incl_tax: Option<Amount>,
}

/// What a price is for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum DimensionForm {
    /// A fee for the session.
    Flat,
    /// Energy, for one kWh.
    Energy,
    /// Time in which energy flows, for one hour.
    Time,
    /// Time in which none does, for one hour.
    ParkingTime,
}

/// Whether prices include taxes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum TaxIncludedForm {
    /// Taxes come on top.
    #[default]
    No,
    /// Taxes are in the prices.
    Yes,
    /// There are no taxes.
    NotApplicable,
}

const fn one() -> u32 {
    1
}

// === into the domain ===

impl TariffRequest {
    pub(super) fn into_tariff(self, caller: &Caller, id: TariffId) -> Tariff {
        let elements = self.elements.into_iter().map(ElementForm::into_element).collect();
        Tariff {
            tax_included: self.tax_included.into(),
            min_price: self.min_price.map(LimitForm::into_limit),
            max_price: self.max_price.map(LimitForm::into_limit),
            valid_from: self.valid_from.map(|at| at.0),
            valid_until: self.valid_until.map(|at| at.0),
            idle_grace_s: self.idle_grace_s,
            ..Tariff::new(caller.tenant.clone(), id, &self.name, self.currency, elements, clock::now())
        }
    }
}

impl ElementForm {
    fn into_element(self) -> TariffElement {
        let component = |form: ComponentForm| PriceComponent {
            dimension: form.dimension.into(),
            price: form.price.0,
            tax_percent: form.tax_percent.map(|percent| percent.0),
            step_size: form.step_size,
        };
        TariffElement {
            components: self.components.into_iter().map(component).collect(),
            restrictions: self.restrictions.unwrap_or_default().into_restrictions(),
        }
    }
}

impl RestrictionsForm {
    fn into_restrictions(self) -> Restrictions {
        let number = |amount: Option<Amount>| amount.map(|amount| amount.0);
        Restrictions {
            start_time: self.start_time,
            end_time: self.end_time,
            start_date: self.start_date,
            end_date: self.end_date,
            days_of_week: self.days_of_week,
            min_kwh: number(self.min_kwh),
            max_kwh: number(self.max_kwh),
            min_current_a: number(self.min_current_a),
            max_current_a: number(self.max_current_a),
            min_power_kw: number(self.min_power_kw),
            max_power_kw: number(self.max_power_kw),
            min_duration_s: self.min_duration_s,
            max_duration_s: self.max_duration_s,
            reservation: self.reservation,
        }
    }
}

impl LimitForm {
    fn into_limit(self) -> PriceLimit {
        PriceLimit { excl_tax: self.excl_tax.0, incl_tax: self.incl_tax.map(|amount| amount.0) }
    }
}

impl From<DimensionForm> for Dimension {
    fn from(dimension: DimensionForm) -> Self {
        match dimension {
            DimensionForm::Flat => Self::Flat,
            DimensionForm::Energy => Self::Energy,
            DimensionForm::Time => Self::Time,
            DimensionForm::ParkingTime => Self::ParkingTime,
        }
    }
}

impl From<TaxIncludedForm> for TaxIncluded {
    fn from(form: TaxIncludedForm) -> Self {
        match form {
            TaxIncludedForm::No => Self::No,
            TaxIncludedForm::Yes => Self::Yes,
            TaxIncludedForm::NotApplicable => Self::NotApplicable,
        }
    }
}

// === and back ===

impl From<Tariff> for TariffBody {
    fn from(tariff: Tariff) -> Self {
        Self {
            hints: tariff.lint().iter().map(HintBody::from).collect(),
            id: tariff.id,
            name: tariff.name.into(),
            currency: tariff.currency,
            elements: tariff.elements.into_iter().map(ElementForm::from).collect(),
            tax_included: tariff.tax_included.into(),
            min_price: tariff.min_price.map(LimitForm::from),
            max_price: tariff.max_price.map(LimitForm::from),
            valid_from: tariff.valid_from.map(Into::into),
            valid_until: tariff.valid_until.map(Into::into),
            idle_grace_s: tariff.idle_grace_s,
            updated_at: tariff.updated_at.into(),
        }
    }
}

impl From<Version> for VersionBody {
    fn from(version: Version) -> Self {
        Self {
            in_force_from: version.from.into(),
            changed_by: version.changed_by.map(Into::into),
            tariff: version.tariff.into(),
        }
    }
}

impl From<&Hint> for HintBody {
    fn from(hint: &Hint) -> Self {
        Self { element: hint.element, detail: hint.kind.to_string() }
    }
}

impl From<TariffElement> for ElementForm {
    fn from(element: TariffElement) -> Self {
        let component = |component: PriceComponent| ComponentForm {
            dimension: component.dimension.into(),
            price: component.price.into(),
            tax_percent: component.tax_percent.map(Into::into),
            step_size: component.step_size,
        };
        Self {
            components: element.components.into_iter().map(component).collect(),
            restrictions: (!element.restrictions.is_empty()).then(|| element.restrictions.into()),
        }
    }
}

impl From<Restrictions> for RestrictionsForm {
    fn from(restrictions: Restrictions) -> Self {
        Self {
            start_time: restrictions.start_time,
            end_time: restrictions.end_time,
            start_date: restrictions.start_date,
            end_date: restrictions.end_date,
            days_of_week: restrictions.days_of_week,
            min_kwh: restrictions.min_kwh.map(Into::into),
            max_kwh: restrictions.max_kwh.map(Into::into),
            min_current_a: restrictions.min_current_a.map(Into::into),
            max_current_a: restrictions.max_current_a.map(Into::into),
            min_power_kw: restrictions.min_power_kw.map(Into::into),
            max_power_kw: restrictions.max_power_kw.map(Into::into),
            min_duration_s: restrictions.min_duration_s,
            max_duration_s: restrictions.max_duration_s,
            reservation: restrictions.reservation,
        }
    }
}

impl From<PriceLimit> for LimitForm {
    fn from(limit: PriceLimit) -> Self {
        Self { excl_tax: limit.excl_tax.into(), incl_tax: limit.incl_tax.map(Into::into) }
    }
}

impl From<Dimension> for DimensionForm {
    fn from(dimension: Dimension) -> Self {
        match dimension {
            Dimension::Flat => Self::Flat,
            Dimension::Energy => Self::Energy,
            Dimension::Time => Self::Time,
            Dimension::ParkingTime => Self::ParkingTime,
        }
    }
}

impl From<TaxIncluded> for TaxIncludedForm {
    fn from(tax_included: TaxIncluded) -> Self {
        match tax_included {
            TaxIncluded::No => Self::No,
            TaxIncluded::Yes => Self::Yes,
            TaxIncluded::NotApplicable => Self::NotApplicable,
        }
    }
}
