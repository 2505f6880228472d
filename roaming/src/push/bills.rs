//! Bill records on their way: a partner gets each once, whatever becomes of answers and nodes.
//!
//! Whoever sends one notes its place first, and keeps what the partner said in the same breath; nothing ends that in between but the
//! node itself. A record that may have been sent before is asked for first, at the address where the partner would keep it. So is one
//! that the partner refuses: it may refuse because it has it. Only a partner that says that it has none, or that answers no such question,
//! gets it again. Where another node sent last, its calls are waited out first.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use ringmain_domain::time::Timestamp;
use ringmain_store::partners::drivers::PartnerCdr;
use ringmain_store::store::StoreError;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::send::{Outcome, Receiver, call};
use crate::client::{Call, CallError, Verdict};
use crate::hub::Hub;
use crate::ocpi::dialect::write::Cdr;
use crate::ocpi::envelope::now;
use crate::ocpi::reading::below;

/// Which bill records this node is sending, by partner: one that is changed gets new tasks while a call of the old ones goes on.
#[derive(Debug, Default)]
pub(crate) struct Underway {
    bills: Mutex<HashSet<(Uuid, Uuid)>>,
    /// When this node last noted that it sends to a partner. One for each partner at most.
    noted: Mutex<HashMap<Uuid, Timestamp>>,
    ended: Notify,
}

/// A turn; ends when dropped.
struct Turn {
    underway: Arc<Underway>,
    of: (Uuid, Uuid),
}

impl Underway {
    async fn turn(self: &Arc<Self>, of: (Uuid, Uuid)) -> Turn {
        loop {
            let ended = self.ended.notified();
            if self.lock().insert(of) {
                return Turn { underway: Arc::clone(self), of };
            }
            ended.await;
        }
    }

    /// This node sends to a partner from now on.
    fn note(&self, partner: Uuid, at: Timestamp) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(partner, at);
    }

    /// Was it this node that noted this?
    fn is_own(&self, partner: Uuid, noted: Timestamp) -> bool {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).get(&partner) == Some(&noted)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<(Uuid, Uuid)>> {
        self.bills.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.underway.lock().remove(&self.of);
        self.underway.ended.notify_waiters();
    }
}

/// Tells a partner of a bill record that stands at this place of the feed, and keeps that it arrived. It goes on when nobody waits for it
/// any more.
pub(super) async fn tell(
    hub: &Hub,
    to: &Receiver,
    cdr: Arc<PartnerCdr>,
    position: i64,
    was_sent: bool,
) -> Result<Result<Outcome, CallError>, StoreError> {
    after_others(hub, to.callee.partner).await?;
    let to = to.for_party(&cdr.owner);
    let delivery = Delivery { hub: hub.clone(), to, cdr, position, was_sent };
    let told = hub.client.runtime().finish(delivery.run()).await;
    told.unwrap_or_else(|| Ok(Err(CallError::Unreachable("this node ends".to_owned()))))
}

/// One bill record, once.
struct Delivery {
    hub: Hub,
    to: Receiver,
    cdr: Arc<PartnerCdr>,
    position: i64,
    was_sent: bool,
}

impl Delivery {
    async fn run(self) -> Result<Result<Outcome, CallError>, StoreError> {
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        let (partner, bill) = (self.to.callee.partner, self.cdr.cdr.id.0);
        let _turn = self.hub.bills.turn((partner, bill)).await;
        if !store.arrived_cdrs(tenant, partner, &[bill]).await?.is_empty() {
            return Ok(Ok(Outcome::Unsaid));
        }
        let wire = match self.to.dialect.cdr(&self.to.ours, &self.cdr) {
            Ok(wire) => wire,
            Err(unsayable) => return Ok(Ok(Outcome::Unsayable(unsayable))),
        };
        let posted = store.bills_posted(tenant, partner).await?;
        // Whoever noted that place did so for this record, or for a later one while this one waited.
        let was_sent = self.was_sent || posted.is_some_and(|(position, _)| position >= self.position);
        let at = now();
        self.hub.bills.note(partner, at);
        store.note_bill_posting(tenant, partner, self.position, at).await?;
        match settle(&self.hub, &self.to, (&bill.to_string(), &wire), was_sent).await {
            Ok(kept_at) => {
                store.cdr_arrived((tenant, partner, bill), kept_at.as_deref(), now()).await?;
                Ok(Ok(Outcome::Taken))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}

/// Waits until nothing can be under way that another node sent: whoever led before may still wait for the answers to a question and to the
/// record that it sent then. However wrong the other's clock, no longer than those may take.
async fn after_others(hub: &Hub, partner: Uuid) -> Result<(), StoreError> {
    let calls = hub.settings.patience * 2;
    let mut met: Option<(Timestamp, Instant)> = None;
    loop {
        let posted = hub.store.bills_posted(&hub.tenant, partner).await?;
        let Some((_, noted)) = posted.filter(|(_, noted)| !hub.bills.is_own(partner, *noted)) else {
            return Ok(());
        };
        let met_at = match met {
            Some((same, met_at)) if same == noted => met_at,
            _ => Instant::now(),
        };
        met = Some((noted, met_at));
        let since = Duration::from_millis(u64::try_from(now().millis_since(noted)).unwrap_or(0));
        let left = calls.saturating_sub(since.max(met_at.elapsed()));
        if left.is_zero() {
            return Ok(());
        }
        tokio::time::sleep(left).await;
    }
}

/// Where the partner keeps it, if it says so.
async fn settle(
    hub: &Hub,
    to: &Receiver,
    (id, wire): (&str, &Cdr),
    was_sent: bool,
) -> Result<Option<String>, CallError> {
    let url = below(&to.url, &[id]);
    if was_sent && is_there(hub, to, &url, id).await? {
        return Ok(Some(url));
    }
    let post = call(Method::POST, to.url.clone(), wire, hub.settings.patience)?;
    match hub.client.call(&to.callee, post).await {
        Ok(answered) => Ok(answered.location),
        // It was sent before, without an answer, and now something stands in its place: there is no other than itself.
        Err(CallError::Refused { http: 409, .. }) if was_sent => Ok(None),
        Err(error) if error.verdict() == Verdict::Never => {
            // Whether it has it all the same, only a yes says.
            let has_it = is_there(hub, to, &url, id).await.unwrap_or(false);
            if has_it { Ok(Some(url)) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}

/// Does a partner keep this bill record? One that answers no such question does not, as far as can be known.
///
/// # Errors
/// The partner is away or stumbles, or says something else: nothing is known.
async fn is_there(hub: &Hub, to: &Receiver, url: &str, id: &str) -> Result<bool, CallError> {
    let answered = hub.client.call(&to.callee, Call::get(url.to_owned(), hub.settings.patience)).await;
    let answered = match answered {
        Ok(answered) => answered,
        Err(error) if error.is_absent() => return Ok(false),
        Err(CallError::Refused { http: 405 | 410 | 501, .. }) => return Ok(false),
        Err(error @ CallError::Refused { status_code: Some(2_000..=2_999), .. })
            if error.verdict() == Verdict::Never =>
        {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let kept = answered.answer.one::<Value>().ok();
    let kept = kept.as_ref().and_then(|kept| kept.get("id")).and_then(Value::as_str);
    Ok(kept.is_some_and(|kept| kept.eq_ignore_ascii_case(id)))
}
