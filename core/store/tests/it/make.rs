//! Values for tests, each as small as it can be.

use ringmain_domain::authorize::Authorization;
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{
    AssignmentId, ConnectorId, EvseId, LocationId, NodeId, StationId, TariffId, TenantId, TokenUid,
    TransactionId,
};
use ringmain_domain::location::{ChargingStation, ConnectorStatus, Location};
use ringmain_domain::meter::{Sample, SampleContext};
use ringmain_domain::money::Currency;
use ringmain_domain::party::{Party, Role};
use ringmain_domain::reply::Registration;
use ringmain_domain::report::{ChargingState, MessageKey, TransactionPhase};
use ringmain_domain::roaming::{AuthMethod, Contract};
use ringmain_domain::tariff::assignment::TariffAssignment;
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use ringmain_domain::time::Timestamp;
use ringmain_domain::token::{IdToken, Token, TokenKind};
use ringmain_domain::transaction::{Numbering, TransactionFact};
use ringmain_store::page::{Page, PageRequest};

/// 2026-03-01T08:00:00Z.
pub(crate) const T0: i64 = 1_772_352_000_000;
pub(crate) const MINUTE: i64 = 60_000;

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(T0 + millis)
}

pub(crate) fn tenant() -> TenantId {
    TenantId::default_tenant()
}

pub(crate) fn other_tenant() -> TenantId {
    TenantId::new("other").unwrap()
}

pub(crate) fn station_id(id: &str) -> StationId {
    StationId::new(id).unwrap()
}

pub(crate) fn node(number: u128) -> NodeId {
    NodeId(uuid::Uuid::from_u128(number))
}

pub(crate) fn location_id(id: &str) -> LocationId {
    LocationId::new(id).unwrap()
}

pub(crate) fn tariff_id(id: &str) -> TariffId {
    TariffId::new(id).unwrap()
}

pub(crate) fn token_uid(uid: &str) -> TokenUid {
    TokenUid::new(uid).unwrap()
}

pub(crate) fn transaction_id(id: &str) -> TransactionId {
    TransactionId::new(id).unwrap()
}

pub(crate) fn station(id: &str) -> ChargingStation {
    ChargingStation::unknown(tenant(), station_id(id), Registration::Accepted, at(0))
}

pub(crate) fn location(id: &str) -> Location {
    Location {
        tenant: tenant(),
        id: location_id(id),
        name: format!("Location {id}").into(),
        address: "Street 1".into(),
        city: "Utrecht".into(),
        postal_code: None,
        country: "NLD".into(),
        latitude: "52.0907374".into(),
        longitude: "5.1214201".into(),
        time_zone: "Europe/Amsterdam".into(),
        updated_at: at(0),
    }
}

pub(crate) fn token(uid: &str) -> Token {
    Token {
        tenant: tenant(),
        uid: token_uid(uid),
        kind: TokenKind::Rfid,
        group: None,
        label: Some("a driver".into()),
        blocked: false,
        expires_at: None,
        concurrent_max: None,
        updated_at: at(0),
    }
}

/// A tariff in EUR with 19 % tax: prices as (dimension, price).
pub(crate) fn tariff(id: &str, prices: &[(Dimension, &str)]) -> Tariff {
    let component = |(dimension, price): &(Dimension, &str)| PriceComponent {
        dimension: *dimension,
        price: price.parse().unwrap(),
        tax_percent: Some("19".parse().unwrap()),
        step_size: 1,
    };
    let elements = vec![TariffElement::new(prices.iter().map(component).collect())];
    Tariff::new(tenant(), tariff_id(id), id, Currency::new("EUR").unwrap(), elements, at(0))
}

/// An assignment of the tariff of its name, to everybody everywhere unless changed.
pub(crate) fn assignment(id: &str, change: impl FnOnce(&mut TariffAssignment)) -> TariffAssignment {
    let mut assignment = TariffAssignment {
        tenant: tenant(),
        id: AssignmentId::new(id).unwrap(),
        tariff: tariff_id(id),
        location: None,
        station: None,
        evse: None,
        token_group: None,
        token_kind: None,
        valid_from: None,
        valid_until: None,
        updated_at: at(0),
    };
    change(&mut assignment);
    assignment
}

pub(crate) fn fact(station: &str, millis: i64, event: DomainEvent) -> Fact {
    Fact { tenant: tenant(), station: station_id(station), received_at: at(millis), event }
}

/// A message about a 2.x transaction.
pub(crate) struct Message {
    station: &'static str,
    fact: TransactionFact,
}

/// A message with a sequence number, at so many milliseconds after the start.
pub(crate) fn message(station: &'static str, transaction: &str, sequence: u32, millis: i64) -> Message {
    let phase = if sequence == 0 { TransactionPhase::Started } else { TransactionPhase::Updated };
    Message {
        station,
        fact: TransactionFact {
            transaction: transaction_id(transaction),
            key: MessageKey::Sequence(sequence),
            phase,
            numbering: None,
            evse: Some(EvseId(1)),
            connector: Some(ConnectorId(1)),
            token: None,
            authorization: None,
            contract: None,
            observed_at: at(millis),
            received_at: at(millis),
            trigger: "Test".into(),
            charging_state: None,
            stop_reason: None,
            offline: false,
            remote_start_id: None,
            time_repaired: false,
            adopted: false,
            aside: false,
            samples: Vec::new(),
            ruling: None,
            content: format!("{transaction}/{sequence}").into(),
        },
    }
}

