//! What a run came to: figures with the plan, the machine and the commit, as text for people and JSON for machines.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::machine::{Machine, Usage};
use crate::plan::Plan;
use crate::tally::{Count, LatencyFigures, Tally};

/// The server's process through the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Its process id.
    pub pid: u32,
    /// Before the first station.
    pub start: Usage,
    /// After the ramp.
    pub ramped: Option<Usage>,
    /// Before the stations left.
    pub end: Option<Usage>,
    /// Growth of resident memory per connection between start and ramp's end, bytes.
    pub rss_per_connection: Option<i64>,
    /// The same between start and the end of the run, bytes.
    pub rss_per_connection_end: Option<i64>,
}

/// Connections and boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// Stations of the plan.
    pub stations: usize,
    /// Connections up when the run ended.
    pub connected: u64,
    /// Stations up and accepted when the run ended.
    pub accepted: u64,
    /// Connections that came up in all.
    pub opened: u64,
    /// Connections that went away unwanted.
    pub lost: u64,
    /// Attempts that were refused or failed.
    pub refused: u64,
    /// Why, with how often.
    pub refusals: std::collections::BTreeMap<String, u64>,
    /// Boots answered Accepted.
    pub boots_accepted: u64,
    /// Boots answered Pending or Rejected.
    pub boots_deferred: u64,
}

/// Messages.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Messages {
    /// CALLs sent, repeats included.
    pub sent: u64,
    /// Answered with a CALLRESULT.
    pub answered: u64,
    /// Answered with a CALLERROR.
    pub refused: u64,
    /// Not answered in time.
    pub timed_out: u64,
    /// Not answered before the connection went away.
    pub cut_off: u64,
    /// Sent once more after a failed attempt.
    pub repeated: u64,
    /// Transaction messages given up.
    pub discarded: u64,
    /// Other messages given up.
    pub dropped: u64,
    /// Answers to nothing.
    pub stray: u64,
    /// Frames or answers that could not be read.
    pub unreadable: u64,
    /// Our answers the CSMS could not read.
    pub answers_rejected: u64,
    /// Commands obeyed.
    pub commands: u64,
    /// Commands answered with a CALLERROR.
    pub commands_declined: u64,
    /// CALLs answered per second, until the stations were told to leave.
    pub answered_per_s: f64,
}

/// Transactions and the truth about their energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sessions {
    /// Transactions started.
    pub started: u64,
    /// Transactions ended.
    pub ended: u64,
    /// Ended ones whose last message was answered.
    pub acknowledged: u64,
    /// Energy of ended transactions, Wh: what must have been billed once all is delivered.
    pub energy_ended_wh: u64,
    /// Energy of acknowledged ones, Wh: what must be stored now.
    pub energy_acknowledged_wh: u64,
    /// Energy of transactions the run left running, Wh.
    pub energy_running_wh: u64,
}

/// Everything about a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The plan's name.
    pub plan: String,
    /// The plan's seed.
    pub seed: u64,
    /// Arguments of the run.
    pub command: Vec<String>,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How long it took, ramp included, ms.
    pub duration_ms: u64,
    /// Stations that had to be ended because they did not leave in time.
    pub stuck: usize,
    /// The machine.
    pub machine: Machine,
    /// The server's process, where it was named.
    pub server: Option<Server>,
    /// Connections and boots.
    pub connections: Connections,
    /// Messages.
    pub messages: Messages,
    /// Latencies by kind of message.
    pub latencies: Vec<LatencyFigures>,
    /// Transactions.
    pub sessions: Sessions,
}

/// What was seen just before the stations were told to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastLook {
    /// Connections up.
    pub connected: u64,
    /// Stations up and accepted.
    pub accepted: u64,
    /// CALLs answered.
    pub answered: u64,
    /// Time since the start.
    pub after: Duration,
}

// === impl Server ===

impl Server {
    /// Works out what a connection costs.
    pub fn per_connection(&mut self, ramped_connections: u64, end_connections: u64) {
        let start = self.start;
        let cost = |usage: Option<Usage>, connections: u64| {
            let grown = i64::try_from(usage?.rss_kib).ok()? - i64::try_from(start.rss_kib).ok()?;
            let connections = i64::try_from(connections).ok().filter(|connections| *connections > 0)?;
            Some(grown * 1_024 / connections)
        };
        self.rss_per_connection = cost(self.ramped, ramped_connections);
        self.rss_per_connection_end = cost(self.end, end_connections);
    }
}

