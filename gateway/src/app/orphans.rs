//! What a start does once: the end of commands an earlier run left open.

use ringmain_domain::command::{CommandOutcome, CommandResult};
use ringmain_domain::time::Timestamp;
use ringmain_store::store::{Store, StoreError};

/// How many open commands are read at a time.
const PAGE: u32 = 500;

/// Commands that were under way when the last run ended: nobody will hear their answers.
///
/// # Errors
/// The store cannot be read or written.
pub(super) async fn end_commands(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    loop {
        let open = store.unended_commands(PAGE).await?;
        if open.is_empty() {
            return Ok(());
        }
        for record in open {
            let result = CommandResult::bare(CommandOutcome::TimeoutUnknown);
            store.end_command(record.id, &result, now).await?;
        }
    }
}
