//! The recorder of this process: names and meanings from `ringmain_domain::telemetry`, buckets chosen here.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use ringmain_domain::outcome::Oddity;
use ringmain_domain::telemetry::{self, Kind, METRICS};

/// From a quarter of a millisecond to the time after which a station gives up.
const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0];
const ITEMS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Histograms grow until somebody folds them, scraped or not.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Installs the recorder of this process.
///
/// # Errors
/// A recorder is installed already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for (name, kind, _) in METRICS {
        if *kind == Kind::Histogram {
            let buckets: &[f64] = if *name == telemetry::COMMIT_BATCH_ITEMS { &ITEMS } else { &SECONDS };
            builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)?;
        }
    }
    let handle = builder.install_recorder()?;
    for (name, kind, meaning) in METRICS {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *meaning),
            Kind::Gauge => metrics::describe_gauge!(*name, *meaning),
            Kind::Histogram => metrics::describe_histogram!(*name, *meaning),
        }
    }
    // A counter that appears with its first event has not risen, to Prometheus: an alert on a single one needs its zero.
    for oddity in Oddity::COSTING {
        metrics::counter!(telemetry::DECISION_ODDITIES, "kind" => oddity.as_str()).absolute(0);
    }
    Ok(handle)
}

/// Folds histograms, for ever.
pub async fn upkeep(handle: PrometheusHandle) {
    let mut every = tokio::time::interval(UPKEEP_EVERY);
    loop {
        every.tick().await;
        handle.run_upkeep();
    }
}

/// Resident memory of this process in bytes, from the kernel; `None` where it does not say.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}
