//! Site load: the tree, its rows and the plan.

mod allocation;
mod forecast;
mod history;
mod memory;
mod plan;
mod promises;
mod properties;
mod rows;
mod settings;
mod site;
mod snapshots;
mod supply;
mod tree;
