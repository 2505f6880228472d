//! OCPI 2.1.1. Objects carry no party: who owns them is known from the connection alone. A token's contract is `auth_id`, sessions and bill
//! records carry a whole location and one number as cost.

pub mod command;
pub mod from_v221;
pub mod into_v221;
pub mod types;
