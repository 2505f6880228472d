//! What all stations of a run count together: connections, messages, latencies, sessions and the energy they truly took.
//!
//! Stations write, `progress` and `report` read. Counters are atomics, histograms stand behind one short lock each; nothing
//! here decides anything.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::witness::Witness;

/// Longest latency a histogram tells apart, in microseconds: ten minutes. Longer ones count as this.
const LATENCY_MAX_US: u64 = 600_000_000;
/// Different reasons of refusal that are kept apart; more of them count as one.
const REFUSALS_MAX: usize = 64;

/// Everything that is counted up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// WebSocket connections that came up.
    ConnectionOpened,
    /// Connections that ended without the station wanting it.
    ConnectionLost,
    /// Attempts to connect that were refused or failed.
    ConnectionRefused,
    /// Boot messages answered Accepted.
    BootAccepted,
    /// Boot messages answered Pending or Rejected.
    BootDeferred,
    /// CALLs sent, repeats included.
    Sent,
    /// CALLs answered with a CALLRESULT.
    Answered,
    /// CALLs answered with a CALLERROR.
    Refused,
    /// CALLs without an answer in time.
    TimedOut,
    /// CALLs whose connection went away first.
    CutOff,
    /// CALLs that were sent once more after an attempt without answer.
    Repeated,
    /// Transaction messages given up after their last attempt, or for want of room.
    Discarded,
    /// Other messages given up for want of room or connection.
    Dropped,
    /// Answers to nothing that was open: late or foreign.
    Stray,
    /// Frames that could not be read.
    Unreadable,
    /// CALLRESULTERRORs: the CSMS could not read our answer.
    AnswerRejected,
    /// Commands of the CSMS answered with a CALLRESULT.
    Obeyed,
    /// Commands of the CSMS answered with a CALLERROR.
    Declined,
    /// Transactions started.
    SessionStarted,
    /// Transactions ended.
    SessionEnded,
    /// Ended transactions whose last message was answered.
    SessionAcknowledged,
}

/// What a latency was taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// TCP, TLS and upgrade, from the decision to connect.
    Connect,
    /// BootNotification.
    Boot,
    /// Heartbeat.
    Heartbeat,
    /// Authorize.
    Authorize,
    /// Start, update and end of transactions, readings included.
    Transaction,
    /// Everything else.
    Other,
}

/// One transaction as it truly was; what a bill must agree with to the watt-hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionRecord {
    /// The OCPP identity of the station.
    pub station: String,
    /// EVSE (2.x) or connector (1.6), from 1.
    pub evse: u32,
    /// The transaction id; absent when a 1.6 station never learnt it.
    pub transaction_id: Option<String>,
    /// The token that started it; absent when nobody was authorised.
    pub token: Option<String>,
    /// Register at the start, Wh.
    pub meter_start_wh: u64,
    /// Register at the end, Wh.
    pub meter_stop_wh: u64,
    /// The difference of the two, Wh.
    pub energy_wh: u64,
    /// Start, RFC 3339 in UTC.
    pub started_at: String,
    /// End, RFC 3339 in UTC.
    pub ended_at: String,
    /// The last message was answered; `false` when it was given up or the run ended first.
    pub acknowledged: bool,
}

const COUNTS: usize = 21;
const TIMED: [Timed; 6] =
    [Timed::Connect, Timed::Boot, Timed::Heartbeat, Timed::Authorize, Timed::Transaction, Timed::Other];

/// Counters shared by all stations of a run.
#[derive(Debug)]
pub struct Tally {
    counts: [AtomicU64; COUNTS],
    connected: AtomicI64,
    accepted: AtomicI64,
    running: AtomicI64,
    energy_ended_wh: AtomicU64,
    energy_acknowledged_wh: AtomicU64,
    energy_running_wh: AtomicU64,
    latencies: Vec<Mutex<Latency>>,
    refusals: Mutex<BTreeMap<String, u64>>,
    sessions: Option<Mutex<Box<dyn SessionSink>>>,
    witness: Option<Arc<Witness>>,
}

/// Where session records are written, one JSON object a line.
pub trait SessionSink: Write + Send + std::fmt::Debug {}
impl<T: Write + Send + std::fmt::Debug> SessionSink for T {}

#[derive(Debug)]
struct Latency {
    /// From when the message should have gone out; the schedule's view.
    intended: Histogram<u64>,
    /// From when it went out; the server's view.
    service: Histogram<u64>,
}

/// Percentiles of one kind of message, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Answers measured.
    pub count: u64,
    /// Median.
    pub p50_us: u64,
    /// 90th percentile.
    pub p90_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// 99.9th percentile.
    pub p999_us: u64,
    /// Largest.
    pub max_us: u64,
}

