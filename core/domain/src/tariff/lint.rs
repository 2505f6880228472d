//! What is allowed in a tariff and probably not meant. A hint refuses nothing; partners' tariffs get them too.

use std::fmt;

use super::restriction::Restrictions;
use super::{Dimension, Tariff, TaxIncluded};
use crate::time::local::TimeOfDay;

/// Something to look at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The element it is about; `None`: the tariff.
    pub element: Option<usize>,
    /// What.
    pub kind: HintKind,
}

/// What is probably not meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintKind {
    /// The price is never used: an earlier element always applies to the dimension.
    NeverReached {
        /// The dimension.
        dimension: Dimension,
        /// The earlier element.
        by: usize,
    },
    /// The dimension is free whenever no restriction holds: there is no element without restrictions for it.
    Gap {
        /// The dimension.
        dimension: Dimension,
    },
    /// What is used is rounded up, and drivers see that.
    Step {
        /// The dimension.
        dimension: Dimension,
        /// Wh or seconds.
        step_size: u32,
    },
    /// The window ends where it begins.
    EmptyWindow,
    /// A maximum is not above its minimum.
    MinAboveMax {
        /// The maximum.
        field: &'static str,
    },
    /// Reserved time has a fee and a price for time, nothing else.
    NotReservable {
        /// The dimension.
        dimension: Dimension,
    },
    /// The tariff says that there are no taxes.
    TaxIgnored,
}

// === impl Tariff ===

impl Tariff {
    /// All hints, in the order of the elements; those about the tariff come last.
    #[must_use]
    pub fn lint(&self) -> Vec<Hint> {
        let mut hints = Vec::new();
        for (index, element) in self.elements.iter().enumerate() {
            let mut hint = |kind| hints.push(Hint { element: Some(index), kind });
            let restrictions = &element.restrictions;
            for component in &element.components {
                let dimension = component.dimension;
                if let Some(by) = self.shadow(index, dimension) {
                    hint(HintKind::NeverReached { dimension, by });
                }
                if dimension != Dimension::Flat && component.step_size > 1 {
                    hint(HintKind::Step { dimension, step_size: component.step_size });
                }
                let timed = matches!(dimension, Dimension::Flat | Dimension::Time);
                if restrictions.reservation.is_some() && !timed {
                    hint(HintKind::NotReservable { dimension });
                }
                if component.tax_percent.is_some() && self.tax_included == TaxIncluded::NotApplicable {
                    hint(HintKind::TaxIgnored);
                }
            }
            if restrictions.window_is_empty() {
                hint(HintKind::EmptyWindow);
            }
            restrictions.upside_down().for_each(|field| hint(HintKind::MinAboveMax { field }));
        }
        let gaps = Dimension::ALL.into_iter().filter(|dimension| self.has_gap(*dimension));
        hints.extend(gaps.map(|dimension| Hint { element: None, kind: HintKind::Gap { dimension } }));
        hints
    }

    /// The earlier element that leaves nothing of a dimension to this one.
    fn shadow(&self, index: usize, dimension: Dimension) -> Option<usize> {
        let own = self.elements.get(index)?.restrictions.reservation;
        self.elements.iter().take(index).position(|earlier| {
            let only = Restrictions { reservation: own, ..Restrictions::default() };
            earlier.component(dimension).is_some() && earlier.restrictions == only
        })
    }

    fn has_gap(&self, dimension: Dimension) -> bool {
        let mut pricing = self
            .elements
            .iter()
            .filter(|element| {
                element.component(dimension).is_some() && element.restrictions.reservation.is_none()
            })
            .map(|element| element.restrictions.is_empty())
            .peekable();
        pricing.peek().is_some() && !pricing.any(|always| always)
    }
}

// === impl Restrictions ===

impl Restrictions {
    /// `00:00` to `00:00` is the whole day, any other time to itself is none of it.
    fn window_is_empty(&self) -> bool {
        let midnight = Some(TimeOfDay::MIDNIGHT);
        self.start_time.is_some() && self.start_time == self.end_time && self.start_time != midnight
    }

    fn upside_down(&self) -> impl Iterator<Item = &'static str> {
        fn above<T: PartialOrd>(min: Option<T>, max: Option<T>) -> bool {
            matches!((min, max), (Some(min), Some(max)) if min >= max)
        }
        [
            ("max_kwh", above(self.min_kwh, self.max_kwh)),
            ("max_current_a", above(self.min_current_a, self.max_current_a)),
            ("max_power_kw", above(self.min_power_kw, self.max_power_kw)),
            ("max_duration_s", above(self.min_duration_s, self.max_duration_s)),
            ("end_date", above(self.start_date, self.end_date)),
        ]
        .into_iter()
        .filter_map(|(field, is)| is.then_some(field))
    }
}

// === impl HintKind ===

impl fmt::Display for HintKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverReached { dimension, by } => {
                write!(f, "its price for {} is never used: elements[{by}] always applies", dimension.as_str())
            }
            Self::Gap { dimension } => {
                let name = dimension.as_str();
                write!(f, "{name} is free whenever no restriction holds: add an element without restrictions")
            }
            Self::Step { dimension, step_size } => {
                let unit = if *dimension == Dimension::Energy { "Wh" } else { "s" };
                write!(
                    f,
                    "{} is rounded up to steps of {step_size} {unit}: 1 is advised, later versions of OCPI have no step",
                    dimension.as_str()
                )
            }
            Self::EmptyWindow => f.write_str("the window ends where it begins: it never applies"),
            Self::MinAboveMax { field } => {
                write!(f, "{field} is not above the minimum or the start: it hardly ever applies")
            }
            Self::NotReservable { dimension } => {
                write!(f, "{} is never priced for a reservation", dimension.as_str())
            }
            Self::TaxIgnored => f.write_str("the tax is ignored: the tariff says that there is none"),
        }
    }
}
