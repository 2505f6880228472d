//! Who did what: one event for every change and every command.

use ringmain_store::audit::AuditEvent;
use ringmain_store::store::StoreError;
use serde_json::Value;
use uuid::Uuid;

use super::keys::Caller;
use crate::clock;
use crate::house::House;

/// Writes an audit event. `action` is `noun.verb` in the past tense, `subject` is the path of the thing below `/api/v1`, `detail` holds
/// what became different and never a secret.
///
/// # Errors
/// The store's: the change itself is made then, and the caller says so by failing.
pub async fn record(
    house: &House,
    caller: &Caller,
    action: &str,
    subject: &str,
    detail: &Value,
) -> Result<(), StoreError> {
    let event = AuditEvent {
        id: Uuid::now_v7(),
        tenant: caller.tenant.clone(),
        at: clock::now(),
        actor: caller.actor(),
        action: action.into(),
        subject: subject.into(),
        detail: detail.to_string(),
    };
    house.store.audit(&event).await
}
