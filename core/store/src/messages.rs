//! Recorded frames, kept by identity: what a station and we said to each other, bounded per station.

use ringmain_domain::id::StationId;
use ringmain_domain::time::Timestamp;

use crate::engine::param::params;
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::engine::{Statement, Texts};
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

/// The most of a frame that is kept, in bytes; the rest is cut off.
pub const MAX_FRAME_BYTES: usize = 16 * 1024;
/// Stations that are trimmed in one commit.
const TRIM_AT_ONCE: u32 = 200;

/// A recorded frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedMessage {
    /// Which station.
    pub station: StationId,
    /// When, by our clock.
    pub at: Timestamp,
    /// From the station, not to it.
    pub inbound: bool,
    /// `call`, `call_result`, `call_error`, ...
    pub kind: Box<str>,
    /// The action, where the frame or the call it answers names one.
    pub action: Option<Box<str>>,
    /// The message's id.
    pub message_id: Box<str>,
    /// The frame with its secrets masked, at most [`MAX_FRAME_BYTES`].
    pub frame: Box<str>,
}

static INSERT: Texts = Texts {
    one: "INSERT INTO messages (station, at, inbound, kind, action, message_id, frame) \
          VALUES ($1, $2, $3, $4, $5, $6, $7)",
    all: "INSERT INTO messages (station, at, inbound, kind, action, message_id, frame) SELECT * FROM \
          unnest($1::text[], $2::bigint[], $3::boolean[], $4::text[], $5::text[], $6::text[], $7::text[])",
};

/// Of (station, how many to keep): drops the oldest.
static TRIM: Texts = Texts {
    one: "DELETE FROM messages WHERE station = $1 AND id <= \
          (SELECT m.id FROM messages m WHERE m.station = $1 ORDER BY m.id DESC LIMIT 1 OFFSET $2) RETURNING id",
    all: "DELETE FROM messages USING unnest($1::text[], $2::bigint[]) AS k(station, keep) \
          WHERE messages.station = k.station AND messages.id <= \
          (SELECT m.id FROM messages m WHERE m.station = k.station ORDER BY m.id DESC LIMIT 1 OFFSET k.keep) \
          RETURNING messages.id",
};

impl Store {
    /// Keeps frames, in this order, in one commit.
    ///
    /// # Errors
    /// As [`StoreError`] says; frames may be lost, so nobody runs this again.
    pub async fn record_messages(&self, messages: &[RecordedMessage]) -> Result<(), StoreError> {
        let rows = messages
            .iter()
            .map(|message| {
                params![
                    &message.station,
                    message.at,
                    message.inbound,
                    &*message.kind,
                    message.action.as_deref(),
                    &*message.message_id,
                    cut(&message.frame, MAX_FRAME_BYTES),
                ]
            })
            .collect();
        self.engine().change_all(Statement::each(&INSERT, rows)).await.map(drop)
    }

    /// The frames of a station, the one recorded last first. Whoever asks has made sure that the station is the asker's.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn messages(
        &self,
        station: &StationId,
        page: &PageRequest,
    ) -> Result<Page<RecordedMessage>, StoreError> {
        let select =
            Select::new("SELECT id, station, at, inbound, kind, action, message_id, frame FROM messages")
                .filter("station = ?", params![station])
                .filter_some("id < ?", page.key::<i64>()?)
                .tail("ORDER BY id DESC LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, message, |row| row.int("id"))
    }

    /// Drops the oldest frames of stations that have more than the settings keep; how many were dropped.
    ///
    /// # Errors
    /// As [`StoreError`] says; what was dropped until then stays dropped.
    pub async fn trim_messages(&self) -> Result<u64, StoreError> {
        let keep = self.settings().message_retention_per_station;
        let full = "SELECT station FROM messages WHERE station > $1 GROUP BY station HAVING count(*) > $2 \
             ORDER BY station LIMIT $3";
        let (mut behind, mut dropped) = (String::new(), 0_u64);
        loop {
            let rows = self.engine().rows(full, params![&*behind, keep, TRIM_AT_ONCE]).await?;
            let Some(last) = rows.last() else { return Ok(dropped) };
            last.text("station")?.clone_into(&mut behind);
            let keys: Result<Vec<_>, StoreError> =
                rows.iter().map(|row| Ok(params![row.text("station")?, keep])).collect();
            let gone = self.engine().change_all(Statement::each(&TRIM, keys?)).await?;
            dropped = dropped.saturating_add(u64::try_from(gone.len()).unwrap_or(u64::MAX));
        }
    }
}

fn message(row: &Row) -> Result<RecordedMessage, StoreError> {
    Ok(RecordedMessage {
        station: row.named("station")?,
        at: row.at("at")?,
        inbound: row.boolean("inbound")?,
        kind: row.text("kind")?.into(),
        action: row.words("action")?,
        message_id: row.text("message_id")?.into(),
        frame: row.text("frame")?.into(),
    })
}

/// The start of a text, at most so many bytes, whole characters only.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}