impl Message {
    pub(crate) fn ended(mut self) -> Self {
        self.fact.phase = TransactionPhase::Ended;
        self.fact.stop_reason = Some("Local".into());
        self
    }

    pub(crate) fn register(mut self, wh: i64) -> Self {
        self.fact.samples.push(Sample::import_register(self.fact.observed_at, wh, SampleContext::Periodic));
        self
    }

    pub(crate) fn state(mut self, state: ChargingState) -> Self {
        self.fact.charging_state = Some(state);
        self
    }

    pub(crate) fn token(mut self, uid: &str) -> Self {
        self.fact.token = Some(IdToken { uid: token_uid(uid), kind: TokenKind::Rfid });
        self.fact.authorization = Some(Authorization::Accepted);
        self
    }

    pub(crate) fn content(mut self, content: &str) -> Self {
        self.fact.content = content.into();
        self
    }

    pub(crate) fn evse(mut self, evse: Option<u32>) -> Self {
        self.fact.evse = evse.map(EvseId);
        self
    }

    /// A 1.6 start that asks for a number.
    pub(crate) fn numbered(mut self, start_key: &str, candidates: [i32; 4]) -> Self {
        self.fact.transaction = transaction_id(&candidates[0].to_string());
        self.fact.key = MessageKey::Start;
        self.fact.numbering = Some(Numbering { start_key: start_key.into(), candidates });
        self.fact.content = start_key.into();
        self
    }

    pub(crate) fn into_told(self) -> TransactionFact {
        self.fact
    }

    pub(crate) fn fact(self) -> Fact {
        let received_at = self.fact.received_at;
        Fact {
            tenant: tenant(),
            station: station_id(self.station),
            received_at,
            event: DomainEvent::Transaction(self.fact),
        }
    }
}

/// The same facts with a driver of another company.
pub(crate) fn driven_by(mut facts: Vec<Fact>, party_id: &str) -> Vec<Fact> {
    let contract = Contract {
        party: Party { country_code: "DE".into(), party_id: party_id.into(), role: Role::Emsp },
        uid: "Card1".into(),
        kind: "RFID".into(),
        contract_id: "DE8ABC1".into(),
        reference: Some("ref-1".into()),
        method: AuthMethod::Asked,
    };
    for fact in &mut facts {
        if let DomainEvent::Transaction(told) = &mut fact.event
            && told.token.is_some()
        {
            told.contract = Some(Box::new(contract.clone()));
        }
    }
    facts
}

/// An hour at a station: half of it charging 10 kWh, half of it parked.
pub(crate) fn whole_transaction(station: &'static str, transaction: &str) -> Vec<Fact> {
    whole_transaction_at(1, station, transaction)
}

/// The same at an EVSE of its own, so that others may go on beside it.
pub(crate) fn whole_transaction_apart(station: &'static str, transaction: &str) -> Vec<Fact> {
    whole_transaction_at(own_evse(transaction), station, transaction)
}

fn whole_transaction_at(evse: u32, station: &'static str, transaction: &str) -> Vec<Fact> {
    let message = |station, transaction, sequence, millis| {
        message(station, transaction, sequence, millis).evse(Some(evse))
    };
    vec![
        message(station, transaction, 0, 0)
            .token("Card1")
            .register(1_000)
            .state(ChargingState::Charging)
            .fact(),
        message(station, transaction, 1, 15 * MINUTE).register(6_000).fact(),
        message(station, transaction, 2, 30 * MINUTE)
            .register(11_000)
            .state(ChargingState::SuspendedEv)
            .fact(),
        message(station, transaction, 3, 60 * MINUTE).register(11_000).ended().fact(),
    ]
}

/// An EVSE that hardly any other transaction has.
pub(crate) fn own_evse(transaction: &str) -> u32 {
    let mixed = transaction
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    mixed.max(2)
}

pub(crate) fn status(station: &str, millis: i64, evse: u32, connector: u32, status: ConnectorStatus) -> Fact {
    let event = DomainEvent::StatusChanged {
        evse: EvseId(evse),
        connector: ConnectorId(connector),
        status,
        fault: None,
    };
    fact(station, millis, event)
}

/// Everything of a list, read in pages of so many.
pub(crate) async fn all_pages<T, E: std::fmt::Debug>(
    limit: u32,
    read: impl AsyncFn(PageRequest) -> Result<Page<T>, E>,
) -> Vec<T> {
    let mut all = Vec::new();
    let mut request = PageRequest { after: None, limit };
    loop {
        let page = read(request).await.unwrap();
        assert!(page.items.len() <= limit as usize);
        assert!(page.next.is_none() || page.items.len() == limit as usize, "only the last page may be short");
        all.extend(page.items);
        let Some(next) = page.next else { return all };
        request = PageRequest { after: Some(next), limit };
    }
}
