//! Decisions as tables: inputs in, what follows as text. And the tidy test, which reads the whole tree.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod cluster;
mod fold;
mod fold_edges;
mod generated;
mod load;
mod make;
mod metered;
mod model;
mod ocmf;
mod orders;
mod pricing;
mod roaming;
mod running;
mod settlement;
mod simulation;
mod site;
mod station;
mod steering;
mod tidy;
