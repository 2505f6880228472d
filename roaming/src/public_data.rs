//! Public data: locations, states and prices for anyone, without credentials (Regulation (EU) 2023/1804, AFIR, article 20). Off unless the
//! operator switches it on, and then below `/public`.
//!
//! **Code map.** [`routes`]: what is there and how it is answered. [`sources`]: who asks, and how often it may. [`lists`]: OCPI's lists, by the
//! store's queries and the words that partners get. [`datex2`]: the same locations in DATEX II; [`snapshots`] keeps each document as it was
//! last made, packed, so that a crowd of readers costs the store nothing.
//!
//! **Never:** a station's OCPP identity, a token, a partner, a price that only members of a group pay.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use ipnet::IpNet;
use ringmain_store::partners::PartnerRole;
use tokio::sync::Semaphore;

use crate::hub::Hub;

pub mod conditional;
pub mod datex2;
pub mod lists;
pub mod routes;
pub mod snapshots;
pub mod sources;

/// How many requests read the store at once, of the four that an embedded one serves: stations and people read there too. Others are told to come back.
const READERS_MAX: usize = 2;

/// What the operator settles for public data.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The party that publishes: ISO 3166-1 alpha-2.
    pub country_code: Box<str>,
    /// The party that publishes: three characters (ISO 15118).
    pub party_id: Box<str>,
    /// The company that is named as the operator.
    pub operator: Box<str>,
    /// ISO 639-1: the language of names and addresses.
    pub language: Box<str>,
    /// Under which terms it may be used; empty: nothing is said.
    pub licence: Box<str>,
    /// Where these terms are found; empty: nothing is said.
    pub licence_url: Box<str>,
    /// Where the public finds it: an address without a slash at its end.
    pub url: Box<str>,
    /// How often one source may ask in a minute, at least 1.
    pub requests_per_min: u32,
    /// How old a document may be, and how long an answer may be kept.
    pub cache: Duration,
    /// Proxies that are believed where a request comes from.
    pub proxies: Vec<IpNet>,
}

/// What the routes work with.
pub struct PublicData {
    pub(crate) hub: Hub,
    pub(crate) terms: Terms,
    /// Who we are towards the public, in the form that the words of OCPI are made with.
    pub(crate) ours: PartnerRole,
    pub(crate) sources: sources::Sources,
    pub(crate) readers: Semaphore,
    pub(crate) snapshots: snapshots::Snapshots,
}

// === impl Terms ===

impl Terms {
    /// The party as one word.
    #[must_use]
    pub fn party(&self) -> String {
        format!("{}*{}", self.country_code, self.party_id)
    }
}

// === impl PublicData ===

impl std::fmt::Debug for PublicData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicData").field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// What all workers of a listener share; `None`: there is no public data.
#[must_use]
pub fn start(hub: &Hub) -> Option<web::Data<PublicData>> {
    let terms = hub.settings.public_data.clone()?;
    let ours = PartnerRole {
        country_code: terms.country_code.clone(),
        party_id: terms.party_id.clone(),
        role: "CPO".into(),
        name: terms.operator.clone(),
    };
    let public = PublicData {
        hub: hub.clone(),
        ours,
        sources: sources::Sources::new(terms.requests_per_min, terms.proxies.clone()),
        readers: Semaphore::new(READERS_MAX),
        snapshots: snapshots::Snapshots::default(),
        terms,
    };
    Some(web::Data::from(Arc::new(public)))
}
