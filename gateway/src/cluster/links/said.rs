//! What nodes said of themselves while the store was being asked for all of them: its answer may be older.

use ringmain_domain::id::NodeId;

use super::Peer;

/// When, in milliseconds since boot, who, and where it is; `None`: it left.
#[derive(Debug, Default)]
pub(super) struct Said(Vec<(i64, NodeId, Option<Peer>)>);

impl Said {
    pub(super) fn hear(&mut self, at_ms: i64, node: NodeId, peer: Option<Peer>) {
        self.0.retain(|(_, known, _)| *known != node);
        self.0.push((at_ms, node, peer));
    }

    /// The nodes of the store's answer, with what was said since it was asked. What is older than that is forgotten.
    pub(super) fn over(&mut self, asked_at_ms: i64, mut answer: Vec<Peer>) -> std::sync::Arc<[Peer]> {
        self.0.retain(|(at_ms, ..)| *at_ms >= asked_at_ms);
        for (_, node, peer) in &self.0 {
            answer.retain(|known| known.id != *node);
            answer.extend(peer.clone());
        }
        answer.into()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn peer(number: u128) -> Peer {
        Peer { id: NodeId(Uuid::from_u128(number)), address: "a:1".into(), draining: false }
    }

    #[test]
    fn what_a_node_said_since_the_store_was_asked_is_newer() {
        let mut said = Said::default();
        said.hear(90, peer(2).id, None);
        said.hear(110, peer(3).id, None);
        said.hear(120, peer(3).id, Some(peer(3)));
        said.hear(130, peer(1).id, None);
        // Asked at 100: node 2 is registered again since, node 3 is too new to be in it, node 1 has left.
        assert_eq!(*said.over(100, vec![peer(1), peer(2)]), [peer(2), peer(3)]);
        assert_eq!(*said.over(200, vec![peer(1), peer(2)]), [peer(1), peer(2)]);
    }
}