// === impl LastLook ===

impl LastLook {
    /// Looks at the counters now.
    #[must_use]
    pub fn at(tally: &Tally, after: Duration) -> Self {
        Self {
            connected: tally.connected_now(),
            accepted: tally.accepted_now(),
            answered: tally.of(Count::Answered),
            after,
        }
    }
}

// === impl Connections ===

impl Connections {
    /// Reads the counters.
    #[must_use]
    pub fn read(tally: &Tally, plan: &Plan, last: LastLook) -> Self {
        Self {
            stations: plan.stations(),
            connected: last.connected,
            accepted: last.accepted,
            opened: tally.of(Count::ConnectionOpened),
            lost: tally.of(Count::ConnectionLost),
            refused: tally.of(Count::ConnectionRefused),
            refusals: tally.refusals(),
            boots_accepted: tally.of(Count::BootAccepted),
            boots_deferred: tally.of(Count::BootDeferred),
        }
    }
}

// === impl Messages ===

impl Messages {
    /// Reads the counters.
    #[must_use]
    pub fn read(tally: &Tally, last: LastLook) -> Self {
        let answered = u32::try_from(last.answered).unwrap_or(u32::MAX);
        let per_s = f64::from(answered) / last.after.as_secs_f64().max(0.001);
        Self {
            sent: tally.of(Count::Sent),
            answered: tally.of(Count::Answered),
            refused: tally.of(Count::Refused),
            timed_out: tally.of(Count::TimedOut),
            cut_off: tally.of(Count::CutOff),
            repeated: tally.of(Count::Repeated),
            discarded: tally.of(Count::Discarded),
            dropped: tally.of(Count::Dropped),
            stray: tally.of(Count::Stray),
            unreadable: tally.of(Count::Unreadable),
            answers_rejected: tally.of(Count::AnswerRejected),
            commands: tally.of(Count::Obeyed),
            commands_declined: tally.of(Count::Declined),
            answered_per_s: (per_s * 10.0).round() / 10.0,
        }
    }
}

// === impl Sessions ===

impl Sessions {
    /// Reads the counters.
    #[must_use]
    pub fn read(tally: &Tally) -> Self {
        let (energy_ended_wh, energy_acknowledged_wh, energy_running_wh) = tally.energy_wh();
        Self {
            started: tally.of(Count::SessionStarted),
            ended: tally.of(Count::SessionEnded),
            acknowledged: tally.of(Count::SessionAcknowledged),
            energy_ended_wh,
            energy_acknowledged_wh,
            energy_running_wh,
        }
    }
}

// === impl Report ===