/// Both views on the latency of one kind of message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LatencyFigures {
    /// Kind of message.
    pub kind: &'static str,
    /// From the intended send time where there is a schedule, else from the send time: open-loop. Timers here have a
    /// granularity of a millisecond, so up to two of them are the generator's own.
    pub intended: Percentiles,
    /// From the send time.
    pub service: Percentiles,
}

// === impl Tally ===

impl Tally {
    /// All zero; session records go to `sessions` where given.
    ///
    /// # Errors
    /// None in practice: the bounds of the histograms are constants the histogram crate accepts.
    pub fn new(sessions: Option<Box<dyn SessionSink>>) -> anyhow::Result<Self> {
        let latencies: anyhow::Result<Vec<Mutex<Latency>>> =
            TIMED.iter().map(|_| Ok(Mutex::new(Latency::new()?))).collect();
        Ok(Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            connected: AtomicI64::new(0),
            accepted: AtomicI64::new(0),
            running: AtomicI64::new(0),
            energy_ended_wh: AtomicU64::new(0),
            energy_acknowledged_wh: AtomicU64::new(0),
            energy_running_wh: AtomicU64::new(0),
            latencies: latencies?,
            refusals: Mutex::new(BTreeMap::new()),
            sessions: sessions.map(Mutex::new),
            witness: None,
        })
    }

    /// Lets somebody remember every acknowledged billing message.
    #[must_use]
    pub fn witnessed(mut self, witness: Arc<Witness>) -> Self {
        self.witness = Some(witness);
        self
    }

    /// Who remembers, if anybody does.
    pub(crate) fn witness(&self) -> Option<&Witness> {
        self.witness.as_deref()
    }

    /// Counts one.
    pub fn count(&self, what: Count) {
        if let Some(counter) = self.counts.get(what as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many of a kind there were.
    #[must_use]
    pub fn of(&self, what: Count) -> u64 {
        self.counts.get(what as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// A connection came up.
    pub fn connected(&self) {
        self.connected.fetch_add(1, Ordering::Relaxed);
        self.count(Count::ConnectionOpened);
    }

    /// A connection is gone; `wanted` says whether the station closed it.
    pub fn disconnected(&self, wanted: bool) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
        if !wanted {
            self.count(Count::ConnectionLost);
        }
    }

    /// An attempt to connect came to nothing, and why.
    pub fn refused(&self, reason: &str) {
        self.count(Count::ConnectionRefused);
        let mut refusals = lock(&self.refusals);
        let known = refusals.contains_key(reason) || refusals.len() < REFUSALS_MAX;
        *refusals.entry(if known { reason.to_owned() } else { "other".to_owned() }).or_default() += 1;
    }

    /// A station became usable, or ceased to be: connected and accepted.
    pub fn accepted(&self, is: bool) {
        self.accepted.fetch_add(if is { 1 } else { -1 }, Ordering::Relaxed);
    }

    /// A CALL was answered after `service`, and after `intended` since it should have been sent.
    pub fn answered(&self, kind: Timed, service: Duration, intended: Duration) {
        if let Some(latency) = self.latencies.get(kind as usize) {
            let mut latency = lock(latency);
            latency.service.saturating_record(micros(service));
            latency.intended.saturating_record(micros(intended));
        }
    }

    /// A transaction started.
    pub fn session_started(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
        self.count(Count::SessionStarted);
    }

    /// A transaction ended after `energy_wh`.
    pub fn session_ended(&self, energy_wh: u64) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.energy_ended_wh.fetch_add(energy_wh, Ordering::Relaxed);
        self.count(Count::SessionEnded);
    }

    /// The last message of a transaction was answered or given up.
    pub fn session_settled(&self, record: &SessionRecord) {
        if record.acknowledged {
            self.count(Count::SessionAcknowledged);
            self.energy_acknowledged_wh.fetch_add(record.energy_wh, Ordering::Relaxed);
        }
        if let Some(witness) = &self.witness {
            witness.settled(record);
        }
        let Some(sessions) = &self.sessions else { return };
        let Ok(mut line) = serde_json::to_vec(record) else { return };
        line.push(b'\n');
        if let Err(error) = lock(sessions).write_all(&line) {
            tracing::error!(%error, "write session record");
        }
    }

    /// A station ended its run in the middle of a transaction that has taken `energy_wh` so far.
    pub fn session_left_running(&self, energy_wh: u64) {
        self.energy_running_wh.fetch_add(energy_wh, Ordering::Relaxed);
    }

    /// Connections that are up.
    #[must_use]
    pub fn connected_now(&self) -> u64 {
        u64::try_from(self.connected.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Stations that are up and accepted.
    #[must_use]
    pub fn accepted_now(&self) -> u64 {
        u64::try_from(self.accepted.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Transactions that are running.
    #[must_use]
    pub fn running_now(&self) -> u64 {
        u64::try_from(self.running.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Energy of ended transactions in Wh: all, and those whose last message was answered; then of transactions left running.
    #[must_use]
    pub fn energy_wh(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.energy_ended_wh), read(&self.energy_acknowledged_wh), read(&self.energy_running_wh))
    }

    /// Why attempts to connect came to nothing, with how often.
    #[must_use]
    pub fn refusals(&self) -> BTreeMap<String, u64> {
        lock(&self.refusals).clone()
    }

    /// Percentiles of every kind of message that was answered.
    #[must_use]
    pub fn latencies(&self) -> Vec<LatencyFigures> {
        let both = TIMED.iter().zip(&self.latencies);
        let figures = both.map(|(kind, latency)| {
            let latency = lock(latency);
            LatencyFigures {
                kind: kind.name(),
                intended: Percentiles::of(&latency.intended),
                service: Percentiles::of(&latency.service),
            }
        });
        figures.filter(|figures| figures.service.count > 0).collect()
    }

    /// The 99th percentile over all answers so far, in microseconds, for the progress line.
    #[must_use]
    pub fn service_p99_us(&self) -> u64 {
        let Ok(mut all) = histogram() else { return 0 };
        for (kind, latency) in TIMED.iter().zip(&self.latencies) {
            if *kind != Timed::Connect && all.add(&lock(latency).service).is_err() {
                return 0;
            }
        }
        all.value_at_quantile(0.99)
    }

    /// Writes what is buffered of the session records.
    ///
    /// # Errors
    /// The error of the file, when the last records could not be written.
    pub fn flush(&self) -> std::io::Result<()> {
        self.sessions.as_ref().map_or(Ok(()), |sessions| lock(sessions).flush())
    }
}

// === impl Timed ===

impl Timed {
    /// The kind as reports name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Boot => "boot",
            Self::Heartbeat => "heartbeat",
            Self::Authorize => "authorize",
            Self::Transaction => "transaction",
            Self::Other => "other",
        }
    }
}

// === impl Latency ===

impl Latency {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { intended: histogram()?, service: histogram()? })
    }
}

// === impl Percentiles ===

impl Percentiles {
    fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
        }
    }
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).context("make histogram")
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX).clamp(1, LATENCY_MAX_US)
}

