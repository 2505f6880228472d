//! Which version of a tariff is in force when. A change of prices in the middle of a session counts from the moment it takes effect.

use super::Tariff;
use super::restriction::Restrictions;
use crate::time::Timestamp;

/// The versions of a tariff, in the order in which they come into force. Never empty.
#[derive(Debug, Clone)]
pub struct Timeline<'a> {
    first: TariffVersion<'a>,
    later: Vec<TariffVersion<'a>>,
}

/// A tariff as it stands from some moment on.
#[derive(Debug, Clone, Copy)]
pub struct TariffVersion<'a> {
    /// When it comes into force.
    pub from: Timestamp,
    /// The prices.
    pub tariff: &'a Tariff,
}

// === impl Timeline ===

impl<'a> Timeline<'a> {
    /// One version for all times.
    #[must_use]
    pub fn single(tariff: &'a Tariff) -> Self {
        let from = tariff.valid_from.unwrap_or(tariff.updated_at);
        Self { first: TariffVersion { from, tariff }, later: Vec::new() }
    }

    /// Several versions, in any order; of two from the same moment the later one in the list counts. A version's own `valid_from` can
    /// only delay it. `None` when there is none.
    #[must_use]
    pub fn new(versions: impl IntoIterator<Item = (Timestamp, &'a Tariff)>) -> Option<Self> {
        let effective = |(from, tariff): (Timestamp, &'a Tariff)| TariffVersion {
            from: tariff.valid_from.map_or(from, |valid_from| valid_from.max(from)),
            tariff,
        };
        let mut all: Vec<_> = versions.into_iter().map(effective).collect();
        all.sort_by_key(|version| version.from);
        let mut all = all.into_iter();
        Some(Self { first: all.next()?, later: all.collect() })
    }

    /// The version in force: the latest that has begun and has not run out. When all have run out the latest stays, and before the first
    /// begins it counts already: no session is free for want of paperwork.
    #[must_use]
    pub fn at(&self, at: Timestamp) -> TariffVersion<'a> {
        self.choose(at, |_| true)
    }

    /// Does what something costs hang on the time of day, the date or the session's age?
    #[must_use]
    pub fn looks_at_clock(&self) -> bool {
        let by_time = |restrictions: &Restrictions| {
            let by_age = restrictions.min_duration_s.or(restrictions.max_duration_s).is_some();
            restrictions.is_local() || by_age
        };
        self.versions()
            .any(|version| version.tariff.elements.iter().any(|element| by_time(&element.restrictions)))
    }

    pub(super) fn versions(&self) -> impl Iterator<Item = TariffVersion<'a>> {
        std::iter::once(self.first).chain(self.later.iter().copied())
    }

    /// The same among the versions in a currency: a session has one currency, that of its start.
    pub(super) fn at_in(&self, at: Timestamp, start: &TariffVersion<'a>) -> TariffVersion<'a> {
        self.choose(at, |version| version.tariff.currency == start.tariff.currency)
    }

    /// The moments at which another version may come into force.
    pub(super) fn changes(&self) -> impl Iterator<Item = Timestamp> {
        let several = !self.later.is_empty();
        self.versions()
            .filter(move |_| several)
            .flat_map(|version| [Some(version.from), version.tariff.valid_until])
            .flatten()
    }

    fn choose(&self, at: Timestamp, fits: impl Fn(&TariffVersion<'a>) -> bool) -> TariffVersion<'a> {
        if self.later.is_empty() {
            return self.first;
        }
        let begun = || self.versions().filter(|version| version.from <= at && fits(version));
        let lasts = |version: &TariffVersion<'a>| version.tariff.valid_until.is_none_or(|until| at < until);
        let early = || self.versions().find(|version| fits(version));
        begun().filter(lasts).last().or_else(|| begun().last()).or_else(early).unwrap_or(self.first)
    }
}
