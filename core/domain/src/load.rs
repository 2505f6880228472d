//! How a site shares its current: the tree of circuits and, above it, who gets how much and why.
//!
//! [`tree`] is the truth about copper, [`rows`] the same as inequalities. [`supply`] says what is given, [`demand`] what is
//! wanted ([`need`]: by whose word), [`draw`] what a meter proves of what is taken, [`policy`] how a site decides; [`plan::plan`]
//! makes shares of them, each with its [`reason`].
//! A plan says where to go; how fast one may go there is the business of the [`ledger`], because stations apply late: it is the
//! truth about promises. [`history`] is what a day of it looked like, [`forecast`] what the next will, if nothing changes; [`highs`] is what
//! is remembered of buildings whose meters may fall silent.
//!
//! Never here: a clock, a message. The plan knows no grant. All of this is load management. The breaker protects.

pub mod allocation;
pub mod capacity;
pub mod demand;
pub mod draw;
mod fill;
pub mod forecast;
pub mod highs;
pub mod history;
pub mod lag;
pub mod ledger;
pub mod need;
pub mod plan;
pub mod policy;
pub mod reason;
pub mod rows;
pub mod settings;
pub mod share_out;
pub mod supply;
pub mod tree;
