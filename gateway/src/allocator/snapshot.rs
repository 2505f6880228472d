//! `ringmain plan --snapshot FILE`: one-shot problems, answered by weighted max-min, and compared where the file has answers.

use ringmain_domain::id::CircuitId;
use ringmain_domain::load::share_out::{Claim, share_out};
use ringmain_domain::load::tree::{Circuit, Connection, Evse, Line, Output, SiteTree};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;
use serde::Serialize;

use super::network::{amps, key, line, milliamps};
use super::wire::{Case, CaseCar, Snapshots};
use super::{AllocatorError, read, wrong};

/// An answer may differ from the expected one by less than this, in A.
const TOLERANCE_A: f64 = 1e-3;

/// The answers to a file of problems.
#[derive(Debug, Serialize)]
pub struct Answers {
    /// One for each problem, in their order.
    pub cases: Vec<CaseAnswer>,
    /// How many of them had an expected answer.
    pub expected: usize,
    /// How many of those it agrees with.
    pub exact: usize,
}

/// The answer to one problem.
#[derive(Debug, Serialize)]
pub struct CaseAnswer {
    /// In A, in the order of the cars.
    #[serde(rename = "A")]
    pub amps: Vec<f64>,
    /// The largest difference from the expected answer, where there is one.
    #[serde(rename = "worst_A", skip_serializing_if = "Option::is_none")]
    pub worst: Option<f64>,
}

/// Answers a file of problems.
///
/// # Errors
/// [`AllocatorError`] with the place in the file that cannot be read, or the problem that is no tree.
pub fn answer(text: &[u8]) -> Result<Answers, AllocatorError> {
    let snapshots: Snapshots = read(text, 1)?;
    let mut answers = Answers { cases: Vec::new(), expected: 0, exact: 0 };
    for (number, case) in snapshots.cases.iter().enumerate() {
        let amps = solve(case).map_err(|reason| wrong(1, format!("cases[{number}]"), reason))?;
        let worst = case.expect_a.as_ref().map(|expected| {
            let differences = amps.iter().zip(expected).map(|(own, other)| (own - other).abs());
            // A list of another length is as wrong as can be.
            if expected.len() == amps.len() { differences.fold(0.0, f64::max) } else { f64::MAX }
        });
        answers.expected += usize::from(worst.is_some());
        answers.exact += usize::from(worst.is_some_and(|worst| worst < TOLERANCE_A));
        answers.cases.push(CaseAnswer { amps, worst });
    }
    Ok(answers)
}

fn solve(case: &Case) -> Result<Vec<f64>, String> {
    let circuit = |id: &str| CircuitId::new(id).map_err(|error| error.to_string());
    let mut circuits = Vec::with_capacity(case.nodes.len());
    for node in &case.nodes {
        let [l1, l2, l3] = node.limit_a.map(milliamps);
        let limit = l1.zip(l2).zip(l3).map(|((l1, l2), l3)| [l1, l2, l3]);
        let limit = limit.ok_or_else(|| format!("node {:?}: limit_A is no current", node.id))?;
        circuits.push(Circuit::new(
            circuit(&node.id)?,
            node.parent.as_deref().map(circuit).transpose()?,
            limit,
        ));
    }
    let mut evses = Vec::with_capacity(case.evs.len());
    let mut claims = Vec::with_capacity(case.evs.len());
    for car in &case.evs {
        let (evse, claim) = claim(car).map_err(|reason| format!("car {:?}: {reason}", car.id))?;
        evses.push(evse);
        claims.push(claim);
    }
    let tree = SiteTree::new(circuits, evses).map_err(|error| error.to_string())?;
    let shares = share_out(&tree, &claims, Timestamp::from_millis(0));
    Ok(shares.into_iter().map(amps).collect())
}

fn claim(car: &CaseCar) -> Result<(Evse, Claim), String> {
    let lines: Option<Vec<Line>> = car.lines.iter().map(|number| line(*number)).collect();
    let max = milliamps(car.max_a).ok_or("max_A is no current")?;
    let weight = milliamps(car.weight).and_then(|weight| u32::try_from(weight.0).ok());
    let weight = weight.filter(|weight| *weight > 0).ok_or("its weight is not above zero")?;
    let evse = Evse {
        key: key(&car.id)?,
        circuit: CircuitId::new(&car.node).map_err(|error| error.to_string())?,
        voltage_v: 230,
        lines: lines.ok_or("lines are 1, 2 and 3")?,
        connection: Connection::Neutral,
        output: Output::Ac,
        min_ma: Milliamps::ZERO,
        max_ma: max,
        step_ma: Milliamps(1),
        can_switch_phases: false,
        rated_ma: max,
        fallback_ma: Milliamps::ZERO,
    };
    let claim = Claim { evse: evse.key.clone(), max_ma: max, weight_permille: weight };
    Ok((evse, claim))
}
