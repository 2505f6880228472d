//! Readings and limits of sites by MQTT, and set-points of their batteries back to it.
//!
//! Topics are `PREFIX/TENANT/LOCATION/CIRCUIT/readings` and `…/limits`, the bodies those of the operator API, over the same services; what a
//! battery is to give goes to `…/setpoint`. Who may write to which topic is the broker's business. A message counts as taken when its limits
//! are kept: what the store could not do is not acknowledged, and the broker gives it again.
//!
//! Never: a decision about load, a format of its own.

use std::sync::Arc;
use std::time::Duration;

use ringmain_domain::id::{CircuitId, LocationId, TenantId};
use ringmain_domain::telemetry;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS};
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
/// The longest message, in bytes.
const MESSAGE_MAX: usize = 64 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long to wait after the connection was lost.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Requests that wait inside the client.
const REQUESTS_MAX: usize = 64;

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
    // Side by side, not in one `select!`: a set-point must not break off a connection that is being made.
    let telling = async {
        while let Some(setpoint) = setpoints.recv().await {
            tell(&client, &config.prefix, &setpoint);
        }
    };
    tokio::join!(listen(&house, &config, &client, events), telling);
}

async fn listen(house: &House, config: &Mqtt, client: &AsyncClient, mut events: EventLoop) {
    let connected = metrics::gauge!(telemetry::MQTT_CONNECTED);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                connected.set(1.0);
                tracing::info!(broker = ?config.broker.0, "connected to the broker");
                subscribe(client, &config.prefix);
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                take(house, client, &mut events, &config.prefix, &message).await;
            }
            Ok(_) => {}
            Err(error) => {
                connected.set(0.0);
                tracing::warn!(%error, "no connection to the broker");
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    }
}

fn options(config: &Mqtt) -> Option<MqttOptions> {
    let (host, port) = config.place()?;
    let mut options = MqttOptions::new(&*config.client_id, host, port);
    options.set_keep_alive(KEEP_ALIVE).set_clean_session(false).set_manual_acks(true);
    options.set_max_packet_size(MESSAGE_MAX, MESSAGE_MAX);
    if let Some(username) = &config.username {
        let password = config.password.as_ref().map_or("", |password| password.reveal());
        options.set_credentials(&**username, password);
    }
    Some(options)
}

fn subscribe(client: &AsyncClient, prefix: &str) {
    for what in ["readings", "limits"] {
        if client.try_subscribe(format!("{prefix}/+/+/+/{what}"), QoS::AtLeastOnce).is_err() {
            tracing::warn!(what, "the broker's client has no room for a subscription");
        }
    }
}

/// Takes a message, and acknowledges it unless it must come again.
async fn take(house: &House, client: &AsyncClient, events: &mut EventLoop, prefix: &str, message: &Publish) {
    let outcome = taken(house, prefix, message).await;
    metrics::counter!(telemetry::MQTT_MESSAGES, "outcome" => outcome.as_str()).increment(1);
    if outcome == Outcome::Deferred || client.try_ack(message).is_err() {
        // A broker gives what was not acknowledged again when the client comes back.
        events.clean();
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn taken(house: &House, prefix: &str, message: &Publish) -> Outcome {
    let topic = &message.topic;
    let Some(Address { tenant, location, circuit, what }) = address(prefix, topic) else {
        tracing::warn!(%topic, "a topic names no circuit");
        return Outcome::Unreadable;
    };
    let caller = Caller::of_broker(tenant);
    let result = match what {
        What::Readings => match serde_json::from_slice::<ReadingsRequest>(&message.payload) {
            Ok(readings) if message.retain && !readings.says_when() => return Outcome::Stale,
            Ok(readings) => {
                service::read_meters(house, &caller, (&location, &circuit), readings.into_metered()).await
            }
            Err(error) => return unreadable(topic, &error),
        },
        What::Limits => match serde_json::from_slice::<LimitsBody>(&message.payload) {
            Ok(limits) => {
                service::put_limits(house, &caller, (&location, &circuit), limits.into_signals()).await
            }
            Err(error) => return unreadable(topic, &error),
        },
    };
    match result {
        Ok(()) => Outcome::Taken,
        Err(Refusal::Store(error)) => {
            tracing::warn!(%error, %topic, "a message of the broker is put off");
            Outcome::Deferred
        }
        Err(refusal) => {
            tracing::warn!(%refusal, %topic, "a message of the broker is refused");
            Outcome::Refused
        }
    }
}

fn unreadable(topic: &str, error: &serde_json::Error) -> Outcome {
    tracing::warn!(%topic, %error, "a message of the broker cannot be read");
    Outcome::Unreadable
}

fn tell(client: &AsyncClient, prefix: &str, setpoint: &Setpoint) {
    let Setpoint { tenant, location, circuit, battery_ma } = setpoint;
    let topic = format!("{prefix}/{tenant}/{location}/{circuit}/setpoint");
    let body = serde_json::to_vec(&SetpointBody { battery_ma: *battery_ma }).unwrap_or_default();
    // Kept by the broker, for a controller that comes later.
    if client.try_publish(topic, QoS::AtMostOnce, true, body).is_err() {
        tracing::debug!("the broker's client has no room for a set-point: the next one says it again");
    }
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
