//! Rules about sessions the stations leave open: bills that wait no longer, transactions another one took the place of, transactions
//! nobody speaks of any more. Each ruling is a fact and goes the way of all facts, so it may be made twice, on two nodes.

use std::sync::Arc;
use std::time::Duration;

use ringmain_domain::command::{CommandDesk, CommandOutcome, MESSAGES_IN_QUEUE, StationCommand};
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::SiteId;
use ringmain_domain::ruling::Ruling;
use ringmain_domain::session::{Session, SessionFlag};
use ringmain_store::store::StoreError;

use super::Node;
use crate::actors::journal::Append;
use crate::actors::site_directory::Locate;
use crate::clock;
use crate::desk::order;

/// How often bills that are due are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// Every so many rounds the open sessions are gone through.
const SWEEP_ROUNDS: u32 = 60;
/// How many sessions are ruled about in one round; the rest has its turn in the next.
const PAGE: u32 = 200;
/// How long a station may take to say whether messages of a transaction are in its queue.
const ANSWER_S: i64 = 10;

/// Works for ever.
pub(super) async fn run(node: Arc<Node>, desk: Arc<dyn CommandDesk>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round: u32 = 0;
    loop {
        every.tick().await;
        if !node.cluster.leads() {
            continue;
        }
        let swept = if round == 0 { sweep(&node).await } else { Ok(()) };
        round = (round + 1) % SWEEP_ROUNDS;
        if let Err(error) = async { swept.and(settle_due(&node, &*desk).await) }.await {
            tracing::warn!(%error, "rulings about sessions are put off");
        }
    }
}

/// Bills whose wait is over.
async fn settle_due(node: &Node, desk: &dyn CommandDesk) -> Result<(), StoreError> {
    let due = node.store.due_settlements(clock::now(), PAGE).await?;
    let rulings = due.iter().map(|session| wait_is_over(node, desk, session));
    let rulings = futures_util::future::join_all(rulings).await;
    let mut result = Ok(());
    // One that the store refuses must not hold up the others.
    for (session, ruling) in due.iter().zip(rulings) {
        result = rule(node, session, ruling).await.and(result);
    }
    result
}

/// Nothing more is waited for, unless the station says that messages are in its queue (OCPP 2.0.1 part 2, E14). It is asked once.
async fn wait_is_over(node: &Node, desk: &dyn CommandDesk, session: &Session) -> Ruling {
    let now = clock::now();
    if session.queued || session.flags.contains(&SessionFlag::StartMissing) {
        return Ruling::GraceOver;
    }
    let command = StationCommand::GetTransactionStatus { transaction_id: Some(session.transaction.clone()) };
    let order = order(&session.tenant, &session.station, command, now.plus_secs(ANSWER_S));
    let answer = desk.submit(order).await;
    let queued =
        answer.outcome == CommandOutcome::Accepted && answer.detail.as_deref() == Some(MESSAGES_IN_QUEUE);
    if !queued {
        return Ruling::GraceOver;
    }
    Ruling::Queued { until: now.plus_secs(i64::from(node.config.billing.start_grace_s)) }
}

/// Open sessions that are over: another one began at their EVSE, or nobody spoke of them for too long.
async fn sweep(node: &Node) -> Result<(), StoreError> {
    let mut result = Ok(());
    for overtaken in node.store.overtaken_sessions(PAGE).await? {
        let ruling = Ruling::Superseded { at: overtaken.at, by: overtaken.by.clone() };
        result = rule(node, &overtaken.session, ruling).await.and(result);
    }
    let silent_s = i64::from(node.config.billing.abandoned_after_s);
    for session in node.store.silent_sessions(clock::now().plus_secs(-silent_s), PAGE).await? {
        result = rule(node, &session, Ruling::Abandoned).await.and(result);
    }
    result
}

/// Commits a ruling, and lets the site know.
async fn rule(node: &Node, session: &Session, ruling: Ruling) -> Result<(), StoreError> {
    let now = clock::now();
    tracing::info!(
        station.id = %session.station, transaction.id = %session.transaction, ruling = ruling.as_str(),
        "a session was ruled about"
    );
    let event = DomainEvent::Transaction(ruling.into_fact(session.transaction.clone(), now));
    let (tenant, station) = (session.tenant.clone(), session.station.clone());
    let row = node.store.find_station(&station).await?;
    let site = row
        .and_then(|row| row.location_id.map(|location| SiteId::of(&location)))
        .unwrap_or_else(SiteId::unassigned);
    let site = node.directory.send(Locate { tenant: tenant.clone(), site }).await;
    let facts = vec![Fact { tenant, station, received_at: now, event }];
    let append = Append { facts, site: site.ok().and_then(Result::ok) };
    // Not committed: the same session is found again in the next round.
    match node.journal_of(&session.station).send(append).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(StoreError::Unavailable { reason: error.to_string().into() }),
        Err(error) => Err(StoreError::Unavailable { reason: error.to_string().into() }),
    }
}
