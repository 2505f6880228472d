//! `ringmain plan`: the planner alone, on standard input and output, for benchmarks and what-if tools.
//!
//! Speaks the external-allocator protocol of `loadtest/charging/replay.py`: one JSON object a line, each answered by one line.
//! Every step is a sample, so what a session teaches is learnt here as a site learns it. No clock, no socket, no store.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use ringmain_domain::load::demand::{Demand, Memory, Observation, Trust};
use ringmain_domain::load::plan::plan;
use ringmain_domain::load::supply::Supply;
use ringmain_domain::load::tree::fault::TreeError;
use ringmain_domain::load::tree::{EvseKey, Line};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::{Milliamps, WattHours};
use serde::de::DeserializeOwned;

use self::network::{Network, milliamps};
use self::wire::{Answer, Car, First, Mode, Step};

mod network;
pub mod snapshot;
#[cfg(test)]
mod tests;
pub mod wire;

/// The network of 2,000 EVSEs is half a megabyte, a step of it less.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
const WH_PER_KWH: f64 = 1_000.0;

/// Why the conversation ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum AllocatorError {
    /// A line is no message.
    #[error("line {line}: {path}: {reason}")]
    Line {
        /// From 1.
        line: usize,
        /// Where in the message.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A line has more bytes than any message.
    #[error("line {line} is longer than {LINE_BYTES_MAX} bytes")]
    TooLong {
        /// From 1.
        line: usize,
    },
    /// The network makes no tree.
    #[error("line {line}: the network is refused: {source}")]
    Tree {
        /// From 1.
        line: usize,
        /// Why.
        source: TreeError,
    },
    /// The mode tells nothing to rely on.
    #[error("line 1: mode: departures of mode `user` are statements, and --trusted relies on them")]
    Statements,
    /// There was no first line.
    #[error("the input ends before the hello")]
    NoHello,
    /// The pipe broke.
    #[error("read or write a line: {0}")]
    Pipe(#[from] std::io::Error),
}

/// One conversation after its hello.
struct Allocator {
    network: Network,
    mode: Mode,
    trusted: bool,
    supply: Supply,
    /// By session; of those that are there.
    memories: BTreeMap<String, Memory>,
}

/// Answers every line of `input` until it ends. `trusted` says that departures are answered for.
///
/// # Errors
/// [`AllocatorError`] with the line that cannot be answered, and why.
pub fn converse(
    mut input: impl BufRead,
    mut output: impl Write,
    trusted: bool,
) -> Result<(), AllocatorError> {
    let mut buffer = Vec::new();
    if !next_line(&mut input, &mut buffer, 1)? {
        return Err(AllocatorError::NoHello);
    }
    let first: First = read(&buffer, 1)?;
    let mut allocator = Allocator::new(first, trusted)?;
    writeln!(output, "{{}}")?;
    output.flush()?;
    for line in 2.. {
        if !next_line(&mut input, &mut buffer, line)? {
            break;
        }
        let answer = allocator.step(&read(&buffer, line)?, line)?;
        serde_json::to_writer(&mut output, &answer).map_err(std::io::Error::from)?;
        writeln!(output)?;
        output.flush()?;
    }
    Ok(())
}

fn next_line(input: &mut impl BufRead, buffer: &mut Vec<u8>, line: usize) -> Result<bool, AllocatorError> {
    buffer.clear();
    let bound = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    let bytes = std::io::Read::take(input, bound).read_until(b'\n', buffer)?;
    if bytes == LINE_BYTES_MAX { Err(AllocatorError::TooLong { line }) } else { Ok(bytes > 0) }
}

fn read<T: DeserializeOwned>(text: &[u8], line: usize) -> Result<T, AllocatorError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| AllocatorError::Line {
        line,
        path: error.path().to_string(),
        reason: error.inner().to_string(),
    })?;
    json.end().map_err(|error| AllocatorError::Line {
        line,
        path: ".".to_owned(),
        reason: error.to_string(),
    })?;
    Ok(value)
}

fn wrong(line: usize, path: impl Into<String>, reason: impl Into<String>) -> AllocatorError {
    AllocatorError::Line { line, path: path.into(), reason: reason.into() }
}

// === impl Allocator ===

