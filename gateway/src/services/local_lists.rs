//! Local authorization lists: brings a station's list to what it should be, message by message, and remembers what it was sent.
//!
//! A message whose answer is lost leaves the list uncertain: the next one is full then. Never: a word of a protocol version.

use std::collections::HashMap;
use std::sync::Arc;

use ringmain_domain::authorize::rule::AccessRule;
use ringmain_domain::command::{CommandDesk, CommandOutcome, CommandResult, StationCommand};
use ringmain_domain::id::{StationId, TenantId, TokenUid};
use ringmain_domain::local_list::{
    DEFAULT_ENTRIES_PER_MESSAGE, ListMessage, ListUpdate, LocalListEntry, MAX_ENTRIES, Sent, WantedList,
};
use ringmain_domain::time::Timestamp;
use ringmain_domain::token::TokenGroup;
use ringmain_store::local_lists::LocalList;
use ringmain_store::page::{MAX_LIMIT, PageRequest};
use ringmain_store::store::{Store, StoreError};

use crate::{clock, desk};

/// How many entries a station takes in one message: the 1.6 key and the 2.x variable.
const PER_MESSAGE: [&str; 2] = ["SendLocalListMaxLength", "ItemsPerMessage"];
/// How many entries a 1.6 station holds; 2.x stations do not tell it as a value.
const HOLDS: [&str; 2] = ["LocalAuthListMaxLength", "LocalAuthListMaxLength"];
/// The component of the 2.x variables; 1.6 keys have none.
const COMPONENT: &str = "LocalAuthListCtrlr";

/// An update of one station's list.
#[derive(Clone)]
pub struct ListSync {
    /// Persistence.
    pub store: Store,
    /// Takes the messages.
    pub desk: Arc<dyn CommandDesk>,
    /// Whose station.
    pub tenant: TenantId,
    /// Which station.
    pub station: StationId,
    /// Send all of it, whatever the station has.
    pub full: bool,
    /// Where nothing differs from what was sent, do not even ask the station.
    pub quiet: bool,
    /// By when it must have ended.
    pub deadline: Timestamp,
}

/// How the messages of one plan went.
enum Told {
    All,
    /// The station says that this is no change to the list it has.
    Mismatch(CommandResult),
    Failed(CommandResult),
}

// === impl ListSync ===

impl ListSync {
    /// Carries it out. A failure of the store ends it as one whose outcome nobody knows: what was sent may have arrived.
    pub async fn carry_out(self) -> CommandResult {
        match self.update().await {
            Ok(result) => result,
            Err(error) => CommandResult::saying(CommandOutcome::TimeoutUnknown, error.to_string()),
        }
    }

    async fn update(&self) -> Result<CommandResult, StoreError> {
        let mut kept = self.kept().await?;
        // Before the tokens are read: what changes meanwhile makes it differ, and the station is due again.
        let revision = self.store.access_revision(&self.tenant).await?;
        let (mut wanted, per_message) = (self.wanted().await?, self.per_message().await?);
        let left_out = wanted.cut(self.holds().await?);
        let nothing_new = || kept.certain && kept.entries == wanted.sent();
        if self.quiet && !self.full && nothing_new() {
            kept.revision = Some(revision);
            self.keep(&mut kept).await?;
            return Ok(done("nothing changed".into()));
        }
        let asked = self.order(StationCommand::GetLocalListVersion).await;
        if asked.outcome != CommandOutcome::Accepted {
            return Ok(asked);
        }
        let Some(has) = version_of(&asked).filter(|version| *version >= 0) else {
            kept.revision = Some(revision);
            self.keep(&mut kept).await?;
            let detail = Some("the station has no local authorization list".into());
            return Ok(CommandResult { outcome: CommandOutcome::NotSupported, detail, ..asked });
        };
        let known = kept.certain && kept.version == has && !self.full;
        let mut messages = if known && has > 0 {
            wanted.differential(&kept.entries, has, per_message)
        } else {
            wanted.full(has.max(kept.version), per_message)
        };
        let mut told = self.tell(&mut kept, &messages).await?;
        if let Told::Mismatch(_) = told {
            // It has another list than it said, or than we thought: one that replaces all is right in any case.
            messages = wanted.full(kept.version.max(has), per_message);
            told = self.tell(&mut kept, &messages).await?;
        }
        if let Told::Mismatch(result) | Told::Failed(result) = told {
            return Ok(result);
        }
        kept.certain = true;
        kept.entries = wanted.sent();
        kept.version = messages.last().map_or(has, |message| message.version);
        kept.revision = Some(revision);
        self.keep(&mut kept).await?;
        Ok(done(in_words(&messages, &kept, left_out)))
    }

