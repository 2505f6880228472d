//! Pricing of bill records that partners wrote: who knows their language implements [`CdrPricer`], who asks never sees it.

use rust_decimal::Decimal;

use super::lint::Hint;
use super::pricing::breakdown::CostBreakdown;
use super::pricing::usage::Usage;
use crate::money::Price;
use crate::time::local::Zone;

/// Prices documents of partners. Pure: the same documents always give the same price.
pub trait CdrPricer: Send + Sync {
    /// What the record costs. Its own costs are ignored.
    ///
    /// # Errors
    /// What cannot be read, with its place.
    fn price(&self, order: &CdrPricing<'_>) -> Result<CdrPrice, CdrPricerError>;
}

/// What to price.
#[derive(Debug, Clone, Copy)]
pub struct CdrPricing<'a> {
    /// The tariff as JSON; `None`: those in the record.
    pub tariff: Option<&'a [u8]>,
    /// The record as JSON.
    pub cdr: &'a [u8],
    /// The location's time zone; `None`: the one in the record, if it says.
    pub zone: Option<&'a Zone>,
    /// Is it of a reservation that nobody came for? The record does not say.
    pub reservation_expired: bool,
}

/// What a record costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdrPrice {
    /// The cost with its reasons.
    pub breakdown: CostBreakdown,
    /// What the record says was used.
    pub usage: Usage,
    /// Does the record take another one back? Its total is below zero then, nothing else.
    pub is_credit: bool,
    /// What in the tariff is probably not meant.
    pub hints: Vec<Hint>,
    /// What in the documents was left out of the price, with its place.
    pub notes: Vec<Box<str>>,
}

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CdrDocument {
    /// The tariff.
    Tariff,
    /// The record.
    Cdr,
}

/// Why there is no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{place}: {detail}", .document.as_str())]
pub struct CdrPricerError {
    /// The document.
    pub document: CdrDocument,
    /// A JSON pointer into it.
    pub place: Box<str>,
    /// What is wrong.
    pub detail: Box<str>,
}

// === impl CdrPrice ===

impl CdrPrice {
    /// What is to be paid, or paid back.
    #[must_use]
    pub fn total(&self) -> Price {
        let Price { excl_tax, incl_tax } = self.breakdown.total;
        let sign = if self.is_credit { Decimal::NEGATIVE_ONE } else { Decimal::ONE };
        Price { excl_tax: excl_tax * sign, incl_tax: incl_tax * sign }
    }
}

// === impl CdrDocument ===

impl CdrDocument {
    /// The name in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tariff => "tariff",
            Self::Cdr => "cdr",
        }
    }
}
