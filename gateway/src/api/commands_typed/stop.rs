//! Remote stops: the form.

use ringmain_domain::command::StationCommand;
use ringmain_domain::id::{TokenUid, TransactionId};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::text_or_number;
use crate::api::problem::Problem;

/// Stop a transaction.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct StopTransaction {
    /// As the station knows it; a number is taken as its text. Either this or `token_uid`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    transaction_id: Option<TransactionId>,
    /// The one transaction of this token that goes on at the station.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    token_uid: Option<TokenUid>,
}

// === impl StopTransaction ===

impl StopTransaction {
    pub(super) const fn of(transaction_id: TransactionId) -> Self {
        Self { transaction_id: Some(transaction_id), token_uid: None }
    }

    /// The token, where it is all that is named.
    pub(super) fn token(&self) -> Result<Option<TokenUid>, Problem> {
        match (&self.transaction_id, &self.token_uid) {
            (Some(_), Some(_)) => Err(Problem::flaw("/token_uid", "leave it out beside transaction_id")),
            (None, None) => Err(Problem::flaw("/transaction_id", "is missing: which one, or whose?")),
            (_, token) => Ok(token.clone()),
        }
    }

    pub(super) fn into_domain(self) -> Result<StationCommand, Problem> {
        let missing = || Problem::flaw("/transaction_id", "is missing");
        Ok(StationCommand::StopTransaction { transaction_id: self.transaction_id.ok_or_else(missing)? })
    }
}

fn named<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TransactionId>, D::Error> {
    let told = Option::<Value>::deserialize(from)?;
    told.map(|told| text_or_number(told).map_err(D::Error::custom)).transpose()
}
