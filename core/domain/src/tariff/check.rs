//! What makes a tariff impossible, with its place.

use rust_decimal::Decimal;

use super::restriction::Restrictions;
use super::{Dimension, MAX_ELEMENTS, PRICE_MAX, PriceLimit, Tariff, TariffElement};

/// A day has no more; a longer grace is a price of nothing.
const GRACE_MAX_S: u32 = 24 * 60 * 60;

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
    /// A restriction that no session can meet, or that is out of range.
    #[error("elements[{element}].restrictions.{field}: {reason}")]
    Restriction {
        /// The element's index.
        element: usize,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A field of the tariff itself.
    #[error("{field}: {reason}")]
    Field {
        /// The field, with dots.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
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
            element.restrictions.check(index)?;
        }
        for (fields, limit) in [
            (["min_price.excl_tax", "min_price.incl_tax"], self.min_price),
            (["max_price.excl_tax", "max_price.incl_tax"], self.max_price),
        ] {
            check_limit(fields, limit)?;
        }
        self.check_limits_together()?;
        let wrong = |field, reason| Err(TariffError::Field { field, reason });
        if let (Some(from), Some(until)) = (self.valid_from, self.valid_until)
            && until <= from
        {
            return wrong("valid_until", "must be after valid_from");
        }
        if self.idle_grace_s > GRACE_MAX_S {
            return wrong("idle_grace_s", "must be 86400 or less");
        }
        Ok(())
    }

    fn check_limits_together(&self) -> Result<(), TariffError> {
        let (Some(min), Some(max)) = (self.min_price, self.max_price) else { return Ok(()) };
        let reason = "must not be below the minimum price";
        if max.excl_tax < min.excl_tax {
            return Err(TariffError::Field { field: "max_price.excl_tax", reason });
        }
        if let (Some(min), Some(max)) = (min.incl_tax, max.incl_tax)
            && max < min
        {
            return Err(TariffError::Field { field: "max_price.incl_tax", reason });
        }
        Ok(())
    }
}

fn check_limit([excl, incl]: [&'static str; 2], limit: Option<PriceLimit>) -> Result<(), TariffError> {
    let Some(limit) = limit else { return Ok(()) };
    let reason = "must be from 0 to 1000000";
    for (field, value) in [(excl, Some(limit.excl_tax)), (incl, limit.incl_tax)] {
        if value.is_some_and(|value| value < Decimal::ZERO || value > PRICE_MAX) {
            return Err(TariffError::Field { field, reason });
        }
    }
    if limit.incl_tax.is_some_and(|with| with < limit.excl_tax) {
        return Err(TariffError::Field { field: incl, reason: "must not be below the amount without taxes" });
    }
    Ok(())
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

// === impl Restrictions ===

impl Restrictions {
    fn check(&self, element: usize) -> Result<(), TariffError> {
        let wrong = |field, reason| Err(TariffError::Restriction { element, field, reason });
        for (field, value) in [
            ("min_kwh", self.min_kwh),
            ("max_kwh", self.max_kwh),
            ("min_current_a", self.min_current_a),
            ("max_current_a", self.max_current_a),
            ("min_power_kw", self.min_power_kw),
            ("max_power_kw", self.max_power_kw),
        ] {
            if value.is_some_and(|value| value < Decimal::ZERO || value > PRICE_MAX) {
                return wrong(field, "must be from 0 to 1000000");
            }
        }
        let empty = "nothing is below it and above the minimum";
        if self.max_kwh.is_some_and(|max| max <= self.min_kwh.unwrap_or_default()) {
            return wrong("max_kwh", empty);
        }
        if self.max_duration_s.is_some_and(|max| max <= self.min_duration_s.unwrap_or_default()) {
            return wrong("max_duration_s", empty);
        }
        if self.max_current_a.is_some_and(|max| max == Decimal::ZERO) {
            return wrong("max_current_a", "nothing is below zero");
        }
        if self.max_power_kw.is_some_and(|max| max == Decimal::ZERO) {
            return wrong("max_power_kw", "nothing is below zero");
        }
        if let (Some(start), Some(end)) = (self.start_date, self.end_date)
            && end <= start
        {
            return wrong("end_date", "must be after start_date: it no longer counts itself");
        }
        for (index, day) in self.days_of_week.iter().enumerate() {
            if self.days_of_week.iter().take(index).any(|earlier| earlier == day) {
                return wrong("days_of_week", "a day is named twice");
            }
        }
        Ok(())
    }
}
