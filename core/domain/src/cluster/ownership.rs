//! Who looks after a site: the node that wrote its name there and whose lease goes on. It avoids fights; the limit is kept by the ledger.

use super::lease;
use crate::id::NodeId;

/// The owner as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Which node.
    pub node: NodeId,
    /// The end of its lease by the database's clock, in milliseconds; none where the node is not known any more.
    pub lease_until: Option<i64>,
}

/// May a node take a site whose owner this is, at this time of the database's clock, in milliseconds?
#[must_use]
pub fn may_claim(owner: Option<Owner>, me: NodeId, now: i64) -> bool {
    let Some(Owner { node, lease_until }) = owner else { return true };
    node == me || lease_until.is_none_or(|until| lease::is_over(until, now))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_site_is_taken_from_nobody_and_from_the_dead() {
        let node = |n| NodeId(Uuid::from_u128(n));
        let owner = |lease_until| Some(Owner { node: node(2), lease_until });
        assert!(may_claim(None, node(1), 0));
        assert!(may_claim(owner(None), node(1), 0), "a node that is gone");
        assert!(may_claim(owner(Some(10_000)), node(2), 0), "its own");
        assert!(!may_claim(owner(Some(10_000)), node(1), 11_999));
        assert!(may_claim(owner(Some(10_000)), node(1), 12_000));
    }
}
