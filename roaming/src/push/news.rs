//! Changes of the feed as what there is to tell, in no version's words: each object is read once for all partners, in its newest state. One
//! that cannot be read says so and keeps no other waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ringmain_domain::id::{EvseId, LocationId, StationId, TariffId};
use ringmain_domain::party::Party;
use ringmain_domain::tariff::Tariff;
use ringmain_domain::time::Timestamp;
use ringmain_store::feed::{
    FeedRow, KIND_EVSE_REMOVED, KIND_LOCATION, KIND_STATION, KIND_TARIFF, KIND_TARIFF_REACH,
};
use ringmain_store::outbox::{KIND_CDR, KIND_EVSE_STATUS, KIND_SESSION};
use ringmain_store::partners::drivers::{PartnerCdr, PartnerSession};
use ringmain_store::partners::lanes::Lane;
use ringmain_store::partners::lists::PublishedLocation;
use ringmain_store::store::StoreError;
use uuid::Uuid;

use crate::hub::Hub;
use crate::ocpi::envelope::now;

/// Something to tell.
#[derive(Debug, Clone)]
pub struct News {
    /// Its place in the feed.
    pub position: i64,
    /// As in [`FeedRow`].
    pub kind: Box<str>,
    /// As in [`FeedRow`].
    pub subject: Box<str>,
    /// When it changed.
    pub changed_at: Timestamp,
    /// Whose driver it is about; `None`: it is for everybody.
    pub party: Option<Party>,
    /// What it is.
    pub what: What,
}

/// What there is to tell.
#[derive(Debug, Clone)]
pub enum What {
    /// A location's record changed: all of it.
    Location(Arc<PublishedLocation>),
    /// EVSEs of one station may look different, in more than their status.
    Evses(Arc<PublishedLocation>, StationId),
    /// The status of one EVSE changed.
    Status(Arc<PublishedLocation>, StationId, EvseId),
    /// An EVSE stands there no more.
    Removed(LocationId, StationId, EvseId),
    /// A tariff as it is in force.
    Tariff(Arc<Tariff>),
    /// A tariff is gone.
    TariffGone(TariffId),
    /// A driver's session.
    Session(Arc<PartnerSession>),
    /// A driver's bill record.
    Cdr(Arc<PartnerCdr>),
    /// Something of this lane that cannot be read, or not be said, and why.
    Unsayable(Lane, Box<str>),
    /// Nothing partners could see.
    Nothing,
}

// === impl News ===

impl News {
    /// The lane it goes in; `None`: it goes nowhere.
    #[must_use]
    pub const fn lane(&self) -> Option<Lane> {
        match &self.what {
            What::Location(_) | What::Evses(..) | What::Status(..) | What::Removed(..) => {
                Some(Lane::Locations)
            }
            What::Tariff(_) | What::TariffGone(_) => Some(Lane::Tariffs),
            What::Session(_) => Some(Lane::Sessions),
            What::Cdr(_) => Some(Lane::Cdrs),
            What::Unsayable(lane, _) => Some(*lane),
            What::Nothing => None,
        }
    }
}

// === impl What ===

impl What {
    /// The location it is about, with what stands there.
    #[must_use]
    pub const fn location(&self) -> Option<&Arc<PublishedLocation>> {
        match self {
            Self::Location(published) | Self::Evses(published, _) | Self::Status(published, ..) => {
                Some(published)
            }
            Self::Removed(..)
            | Self::Tariff(_)
            | Self::TariffGone(_)
            | Self::Session(_)
            | Self::Cdr(_)
            | Self::Unsayable(..)
            | Self::Nothing => None,
        }
    }

    /// The location whose record, or a part of it, it would write.
    #[must_use]
    pub fn place(&self) -> Option<&LocationId> {
        match self {
            Self::Removed(location, ..) => Some(location),
            other => other.location().map(|published| &published.location.id),
        }
    }

    /// The one EVSE whose state it would write, and nothing else.
    #[must_use]
    pub const fn evse(&self) -> Option<(&StationId, EvseId)> {
        match self {
            Self::Status(_, station, evse) | Self::Removed(_, station, evse) => Some((station, *evse)),
            Self::Location(_)
            | Self::Evses(..)
            | Self::Tariff(_)
            | Self::TariffGone(_)
            | Self::Session(_)
            | Self::Cdr(_)
            | Self::Unsayable(..)
            | Self::Nothing => None,
        }
    }
}

