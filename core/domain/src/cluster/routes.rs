//! Where a station is, as nodes tell each other; and the two rules every table of routes keeps, in memory and in Redis alike.

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, NodeId};

/// A station's connection, seen from any node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The node that has it.
    pub node: NodeId,
    /// The connection's fencing number.
    pub epoch: Epoch,
}

/// May a route be set over what is there? Only by a higher epoch (invariant `RouteFencedByEpoch`, R2).
#[must_use]
pub fn may_set(present: Option<Epoch>, new: Epoch) -> bool {
    present.is_none_or(|present| present < new)
}

/// May a node write its own route again? It is there as it was, or it was lost: then also over an older one.
#[must_use]
pub fn may_assert(present: Option<Epoch>, mine: Epoch) -> bool {
    present.is_none_or(|present| present <= mine)
}

/// Whom a node that set or asserted its route has to dismiss: the older connection whose route it replaced.
///
/// After the table of routes has lost everything an old connection may assert its route before the new one does, and would learn only one
/// sweep later that it is superseded.
#[must_use]
pub fn dismissed(before: Option<Place>, mine: &Place) -> Option<Place> {
    before.filter(|before| before.node != mine.node && before.epoch < mine.epoch)
}

/// May a route be deleted? Only by its own epoch: the end of an old socket keeps the new one's route (R2).
#[must_use]
pub fn may_delete(present: Option<Epoch>, mine: Epoch) -> bool {
    present == Some(mine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_higher_epoch_sets_and_only_its_own_deletes() {
        let at = |epoch| Some(Epoch(epoch));
        assert!(may_set(None, Epoch(1)));
        assert!(may_set(at(1), Epoch(2)));
        assert!(!may_set(at(2), Epoch(2)));
        assert!(!may_set(at(3), Epoch(2)));
        assert!(may_assert(at(2), Epoch(2)) && may_assert(None, Epoch(2)) && may_assert(at(1), Epoch(2)));
        assert!(!may_assert(at(3), Epoch(2)), "a newer socket is somewhere: this one is superseded");
        assert!(may_delete(at(2), Epoch(2)));
        assert!(!may_delete(at(3), Epoch(2)) && !may_delete(None, Epoch(2)));
    }

    #[test]
    fn whose_route_was_replaced_is_dismissed() {
        let place = |node, epoch| Place { node: NodeId(uuid::Uuid::from_u128(node)), epoch: Epoch(epoch) };
        let mine = place(1, 7);
        assert_eq!(dismissed(Some(place(2, 5)), &mine), Some(place(2, 5)));
        assert_eq!(dismissed(Some(place(1, 5)), &mine), None, "its own table has dismissed it");
        assert_eq!(dismissed(Some(mine), &mine), None);
        assert_eq!(dismissed(None, &mine), None);
    }
}
