//! A plain plan for the simulation: the minimum for whoever it fits, then one step after another for everybody in turn. It leaves no step
//! unused, so that what the ledger does with it can be measured.

use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::ledger::steering::SteeringState;
use ringmain_domain::unit::Milliamps;

pub(crate) const MINIMUM: Milliamps = Milliamps(6_000);
pub(crate) const STEP: Milliamps = Milliamps(1_000);

/// `wants` is none where no car waits. Less than the fallback frees nothing, so a share costs the larger of the two (P0).
pub(crate) fn plan(
    rows: &[Row],
    uses: &[Vec<(usize, i64)>],
    owner: &SteeringState,
    wants: &[Option<Milliamps>],
) -> Vec<Milliamps> {
    let accounts = &owner.ledger().accounts;
    let mut cost: Vec<Milliamps> = accounts
        .iter()
        .enumerate()
        .map(|(slot, account)| if owner.steers(slot) { account.floor() } else { account.ceiling() })
        .collect();
    let mut slack: Vec<i64> = rows.iter().map(|row| row.slack(&cost)).collect();
    let mut shares = vec![Milliamps::ZERO; wants.len()];
    let mut give = |slot: usize, share: Milliamps, shares: &mut Vec<Milliamps>| {
        let more = share.minus(cost[slot]).max(Milliamps::ZERO).0;
        let fits = more == 0 || uses[slot].iter().all(|(row, coefficient)| slack[*row] >= more * coefficient);
        if fits {
            for (row, coefficient) in &uses[slot] {
                slack[*row] -= more * coefficient;
            }
            cost[slot] = cost[slot].max(share);
            shares[slot] = share;
        }
        fits
    };
    let steered = |slot: &usize| wants[*slot].is_some_and(|cap| cap >= MINIMUM) && owner.steers(*slot);
    let mut active: Vec<usize> = (0..wants.len()).filter(steered).collect();
    active.retain(|slot| give(*slot, MINIMUM, &mut shares));
    // What is left of a step goes to those who hold it already: a crumb that moves costs a guard.
    let held = |slot: &usize| accounts[*slot].newest().map_or(Milliamps::ZERO, |grant| grant.limit);
    active.sort_by_key(|slot| (std::cmp::Reverse(held(slot)), *slot));
    while !active.is_empty() {
        active.retain(|slot| {
            let share = shares[*slot].plus(STEP);
            wants[*slot].is_some_and(|cap| share <= cap) && give(*slot, share, &mut shares)
        });
    }
    shares
}

/// For each EVSE the rows it counts in.
pub(crate) fn uses(rows: &[Row], evses: usize) -> Vec<Vec<(usize, i64)>> {
    let mut uses = vec![Vec::new(); evses];
    for (place, row) in rows.iter().enumerate() {
        for (slot, coefficient) in &row.users {
            uses[*slot].push((place, *coefficient));
        }
    }
    uses
}
