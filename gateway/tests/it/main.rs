//! The gateway over real sockets: its layers one by one, and the whole binary as a black box.

mod crash;
mod generated;
mod listen;
mod orders;
mod refusals;
mod rig;
mod scenarios;
mod ws;
