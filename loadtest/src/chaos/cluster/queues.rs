//! C21: stations that were offline for a whole session come back at once, each with two hundred events in its queue.
//!
//! They tell the same witness as the crowd, so the oracle holds their messages and bills to the same rules; some of their events are looked
//! up at another node the moment they are acknowledged.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::report::Figure;
use super::scene::{Scene, percentile, seconds};
use super::strangers::{Doors, ask, boot};
use crate::clock::{Clock, Utc};
use crate::crowd::meter_start;
use crate::dial::{Socket, loopback_source};
use crate::oracle::operator::Operator;
use crate::tally::SessionRecord;
use crate::witness::{Name, Witness};

/// Events of one queue: a session's start, its readings, its end.
const EVENTS: u64 = 200;
/// As many as the table has at most.
const QUEUES_MAX: usize = 500;
/// Of the stations of the crowd there are half as many with queues.
const SHARE: usize = 2;
/// Between two events, s, and what flowed meanwhile, Wh.
const EVERY_S: i64 = 30;
const FLOWED_WH: u64 = 60;
/// All queues are drained within so long.
const DRAINED: Duration = Duration::from_secs(60);
/// How long it is tried.
const PATIENCE: Duration = Duration::from_secs(300);
/// Before a station that was refused or cut off tries again.
const AGAIN: Duration = Duration::from_millis(500);
/// Stations that make themselves known at a time.
const AT_ONCE: usize = 12;
/// Of so many stations one event is looked up at once.
const LOOKED_UP: usize = 5;

/// A queue, and what it is about.
struct Queue {
    identity: String,
    place: usize,
    events: Vec<Value>,
    truth: SessionRecord,
}

/// How a queue was delivered.
struct Delivered {
    answers: Vec<Duration>,
    sockets: usize,
    /// An event that was looked up as soon as it was acknowledged was stored; `None`: none was.
    was_stored: Option<bool>,
}

/// C21: long queues at once.
pub(super) async fn flush(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let crowd = scene.witness.links().connected().len();
    let count = (crowd / SHARE).clamp(1, QUEUES_MAX);
    let doors = Doors::new(scene)?;
    let known = stream::iter(0..count).map(|number| make_known(&doors, number));
    let known: Vec<_> = known.buffer_unordered(AT_ONCE).collect().await;
    known.into_iter().collect::<anyhow::Result<Vec<()>>>()?;
    let clock = Clock::start();
    let now = clock.utc(clock.now());
    let queues: Vec<_> = (0..count).map(|number| Queue::new(number, now)).collect();
    let operators: Vec<_> = (0..doors.count())
        .map(|place| scene.operator_of(place))
        .collect::<anyhow::Result<Vec<Operator>>>()?;
    let (since, mut under_way) = (Instant::now(), JoinSet::new());
    for (number, queue) in queues.into_iter().enumerate() {
        let (doors, witness) = (doors.clone(), Arc::clone(&scene.witness));
        let operator = operators.get((number + 1) % operators.len().max(1)).cloned();
        let operator = operator.filter(|_| number % LOOKED_UP == 0);
        under_way.spawn(async move { queue.deliver(&doors, &witness, operator.as_ref()).await });
    }
    let mut delivered = Vec::new();
    while let Some(done) = under_way.join_next().await {
        delivered.push(done.context("a station died")??);
    }
    tell(scene, &delivered, (crowd, since)).await;
    Ok(format!("{count} stations beside the crowd with {EVENTS} queued events each, all back at once"))
}

async fn tell(scene: &mut Scene<'_>, delivered: &[Delivered], (crowd, since): (usize, Instant)) {
    let took = since.elapsed();
    let mut answers: Vec<_> = delivered.iter().flat_map(|one| one.answers.iter().copied()).collect();
    let p99 = percentile(&mut answers, 99);
    let per_s = answers.len() as u128 * 1_000 / took.as_millis().max(1);
    let sockets: usize = delivered.iter().map(|one| one.sockets).sum();
    let looked_up: Vec<_> = delivered.iter().filter_map(|one| one.was_stored).collect();
    let stored = looked_up.iter().filter(|stored| **stored).count();
    let mut orders: Vec<_> = scene.desk.tries(since).await.iter().map(|one| one.took).collect();
    let order = percentile(&mut orders, 99);
    scene.figures.extend([
        Figure::held("all queues drained", "≤ 60 s", seconds(took), took <= DRAINED),
        Figure::must(
            "events looked up at another node once acknowledged: stored",
            "all",
            format!("{stored} of {}", looked_up.len()),
            stored == looked_up.len() && !looked_up.is_empty(),
        ),
        Figure::told("events a second, and their answers, p99", format!("{per_s}/s, {} ms", p99.as_millis())),
        Figure::told("sockets it took", format!("{sockets} for {} stations", delivered.len())),
        Figure::told("commands to the crowd meanwhile, p99", format!("{} ms", order.as_millis())),
        Figure::told(
            "stations of the crowd still connected",
            format!("{} of {crowd}", scene.witness.links().connected().len()),
        ),
    ]);
}

fn identity_of(number: usize) -> String {
    format!("QUEUE-{number:04}")
}

/// It was there before it went offline.
async fn make_known(doors: &Doors, number: usize) -> anyhow::Result<()> {
    let identity = identity_of(number);
    let mut socket = dial_until(doors, &identity, number).await?;
    boot(&mut socket).await.with_context(|| identity.clone())?;
    if let Err(error) = (*socket).close(None).await {
        tracing::debug!(%error, identity, "close");
    }
    Ok(())
}