/// A panic of another station must not end the counting of all: the numbers stay good.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_its_own_place() {
        let tally = Tally::new(None).unwrap();
        assert_eq!(Count::SessionAcknowledged as usize + 1, COUNTS);
        tally.count(Count::SessionAcknowledged);
        tally.count(Count::ConnectionOpened);
        assert_eq!(tally.of(Count::SessionAcknowledged), 1);
        assert_eq!(tally.of(Count::SessionEnded), 0);
        for (place, kind) in TIMED.iter().enumerate() {
            assert_eq!(*kind as usize, place);
        }
    }

    #[test]
    fn latencies_have_both_views() {
        let tally = Tally::new(None).unwrap();
        for ms in 1..=1_000 {
            tally.answered(Timed::Heartbeat, Duration::from_millis(ms), Duration::from_millis(2 * ms));
        }
        let figures = tally.latencies();
        assert_eq!(figures.len(), 1);
        let heartbeat = figures.first().unwrap();
        assert_eq!(heartbeat.kind, "heartbeat");
        assert!((500_000..501_000).contains(&heartbeat.service.p50_us));
        assert!((1_980_000..1_982_000).contains(&heartbeat.intended.p99_us));
        assert!(heartbeat.intended.max_us >= 2_000_000);
        tally.answered(Timed::Other, Duration::from_secs(10_000), Duration::from_secs(10_000));
        assert_eq!(tally.latencies().last().unwrap().service.count, 1);
    }

    #[test]
    fn refusals_are_kept_apart_up_to_their_bound() {
        let tally = Tally::new(None).unwrap();
        for n in 0..REFUSALS_MAX + 5 {
            tally.refused(&format!("HTTP {n}"));
        }
        let refusals = tally.refusals();
        assert_eq!(refusals.len(), REFUSALS_MAX + 1);
        assert_eq!(refusals.get("other"), Some(&5));
    }

    #[test]
    fn settled_sessions_are_written_a_line_each() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tally = Tally::new(Some(Box::new(file.reopen().unwrap()))).unwrap();
        let record = SessionRecord {
            station: "CS-1".into(),
            evse: 1,
            transaction_id: Some("7".into()),
            token: Some("T".into()),
            meter_start_wh: 10,
            meter_stop_wh: 25,
            energy_wh: 15,
            started_at: "2026-03-01T08:00:00.000Z".into(),
            ended_at: "2026-03-01T08:10:00.000Z".into(),
            acknowledged: true,
        };
        tally.session_started();
        tally.session_ended(15);
        tally.session_settled(&record);
        tally.session_settled(&SessionRecord { acknowledged: false, ..record });
        tally.flush().unwrap();
        assert_eq!(tally.energy_wh(), (15, 15, 0));
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text.lines().count(), 2);
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(first["energy_wh"], 15);
    }
}
