//! Readings and limits of sites by MQTT, and set-points of their batteries back to it.
//!
//! Topics are `PREFIX/TENANT/LOCATION/CIRCUIT/readings` and `…/limits`, the bodies those of the operator API, over the same services; what a
//! battery is to give goes to `…/setpoint`. Who may write to which topic is the broker's business. A message counts as taken when its limits
//! are kept: what the store could not do is not acknowledged, and the broker gives it again.
//!
//! Never: a decision about load, a format of its own.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use ringmain_domain::id::{CircuitId, LocationId, TenantId};
use ringmain_domain::telemetry;
use ringmain_store::store::StoreError;
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS, SubscribeFilter, SubscribeReasonCode,
};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::api::site_load::{LimitsBody, ReadingsRequest};
use crate::config::mqtt::Mqtt;
use crate::house::House;
use crate::services::keys::Caller;
use crate::services::refusal::Refusal;
use crate::services::site_load as service;

/// Set-points on their way to the broker; when it is full the next one, ten seconds later, says the same.
pub const SETPOINTS_MAX: usize = 1_024;
/// The longest message that is read, in bytes.
const MESSAGE_MAX: usize = 64 * 1024;
/// The longest that is taken from the wire: it is refused then. A longer one breaks the connection, so the broker must not let it through.
const PACKET_MAX: usize = 16 * 1024 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long to wait after the connection was lost.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Requests that wait inside the client: more than set-points, so that these never keep an acknowledgement out.
const REQUESTS_MAX: usize = 2 * SETPOINTS_MAX;

/// What the battery of a circuit is to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setpoint {
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub location: LocationId,
    /// At which circuit.
    pub circuit: CircuitId,
    /// In mA on L1, L2, L3.
    pub battery_ma: [i64; 3],
}

#[derive(Serialize)]
struct SetpointBody {
    battery_ma: [i64; 3],
}

/// A message and where it belongs.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    tenant: TenantId,
    location: LocationId,
    circuit: CircuitId,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Readings,
    Limits,
}

/// What became of a message, in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Taken,
    /// A value of before the connection: nobody knows how old it is.
    Stale,
    Unreadable,
    Refused,
    /// The store could not: it must come again.
    Deferred,
}

// === impl Outcome ===

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Stale => "stale",
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
            Self::Deferred => "deferred",
        }
    }
}

/// Talks to the broker for ever; ends at once where none is configured.
pub async fn run(house: Arc<House>, mut setpoints: mpsc::Receiver<Setpoint>) {
    let config = house.config.mqtt.clone();
    let Some(options) = options(&config) else { return };
    let (client, events) = AsyncClient::new(options, REQUESTS_MAX);
    let broker = Broker { house, client, prefix: config.prefix, is_heard: Cell::new(false) };
    // Side by side, not in one `select!`: a set-point must not break off a connection that is being made.
    let telling = async {
        while let Some(setpoint) = setpoints.recv().await {
            broker.tell(&setpoint);
        }
    };
    tokio::join!(broker.listen(events), telling);
}

/// The broker, as this node talks to it.
struct Broker {
    house: Arc<House>,
    client: AsyncClient,
    prefix: Box<str>,
    /// It is connected, and takes our subscriptions.
    is_heard: Cell<bool>,
}

// === impl Broker ===

