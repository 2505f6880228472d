//! stub
use actix_web::web;
use crate::services::doorway::{Doorway, Limits};
/// x
pub fn state() -> web::Data<Doorway> { web::Data::new(Doorway::new(Limits::default())) }
/// x
pub fn configure(_config: &mut web::ServiceConfig) {}
