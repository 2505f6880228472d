//! The gateway over real sockets: its layers one by one, and the whole binary as a black box.

mod generated;
mod listen;
mod rig;
mod scenarios;
mod ws;