/// Reads what changed, in the order of the rows.
///
/// # Errors
/// The store's, but for what cannot be read: that is told apart, by halves.
pub async fn read(hub: &Hub, rows: Vec<FeedRow>) -> Result<Vec<News>, StoreError> {
    let mut all = Vec::with_capacity(rows.len());
    let mut parts = vec![rows];
    while let Some(mut rows) = parts.pop() {
        let mut wanted = Wanted::default();
        rows.iter().for_each(|row| wanted.note(row));
        match Found::read(hub, wanted).await {
            Ok(found) => all.extend(rows.into_iter().map(|row| found.news(row))),
            Err(StoreError::Corrupt { reason }) if rows.len() == 1 => {
                all.extend(rows.pop().map(|row| unreadable(row, reason)));
            }
            Err(StoreError::Corrupt { .. }) => {
                let second = rows.split_off(rows.len() / 2);
                parts.extend([second, rows]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

fn unreadable(row: FeedRow, reason: Box<str>) -> News {
    let FeedRow { position, kind, subject, changed_at, party } = row;
    let what = lane_of(&kind).map_or(What::Nothing, |lane| What::Unsayable(lane, reason));
    News { position, kind, subject, changed_at, party, what }
}

/// The lane that tells of a kind of objects.
fn lane_of(kind: &str) -> Option<Lane> {
    match kind {
        KIND_EVSE_STATUS | KIND_STATION | KIND_EVSE_REMOVED | KIND_LOCATION => Some(Lane::Locations),
        KIND_TARIFF | KIND_TARIFF_REACH => Some(Lane::Tariffs),
        KIND_SESSION => Some(Lane::Sessions),
        KIND_CDR => Some(Lane::Cdrs),
        _ => None,
    }
}

/// Which objects must be read.
#[derive(Default)]
struct Wanted {
    stations: BTreeSet<StationId>,
    locations: BTreeSet<LocationId>,
    sessions: Vec<Uuid>,
    cdrs: Vec<Uuid>,
    tariffs: BTreeSet<TariffId>,
}

/// What was read.
struct Found {
    locations: BTreeMap<LocationId, Arc<PublishedLocation>>,
    places: BTreeMap<StationId, LocationId>,
    sessions: BTreeMap<Uuid, Arc<PartnerSession>>,
    cdrs: BTreeMap<Uuid, Arc<PartnerCdr>>,
    tariffs: BTreeMap<TariffId, Arc<Tariff>>,
    /// Tariffs that cannot be read, and why.
    unreadable: BTreeMap<TariffId, Box<str>>,
    /// Tariffs that are there, but not for everybody.
    private: BTreeSet<TariffId>,
}

/// The station and the EVSE of a status.
fn evse_of(subject: &str) -> Option<(StationId, EvseId)> {
    let (station, evse) = subject.rsplit_once('/')?;
    Some((StationId::new(station).ok()?, EvseId(evse.parse().ok()?)))
}

/// The location where an EVSE stood, its station and its number.
fn removed(subject: &str) -> Option<(LocationId, StationId, EvseId)> {
    let (location, evse) = subject.split_once('/')?;
    let (station, evse) = evse_of(evse)?;
    Some((LocationId::new(location).ok()?, station, evse))
}

/// Has somebody described this EVSE of a station, or any of its? Partners see no other.
fn is_described(published: &PublishedLocation, station: &StationId, evse: Option<EvseId>) -> bool {
    published.connectors.iter().any(|connector| {
        connector.station == *station
            && evse.is_none_or(|evse| connector.evse == evse)
            && connector.hardware.is_some()
    })
}

// === impl Wanted ===

impl Wanted {
    fn note(&mut self, row: &FeedRow) {
        match &*row.kind {
            KIND_EVSE_STATUS => self.stations.extend(evse_of(&row.subject).map(|(station, _)| station)),
            KIND_STATION => self.stations.extend(StationId::new(&row.subject).ok()),
            KIND_EVSE_REMOVED => self.stations.extend(removed(&row.subject).map(|(_, station, _)| station)),
            KIND_LOCATION => self.locations.extend(LocationId::new(&row.subject).ok()),
            KIND_SESSION => self.sessions.extend(Uuid::parse_str(&row.subject).ok()),
            KIND_CDR => self.cdrs.extend(Uuid::parse_str(&row.subject).ok()),
            KIND_TARIFF | KIND_TARIFF_REACH => self.tariffs.extend(TariffId::new(&row.subject).ok()),
            _ => {}
        }
    }
}

// === impl Found ===

impl Found {
    async fn read(hub: &Hub, wanted: Wanted) -> Result<Self, StoreError> {
        let (store, tenant) = (&hub.store, &hub.tenant);
        let (stations, locations): (Vec<_>, Vec<_>) =
            (wanted.stations.into_iter().collect(), wanted.locations.into_iter().collect());
        let mut found = Self {
            locations: BTreeMap::new(),
            places: BTreeMap::new(),
            sessions: BTreeMap::new(),
            cdrs: BTreeMap::new(),
            tariffs: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            private: BTreeSet::new(),
        };
        if !(stations.is_empty() && locations.is_empty()) {
            for published in store.published_around(tenant, now(), &stations, &locations).await? {
                let id = published.location.id.clone();
                let at = |station: &StationId| (station.clone(), id.clone());
                found.places.extend(published.connectors.iter().map(|connector| at(&connector.station)));
                found.locations.insert(id, Arc::new(published));
            }
        }
        if !wanted.sessions.is_empty() {
            let sessions = store.sessions_for_partners(tenant, &wanted.sessions).await?;
            found.sessions = sessions.into_iter().map(|one| (one.session.id.0, Arc::new(one))).collect();
        }
        if !wanted.cdrs.is_empty() {
            let cdrs = store.cdrs_for_partners(tenant, &wanted.cdrs).await?;
            found.cdrs = cdrs.into_iter().map(|one| (one.cdr.id.0, Arc::new(one))).collect();
        }
        if !wanted.tariffs.is_empty() {
            let whole = ringmain_store::partners::lists::Window::default();
            let mut page = ringmain_store::page::PageRequest::first(ringmain_store::page::MAX_LIMIT);
            loop {
                let read = store.each_published_tariff(tenant, now(), &whole, &page).await?;
                for (id, tariff) in read.items {
                    match tariff {
                        Ok(tariff) => drop(found.tariffs.insert(id, Arc::new(tariff))),
                        Err(error) => drop(found.unreadable.insert(id, error.to_string().into())),
                    }
                }
                let Some(next) = read.next else { break };
                page.after = Some(next);
            }
            for id in wanted.tariffs {
                let is_public = found.tariffs.contains_key(&id) || found.unreadable.contains_key(&id);
                if !is_public && store.tariff(tenant, &id).await?.is_some() {
                    found.private.insert(id);
                }
            }
        }
        Ok(found)
    }

    fn news(&self, row: FeedRow) -> News {
        let FeedRow { position, kind, subject, changed_at, party } = row;
        let what = self.what(&kind, &subject).unwrap_or_else(|| match &*kind {
            KIND_CDR => What::Unsayable(Lane::Cdrs, "nobody knows any more where its session was".into()),
            _ => What::Nothing,
        });
        News { position, kind, subject, changed_at, party, what }
    }

    fn what(&self, kind: &str, subject: &str) -> Option<What> {
        let at = |station: &StationId| self.locations.get(self.places.get(station)?).cloned();
        Some(match kind {
            KIND_EVSE_STATUS => {
                let (station, evse) = evse_of(subject).filter(|(_, evse)| evse.0 > 0)?;
                let published = at(&station)?;
                if let Some(reason) = published.unreadable.get(&station) {
                    return Some(What::Unsayable(Lane::Locations, reason.clone()));
                }
                is_described(&published, &station, Some(evse))
                    .then_some(What::Status(published, station, evse))?
            }
            KIND_STATION => {
                let station = StationId::new(subject).ok()?;
                let published = at(&station)?;
                if let Some(reason) = published.unreadable.get(&station) {
                    return Some(What::Unsayable(Lane::Locations, reason.clone()));
                }
                is_described(&published, &station, None).then_some(What::Evses(published, station))?
            }
            KIND_EVSE_REMOVED => {
                let (location, station, evse) = removed(subject)?;
                let there = self.locations.get(&location);
                if let Some(reason) = there.and_then(|published| published.unreadable.get(&station)) {
                    return Some(What::Unsayable(Lane::Locations, reason.clone()));
                }
                // It may be back.
                let back = there.is_some_and(|published| is_described(published, &station, Some(evse)));
                if back { What::Nothing } else { What::Removed(location, station, evse) }
            }
            KIND_LOCATION => What::Location(self.locations.get(&LocationId::new(subject).ok()?)?.clone()),
            KIND_SESSION => What::Session(self.sessions.get(&Uuid::parse_str(subject).ok()?)?.clone()),
            KIND_CDR => What::Cdr(self.cdrs.get(&Uuid::parse_str(subject).ok()?)?.clone()),
            KIND_TARIFF | KIND_TARIFF_REACH => {
                let id = TariffId::new(subject).ok()?;
                // What was never for everybody is not taken away from everybody when it changes.
                if kind == KIND_TARIFF && self.private.contains(&id) {
                    return None;
                }
                if let Some(reason) = self.unreadable.get(&id) {
                    return Some(What::Unsayable(Lane::Tariffs, reason.clone()));
                }
                self.tariffs.get(&id).cloned().map_or(What::TariffGone(id), What::Tariff)
            }
            _ => What::Nothing,
        })
    }
}
