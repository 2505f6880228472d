//! The versions of OCPI that we speak, and all that differs between them: which nouns become which object (`write`), and what a body means
//! (`read`). Nobody else asks which version it is: routes, pushes and questions to partners are the same in all of them.
//!
//! What we say is made once, in the shape of 2.2.1 (`v221::to_wire`), and carried from there into the others; what partners say is read
//! into that shape. What a version cannot say is left out, or said as its specification comes closest; the pages of its folder list
//! it ([`super::v211::from_v221`], [`super::v230::bridge`]).

use ringmain_store::partners::settings::{PartnerEndpoints, PartnerSettings};
use serde::Serialize;

pub mod read;
pub mod write;

/// A version of OCPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// 2.1.1.
    V211,
    /// 2.2.1.
    V221,
    /// 2.3.0, edition 2.
    V230,
}

/// An object as one of the versions has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Said<Old, Mid, New = Mid> {
    /// In the words of 2.1.1.
    Old(Old),
    /// In those of 2.2.1.
    Mid(Mid),
    /// In those of 2.3.0.
    New(New),
}

// === impl Dialect ===

impl Dialect {
    /// All, the highest first.
    pub const ALL: [Self; 3] = [Self::V230, Self::V221, Self::V211];

    /// Its number.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V211 => "2.1.1",
            Self::V221 => "2.2.1",
            Self::V230 => "2.3.0",
        }
    }

    /// The version of a number; `None`: we do not speak it.
    #[must_use]
    pub fn named(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == number)
    }

    /// The version in which a partner's modules are spoken to; `None`: a later release of ours spoke it.
    #[must_use]
    pub fn of(endpoints: &PartnerEndpoints) -> Option<Self> {
        Self::named(&endpoints.version)
    }

    /// Those that were settled with a partner, the highest first; all where nothing was.
    #[must_use]
    pub fn settled(settings: &PartnerSettings) -> Vec<Self> {
        Self::among(&settings.versions)
    }

    /// Those of a list of numbers, the highest first; all of an empty one.
    #[must_use]
    pub fn among(numbers: &[Box<str>]) -> Vec<Self> {
        let is_in = |one: &Self| numbers.is_empty() || numbers.iter().any(|number| **number == *one.as_str());
        Self::ALL.into_iter().filter(is_in).collect()
    }

    /// Do messages say from whom to whom they go (OCPI 2.2.1, transport and format: since 2.2)?
    #[must_use]
    pub const fn is_routed(self) -> bool {
        !matches!(self, Self::V211)
    }

    /// Do credentials say in which roles a platform acts, and for whom (OCPI 2.2.1 credentials: since 2.2)? In 2.1.1 it has one party.
    #[must_use]
    pub const fn has_roles(self) -> bool {
        !matches!(self, Self::V211)
    }

    /// The kinds that a token may have whose address names none, the likeliest first. In 2.1.1 addresses never do, and there are two kinds
    /// (`mod_tokens`); since 2.2 RFID is meant then.
    #[must_use]
    pub const fn token_kinds(self) -> &'static [&'static str] {
        match self {
            Self::V211 => &["RFID", "OTHER"],
            Self::V221 | Self::V230 => &["RFID"],
        }
    }

    /// Does a token stand in its header as it is (OCPI 2.1.1, transport and format)? Since 2.2 it is sent in base64.
    #[must_use]
    pub const fn is_token_plain(self) -> bool {
        matches!(self, Self::V211)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_comes_first_and_a_list_narrows_them() {
        assert!(Dialect::ALL.is_sorted_by(|one, other| one > other));
        assert_eq!(Dialect::ALL.map(Dialect::as_str), ringmain_domain::roaming::OCPI_VERSIONS);
        let among = |numbers: &[&str]| {
            let numbers: Vec<Box<str>> = numbers.iter().map(|number| (*number).into()).collect();
            Dialect::among(&numbers)
        };
        assert_eq!(among(&[]), Dialect::ALL);
        assert_eq!(among(&["2.1.1", "2.3.0"]), [Dialect::V230, Dialect::V211]);
        assert!(among(&["3.0"]).is_empty(), "a list of what we do not speak is not all we speak");
        for one in Dialect::ALL {
            assert_eq!(Dialect::named(one.as_str()), Some(one));
        }
        assert_eq!(Dialect::named("2.2"), None);
    }
}
