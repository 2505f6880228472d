//! Starts by order: the token is judged before the station is asked, as when it presents the token itself. Stops by token: which
//! transaction that is.

use ringmain_domain::authorize::{Authorization, Occasion, Purpose, decide};
use ringmain_domain::command::StationCommand;
use ringmain_domain::id::{StationId, TokenUid, TransactionId};
use ringmain_domain::telemetry;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::refusal::Refusal;
use super::stations;
use crate::clock;
use crate::house::House;

/// Refuses a start for a token that may not charge there now.
///
/// # Errors
/// A conflict with the reason, which is counted and audited; the store's.
pub(super) async fn check(
    house: &House,
    caller: &Caller,
    station: &StationId,
    command: &StationCommand,
) -> Result<(), Refusal> {
    let StationCommand::StartTransaction { token, evse_id, .. } = command else { return Ok(()) };
    let standing = house.store.token_standing(&caller.tenant, token, station).await?;
    let now = clock::now();
    let purpose = Purpose::Charge { transactions: Vec::new(), evse: *evse_id, starts: true };
    let occasion = Occasion { station, at: now, purpose };
    let reason = decide(token, &standing, &house.config.tokens.policy(), &occasion, now).authorization;
    metrics::counter!(telemetry::DECISION_AUTHORIZATIONS, "authorization" => reason.as_str(), "occasion" => "ordered")
        .increment(1);
    if reason == Authorization::Accepted {
        return Ok(());
    }
    let detail =
        json!({"command": "start_transaction", "token_uid": token.uid, "authorization": reason.as_str()});
    audit::record(house, caller, "command.refused", &format!("charging-stations/{station}"), &detail).await?;
    let uid = token.uid.as_str();
    Err(Refusal::conflict(format!("token {uid:?} may not charge there now: {}", reason.as_str())))
}

/// The one transaction of a token that goes on at a station of the caller's tenant.
///
/// # Errors
/// Absent, the station or such a transaction; a conflict where there are several; the store's.
pub async fn transaction_of(
    house: &House,
    caller: &Caller,
    station: &StationId,
    uid: &TokenUid,
) -> Result<TransactionId, Refusal> {
    stations::own(house, caller, station).await?;
    match house.store.transactions_of_token(&caller.tenant, uid, station).await?.as_slice() {
        [] => Err(Refusal::absent("transaction of token", uid.as_str())),
        [only] => Ok(only.clone()),
        [one, another, ..] => {
            let several = format!(
                "the token charges with {one} and {another}, perhaps more: name one by its transaction_id"
            );
            Err(Refusal::conflict(several))
        }
    }
}
