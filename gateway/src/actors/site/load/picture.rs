//! A picture of the site's load, for looking ahead. It is a copy: whoever looks ahead does so elsewhere, and the site goes on.

use std::collections::BTreeMap;

use actix::prelude::*;
use ringmain_domain::id::TransactionId;
use ringmain_domain::load::forecast::Picture;
use ringmain_domain::load::tree::EvseKey;

use super::super::Site;
use super::Load;
use crate::clock;

/// What does the site look like to its plan? `None`: nobody manages it here.
#[derive(Message)]
#[rtype(result = "Option<Taken>")]
pub struct TakePicture;

/// A picture that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The site.
    pub picture: Picture,
    /// Which transaction is where.
    pub transactions: BTreeMap<EvseKey, TransactionId>,
}

impl Handler<TakePicture> for Site {
    type Result = Option<Taken>;

    fn handle(&mut self, _: TakePicture, _: &mut Self::Context) -> Option<Taken> {
        let Load::Managed(managed) = &self.load else { return None };
        let standings = managed.state.standings().into_iter();
        let transactions = standings.filter_map(|standing| Some((standing.evse, standing.transaction?)));
        Some(Taken { picture: managed.state.picture(clock::now()), transactions: transactions.collect() })
    }
}
