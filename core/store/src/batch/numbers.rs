//! Numbers for transactions that ask for one: the same start has the same number, on every node and after every retry; two starts of a
//! station never share one.

use std::collections::BTreeMap;

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{StationId, TenantId, TransactionId};
use ringmain_domain::transaction::{NUMBER_CANDIDATES, Numbering};

use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::{Statement, Texts, Tx};
use crate::store::StoreError;

/// A start that asks for a number.
pub(super) type Start = (TenantId, StationId, Box<str>);
/// The number of each start.
pub(super) type Numbers = BTreeMap<Start, TransactionId>;

static FIND: Texts = Texts {
    one: "SELECT tenant, station, start_key, number FROM transaction_numbers \
          WHERE tenant = $1 AND station = $2 AND start_key = $3",
    all: "SELECT n.tenant, n.station, n.start_key, n.number \
          FROM unnest($1::text[], $2::text[], $3::text[]) AS k(tenant, station, start_key) JOIN transaction_numbers n \
          ON n.tenant = k.tenant AND n.station = k.station AND n.start_key = k.start_key",
};

/// Takes a number unless the start has one already or another start of the station holds it.
static TAKE: Texts = Texts {
    one: "INSERT INTO transaction_numbers (tenant, station, start_key, number) VALUES ($1, $2, $3, $4) \
          ON CONFLICT DO NOTHING",
    all: "INSERT INTO transaction_numbers (tenant, station, start_key, number) \
          SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) ON CONFLICT DO NOTHING",
};

/// Finds or takes a number for every start of a batch.
///
/// # Errors
/// [`StoreError::Conflict`] when other starts hold all candidates of one.
pub(super) async fn assign(tx: &mut Tx, facts: &[Fact]) -> Result<Numbers, StoreError> {
    let mut waiting: BTreeMap<Start, [i32; NUMBER_CANDIDATES]> = facts
        .iter()
        .filter_map(|fact| numbering(fact).map(|numbering| (start(fact, numbering), numbering.candidates)))
        .collect();
    let mut numbers = Numbers::new();
    let keys = |waiting: &BTreeMap<Start, _>| {
        waiting.keys().map(|(tenant, station, key)| params![tenant, station, &**key]).collect::<Vec<_>>()
    };
    let found = tx.run(Statement::each(&FIND, keys(&waiting))).await?;
    settle(&found, &mut waiting, &mut numbers)?;
    for place in 0..NUMBER_CANDIDATES {
        if waiting.is_empty() {
            break;
        }
        let rows: Vec<Vec<Param>> = waiting
            .iter()
            .map(|((tenant, station, key), candidates)| {
                let number = candidates.get(place).copied().map(i64::from);
                params![tenant, station, &**key, number]
            })
            .collect();
        // Found by a statement of its own: it also sees the number that a rival gave the same start just before.
        let statements = vec![Statement::each(&TAKE, rows), Statement::each(&FIND, keys(&waiting))];
        let answers = tx.run_all(statements).await?;
        settle(answers.last().map_or(&[], Vec::as_slice), &mut waiting, &mut numbers)?;
    }
    match waiting.first_key_value() {
        Some(((_, station, key), _)) => {
            Err(StoreError::conflict(format!("all numbers proposed for start {key} of {station} are taken")))
        }
        None => Ok(numbers),
    }
}

/// What the fact asks, if it asks for a number.
pub(super) fn numbering(fact: &Fact) -> Option<&Numbering> {
    match &fact.event {
        DomainEvent::Transaction(told) => told.numbering.as_ref(),
        _ => None,
    }
}

pub(super) fn start(fact: &Fact, numbering: &Numbering) -> Start {
    (fact.tenant.clone(), fact.station.clone(), numbering.start_key.clone())
}

fn settle<T>(
    rows: &[Row],
    waiting: &mut BTreeMap<Start, T>,
    numbers: &mut Numbers,
) -> Result<(), StoreError> {
    for row in rows {
        let start = (row.named("tenant")?, row.named("station")?, row.text("start_key")?.into());
        let number: i32 = row.number("number")?;
        let number = TransactionId::new(&number.to_string())
            .map_err(|error| StoreError::corrupt(error.to_string()))?;
        waiting.remove(&start);
        numbers.insert(start, number);
    }
    Ok(())
}
