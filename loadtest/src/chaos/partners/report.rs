//! What the isolation run came to: for people, as JSON, and as a section of a page of the documentation.

use serde::Serialize;

use super::arrived::LagFigures;
use crate::machine::{Machine, Usage};
use crate::tally::LatencyFigures;

/// How late 99 of a hundred states may come to partners that are well, ms.
const P99_MAX_MS: i64 = 2_000;

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct PartnersReport {
    /// The arguments.
    pub command: Vec<String>,
    /// Where it was measured.
    pub machine: Machine,
    /// Where the node kept its facts.
    pub store: String,
    /// Partners in all.
    pub partners: usize,
    /// Stations in all.
    pub stations: usize,
    /// How long it was measured, ms.
    pub measured_ms: i64,
    /// Calls that all partners that were well heard meanwhile.
    pub calls: usize,
    /// Different states of EVSEs that one of them heard.
    pub states: usize,
    /// How late those that were well heard, by module.
    pub lags: Vec<LagFigures>,
    /// The 99th percentile of the one of them that heard latest of states, ms.
    pub slowest_p99_ms: i64,
    /// The others.
    pub misbehaved: Vec<Misbehaved>,
    /// Sessions that ended.
    pub sessions: usize,
    /// Bill records.
    pub bills: usize,
    /// What the node had used when it began, and when it ended.
    pub node: [Usage; 2],
    /// How long stations waited for answers, over the whole run.
    pub latencies: Vec<LatencyFigures>,
    /// What was wrong, in all.
    pub flaws_count: usize,
    /// The first of it.
    pub flaws: Vec<String>,
}

/// A partner that misbehaved.
#[derive(Clone, Debug, Serialize)]
pub struct Misbehaved {
    /// How.
    pub how: String,
    /// Calls that reached it meanwhile.
    pub heard: usize,
    /// How long after its end it had heard all that the others had heard by then, ms; `None`: never.
    pub caught_up_ms: Option<i64>,
}

// === impl PartnersReport ===

impl PartnersReport {
    /// Do those that are well hear in time?
    #[must_use]
    pub fn is_on_time(&self) -> bool {
        let states = self.lags.iter().find(|lags| lags.module == "locations");
        states.is_some_and(|lags| lags.p99_ms < P99_MAX_MS)
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (what, figure) in self.figures() {
            text.push_str(&format!("{what:<58} {figure}\n"));
        }
        for flaw in &self.flaws {
            text.push_str(&format!("VIOLATION {flaw}\n"));
        }
        text
    }

    /// As a section of a page.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = self.machine.section("partners", &self.command);
        for (what, figure) in self.figures() {
            page.push_str(&format!("| {what} | {figure} |\n"));
        }
        for flaw in &self.flaws {
            page.push_str(&format!("\nVIOLATION: {flaw}\n"));
        }
        page
    }

    fn figures(&self) -> Vec<(String, String)> {
        let seconds = seconds(self.measured_ms);
        let mut figures = vec![
            (
                "partners, stations, store, measured".to_owned(),
                format!("{}, {}, {}, {seconds}", self.partners, self.stations, self.store),
            ),
            (
                "calls to partners that are well".to_owned(),
                format!("{}, {} a second", self.calls, self.per_s()),
            ),
            ("states of EVSEs that each of them heard".to_owned(), self.states.to_string()),
        ];
        for lags in &self.lags {
            let told =
                format!("{} ms, {} ms, {} ms of {}", lags.p50_ms, lags.p99_ms, lags.max_ms, lags.count);
            let met = match (lags.module.as_str(), self.is_on_time()) {
                ("locations", true) => ": met",
                ("locations", false) => ": MISSED",
                _ => "",
            };
            let wanted = if met.is_empty() { "" } else { " (p99 wanted: < 2 s)" };
            figures.push((format!("{}: p50, p99, latest{wanted}", lags.module), format!("{told}{met}")));
        }
        figures.push(("p99 of the one that heard latest".to_owned(), format!("{} ms", self.slowest_p99_ms)));
        for one in &self.misbehaved {
            let caught_up =
                one.caught_up_ms.map_or("never".to_owned(), |ms| format!("{} after", self::seconds(ms)));
            let told = format!("{} calls meanwhile, in step {caught_up}", one.heard);
            figures.push((format!("the one that {}", one.how), told));
        }
        figures.push((
            "sessions, bill records; lost, doubled or at a stranger's".to_owned(),
            format!("{}, {}; {} violations", self.sessions, self.bills, self.flaws_count),
        ));
        figures.push(("the node: processor time, memory before and after".to_owned(), self.used()));
        for latency in
            self.latencies.iter().filter(|latency| latency.kind == "other" || latency.kind == "transaction")
        {
            let (p50, p99) = (latency.service.p50_us / 1_000, latency.service.p99_us / 1_000);
            figures.push((
                format!("stations, {}: p50, p99", latency.kind),
                format!("{p50} ms, {p99} ms of {}", latency.service.count),
            ));
        }
        figures
    }

    fn per_s(&self) -> i64 {
        i64::try_from(self.calls).unwrap_or(i64::MAX).saturating_mul(1_000) / self.measured_ms.max(1)
    }

    fn used(&self) -> String {
        let [before, after] = self.node;
        let cpu_ms = after.cpu_ms.saturating_sub(before.cpu_ms);
        format!(
            "{}.{} s, {} MiB, {} MiB",
            cpu_ms / 1_000,
            cpu_ms % 1_000 / 100,
            before.rss_kib / 1_024,
            after.rss_kib / 1_024
        )
    }
}

/// With one digit behind the point.
fn seconds(ms: i64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(p99_ms: i64) -> PartnersReport {
        let lag = |module: &str| LagFigures {
            module: module.to_owned(),
            count: 9,
            p50_ms: 90,
            p99_ms,
            max_ms: 5_000,
        };
        PartnersReport {
            command: vec!["--partners 200".to_owned()],
            machine: Machine::look(),
            store: "sqlite".to_owned(),
            partners: 200,
            stations: 50,
            measured_ms: 60_000,
            calls: 12_000,
            states: 60,
            lags: vec![lag("cdrs"), lag("locations")],
            slowest_p99_ms: 700,
            misbehaved: vec![Misbehaved { how: "stalls".to_owned(), heard: 6, caught_up_ms: Some(12_300) }],
            sessions: 40,
            bills: 40,
            node: [Usage::default(); 2],
            latencies: Vec::new(),
            flaws_count: 1,
            flaws: vec!["DE*000: bill A has not come".to_owned()],
        }
    }

    #[test]
    fn the_target_is_for_states_and_is_judged() {
        let (good, bad) = (report(1_999), report(2_000));
        assert!(good.is_on_time() && !bad.is_on_time());
        let (text, page) = (good.text(), bad.page());
        assert!(text.contains("12000, 200 a second") && text.contains("in step 12.3 s after"), "{text}");
        assert!(page.contains("2000 ms, 5000 ms of 9: MISSED |"), "{page}");
        assert!(text.contains("VIOLATION DE*000") && page.contains("VIOLATION: DE*000"));
    }
}