/// Tries until it is taken.
async fn dial_until(doors: &Doors, identity: &str, place: usize) -> anyhow::Result<Box<Socket>> {
    let until = Instant::now() + PATIENCE;
    loop {
        match doors.dial(identity, place, loopback_source(identity)).await {
            Ok(socket) => return Ok(socket),
            Err(refused) if Instant::now() >= until => bail!("{identity}: {refused}"),
            Err(_) => sleep(AGAIN).await,
        }
    }
}

// === impl Queue ===

impl Queue {
    /// A session that has just ended.
    fn new(number: usize, now: Utc) -> Self {
        let (identity, transaction) = (identity_of(number), format!("offline-{number}"));
        let meter_start_wh = meter_start(u64::try_from(number).unwrap_or_default()).whole_wh();
        let begun = now.plus_s(-EVERY_S * EVENTS.cast_signed());
        let at = |seq_no: u64| begun.plus_s(EVERY_S * seq_no.cast_signed());
        let wh = |seq_no: u64| meter_start_wh + FLOWED_WH * seq_no;
        let events = (0..EVENTS).map(|seq_no| event(&transaction, seq_no, &at(seq_no).stamp(), wh(seq_no)));
        let truth = SessionRecord {
            station: identity.clone(),
            evse: 1,
            transaction_id: Some(transaction.clone()),
            token: Some(TOKEN_UID.to_owned()),
            meter_start_wh,
            meter_stop_wh: wh(EVENTS - 1),
            energy_wh: wh(EVENTS - 1) - meter_start_wh,
            started_at: at(0).stamp(),
            ended_at: at(EVENTS - 1).stamp(),
            acknowledged: true,
        };
        Self { events: events.collect(), identity, place: number, truth }
    }

    /// One after the other, each until it is acknowledged.
    async fn deliver(
        self,
        doors: &Doors,
        witness: &Witness,
        operator: Option<&Operator>,
    ) -> anyhow::Result<Delivered> {
        let until = Instant::now() + PATIENCE;
        let mut delivered = Delivered { answers: Vec::new(), sockets: 0, was_stored: None };
        while delivered.answers.len() < self.events.len() {
            ensure!(
                Instant::now() < until,
                "{}: {} events after {} s",
                self.identity,
                delivered.answers.len(),
                PATIENCE.as_secs()
            );
            let mut socket = dial_until(doors, &self.identity, self.place).await?;
            delivered.sockets += 1;
            if let Err(error) = self.go_on(&mut socket, witness, operator, &mut delivered).await {
                tracing::debug!(%error, identity = self.identity, "an event is sent again");
                sleep(AGAIN).await;
            }
        }
        witness.settled(&self.truth);
        Ok(delivered)
    }

    async fn go_on(
        &self,
        socket: &mut Socket,
        witness: &Witness,
        operator: Option<&Operator>,
        delivered: &mut Delivered,
    ) -> anyhow::Result<()> {
        while let Some(event) = self.events.get(delivered.answers.len()) {
            let (number, since) = (delivered.answers.len(), Instant::now());
            let answer = ask(socket, &format!("e{number}"), "TransactionEvent", event).await?;
            delivered.answers.push(since.elapsed());
            witness.acknowledged(&self.identity, "TransactionEvent", event, &answer);
            // Each at another point of its queue.
            if let Some(operator) = operator.filter(|_| number == self.place % self.events.len()) {
                delivered.was_stored = Some(operator.stores(&self.name()?, u64::try_from(number)?).await?);
            }
        }
        Ok(())
    }

    fn name(&self) -> anyhow::Result<Name> {
        let transaction = self.truth.transaction_id.clone().context("a transaction without a name")?;
        Ok(Name { station: self.identity.clone(), transaction })
    }
}

/// Who charged.
const TOKEN_UID: &str = "04000021";

/// What a 2.0.1 station says of a session it held while it was offline.
fn event(transaction: &str, seq_no: u64, at: &str, register_wh: u64) -> Value {
    let (kind, trigger, context) = match seq_no {
        0 => ("Started", "Authorized", "Transaction.Begin"),
        last if last == EVENTS - 1 => ("Ended", "StopAuthorized", "Transaction.End"),
        _ => ("Updated", "MeterValuePeriodic", "Sample.Periodic"),
    };
    let sample = json!({
        "value": register_wh, "context": context, "measurand": "Energy.Active.Import.Register",
        "unitOfMeasure": {"unit": "Wh"},
    });
    let mut event = json!({
        "eventType": kind, "timestamp": at, "triggerReason": trigger, "seqNo": seq_no, "offline": true,
        "transactionInfo": {"transactionId": transaction, "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at, "sampledValue": [sample]}],
    });
    if seq_no == 0
        && let Some(fields) = event.as_object_mut()
    {
        fields.insert("idToken".to_owned(), json!({"idToken": TOKEN_UID, "type": "ISO14443"}));
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_a_whole_session_in_the_past() {
        let now = Utc::read("2026-03-01T08:00:00Z").unwrap();
        let queue = Queue::new(7, now);
        assert_eq!(queue.events.len(), 200);
        let field = |place: usize, name: &str| queue.events[place][name].clone();
        assert_eq!(
            (field(0, "eventType"), field(0, "timestamp")),
            (json!("Started"), json!("2026-03-01T06:20:00.000Z"))
        );
        assert_eq!((field(199, "eventType"), field(199, "seqNo")), (json!("Ended"), json!(199)));
        assert_eq!(field(100, "eventType"), json!("Updated"));
        assert!(field(0, "idToken").is_object() && field(1, "idToken").is_null());
        let last = &queue.events[199]["meterValue"][0]["sampledValue"][0]["value"];
        assert_eq!(last.as_u64(), Some(queue.truth.meter_stop_wh));
        assert_eq!(queue.truth.energy_wh, 199 * FLOWED_WH);
        assert_eq!(queue.name().unwrap().to_string(), "QUEUE-0007 transaction offline-7");
    }
}
