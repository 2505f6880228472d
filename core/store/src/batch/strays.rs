//! Messages about transactions that are not what their station says: another station's number, or no number at all.

use std::collections::{BTreeMap, BTreeSet};

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::StationId;
use ringmain_domain::report::{MessageKey, SecurityEvent};
use ringmain_domain::session::Session;
use ringmain_domain::transaction::TransactionFact;

use crate::batch::Place;
use crate::engine::param::{Param, params};
use crate::engine::{Statement, Texts, Tx};
use crate::store::StoreError;

/// The name of the security event of a station that names another one's transaction (reliability F14).
const FOREIGN: &str = "ForeignTransaction";

static OWNERS: Texts = Texts {
    one: "SELECT tenant, number, station FROM transaction_numbers WHERE tenant = $1 AND number = $2",
    all: "SELECT n.tenant, n.number, n.station FROM unnest($1::text[], $2::bigint[]) AS k(tenant, number) \
          JOIN transaction_numbers n ON n.tenant = k.tenant AND n.number = k.number",
};

static OPEN: Texts = Texts {
    one: "SELECT document FROM sessions WHERE tenant = $1 AND station = $2 AND status = 'active' LIMIT 64",
    all: "SELECT s.document FROM unnest($1::text[], $2::text[]) AS k(tenant, station) CROSS JOIN LATERAL \
          (SELECT document FROM sessions WHERE sessions.tenant = k.tenant AND sessions.station = k.station \
          AND sessions.status = 'active' LIMIT 64) AS s",
};

/// Puts strays where they belong. A message with another station's number becomes an orphan with a security event at the end of
/// `facts`; one without a number goes to the only transaction it can be about. Returns the places of the former.
pub(super) async fn sort_out(tx: &mut Tx, facts: &mut Vec<Fact>) -> Result<BTreeSet<usize>, StoreError> {
    adopt(tx, facts).await?;
    let foreign = foreign(tx, facts).await?;
    let mut events = Vec::with_capacity(foreign.len());
    for index in &foreign {
        let Some(fact) = facts.get_mut(*index) else { continue };
        let DomainEvent::Transaction(told) = &fact.event else { continue };
        let event = DomainEvent::SecurityEventReported(SecurityEvent {
            kind: FOREIGN.into(),
            observed_at: told.observed_at,
            text: Some(format!("names transaction {} of another station", told.transaction).into()),
        });
        events.push(Fact { event, ..fact.clone() });
        let named = Some(told.transaction.as_str().into());
        fact.event = DomainEvent::OrphanReported { named, fact: told.clone() };
    }
    facts.extend(events);
    Ok(foreign)
}

/// Facts under a number that this station was never given, but another one was.
async fn foreign(tx: &mut Tx, facts: &[Fact]) -> Result<BTreeSet<usize>, StoreError> {
    let numbered: BTreeMap<usize, (&Fact, i64)> =
        facts.iter().enumerate().filter_map(|(index, fact)| Some((index, (fact, number(fact)?)))).collect();
    let keys: BTreeMap<_, Vec<Param>> = numbered
        .values()
        .map(|(fact, number)| ((&fact.tenant, *number), params![&fact.tenant, *number]))
        .collect();
    let mut owners: BTreeMap<(String, i64), Vec<StationId>> = BTreeMap::new();
    for row in tx.run(Statement::each(&OWNERS, keys.into_values().collect())).await? {
        let key = (row.text("tenant")?.to_owned(), row.int("number")?);
        owners.entry(key).or_default().push(row.named("station")?);
    }
    let is_foreign = |(fact, number): &(&Fact, i64)| {
        owners
            .get(&(fact.tenant.as_str().to_owned(), *number))
            .is_some_and(|stations| !stations.contains(&fact.station))
    };
    Ok(numbered.iter().filter(|(_, one)| is_foreign(one)).map(|(index, _)| *index).collect())
}

/// The number a fact names, if it is one that we give (1.6).
fn number(fact: &Fact) -> Option<i64> {
    let DomainEvent::Transaction(told) = &fact.event else { return None };
    match told.key {
        MessageKey::Stop | MessageKey::Meter { .. } => told.transaction.as_str().parse().ok(),
        MessageKey::Start | MessageKey::Sequence(_) | MessageKey::Ruling { .. } => None,
    }
}

/// A station that never heard the number of its transaction says -1 (1.6 errata 3.18): of the one open transaction whose number it has never
/// named and that the message fits, if there is just one (reliability F12).
async fn adopt(tx: &mut Tx, facts: &mut [Fact]) -> Result<(), StoreError> {
    let stations: BTreeMap<Place, Vec<Param>> = facts
        .iter()
        .filter(|fact| matches!(fact.event, DomainEvent::OrphanReported { .. }))
        .map(|fact| ((fact.tenant.clone(), fact.station.clone()), params![&fact.tenant, &fact.station]))
        .collect();
    let mut open: BTreeMap<Place, Vec<Session>> = BTreeMap::new();
    for row in tx.run(Statement::each(&OPEN, stations.into_values().collect())).await? {
        let session: Session = row.json("document")?;
        open.entry((session.tenant.clone(), session.station.clone())).or_default().push(session);
    }
    for fact in facts {
        let DomainEvent::OrphanReported { fact: orphan, .. } = &fact.event else { continue };
        let place = (fact.tenant.clone(), fact.station.clone());
        let mut meant =
            open.get(&place).into_iter().flatten().filter(|session| session.can_be_meant_by(orphan));
        if let (Some(session), None) = (meant.next(), meant.next()) {
            let transaction = session.transaction.clone();
            let adopted = TransactionFact { transaction, adopted: true, ..orphan.clone() };
            fact.event = DomainEvent::Transaction(adopted);
        }
    }
    Ok(())
}
