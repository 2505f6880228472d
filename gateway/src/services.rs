//! What operators can do, whether they ask by API or by console: one function for each operation, over the [`crate::house::House`].
//!
//! The functions take and give domain and store types. They check what types alone cannot, refuse with a [`refusal::Refusal`], and write
//! one audit event for every change. They know nothing of HTTP, HTML, SQL or a station's protocol version.

pub mod audit;
pub mod back_off;
pub mod cdr_export;
pub mod charging_needs;
pub mod circuits;
pub mod commands;
pub mod doorway;
pub mod duplicates;
pub mod evses;
pub mod feed;
pub mod hardware;
pub mod keys;
pub mod local_lists;
pub mod location_access;
pub mod locations;
mod managed_limits;
pub mod meter_keys;
pub mod nodes;
pub mod partners;
pub mod rate;
pub mod refusal;
pub mod remote_starts;
pub mod rulings;
pub mod sessions;
pub mod sign_ins;
pub mod site_load;
pub mod site_settings;
pub mod station_tariffs;
pub mod stations;
pub mod tariff_assignments;
pub mod tariffs;
pub mod token_groups;
pub mod tokens;
pub mod vehicles;
