//! A picture of the site's load, for looking ahead. It is a copy: whoever looks ahead does so elsewhere, and the site goes on.

use std::collections::BTreeMap;

use actix::prelude::*;
use ringmain_domain::id::TransactionId;
use ringmain_domain::load::forecast::Picture;
use ringmain_domain::load::tree::EvseKey;
use serde::{Deserialize, Serialize};

use super::super::Site;
use super::Load;
use crate::clock;
use crate::cluster::wire::About;

/// What does the site look like to its plan? `None`: nobody manages it here.
#[derive(Message)]
#[rtype(result = "Option<Taken>")]
pub struct TakePicture {
    /// Another node asks: it is not asked back.
    pub asked_by_peer: bool,
}

/// A picture that was taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Taken {
    /// The site.
    pub picture: Picture,
    /// Which transaction is where.
    #[serde(with = "pairs")]
    pub transactions: BTreeMap<EvseKey, TransactionId>,
}

/// A map whose keys are no texts, as a list.
mod pairs {
    use std::collections::BTreeMap;

    use ringmain_domain::id::TransactionId;
    use ringmain_domain::load::tree::EvseKey;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<EvseKey, TransactionId>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<EvseKey, TransactionId>, D::Error> {
        Vec::deserialize(deserializer).map(|pairs: Vec<_>| pairs.into_iter().collect())
    }
}

impl Handler<TakePicture> for Site {
    type Result = ResponseFuture<Option<Taken>>;

    fn handle(&mut self, message: TakePicture, _: &mut Self::Context) -> Self::Result {
        let Load::Managed(managed) = &self.load else {
            return self.ask_owner(About::Picture, message.asked_by_peer);
        };
        let standings = managed.state.standings().into_iter();
        let transactions = standings.filter_map(|standing| Some((standing.evse, standing.transaction?)));
        let picture = managed.state.picture(clock::now());
        Box::pin(std::future::ready(Some(Taken { picture, transactions: transactions.collect() })))
    }
}