impl Broker {
    async fn listen(&self, mut events: EventLoop) {
        self.now_heard(false);
        let mut must_subscribe = false;
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    tracing::info!(prefix = %self.prefix, "connected to the broker");
                    must_subscribe = true;
                }
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    let is_refused = ack.return_codes.contains(&SubscribeReasonCode::Failure);
                    if is_refused {
                        tracing::warn!(prefix = %self.prefix, "the broker refuses a subscription: its ACL must let it");
                    }
                    self.now_heard(!is_refused);
                }
                Ok(Event::Incoming(Packet::Publish(message))) => self.take(&mut events, &message).await,
                Ok(_) => {}
                Err(error) => {
                    self.now_heard(false);
                    tracing::warn!(%error, "no connection to the broker");
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
            // What found no room is asked for again with the next event.
            must_subscribe = must_subscribe && !self.subscribe();
        }
    }

    fn now_heard(&self, is_heard: bool) {
        self.is_heard.set(is_heard);
        metrics::gauge!(telemetry::MQTT_CONNECTED).set(if is_heard { 1.0 } else { 0.0 });
    }

    /// A reading that waited somewhere is worth nothing, so the broker is not asked to keep any; a limit must not be lost.
    fn subscribe(&self) -> bool {
        let filter = |(what, kept)| SubscribeFilter::new(format!("{}/+/+/+/{what}", self.prefix), kept);
        let filters = [("readings", QoS::AtMostOnce), ("limits", QoS::AtLeastOnce)].map(filter);
        self.client.try_subscribe_many(filters).is_ok()
    }

    /// Takes a message, and acknowledges it unless it must come again.
    async fn take(&self, events: &mut EventLoop, message: &Publish) {
        let outcome = taken(&self.house, &self.prefix, message).await;
        metrics::counter!(telemetry::MQTT_MESSAGES, "outcome" => outcome.as_str()).increment(1);
        if outcome == Outcome::Deferred || self.client.try_ack(message).is_err() {
            // A broker gives what was not acknowledged again when the client comes back, and all that came after it, in order.
            self.now_heard(false);
            events.clean();
            events.state.events.clear();
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Told again every ten seconds, so none has to be kept for a broker that is away, or by it.
    fn tell(&self, setpoint: &Setpoint) {
        if !self.is_heard.get() {
            return;
        }
        let Setpoint { tenant, location, circuit, battery_ma } = setpoint;
        let topic = format!("{}/{tenant}/{location}/{circuit}/setpoint", self.prefix);
        let body = serde_json::to_vec(&SetpointBody { battery_ma: *battery_ma }).unwrap_or_default();
        if self.client.try_publish(topic, QoS::AtMostOnce, false, body).is_err() {
            tracing::debug!("the broker's client has no room for a set-point: the next one says it again");
        }
    }
}

fn options(config: &Mqtt) -> Option<MqttOptions> {
    let (host, port) = config.place()?;
    let mut options = MqttOptions::new(&*config.client_id, host, port);
    options.set_keep_alive(KEEP_ALIVE).set_clean_session(false).set_manual_acks(true);
    options.set_max_packet_size(PACKET_MAX, PACKET_MAX);
    if let Some(username) = &config.username {
        let password = config.password.as_ref().map_or("", |password| password.reveal());
        options.set_credentials(&**username, password);
    }
    Some(options)
}

async fn taken(house: &House, prefix: &str, message: &Publish) -> Outcome {
    let topic = &message.topic;
    let Some(Address { tenant, location, circuit, what }) = address(prefix, topic) else {
        tracing::warn!(%topic, "a topic names no circuit");
        return Outcome::Unreadable;
    };
    if message.payload.len() > MESSAGE_MAX {
        tracing::warn!(%topic, bytes = message.payload.len(), "a message of the broker is too long");
        return Outcome::Unreadable;
    }
    let caller = Caller::of_broker(tenant);
    let place = (&location, &circuit);
    let result = match what {
        What::Readings => match serde_json::from_slice::<ReadingsRequest>(&message.payload) {
            Ok(readings) if message.retain && !readings.says_when() => return Outcome::Stale,
            Ok(readings) => {
                service::read_meters(house, &caller, place, readings.into_metered()).await.map(|()| true)
            }
            Err(error) => return unreadable(topic, &error),
        },
        What::Limits => match serde_json::from_slice::<LimitsBody>(&message.payload) {
            Ok(limits) if message.retain => fill_limits(house, &caller, place, limits).await,
            Ok(limits) => {
                service::put_limits(house, &caller, place, limits.into_signals()).await.map(|()| true)
            }
            Err(error) => return unreadable(topic, &error),
        },
    };
    match result {
        Ok(true) => Outcome::Taken,
        Ok(false) => Outcome::Stale,
        Err(Refusal::Store(error @ (StoreError::Unavailable { .. } | StoreError::Unknown { .. }))) => {
            tracing::warn!(%error, %topic, "a message of the broker is put off");
            // A reading is too old by then.
            if what == What::Limits { Outcome::Deferred } else { Outcome::Refused }
        }
        Err(refusal) => {
            tracing::warn!(%refusal, %topic, "a message of the broker is refused");
            Outcome::Refused
        }
    }
}

/// The broker gives what it keeps again at every subscription: that fills a void, and never undoes what was said since. `false`: something was.
async fn fill_limits(
    house: &House,
    caller: &Caller,
    place: (&LocationId, &CircuitId),
    limits: LimitsBody,
) -> Result<bool, Refusal> {
    if service::has_limits(house, caller, place).await? {
        return Ok(false);
    }
    service::put_limits(house, caller, place, limits.into_signals()).await.map(|()| true)
}

fn unreadable(topic: &str, error: &serde_json::Error) -> Outcome {
    tracing::warn!(%topic, %error, "a message of the broker cannot be read");
    Outcome::Unreadable
}

/// Which circuit a topic names.
fn address(prefix: &str, topic: &str) -> Option<Address> {
    let rest = topic.strip_prefix(prefix)?.strip_prefix('/')?;
    let mut parts = rest.split('/');
    let (tenant, location, circuit, what) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let what = match what {
        "readings" => What::Readings,
        "limits" => What::Limits,
        _ => return None,
    };
    let address = Address {
        tenant: TenantId::new(tenant).ok()?,
        location: LocationId::new(location).ok()?,
        circuit: CircuitId::new(circuit).ok()?,
        what,
    };
    parts.next().is_none().then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_a_circuit_or_nothing() {
        let found = address("site/a", "site/a/default/depot/grid/limits").unwrap();
        assert_eq!(
            (found.location.as_str(), found.circuit.as_str(), found.what),
            ("depot", "grid", What::Limits)
        );
        for odd in [
            "site/b/default/depot/grid/limits",
            "site/a/default/depot/grid/setpoint",
            "site/a/default/depot/grid/limits/more",
            "site/a/default/depot/limits",
            "site/a/default//grid/limits",
            "site/adefault/depot/grid/limits",
        ] {
            assert_eq!(address("site/a", odd), None, "{odd}");
        }
    }
}
