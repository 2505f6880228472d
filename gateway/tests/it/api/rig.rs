//! The rig: a house with a store and a scripted desk, its server, keys of every role, and facts to fill it with.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use actix::Actor;
use actix_web::{App, HttpServer, web};
use ringmain_domain::access::AccessRole;
use ringmain_domain::authorize::Authorization;
use ringmain_domain::command::{CommandDesk, CommandOrder, CommandOutcome, CommandResult, DeskFuture};
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{
    ConnectorId, Epoch, EvseId, StationId, TariffId, TenantId, TokenUid, TransactionId,
};
use ringmain_domain::location::{ChargingStation, ConnectorStatus, Location};
use ringmain_domain::meter::{Sample, SampleContext};
use ringmain_domain::money::Currency;
use ringmain_domain::reply::Registration;
use ringmain_domain::report::{Boot, ChargingState, MessageKey, TransactionPhase};
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use ringmain_domain::time::Timestamp;
use ringmain_domain::token::{IdToken, TokenKind};
use ringmain_domain::transaction::TransactionFact;
use ringmain_gateway::actors::site::SiteParts;
use ringmain_gateway::actors::site_directory::SiteDirectory;
use ringmain_gateway::canary::Canary;
use ringmain_gateway::cluster::Cluster;
use ringmain_gateway::cluster::memory::MemoryRouting;
use ringmain_gateway::config::Config;
use ringmain_gateway::credentials::Credentials;
use ringmain_gateway::house::House;
use ringmain_gateway::live::LiveFeed;
use ringmain_gateway::services::doorway::{Doorway, Limits};
use ringmain_gateway::services::keys;
use ringmain_gateway::services::site_load::forecast::Forecasts;
use ringmain_gateway::services::station_tariffs::Turns;
use ringmain_gateway::{api, clock, console};
use ringmain_store::access::ApiKey;
use ringmain_store::store::{Store, StoreSettings};
use serde_json::Value;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::client::{Reply, Stream};

/// 2026-03-01T08:00:00Z, when most things here happen.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_772_352_000_000);

/// A running server.
pub(crate) struct Rig {
    pub(crate) address: SocketAddr,
    pub(crate) house: web::Data<House>,
    pub(crate) doorway: web::Data<Doorway>,
    pub(crate) desk: Arc<ScriptedDesk>,
    pub(crate) administrator: String,
    pub(crate) operator: String,
    pub(crate) viewer: String,
    pub(crate) stranger: String,
    server: actix_web::dev::ServerHandle,
    _folder: tempfile::TempDir,
}

/// A desk that notes its orders and ends them as scripted; accepted when nothing is scripted.
#[derive(Default)]
pub(crate) struct ScriptedDesk {
    orders: Mutex<Vec<CommandOrder>>,
    script: Mutex<VecDeque<Ending>>,
}

/// How an order ends.
pub(crate) enum Ending {
    /// At once.
    Now(CommandResult),
    /// When the test says so.
    Later(oneshot::Receiver<CommandResult>),
}

impl CommandDesk for ScriptedDesk {
    fn submit(&self, order: CommandOrder) -> DeskFuture {
        self.orders.lock().unwrap().push(order);
        let ending = self.script.lock().unwrap().pop_front();
        Box::pin(async move {
            match ending {
                Some(Ending::Now(result)) => result,
                Some(Ending::Later(result)) => result.await.unwrap(),
                None => accepted(),
            }
        })
    }
}

impl ScriptedDesk {
    pub(crate) fn orders(&self) -> Vec<CommandOrder> {
        self.orders.lock().unwrap().clone()
    }

    pub(crate) fn script(&self, ending: Ending) {
        self.script.lock().unwrap().push_back(ending);
    }

    /// The next order ends when the sender says how.
    pub(crate) fn hold(&self) -> oneshot::Sender<CommandResult> {
        let (sender, receiver) = oneshot::channel();
        self.script(Ending::Later(receiver));
        sender
    }
}

/// A station's agreement.
pub(crate) fn accepted() -> CommandResult {
    let response = Some("{\"status\":\"Accepted\"}".into());
    CommandResult { outcome: CommandOutcome::Accepted, response, detail: None }
}

