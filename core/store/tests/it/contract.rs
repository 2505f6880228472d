//! What every engine must do, noun by noun.

mod access;
mod append;
mod bounds;
mod building_loads;
mod charging_needs;
mod circuits;
mod cluster;
mod commands;
mod installation;
mod ledgers;
mod messages;
mod money;
mod numbering;
mod outbox;
mod overview;
mod people;
mod projections;
mod records;
mod rivals;
mod sessions;
mod settlements;
mod station_tariffs;
mod stations;
mod strays;
mod tariffs;
mod vehicles;
