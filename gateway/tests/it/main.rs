//! The gateway over real sockets: its layers one by one, and the whole binary as a black box.

mod actors;
mod api;
mod balancer;
mod chaos;
mod cluster;
mod cluster_chaos;
mod console;
mod costs;
mod crash;
mod failover;
mod faults;
mod generated;
mod listen;
mod load;
mod orders;
mod plan;
mod python;
mod refusals;
mod rig;
mod roaming;
mod scenarios;
mod signatures;
mod station_tariffs;
mod tariff_sync;
mod walk;
mod ws;
