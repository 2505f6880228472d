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
use ringmain_domain::location::{ChargingStation, UnknownStations};
use ringmain_domain::reply::Registration;
use ringmain_domain::telemetry;
use ringmain_ocpp::translate::Dialect;
use ringmain_ocpp::version::Version;
use ringmain_store::store::StoreError;

use super::connection::{Birth, Probe};
use super::journal::Note;
use super::site_directory::Locate;
use crate::app::Node;
use crate::clock;
use crate::cluster::{Elsewhere, NotKnown};
use crate::handshake::{ListenerKind, Password, Refusal, RefusalReason, UpgradeRequest};
use crate::listen::network::{Host, Network};
use crate::listen::{Door, Verdict};
use crate::services::duplicates::source_of;

mod entrance;
mod limits;

use entrance::{Announcement, Entrance, Room};
use limits::Limits;

/// What stations are told to wait when we cannot take them now, in seconds.
const COME_BACK_AFTER_S: u32 = 10;

/// Opens the door for stations.
#[derive(Clone)]
pub struct Doorkeeper {
    node: Arc<Node>,
    limits: Arc<Limits>,
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
        let limits = Limits::new(&node.config.stations);
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
        let who = (Host::of(request.peer.ip()), request.identity.clone());
        // Taken before anything is waited for and given back unless it was wrong: of many that guess at once no more are heard than of one that
        // waits for its answers.
        if !self.limits.failures.take(&who, Instant::now()) {
            return Err(Shut::Refused(
                Refusal::new(RefusalReason::TooManyAttempts).retry_after(COME_BACK_AFTER_S),
            ));
        }
        let version = Version::negotiate(request.protocols.iter().map(String::as_str));
        let admitted = self.admit(request, version.is_some()).await;
        if !matches!(admitted, Err(Shut::Refused(Refusal { status: 401 | 403, .. }))) {
            self.limits.failures.give_back(&who);
        }
        let admitted = admitted?;
        let (Some(version), Some(Admitted { station, proven })) = (version, admitted) else {
            tracing::info!(station.id = %request.identity, offered = ?request.protocols, "no common subprotocol");
            return Ok(Verdict::CloseAfterUpgrade);
        };
        if !self.limits.connects.take(&station.id, Instant::now()) {
            return Err(Shut::Refused(
                Refusal::new(RefusalReason::TooManyConnects).retry_after(COME_BACK_AFTER_S),
            ));
        }
        let room = self.make_room(request, &station).await?;
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
        let (node, dialect) = (Arc::clone(&self.node), Dialect::of(version));
        let birth = Birth { node, snapshot, dialect, epoch, site, listener, proven, last_grants };
        let (source, certificate) = (request.peer.ip(), fingerprint(request).map(Into::into));
        let entrance = Entrance { announced, room, changes, source, certificate };
        let start = Box::new(move |socket| entrance.enter(birth, socket));
        Ok(Verdict::Admit { subprotocol: version.subprotocol(), start })
    }

    async fn wait_for_turn(&self, peer: IpAddr) -> Result<(), Shut> {
        let Some(wait) = self.limits.turn(peer, Instant::now()) else {
            return Err(Shut::Refused(
                Refusal::new(RefusalReason::Overloaded).retry_after(COME_BACK_AFTER_S),
            ));
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// The station behind the request, if it may connect, once it is its turn. A stranger that cannot speak with us anyway leaves no record: `None`.
    async fn admit(&self, request: &UpgradeRequest, can_speak: bool) -> Result<Option<Admitted>, Shut> {
        self.wait_for_turn(request.peer.ip()).await?;
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
        if !accepted && !self.limits.contacts.take(&Network::of(request.peer.ip()), Instant::now()) {
            return Err(Shut::Refused(
                Refusal::new(RefusalReason::TooManyConnects).retry_after(COME_BACK_AFTER_S),
            ));
        }
        let proven = password_of(request).is_some() || request.certificate.is_some();
        if accepted && !proven && !self.node.config.stations.without_password_enabled {
            return Err(RefusalReason::CredentialsMissing.into());
        }
        let has_room =
            accepted || self.limits.quarantine.has_room(&self.node.store, &self.node.tenant).await?;
        if !has_room {
            return Err(Shut::Refused(
                Refusal::new(RefusalReason::QuarantineFull).retry_after(COME_BACK_AFTER_S),
            ));
        }
        let now = clock::now();
        let station =
            ChargingStation::unknown(self.node.tenant.clone(), request.identity.clone(), registration, now);
        let (store, password) = (&self.node.store, password_of(request));
        let sealed =
            password.map(|password| self.node.credentials.seal(password.as_bytes(), now)).transpose();
        let is_new = match &sealed.map_err(|_no_random| RefusalReason::Overloaded)? {
            Some(sealed) => store.insert_station_with(&station, sealed).await?,
            None => store.insert_station(&station).await?,
        };
        if !is_new {
            // Another socket made contact under this identity in the same moment: whoever comes second must show the same password.
            return match store.find_station(&request.identity).await? {
                Some(station) => self.check_credentials(request, station).await,
                None => Err(RefusalReason::StationUnknown.into()),
            };
        }
        tracing::info!(station.id = %station.id, registration = registration.as_str(), "an unknown station made contact");
        Ok(Admitted { station, proven })
    }

    /// A second socket of one identity (DESIGN section 6), here or at another node: the same address or certificate is the same station come
    /// back; otherwise the old one is asked for a sign of life, and keeps its place if it gives one. Gives back the node whose connection
    /// is to be dismissed.
    async fn make_room(&self, request: &UpgradeRequest, station: &ChargingStation) -> Result<Room, Shut> {
        let (source, certificate) = (request.peer.ip(), fingerprint(request));
        if let Some(old) = self.node.routing.find(&request.identity) {
            let claimant = old.claimant(source, certificate);
            let stays = claimant.must_probe() && matches!(old.connection.send(Probe).await, Ok(true));
            let old = if stays { OldSocket::Alive } else { OldSocket::Silent };
            return match claimant.against(old) {
                Takeover::New => Ok(Room::default()),
                Takeover::Old => self.contest(request, station).await.map(|()| Room::admitted(None)),
            };
        }
        let (cluster, store) = (&self.node.cluster, &self.node.store);
        let elsewhere = cluster.elsewhere(store, &request.identity, (source, certificate)).await?;
        let Some(Elsewhere { place, old, same }) = elsewhere else { return Ok(Room::default()) };
        match (Claimant { same_source: same, same_certificate: same }).against(old) {
            Takeover::New => Ok(Room { elsewhere: Some(place.node), was_contested: false }),
            Takeover::Old => self.contest(request, station).await.map(|()| Room::admitted(Some(place.node))),
        }
    }

    /// Two living sockets under one identity: somebody may be playing the station. The newcomer is refused, which is kept for a person to
    /// see, unless one has said that whoever comes from there is the right one.
    async fn contest(&self, request: &UpgradeRequest, station: &ChargingStation) -> Result<(), Shut> {
        let (store, now, source) = (&self.node.store, clock::now(), source_of(request.peer.ip()));
        if store.admits_newcomer(&station.tenant, &station.id, (&source, now)).await? {
            tracing::info!(
                station.id = %station.id, peer = %request.peer,
                "a second living socket takes the station's place, as an operator said"
            );
            return Ok(());
        }
        let before = store.duplicates(&station.tenant, &station.id).await?;
        let (duplicates, is_worth_telling) =
            Duplicates::fought(before.map(|before| before.duplicates), now, &source);
        store.put_duplicates(&station.tenant, &station.id, &duplicates).await?;
        let needs_a_person = duplicates.needs_a_person;
        if is_worth_telling {
            let fact = Fact {
                tenant: station.tenant.clone(),
                station: station.id.clone(),
                received_at: now,
                event: DomainEvent::DuplicateIdentity { source, needs_a_person },
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
