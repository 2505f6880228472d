//! What went wrong in an engine, as one of the four things a caller can act on.

use crate::store::StoreError;

const UNIQUE_VIOLATION: &str = "23505";
const CHECK_VIOLATION: &str = "23514";
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const UNDEFINED_TABLE: &str = "42P01";

/// When it went wrong decides whether something may have been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before the commit was asked for: nothing was written.
    Before,
    /// While the commit was under way.
    Commit,
}

// === impl StoreError ===

impl StoreError {
    pub(crate) fn unavailable(reason: impl Into<Box<str>>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }

    pub(crate) fn conflict(reason: impl Into<Box<str>>) -> Self {
        Self::Conflict { reason: reason.into() }
    }

    pub(crate) fn unknown(reason: impl Into<Box<str>>) -> Self {
        Self::Unknown { reason: reason.into() }
    }

    pub(crate) fn corrupt(reason: impl Into<Box<str>>) -> Self {
        Self::Corrupt { reason: reason.into() }
    }

    pub(crate) fn of_sqlite(error: &rusqlite::Error, moment: Moment) -> Self {
        use rusqlite::ErrorCode as Code;
        let reason = error.to_string();
        let Some(code) = error.sqlite_error_code() else { return Self::corrupt(reason) };
        match code {
            // The log's bytes may have reached the disk although the disk says they have not.
            Code::SystemIoFailure if moment == Moment::Commit => Self::unknown(reason),
            Code::ConstraintViolation => match error.sqlite_error().map(|e| e.extended_code) {
                Some(
                    rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                    | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                    | rusqlite::ffi::SQLITE_CONSTRAINT_ROWID,
                ) => Self::conflict(reason),
                _ => Self::corrupt(reason),
            },
            Code::DatabaseBusy
            | Code::DatabaseLocked
            | Code::DiskFull
            | Code::SystemIoFailure
            | Code::CannotOpen
            | Code::ReadOnly
            | Code::OutOfMemory
            | Code::OperationInterrupted
            | Code::OperationAborted
            | Code::PermissionDenied
            | Code::FileLockingProtocolFailed
            | Code::SchemaChanged => Self::unavailable(reason),
            _ => Self::corrupt(reason),
        }
    }

    pub(crate) fn of_postgres(error: &tokio_postgres::Error, moment: Moment) -> Self {
        let Some(db) = error.as_db_error() else {
            let reason = with_cause(error);
            return match moment {
                // A value that fits no parameter, or an answer we cannot read, comes with a connection that is still there.
                _ if is_ours(error) => Self::corrupt(reason),
                Moment::Before => Self::unavailable(reason),
                Moment::Commit => Self::unknown(reason),
            };
        };
        let reason = format!("{} (SQLSTATE {})", db.message(), db.code().code());
        Self::of_sqlstate(db.code().code(), reason, moment)
    }

    fn of_sqlstate(code: &str, reason: String, moment: Moment) -> Self {
        match (code, code.get(..2).unwrap_or_default(), moment) {
            (UNIQUE_VIOLATION, ..) => Self::conflict(reason),
            // No value is wrong: a right was taken away, a table is not there, a migration left a constraint (the schema has no other).
            // Whoever tries again later loses nothing.
            (INSUFFICIENT_PRIVILEGE | UNDEFINED_TABLE | CHECK_VIOLATION, ..) => Self::unavailable(reason),
            // Ended from outside while it committed: the commit may be done.
            (_, "57" | "58" | "08", Moment::Commit) => Self::unknown(reason),
            (_, "08" | "25" | "28" | "3D" | "40" | "53" | "55" | "57" | "58", _) => Self::unavailable(reason),
            _ => Self::corrupt(reason),
        }
    }
}

/// Was it our value or our reading, not the connection?
fn is_ours(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    text.starts_with("error serializing parameter") || text.starts_with("error deserializing column")
}

fn with_cause(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_must_mend_is_no_fault_of_what_was_to_be_stored() {
        for moment in [Moment::Before, Moment::Commit] {
            let of = |code| StoreError::of_sqlstate(code, code.to_owned(), moment);
            for code in ["42501", "42P01", "23514", "53100", "40P01", "55P03"] {
                assert!(matches!(of(code), StoreError::Unavailable { .. }), "{code}");
            }
            for code in ["22P02", "23502", "42601", "XX000"] {
                assert!(matches!(of(code), StoreError::Corrupt { .. }), "{code}");
            }
            assert!(matches!(of("23505"), StoreError::Conflict { .. }));
        }
        let ended = |moment| StoreError::of_sqlstate("57P01", String::new(), moment);
        assert!(matches!(ended(Moment::Before), StoreError::Unavailable { .. }));
        assert!(matches!(ended(Moment::Commit), StoreError::Unknown { .. }));
    }
}
