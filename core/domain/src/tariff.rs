//! What charging costs: OCPI's structure, for our own drivers too.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::id::{TariffId, TenantId};
use crate::money::Currency;
use crate::time::Timestamp;

pub mod pricing;

/// No price is higher, in units of its currency: so that no product of price and quantity overflows.
pub const PRICE_MAX: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);
/// The most elements a tariff may have.
pub const MAX_ELEMENTS: usize = 100;

/// A tariff. Of several elements that price the same dimension, the first counts.
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
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A part of a tariff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffElement {
    /// At least one; at most one for each dimension.
    pub components: Vec<PriceComponent>,
}

/// The price of one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceComponent {
    /// What is counted.
    pub dimension: Dimension,
    /// Without taxes, for one kWh, one hour or one session.
    pub price: Decimal,
    /// In percent; `None`: no tax applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_percent: Option<Decimal>,
    /// The smallest amount billed: Wh or seconds; 1 or more. What is used is rounded up to a multiple of it.
    pub step_size: u32,
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

/// What is wrong with a tariff, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TariffError {
    /// No elements, or too many.
    #[error("elements: a tariff needs 1 to {MAX_ELEMENTS} elements, this has {0}")]
    Elements(usize),
    /// An element prices nothing.
    #[error("elements[{0}].components: an element needs at least one component")]
    NoComponents(usize),
    /// An element prices a dimension twice.
    #[error("elements[{element}].components: {dimension} is priced twice in one element", dimension = .dimension.as_str())]
    Twice {
        /// The element's index.
        element: usize,
        /// The dimension.
        dimension: Dimension,
    },
    /// A step of zero.
    #[error("elements[{element}].components[{component}].step_size: must be 1 or more")]
    StepSize {
        /// The element's index.
        element: usize,
        /// The component's index.
        component: usize,
    },
    /// A price or tax below zero, or a tax above 100.
    #[error("elements[{element}].components[{component}].{field}: {value} is out of range")]
    Range {
        /// The element's index.
        element: usize,
        /// The component's index.
        component: usize,
        /// The field.
        field: &'static str,
        /// Its value.
        value: Decimal,
    },
}

// === impl Tariff ===

impl Tariff {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn check(&self) -> Result<(), TariffError> {
        if self.elements.is_empty() || self.elements.len() > MAX_ELEMENTS {
            return Err(TariffError::Elements(self.elements.len()));
        }
        for (index, element) in self.elements.iter().enumerate() {
            element.check(index)?;
        }
        Ok(())
    }

    /// The component that prices a dimension, with its element's index: the first one.
    #[must_use]
    pub fn component(&self, dimension: Dimension) -> Option<(usize, &PriceComponent)> {
        self.elements.iter().enumerate().find_map(|(index, element)| {
            element.components.iter().find(|c| c.dimension == dimension).map(|component| (index, component))
        })
    }
}

// === impl TariffElement ===

impl TariffElement {
    fn check(&self, element: usize) -> Result<(), TariffError> {
        if self.components.is_empty() {
            return Err(TariffError::NoComponents(element));
        }
        for (component, this) in self.components.iter().enumerate() {
            if self.components.iter().take(component).any(|earlier| earlier.dimension == this.dimension) {
                return Err(TariffError::Twice { element, dimension: this.dimension });
            }
            if this.step_size == 0 {
                return Err(TariffError::StepSize { element, component });
            }
            if this.price < Decimal::ZERO || this.price > PRICE_MAX {
                return Err(TariffError::Range { element, component, field: "price", value: this.price });
            }
            let tax = this.tax_percent.unwrap_or_default();
            if tax < Decimal::ZERO || tax > Decimal::ONE_HUNDRED {
                return Err(TariffError::Range { element, component, field: "tax_percent", value: tax });
            }
        }
        Ok(())
    }
}
