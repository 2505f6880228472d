//! Site load: the tree, its rows and the plan.

mod allocation;
mod draw;
mod forecast;
mod highs;
mod history;
mod measured;
mod memory;
mod plan;
mod promises;
mod properties;
mod resting;
mod rows;
mod settings;
mod site;
mod snapshots;
mod supply;
mod tree;
