//! Local authorization lists: the forms.

use ringmain_domain::authorize::{Authorization, Verdict};
use ringmain_domain::command::StationCommand;
use ringmain_domain::id::TokenUid;
use ringmain_domain::local_list::{ListUpdate, LocalListEntry, MAX_ENTRIES_PER_MESSAGE};
use ringmain_domain::token::{IdToken, TokenKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::fields::Instant;
use crate::api::problem::Problem;
use crate::services::tokens::{kind_name, kind_named};

/// Ask which version the list has.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct GetLocalListVersion {}

/// Bring the list to what the tokens, groups and access rules say.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SyncLocalList {
    /// Send all of it, whatever the station has.
    #[serde(default)]
    pub(super) full: bool,
}

/// Send a list, or a change to it, as it is: what the next `sync_local_list` finds different it sends in full.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SendLocalList {
    /// The list's version afterwards; positive.
    #[schema(minimum = 1)]
    version: i32,
    update: ListUpdateForm,
    /// At most 1,000.
    #[serde(default)]
    #[schema(max_items = 1000)]
    entries: Vec<ListEntryForm>,
}

/// What a message does to the list.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum ListUpdateForm {
    /// Replaces it.
    Full,
    /// Changes it.
    Differential,
}

/// A line.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListEntryForm {
    #[schema(value_type = String)]
    token_uid: TokenUid,
    /// `rfid` when absent.
    #[serde(default = "rfid")]
    token_kind: String,
    /// The token leaves the list.
    #[serde(default)]
    removed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    group_uid: Option<TokenUid>,
    /// Until when the station may accept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Instant>)]
    expires_at: Option<Instant>,
}

same_names!(ListUpdateForm = ListUpdate { Full, Differential });

fn rfid() -> String {
    kind_name(&TokenKind::Rfid).to_owned()
}

impl SendLocalList {
    pub(super) fn into_domain(self) -> Result<StationCommand, Problem> {
        if self.version <= 0 {
            return Err(Problem::flaw("/version", "must be positive"));
        }
        if self.entries.len() > MAX_ENTRIES_PER_MESSAGE {
            let detail = format!("at most {MAX_ENTRIES_PER_MESSAGE} are allowed");
            return Err(Problem::flaw("/entries", detail));
        }
        let entry = |form: ListEntryForm| LocalListEntry {
            token: IdToken { uid: form.token_uid, kind: kind_named(&form.token_kind) },
            verdict: (!form.removed).then_some(Verdict {
                authorization: Authorization::Accepted,
                group: form.group_uid,
                expires_at: form.expires_at.map(|at| at.0),
            }),
        };
        Ok(StationCommand::SendLocalList {
            version: self.version,
            update: self.update.into(),
            entries: self.entries.into_iter().map(entry).collect(),
        })
    }

    pub(super) fn of(version: i32, update: ListUpdate, entries: Vec<LocalListEntry>) -> Self {
        let entry = |entry: LocalListEntry| {
            let removed = entry.verdict.is_none();
            let (group_uid, ends) =
                entry.verdict.map_or((None, None), |verdict| (verdict.group, verdict.expires_at));
            ListEntryForm {
                token_kind: kind_name(&entry.token.kind).to_owned(),
                token_uid: entry.token.uid,
                removed,
                group_uid,
                expires_at: ends.map(Into::into),
            }
        };
        Self { version, update: update.into(), entries: entries.into_iter().map(entry).collect() }
    }
}
