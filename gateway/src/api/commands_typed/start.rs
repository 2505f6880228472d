//! Remote starts: the forms.

use ringmain_domain::command::StationCommand;
use ringmain_domain::id::{EvseId, TokenUid};
use ringmain_domain::token::{IdToken, TokenKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::services::commands::new_remote_start_id;
use crate::services::tokens::{kind_name, kind_named};

/// Start charging for a token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct StartTransaction {
    /// The station chooses when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evse_id: Option<u32>,
    /// For whom. Either this or `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    token_uid: Option<TokenUid>,
    /// `central` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_kind: Option<String>,
    /// For whom: a token's uid, or an object with uid and kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<TokenForm>,
    /// Our number for this start, positive; made up when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote_start_id: Option<i32>,
}

/// A token, in short or in long.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a token's uid, or an object with uid and kind")]
pub(in crate::api) enum TokenForm {
    /// Its uid.
    Uid(String),
    /// With its kind.
    Object {
        /// Its uid.
        #[schema(value_type = String)]
        uid: TokenUid,
        /// `central` when absent.
        kind: Option<String>,
    },
}

impl StartTransaction {
    pub(super) fn into_domain(self) -> Result<StationCommand, Problem> {
        let (uid, kind) = match (self.token_uid, self.token) {
            (Some(uid), None) => (uid, self.token_kind),
            (None, Some(TokenForm::Uid(text))) => {
                let uid = TokenUid::new(&text).map_err(|cause| Problem::flaw("/token", cause.to_string()))?;
                (uid, self.token_kind)
            }
            (None, Some(TokenForm::Object { uid, kind })) => (uid, kind.or(self.token_kind)),
            (Some(_), Some(_)) => return Err(Problem::flaw("/token", "leave it out beside token_uid")),
            (None, None) => return Err(Problem::flaw("/token_uid", "is missing: for whom?")),
        };
        if self.remote_start_id.is_some_and(|id| id <= 0) {
            return Err(Problem::flaw("/remote_start_id", "must be positive"));
        }
        let kind = kind.map_or(TokenKind::Central, |name| kind_named(&name));
        Ok(StationCommand::StartTransaction {
            evse_id: self.evse_id.map(EvseId),
            token: IdToken { uid, kind },
            remote_start_id: self.remote_start_id.unwrap_or_else(new_remote_start_id),
        })
    }

    pub(super) fn of(evse_id: Option<EvseId>, token: IdToken, remote_start_id: i32) -> Self {
        Self {
            evse_id: evse_id.map(|id| id.0),
            token_kind: Some(kind_name(&token.kind).to_owned()),
            token_uid: Some(token.uid),
            token: None,
            remote_start_id: Some(remote_start_id),
        }
    }
}
