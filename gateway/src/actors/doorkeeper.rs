//! At the door: who is this, may it come in, and does it take the place of an older connection? Place on the walk: *socket*.
//!
//! No actor: it decides on the worker that accepted the socket, before the 101, and starts the `Connection` after it. Refusals do not
//! tell which check failed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::LocalBoxFuture;
use ringmain_domain::cluster::duplicates::Duplicates;
use ringmain_domain::cluster::takeover::{Claimant, OldSocket, Takeover};
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{Epoch, NodeId, StationId};
use ringmain_domain::location::{ChargingStation, UnknownStations};
use ringmain_domain::reply::Registration;
use ringmain_domain::telemetry;
use ringmain_ocpp::translate::Dialect;
use ringmain_ocpp::version::Version;
use ringmain_store::store::StoreError;

use super::connection::{Birth, Connection, Probe};
use super::exit::Exit;
use super::journal::Note;
use super::site_directory::Locate;
use crate::admission::Admission;
use crate::app::Node;
use crate::clock;
use crate::cluster::memory::{MemoryRouting, Route};
use crate::cluster::{Announced, Elsewhere, NotKnown};
use crate::handshake::{ListenerKind, Password, Refusal, RefusalReason, UpgradeRequest};
use crate::listen::network::Network;
use crate::listen::{Door, Verdict};
use crate::services::rate::RateLimiter;

/// What stations are told to wait when we cannot take them now, in seconds.
const COME_BACK_AFTER_S: u32 = 10;

/// Wrong credentials a source may show for one identity: so many at once, then one in six seconds. By source and identity together, or
/// anybody could lock a station out (reliability.md 7.2).
const FAILURES_BURST: u32 = 10;
const FAILURES_PER_S: f64 = 1.0 / 6.0;
/// Identities nobody knows that a source may bring into quarantine: so many at once, then one in ten seconds.
const CONTACTS_BURST: u32 = 50;
const CONTACTS_PER_S: f64 = 0.1;

/// Connections that stations of one identity may make once they have shown who they are: so many at once, then one a second
/// (reliability.md 7.2).
const CONNECTS_BURST: u32 = 5;
const CONNECTS_PER_S: f64 = 1.0;

/// Opens the door for stations.
#[derive(Clone)]
pub struct Doorkeeper {
    node: Arc<Node>,
    limits: Arc<Limits>,
}

struct Limits {
    failures: RateLimiter<(IpAddr, StationId)>,
    contacts: RateLimiter<IpAddr>,
    connects: RateLimiter<StationId>,
    admission: Admission,
    networks: RateLimiter<Network>,
}

/// A station that may connect.
struct Admitted {
    station: ChargingStation,
    /// It showed a certificate, or a password that was checked or is the one it must show from now on.
    proven: bool,
}

/// Why the door stays shut.
enum Shut {
    Refused(Refusal),
    Store(StoreError),
}

impl From<StoreError> for Shut {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<NotKnown> for Shut {
    fn from(error: NotKnown) -> Self {
        match error {
            NotKnown::Store(error) => Self::Store(error),
            NotKnown::Busy => {
                Self::Refused(Refusal::new(RefusalReason::Overloaded).retry_after(COME_BACK_AFTER_S))
            }
        }
    }
}

impl From<RefusalReason> for Shut {
    fn from(reason: RefusalReason) -> Self {
        Self::Refused(Refusal::new(reason))
    }
}

// === impl Doorkeeper ===

impl Doorkeeper {
    /// A doorkeeper of this node.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Self {
        let limits = Limits {
            failures: RateLimiter::new(FAILURES_BURST, FAILURES_PER_S),
            contacts: RateLimiter::new(CONTACTS_BURST, CONTACTS_PER_S),
            connects: RateLimiter::new(CONNECTS_BURST, CONNECTS_PER_S),
            admission: Admission::per_second(node.config.stations.admissions_per_s, Instant::now()),
            networks: RateLimiter::new(
                node.config.stations.admissions_per_s,
                f64::from(node.config.stations.admissions_per_s) / 2.0,
            ),
        };
        Self { node, limits: Arc::new(limits) }
    }

