//! Decisions as tables: inputs in, what follows as text. And the tidy test, which reads the whole tree.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod fold;
mod make;
mod pricing;
mod site;
mod station;
mod tidy;