impl Report {
    /// The report as people read it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        if self.write(&mut text).is_err() {
            text.push_str("(cut short)\n");
        }
        text
    }

    fn write(&self, to: &mut String) -> std::fmt::Result {
        let (machine, connections, messages) = (&self.machine, &self.connections, &self.messages);
        writeln!(to, "plan          {} (seed {}), {:.1} s", self.plan, self.seed, seconds(self.duration_ms))?;
        writeln!(
            to,
            "machine       {} cores, {} MiB, {}, Linux {}, commit {}",
            machine.cores, machine.memory_mib, machine.cpu, machine.kernel, machine.commit
        )?;
        writeln!(
            to,
            "stations      {} planned, {} connected, {} accepted; {} connections opened, {} lost, {} refused",
            connections.stations,
            connections.connected,
            connections.accepted,
            connections.opened,
            connections.lost,
            connections.refused
        )?;
        for (reason, count) in &connections.refusals {
            writeln!(to, "              refused {count} x {reason}")?;
        }
        writeln!(
            to,
            "boots         {} accepted, {} pending or rejected",
            connections.boots_accepted, connections.boots_deferred
        )?;
        writeln!(
            to,
            "messages      {} sent, {} answered ({:.1}/s), {} refused, {} timed out, {} cut off, {} repeated, {} discarded, {} dropped",
            messages.sent,
            messages.answered,
            messages.answered_per_s,
            messages.refused,
            messages.timed_out,
            messages.cut_off,
            messages.repeated,
            messages.discarded,
            messages.dropped
        )?;
        writeln!(
            to,
            "commands      {} obeyed, {} declined; {} stray answers, {} unreadable, {} of our answers rejected",
            messages.commands,
            messages.commands_declined,
            messages.stray,
            messages.unreadable,
            messages.answers_rejected
        )?;
        self.write_rest(to)
    }

    fn write_rest(&self, to: &mut String) -> std::fmt::Result {
        let sessions = &self.sessions;
        writeln!(
            to,
            "sessions      {} started, {} ended, {} acknowledged",
            sessions.started, sessions.ended, sessions.acknowledged
        )?;
        writeln!(
            to,
            "energy        {} Wh ended, {} Wh acknowledged, {} Wh left running",
            sessions.energy_ended_wh, sessions.energy_acknowledged_wh, sessions.energy_running_wh
        )?;
        if !self.latencies.is_empty() {
            writeln!(
                to,
                "latency ms    {:<12}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}",
                "", "count", "p50", "p90", "p99", "p99.9", "max"
            )?;
        }
        for figures in &self.latencies {
            for (view, shown) in [("intended", &figures.intended), ("service", &figures.service)] {
                writeln!(
                    to,
                    "  {view:<12}{:<12}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}",
                    figures.kind,
                    shown.count,
                    millis(shown.p50_us),
                    millis(shown.p90_us),
                    millis(shown.p99_us),
                    millis(shown.p999_us),
                    millis(shown.max_us)
                )?;
            }
        }
        if let Some(server) = &self.server {
            self.write_server(to, server)?;
        }
        if self.stuck > 0 {
            writeln!(to, "stuck         {} stations did not leave in time", self.stuck)?;
        }
        Ok(())
    }

    fn write_server(&self, to: &mut String, server: &Server) -> std::fmt::Result {
        write!(to, "server        pid {}, RSS {} KiB at start", server.pid, server.start.rss_kib)?;
        if let Some(ramped) = server.ramped {
            write!(to, ", {} KiB after the ramp", ramped.rss_kib)?;
        }
        if let Some(end) = server.end {
            let cpu_ms = end.cpu_ms.saturating_sub(server.start.cpu_ms);
            write!(to, ", {} KiB at the end; {:.2} s of processor time", end.rss_kib, seconds(cpu_ms))?;
            if let Some(each_us) = (cpu_ms * 1_000).checked_div(self.messages.answered) {
                write!(to, ", {each_us} us per answer")?;
            }
        }
        if let Some(bytes) = server.rss_per_connection {
            write!(to, "; {bytes} bytes per connection")?;
        }
        writeln!(to)
    }
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

fn millis(us: u64) -> String {
    format!("{}.{:02}", us / 1_000, us % 1_000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_per_connection_is_the_growth_shared_out() {
        let usage = |rss_kib| Usage { rss_kib, cpu_ms: 0 };
        let mut server =
            Server { start: usage(10_000), ramped: Some(usage(20_000)), end: None, ..Server::default() };
        server.per_connection(1_000, 0);
        assert_eq!((server.rss_per_connection, server.rss_per_connection_end), (Some(10_240), None));
        server.end = Some(usage(9_000));
        server.per_connection(0, 1_000);
        assert_eq!((server.rss_per_connection, server.rss_per_connection_end), (None, Some(-1_024)));
    }

    #[test]
    fn the_text_names_every_figure() {
        let tally = Tally::new(None).unwrap();
        tally.refused("HTTP 401");
        tally.answered(crate::tally::Timed::Boot, Duration::from_micros(1_230), Duration::from_micros(1_230));
        let plan = Plan::parse(
            "name = \"small\"\n[[group]]\ncount = 1\nversion = \"1.6\"\nid_prefix = \"A-\"\nsite = \"s\"\nkind = \"ac\"\n\
             connectors = 1\npower_w = 11000\nbehaviour = \"idle\"\n",
        )
        .unwrap();
        let last = LastLook::at(&tally, Duration::from_secs(1));
        let report = Report {
            plan: plan.name.clone(),
            seed: plan.seed,
            command: Vec::new(),
            started_at: String::new(),
            duration_ms: 1_500,
            stuck: 2,
            machine: Machine::look(),
            server: Some(Server { pid: 7, end: Some(Usage { rss_kib: 5, cpu_ms: 20 }), ..Server::default() }),
            connections: Connections::read(&tally, &plan, last),
            messages: Messages::read(&tally, last),
            latencies: tally.latencies(),
            sessions: Sessions::read(&tally),
        };
        let text = report.text();
        for expected in
            ["small (seed 0), 1.5 s", "refused 1 x HTTP 401", "1.23", "pid 7", "2 stations did not leave"]
        {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
        assert!(serde_json::to_string(&report).unwrap().contains("\"refusals\":{\"HTTP 401\":1}"));
    }
}
