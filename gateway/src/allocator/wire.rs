//! The lines of the external-allocator protocol, and the file of one-shot problems. Times in steps, A per phase, kWh.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The first line.
#[derive(Debug, Deserialize)]
pub struct First {
    /// The network.
    pub hello: Hello,
    /// What cars are like, and what is known of them.
    pub mode: Mode,
}

/// What is known of the cars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Currents without steps or minimum, true energy and departure.
    Ideal,
    /// Steps and minimum; true energy and departure.
    Real,
    /// As real, with a driver's statements.
    User,
}

/// A network: rows, and the EVSEs in them. Fields that are for people are not read.
#[derive(Debug, Deserialize)]
pub struct Hello {
    /// The length of a step in minutes.
    pub period_min: f64,
    /// The EVSEs.
    pub evses: Vec<Socket>,
    /// The rows.
    pub constraints: Vec<Constraint>,
    /// Their limits at the start, in A, in their order.
    pub limits: Vec<f64>,
    /// The nodes, where the rows are those of a tree.
    #[serde(default)]
    pub tree: Option<Vec<Node>>,
}

/// An EVSE.
#[derive(Debug, Deserialize)]
pub struct Socket {
    /// Its id.
    pub id: String,
    /// In V.
    pub voltage: f64,
    /// In degrees; of networks with phasor rows.
    #[serde(default)]
    pub phase_deg: f64,
    /// What it can be told, in A.
    #[serde(rename = "allowed_A")]
    pub allowed_a: Vec<f64>,
    /// Its node in the tree.
    #[serde(default)]
    pub node: Option<String>,
    /// Its lines in the order of its phases, from 1.
    #[serde(default)]
    pub line_map: Vec<u8>,
}

/// A row.
#[derive(Debug, Deserialize)]
pub struct Constraint {
    /// Its id: `<node>/L<line>` in a tree.
    pub id: String,
    /// Of networks with phasor rows: how each EVSE counts.
    #[serde(default)]
    pub coef: BTreeMap<String, f64>,
}

/// A node of the tree.
#[derive(Debug, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Its parent.
    pub parent: Option<String>,
}

/// A step.
#[derive(Debug, Deserialize)]
pub struct Step {
    /// Its number.
    pub t: i64,
    /// Limits that change with it, in A, by row.
    #[serde(default)]
    pub limits: BTreeMap<String, f64>,
    /// The cars.
    pub evs: Vec<Car>,
}

/// A car.
#[derive(Debug, Deserialize)]
pub struct Car {
    /// Its EVSE.
    pub evse: String,
    /// Its session.
    pub session: String,
    /// The phases it uses: 1 or 3.
    pub phases: usize,
    /// In steps.
    pub arrival: i64,
    /// In steps.
    pub departure: i64,
    /// In kWh.
    pub remaining_kwh: f64,
    /// The most it takes, in A.
    #[serde(rename = "max_A")]
    pub max_a: f64,
    /// What it was allowed in the step before, in A.
    #[serde(rename = "pilot_A")]
    pub pilot_a: f64,
    /// What it drew in the step before, in A.
    #[serde(rename = "drawn_A")]
    pub drawn_a: f64,
}

/// The answer to a step: A by EVSE.
#[derive(Debug, Default, Serialize)]
pub struct Answer {
    /// An EVSE that is missing has 0.
    #[serde(rename = "A")]
    pub amps: BTreeMap<String, f64>,
}

/// The file of one-shot problems.
#[derive(Debug, Deserialize)]
pub struct Snapshots {
    /// The problems.
    pub cases: Vec<Case>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// The circuits.
    pub nodes: Vec<CaseNode>,
    /// The cars.
    pub evs: Vec<CaseCar>,
    /// The only answer, in A, where the file has it.
    #[serde(default, rename = "expect_A")]
    pub expect_a: Option<Vec<f64>>,
}

/// A circuit of a problem.
#[derive(Debug, Deserialize)]
pub struct CaseNode {
    /// Its id.
    pub id: String,
    /// Its parent.
    pub parent: Option<String>,
    /// In A on L1, L2, L3.
    #[serde(rename = "limit_A")]
    pub limit_a: [f64; 3],
}

/// A car of a problem.
#[derive(Debug, Deserialize)]
pub struct CaseCar {
    /// Its id.
    pub id: String,
    /// Its circuit.
    pub node: String,
    /// Its lines, from 1.
    pub lines: Vec<u8>,
    /// In A.
    #[serde(rename = "max_A")]
    pub max_a: f64,
    /// Its weight.
    pub weight: f64,
}