    /// Sends the messages one by one. Until the last is accepted nobody knows what the station has.
    async fn tell(&self, kept: &mut LocalList, messages: &[ListMessage]) -> Result<Told, StoreError> {
        for message in messages {
            let ListMessage { version, update, entries } = message.clone();
            if kept.certain || kept.version < version {
                kept.certain = false;
                kept.version = version;
                self.keep(kept).await?;
            }
            let result = self.order(StationCommand::SendLocalList { version, update, entries }).await;
            match result.outcome {
                CommandOutcome::Accepted => {}
                CommandOutcome::Rejected if message.update == ListUpdate::Differential => {
                    return Ok(Told::Mismatch(result));
                }
                _ => return Ok(Told::Failed(result)),
            }
        }
        Ok(Told::All)
    }

    async fn order(&self, command: StationCommand) -> CommandResult {
        self.desk.submit(desk::order(&self.tenant, &self.station, command, self.deadline)).await
    }

    async fn kept(&self) -> Result<LocalList, StoreError> {
        let kept = self.store.local_list(&self.tenant, &self.station).await?;
        Ok(kept.unwrap_or_else(|| LocalList {
            tenant: self.tenant.clone(),
            station: self.station.clone(),
            version: 0,
            certain: false,
            revision: None,
            due_at: Timestamp::default(),
            entries: Sent::new(),
            updated_at: Timestamp::default(),
        }))
    }

    async fn keep(&self, kept: &mut LocalList) -> Result<(), StoreError> {
        kept.updated_at = clock::now();
        self.store.put_local_list(kept).await
    }

    /// The list as it should be: every token that may charge at the station's location at any time.
    async fn wanted(&self) -> Result<WantedList, StoreError> {
        let now = clock::now();
        let station = self.store.find_station(&self.station).await?;
        let rules: Vec<AccessRule> = match station.and_then(|station| station.location_id) {
            Some(location) => self.store.location_access(&self.tenant, &location).await?,
            None => Vec::new(),
        };
        let groups = self.groups().await?;
        let mut entries = Vec::new();
        let mut request = PageRequest::first(MAX_LIMIT);
        // One more than fit tells that some are left out; more than that need not be read.
        while entries.len() <= MAX_ENTRIES {
            let page = self.store.tokens(&self.tenant, &request).await?;
            entries.extend(page.items.iter().filter_map(|token| {
                let group = token.lookup_group().and_then(|id| groups.get(&id));
                LocalListEntry::wanted(token, group, &rules, now)
            }));
            let Some(next) = page.next else { break };
            request.after = Some(next);
        }
        Ok(entries.into_iter().collect())
    }

    async fn groups(&self) -> Result<HashMap<TokenUid, TokenGroup>, StoreError> {
        let mut groups = HashMap::new();
        let mut request = PageRequest::first(MAX_LIMIT);
        loop {
            let page = self.store.token_groups(&self.tenant, &request).await?;
            groups.extend(page.items.into_iter().map(|group| (group.id.clone(), group)));
            let Some(next) = page.next else { return Ok(groups) };
            request.after = Some(next);
        }
    }

    async fn per_message(&self) -> Result<usize, StoreError> {
        Ok(self.number(PER_MESSAGE).await?.unwrap_or(DEFAULT_ENTRIES_PER_MESSAGE))
    }

    async fn holds(&self) -> Result<usize, StoreError> {
        Ok(self.number(HOLDS).await?.unwrap_or(MAX_ENTRIES))
    }

    /// A number above 0 that the station told of itself under one of these names.
    async fn number(&self, names: [&str; 2]) -> Result<Option<usize>, StoreError> {
        let values = self.store.variable_values(&self.tenant, &self.station, names).await?;
        let ours = values.iter().filter(|(component, _)| component.is_empty() || **component == *COMPONENT);
        Ok(ours.filter_map(|(_, value)| value.trim().parse().ok()).find(|number| *number > 0))
    }
}

fn version_of(asked: &CommandResult) -> Option<i32> {
    asked.detail.as_deref()?.parse().ok()
}

fn done(detail: String) -> CommandResult {
    CommandResult::saying(CommandOutcome::Accepted, detail)
}

/// How it went, for people.
fn in_words(messages: &[ListMessage], kept: &LocalList, left_out: usize) -> String {
    let how = match messages.first().map(|message| message.update) {
        Some(ListUpdate::Full) => "full",
        Some(ListUpdate::Differential) => "differential",
        None => return "nothing changed".into(),
    };
    let lines: usize = messages.iter().map(|message| message.entries.len()).sum();
    let mut words = format!(
        "{how}: {lines} lines in {} messages, version {}, {} tokens",
        messages.len(),
        kept.version,
        kept.entries.len()
    );
    if left_out > 0 {
        words.push_str(&format!(", {left_out} or more left out because the list is full"));
    }
    words
}
