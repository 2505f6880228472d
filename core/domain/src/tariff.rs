//! What charging costs: OCPI's structure, for our own drivers too.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::id::{TariffId, TenantId};
use crate::money::Currency;
use crate::tariff::restriction::Restrictions;
use crate::time::Timestamp;

pub mod assignment;
pub mod at_station;
pub mod check;
pub mod lint;
pub mod pricer;
pub mod pricing;
pub mod restriction;
pub mod timeline;

/// No price is higher, in units of its currency: so that no product of price and quantity overflows.
pub const PRICE_MAX: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);
/// The most elements a tariff may have.
pub const MAX_ELEMENTS: usize = 100;

/// A tariff. Of several elements that price the same dimension, the first whose restrictions hold counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: TariffId,
    /// Its name for people.
    pub name: Box<str>,
    /// The currency of all prices.
    pub currency: Currency,
    /// 1 to [`MAX_ELEMENTS`].
    pub elements: Vec<TariffElement>,
    /// Do the prices include taxes?
    #[serde(default)]
    pub tax_included: TaxIncluded,
    /// No session costs less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_price: Option<PriceLimit>,
    /// No session costs more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price: Option<PriceLimit>,
    /// It applies from here on; before, the version before it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// It applies until here; after that, another version, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// So many seconds of every unbroken stretch of parking cost nothing: time to come back and unplug. Ringmain's own; OCPI has no
    /// word for it.
    #[serde(default)]
    pub idle_grace_s: u32,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A part of a tariff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffElement {
    /// At least one; at most one for each dimension.
    pub components: Vec<PriceComponent>,
    /// When it applies.
    #[serde(default, skip_serializing_if = "Restrictions::is_empty")]
    pub restrictions: Restrictions,
}

/// The price of one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceComponent {
    /// What is counted.
    pub dimension: Dimension,
    /// For one kWh, one hour or one session; with or without taxes as the tariff says.
    pub price: Decimal,
    /// In percent; `None`: no tax applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_percent: Option<Decimal>,
    /// The smallest amount billed: Wh or seconds; 1 or more. What is used is rounded up to a multiple of it.
    pub step_size: u32,
}

/// Do the prices of a tariff include taxes (OCPI 2.3.0 mod_tariffs, `tax_included`)?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxIncluded {
    /// Taxes come on top.
    #[default]
    No,
    /// Taxes are in the prices.
    Yes,
    /// There are no taxes.
    NotApplicable,
}

/// The least or the most a session costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceLimit {
    /// Without taxes.
    pub excl_tax: Decimal,
    /// With taxes; `None`: the limit without taxes and the taxes of the session in proportion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incl_tax: Option<Decimal>,
}

/// What a price is for (OCPI 2.2.1 mod_tariffs, TariffDimensionType).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// A fee for the session.
    Flat,
    /// Energy, for one kWh.
    Energy,
    /// Time in which energy flows, for one hour.
    Time,
    /// Time in which none does, for one hour.
    ParkingTime,
}

impl Dimension {
    /// All, in the order of the lines of a bill.
    pub const ALL: [Self; 4] = [Self::Flat, Self::Energy, Self::Time, Self::ParkingTime];

    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Energy => "energy",
            Self::Time => "time",
            Self::ParkingTime => "parking_time",
        }
    }
}

// === impl Tariff ===

impl Tariff {
    /// A tariff of these elements without limits, always valid, taxes on top.
    #[must_use]
    pub fn new(
        tenant: TenantId,
        id: TariffId,
        name: &str,
        currency: Currency,
        elements: Vec<TariffElement>,
        updated_at: Timestamp,
    ) -> Self {
        Self {
            tenant,
            id,
            name: name.into(),
            currency,
            elements,
            tax_included: TaxIncluded::No,
            min_price: None,
            max_price: None,
            valid_from: None,
            valid_until: None,
            idle_grace_s: 0,
            updated_at,
        }
    }
}

// === impl TariffElement ===

impl TariffElement {
    /// An element that always applies.
    #[must_use]
    pub fn new(components: Vec<PriceComponent>) -> Self {
        Self { components, restrictions: Restrictions::default() }
    }

    /// Its price for a dimension.
    #[must_use]
    pub fn component(&self, dimension: Dimension) -> Option<&PriceComponent> {
        self.components.iter().find(|component| component.dimension == dimension)
    }
}

// === impl TaxIncluded ===

impl TaxIncluded {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::NotApplicable => "not_applicable",
        }
    }
}