impl Allocator {
    fn new(first: First, trusted: bool) -> Result<Self, AllocatorError> {
        let mode = first.mode;
        if trusted && mode == Mode::User {
            return Err(AllocatorError::Statements);
        }
        let network = Network::new(first.hello, mode == Mode::Ideal)?;
        let mut supply = Supply::default();
        supply.policy.period_ms = network.period_ms;
        Ok(Self { network, mode, trusted, supply, memories: BTreeMap::new() })
    }

    fn step(&mut self, step: &Step, line: usize) -> Result<Answer, AllocatorError> {
        self.network.move_limits(&step.limits, line)?;
        let now = self.at(step.t);
        let mut demands = Vec::with_capacity(step.evs.len());
        let mut sessions: BTreeMap<EvseKey, &Car> = BTreeMap::new();
        for (number, car) in step.evs.iter().enumerate() {
            let demand =
                self.demand(car, now).map_err(|reason| wrong(line, format!("evs[{number}]"), reason))?;
            if sessions.insert(demand.evse.clone(), car).is_some() {
                return Err(wrong(
                    line,
                    format!("evs[{number}].evse"),
                    format!("{:?} is there twice", car.evse),
                ));
            }
            demands.push(demand);
        }
        let plan = plan(&self.network.tree, &demands, &self.supply, now);
        let mut answer = Answer::default();
        self.memories.clear();
        for share in plan.shares {
            let Some((car, memory)) = sessions.get(&share.evse).copied().zip(share.memory) else { continue };
            self.memories.insert(car.session.clone(), memory);
            answer.amps.insert(car.evse.clone(), network::amps(share.current.0.saturating_mul(1_000)));
        }
        Ok(answer)
    }

    fn at(&self, step: i64) -> Timestamp {
        Timestamp::from_millis(step.saturating_mul(self.network.period_ms))
    }

    fn demand(&self, car: &Car, now: Timestamp) -> Result<Demand, String> {
        let known = self.network.places.get(&car.evse);
        let place = *known.ok_or_else(|| format!("evse: {:?} is not in the network", car.evse))?;
        let evse = self.network.tree.evses().get(place).ok_or("evse: it has no place")?;
        if !(1..=evse.lines.len()).contains(&car.phases) {
            return Err(format!("phases: {} at an EVSE with {} lines", car.phases, evse.lines.len()));
        }
        let energy = car.remaining_kwh * WH_PER_KWH;
        if !(energy.is_finite() && (0.0..1e9).contains(&energy)) {
            return Err(format!("remaining_kwh: {} is no energy", car.remaining_kwh));
        }
        let lines = Line::ALL.map(|line| evse.lines.iter().take(car.phases).any(|used| *used == line));
        let known = self.memories.get(&car.session);
        let mut demand = Demand::new(evse.key.clone(), self.at(car.arrival));
        demand.car_max_ma = Some(milliamps(car.max_a).ok_or("max_A: it is no current")?);
        demand.energy_wh = Some(watt_hours(energy));
        demand.departs_at = Some(self.at(car.departure));
        demand.trust = Trust { departure: self.trusted, energy: self.mode != Mode::User };
        demand.memory = known.copied().unwrap_or_default();
        if known.is_some() && self.mode != Mode::Ideal {
            let observation = seen(car, lines, now).ok_or("pilot_A or drawn_A: it is no current")?;
            demand.memory.observe(evse, &observation);
        }
        demand.memory.idle_samples = lines.map(|used| if used { 0 } else { u8::MAX });
        Ok(demand)
    }
}

fn seen(car: &Car, lines: [bool; 3], now: Timestamp) -> Option<Observation> {
    let drawn = milliamps(car.drawn_a)?;
    let drawn_ma = lines.map(|used| if used { drawn } else { Milliamps::ZERO });
    Some(Observation {
        at: now,
        offered_ma: milliamps(car.pilot_a)?,
        drawn_ma,
        by_line: true,
        most_ma: drawn,
    })
}

/// Rounded up: what is left of a watt-hour is left.
#[expect(clippy::cast_possible_truncation, reason = "checked to be below 1e9 by the caller")]
fn watt_hours(energy: f64) -> WattHours {
    WattHours(energy.ceil() as i64)
}
