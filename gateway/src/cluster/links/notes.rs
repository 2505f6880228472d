//! What is on its way to the owners of sites: in order, in batches, bounded. A batch that is not delivered, or for which there is no room,
//! becomes a word that something was missed: the owner reads the site from the store, where all of it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringmain_domain::id::{NodeId, SiteId, TenantId};
use ringmain_domain::telemetry;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{Links, PATIENCE, Peer, Strangers};
use crate::cluster::wire::{FORM, Note, Noted, Notes, SiteNote};

/// Notes that wait for one node; over that they become one word for each site.
pub(super) const WAITING_MAX: usize = 4_096;
/// Notes in one call.
const BATCH: usize = 256;
/// Pause before a node that did not answer is told again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Sites without an owner that wait to be looked at.
const STRANGERS_MAX: usize = 1_024;

type SiteKey = (TenantId, SiteId);

/// What waits for the other nodes.
pub(super) struct Outbox {
    queues: Mutex<BTreeMap<NodeId, Queue>>,
    strangers: mpsc::Sender<SiteKey>,
}

#[derive(Default)]
struct Queue {
    notes: VecDeque<Note>,
    /// Sites of which something was not delivered.
    missed: BTreeSet<SiteKey>,
    is_delivering: bool,
}

// === impl Outbox ===

impl Outbox {
    pub(super) fn new() -> (Self, Strangers) {
        let (strangers, lost) = mpsc::channel(STRANGERS_MAX);
        (Self { queues: Mutex::default(), strangers }, lost)
    }

    /// One more note. True: nobody delivers to this node just now, so somebody must begin.
    pub(super) fn push(
        &self,
        owner: NodeId,
        (tenant, site): (&TenantId, &SiteId),
        note: Box<RawValue>,
    ) -> bool {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(owner).or_default();
        if queue.notes.len() < WAITING_MAX {
            queue.notes.push_back(Note { tenant: tenant.clone(), site: site.clone(), note });
        } else {
            metrics::counter!(telemetry::CLUSTER_NOTES_MISSED).increment(1);
            queue.missed.insert((tenant.clone(), site.clone()));
        }
        !std::mem::replace(&mut queue.is_delivering, true)
    }

    /// What waits for nodes that are gone waits for nobody.
    pub(super) fn forget_all_but(&self, peers: &Arc<[Peer]>) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|node, queue| queue.is_delivering || peers.iter().any(|peer| peer.id == *node));
    }

    /// The next batch for a node; none: nothing waits, and whoever delivered has ended.
    fn take(&self, owner: NodeId) -> Option<Vec<Note>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.get_mut(&owner)?;
        let mut batch: Vec<_> = queue.notes.drain(..queue.notes.len().min(BATCH)).collect();
        if queue.notes.is_empty() {
            let missed = std::mem::take(&mut queue.missed).into_iter();
            let word = || serde_json::value::to_raw_value(&SiteNote::Missed).ok();
            batch.extend(missed.filter_map(|(tenant, site)| Some(Note { tenant, site, note: word()? })));
        }
        if batch.is_empty() {
            queues.remove(&owner);
            return None;
        }
        Some(batch)
    }

    fn missed(&self, owner: NodeId, batch: Vec<SiteKey>) {
        metrics::counter!(telemetry::CLUSTER_NOTES_MISSED).increment(batch.len() as u64);
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.entry(owner).or_default().missed.extend(batch);
    }

    fn drop_all(&self, owner: NodeId) {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).remove(&owner);
    }
}

// === impl Links ===

impl Links {
    /// Delivers until nothing waits for this node, or it lives no more.
    pub(super) async fn deliver(&self, owner: NodeId) {
        while let Some(notes) = self.shared.outbox.take(owner) {
            let Ok(peer) = self.peer(owner) else { return self.shared.outbox.drop_all(owner) };
            let sites: Vec<_> = notes.iter().map(|note| (note.tenant.clone(), note.site.clone())).collect();
            let notes = Notes { v: FORM, from: self.shared.me, notes };
            match self.call::<_, Noted>(&peer, "sites/notes", &notes, PATIENCE).await {
                Ok(Noted { strangers }) => {
                    for stranger in strangers {
                        // No room: the site looks by itself before long.
                        self.shared.outbox.strangers.try_send(stranger).ok();
                    }
                }
                Err(_fault) => {
                    self.shared.outbox.missed(owner, sites);
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn note(n: usize) -> Box<RawValue> {
        RawValue::from_string(n.to_string()).unwrap()
    }

    #[test]
    fn a_full_queue_becomes_one_word_for_each_site() {
        let (outbox, _strangers) = Outbox::new();
        let owner = NodeId(Uuid::from_u128(1));
        let (tenant, site) = (TenantId::default_tenant(), SiteId::new("depot").unwrap());
        assert!(outbox.push(owner, (&tenant, &site), note(0)), "somebody must begin to deliver");
        for n in 1..WAITING_MAX + 7 {
            assert!(!outbox.push(owner, (&tenant, &site), note(n)));
        }
        let mut got = Vec::new();
        while let Some(batch) = outbox.take(owner) {
            got.extend(batch.into_iter().map(|note| note.note.get().to_owned()));
        }
        assert_eq!(got.len(), WAITING_MAX + 1);
        assert_eq!(got[..2], ["0", "1"], "in order");
        assert_eq!(got[WAITING_MAX], "\"missed\"");
        assert!(outbox.push(owner, (&tenant, &site), note(0)), "whoever delivered has ended");
    }

    #[test]
    fn what_was_not_delivered_is_missed_and_what_waits_for_the_dead_is_forgotten() {
        let (outbox, _strangers) = Outbox::new();
        let owner = NodeId(Uuid::from_u128(1));
        let (tenant, site) = (TenantId::default_tenant(), SiteId::new("depot").unwrap());
        outbox.push(owner, (&tenant, &site), note(0));
        outbox.take(owner).unwrap();
        outbox.missed(owner, vec![(tenant.clone(), site.clone()); 3]);
        let word = outbox.take(owner).unwrap();
        assert_eq!((word.len(), word[0].note.get()), (1, "\"missed\""));
        outbox.push(owner, (&tenant, &site), note(1));
        outbox.drop_all(owner);
        assert!(outbox.take(owner).is_none());
    }
}
