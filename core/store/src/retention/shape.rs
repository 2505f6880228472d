//! What the facts look like that are cut by month: their columns, in the database and in a file.

use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::store::StoreError;

/// A table of facts.
#[derive(Debug)]
pub(super) struct Shape {
    /// The key of each part.
    pub(super) key: &'static [&'static str],
    pub(super) columns: &'static [Column],
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    TextOrNull,
    Json,
    Uuid,
    Int,
    Instant,
    Flag,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

static EVENTS: Shape = Shape {
    key: &["tenant", "station", "position"],
    columns: &[
        column("tenant", Kind::Text),
        column("station", Kind::Text),
        column("position", Kind::Int),
        column("name", Kind::Text),
        column("received_at", Kind::Instant),
        column("body", Kind::Json),
    ],
};

static MESSAGES: Shape = Shape {
    key: &["station", "id"],
    columns: &[
        column("station", Kind::Text),
        column("id", Kind::Int),
        column("at", Kind::Instant),
        column("inbound", Kind::Flag),
        column("kind", Kind::Text),
        column("action", Kind::TextOrNull),
        column("message_id", Kind::Text),
        column("frame", Kind::Text),
    ],
};

static AUDIT_EVENTS: Shape = Shape {
    key: &["tenant", "id"],
    columns: &[
        column("tenant", Kind::Text),
        column("id", Kind::Uuid),
        column("at", Kind::Instant),
        column("actor", Kind::Text),
        column("action", Kind::Text),
        column("subject", Kind::Text),
        column("detail", Kind::Text),
    ],
};

/// The shape of a table.
pub(super) fn of(fact: &str) -> Result<&'static Shape, StoreError> {
    match fact {
        "events" => Ok(&EVENTS),
        "messages" => Ok(&MESSAGES),
        "audit_events" => Ok(&AUDIT_EVENTS),
        _ => Err(StoreError::conflict(format!("{fact} is cut by month, and this release does not know it"))),
    }
}

/// A query of the rows behind one of them, in the order of the key.
pub(super) fn after(
    table: &str,
    key: &[&str],
    columns: &str,
    behind: Option<&Row>,
) -> Result<Select, StoreError> {
    let select = Select::new(&format!("SELECT {columns} FROM {table}"));
    let Some(row) = behind else { return Ok(select) };
    let values: Result<Vec<_>, _> = key.iter().map(|column| row.param(column)).collect();
    let places = vec!["?"; key.len()].join(", ");
    Ok(select.filter(&format!("({}) > ({places})", key.join(", ")), values?))
}

// === impl Shape ===

impl Shape {
    /// The columns' names, for a query.
    pub(super) fn names(&self) -> String {
        self.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }

    /// The columns as a Parquet schema.
    pub(super) fn message(&self) -> String {
        let field = |column: &Column| {
            let (kind, note) = match column.kind {
                Kind::Text | Kind::Uuid => ("required binary", " (STRING)"),
                Kind::TextOrNull => ("optional binary", " (STRING)"),
                Kind::Json => ("required binary", " (JSON)"),
                Kind::Int => ("required int64", ""),
                Kind::Instant => ("required int64", " (TIMESTAMP(MILLIS,true))"),
                Kind::Flag => ("required boolean", ""),
            };
            format!("{kind} {}{note};", column.name)
        };
        format!("message facts {{ {} }}", self.columns.iter().map(field).collect::<Vec<_>>().join(" "))
    }
}
