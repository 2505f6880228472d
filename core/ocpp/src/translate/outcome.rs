//! Answers to commands, as far as they are alike in both families: most have one word of status.

use ringmain_domain::command::CommandAnswer;
use serde_json::Value;
use serde_json::value::RawValue;

/// Words that mean yes, over all messages and versions.
const YES: [&str; 6] =
    ["Accepted", "Scheduled", "RebootRequired", "Unlocked", "AcceptedCanceled", "Unpublished"];

/// The word for an answer that has none of its own: it was received.
pub(super) const NO_WORD: &str = "";

/// Whether a word means yes.
pub(super) fn is_yes(word: &str) -> bool {
    YES.contains(&word)
}

/// The answer of a word.
pub(super) fn of_word(word: &str) -> CommandAnswer {
    CommandAnswer { accepted: is_yes(word), status: word.into(), variables: Vec::new() }
}

/// An answer without a word means yes.
pub(super) fn received() -> CommandAnswer {
    CommandAnswer { accepted: true, status: NO_WORD.into(), variables: Vec::new() }
}

/// An answer that cannot be read means no: nobody knows what the station did.
pub(super) fn unreadable() -> CommandAnswer {
    CommandAnswer { accepted: false, status: "Unreadable".into(), variables: Vec::new() }
}

/// Reads the version of a local authorization list: the member of this name is the answer, and its number the word.
pub(super) fn of_list_version(payload: &RawValue, member: &str) -> CommandAnswer {
    let Ok(Value::Object(payload)) = serde_json::from_str(payload.get()) else { return unreadable() };
    let version = match payload.get(member) {
        Some(Value::Number(number)) => number.as_i64(),
        // Some stations put numbers into quotes.
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) | None => None,
    };
    let Some(version) = version.and_then(|version| i32::try_from(version).ok()) else { return unreadable() };
    CommandAnswer { status: version.to_string().into(), ..received() }
}

/// Reads `status`, whatever else there is. Without the member the answer counts as received.
pub(super) fn of_status(payload: &RawValue) -> CommandAnswer {
    let Ok(Value::Object(payload)) = serde_json::from_str(payload.get()) else { return unreadable() };
    match payload.get("status") {
        Some(Value::String(word)) => of_word(word),
        Some(_) => unreadable(),
        None => received(),
    }
}
