//! DATEX II in JSON: the table of all sites, and what their points are doing, in two profiles.
//!
//! A document is written piece by piece: [`Document::head`], one object for each location, [`Document::tail`]. So it never stands in memory
//! as a whole, and what a table is called by, the version that its content makes, comes last.
//!
//! **Sources.** DATEX II v3.7, packages EnergyInfrastructure and Facilities (CEN/TS 16157-10), in the JSON form that the DATEX II tools make
//! of the model; the German AFIR profile 01-00-00 for Mobilithek, on v3.5. Names and words are the model's.
//!
//! **Not said**, though there is a field: what the house does not know (opening hours, ways to pay and to identify, energy mix, access, parking),
//! and the offset of the time zone, which changes twice a year.

use std::borrow::Cow;

use ringmain_domain::time::Timestamp;
use serde::Serialize;

use crate::ocpi::values::DateTime;
use crate::public_data::Terms;
use sites::Site;

pub mod afir;
pub mod countries;
pub mod prices;
pub mod sites;
pub mod v37;
pub mod words;

/// A profile of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// v3.7, the model as it is.
    V37,
    /// v3.5 with the AFIR profile 01-00-00.
    Afir,
}

/// A publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What stands where, and what it costs.
    Table,
    /// What it is doing.
    Status,
}

/// A publication in a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// The profile.
    pub profile: Profile,
    /// The publication.
    pub part: Part,
}

/// A table of sites: all there is, so one.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// What its content makes.
    pub version: &'a str,
    /// Without any there is no table.
    pub is_empty: bool,
}

// === impl Document ===

impl Document {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self { profile: Profile::V37, part: Part::Table },
        Self { profile: Profile::V37, part: Part::Status },
        Self { profile: Profile::Afir, part: Part::Table },
        Self { profile: Profile::Afir, part: Part::Status },
    ];

    /// Where it is, below the public address.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match (self.profile, self.part) {
            (Profile::V37, Part::Table) => "/datex2/v3.7/energy-infrastructure-table",
            (Profile::V37, Part::Status) => "/datex2/v3.7/energy-infrastructure-status",
            (Profile::Afir, Part::Table) => "/datex2/v3.5/energy-infrastructure-table",
            (Profile::Afir, Part::Status) => "/datex2/v3.5/energy-infrastructure-status",
        }
    }

    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match (self.profile, self.part) {
            (Profile::V37, Part::Table) => "datex2_v37_table",
            (Profile::V37, Part::Status) => "datex2_v37_status",
            (Profile::Afir, Part::Table) => "datex2_v35_table",
            (Profile::Afir, Part::Status) => "datex2_v35_status",
        }
    }

    /// What stands before the first object.
    #[must_use]
    pub fn head(self, terms: &Terms, at: Timestamp) -> String {
        match self.profile {
            Profile::V37 => v37::head(self.part, terms, at),
            Profile::Afir => afir::head(self.part, terms, at),
        }
    }

    /// Writes the object of a site.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(self, to: impl std::io::Write, terms: &Terms, site: &Site<'_>) -> serde_json::Result<()> {
        match (self.profile, self.part) {
            (Profile::V37, Part::Table) => serde_json::to_writer(to, &v37::site(terms, site)),
            (Profile::V37, Part::Status) => serde_json::to_writer(to, &v37::site_status(site)),
            (Profile::Afir, Part::Table) => serde_json::to_writer(to, &afir::site(terms, site)),
            (Profile::Afir, Part::Status) => serde_json::to_writer(to, &afir::site_status(site)),
        }
    }

    /// What stands behind the last object.
    #[must_use]
    pub fn tail(self, terms: &Terms, at: Timestamp, table: Table<'_>) -> String {
        match self.profile {
            Profile::V37 => v37::tail(self.part, terms, table),
            Profile::Afir => afir::tail(self.part, terms, at, table),
        }
    }
}

/// What both profiles begin with: language, time and party, as members of an object.
fn publication(terms: &Terms, at: Timestamp) -> String {
    let (lang, country) = (quoted(&terms.language), quoted(&terms.country_code));
    let (at, party) = (quoted(&DateTime(at).to_string()), quoted(&terms.party()));
    format!(
        r#""lang":{lang},"publicationTime":{at},"publicationCreator":{{"country":{country},"nationalIdentifier":{party}}}"#
    )
}

/// The reference of a status to its table, as a member that follows another one; nothing where there is no table.
fn table_reference(terms: &Terms, table: Table<'_>) -> String {
    if table.is_empty {
        return String::new();
    }
    let reference = words::Reference {
        target_class: "EnergyInfrastructureTable",
        id_g: Cow::Owned(terms.party()),
        version_g: table.version,
    };
    format!(r#","tableReference":[{}]"#, json(&reference))
}

fn quoted(text: &str) -> String {
    json(&text)
}

fn json(value: &impl Serialize) -> String {
    // Texts and plain structures always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}
