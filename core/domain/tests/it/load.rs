//! Site load: the tree, its rows and the plan.

mod rows;
mod site;
mod tree;
