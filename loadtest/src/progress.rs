//! What a person sees while a crowd runs: a bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::tally::{Count, Tally};

/// Between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how a run goes.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    next_line: Duration,
    stations: u64,
}

// === impl Progress ===

impl Progress {
    /// A bar where standard error is a terminal.
    pub(crate) fn new(stations: usize) -> Self {
        let stations = u64::try_from(stations).unwrap_or(u64::MAX);
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(stations), ProgressDrawTarget::stderr_with_hz(4));
            let style = ProgressStyle::with_template("{elapsed_precise} {bar:24} {pos}/{len} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, next_line: Duration::ZERO, stations }
    }

    /// Shows the state of a run `after` its start.
    pub(crate) fn show(&mut self, tally: &Tally, after: Duration) {
        let line = line(tally);
        match &self.bar {
            Some(bar) => {
                bar.set_position(tally.accepted_now());
                bar.set_message(line);
            }
            None if after >= self.next_line => {
                self.next_line = after + LINE_EVERY;
                let seconds = after.as_secs();
                say(&format!("{seconds:>5} s  {}/{} {line}", tally.accepted_now(), self.stations));
            }
            None => {}
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line for people, on standard error; nobody there to read it is no reason to stop.
pub(crate) fn say(line: &str) {
    if let Err(error) = writeln!(std::io::stderr().lock(), "{line}") {
        tracing::debug!(%error, "write to standard error");
    }
}

fn line(tally: &Tally) -> String {
    let p99_us = tally.service_p99_us();
    format!(
        "accepted, {} charging, {} sessions ended, {} sent, {} answered, {} failed, p99 {}.{} ms",
        tally.running_now(),
        tally.of(Count::SessionEnded),
        tally.of(Count::Sent),
        tally.of(Count::Answered),
        tally.of(Count::Refused) + tally.of(Count::TimedOut),
        p99_us / 1_000,
        p99_us % 1_000 / 100
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_runs() {
        let tally = Tally::new(None).unwrap();
        tally.session_started();
        tally.count(Count::Sent);
        assert_eq!(
            line(&tally),
            "accepted, 1 charging, 0 sessions ended, 1 sent, 0 answered, 0 failed, p99 0.0 ms"
        );
    }
}