    async fn decide(&self, request: &UpgradeRequest) -> Result<Verdict, Shut> {
        if self.node.is_draining() {
            return Err(Shut::Refused(Refusal::new(RefusalReason::Draining).retry_after(COME_BACK_AFTER_S)));
        }
        // Rather no connection than one that cannot store what it hears (reliability.md 0.3).
        if !self.node.canary.is_ready(Instant::now()) {
            return Err(Shut::Refused(
                Refusal::new(RefusalReason::StoreUnavailable).retry_after(COME_BACK_AFTER_S),
            ));
        }
        let who = (request.peer.ip(), request.identity.clone());
        if !self.limits.failures.has(&who, Instant::now()) {
            return Err(Shut::Refused(
                Refusal::new(RefusalReason::TooManyAttempts).retry_after(COME_BACK_AFTER_S),
            ));
        }
        self.wait_for_turn(request.peer.ip()).await?;
        let version = Version::negotiate(request.protocols.iter().map(String::as_str));
        let admitted = self.admit(request, version.is_some()).await.inspect_err(|shut| {
            if let Shut::Refused(Refusal { status: 401 | 403, .. }) = shut {
                self.limits.failures.take(&who, Instant::now());
            }
        })?;
        let (Some(version), Some(Admitted { station, proven })) = (version, admitted) else {
            tracing::info!(station.id = %request.identity, offered = ?request.protocols, "no common subprotocol");
            return Ok(Verdict::CloseAfterUpgrade);
        };
        if !self.limits.connects.take(&station.id, Instant::now()) {
            return Err(Shut::Refused(
                Refusal::new(RefusalReason::TooManyConnects).retry_after(COME_BACK_AFTER_S),
            ));
        }
        let elsewhere = self.make_room(request, &station).await?;
        let epoch = self.node.epochs.next().await?;
        let site = Locate { tenant: station.tenant.clone(), site: station.site() };
        let Ok(Ok(site)) = self.node.directory.send(site).await else {
            return Err(Shut::Refused(
                Refusal::new(RefusalReason::Overloaded).retry_after(COME_BACK_AFTER_S),
            ));
        };
        let changes = self.node.routing.changes();
        let Some(snapshot) = self.node.store.station_snapshot(&request.identity).await? else {
            return Err(RefusalReason::StationUnknown.into());
        };
        let last_grants = self.node.store.last_grants(&station.tenant, &station.id).await?;
        let listener = match request.listener {
            ListenerKind::Ws => "ws",
            ListenerKind::Wss => "wss",
        };
        let announced = Announcement::make(&self.node, &station.id, epoch).await?;
        let dialect = Dialect::of(version);
        let node = Arc::clone(&self.node);
        let birth = Birth { node, snapshot, dialect, epoch, site, listener, proven, last_grants };
        let (node, station, source) = (Arc::clone(&self.node), request.identity.clone(), request.peer.ip());
        let certificate = fingerprint(request).map(Into::into);
        let start = Box::new(move |socket| {
            let connection = Connection::start_with(birth, socket);
            let claimed = node.routing.claim(&station, Route { epoch, connection, source, certificate });
            announced.stands(elsewhere);
            if node.routing.changes() != changes {
                // Somebody's record changed since this one was read, when there was no route to tell it to: perhaps this one.
                node.routing.notify_changed(&station);
            }
            match claimed {
                Ok(Some(replaced)) => drop(MemoryRouting::dismiss(&replaced.connection, Exit::Replaced)),
                Ok(None) => {}
                // A newer connection of this station was quicker.
                Err(route) => drop(MemoryRouting::dismiss(&route.connection, Exit::Replaced)),
            }
        });
        Ok(Verdict::Admit { subprotocol: version.subprotocol(), start })
    }

