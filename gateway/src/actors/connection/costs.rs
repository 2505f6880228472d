//! The running cost on a station's display: `CostUpdated` after a commit that changed it, no more often than the operator asked for
//! (OCPP 2.0.1 part 2, I02). A station that has no such message is left alone until it connects again.

use std::collections::BTreeMap;

use actix::prelude::*;
use ringmain_domain::command::{CommandOutcome, StationCommand};
use ringmain_domain::id::TransactionId;
use ringmain_domain::session::Session;
use ringmain_domain::time::Timestamp;
use ringmain_store::batch::Appended;
use rust_decimal::Decimal;
use tokio::sync::oneshot;

use super::{Connection, Execute};
use crate::desk;

/// How many transactions of one connection are kept in mind; of more than that, the one told longest ago is told anew.
const TRANSACTIONS_MAX: usize = 64;

/// What a station was told, and when.
#[derive(Debug)]
pub(super) struct Costs {
    every_ms: i64,
    told: BTreeMap<TransactionId, (Timestamp, Decimal)>,
}

// === impl Costs ===

impl Costs {
    /// At most once in so many seconds for each transaction; 0 is never.
    pub(super) fn every(seconds: u32) -> Self {
        Self { every_ms: i64::from(seconds).saturating_mul(1000), told: BTreeMap::new() }
    }

    /// Is a transaction's cost to be told now? It then counts as told. `None` ends it: it costs nothing known, or is over, and of an end
    /// the station learns from the answer.
    fn due(&mut self, now: Timestamp, transaction: &TransactionId, cost: Option<Decimal>) -> Option<Decimal> {
        if self.every_ms == 0 || cost.is_none() {
            self.told.remove(transaction);
            return None;
        }
        let cost = cost?;
        if let Some((at, last)) = self.told.get(transaction)
            && (*last == cost || now.millis_since(*at) < self.every_ms)
        {
            return None;
        }
        if self.told.len() >= TRANSACTIONS_MAX && !self.told.contains_key(transaction) {
            let oldest = self.told.iter().min_by_key(|(_, (at, _))| *at).map(|(oldest, _)| oldest.clone());
            oldest.and_then(|oldest| self.told.remove(&oldest));
        }
        self.told.insert(transaction.clone(), (now, cost));
        Some(cost)
    }

    fn stop(&mut self) {
        *self = Self::every(0);
    }
}

impl Connection {
    /// Tells the station what its transactions cost by now.
    pub(super) fn tell_costs(&mut self, appended: &[Appended], ctx: &mut Context<Self>) {
        let now = self.now();
        for session in appended.iter().filter_map(|one| one.session.as_ref()) {
            if let Some(total_cost) = self.costs.due(now, &session.transaction, running(session)) {
                let transaction_id = session.transaction.clone();
                self.tell(StationCommand::CostUpdated { transaction_id, total_cost }, ctx);
            }
        }
    }

    fn tell(&mut self, command: StationCommand, ctx: &mut Context<Self>) {
        let deadline = self.now().plus_secs(i64::from(self.node.config.stations.answer_timeout_s));
        let order = desk::order(self.state.tenant(), self.state.id(), command, deadline);
        let (done, ended) = oneshot::channel();
        self.execute(Execute { order, passage: None, done }, ctx);
        ctx.spawn(ended.into_actor(self).map(|ended, connection, _| {
            let lacks = |outcome| matches!(outcome, CommandOutcome::NotSupported | CommandOutcome::CallError);
            if ended.is_ok_and(|result| lacks(result.outcome)) {
                connection.costs.stop();
            }
        }));
    }
}

fn running(session: &Session) -> Option<Decimal> {
    session.cost.filter(|_| session.ended_at.is_none()).map(|cost| cost.incl_tax)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(0).plus_secs(seconds)
    }

    fn transaction(id: &str) -> TransactionId {
        id.parse().unwrap()
    }

    #[test]
    fn a_cost_is_told_when_it_changed_and_not_too_often() {
        let (one, other) = (transaction("T-1"), transaction("T-2"));
        let (low, high) = (Decimal::new(250, 2), Decimal::new(300, 2));
        let mut costs = Costs::every(60);
        assert_eq!(costs.due(at(0), &one, Some(low)), Some(low));
        assert_eq!(costs.due(at(59), &one, Some(high)), None, "too soon");
        assert_eq!(costs.due(at(59), &other, Some(low)), Some(low), "each transaction has its own clock");
        assert_eq!(costs.due(at(60), &one, Some(low)), None, "nothing new");
        assert_eq!(costs.due(at(61), &one, Some(high)), Some(high));
        assert_eq!(costs.due(at(200), &one, None), None);
        assert!(!costs.told.contains_key(&one), "an ended one is forgotten");
        assert_eq!(Costs::every(0).due(at(0), &one, Some(low)), None, "off");
    }

    #[test]
    fn of_too_many_transactions_the_one_told_longest_ago_is_forgotten() {
        let mut costs = Costs::every(60);
        for number in 0..=TRANSACTIONS_MAX {
            let now = at(i64::try_from(number).unwrap());
            assert!(costs.due(now, &transaction(&format!("T-{number}")), Some(Decimal::ONE)).is_some());
        }
        assert_eq!(costs.told.len(), TRANSACTIONS_MAX);
        assert!(!costs.told.contains_key(&transaction("T-0")));
    }
}