// === impl Rig ===

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.sqlite").display());
        let store = Store::open(&url, StoreSettings::default()).await.unwrap();
        let desk = Arc::new(ScriptedDesk::default());
        let for_house: Arc<dyn CommandDesk> = Arc::<ScriptedDesk>::clone(&desk);
        let cluster = Cluster::alone(MemoryRouting::default());
        let parts = SiteParts {
            live: LiveFeed::new(START),
            store: store.clone(),
            cluster: cluster.clone(),
            conduct: Config::default().load.conduct(),
            setpoints: tokio::sync::mpsc::channel(1).0,
        };
        let house = web::Data::new(House {
            sites: SiteDirectory::new(parts, 1).start(),
            store,
            desk: for_house,
            partners: std::sync::OnceLock::new(),
            pricer: Arc::new(ringmain_roaming::ocpi::billing::OcpiPricer),
            live: LiveFeed::new(START),
            cluster,
            credentials: Credentials::open(folder.path()).unwrap(),
            canary: Canary::fixed_ready(),
            config: Arc::new(Config::default()),
            tenant: TenantId::default_tenant(),
            tariff_turns: Turns::default(),
            forecasts: Forecasts::default(),
        });
        let doorway = web::Data::new(Doorway::new(limits));
        let (for_app, doorway_for_app) = (house.clone(), doorway.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(for_app.clone())
                .app_data(doorway_for_app.clone())
                .configure(api::configure)
                .configure(console::configure)
        });
        let server = server.workers(2).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let other = TenantId::new("other").unwrap();
        let tenant = house.tenant.clone();
        let administrator = add_key(&house, &tenant, AccessRole::Administrator).await;
        let operator = add_key(&house, &tenant, AccessRole::Operator).await;
        let viewer = add_key(&house, &tenant, AccessRole::Viewer).await;
        let stranger = add_key(&house, &other, AccessRole::Administrator).await;
        Self {
            address,
            house,
            doorway,
            desk,
            administrator,
            operator,
            viewer,
            stranger,
            server: handle,
            _folder: folder,
        }
    }

    /// The token of a key with this role.
    pub(crate) fn token(&self, role: AccessRole) -> &str {
        match role {
            AccessRole::Administrator => &self.administrator,
            AccessRole::Operator => &self.operator,
            AccessRole::Viewer => &self.viewer,
        }
    }

    /// A request by the operator's key.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.send_as(&self.operator, method, path, body, &[]).await
    }

    /// A request by any key, with more headers.
    pub(crate) async fn send_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let text = body.map(|body| body.to_string());
        let bearer = format!("Bearer {token}");
        let mut all = vec![("Authorization", bearer.as_str())];
        if text.is_some() {
            all.push(("Content-Type", "application/json"));
        }
        all.extend_from_slice(headers);
        let target = format!("/api/v1{path}");
        let body = text.as_deref().map(str::as_bytes);
        Stream::open(self.address, method, &target, &all, body).await.finish().await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, Some(body)).await
    }

    /// All items of a list, page by page; the sizes of the pages too.
    pub(crate) async fn walk(&self, path: &str, limit: u32) -> (Vec<Value>, Vec<usize>) {
        let (mut items, mut sizes, mut cursor) = (Vec::new(), Vec::new(), String::new());
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let reply = self.get(&format!("{path}{joint}limit={limit}{cursor}")).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let body = reply.json();
            let page = body["items"].as_array().unwrap();
            sizes.push(page.len());
            items.extend(page.iter().cloned());
            let Some(next) = body["next_cursor"].as_str() else { return (items, sizes) };
            cursor = format!("&cursor={next}");
        }
    }

    /// What was audited, newest first, as `action subject`.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let reply = self.get("/audit-events").await;
        let line = |event: &Value| {
            format!("{} {}", event["action"].as_str().unwrap(), event["subject"].as_str().unwrap())
        };
        reply.json()["items"].as_array().unwrap().iter().map(line).collect()
    }

    /// A station that is registered, booted and connected, with so many EVSEs of one connector.
    pub(crate) async fn add_station(&self, id: &str, evses: u32) -> ChargingStation {
        let (tenant, now) = (self.house.tenant.clone(), clock::now());
        let id = StationId::new(id).unwrap();
        let station = ChargingStation::unknown(tenant, id, Registration::Accepted, now);
        assert!(self.house.store.insert_station(&station).await.unwrap());
        let boot = Boot {
            vendor: "Voltwerk".into(),
            model: "V2".into(),
            firmware: Some("1.2.3".into()),
            ..Boot::default()
        };
        let mut events = vec![
            DomainEvent::StationConnected { ocpp_version: "ocpp2.0.1".into(), epoch: Epoch(0), node: None },
            DomainEvent::StationBooted(boot),
        ];
        events.extend((1..=evses).map(|evse| DomainEvent::StatusChanged {
            evse: EvseId(evse),
            connector: ConnectorId(1),
            status: ConnectorStatus::Available,
            fault: None,
        }));
        self.append(&station, events).await;
        station
    }

    pub(crate) async fn append(&self, station: &ChargingStation, events: Vec<DomainEvent>) {
        let fact = |event| Fact {
            tenant: station.tenant.clone(),
            station: station.id.clone(),
            received_at: clock::now(),
            event,
        };
        let facts: Vec<_> = events.into_iter().map(fact).collect();
        self.house.store.append(&facts).await.unwrap();
    }

    /// A session of an hour that took 10 kWh; the transaction's id names it. Minutes are counted from [`START`].
    pub(crate) async fn add_session(
        &self,
        station: &ChargingStation,
        transaction: &str,
        from_min: i64,
        ended: bool,
    ) {
        let mut events = vec![fact(transaction, 0, TransactionPhase::Started, from_min, 1_000)];
        events.push(fact(transaction, 1, TransactionPhase::Updated, from_min + 30, 6_000));
        if ended {
            events.push(fact(transaction, 2, TransactionPhase::Ended, from_min + 60, 11_000));
        }
        self.append(station, events.into_iter().map(DomainEvent::Transaction).collect()).await;
    }

    /// So many sessions of an hour, two hours apart, in as few commits as possible.
    pub(crate) async fn add_sessions(&self, station: &ChargingStation, count: i64) {
        let numbers: Vec<i64> = (0..count).collect();
        for numbers in numbers.chunks(ringmain_store::batch::MAX_BATCH / 2) {
            let facts = numbers.iter().flat_map(|number| {
                let (name, minute) = (format!("N{number}"), number * 120);
                [
                    fact(&name, 0, TransactionPhase::Started, minute, 1_000),
                    fact(&name, 1, TransactionPhase::Ended, minute + 60, 11_000),
                ]
            });
            self.append(station, facts.map(DomainEvent::Transaction).collect()).await;
        }
    }

    /// A session that ended without any reading: a person must look.
    pub(crate) async fn add_doubtful_session(
        &self,
        station: &ChargingStation,
        transaction: &str,
        minute: i64,
    ) {
        let mut facts = [
            fact(transaction, 0, TransactionPhase::Started, minute, 0),
            fact(transaction, 1, TransactionPhase::Ended, minute + 60, 0),
        ];
        facts.iter_mut().for_each(|fact| fact.samples.clear());
        self.append(station, facts.map(DomainEvent::Transaction).into()).await;
    }

    /// A message of a transaction in progress with a reading, to be changed and appended.
    pub(crate) fn fact(
        &self,
        transaction: &str,
        sequence: u32,
        minute: i64,
        register_wh: i64,
    ) -> TransactionFact {
        fact(transaction, sequence, TransactionPhase::Updated, minute, register_wh)
    }

    pub(crate) async fn add_location(&self, id: &str) {
        let location = Location {
            tenant: self.house.tenant.clone(),
            id: ringmain_domain::id::LocationId::new(id).unwrap(),
            name: format!("Depot {id}").into(),
            address: "Hauptstr. 1".into(),
            city: "Köln".into(),
            postal_code: None,
            country: "DEU".into(),
            latitude: "50.9413".into(),
            longitude: "6.9583".into(),
            time_zone: "Europe/Berlin".into(),
            updated_at: START,
        };
        self.house.store.put_location(&location).await.unwrap();
    }

    /// 0.50 EUR/kWh with 19 % tax, 1 EUR a session.
    pub(crate) async fn add_tariff(&self, id: &str) {
        let component = |dimension, price: &str, step_size| PriceComponent {
            dimension,
            price: price.parse().unwrap(),
            tax_percent: Some("19".parse().unwrap()),
            step_size,
        };
        let components = vec![component(Dimension::Flat, "1.00", 1), component(Dimension::Energy, "0.50", 1)];
        let tariff = Tariff::new(
            self.house.tenant.clone(),
            TariffId::new(id).unwrap(),
            "Standard",
            Currency::new("EUR").unwrap(),
            vec![TariffElement::new(components)],
            START,
        );
        self.house.store.put_tariff(&tariff).await.unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn add_key(house: &House, tenant: &TenantId, role: AccessRole) -> String {
    let token = keys::new_token().unwrap();
    let key = ApiKey {
        id: Uuid::now_v7(),
        tenant: tenant.clone(),
        name: role.as_str().into(),
        role,
        hash: keys::hash(token.reveal()),
        created_at: clock::now(),
        expires_at: None,
        revoked_at: None,
    };
    assert!(house.store.insert_api_key(&key).await.unwrap());
    token.reveal().to_owned()
}

fn fact(
    transaction: &str,
    sequence: u32,
    phase: TransactionPhase,
    minute: i64,
    register_wh: i64,
) -> TransactionFact {
    let at = START.plus_secs(minute * 60);
    let context = match phase {
        TransactionPhase::Started => SampleContext::TransactionBegin,
        TransactionPhase::Updated => SampleContext::Periodic,
        TransactionPhase::Ended => SampleContext::TransactionEnd,
    };
    TransactionFact {
        transaction: TransactionId::new(transaction).unwrap(),
        key: MessageKey::Sequence(sequence),
        phase,
        numbering: None,
        evse: Some(EvseId(1)),
        connector: Some(ConnectorId(1)),
        token: Some(IdToken { uid: TokenUid::new("04A2B3").unwrap(), kind: TokenKind::Rfid }),
        authorization: Some(Authorization::Accepted),
        contract: None,
        observed_at: at,
        received_at: at,
        trigger: "Authorized".into(),
        charging_state: Some(ChargingState::Charging),
        stop_reason: (phase == TransactionPhase::Ended).then(|| "EVDisconnected".into()),
        offline: false,
        remote_start_id: None,
        time_repaired: false,
        adopted: false,
        aside: false,
        samples: vec![Sample::import_register(at, register_wh, context)],
        ruling: None,
        content: format!("{transaction}-{sequence}").into(),
    }
}