    /// Not all at once: a storm is spread, and its tail comes back later.
    async fn wait_for_turn(&self, peer: IpAddr) -> Result<(), Shut> {
        // No network takes more than half of the turns: whoever knocks under many names keeps nobody else out.
        let is_fair = self.limits.networks.take(&Network::of(peer), Instant::now());
        let Some(wait) = is_fair.then(|| self.limits.admission.turn(Instant::now())).flatten() else {
            return Err(Shut::Refused(
                Refusal::new(RefusalReason::Overloaded).retry_after(COME_BACK_AFTER_S),
            ));
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// The station behind the request, if it may connect. A stranger that cannot speak with us anyway leaves no record: `None`.
    async fn admit(&self, request: &UpgradeRequest, can_speak: bool) -> Result<Option<Admitted>, Shut> {
        match self.node.store.find_station(&request.identity).await? {
            Some(station) => self.check_credentials(request, station).await.map(Some),
            None if can_speak => self.meet(request).await.map(Some),
            None => Ok(None),
        }
    }

    async fn check_credentials(
        &self,
        request: &UpgradeRequest,
        station: ChargingStation,
    ) -> Result<Admitted, Shut> {
        if station.registration == Registration::Rejected {
            return Err(RefusalReason::StationBlocked.into());
        }
        if request.certificate.is_some() {
            check_certificate(request, station.serial.as_deref())?;
            return Ok(Admitted { station, proven: true });
        }
        let stored = self.node.store.station_credential(&station.id).await?;
        match (stored, password_of(request)) {
            (Some(stored), Some(password)) if self.node.credentials.fits(&stored, password.as_bytes()) => {
                Ok(Admitted { station, proven: true })
            }
            (Some(_), Some(_)) => Err(RefusalReason::CredentialsWrong.into()),
            (Some(_), None) => Err(RefusalReason::CredentialsMissing.into()),
            // A station in quarantine may wait without a password; one that takes part may not, unless that is configured. What it
            // shows is checked against nothing, so it proves nothing.
            (None, _) if station.registration == Registration::Pending => {
                Ok(Admitted { station, proven: false })
            }
            (None, _) if self.node.config.stations.without_password_enabled => {
                Ok(Admitted { station, proven: false })
            }
            (None, _) => Err(RefusalReason::CredentialsMissing.into()),
        }
    }

    /// First contact: by policy refused, kept waiting for an operator, or taken. The password it shows is the one it must show ever after.
    async fn meet(&self, request: &UpgradeRequest) -> Result<Admitted, Shut> {
        let registration = match self.node.config.stations.unknown {
            UnknownStations::Reject => return Err(RefusalReason::StationUnknown.into()),
            UnknownStations::Quarantine => Registration::Pending,
            UnknownStations::Accept => Registration::Accepted,
        };
        check_certificate(request, None)?;
        let accepted = registration == Registration::Accepted;
        if !accepted && !self.limits.contacts.take(&request.peer.ip(), Instant::now()) {
            return Err(Shut::Refused(
                Refusal::new(RefusalReason::TooManyConnects).retry_after(COME_BACK_AFTER_S),
            ));
        }
        let proven = password_of(request).is_some() || request.certificate.is_some();
        if accepted && !proven && !self.node.config.stations.without_password_enabled {
            return Err(RefusalReason::CredentialsMissing.into());
        }
        let now = clock::now();
        let station =
            ChargingStation::unknown(self.node.tenant.clone(), request.identity.clone(), registration, now);
        if !self.node.store.insert_station(&station).await? {
            // Another socket made contact under this identity in the same moment: whoever comes second must show the same password.
            return match self.node.store.find_station(&request.identity).await? {
                Some(station) => self.check_credentials(request, station).await,
                None => Err(RefusalReason::StationUnknown.into()),
            };
        }
        tracing::info!(station.id = %station.id, registration = registration.as_str(), "an unknown station made contact");
        if let Some(password) = password_of(request) {
            let sealed = self.node.credentials.seal(password.as_bytes(), now);
            let sealed = sealed.map_err(|_no_random| RefusalReason::Overloaded)?;
            self.node.store.put_station_credential(&station.tenant, &station.id, &sealed).await?;
        }
        Ok(Admitted { station, proven })
    }

    /// A second socket of one identity (DESIGN section 6), here or at another node: the same address or certificate is the same station come
    /// back; otherwise the old one is asked for a sign of life, and keeps its place if it gives one. Gives back the node whose connection
    /// is to be dismissed.
    async fn make_room(
        &self,
        request: &UpgradeRequest,
        station: &ChargingStation,
    ) -> Result<Option<NodeId>, Shut> {
        let (source, certificate) = (request.peer.ip(), fingerprint(request));
        if let Some(old) = self.node.routing.find(&request.identity) {
            let claimant = old.claimant(source, certificate);
            let stays = claimant.must_probe() && matches!(old.connection.send(Probe).await, Ok(true));
            let old = if stays { OldSocket::Alive } else { OldSocket::Silent };
            return match claimant.against(old) {
                Takeover::New => Ok(None),
                Takeover::Old => self.contest(request, station).await.map(|()| None),
            };
        }
        let (cluster, store) = (&self.node.cluster, &self.node.store);
        let elsewhere = cluster.elsewhere(store, &request.identity, (source, certificate)).await?;
        let Some(Elsewhere { place, old, same }) = elsewhere else { return Ok(None) };
        match (Claimant { same_source: same, same_certificate: same }).against(old) {
            Takeover::New => Ok(Some(place.node)),
            Takeover::Old => self.contest(request, station).await.map(|()| Some(place.node)),
        }
    }

    /// Two living sockets under one identity: somebody may be playing the station. The newcomer is refused, which is kept for a person to
    /// see, unless one has said that it is the right one.
    async fn contest(&self, request: &UpgradeRequest, station: &ChargingStation) -> Result<(), Shut> {
        let (store, now) = (&self.node.store, clock::now());
        if store.take_newcomer(&station.tenant, &station.id, now).await? {
            tracing::info!(
                station.id = %station.id, peer = %request.peer,
                "a second living socket takes the station's place, as an operator said"
            );
            return Ok(());
        }
        let before = store.duplicates(&station.tenant, &station.id).await?;
        let source = request.peer.ip().to_string();
        let (duplicates, is_worth_telling) =
            Duplicates::fought(before.map(|before| before.duplicates), now, &source);
        store.put_duplicates(&station.tenant, &station.id, &duplicates).await?;
        let needs_a_person = duplicates.needs_a_person;
        if is_worth_telling {
            let fact = Fact {
                tenant: station.tenant.clone(),
                station: station.id.clone(),
                received_at: now,
                event: DomainEvent::DuplicateIdentity { source: source.into(), needs_a_person },
            };
            if self.node.journal_of(&station.id).try_send(Note { facts: vec![fact], site: None }).is_err() {
                metrics::counter!(telemetry::COMMIT_LOST).increment(1);
            }
        }
        metrics::counter!(telemetry::SOCKET_DUPLICATES).increment(1);
        tracing::warn!(
            station.id = %request.identity, peer = %request.peer, needs_a_person,
            "a second living socket of one station is refused"
        );
        Err(RefusalReason::AlreadyConnected.into())
    }
}

/// A connection that others are told of, and that nobody is told of any more should its upgrade come to nothing.
struct Announcement {
    node: Arc<Node>,
    station: StationId,
    epoch: Epoch,
    announced: Announced,
    stands: bool,
}

// === impl Announcement ===

impl Announcement {
    /// Refused where a newer connection is known: Redis says so and the store, too.
    async fn make(node: &Arc<Node>, station: &StationId, epoch: Epoch) -> Result<Self, Shut> {
        let announced = node.cluster.announce(station, epoch).await;
        if announced.newer.is_some() {
            let places = node.store.station_places(std::slice::from_ref(station)).await?;
            if places.iter().any(|place| place.epoch > epoch) {
                return Err(RefusalReason::AlreadyConnected.into());
            }
        }
        let (node, station) = (Arc::clone(node), station.clone());
        Ok(Self { node, station, epoch, announced, stands: false })
    }

    /// The socket is there: whoever had the station before is told.
    fn stands(mut self, elsewhere: Option<NodeId>) {
        self.stands = true;
        let replaced = self.announced.replaced.map(|place| place.node);
        let Some(links) = self.node.cluster.links() else { return };
        for old in elsewhere.into_iter().chain(replaced.filter(|replaced| Some(*replaced) != elsewhere)) {
            links.dismiss(old, &self.station, self.epoch);
        }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if !self.stands {
            self.node.cluster.withdraw(&self.station, self.epoch);
        }
    }
}

/// The fingerprint of the certificate shown, if one was.
fn fingerprint(request: &UpgradeRequest) -> Option<&str> {
    request.certificate.as_ref().map(|certificate| &*certificate.sha256_fingerprint)
}

/// The password shown; an empty one is none.
fn password_of(request: &UpgradeRequest) -> Option<&Password> {
    request.password.as_ref().filter(|password| !password.as_bytes().is_empty())
}

/// A valid certificate is not valid for any station: it names its own, by identity or by serial number. None shown is none wrong.
fn check_certificate(request: &UpgradeRequest, serial: Option<&str>) -> Result<(), Shut> {
    let Some(certificate) = &request.certificate else { return Ok(()) };
    let named = certificate.common_name.as_deref();
    let fits = named == Some(request.identity.as_str()) || (named.is_some() && named == serial);
    if fits { Ok(()) } else { Err(RefusalReason::CertificateMismatch.into()) }
}

impl Door for Doorkeeper {
    fn knock(&self, request: UpgradeRequest) -> LocalBoxFuture<'static, Verdict> {
        let doorkeeper = self.clone();
        Box::pin(async move {
            match doorkeeper.decide(&request).await {
                Ok(verdict) => verdict,
                Err(Shut::Refused(refusal)) => {
                    let (reason, peer) = (refusal.reason.label(), request.peer);
                    tracing::info!(station.id = %request.identity, %peer, reason, "an upgrade is refused");
                    Verdict::Refuse(refusal)
                }
                Err(Shut::Store(error)) => {
                    tracing::warn!(%error, station.id = %request.identity, "the store cannot be asked at the door");
                    Verdict::Refuse(
                        Refusal::new(RefusalReason::StoreUnavailable).retry_after(COME_BACK_AFTER_S),
                    )
                }
            }
        })
    }
}
